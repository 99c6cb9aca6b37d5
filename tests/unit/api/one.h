/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of one member in this process, asked by the handle of that or by its socket. */
#ifndef BLX_TESTS_API_ONE_H
#define BLX_TESTS_API_ONE_H

#include "../node/dirs.h"

#include <blixard/blixard.h>
#include <stdbool.h>

/* What no test waits for unless it fails. */
#define ONE_LONG_MS 60000

struct one {
	struct dirs dirs;
	char data_dir[160];
	char socket_path[160];
	blx_node *node;     /* owned; NULL: stopped */
	blx_client *client; /* that is asked */
	blx_client *remote; /* owned; NULL: in process */
	blx_error error;
};

void one_init(struct one *one, bool remote);
void one_finish(struct one *one);

/* Starts the member again after it was stopped. */
void one_start(struct one *one);
void one_stop(struct one *one);

uint64_t one_put(struct one *one, const char *path, const char *value);

#endif
