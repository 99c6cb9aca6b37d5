/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/query.h"

#include "base/rng.h"
#include "images.h"
#include "saved.h"
#include "store/path.h"
#include "support/test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 65536

static struct blx__image *image;
static unsigned long looks; /* how often a statement was asked whether to stop */
static unsigned long looks_max;

static bool on_look(void *data)
{
	(void)data;
	looks++;
	return looks_max != 0 && looks > looks_max;
}

static void end(void)
{
	blx__image_unref(image);
	looks_max = 0;
}

static void begin_small(void)
{
	image = images_small();
}

static int run_with(const char *sql, const char *param, size_t temp_max,
	struct blx__query_head *head, struct blx__buf *buf, blx_error *error)
{
	struct blx__query query = {.sql = sql, .sql_len = strlen(sql)};
	struct blx__query_opts opts = {
		.image = image, .stop = on_look, .temp_max = temp_max};

	if (param != NULL) {
		query.params_count = 1;
		query.params[0].text = param;
		query.params[0].len = strlen(param);
	}
	looks = 0;
	blx__buf_init(buf);
	return blx__query_run(&query, &opts, head, buf, error);
}

static void text_of(const struct blx__query_value *value, char *to, size_t size)
{
	switch (value->type) {
	case BLX_SQL_INTEGER:
		(void)snprintf(to, size, "%lld", (long long)value->integer);
		break;
	case BLX_SQL_REAL:
		(void)snprintf(to, size, "%g", value->real);
		break;
	case BLX_SQL_TEXT:
		cr_assert_eq(value->bytes[value->len], 0);
		(void)snprintf(to, size, "'%s'", (const char *)value->bytes);
		break;
	case BLX_SQL_BLOB:
		(void)snprintf(to, size, "blob of %zu", value->len);
		break;
	default:
		(void)snprintf(to, size, "null");
		break;
	}
}

/* "a,b;c,d" of the rows, or the name of the code. */
static const char *ask_with(const char *sql, const char *param)
{
	static char text[TEXT_SIZE];
	struct blx__query_value value;
	struct blx__query_head head;
	blx_error error = BLX_ERROR_INIT;
	struct blx__reader reader;
	struct blx__buf buf;
	uint32_t i;
	int rv = run_with(sql, param, 0, &head, &buf, &error);

	text[0] = '\0';
	if (rv != 0) {
		cr_assert_neq(error.message[0], 0);
		(void)snprintf(text, sizeof text, "%s", blx_err_name(rv));
	}
	reader = blx__reader_of(buf.data, buf.len);
	for (i = 0; rv == 0 && i < head.columns; i++) {
		size_t len;

		cr_assert_not_null(blx__get_bytes(&reader, 1000, &len));
		cr_assert_eq(blx__get_u8(&reader), 0);
	}
	for (i = 0; rv == 0 && i < head.columns * head.rows; i++) {
		size_t len = strlen(text);

		cr_assert_eq(blx__query_value_get(&reader, &value), 0);
		(void)snprintf(text + len, sizeof text - len, "%s",
			i == 0 ? "" : i % head.columns == 0 ? ";" : ",");
		len = strlen(text);
		text_of(&value, text + len, sizeof text - len);
	}
	cr_assert(rv != 0 || blx__reader_done(&reader));
	blx__buf_finish(&buf);
	return text;
}

static const char *ask(const char *sql)
{
	return ask_with(sql, NULL);
}

Test(query, it_gives_what_is_there, .init = begin_small, .fini = end)
{
	cr_assert_str_eq(ask("SELECT value FROM kv WHERE path='/a/b'"), "'{\"n\": 5}'");
	cr_assert_str_eq(
		ask("SELECT json_extract(value,'$.n')*2 FROM kv WHERE path='/a/b'"), "10");
	cr_assert_str_eq(ask("SELECT value, typeof(value) FROM kv WHERE path='/bin'"),
		"blob of 3,'blob'");
	cr_assert_str_eq(ask("SELECT value, length(value) FROM kv WHERE path='/empty'"), "'',0");
	cr_assert_str_eq(ask("SELECT count(*), max(mod_revision), min(create_revision), "
			     "sum(version) FROM kv"),
		"5,5,3,10");
	cr_assert_str_eq(ask("SELECT path FROM kv ORDER BY path DESC LIMIT 2"), "'/nul';'/kept'");
	cr_assert_str_eq(ask("SELECT 1.5, NULL, x'00', 'x' -- and no more"),
		"1.5,null,blob of 1,'x'");
	cr_assert_str_eq(ask("SELECT path FROM kv WHERE 0"), "");
	cr_assert_str_eq(ask("SELECT * FROM kv a JOIN kv b ON a.path = b.path WHERE a.path = "
			     "'/kept'"),
		"'/kept','1',3,5,2,'/kept','1',3,5,2");
	cr_assert_str_eq(ask_with("SELECT ?1 || path FROM kv WHERE path = '/bin'", "at "),
		"'at /bin'");
}

Test(query, it_reads_and_does_nothing_else, .init = begin_small, .fini = end)
{
	static const char *const refused[] = {"", "--", "DELETE FROM kv",
		"INSERT INTO kv VALUES(1)",
		"CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "CREATE VIRTUAL TABLE t USING kv",
		"PRAGMA user_version", "PRAGMA temp_store=MEMORY", "ATTACH ':memory:' AS x",
		"VACUUM", "BEGIN", "SELECT 1; SELECT 2", "SELECT 1;; DELETE FROM kv", "SELECT",
		"SELECT color FROM kv", "SELECT load_extension('x')", "SELECT ?1",
		"SELECT path FROM kv WHERE rowid = 1", "SELECT readfile('/etc/passwd')",
		"SELECT * FROM pragma_database_list", "REINDEX", "DROP TABLE kv"};
	size_t i;

	for (i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		cr_assert_str_eq(ask(refused[i]), "BLX_EINVAL", "%s", refused[i]);
	}
	cr_assert_str_eq(ask_with("SELECT 1", "too many"), "BLX_EINVAL");
	cr_assert_str_eq(ask("SELECT 1; -- nothing more\n  ;"), "1");
}

Test(query, one_that_does_not_end_is_stopped, .init = begin_small, .fini = end)
{
	looks_max = 50;
	cr_assert_str_eq(ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
			     "SELECT count(*) FROM n"),
		"BLX_ECANCELED");
}

Test(query, what_it_makes_has_a_limit, .init = begin_small, .fini = end)
{
	cr_assert_str_eq(ask("SELECT zeroblob(5000000)"), "BLX_ETOOBIG");
	cr_assert_str_eq(ask("SELECT length(zeroblob(50000000))"), "BLX_ETOOBIG");
	cr_assert_str_eq(ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
			     "SELECT i, 'some text' FROM n"),
		"BLX_ETOOBIG");
}

static void begin_regular(void)
{
	image = images_regular(100000, 40);
}

Test(query, what_it_puts_aside_is_counted, .init = begin_regular, .fini = end)
{
	static const char sql[] = "SELECT count(*) FROM (SELECT DISTINCT value || path FROM kv)";
	struct blx__query_head head;
	blx_error error = BLX_ERROR_INIT;
	struct blx__buf buf;

	cr_assert_eq(run_with(sql, NULL, 1024 * 1024, &head, &buf, &error), BLX_ETOOBIG);
	cr_assert_not_null(strstr(error.message, "more than 1 MiB"));
	blx__buf_finish(&buf);
	cr_assert_str_eq(ask(sql), "100000");
	cr_assert_str_eq(ask("SELECT path FROM kv ORDER BY substr(path, -3), path LIMIT 1"),
		"'/app/service-0000/instance-000000'");
}

/* By how often it was asked whether to stop: every some thousand steps. */
Test(query, a_beginning_of_the_path_is_all_it_looks_at, .init = begin_regular, .fini = end)
{
	(void)ask("SELECT count(*) FROM kv WHERE value <> ''");
	cr_assert_gt(looks, 50, "it looks at everything");
	cr_assert_str_eq(ask("SELECT count(*) FROM kv WHERE path GLOB '/app/service-0042/*'"),
		"1000");
	cr_assert_lt(looks, 4);
	cr_assert_str_eq(ask("SELECT count(*) FROM kv WHERE path >= '/app/service-0042/' AND "
			     "path < '/app/service-00420'"),
		"1000");
	cr_assert_lt(looks, 4);
	cr_assert_str_eq(
		ask_with("SELECT count(*) FROM kv WHERE path = ?1",
			"/app/service-0042/instance-000007"),
		"1");
	cr_assert_lt(looks, 2);
	cr_assert_str_eq(ask("SELECT count(*) FROM kv a JOIN kv b ON b.path = a.path || '' WHERE "
			     "a.path GLOB '/app/service-0042/instance-00001*'"),
		"10");
	cr_assert_lt(looks, 4);
}

/* ---- against a table of SQLite's own -------------------------------------------- */

static const char bytes_of_paths[] = "ab.-%*/! ~\x00\x01\x7f\xc3";

/* A path in which every byte is escaped, which is as good as any other. */
static void random_path(struct blx__rng *rng, char *to)
{
	uint64_t depth = 1 + blx__rng_below(rng, 3);
	uint64_t left;

	while (depth-- > 0) {
		*to++ = '/';
		for (left = 1 + blx__rng_below(rng, 3); left > 0; left--) {
			to += sprintf(to, "%%%02X",
				(unsigned char)bytes_of_paths[blx__rng_below(
					rng, sizeof bytes_of_paths - 1)]);
		}
	}
}

static struct blx__image *random_image(struct blx__rng *rng)
{
	struct blx__image_meta meta = {.revision = 1000, .index = 7, .term = 1, .time_ms = 1};
	struct blx__image_builder *builder;
	struct blx__image *made;
	unsigned i;

	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	for (i = 0; i < 300; i++) {
		uint8_t key[BLX__KEY_LEN_MAX];
		struct blx__image_item item = {.key = key,
			.value = (const uint8_t *)"v\0w",
			.value_len = blx__rng_below(rng, 4),
			.create_revision = 1 + blx__rng_below(rng, 500),
			.mod_revision = 501 + blx__rng_below(rng, 400),
			.version = 1 + blx__rng_below(rng, 9)};
		char path[64];

		random_path(rng, path);
		cr_assert_eq(blx__path_parse(
				     path, strlen(path), key, &item.key_len, NULL, NULL),
			0, "%s", path);
		(void)blx__image_builder_add_item(builder, &item); /* or it is there already */
	}
	cr_assert_eq(blx__image_builder_finish(builder, &made), 0);
	blx__image_builder_destroy(builder);
	return made;
}

/* A text like the beginning of some path, as SQL. */
static void random_text(struct blx__rng *rng, char *to)
{
	static const char *const parts[] = {"/", "/", "a", "b", ".", "-", "%2", "%25", "%", "!",
		" ", "~", "*", "?", "[a-b]", "%00", "\xc3"};
	uint64_t left = blx__rng_below(rng, 7);

	*to++ = '\'';
	*to++ = blx__rng_below(rng, 12) != 0 ? '/' : 'a';
	while (left-- > 0) {
		to += sprintf(to, "%s", parts[blx__rng_below(rng, sizeof parts / sizeof parts[0])]);
	}
	*to++ = '\'';
	*to = '\0';
}

static void random_where(struct blx__rng *rng, char *to)
{
	char a[64];
	char b[64];

	random_text(rng, a);
	random_text(rng, b);
	switch (blx__rng_below(rng, 7)) {
	case 0:
		(void)sprintf(to, "path GLOB %.40s", a);
		to[strlen(to) - 1] = '\0';
		(void)strcat(to, "*'");
		break;
	case 1:
		(void)sprintf(to, "path GLOB %s", a);
		break;
	case 2:
		(void)sprintf(to, "path >= %s AND path < %s", a, b);
		break;
	case 3:
		(void)sprintf(to, "path > %s AND path <= %.40s", a, a);
		to[strlen(to) - 1] = '\0';
		(void)strcat(to, "0'");
		break;
	case 4:
		(void)sprintf(to, "path = (SELECT path FROM kv ORDER BY path LIMIT 1 OFFSET %u)",
			(unsigned)blx__rng_below(rng, 200));
		break;
	case 5:
		(void)sprintf(to, "path BETWEEN %s AND %s OR path GLOB %s", a, b, b);
		break;
	default:
		(void)sprintf(to, "path >= %s AND path < x'00' AND version > 3", a);
		break;
	}
}

static void plain(sqlite3 *db, const char *sql, char *to, size_t size)
{
	sqlite3_stmt *stmt;
	size_t len = 0;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	to[0] = '\0';
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		len += (size_t)snprintf(to + len, size - len, "%s'%s',%lld", len > 0 ? ";" : "",
			(const char *)sqlite3_column_text(stmt, 0),
			(long long)sqlite3_column_int64(stmt, 1));
	}
	(void)sqlite3_finalize(stmt);
}

Test(query, it_gives_what_a_plain_table_gives)
{
	const char *seed = getenv("BLX_SEED");
	char should[TEXT_SIZE];
	struct saved saved;
	struct blx__rng rng;
	unsigned found = 0;
	sqlite3 *db;
	unsigned i;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	image = random_image(&rng);
	saved_init(&saved, blx__image_ref(image));
	cr_assert_eq(sqlite3_open_v2(saved.path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	for (i = 0; i < 5000; i++) {
		char where[400];
		char sql[512];

		random_where(&rng, where);
		(void)snprintf(sql, sizeof sql,
			"SELECT path, version FROM kv WHERE %s ORDER BY path", where);
		plain(db, sql, should, sizeof should);
		cr_assert_str_eq(ask(sql), should, "%s", sql);
		found += should[0] != '\0';
	}
	cr_assert_gt(found, 1000);
	(void)sqlite3_close(db);
	saved_finish(&saved);
	blx__image_unref(image);
}
