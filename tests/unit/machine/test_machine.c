/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/machine.h"

#include "base/codec.h"
#include "base/mem.h"
#include "drive.h"
#include "store/txn.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct drive drive;
static struct blx__buf buf;

static void begin(void)
{
	blx__buf_init(&buf);
	drive_init(&drive);
	cr_assert_not_null(drive.machine);
}

static void end(void)
{
	drive_finish(&drive);
	blx__buf_finish(&buf);
}

static int get(const char *key, struct blx__item **ret_item, uint64_t *ret_revision)
{
	return blx__machine_get(drive.machine, (const uint8_t *)key, strlen(key), ret_item,
		ret_revision);
}

Test(machine, what_was_put_is_there_and_the_revision_counts_changes, .init = begin,
	.fini = end)
{
	struct drive_write del = {.key = "a"};
	struct blx__item *item = NULL;
	uint64_t revision = 77;

	cr_assert_eq(get("a", &item, &revision), BLX_ENOENT);
	cr_assert_eq(revision, 0);
	drive_put(&drive, "a", "one");
	drive_put(&drive, "a", "two");
	cr_assert_eq(get("a", &item, &revision), 0);
	cr_assert_eq(revision, 2);
	cr_assert_eq(item->version, 2);
	cr_assert_eq(blx__item_value_len(item), 3);
	cr_assert_arr_eq(blx__item_value(item), "two", 3);

	/* Ours even when it is gone from the store. */
	cr_assert_eq(drive_one(&drive, 0, &del).revision, 3);
	cr_assert_eq(drive_one(&drive, 0, &del).revision, 3);
	cr_assert_arr_eq(blx__item_value(item), "two", 3);
	blx__item_unref(item);
	cr_assert_eq(get("a", &item, &revision), BLX_ENOENT);
	cr_assert_eq(blx__machine_revision(drive.machine), 3);
}

Test(machine, a_path_with_children_only_has_no_value, .init = begin, .fini = end)
{
	static const uint8_t key[] = {'d', BLX__KEY_SEPARATOR, 'x'};
	struct blx__txn_line line = {
		.kind = BLX__TXN_PUT, .key = key, .key_len = 3, .value = key, .value_len = 1};
	struct blx__command command = {.kind = BLX__COMMAND_TXN};
	struct blx__entry_header header = {.origin = 1};
	struct blx__item *item;
	struct blx__txn txn;
	struct blx__buf body;
	struct blx__buf bytes;
	uint64_t revision;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	blx__buf_init(&bytes);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	blx__command_encode(&command, &bytes);
	blx__entry_begin(&buf, &header);
	blx__entry_add(&buf, bytes.data, bytes.len);
	blx__entry_end(&buf);
	cr_assert_eq(drive_bytes(&drive, buf.data, buf.len), 0);

	cr_assert_eq(get("d", &item, &revision), BLX_ENOVALUE);
	cr_assert_eq(get("dx", &item, &revision), BLX_ENOENT);
	blx__txn_finish(&txn);
	blx__buf_finish(&body);
	blx__buf_finish(&bytes);
}

Test(machine, skipping_moves_the_index_and_nothing_else, .init = begin, .fini = end)
{
	struct blx__machine_stats before;
	struct blx__machine_stats after;

	drive_put(&drive, "a", "1");
	blx__machine_stats_get(drive.machine, &before);
	blx__machine_skip(drive.machine, 10, 3);
	blx__machine_stats_get(drive.machine, &after);
	cr_assert_eq(after.index, 10);
	cr_assert_eq(after.hash, before.hash);
	cr_assert_eq(after.revision, before.revision);
}

Test(machine, its_clock_never_goes_back, .init = begin, .fini = end)
{
	struct drive_write write = {.key = "a", .value = "1"};

	(void)drive_one(&drive, 5000, &write);
	(void)drive_one(&drive, 4000, &write);
	cr_assert_eq(blx__machine_time_ms(drive.machine), 5000);
	(void)drive_one(&drive, 5001, &write);
	cr_assert_eq(blx__machine_time_ms(drive.machine), 5001);
}

/* ---- what it does not know ---------------------------------------------------------- */

static void must_stop(const char *what)
{
	struct blx__machine_stats before;
	struct blx__machine_stats after;

	blx__machine_stats_get(drive.machine, &before);
	cr_assert_eq(drive_bytes(&drive, buf.data, buf.len), BLX_EVERSION, "%s", what);
	cr_assert_eq(drive.replies_count, 0, "%s", what);
	blx__machine_stats_get(drive.machine, &after);
	cr_assert_eq(after.index, before.index, "%s", what);
	cr_assert_eq(after.hash, before.hash, "%s", what);
	cr_assert_eq(after.revision, before.revision, "%s", what);
	cr_assert_eq(blx__machine_time_ms(drive.machine), 100, "%s", what);
}

Test(machine, does_nothing_of_an_entry_that_has_anything_of_a_later_version,
	.init = begin, .fini = end)
{
	struct drive_write write = {.key = "a", .value = "1"};
	struct drive_write two[2] = {write, write};
	size_t body;

	(void)drive_one(&drive, 100, &write);
	drive_entry(200, two, 2, &buf);
	buf.data[0] = BLX__ENTRY_FORMAT + 1;
	must_stop("a later format");

	/* The second command's kind; then that of the operation in it. */
	drive_entry(200, two, 2, &buf);
	body = (buf.len - 37) / 2; /* both are of one length, less the padding */
	while (buf.data[37 + 4 + body] == 0 || memcmp(buf.data + 37, buf.data + 37 + body,
						       8) != 0) {
		body--;
	}
	buf.data[37 + body + 4] = BLX__COMMAND_TXN + 1;
	must_stop("a later kind of command");
	buf.data[37 + body + 4] = BLX__COMMAND_TXN;
	cr_assert_eq(drive_bytes(&drive, buf.data, buf.len), 0);
	cr_assert_eq(drive.replies_count, 2);
}

Test(machine, answers_a_malformed_command_and_goes_on_with_the_next, .init = begin,
	.fini = end)
{
	struct blx__entry_header header = {.origin = 1};
	struct drive_write write = {.key = "a", .value = "1"};
	struct blx__buf command;

	blx__buf_init(&command);
	drive_command(&write, &command);
	blx__entry_begin(&buf, &header);
	blx__entry_add(&buf, "\1short", 6);
	blx__entry_add(&buf, command.data, command.len - 1);
	blx__entry_add(&buf, command.data, command.len);
	blx__entry_end(&buf);
	cr_assert_eq(drive_bytes(&drive, buf.data, buf.len), 0);
	cr_assert_eq(drive.replies_count, 3);
	cr_assert_eq(drive.replies[0].code, BLX_EPROTO);
	cr_assert_neq(drive.replies[1].code, 0);
	cr_assert_eq(drive.replies[2].code, 0);
	cr_assert_eq(blx__machine_revision(drive.machine), 1);
	blx__buf_finish(&command);
}

Test(machine, passes_over_what_is_no_entry_at_all, .init = begin, .fini = end)
{
	uint64_t hash = drive_hash(&drive);

	cr_assert_eq(drive_bytes(&drive, "\1short", 6), 0);
	cr_assert_eq(drive_bytes(&drive, NULL, 0), 0);
	cr_assert_eq(drive.replies_count, 0);
	cr_assert_eq(drive.index, 2);
	cr_assert_eq(drive_hash(&drive), hash);
}

/* Bytes of an entry that are damaged here and there, or of no meaning at all. */
static void spoil(struct blx__rng *rng)
{
	uint64_t kind = blx__rng_below(rng, 4);
	uint64_t i;

	if (kind == 0) {
		buf.len = blx__rng_below(rng, buf.len + 1);
	} else if (kind == 1) {
		for (i = 1; i < buf.len; i++) {
			buf.data[i] = (uint8_t)blx__rng_u64(rng);
		}
	} else {
		for (i = blx__rng_below(rng, 4); i > 0; i--) {
			buf.data[blx__rng_below(rng, buf.len)] =
				(uint8_t)blx__rng_u64(rng);
		}
	}
}

Test(machine, two_that_are_fed_the_same_bytes_stay_equal_whatever_these_are,
	.init = begin, .fini = end, .timeout = 100)
{
	struct drive other;
	struct blx__rng rng;
	int64_t time_ms = 1000000;
	unsigned changed = 0;
	int i;

	drive_init(&other);
	blx__rng_init(&rng, drive_seed());
	for (i = 0; i < 8000; i++) {
		uint8_t *exact;
		int rv;

		drive_random_entry(&rng, &time_ms, &buf);
		if (i % 3 == 0) {
			spoil(&rng);
		}
		exact = blx__memdup(buf.data, buf.len);
		rv = drive_bytes(&drive, exact, buf.len);
		blx__free(exact);
		exact = blx__memdup(buf.data, buf.len);
		cr_assert_eq(drive_bytes(&other, exact, buf.len), rv, "step %d", i);
		blx__free(exact);
		cr_assert(rv == 0 || rv == BLX_EVERSION, "step %d: %d", i, rv);
		cr_assert(drive_same(&drive, &other), "step %d", i);
		changed += drive.replies_count > 0 && drive.replies[0].code == 0;
		if (blx__machine_time_ms(drive.machine) > time_ms) {
			/* A damaged time was far ahead: go on from it, within reason. */
			time_ms = blx__machine_time_ms(drive.machine);
			if (time_ms > INT64_MAX / 2) {
				drive_finish(&drive);
				drive_finish(&other);
				drive_init(&drive);
				drive_init(&other);
				time_ms = 1000000;
			}
		}
	}
	cr_assert_gt(changed, 1000);
	drive_finish(&other);
}

/* ---- readers beside the applier ------------------------------------------------------ */

struct reader {
	struct blx__machine *machine;
	atomic_bool stop;
	atomic_uint wrong;
	atomic_uint rounds;
};

static bool is_same(const struct blx__tree *tree)
{
	struct blx__item *a = blx__tree_get(tree, (const uint8_t *)"a", 1);
	struct blx__item *b = blx__tree_get(tree, (const uint8_t *)"b", 1);

	return (a == NULL && b == NULL) ||
	       (a != NULL && b != NULL && a->mod_revision == b->mod_revision &&
		       a->value_len == b->value_len &&
		       memcmp(blx__item_value(a), blx__item_value(b), a->value_len) == 0);
}

static void *reader_main(void *data)
{
	struct reader *reader = data;
	uint64_t last = 0;

	while (!atomic_load(&reader->stop)) {
		struct blx__image *image = blx__machine_pin(reader->machine);
		struct blx__machine_stats stats;
		struct blx__item *item;
		struct blx__image *copy;
		uint64_t revision;

		if (blx__machine_get(reader->machine, (const uint8_t *)"a", 1, &item,
			    &revision) == 0) {
			atomic_fetch_add(&reader->wrong, item->mod_revision > revision);
			blx__item_unref(item);
		}
		atomic_fetch_add(&reader->wrong, revision < last);
		last = revision;
		blx__machine_stats_get(reader->machine, &stats);
		atomic_fetch_add(&reader->wrong, !is_same(blx__image_tree(image)));
		atomic_fetch_add(&reader->wrong, drive_rebuild(image, &copy) != 0);
		atomic_fetch_add(&reader->wrong,
			blx__image_hash(copy) != blx__image_hash(image) ||
				blx__image_meta(image)->revision > stats.revision);
		blx__image_unref(copy);
		blx__image_unref(image);
		atomic_fetch_add(&reader->rounds, 1);
	}
	return NULL;
}

/* One transaction that puts the same under "a" and "b". */
static void put_both(uint64_t seq)
{
	struct blx__entry_header header = {.origin = 1, .time_ms = (int64_t)seq};
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = 1 + seq % 40,
		.seq = 1 + seq / 40,
		.acked = seq / 40};
	struct blx__txn_line line = {.kind = BLX__TXN_PUT, .key_len = 1};
	struct blx__txn txn;
	struct blx__buf body;
	struct blx__buf bytes;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	blx__buf_init(&bytes);
	line.value = (const uint8_t *)&seq;
	line.value_len = sizeof seq;
	line.key = (const uint8_t *)"a";
	(void)blx__txn_add(&txn, &line);
	line.key = (const uint8_t *)"b";
	(void)blx__txn_add(&txn, &line);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	blx__command_encode(&command, &bytes);
	blx__buf_reset(&buf);
	blx__entry_begin(&buf, &header);
	blx__entry_add(&buf, bytes.data, bytes.len);
	blx__entry_end(&buf);
	cr_assert_eq(drive_bytes(&drive, buf.data, buf.len), 0);
	cr_assert_eq(drive.replies[0].code, 0);
	blx__txn_finish(&txn);
	blx__buf_finish(&body);
	blx__buf_finish(&bytes);
}

Test(machine, readers_on_other_threads_see_whole_transactions_only, .init = begin,
	.fini = end, .timeout = 100)
{
	struct reader readers[2];
	pthread_t threads[2];
	uint64_t seq = 0;
	unsigned i;

	for (i = 0; i < 2; i++) {
		readers[i] = (struct reader){.machine = drive.machine};
		cr_assert_eq(pthread_create(&threads[i], NULL, reader_main, &readers[i]), 0);
	}
	while (seq < 20000 || atomic_load(&readers[0].rounds) < 100 ||
		atomic_load(&readers[1].rounds) < 100) {
		put_both(seq++);
	}
	for (i = 0; i < 2; i++) {
		atomic_store(&readers[i].stop, true);
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
		cr_assert_eq(atomic_load(&readers[i].wrong), 0);
	}
	cr_assert_eq(blx__machine_revision(drive.machine), seq);
}

/* ---- without memory ------------------------------------------------------------------- */

/* Entries that were made before, applied while an image of the middle is held. */
static int feed(const struct blx__buf *entries, size_t count)
{
	struct drive machine;
	struct blx__image *image = NULL;
	size_t i;
	int rv = 0;

	drive_init(&machine);
	if (machine.machine == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; rv == 0 && i < count; i++) {
		if (i % 8 == 0) {
			blx__image_unref(image);
			image = blx__machine_pin(machine.machine);
			rv = image == NULL ? BLX_ENOMEM : 0;
		}
		if (rv == 0) {
			rv = drive_bytes(&machine, entries[i].data, entries[i].len);
		}
	}
	blx__image_unref(image);
	drive_finish(&machine);
	return rv;
}

Test(machine, each_allocation_that_fails_is_told_and_nothing_leaks, .timeout = 100)
{
	enum { COUNT = 60 };
	struct blx__buf entries[COUNT];
	struct blx__rng rng;
	int64_t time_ms = 1000000;
	unsigned long k;
	size_t i;
	int rv = BLX_ENOMEM;

	blx__rng_init(&rng, 7);
	for (i = 0; i < COUNT; i++) {
		blx__buf_init(&entries[i]);
		drive_random_entry(&rng, &time_ms, &entries[i]);
	}
	for (k = 1; rv != 0; k++) {
		drive_memory_begin(k);
		rv = feed(entries, COUNT);
		cr_assert_eq(drive_memory_end(), 0, "leaks without allocation %lu", k);
		cr_assert(rv == 0 || rv == BLX_ENOMEM, "allocation %lu: %d", k, rv);
	}
	cr_assert_gt(k, 500);
	for (i = 0; i < COUNT; i++) {
		blx__buf_finish(&entries[i]);
	}
}
