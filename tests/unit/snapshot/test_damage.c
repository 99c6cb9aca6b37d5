/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of files that are cut, damaged, hostile, or no snapshots at all. */
#include "support/test.h"

#include "images.h"
#include "saved.h"
#include "scratch.h"
#include "base/rng.h"

#include <unistd.h>
#include <sqlite3.h>

static struct blx__image *sample(void)
{
	struct blx__rng rng;

	blx__rng_init(&rng, 99);
	return images_random(&rng, 100, 800);
}

Test(damage, a_file_cut_anywhere_is_refused)
{
	struct saved s;
	uint8_t *bytes;
	size_t len;
	size_t cut;
	size_t step = 997 / scratch_scale() + 1;

	saved_init(&s, sample());
	bytes = scratch_read(&s.scratch, "image.db", &len);
	for (cut = 0; cut < len; cut += cut < 200 ? 7 : step) {
		scratch_write(&s.scratch, "image.db", bytes, cut);
		cr_assert_eq(saved_load_and_compare(&s), BLX_ECORRUPT, "at %zu", cut);
	}
	free(bytes);
	saved_finish(&s);
}

Test(damage, a_file_that_goes_on_is_refused)
{
	struct saved s;
	uint8_t *bytes;
	size_t len;

	saved_init(&s, images_small());
	bytes = scratch_read(&s.scratch, "image.db", &len);
	bytes[len] = 0;
	scratch_write(&s.scratch, "image.db", bytes, len + 1);
	cr_assert_eq(saved_load_and_compare(&s), BLX_ECORRUPT);
	free(bytes);
	saved_finish(&s);
}

Test(damage, a_flipped_bit_is_refused_or_changes_nothing)
{
	uint64_t seed = 20260302;
	struct blx__rng rng;
	struct saved s;
	uint8_t *bytes;
	size_t len;
	unsigned round;
	unsigned refused = 0;

	cr_log_info("seed %lu", (unsigned long)seed);
	blx__rng_init(&rng, seed);
	saved_init(&s, sample());
	bytes = scratch_read(&s.scratch, "image.db", &len);
	for (round = 0; round < 300 * scratch_scale(); round++) {
		/* A third of them in the header and the schema, where they do most. */
		uint64_t bit = blx__rng_below(&rng, round % 3 == 0 ? 1600 : len * 8);
		int rv;

		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		scratch_write(&s.scratch, "image.db", bytes, len);
		rv = saved_load_and_compare(&s);
		cr_assert(rv == BLX_OK || rv == BLX_ECORRUPT || rv == BLX_EVERSION,
			"bit %lu: %d", (unsigned long)bit, rv);
		refused += rv != BLX_OK;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* The rest hit what is not used: gaps in pages, counters in the header. */
	cr_assert_gt(refused, round / 4);
	free(bytes);
	saved_finish(&s);
}

Test(damage, runs_of_random_bytes_are_refused_or_change_nothing)
{
	uint64_t seed = 20260303;
	struct blx__rng rng;
	struct saved s;
	uint8_t *bytes;
	size_t len;
	unsigned round;

	cr_log_info("seed %lu", (unsigned long)seed);
	blx__rng_init(&rng, seed);
	saved_init(&s, sample());
	bytes = scratch_read(&s.scratch, "image.db", &len);
	for (round = 0; round < 150 * scratch_scale(); round++) {
		uint8_t kept[64];
		size_t at = 100 + blx__rng_below(&rng, len - sizeof kept - 100);
		size_t i;
		int rv;

		memcpy(kept, bytes + at, sizeof kept);
		for (i = 0; i < 1 + at % sizeof kept; i++) {
			bytes[at + i] = (uint8_t)blx__rng_u64(&rng);
		}
		scratch_write(&s.scratch, "image.db", bytes, len);
		rv = saved_load_and_compare(&s);
		cr_assert(rv == BLX_OK || rv == BLX_ECORRUPT, "at %zu: %d", at, rv);
		memcpy(bytes + at, kept, sizeof kept);
	}
	free(bytes);
	saved_finish(&s);
}

/* Does it to the file by SQL, as a person or an enemy would; what comes of it. */
static int load_after(const char *sql)
{
	struct saved s;
	sqlite3 *db;
	char *text = NULL;
	int rv;

	saved_init(&s, images_small());
	cr_assert_eq(
		sqlite3_open_v2(s.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(
		sqlite3_exec(db, sql, NULL, NULL, &text), SQLITE_OK, "%s: %s", sql, text);
	(void)sqlite3_close(db);
	rv = saved_load_and_compare(&s);
	saved_finish(&s);
	return rv;
}

Test(damage, content_that_was_edited_is_refused)
{
	static const char *const edits[] = {
		"UPDATE kv SET value='x' WHERE path='/a/b'",
		"UPDATE kv SET value=5 WHERE path='/a/b'",
		"UPDATE kv SET value=NULL WHERE path='/a/b'",
		"UPDATE kv SET value=zeroblob(1048577) WHERE path='/a/b'",
		"UPDATE kv SET path='a/b' WHERE path='/a/b'",
		"UPDATE kv SET path='/a//b' WHERE path='/a/b'",
		"UPDATE kv SET path='/a/b/' WHERE path='/a/b'",
		"UPDATE kv SET path='/a/%62' WHERE path='/a/b'",
		"UPDATE kv SET path='' WHERE path='/a/b'",
		"UPDATE kv SET path='/a/c' WHERE path='/a/b'",
		"UPDATE kv SET path=CAST('/a/b' AS BLOB) WHERE path='/a/b'",
		"UPDATE kv SET path='/a' || char(0) || 'b' WHERE path='/a/b'",
		"UPDATE kv SET create_revision=mod_revision+1 WHERE path='/a/b'",
		"UPDATE kv SET create_revision=0 WHERE path='/a/b'",
		"UPDATE kv SET mod_revision=1000000 WHERE path='/a/b'",
		"UPDATE kv SET mod_revision=-1 WHERE path='/a/b'",
		"UPDATE kv SET version=version+1 WHERE path='/a/b'",
		"UPDATE kv SET version='x' WHERE path='/a/b'",
		"UPDATE kv SET version=1.5 WHERE path='/a/b'",
		"DELETE FROM kv WHERE path='/a/b'",
		"INSERT INTO kv VALUES('/new', 'x', 1, 1, 1, NULL)",
		"UPDATE kv SET keep=NULL WHERE path='/kept'",
		"UPDATE kv SET keep=x'' WHERE path='/kept'",
		"UPDATE kv SET keep=x'00' WHERE path='/kept'",
		"UPDATE kv SET keep=5 WHERE path='/kept'",
		"UPDATE kv SET keep=x'010203626978' WHERE path='/kept'",
		"UPDATE kv SET keep=x'0102036269' WHERE path='/kept'",
		"UPDATE kv SET keep=x'01020362696e' WHERE path='/a/b'",
		"DELETE FROM session",
		"UPDATE session SET state=NULL",
		"UPDATE session SET state=17",
		"UPDATE session SET id=id+1",
	};
	size_t i;

	for (i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		cr_assert_eq(load_after(edits[i]), BLX_ECORRUPT, "%s", edits[i]);
	}
}

Test(damage, meta_that_was_edited_is_refused)
{
	static const char *const edits[] = {
		"DELETE FROM meta WHERE key='hash'",
		"DELETE FROM meta WHERE key='term'",
		"UPDATE meta SET value='zz' WHERE key='hash'",
		"UPDATE meta SET value=5 WHERE key='hash'",
		"UPDATE meta SET value='0123456789abcdef' WHERE key='hash'",
		"UPDATE meta SET value='x' WHERE key='cluster_id'",
		"UPDATE meta SET value=3 WHERE key='format'",
		"UPDATE meta SET value=value+1 WHERE key='index'",
		"UPDATE meta SET value=value+1 WHERE key='term'",
		"UPDATE meta SET value=value+1 WHERE key='time_ms'",
		"UPDATE meta SET value=value+1 WHERE key='revision'",
		"UPDATE meta SET value=value+1 WHERE key='items'",
		"UPDATE meta SET value=-1 WHERE key='items'",
		"UPDATE meta SET value=-1 WHERE key='members'",
		"UPDATE meta SET value=3 WHERE key='members'",
		"UPDATE meta SET value='7' WHERE key='index'",
		"UPDATE meta SET value='other' WHERE key='product'",
		"UPDATE meta SET value=printf('%1000d', 1) WHERE key='product'",
		"UPDATE meta SET value='' WHERE key='meta_crc'",
		"DELETE FROM member WHERE id=1",
		"INSERT INTO member VALUES(3, 'c', 'd', 'voter')",
		"UPDATE member SET name=NULL WHERE id=1",
		"UPDATE member SET name='b' WHERE id=1",
		"UPDATE member SET name=printf('%1000d', 1)",
		"UPDATE member SET id=2 WHERE id=1",
	};
	size_t i;

	for (i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		cr_assert_eq(load_after(edits[i]), BLX_ECORRUPT, "%s", edits[i]);
	}
}

Test(damage, other_tables_than_ours_are_refused)
{
	static const char *const edits[] = {
		"CREATE TABLE more(x)",
		"CREATE INDEX kv_version ON kv(version)",
		"CREATE VIEW more AS SELECT 1",
		"CREATE TRIGGER t AFTER INSERT ON kv BEGIN SELECT 1; END",
		"DROP TABLE member",
		"DROP TABLE kv; CREATE VIEW kv AS SELECT '/a' AS path",
		"ALTER TABLE session ADD COLUMN more",
		"PRAGMA application_id=1",
		"PRAGMA user_version=0",
		"PRAGMA user_version=-1",
		"PRAGMA journal_mode=WAL",
	};
	size_t i;

	for (i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		cr_assert_eq(load_after(edits[i]), BLX_ECORRUPT, "%s", edits[i]);
	}
}

Test(damage, a_newer_format_is_told_as_such)
{
	cr_assert_eq(load_after("PRAGMA user_version=3"), BLX_EVERSION);
}

Test(damage, a_meta_row_that_is_not_known_does_no_harm)
{
	cr_assert_eq(load_after("INSERT INTO meta VALUES('zebra', 1)"), BLX_OK);
}

Test(damage, what_is_no_snapshot_is_refused)
{
	struct saved s;
	struct blx__snapshot_info info;
	uint8_t zeros[4096] = {0};

	saved_init(&s, images_small());
	scratch_write(&s.scratch, "image.db", zeros, sizeof zeros);
	cr_assert_eq(saved_load_and_compare(&s), BLX_ECORRUPT);
	cr_assert_eq(blx__snapshot_inspect(&blx__files_posix, s.path, &info, NULL),
		BLX_ECORRUPT);
	scratch_write(&s.scratch, "image.db", "hello", 5);
	cr_assert_eq(saved_load_and_compare(&s), BLX_ECORRUPT);
	cr_assert_eq(blx__snapshot_inspect(&blx__files_posix, s.path, &info, NULL),
		BLX_ECORRUPT);
	saved_finish(&s);
}

Test(damage, a_missing_file_is_told_as_such)
{
	struct saved s;
	struct blx__snapshot_info info;

	saved_init(&s, images_small());
	cr_assert_eq(unlink(s.path), 0);
	cr_assert_eq(saved_load_and_compare(&s), BLX_ENOENT);
	cr_assert_eq(blx__snapshot_inspect(&blx__files_posix, s.path, &info, NULL),
		BLX_ENOENT);
	saved_finish(&s);
}

Test(damage, the_message_names_the_file_and_what_is_wrong)
{
	struct saved s;
	struct blx__image *image;
	blx_error error = BLX_ERROR_INIT;

	saved_init(&s, images_small());
	scratch_write(&s.scratch, "image.db", "hello", 5);
	cr_assert_eq(blx__snapshot_load(s.path, &saved_ctl, &image, NULL, &error),
		BLX_ECORRUPT);
	cr_assert_not_null(strstr(error.message, s.path));
	cr_assert_not_null(strstr(error.message, "too short"));
	saved_finish(&s);
}

Test(damage, journals_lying_beside_are_not_looked_at)
{
	struct saved s;

	saved_init(&s, images_small());
	scratch_write(&s.scratch, "image.db-journal", "hello", 5);
	scratch_write(&s.scratch, "image.db-wal", "hello", 5);
	cr_assert_eq(saved_load_and_compare(&s), 0);
	cr_assert(scratch_has(&s.scratch, "image.db-journal"));
	saved_finish(&s);
}
