/* SPDX-License-Identifier: Apache-2.0 */
/* SQL by the public calls: in this process, and elsewhere. */
#include "one.h"
#include "support/test.h"

#include <string.h>

static struct one one;

static void begin(void)
{
	one_init(&one, false);
}

static void begin_remote(void)
{
	one_init(&one, true);
}

static void end(void)
{
	one_finish(&one);
}

static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
			      "SELECT count(*) FROM n";

static void use_sql(void)
{
	static const char *const params[] = {"/a", NULL};
	blx_sql_opts opts = BLX_SQL_OPTS_INIT;
	blx_sql *sql;
	size_t len;

	(void)one_put(&one, "/a", "one");
	(void)one_put(&one, "/b", "\xff");
	opts.flags = BLX_SQL_CONSISTENT;
	opts.timeout_ms = ONE_LONG_MS;
	opts.params = params;
	opts.params_count = 2;
	cr_assert_eq(blx_sql_query(one.client,
			     "SELECT path, value AS v, version, 0.5, ?2 FROM kv "
			     "ORDER BY path = ?1 DESC",
			     &opts, &sql, &one.error),
		0, "%s", one.error.message);
	cr_assert_eq(blx_sql_revision(sql), 2);
	cr_assert_eq(blx_sql_rows(sql), 2);
	cr_assert_eq(blx_sql_columns(sql), 5);
	cr_assert_str_eq(blx_sql_name(sql, 1), "v");
	cr_assert_null(blx_sql_name(sql, 5));
	cr_assert_eq(blx_sql_type(sql, 0), BLX_SQL_NULL, "it is at no row");
	cr_assert_eq(blx_sql_next(sql), 1);
	cr_assert_str_eq(blx_sql_bytes(sql, 0, NULL), "/a");
	cr_assert_str_eq(blx_sql_bytes(sql, 1, &len), "one");
	cr_assert_eq(len, 3);
	cr_assert_eq(blx_sql_integer(sql, 2), 1);
	cr_assert(blx_sql_real(sql, 2) == 1);
	cr_assert(blx_sql_real(sql, 3) == 0.5);
	cr_assert_eq(blx_sql_integer(sql, 3), 0);
	cr_assert_eq(blx_sql_type(sql, 4), BLX_SQL_NULL);
	cr_assert_eq(blx_sql_next(sql), 1);
	cr_assert_eq(blx_sql_type(sql, 1), BLX_SQL_BLOB);
	cr_assert_eq(memcmp(blx_sql_bytes(sql, 1, &len), "\xff", 1), 0);
	cr_assert_eq(len, 1);
	cr_assert_eq(blx_sql_next(sql), 0);
	cr_assert_null(blx_sql_bytes(sql, 1, &len));
	cr_assert_eq(blx_sql_next(sql), 0);
	blx_sql_free(sql);

	opts = (blx_sql_opts)BLX_SQL_OPTS_INIT;
	opts.timeout_ms = 200;
	cr_assert_eq(blx_sql_query(one.client, endless, &opts, &sql, &one.error), BLX_ETIMEOUT);
	cr_assert_eq(
		blx_sql_query(one.client, "SELECT x", NULL, &sql, &one.error), BLX_EINVAL);
	cr_assert_not_null(strstr(one.error.message, "no such column"));
	opts.flags = 64;
	cr_assert_eq(
		blx_sql_query(one.client, "SELECT 1", &opts, &sql, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_sql_query(one.client, NULL, NULL, &sql, &one.error), BLX_EINVAL);
	blx_sql_free(NULL);
}

Test(sql, by_the_member_here, .init = begin, .fini = end)
{
	use_sql();
}

Test(sql, by_a_member_elsewhere, .init = begin_remote, .fini = end)
{
	use_sql();
}

/* The member ends in good order, with a statement under way that has none. */
Test(sql, one_under_way_does_not_hold_up_the_end, .init = begin_remote, .fini = end)
{
	blx_sql_opts opts = BLX_SQL_OPTS_INIT;
	blx_sql *sql;

	opts.timeout_ms = 50;
	cr_assert_eq(blx_sql_query(one.client, endless, &opts, &sql, &one.error), BLX_ETIMEOUT);
	one_stop(&one);
	one_start(&one);
}
