/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "scratch.h"
#include "base/mem.h"
#include "snapshot/dir.h"

Test(snapshot_dir, a_name_is_parsed_to_the_numbers_it_was_made_of)
{
	static const uint64_t numbers[] = {0, 1, 10, UINT64_MAX};
	size_t i;
	size_t k;

	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++) {
			char name[BLX__SNAPSHOT_NAME_SIZE];
			uint64_t index = 7;
			uint64_t term = 7;

			blx__snapshot_name(numbers[i], numbers[k], name);
			cr_assert(blx__snapshot_name_parse(name, &index, &term));
			cr_assert_eq(index, numbers[i]);
			cr_assert_eq(term, numbers[k]);
		}
	}
}

Test(snapshot_dir, what_is_not_exactly_a_name_is_refused)
{
	static const char *const names[] = {
		"",
		"snapshot-",
		"snapshot-1-2.db",
		"snapshot-00000000000000000001-00000000000000000002",
		"snapshot-00000000000000000001-00000000000000000002.db.tmp",
		"snapshot-00000000000000000001-00000000000000000002.dbx",
		"snapshot-00000000000000000001_00000000000000000002.db",
		"snapshot--0000000000000000001-00000000000000000002.db",
		"snapshot-+0000000000000000001-00000000000000000002.db",
		"snapshot-18446744073709551616-00000000000000000002.db",
		"snapshot-99999999999999999999-00000000000000000002.db",
		"../snapshot-00000000000000000001-00000000000000000002.db",
	};
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		cr_assert_not(
			blx__snapshot_name_parse(names[i], NULL, NULL), "%s", names[i]);
	}
}

static void make(struct scratch *scratch, uint64_t index, uint64_t term)
{
	char name[BLX__SNAPSHOT_NAME_SIZE];

	blx__snapshot_name(index, term, name);
	scratch_write(scratch, name, "x", 1);
}

Test(snapshot_dir, the_list_begins_with_the_newest_and_leaves_out_other_files)
{
	struct scratch scratch;
	struct blx__snapshot_dir dir;

	scratch_init(&scratch);
	make(&scratch, 9, 2);
	make(&scratch, 100, 1);
	make(&scratch, 100, 3);
	scratch_write(&scratch, "identity", "x", 1);

	cr_assert_eq(
		blx__snapshot_dir_list(&blx__files_posix, scratch.dir, &dir, NULL), 0);

	cr_assert_eq(dir.count, 3);
	cr_assert_eq(dir.entries[0].index, 100);
	cr_assert_eq(dir.entries[0].term, 3);
	cr_assert_eq(dir.entries[1].term, 1);
	cr_assert_eq(dir.entries[2].index, 9);
	cr_assert(scratch_has(&scratch, dir.entries[2].name));
	blx__snapshot_dir_finish(&dir);
	scratch_finish(&scratch);
}

Test(snapshot_dir, an_absent_directory_is_told)
{
	struct blx__snapshot_dir dir;
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__snapshot_dir_list(
			     &blx__files_posix, "/tmp/blx-no-such-dir", &dir, &error),
		BLX_ENOENT);
}

Test(snapshot_dir, clean_removes_leftovers_and_keeps_what_can_be_resumed)
{
	struct scratch scratch;
	char older[BLX__SNAPSHOT_NAME_SIZE];
	char newer[BLX__SNAPSHOT_NAME_SIZE];

	scratch_init(&scratch);
	make(&scratch, 50, 2);
	blx__snapshot_part_name(50, 2, 0xabcdef01, older);
	blx__snapshot_part_name(51, 2, 0xabcdef01, newer);
	scratch_write(&scratch, older, "x", 1);
	scratch_write(&scratch, newer, "x", 1);
	scratch_write(&scratch,
		"snapshot-00000000000000000060-00000000000000000002.db.tmp", "x", 1);
	scratch_write(&scratch, "notes.tmp", "x", 1);

	cr_assert_eq(blx__snapshot_dir_clean(&blx__files_posix, scratch.dir, NULL), 0);

	cr_assert_not(scratch_has(&scratch, older));
	cr_assert(scratch_has(&scratch, newer));
	cr_assert(scratch_has(&scratch, "notes.tmp"));
	cr_assert_eq(scratch_count(&scratch), 3);
	scratch_finish(&scratch);
}
