/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/query.h"

#include "base/assert.h"
#include "base/mem.h"
#include "snapshot/db.h"
#include "snapshot/query_impl.h"

#include <string.h>

/* Virtual machine steps between two looks at whether to go on: well under 10 ms. */
#define STEPS_PER_CHECK 4000

/* A string or blob that a statement makes. */
#define LENGTH_MAX   (16 * 1024 * 1024)

#define CACHE_PRAGMA "PRAGMA temp_store=FILE; PRAGMA cache_size=-2048; PRAGMA trusted_schema=OFF"

/* What is behind the columns and the rows, at most. */
#define COLUMNS_MAX 256

/* One statement being run. */
struct run {
	const struct blx__query *query;
	const struct blx__query_opts *opts;
	struct blx__query_temp temp;
	sqlite3 *db;
	sqlite3_stmt *stmt;
	struct blx__query_head head;
	struct blx__buf *buf;
	size_t begin; /* of what it gives in buf */
	bool stopped;
	blx_error *error;
};

/* ---- what it may do ------------------------------------------------------------- */

static int on_steps(void *data)
{
	struct run *run = data;

	run->stopped = run->opts->stop != NULL && run->opts->stop(run->opts->data);
	return run->stopped;
}

/* Reading, and nothing else. */
static int on_authorize(void *data, int action, const char *a, const char *b, const char *c,
	const char *d)
{
	(void)data;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_FUNCTION:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

static void harden(sqlite3 *db)
{
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	(void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, BLX_SQL_TEXT_MAX + 1);
	(void)sqlite3_limit(db, SQLITE_LIMIT_COLUMN, COLUMNS_MAX);
	(void)sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, BLX_SQL_PARAMS_MAX);
	(void)sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
}

static int fail(struct run *run, int rc)
{
	if (run->stopped) {
		return blx__error_set(run->error, BLX_ECANCELED, "sql: canceled");
	}
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return blx__error_set(run->error, BLX_ENOMEM, "sql: out of memory");
	case SQLITE_FULL:
		return blx__error_set(run->error, BLX_ETOOBIG,
			"sql: sorting or grouping takes more than %zu MiB; read less at once",
			run->temp.max / 1024 / 1024);
	case SQLITE_TOOBIG:
		return blx__error_set(run->error, BLX_ETOOBIG,
			"sql: a text or blob of more than %d MiB", LENGTH_MAX / 1024 / 1024);
	case SQLITE_AUTH:
		return blx__error_set(run->error, BLX_EINVAL,
			"sql: only statements that read are allowed: %.150s",
			sqlite3_errmsg(run->db));
	default:
		return blx__error_set(run->error, BLX_EINVAL, "sql: %.200s",
			run->db != NULL ? sqlite3_errmsg(run->db) : sqlite3_errstr(rc));
	}
}

/* ---- what it gives -------------------------------------------------------------- */

static void value_put(struct blx__buf *buf, sqlite3_stmt *stmt, int i)
{
	double real;
	uint64_t bits;
	const void *bytes;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		blx__put_u8(buf, BLX_SQL_INTEGER);
		blx__put_u64(buf, (uint64_t)sqlite3_column_int64(stmt, i));
		break;
	case SQLITE_FLOAT:
		real = sqlite3_column_double(stmt, i);
		memcpy(&bits, &real, sizeof bits);
		blx__put_u8(buf, BLX_SQL_REAL);
		blx__put_u64(buf, bits);
		break;
	case SQLITE_TEXT:
		bytes = sqlite3_column_text(stmt, i);
		blx__put_u8(buf, BLX_SQL_TEXT);
		blx__put_bytes(buf, bytes, (size_t)sqlite3_column_bytes(stmt, i));
		blx__put_u8(buf, 0);
		break;
	case SQLITE_BLOB:
		bytes = sqlite3_column_blob(stmt, i);
		blx__put_u8(buf, BLX_SQL_BLOB);
		blx__put_bytes(buf, bytes, (size_t)sqlite3_column_bytes(stmt, i));
		break;
	default:
		blx__put_u8(buf, BLX_SQL_NULL);
		break;
	}
}

static int check_size(struct run *run)
{
	if (!blx__buf_ok(run->buf)) {
		return blx__error_set(run->error, BLX_ENOMEM, "sql: out of memory");
	}
	if (run->buf->len - run->begin > BLX_SQL_BYTES_MAX) {
		return blx__error_set(run->error, BLX_ETOOBIG,
			"sql: it gives more than %d MiB; LIMIT it, or ask for less",
			BLX_SQL_BYTES_MAX / 1024 / 1024);
	}
	return 0;
}

static int names_put(struct run *run)
{
	uint32_t i;

	run->head.columns = (uint32_t)sqlite3_column_count(run->stmt);
	if (run->head.columns == 0) {
		return blx__error_set(
			run->error, BLX_EINVAL, "sql: the statement gives no columns");
	}
	for (i = 0; i < run->head.columns; i++) {
		const char *name = sqlite3_column_name(run->stmt, (int)i);

		if (name == NULL) {
			return blx__error_set(run->error, BLX_ENOMEM, "sql: out of memory");
		}
		blx__put_bytes(run->buf, name, strlen(name));
		blx__put_u8(run->buf, 0);
	}
	return check_size(run);
}

static int rows_put(struct run *run)
{
	int rv = names_put(run);
	int rc = SQLITE_DONE;
	uint32_t i;

	while (rv == 0 && (rc = sqlite3_step(run->stmt)) == SQLITE_ROW) {
		for (i = 0; i < run->head.columns; i++) {
			value_put(run->buf, run->stmt, (int)i);
		}
		run->head.rows++;
		rv = check_size(run);
	}
	return rv != 0 || rc == SQLITE_DONE ? rv : fail(run, rc);
}

/* ---- running -------------------------------------------------------------------- */

static int run_open(struct run *run)
{
	int rc = blx__query_temp_init(&run->temp,
		run->opts->temp_max != 0 ? run->opts->temp_max : BLX__QUERY_TEMP_MAX);

	if (rc != SQLITE_OK) {
		return rc;
	}
	rc = sqlite3_open_v2(":memory:", &run->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX |
			SQLITE_OPEN_PRIVATECACHE,
		run->temp.name);
	if (rc == SQLITE_OK) {
		harden(run->db);
		rc = sqlite3_exec(run->db, CACHE_PRAGMA, NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK) {
		rc = blx__query_table(run->db, run->opts->image);
	}
	if (rc == SQLITE_OK) {
		/* It is made when it is first named, which is more than reading. */
		rc = sqlite3_exec(run->db, "SELECT path FROM kv LIMIT 0", NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK) {
		(void)sqlite3_set_authorizer(run->db, on_authorize, run);
		sqlite3_progress_handler(run->db, STEPS_PER_CHECK, on_steps, run);
	}
	return rc;
}

/* Is there nothing but blanks and comments behind the statement? SQLite knows best. */
static bool is_last(struct run *run, const char *tail, size_t left)
{
	sqlite3_stmt *more = NULL;
	int rc = sqlite3_prepare_v2(run->db, tail, (int)left, &more, NULL);
	bool nothing = rc == SQLITE_OK && more == NULL;

	(void)sqlite3_finalize(more);
	return nothing;
}

static int run_prepare(struct run *run)
{
	const struct blx__query *query = run->query;
	const char *tail;
	uint32_t i;
	int rc = sqlite3_prepare_v2(
		run->db, query->sql, (int)query->sql_len, &run->stmt, &tail);

	if (rc != SQLITE_OK) {
		return fail(run, rc);
	}
	if (run->stmt == NULL ||
		!is_last(run, tail, query->sql_len - (size_t)(tail - query->sql)) ||
		!sqlite3_stmt_readonly(run->stmt)) {
		return blx__error_set(run->error, BLX_EINVAL,
			"sql: there must be one statement, and it must read");
	}
	if ((uint32_t)sqlite3_bind_parameter_count(run->stmt) != query->params_count) {
		return blx__error_set(run->error, BLX_EINVAL,
			"sql: the statement has %d parameters, and %u are given",
			sqlite3_bind_parameter_count(run->stmt), query->params_count);
	}
	for (i = 0; rc == SQLITE_OK && i < query->params_count; i++) {
		if (query->params[i].text != NULL) {
			rc = sqlite3_bind_text(run->stmt, (int)i + 1, query->params[i].text,
				(int)query->params[i].len, SQLITE_STATIC);
		}
	}
	return rc != SQLITE_OK ? fail(run, rc) : 0;
}

static int run_all(struct run *run)
{
	int rc = run_open(run);
	int rv = rc != SQLITE_OK ? fail(run, rc) : run_prepare(run);

	return rv != 0 ? rv : rows_put(run);
}

int blx__query_run(const struct blx__query *query, const struct blx__query_opts *opts,
	struct blx__query_head *ret_head, struct blx__buf *buf, blx_error *error)
{
	struct run run = {.query = query,
		.opts = opts,
		.buf = buf,
		.begin = buf->len,
		.error = error,
		.head = {.revision = blx__image_meta(opts->image)->revision}};
	int rv;

	if (query->sql_len > BLX_SQL_TEXT_MAX || query->params_count > BLX_SQL_PARAMS_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"sql: a statement may have %d bytes and %d parameters", BLX_SQL_TEXT_MAX,
			BLX_SQL_PARAMS_MAX);
	}
	rv = run_all(&run);
	(void)sqlite3_finalize(run.stmt);
	(void)sqlite3_close(run.db);
	blx__query_temp_finish(&run.temp);
	*ret_head = run.head;
	return rv;
}

/* ---- as bytes ------------------------------------------------------------------- */

void blx__query_put(struct blx__buf *buf, const struct blx__query *query)
{
	uint32_t i;

	blx__put_u8(buf, query->consistent);
	blx__put_bytes(buf, query->sql, query->sql_len);
	blx__put_varint(buf, query->params_count);
	for (i = 0; i < query->params_count; i++) {
		blx__put_u8(buf, query->params[i].text != NULL);
		blx__put_bytes(buf, query->params[i].text, query->params[i].len);
	}
}

int blx__query_get(const void *data, size_t len, struct blx__query *ret_query)
{
	struct blx__reader reader = blx__reader_of(data, len);
	uint64_t count;
	uint32_t i;

	*ret_query = (struct blx__query){.consistent = blx__get_u8(&reader) != 0};
	ret_query->sql =
		(const char *)blx__get_bytes(&reader, BLX_SQL_TEXT_MAX, &ret_query->sql_len);
	count = blx__get_varint(&reader);
	if (count > BLX_SQL_PARAMS_MAX) {
		return BLX_EPROTO;
	}
	ret_query->params_count = (uint32_t)count;
	for (i = 0; i < count; i++) {
		bool there = blx__get_u8(&reader) != 0;
		const uint8_t *text = blx__get_bytes(
			&reader, BLX_VALUE_LEN_MAX, &ret_query->params[i].len);

		ret_query->params[i].text = there ? (const char *)text : NULL;
	}
	return blx__reader_done(&reader) ? 0 : BLX_EPROTO;
}

void blx__query_head_put(struct blx__buf *buf, const struct blx__query_head *head)
{
	blx__put_u64(buf, head->revision);
	blx__put_u64(buf, head->age_ms);
	blx__put_u32(buf, head->columns);
	blx__put_u32(buf, head->rows);
}

int blx__query_head_get(struct blx__reader *reader, struct blx__query_head *ret_head)
{
	struct blx__query_head head = {.revision = blx__get_u64(reader)};

	head.age_ms = blx__get_u64(reader);
	head.columns = blx__get_u32(reader);
	head.rows = blx__get_u32(reader);
	if (!blx__reader_ok(reader) || head.columns > COLUMNS_MAX) {
		return BLX_EPROTO;
	}
	*ret_head = head;
	return 0;
}

int blx__query_value_get(struct blx__reader *reader, struct blx__query_value *ret_value)
{
	struct blx__query_value value = {.type = blx__get_u8(reader)};
	uint64_t bits;

	switch (value.type) {
	case BLX_SQL_INTEGER:
		value.integer = (int64_t)blx__get_u64(reader);
		break;
	case BLX_SQL_REAL:
		bits = blx__get_u64(reader);
		memcpy(&value.real, &bits, sizeof bits);
		break;
	case BLX_SQL_TEXT:
	case BLX_SQL_BLOB:
		value.bytes = blx__get_bytes(reader, LENGTH_MAX, &value.len);
		if (value.type == BLX_SQL_TEXT && blx__get_u8(reader) != 0) {
			return BLX_EPROTO;
		}
		break;
	case BLX_SQL_NULL:
		break;
	default:
		return BLX_EPROTO;
	}
	if (!blx__reader_ok(reader)) {
		return BLX_EPROTO;
	}
	*ret_value = value;
	return 0;
}
