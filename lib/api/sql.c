/* SPDX-License-Identifier: Apache-2.0 */
/* SQL: here on the caller's thread, or by a member elsewhere. */
#include <blixard/sql.h>

#include "api/opts.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/node.h"
#include "snapshot/query.h"

#include <string.h>

struct blx_sql {
	struct blx__query_head head;
	struct blx__buf bytes; /* names and rows, or the answer they are in */
	struct blx__reader reader;
	uint32_t left;                  /* rows behind the one it is at */
	const char **names;             /* owned, what they point to is in bytes */
	struct blx__query_value *row;   /* owned */
};

/* What is asked. */
struct ask {
	struct blx__query query;
	uint32_t timeout_ms;
	uint64_t until_ns;
};

void blx_sql_opts_init(blx_sql_opts *opts)
{
	*opts = (blx_sql_opts)BLX_SQL_OPTS_INIT;
}

/* ---- what was read -------------------------------------------------------------- */

void blx_sql_free(blx_sql *sql)
{
	if (sql != NULL) {
		blx__buf_finish(&sql->bytes);
		blx__free(sql->names);
		blx__free(sql->row);
		blx__free(sql);
	}
}

static int row_read(blx_sql *sql, struct blx__reader *reader)
{
	uint32_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < sql->head.columns; i++) {
		rv = blx__query_value_get(reader, &sql->row[i]);
	}
	return rv;
}

/* Looks at all of it, so that reading it later cannot fail. */
static int rows_check(blx_sql *sql)
{
	struct blx__reader reader = sql->reader;
	uint32_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < sql->head.rows; i++) {
		rv = row_read(sql, &reader);
	}
	memset(sql->row, 0, sql->head.columns * sizeof *sql->row); /* it is at none yet */
	return rv == 0 && !blx__reader_done(&reader) ? BLX_EPROTO : rv;
}

/* Finds names and rows, from where they begin in the bytes. */
static int sql_index(blx_sql *sql, size_t from)
{
	struct blx__reader *reader = &sql->reader;
	uint32_t i;

	*reader = blx__reader_of(sql->bytes.data, sql->bytes.len);
	reader->at = from;
	sql->names = blx__calloc(sql->head.columns, sizeof *sql->names);
	sql->row = blx__calloc(sql->head.columns, sizeof *sql->row);
	if (sql->names == NULL || sql->row == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < sql->head.columns; i++) {
		size_t len;

		sql->names[i] = (const char *)blx__get_bytes(reader, BLX_SQL_TEXT_MAX, &len);
		if (blx__get_u8(reader) != 0 || !blx__reader_ok(reader)) {
			return BLX_EPROTO;
		}
	}
	sql->left = sql->head.rows;
	return rows_check(sql);
}

uint64_t blx_sql_revision(const blx_sql *sql)
{
	return sql->head.revision;
}

uint64_t blx_sql_age_ms(const blx_sql *sql)
{
	return sql->head.age_ms;
}

size_t blx_sql_rows(const blx_sql *sql)
{
	return sql->head.rows;
}

size_t blx_sql_columns(const blx_sql *sql)
{
	return sql->head.columns;
}

const char *blx_sql_name(const blx_sql *sql, size_t column)
{
	return column < sql->head.columns ? sql->names[column] : NULL;
}

int blx_sql_next(blx_sql *sql)
{
	if (sql->left == 0) {
		memset(sql->row, 0, sql->head.columns * sizeof *sql->row);
		return 0;
	}
	sql->left--;
	(void)row_read(sql, &sql->reader); /* was looked at */
	return 1;
}

int blx_sql_type(const blx_sql *sql, size_t column)
{
	return column < sql->head.columns ? sql->row[column].type : BLX_SQL_NULL;
}

int64_t blx_sql_integer(const blx_sql *sql, size_t column)
{
	return blx_sql_type(sql, column) == BLX_SQL_INTEGER ? sql->row[column].integer : 0;
}

double blx_sql_real(const blx_sql *sql, size_t column)
{
	switch (blx_sql_type(sql, column)) {
	case BLX_SQL_REAL:
		return sql->row[column].real;
	case BLX_SQL_INTEGER:
		return (double)sql->row[column].integer;
	default:
		return 0;
	}
}

const void *blx_sql_bytes(const blx_sql *sql, size_t column, size_t *ret_len)
{
	int type = blx_sql_type(sql, column);
	bool has = type == BLX_SQL_TEXT || type == BLX_SQL_BLOB;

	if (ret_len != NULL) {
		*ret_len = has ? sql->row[column].len : 0;
	}
	return has ? sql->row[column].bytes : NULL;
}

/* ---- reading here --------------------------------------------------------------- */

static bool is_late(void *data)
{
	const struct ask *ask = data;

	return blx__client_now_ns() >= ask->until_ns;
}

/* Waits until the replica has all that was acknowledged before now. */
static int barrier(blx_client *client, const struct ask *ask, blx_error *error)
{
	uint8_t body[8] = {0}; /* no least revision */
	struct blx__ask call = {.op = BLX__OP_BARRIER,
		.timeout_ms = ask->timeout_ms,
		.body = body,
		.body_len = sizeof body};
	struct blx__answer answer;
	int rv = blx__client_call(client, &call, &answer, error);

	blx__answer_finish(&answer);
	return rv;
}

static int run_here(blx_client *client, struct ask *ask, blx_sql *sql, blx_error *error)
{
	struct blx__query_opts opts = {.stop = is_late, .data = ask};
	struct blx__image *image = blx__machine_pin(client->ops->machine(client));
	int rv;

	if (image == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "sql: out of memory");
	}
	opts.image = image;
	rv = blx__query_run(&ask->query, &opts, &sql->head, &sql->bytes, error);
	blx__image_unref(image);
	sql->head.age_ms = blx__node_leader_age_ms(client->node);
	if (rv == BLX_ECANCELED) {
		return blx__error_set(
			error, BLX_ETIMEOUT, "sql: timed out after %u ms", ask->timeout_ms);
	}
	return rv != 0 ? rv : sql_index(sql, 0);
}

static int query_here(blx_client *client, struct ask *ask, blx_sql *sql, blx_error *error)
{
	/* It takes its time, on whatever thread. */
	int rv = blx__client_may_wait(client, error);

	if (rv == 0 && ask->query.consistent && !blx__node_lease_holds(client->node)) {
		rv = barrier(client, ask, error);
	}
	return rv != 0 ? rv : run_here(client, ask, sql, error);
}

/* ---- and elsewhere -------------------------------------------------------------- */

static int answer_take(const struct blx__answer *answer, blx_sql *sql)
{
	struct blx__reader reader = blx__reader_of(answer->body, answer->body_len);
	int rv = blx__query_head_get(&reader, &sql->head);

	if (rv != 0) {
		return rv;
	}
	blx__buf_append(&sql->bytes, answer->body, answer->body_len);
	return blx__buf_ok(&sql->bytes) ? sql_index(sql, reader.at) : BLX_ENOMEM;
}

static int query_there(blx_client *client, const struct ask *ask, blx_sql *sql, blx_error *error)
{
	struct blx__ask call = {.op = BLX__OP_SQL, .timeout_ms = ask->timeout_ms};
	struct blx__answer answer;
	struct blx__buf body;
	int rv;

	blx__buf_init(&body);
	blx__query_put(&body, &ask->query);
	if (!blx__buf_ok(&body)) {
		return blx__error_set(error, BLX_ENOMEM, "sql: out of memory");
	}
	call.body = body.data;
	call.body_len = body.len;
	rv = blx__client_call(client, &call, &answer, error);
	if (rv == 0) {
		rv = answer_take(&answer, sql);
		if (rv != 0) {
			(void)blx__error_set(error, rv, "sql: %s", blx_strerror(rv));
		}
	}
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

/* ---- both ----------------------------------------------------------------------- */

static int ask_init(
	struct ask *ask, const char *text, const blx_sql_opts *opts, blx_error *error)
{
	size_t i;

	if ((opts->flags & ~(uint32_t)BLX_SQL_CONSISTENT) != 0) {
		return blx__error_set(error, BLX_EINVAL, "sql: flags that are not known: %#x",
			(unsigned)opts->flags);
	}
	if (strlen(text) > BLX_SQL_TEXT_MAX || opts->params_count > BLX_SQL_PARAMS_MAX ||
		(opts->params == NULL && opts->params_count > 0)) {
		return blx__error_set(error, BLX_EINVAL,
			"sql: a statement may have %d bytes and %d parameters", BLX_SQL_TEXT_MAX,
			BLX_SQL_PARAMS_MAX);
	}
	*ask = (struct ask){.timeout_ms = opts->timeout_ms != 0 ? opts->timeout_ms
								: BLX_TIMEOUT_DEFAULT_MS,
		.query = {.consistent = (opts->flags & BLX_SQL_CONSISTENT) != 0,
			.sql = text,
			.sql_len = strlen(text),
			.params_count = (uint32_t)opts->params_count}};
	ask->until_ns = blx__client_now_ns() + ask->timeout_ms * UINT64_C(1000000);
	for (i = 0; i < opts->params_count; i++) {
		ask->query.params[i].text = opts->params[i];
		ask->query.params[i].len = opts->params[i] != NULL ? strlen(opts->params[i]) : 0;
		if (ask->query.params[i].len > BLX_VALUE_LEN_MAX) {
			return blx__error_set(error, BLX_ETOOBIG,
				"sql: a parameter may have %d bytes", BLX_VALUE_LEN_MAX);
		}
	}
	return 0;
}

int blx_sql_query(blx_client *client, const char *text, const blx_sql_opts *user_opts,
	blx_sql **ret_sql, blx_error *error)
{
	blx_sql_opts opts;
	struct ask ask;
	blx_sql *sql;
	int rv;

	if (client == NULL || text == NULL || ret_sql == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"sql: no client, no statement, or nowhere to put what it gives");
	}
	BLX__OPTS(&opts, user_opts);
	rv = ask_init(&ask, text, &opts, error);
	if (rv != 0) {
		return rv;
	}
	sql = blx__calloc(1, sizeof *sql);
	if (sql == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "sql: out of memory");
	}
	blx__buf_init(&sql->bytes);
	rv = client->node != NULL ? query_here(client, &ask, sql, error)
				  : query_there(client, &ask, sql, error);
	if (rv != 0) {
		blx_sql_free(sql);
		return rv;
	}
	*ret_sql = sql;
	return 0;
}
