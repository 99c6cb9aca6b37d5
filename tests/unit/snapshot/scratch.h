/* SPDX-License-Identifier: Apache-2.0 */
/* A fresh directory for a test, and whole files in it. */
#ifndef BLX_TESTS_SNAPSHOT_SCRATCH_H
#define BLX_TESTS_SNAPSHOT_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scratch {
	char dir[64];
	char path[160]; /* of the last scratch_path() */
};

void scratch_init(struct scratch *scratch);
/* Removes it with all that is in it. */
void scratch_finish(struct scratch *scratch);

/* "dir/name", valid until the next call. */
const char *scratch_path(struct scratch *scratch, const char *name);

bool scratch_has(struct scratch *scratch, const char *name);
void scratch_write(
	struct scratch *scratch, const char *name, const void *data, size_t len);
/* All bytes, to be freed with free(). */
uint8_t *scratch_read(struct scratch *scratch, const char *name, size_t *ret_len);
/* How many files are in it. */
size_t scratch_count(struct scratch *scratch);

/* What BLX_TEST_SCALE says, 1 without it. */
unsigned scratch_scale(void);

#endif
