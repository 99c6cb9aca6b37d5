/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL over a pinned image: a connection of its own with no database behind it,
 * one virtual table, one statement that reads. What SQLite puts aside for sorting
 * goes to memory that is counted, for a statement must not take what the host
 * needs. Blocks for as long as the statement runs; any thread.
 */
#ifndef BLX_SNAPSHOT_QUERY_H
#define BLX_SNAPSHOT_QUERY_H

#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "machine/image.h"

#include <blixard/sql.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What sorting and grouping may put aside. */
#define BLX__QUERY_TEMP_MAX ((size_t)256 * 1024 * 1024)

/* What is asked. All borrowed. */
struct blx__query {
	bool consistent;
	const char *sql; /* not terminated */
	size_t sql_len;
	uint32_t params_count;
	struct {
		const char *text; /* NULL: NULL */
		size_t len;
	} params[BLX_SQL_PARAMS_MAX];
};
void blx__query_put(struct blx__buf *buf, const struct blx__query *query);
int blx__query_get(const void *data, size_t len, struct blx__query *ret_query);

struct blx__query_opts {
	const struct blx__image *image; /* borrowed until return */
	/* Asked every some thousand steps: is it to end? BLX_ECANCELED then. */
	bool (*stop)(void *data);
	void *data;
	size_t temp_max; /* 0: BLX__QUERY_TEMP_MAX */
};

/* What an answer begins with: the names of the columns, each with its NUL, and the rows
 * follow. */
struct blx__query_head {
	uint64_t revision;
	uint64_t age_ms; /* the caller's to fill in */
	uint32_t columns;
	uint32_t rows;
};
void blx__query_head_put(struct blx__buf *buf, const struct blx__query_head *head);
int blx__query_head_get(struct blx__reader *reader, struct blx__query_head *ret_head);

/* Appends names and rows to buf. The codes of blx_sql_query(). */
int blx__query_run(const struct blx__query *query, const struct blx__query_opts *opts,
	struct blx__query_head *ret_head, struct blx__buf *buf, blx_error *error);

/* One value of a row, borrowed. */
struct blx__query_value {
	uint8_t type; /* enum blx_sql_type */
	int64_t integer;
	double real;
	const uint8_t *bytes; /* a text's end with a NUL that does not count */
	size_t len;
};
int blx__query_value_get(struct blx__reader *reader, struct blx__query_value *ret_value);

#endif
