/* SPDX-License-Identifier: Apache-2.0 */
/* A fresh directory for a test, removed with all that is below it, and an env for what
 * blocks: files of the host, numbers in order. */
#ifndef BLX_TESTS_NODE_DIRS_H
#define BLX_TESTS_NODE_DIRS_H

#include "sys/env.h"

struct dirs {
	char root[64];
	char path[160]; /* of the last dirs_path() */
	struct blx__env env;
	uint64_t random;
};

void dirs_init(struct dirs *dirs);
void dirs_finish(struct dirs *dirs);

/* "root/name", valid until the next call. */
const char *dirs_path(struct dirs *dirs, const char *name);

#endif
