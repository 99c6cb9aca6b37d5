/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb is given to read: an argument, a file, or standard input; any bytes. */
#ifndef BLX_CLI_INPUT_H
#define BLX_CLI_INPUT_H

#include <stddef.h>

struct ctx;

struct input {
	const char *bytes;
	size_t len;
	char *owned; /* bytes, where they were read; NULL: borrowed from the arguments */
};

/* Reads a file, or standard input ("-"), of at most max bytes. 0, or the exit code. */
int input_read(
	const struct ctx *ctx, const char *name, size_t max, struct input *ret_input);
/* The argument itself, or what input_read() gives where it is "-" or NULL. */
int input_value(const struct ctx *ctx, const char *word, struct input *ret_input);
void input_finish(struct input *input);

#endif
