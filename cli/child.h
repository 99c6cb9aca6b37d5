/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is run for an event, with what it is to know in its
 * environment and the value on its standard input. No shell is in between.
 */
#ifndef BLX_CLI_CHILD_H
#define BLX_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_spec {
	const char *const *argv; /* ends with NULL; the first is looked for in PATH */
	const char *const *vars; /* "NAME=VALUE", ends with NULL; before what we have */
	const void *input;
	size_t input_len;
	bool own_input; /* its standard input is ours, and not the value */
};

/*
 * Runs it to its end. *ret_status is its exit code, or 128 and the number of the
 * signal that ended it. 0, or a negative errno: it could not be run.
 */
int child_run(const struct child_spec *spec, int *ret_status);

/* The same in two steps. 0, or a negative errno. */
int child_start(const struct child_spec *spec, pid_t *ret_pid);
int child_wait(pid_t pid, int *ret_status);

#endif
