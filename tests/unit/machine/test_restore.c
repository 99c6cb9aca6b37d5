/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/image.h"

#include "base/codec.h"
#include "base/mem.h"
#include "drive.h"
#include "machine/callers.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define NOW (INT64_C(10) * BLX__SESSION_TTL_MS)

static struct drive drive;
static struct blx__rng rng;
static int64_t time_ms;
static struct blx__buf entry;

static void begin(void)
{
	drive_init(&drive);
	cr_assert_not_null(drive.machine);
	blx__rng_init(&rng, drive_seed());
	time_ms = NOW;
	blx__buf_init(&entry);
}

static void end(void)
{
	drive_finish(&drive);
	blx__buf_finish(&entry);
}

static void work(int steps)
{
	while (steps-- > 0) {
		drive_random_entry(&rng, &time_ms, &entry);
		cr_assert_eq(drive_bytes(&drive, entry.data, entry.len), 0);
	}
}

Test(restore, keeps_its_content_while_writes_go_on, .init = begin, .fini = end)
{
	enum { IMAGES = 6 };
	struct blx__image *images[IMAGES];
	struct blx__buf contents[IMAGES];
	uint64_t hashes[IMAGES];
	struct blx__buf now;
	int i;

	blx__buf_init(&now);
	for (i = 0; i < IMAGES; i++) {
		work(150);
		images[i] = blx__machine_pin(drive.machine);
		hashes[i] = drive_hash(&drive);
		blx__buf_init(&contents[i]);
		drive_content(images[i], &contents[i]);
	}
	work(300);
	for (i = 0; i < IMAGES; i++) {
		/* Let go in another order than they were taken. */
		int at = (i * 5 + 2) % IMAGES;

		drive_content(images[at], &now);
		cr_assert_eq(now.len, contents[at].len);
		cr_assert_arr_eq(now.data, contents[at].data, now.len);
		cr_assert_eq(blx__image_hash(images[at]), hashes[at]);
		blx__image_unref(images[at]);
		blx__buf_finish(&contents[at]);
		work(50);
	}
	blx__buf_finish(&now);
}

Test(restore, outlives_its_machine, .init = begin, .fini = end)
{
	struct blx__image *image;
	struct blx__buf before;
	struct blx__buf after;

	blx__buf_init(&before);
	blx__buf_init(&after);
	work(200);
	image = blx__image_ref(blx__machine_pin(drive.machine));
	blx__image_unref(image);
	drive_content(image, &before);
	drive_finish(&drive);
	drive_content(image, &after);
	cr_assert_eq(before.len, after.len);
	cr_assert_arr_eq(before.data, after.data, after.len);
	blx__image_unref(image);
	drive_init(&drive);
	blx__buf_finish(&before);
	blx__buf_finish(&after);
}

/* Two machines go on with the same entries; whether one sees them applied the same. */
static void go_on_together(struct drive *other, int steps)
{
	int i;

	for (i = 0; i < steps; i++) {
		work(1);
		cr_assert_eq(drive_bytes(other, entry.data, entry.len), 0);
		cr_assert(drive_same(&drive, other), "step %d", i);
	}
}

Test(restore, taken_apart_and_built_anew_gives_a_machine_that_goes_on_the_same,
	.init = begin, .fini = end, .timeout = 100)
{
	int round;

	for (round = 0; round < 8; round++) {
		struct blx__image *image;
		struct blx__image *copy;
		struct drive other;

		work(250);
		image = blx__machine_pin(drive.machine);
		cr_assert_eq(drive_rebuild(image, &copy), 0);
		cr_assert_eq(blx__image_hash(copy), drive_hash(&drive));
		cr_assert_eq(blx__image_items(copy), blx__image_items(image));
		cr_assert_eq(blx__image_sessions(copy), blx__image_sessions(image));

		drive_init(&other);
		drive_put(&other, "to be", "lost");
		cr_assert_eq(blx__machine_restore(other.machine, copy), 0);
		other.index = drive.index;
		go_on_together(&other, 40);
		/* With the image it was read from gone, too. */
		blx__image_unref(copy);
		blx__image_unref(image);
		go_on_together(&other, 100);
		drive_finish(&other);
	}
}

Test(restore, restored_while_it_is_pinned_is_not_changed_by_what_follows, .init = begin,
	.fini = end)
{
	struct blx__image *image;
	struct blx__buf before;
	struct blx__buf after;

	blx__buf_init(&before);
	blx__buf_init(&after);
	work(200);
	image = blx__machine_pin(drive.machine);
	drive_content(image, &before);
	work(100);
	cr_assert_eq(blx__machine_restore(drive.machine, image), 0);
	drive.index = blx__image_meta(image)->index;
	cr_assert_eq(drive_hash(&drive), blx__image_hash(image));
	work(200);
	drive_content(image, &after);
	cr_assert_eq(before.len, after.len);
	cr_assert_arr_eq(before.data, after.data, after.len);
	blx__image_unref(image);
	blx__buf_finish(&before);
	blx__buf_finish(&after);
}

Test(restore, of_another_cluster_is_not_restored, .init = begin, .fini = end)
{
	struct blx__image_meta meta = {.cluster_id = "another cluster"};
	struct blx__image_builder *builder;
	struct blx__image *image;
	uint64_t hash;

	work(20);
	hash = drive_hash(&drive);
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	cr_assert_eq(blx__machine_restore(drive.machine, image), BLX_ECLUSTER);
	cr_assert_eq(drive_hash(&drive), hash);
	blx__image_unref(image);
}

/* ---- the order in which sessions are forgotten
 * ------------------------------------------ */

static void use(struct blx__callers *callers, uint64_t id, uint64_t index)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = id,
		.session_born_ms = (uint64_t)NOW + index,
		.seq = 1};
	/* Some are of one entry: then the place in it decides. */
	struct blx__callers_now now = {
		.time_ms = NOW, .index = index / 4, .position = (uint32_t)index % 4};
	enum blx__callers_verdict verdict;
	struct blx__reply reply = {.code = 0};
	uint32_t slot;

	cr_assert_eq(
		blx__callers_begin(callers, &command, &now, &verdict, &reply, &slot), 0);
}

static int add_to_set(uint64_t id, const void *state, size_t len, void *data)
{
	return blx__callers_set_add(data, id, state, len);
}

Test(restore, restored_sessions_are_forgotten_in_the_order_of_their_use)
{
	enum { MAX = 300 };
	struct blx__callers callers;
	struct blx__callers restored;
	struct blx__callers_set set = {.pages = NULL};
	uint64_t i;

	blx__callers_init(&callers);
	blx__callers_init(&restored);
	callers.max = restored.max = MAX;
	for (i = 0; i < 3 * MAX; i++) {
		use(&callers, 1 + (i * 7919) % 450, i);
	}
	cr_assert_eq(blx__callers_set_each(&callers.set, add_to_set, &set), 0);
	cr_assert_eq(blx__callers_restore(&restored, &set), 0);
	blx__callers_set_finish(&set);
	for (; i < 6 * MAX; i++) {
		uint64_t id = i % 2 == 0 ? 10000 + i : 1 + (i * 31) % 450;

		use(&callers, id, i);
		use(&restored, id, i);
		cr_assert_eq(callers.set.hash, restored.set.hash, "step %d", (int)i);
		cr_assert_eq(
			callers.set.floor_ms, restored.set.floor_ms, "step %d", (int)i);
	}
	blx__callers_finish(&callers);
	blx__callers_finish(&restored);
}

/* ---- what a file may say
 * ---------------------------------------------------------------- */

static int build_item(const struct blx__image_item *item)
{
	struct blx__image_meta meta = {.revision = 5};
	struct blx__image_builder *builder;
	int rv;

	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	rv = blx__image_builder_add_item(builder, item);
	if (rv == 0) {
		cr_assert_eq(blx__image_builder_add_item(builder, item), BLX_ECORRUPT,
			"a second of that key");
	}
	blx__image_builder_destroy(builder);
	return rv;
}

Test(builder, takes_no_item_that_cannot_have_been_in_a_store)
{
	static uint8_t value[BLX_VALUE_LEN_MAX + 1];
	const struct blx__image_item good = {.key = (const uint8_t *)"k",
		.key_len = 1,
		.value = value,
		.value_len = BLX_VALUE_LEN_MAX,
		.create_revision = 5,
		.mod_revision = 5,
		.version = 1};
	struct blx__image_item bad;

	cr_assert_eq(build_item(&good), 0);
	bad = good;
	bad.value_len++;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT);
	bad = good;
	bad.key_len = 0;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT);
	bad = good;
	bad.key = (const uint8_t *)"\1";
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT);
	bad = good;
	bad.create_revision = 0;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT);
	bad = good;
	bad.mod_revision = 4;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT, "changed before it was made");
	bad = good;
	bad.mod_revision = 6;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT, "of a revision to come");
	bad = good;
	bad.version = 0;
	cr_assert_eq(build_item(&bad), BLX_ECORRUPT);
}

struct states {
	uint64_t ids[4];
	struct blx__buf states[4];
	size_t count;
};

static int keep_state(uint64_t id, const void *state, size_t len, void *data)
{
	struct states *states = data;

	states->ids[states->count] = id;
	blx__buf_append(&states->states[states->count++], state, len);
	return 0;
}

/* Two sessions with replies, as bytes. */
static void make_states(struct states *states)
{
	struct drive_write writes[3] = {
		{.session = 5, .born_ms = NOW, .seq = 1, .key = "a", .value = "1"},
		{.session = 5, .born_ms = NOW, .seq = 2, .key = "a", .get = true},
		{.session = 9,
			.born_ms = NOW,
			.seq = 7,
			.acked = 3,
			.key = "a",
			.value = "2"},
	};
	struct blx__image *image;
	size_t i;

	for (i = 0; i < 4; i++) {
		blx__buf_init(&states->states[i]);
	}
	states->count = 0;
	drive_entry(NOW, writes, 3, &entry);
	cr_assert_eq(drive_bytes(&drive, entry.data, entry.len), 0);
	image = blx__machine_pin(drive.machine);
	cr_assert_eq(blx__image_each_session(image, keep_state, states), 0);
	blx__image_unref(image);
	cr_assert_eq(states->count, 2);
}

static void states_finish(struct states *states)
{
	size_t i;

	for (i = 0; i < 4; i++) {
		blx__buf_finish(&states->states[i]);
	}
}

static int build_session(uint64_t id, const void *state, size_t len)
{
	struct blx__image_meta meta = {.index = 0};
	struct blx__image_builder *builder;
	uint8_t *exact = blx__memdup(state, len);
	int rv;

	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	rv = blx__image_builder_add_session(builder, id, exact, len);
	blx__image_builder_destroy(builder);
	blx__free(exact);
	return rv;
}

Test(builder, takes_sessions_in_ascending_order_only, .init = begin, .fini = end)
{
	struct blx__image_meta meta = {.index = 0};
	struct blx__image_builder *builder;
	struct states states;
	struct blx__buf *first = &states.states[0];

	make_states(&states);
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	cr_assert_eq(
		blx__image_builder_add_session(builder, 5, first->data, first->len), 0);
	cr_assert_eq(blx__image_builder_add_session(builder, 5, first->data, first->len),
		BLX_ECORRUPT);
	cr_assert_eq(blx__image_builder_add_session(builder, 4, first->data, first->len),
		BLX_ECORRUPT);
	cr_assert_eq(blx__image_builder_add_session(builder, 0, "\1\0\0\0\0\0\0\0", 8),
		BLX_ECORRUPT, "the floor comes first");
	cr_assert_eq(
		blx__image_builder_add_session(builder, 6, first->data, first->len), 0);
	blx__image_builder_destroy(builder);
	states_finish(&states);
}

Test(builder, takes_no_floor_twice_nor_one_that_cannot_be, .init = begin, .fini = end)
{
	struct blx__image_meta meta = {.index = 0};
	struct blx__image_builder *builder;

	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	cr_assert_eq(blx__image_builder_add_session(builder, 0, "\0\0\0\0\0\0\0\0", 8),
		BLX_ECORRUPT);
	cr_assert_eq(blx__image_builder_add_session(builder, 0, "\1\0\0\0\0\0\0\200", 8),
		BLX_ECORRUPT);
	cr_assert_eq(blx__image_builder_add_session(builder, 0, "\1\0\0\0\0\0\0", 7),
		BLX_ECORRUPT);
	cr_assert_eq(
		blx__image_builder_add_session(builder, 0, "\1\0\0\0\0\0\0\0", 8), 0);
	cr_assert_eq(blx__image_builder_add_session(builder, 0, "\1\0\0\0\0\0\0\0", 8),
		BLX_ECORRUPT);
	blx__image_builder_destroy(builder);
}

Test(builder, takes_no_session_that_is_cut_but_between_its_replies, .init = begin,
	.fini = end)
{
	struct states states;
	unsigned whole = 0;
	size_t len;

	make_states(&states);
	for (len = 0; len <= states.states[0].len; len++) {
		int rv = build_session(5, states.states[0].data, len);

		cr_assert(rv == 0 || rv == BLX_ECORRUPT, "cut at %zu", len);
		whole += rv == 0;
	}
	cr_assert_eq(whole, 3, "none, one and two replies");
	states_finish(&states);
}

Test(builder, survives_any_bytes_for_a_session, .init = begin, .fini = end)
{
	struct states states;
	int i;

	make_states(&states);
	for (i = 0; i < 20000; i++) {
		struct blx__buf *state = &states.states[i % 2];
		size_t at = blx__rng_below(&rng, state->len);
		uint8_t before = state->data[at];
		int rv;

		state->data[at] = (uint8_t)blx__rng_u64(&rng);
		rv = build_session(5, state->data, state->len);
		cr_assert(rv == 0 || rv == BLX_ECORRUPT);
		state->data[at] = before;
	}
	states_finish(&states);
}

/* ---- ends and failures
 * -------------------------------------------------------------------- */

static int count_items(const struct blx__item *item, void *data)
{
	unsigned *count = data;

	(void)item;
	return ++*count == 3 ? -77 : 0;
}

static int count_sessions(uint64_t id, const void *state, size_t len, void *data)
{
	unsigned *count = data;

	(void)id;
	(void)state;
	(void)len;
	return ++*count == 2 ? 78 : 0;
}

Test(restore, a_walk_ends_with_what_its_callback_says, .init = begin, .fini = end)
{
	struct blx__image *image;
	unsigned items = 0;
	unsigned sessions = 0;

	work(300);
	image = blx__machine_pin(drive.machine);
	cr_assert_eq(blx__image_each_item(image, count_items, &items), -77);
	cr_assert_eq(items, 3);
	cr_assert_eq(blx__image_each_session(image, count_sessions, &sessions), 78);
	cr_assert_eq(sessions, 2);
	blx__image_unref(image);
}

Test(restore, a_restore_without_memory_changes_nothing, .init = begin, .fini = end)
{
	struct blx__image *image;
	struct drive other;
	uint64_t before;
	unsigned long k;
	int rv = BLX_ENOMEM;

	work(300);
	image = blx__machine_pin(drive.machine);
	drive_init(&other);
	drive_put(&other, "its own", "content");
	before = drive_hash(&other);
	for (k = 1; rv != 0; k++) {
		drive_memory_begin(k);
		rv = blx__machine_restore(other.machine, image);
		blx__allocator_set(NULL);
		cr_assert(rv == 0 || rv == BLX_ENOMEM);
		if (rv != 0) {
			cr_assert_eq(drive_hash(&other), before, "allocation %lu", k);
		}
	}
	cr_assert_gt(k, 5);
	cr_assert_eq(drive_hash(&other), blx__image_hash(image));
	drive_finish(&other);
	blx__image_unref(image);
}

Test(restore, building_one_without_memory_fails_and_leaks_nothing, .init = begin,
	.fini = end)
{
	struct blx__image *image;
	unsigned long k;
	int rv = BLX_ENOMEM;

	work(60);
	image = blx__machine_pin(drive.machine);
	for (k = 1; rv != 0; k++) {
		struct blx__image *copy;

		drive_memory_begin(k);
		rv = drive_rebuild(image, &copy);
		if (rv == 0) {
			blx__image_unref(copy);
		}
		cr_assert_eq(drive_memory_end(), 0, "allocation %lu", k);
		cr_assert(rv == 0 || rv == BLX_ENOMEM);
	}
	cr_assert_gt(k, 50);
	blx__image_unref(image);
}
