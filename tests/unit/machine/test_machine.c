/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/machine.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/rng.h"
#include "entries.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct entries e;

static void begin(void)
{
	entries_init(&e);
}

static void end(void)
{
	entries_finish(&e);
}

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 20261127;
}

static int get(const char *key, size_t len)
{
	struct blx__item *item;
	uint64_t revision = UINT64_MAX;
	int rv = blx__machine_get(e.machine, (const uint8_t *)key, len, &item, &revision);

	cr_assert_eq(revision, blx__machine_revision(e.machine));
	if (rv == 0) {
		blx__item_unref(item);
	}
	return rv;
}

/* Adds a command of no session, of one line. */
static void add(uint8_t kind, const char *key)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN};
	struct blx__buf body;

	blx__buf_init(&body);
	entries_body(&body, kind, key, "v", kind == BLX__TXN_PUT ? 1 : 0);
	command.body = body.data;
	command.body_len = body.len;
	entries_add(&e, &command);
	blx__buf_finish(&body);
}

Test(machine, a_read_tells_a_value_from_a_directory_from_nothing, .init = begin,
	.fini = end)
{
	entries_begin(&e);
	add(BLX__TXN_PUT, "dir"); /* its name is the beginning of another one's only */
	add(BLX__TXN_DELETE, "dir");
	add(BLX__TXN_PUT, "direct");
	cr_assert_eq(entries_end(&e), 0);
	cr_assert_eq(get("dir", 3), BLX_ENOENT);
	cr_assert_eq(get("direct", 6), 0);
	cr_assert_eq(get("", 0), BLX_ENOVALUE);
	cr_assert_eq(get("x", 1), BLX_ENOENT);
}

Test(machine, the_revision_counts_the_commands_that_changed_something, .init = begin,
	.fini = end)
{
	entries_begin(&e);
	add(BLX__TXN_DELETE, "a");
	add(BLX__TXN_PUT, "a");
	add(BLX__TXN_GET, "a");
	add(BLX__TXN_PUT, "a");
	add(BLX__TXN_DELETE_TREE, "b");
	add(BLX__TXN_DELETE_TREE, "a");
	cr_assert_eq(entries_end(&e), 0);

	cr_assert_eq(e.count, 6);
	cr_assert_eq(e.replies[0].revision, 0);
	cr_assert_eq(e.replies[1].revision, 1);
	cr_assert_eq(e.replies[2].revision, 1);
	cr_assert_eq(e.replies[3].revision, 2);
	cr_assert_eq(e.replies[4].revision, 2);
	cr_assert_eq(e.replies[5].revision, 3);
	cr_assert_eq(blx__machine_revision(e.machine), 3);
}

Test(machine, the_time_never_goes_back, .init = begin, .fini = end)
{
	(void)entries_put(&e, "a", "1");
	e.time_ms -= 1000;
	(void)entries_put(&e, "a", "2");
	cr_assert_eq(blx__machine_time_ms(e.machine), ENTRIES_TIME_MS);
	e.time_ms += 1001;
	(void)entries_put(&e, "a", "3");
	cr_assert_eq(blx__machine_time_ms(e.machine), ENTRIES_TIME_MS + 1);
	blx__machine_skip(e.machine, ++e.index, 2);
	cr_assert_eq(blx__machine_time_ms(e.machine), ENTRIES_TIME_MS + 1);
}

Test(machine, an_entry_passed_over_moves_the_index_alone, .init = begin, .fini = end)
{
	struct blx__machine_stats stats;
	uint64_t hash;

	(void)entries_put(&e, "a", "1");
	hash = entries_hash(&e);

	blx__machine_skip(e.machine, 17, 3);
	cr_assert_eq(blx__machine_apply(e.machine, 18, 3, "\1", 1, NULL, NULL), 0);

	blx__machine_stats_get(e.machine, &stats);
	cr_assert_eq(stats.index, 18);
	cr_assert_eq(stats.revision, 1);
	cr_assert_eq(stats.hash, hash);
	cr_assert_eq(stats.keys, 1);
	cr_assert_eq(stats.bytes, 2);
}

Test(machine, a_command_of_a_later_version_keeps_the_whole_entry_from_being_done,
	.init = begin, .fini = end)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN + 1};
	struct blx__machine_stats stats;

	entries_begin(&e);
	add(BLX__TXN_PUT, "a");
	entries_add(&e, &command);

	cr_assert_eq(entries_end(&e), BLX_EVERSION);

	cr_assert_eq(e.count, 0);
	blx__machine_stats_get(e.machine, &stats);
	cr_assert_eq(stats.index, 0);
	cr_assert_eq(stats.keys, 0);
	cr_assert_eq(blx__machine_time_ms(e.machine), 0);
}

Test(machine, an_operation_of_a_later_version_does_too, .init = begin, .fini = end)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN};
	struct blx__buf body;

	blx__buf_init(&body);
	entries_body(&body, BLX__TXN_GET, "a", NULL, 0);
	command.body = body.data;
	command.body_len = body.len;
	body.data[3] = BLX__TXN_PUT_WHILE + 1; /* behind the format and two counts */
	entries_begin(&e);
	add(BLX__TXN_PUT, "a");
	entries_add(&e, &command);

	cr_assert_eq(entries_end(&e), BLX_EVERSION);

	cr_assert_eq(get("a", 1), BLX_ENOENT);
	blx__buf_finish(&body);
}

Test(machine, a_malformed_command_is_answered_and_the_others_are_done, .init = begin,
	.fini = end)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN};

	entries_begin(&e);
	add(BLX__TXN_PUT, "a");
	entries_add(&e, &command);
	blx__entry_add(&e.entry, "\1", 1);
	add(BLX__TXN_PUT, "b");
	cr_assert_eq(entries_end(&e), 0);

	cr_assert_eq(e.count, 4);
	cr_assert_eq(e.replies[0].code, 0);
	cr_assert_eq(e.replies[1].code, BLX_EPROTO);
	cr_assert_eq(e.replies[2].code, BLX_EPROTO);
	cr_assert_eq(e.replies[3].code, 0);
	cr_assert_eq(get("a", 1), 0);
	cr_assert_eq(get("b", 1), 0);
}

Test(machine, takes_no_image_of_another_cluster, .init = begin, .fini = end)
{
	struct blx__image_meta meta = {.cluster_id = {9}, .index = 3};
	struct blx__image_builder *builder;
	struct blx__image *image;

	(void)entries_put(&e, "a", "1");
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);

	cr_assert_eq(blx__machine_restore(e.machine, image), BLX_ECLUSTER);

	cr_assert_eq(get("a", 1), 0);
	blx__image_builder_destroy(builder);
	blx__image_unref(image);
}

/* ---- replicas -----------------------------------------------------------------------
 */

/* An entry as a leader makes it of what callers send: some of sessions, some not. */
static void random_entry(struct blx__rng *rng)
{
	static const uint8_t kinds[] = {BLX__TXN_PUT, BLX__TXN_PUT, BLX__TXN_PUT,
		BLX__TXN_DELETE, BLX__TXN_DELETE_TREE, BLX__TXN_GET};
	unsigned count = 1 + (unsigned)blx__rng_below(rng, 4);

	e.time_ms += (int64_t)blx__rng_below(rng, BLX__SESSION_TTL_MS / 50);
	entries_begin(&e);
	while (count-- > 0) {
		struct blx__command command = {.kind = BLX__COMMAND_TXN,
			.session = blx__rng_below(rng, 20),
			.session_born_ms =
				(uint64_t)(e.time_ms -
					   e.time_ms % (BLX__SESSION_TTL_MS / 2))};
		char value[200];
		char key[16];
		struct blx__buf body;

		memset(value, 'x', sizeof value);
		command.seq = 1 + blx__rng_below(rng, 40);
		command.acked = blx__rng_below(rng, command.seq + 1);
		(void)snprintf(key, sizeof key, "k%u", (unsigned)blx__rng_below(rng, 50));
		blx__buf_init(&body);
		entries_body(&body, kinds[blx__rng_below(rng, sizeof kinds)], key, value,
			blx__rng_below(rng, sizeof value));
		command.body = body.data;
		command.body_len = body.len;
		entries_add(&e, &command);
		blx__buf_finish(&body);
	}
	blx__entry_end(&e.entry);
}

/* What was answered, folded into one number. */
static void fold_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	uint64_t *fold = data;
	size_t i;

	BLX__UNUSED(header);
	*fold = (*fold * 31 + position) * 31 + (uint32_t)reply->code;
	*fold = *fold * 31 + reply->revision;
	for (i = 0; i < reply->body_len; i++) {
		*fold = *fold * 31 + reply->body[i];
	}
}

#define TIME_OFFSET 25 /* of the time in an entry */

static void damage(struct blx__rng *rng, uint8_t *bytes, size_t *len)
{
	uint64_t count = blx__rng_below(rng, 4);

	if (blx__rng_below(rng, 8) == 0) {
		*len = blx__rng_below(rng, *len + 1);
	}
	while (count-- > 0 && *len > 0) {
		bytes[blx__rng_below(rng, *len)] = (uint8_t)blx__rng_u64(rng);
	}
	/* A time far ahead would have all sessions refused from then on. */
	if (*len >= TIME_OFFSET + 8) {
		blx__store_u64(bytes + TIME_OFFSET, (uint64_t)e.time_ms);
	}
}

/* What was committed is applied by all, whatever it is: no bytes may bring a member down,
 * or make it another than its peers, one of whom starts from an image now and then. */
Test(machine, any_bytes_leave_replicas_alive_and_equal, .init = begin, .fini = end)
{
	struct blx__machine *other = entries_machine();
	struct blx__rng rng;
	unsigned outcomes[3] = {0, 0, 0};
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed_of());
	blx__rng_init(&rng, seed_of());
	for (i = 1; i <= 40000; i++) {
		uint64_t folds[2] = {0, 0};
		struct blx__machine_stats a;
		struct blx__machine_stats b;
		uint8_t *bytes;
		size_t len;
		int rv;

		random_entry(&rng);
		len = e.entry.len;
		damage(&rng, e.entry.data, &len);
		bytes = blx__memdup(e.entry.data, len); /* the sanitizer sees its end */
		rv = blx__machine_apply(
			e.machine, i, 1, bytes, len, fold_reply, &folds[0]);
		cr_assert_eq(blx__machine_apply(
				     other, i, 1, bytes, len, fold_reply, &folds[1]),
			rv);
		blx__free(bytes);
		cr_assert(rv == 0 || rv == BLX_EVERSION);
		blx__machine_stats_get(e.machine, &a);
		blx__machine_stats_get(other, &b);
		cr_assert_eq(folds[0], folds[1], "%u", i);
		cr_assert_eq(memcmp(&a, &b, sizeof a), 0, "%u", i);
		outcomes[rv != 0 ? 0 : folds[0] == 0 ? 1 : 2]++;
		if (i % 500 == 0) {
			struct blx__image *image = blx__machine_pin(e.machine);
			struct blx__image *copy = entries_copy_image(image);

			cr_assert_eq(blx__machine_restore(other, copy), 0);
			blx__image_unref(copy);
			blx__image_unref(image);
		}
	}
	cr_assert_gt(outcomes[0], 100);
	cr_assert_gt(outcomes[1], 100);
	cr_assert_gt(outcomes[2], 10000);
	blx__machine_destroy(other);
}

/* ---- memory -------------------------------------------------------------------------
 */

static unsigned countdown;

static void *failing_malloc(size_t size, void *data)
{
	BLX__UNUSED(data);
	return countdown > 0 && --countdown == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *ptr, size_t size, void *data)
{
	BLX__UNUSED(data);
	return countdown > 0 && --countdown == 0 ? NULL : realloc(ptr, size);
}

static void failing_free(void *ptr, void *data)
{
	BLX__UNUSED(data);
	free(ptr);
}

static const struct blx__allocator failing = {
	failing_malloc, failing_realloc, failing_free, NULL};

static void ignore_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	BLX__UNUSED(data);
	BLX__UNUSED(header);
	BLX__UNUSED(position);
	BLX__UNUSED(reply);
}

/* Makes a machine, fills it, pins it, restores it into another one, and applies the entry
 * that was made: with the k-th allocation failing. */
static int all_of_it(unsigned k, uint64_t *ret_hash)
{
	static const uint8_t id[16] = {0};
	struct blx__machine *machine = NULL;
	struct blx__machine *other = NULL;
	struct blx__image *image = NULL;
	struct blx__machine_stats stats;
	int rv;

	countdown = k;
	rv = blx__machine_create(id, &machine);
	rv = rv != 0 ? rv : blx__machine_create(id, &other);
	rv = rv != 0 ? rv
		     : blx__machine_apply(machine, 1, 1, e.entry.data, e.entry.len,
			       ignore_reply, NULL);
	if (rv == 0) {
		image = blx__machine_pin(machine);
		rv = image == NULL ? BLX_ENOMEM : blx__machine_restore(other, image);
	}
	rv = rv != 0 ? rv
		     : blx__machine_apply(other, 2, 1, e.entry.data, e.entry.len,
			       ignore_reply, NULL);
	countdown = 0;
	if (rv == 0) {
		blx__machine_stats_get(other, &stats);
		*ret_hash = stats.hash;
	}
	blx__image_unref(image);
	blx__machine_destroy(other);
	blx__machine_destroy(machine);
	return rv;
}

Test(machine, a_lack_of_memory_at_any_point_is_told_and_leaks_nothing, .init = begin,
	.fini = end)
{
	uint64_t expected = 0;
	uint64_t hash = 0;
	struct blx__rng rng;
	unsigned k = 1;

	blx__rng_init(&rng, 11);
	random_entry(&rng);
	blx__allocator_set(&failing);
	cr_assert_eq(all_of_it(0, &expected), 0);
	while (all_of_it(k, &hash) == BLX_ENOMEM) {
		cr_assert_eq(hash, 0);
		k++;
	}
	blx__allocator_set(NULL);
	cr_assert_gt(k, 20);
	cr_assert_eq(hash, expected);
}

/* ---- other threads ------------------------------------------------------------------
 */

struct reader {
	struct blx__machine *machine;
	atomic_bool done;
	bool torn;
};

/* Both keys are written by each transaction with the same revision. */
static bool is_whole(struct blx__image *image)
{
	const struct blx__tree *tree = blx__image_tree(image);
	const struct blx__item *a = blx__tree_get(tree, (const uint8_t *)"a", 1);
	const struct blx__item *z = blx__tree_get(tree, (const uint8_t *)"z", 1);

	return a != NULL && z != NULL && a->mod_revision == z->mod_revision &&
	       a->mod_revision == blx__image_meta(image)->revision;
}

static void *read_on(void *data)
{
	struct reader *reader = data;
	unsigned i;

	for (i = 0; i < 5000; i++) {
		struct blx__image *image = blx__machine_pin(reader->machine);
		struct blx__item *item;
		uint64_t revision;
		int rv = blx__machine_get(
			reader->machine, (const uint8_t *)"z", 1, &item, &revision);

		if (rv != 0 || item->mod_revision != revision || !is_whole(image)) {
			reader->torn = true;
		}
		if (rv == 0) {
			blx__item_unref(item);
		}
		blx__image_unref(image);
	}
	atomic_store(&reader->done, true);
	return NULL;
}

/* Puts into "a" and "z" in one transaction of a session. */
static void write_both(uint64_t seq)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = 3,
		.session_born_ms = ENTRIES_TIME_MS,
		.seq = seq,
		.acked = seq};
	struct blx__txn_line line = {.kind = BLX__TXN_PUT, .key_len = 1};
	struct blx__txn txn;
	struct blx__buf body;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	line.key = (const uint8_t *)"a";
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	line.key = (const uint8_t *)"z";
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	entries_begin(&e);
	entries_add(&e, &command);
	cr_assert_eq(entries_end(&e), 0);
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
}

Test(machine, readers_in_other_threads_see_whole_transactions, .init = begin, .fini = end)
{
	struct reader reader = {.machine = e.machine};
	pthread_t thread;
	uint64_t seq = 1;
	unsigned i;

	for (i = 0; i < 500; i++) {
		char key[16];

		(void)snprintf(key, sizeof key, "m%u", i);
		(void)entries_put(&e, key, "between them");
	}
	write_both(seq);
	cr_assert_eq(pthread_create(&thread, NULL, read_on, &reader), 0);
	while (!atomic_load(&reader.done)) {
		write_both(++seq);
	}
	cr_assert_eq(pthread_join(thread, NULL), 0);

	cr_assert_not(reader.torn);
	cr_assert_eq(blx__machine_revision(e.machine), 500 + seq);
}
