/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/mem.h"
#include "dirs.h"
#include "machine/command.h"
#include "machine/machine.h"
#include "node/found.h"
#include "node/salvage.h"
#include "store/txn.h"
#include "wal/wal.h"

#include <raft.h>
#include <stdio.h>
#include <string.h>

static const struct blx__founder one[] = { { "a", "127.0.0.1:1" } };

static struct dirs dirs;
static blx_error error;
static char dir[160];

static void begin(void)
{
	struct blx__found_opts opts = { .env = &dirs.env,
		.dir = dir,
		.cluster = "blixard",
		.name = "a",
		.founders = one,
		.count = 1 };

	dirs_init(&dirs);
	blx_error_init(&error);
	(void)snprintf(dir, sizeof dir, "%s", dirs_path(&dirs, "a"));
	cr_assert_eq(blx__found(&opts, &error), 0, "%s", error.message);
}

static void end(void)
{
	dirs_finish(&dirs);
}

static struct blx__wal *wal_open(void)
{
	char path[256];
	struct blx__identity identity;
	struct blx__wal_opts opts = { .env = &dirs.env,
		.dir = path,
		.segment_size = 1024 * 1024,
		.groups_max = 1 };
	struct blx__wal *wal;

	cr_assert_eq(blx__identity_read(dirs.env.files, dir, &identity, &error), 0);
	(void)snprintf(path, sizeof path, "%s/wal", dir);
	memcpy(opts.cluster_id, identity.cluster_id, sizeof opts.cluster_id);
	opts.member_id = identity.id;
	cr_assert_eq(blx__wal_open(&opts, &wal, &error), 0, "%s", error.message);
	return wal;
}

/* An entry of one put of a value to a key. */
static void put_entry(const char *key, const char *value, struct blx__buf *ret_entry)
{
	struct blx__txn_line line = { .kind = BLX__TXN_PUT,
		.key = (const uint8_t *)key,
		.key_len = strlen(key),
		.value = (const uint8_t *)value,
		.value_len = strlen(value) };
	struct blx__entry_header header = { .origin = 1, .incarnation = 1, .time_ms = 10 };
	struct blx__txn txn;
	struct blx__buf bytes;

	blx__txn_init(&txn);
	blx__buf_init(&bytes);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__command_of_txn(&txn, &bytes);
	blx__entry_begin(ret_entry, &header);
	blx__entry_add(ret_entry, bytes.data, bytes.len);
	blx__entry_end(ret_entry);
	cr_assert(blx__buf_ok(ret_entry));
	blx__buf_finish(&bytes);
	blx__txn_finish(&txn);
}

/* A barrier at index 2, and puts of k1, k2, ... behind it. */
static void log_fill(unsigned puts)
{
	struct blx__wal *wal = wal_open();
	struct blx__wal_state state;
	struct blx__wal_entry barrier = { .index = 2, .term = 2, .type = RAFT_BARRIER };
	unsigned i;

	cr_assert_eq(blx__wal_state_take(wal, 0, &state), 0);
	blx__wal_state_finish(&state);
	barrier.data = "\0\0\0\0\0\0\0";
	barrier.len = 8;
	cr_assert_eq(blx__wal_append_sync(wal, 0, &barrier, 1, &error), 0, "%s", error.message);
	for (i = 0; i < puts; i++) {
		struct blx__wal_entry entry = { .index = 3 + i, .term = 2, .type = RAFT_COMMAND };
		struct blx__buf bytes;
		char key[16];

		blx__buf_init(&bytes);
		(void)snprintf(key, sizeof key, "k%u", i + 1);
		put_entry(key, "v", &bytes);
		entry.data = bytes.data;
		entry.len = bytes.len;
		cr_assert_eq(blx__wal_append_sync(wal, 0, &entry, 1, &error), 0);
		blx__buf_finish(&bytes);
	}
	blx__wal_close_sync(wal);
}

static void read_back(struct blx__salvage *salvage)
{
	cr_assert_eq(blx__salvage(&dirs.env, dir, salvage, &error), 0, "%s", error.message);
}

Test(salvage, every_entry_of_the_log_is_applied, .init = begin, .fini = end)
{
	struct blx__salvage salvage;

	log_fill(5);
	read_back(&salvage);
	cr_assert_eq(salvage.last_index, 7);
	cr_assert_eq(salvage.snapshot_index, 0);
	cr_assert_str_eq(salvage.identity.name, "a");
	cr_assert_eq(blx__image_items(salvage.image), 5);
	cr_assert_eq(blx__image_meta(salvage.image)->index, 7);
	cr_assert_eq(blx__image_meta(salvage.image)->term, 2);
	cr_assert_eq(blx__image_meta(salvage.image)->revision, 5);
	blx__salvage_finish(&salvage);
}

Test(salvage, a_member_that_runs_is_left_alone, .init = begin, .fini = end)
{
	struct blx__salvage salvage;
	struct blx__file *lock;

	cr_assert_eq(blx__identity_lock(dirs.env.files, dir, &lock, &error), 0);
	cr_assert_eq(blx__salvage(&dirs.env, dir, &salvage, &error), BLX_EINUSE);
	dirs.env.files->ops->close(lock);
	cr_assert_eq(blx__salvage(&dirs.env, dirs_path(&dirs, "none"), &salvage, &error),
		BLX_ENOENT);
}

static struct blx__image *rebase(const struct blx__image *image, const char *id)
{
	struct blx__image *rebased = NULL;

	cr_assert_eq(blx__salvage_rebase(image, (const uint8_t *)id, &rebased, &error), 0, "%s",
		error.message);
	return rebased;
}

Test(salvage, the_first_state_of_the_new_cluster_has_all_and_a_note, .init = begin, .fini = end)
{
	static const uint8_t note[] = ":config\0recovered";
	struct blx__salvage salvage;
	struct blx__image *image;
	struct blx__image *again;
	const struct blx__item *item;

	log_fill(3);
	read_back(&salvage);
	image = rebase(salvage.image, "0123456789abcdef");
	again = rebase(salvage.image, "0123456789abcdef");

	cr_assert_eq(blx__image_items(image), 4);
	cr_assert_eq(blx__image_sessions(image), 0);
	cr_assert_eq(blx__image_meta(image)->index, 6);
	cr_assert_eq(blx__image_meta(image)->term, 3);
	cr_assert_eq(blx__image_meta(image)->revision, 4);
	cr_assert_arr_eq(blx__image_meta(image)->cluster_id, "0123456789abcdef", 16);
	cr_assert_eq(blx__image_hash(image), blx__image_hash(again), "the same on every host");
	item = blx__tree_get(blx__image_tree(image), note, sizeof note - 1);
	cr_assert_not_null(item);
	cr_assert_eq(item->mod_revision, 4);
	blx__image_unref(again);
	blx__image_unref(image);
	blx__salvage_finish(&salvage);
}

Test(salvage, what_was_rebased_is_recognised_and_may_be_rebased_again, .init = begin, .fini = end)
{
	static const uint8_t note[] = ":config\0recovered";
	struct blx__salvage salvage;
	struct blx__image *image;
	struct blx__image *second;
	const struct blx__item *item;
	uint64_t salt = 0;

	log_fill(3);
	read_back(&salvage);
	cr_assert_not(blx__salvage_is_rebased(salvage.image, &salt));
	image = rebase(salvage.image, "0123456789abcdef");
	cr_assert(blx__salvage_is_rebased(image, &salt));
	cr_assert_eq(salt, blx__salvage_salt(salvage.image));

	second = rebase(image, "fedcba9876543210");
	item = blx__tree_get(blx__image_tree(second), note, sizeof note - 1);
	cr_assert_eq(blx__image_items(second), 4);
	cr_assert_eq(item->version, 2);
	cr_assert_eq(item->create_revision, 4);
	cr_assert_eq(item->mod_revision, 5);
	blx__image_unref(second);
	blx__image_unref(image);
	blx__salvage_finish(&salvage);
}
