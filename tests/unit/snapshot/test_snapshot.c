/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "images.h"
#include "saved.h"
#include "scratch.h"
#include "base/mem.h"
#include "base/rng.h"
#include "snapshot/manifest.h"
#include "snapshot/pieces.h"

#include <stdio.h>
#include <sqlite3.h>
#include <sys/stat.h>

Test(snapshot, a_small_image_comes_back_equal)
{
	struct saved s;

	saved_init(&s, images_small());
	cr_assert_eq(saved_load_and_compare(&s), 0);
	saved_finish(&s);
}

Test(snapshot, an_empty_image_comes_back_equal)
{
	struct saved s;

	saved_init(&s, images_regular(0, 0));
	cr_assert_eq(saved_load_and_compare(&s), 0);
	saved_finish(&s);
}

Test(snapshot, random_images_come_back_equal)
{
	uint64_t seed = 20260301;
	unsigned round;

	for (round = 0; round < 20 * scratch_scale(); round++) {
		struct blx__rng rng;
		struct saved s;

		blx__rng_init(&rng, seed + round);
		saved_init(&s, images_random(&rng, 1 + blx__rng_below(&rng, 300), 2000));
		cr_assert_eq(saved_load_and_compare(&s), 0, "seed %lu",
			(unsigned long)(seed + round));
		saved_finish(&s);
	}
}

Test(snapshot, values_of_the_largest_size_come_back_equal)
{
	struct blx__rng rng;
	struct saved s;

	blx__rng_init(&rng, 7);
	saved_init(&s, images_regular(4, 1024 * 1024));
	cr_assert_eq(saved_load_and_compare(&s), 0);
	saved_finish(&s);
	saved_init(&s, images_random(&rng, 12, 1024 * 1024));
	cr_assert_eq(saved_load_and_compare(&s), 0);
	saved_finish(&s);
}

Test(snapshot, write_load_verify_and_inspect_tell_the_same)
{
	struct saved s;
	struct blx__snapshot_info info;
	struct blx__manifest manifest;

	saved_init(&s, images_small());
	blx__manifest_init(&manifest, &s.info);

	cr_assert_eq(blx__snapshot_verify(s.path, &saved_ctl, &info, NULL), 0);
	cr_assert_eq(blx__manifest_check(&manifest, &info, NULL), 0);
	cr_assert_eq(info.items, s.info.items);
	cr_assert_eq(info.sessions, 2);
	blx__snapshot_info_finish(&info);

	cr_assert_eq(blx__snapshot_inspect(&blx__files_posix, s.path, &info, NULL), 0);
	cr_assert_eq(info.hash, s.info.hash);
	cr_assert_eq(info.size, s.info.size);
	cr_assert_eq(info.meta.revision, s.info.meta.revision);
	cr_assert_eq(info.meta.time_ms, s.info.meta.time_ms);
	cr_assert_str_eq(info.product, "blixard test");
	cr_assert_eq(info.members_count, 2);
	blx__snapshot_info_finish(&info);
	saved_finish(&s);
}

Test(snapshot, the_members_come_back)
{
	struct saved s;
	struct blx__snapshot_info info;

	saved_init(&s, images_small());

	cr_assert_eq(blx__snapshot_inspect(&blx__files_posix, s.path, &info, NULL), 0);

	/* In SQLite's order: an id with the highest bit set is negative there. */
	cr_assert_eq(info.members[0].id, UINT64_MAX);
	cr_assert_str_eq(info.members[0].name, "zwölf");
	cr_assert_str_eq(info.members[0].role, "spare");
	cr_assert_eq(info.members[1].id, 1);
	cr_assert_str_eq(info.members[1].address, "127.0.0.1:7001");
	blx__snapshot_info_finish(&info);
	saved_finish(&s);
}

Test(snapshot, the_same_image_gives_the_same_bytes)
{
	struct saved s;
	struct blx__snapshot_info info;

	saved_init(&s, images_small());
	cr_assert_eq(saved_write(&s, &saved_ctl, &info, NULL), 0);
	cr_assert_eq(info.crc, s.info.crc);
	cr_assert_eq(info.size, s.info.size);
	saved_finish(&s);
}

Test(snapshot, size_and_crc_are_those_of_the_file_and_nobody_else_may_read_it)
{
	struct saved s;
	struct stat st;
	uint64_t size;
	uint32_t crc;

	saved_init(&s, images_small());
	cr_assert_eq(blx__snapshot_crc(s.path, &saved_ctl, &size, &crc, NULL), 0);
	cr_assert_eq(crc, s.info.crc);
	cr_assert_eq(size, s.info.size);
	cr_assert_eq(stat(s.path, &st), 0);
	cr_assert_eq((uint64_t)st.st_size, s.info.size);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(scratch_count(&s.scratch), 1);
	saved_finish(&s);
}

/* The first column of the first row, as text in a buffer of the caller's. */
static void query(const char *path, const char *sql, char *ret_text, size_t size)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;

	cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s",
		sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
	(void)snprintf(ret_text, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
}

Test(snapshot, a_person_can_read_it_with_sqlite)
{
	static const char *const expect[][2] = {
		{"SELECT value FROM kv WHERE path='/a/b'", "{\"n\": 5}"},
		{"SELECT json_extract(value, '$.n') FROM kv WHERE path='/a/b'", "5"},
		{"SELECT typeof(value) FROM kv WHERE path='/bin'", "blob"},
		{"SELECT typeof(value) FROM kv WHERE path='/nul'", "blob"},
		{"SELECT hex(value) FROM kv WHERE path='/nul'", "610062"},
		{"SELECT hex(keep) FROM kv WHERE path='/kept'", "01020362696E"},
		{"SELECT count(*) FROM kv WHERE keep IS NULL", "4"},
		{"SELECT length(value) FROM kv WHERE path='/empty'", "0"},
		{"SELECT group_concat(name) FROM member WHERE role='voter'", "a"},
		{"SELECT count(*) FROM session", "2"},
		{"SELECT value FROM meta WHERE key='format'", "2"},
		{"SELECT value FROM meta WHERE key='product'", "blixard test"},
		{"SELECT hex(keep) FROM kv WHERE path='/kept'", "01020362696E"},
		{"SELECT count(*) FROM kv WHERE keep IS NULL", "4"},
		{"SELECT length(value) FROM meta WHERE key='cluster_id'", "32"},
		{"PRAGMA integrity_check", "ok"},
	};
	struct saved s;
	char text[256];
	size_t i;

	saved_init(&s, images_small());
	for (i = 0; i < sizeof expect / sizeof expect[0]; i++) {
		query(s.path, expect[i][0], text, sizeof text);
		cr_assert_str_eq(text, expect[i][1], "%s", expect[i][0]);
	}
	saved_finish(&s);
}

Test(snapshot, malformed_options_are_refused)
{
	struct saved s;
	struct blx__snapshot_member member = {1, "name", "\xff", "voter"};
	struct blx__snapshot_write_opts opts = {.ctl = saved_ctl};
	char long_text[BLX__SNAPSHOT_TEXT_MAX + 2];

	saved_init(&s, images_small());
	opts.path = s.path;
	opts.image = s.image;
	opts.members = &member;
	opts.members_count = 1;
	cr_assert_eq(blx__snapshot_write(&opts, NULL, NULL), BLX_EINVAL);
	opts.members_count = 0;
	memset(long_text, 'x', sizeof long_text);
	long_text[sizeof long_text - 1] = '\0';
	opts.product = long_text;
	cr_assert_eq(blx__snapshot_write(&opts, NULL, NULL), BLX_EINVAL);
	saved_finish(&s);
}
