/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes to standard output: whole or with exit code 1. Everything is
 * buffered by stdio; out_finish() writes it and tells whether all of it went.
 */
#ifndef BLX_CLI_OUT_H
#define BLX_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ctx;

/* Prints a line of JSON. root is taken; NULL: it could not be made, for want of memory.
 */
int out_json(const struct ctx *ctx, json_t *root);
/* What a write of the path came to. */
int out_revision(const struct ctx *ctx, const char *path, uint64_t revision);
/* Flushes; the exit code becomes 1, with a message, when something was not written. */
int out_finish(const struct ctx *ctx, int exit_code);

/* Bytes as text on one line: control bytes and bytes that are not UTF-8 as \xNN. */
void out_printable(FILE *to, const void *bytes, size_t len);

/* Text as JSON; bytes that are no UTF-8 written %XX, as they may be in a path. */
json_t *out_json_text(const char *text);
/* Sets "value", or "value_base64" where the bytes are not UTF-8. -1: no memory. */
int out_json_value(json_t *object, const void *bytes, size_t len);

/* Rows of cells, printed in columns. */
struct out_table {
	size_t columns;
	char **cells; /* owned */
	size_t count;
	size_t room;
	bool failed; /* for want of memory */
};

void out_table_init(struct out_table *table, size_t columns);
/* Copies text into the next cell. */
void out_table_add(struct out_table *table, const char *text);
void out_table_add_bytes(struct out_table *table, const void *bytes, size_t len);
void out_table_add_number(struct out_table *table, uint64_t number);
/* Prints it, frees it, returns the exit code. */
int out_table_finish(const struct ctx *ctx, struct out_table *table);

#endif
