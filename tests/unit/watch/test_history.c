/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/history.h"

#include "base/mem.h"
#include "base/rng.h"
#include "feed.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct feed feed;

static void begin(void)
{
	feed_init(&feed, BLX__HISTORY_BYTES);
}

static void end(void)
{
	feed_finish(&feed);
}

Test(history, every_change_of_a_transaction_in_order, .init = begin, .fini = end)
{
	feed_put(&feed, "/a", "0");
	feed_line(&feed, BLX__TXN_PUT, "/b", "1");
	feed_line(&feed, BLX__TXN_PUT, "/a", "2");
	feed_line(&feed, BLX__TXN_PUT, "/b", "3");
	feed_line(&feed, BLX__TXN_DELETE, "/a", NULL);
	feed_line(&feed, BLX__TXN_DELETE, "/absent", NULL);
	feed_line(&feed, BLX__TXN_GET, "/b", NULL);
	cr_assert_eq(feed_commit(&feed), 0);

	cr_assert_eq(blx__history_floor(feed.history), 0);
	cr_assert_eq(blx__history_last(feed.history), 2);
	cr_assert_str_eq(feed_text(&feed, 1), "/a=0");
	cr_assert_str_eq(feed_text(&feed, 2), "/b=1 /a=2<0 /b=3<1 /a<2");
}

Test(history, a_removed_tree_is_one_change_for_each_value, .init = begin, .fini = end)
{
	feed_put(&feed, "/a/x", "1");
	feed_put(&feed, "/a", "2");
	feed_put(&feed, "/a-b", "3");
	feed_put(&feed, "/a/x/y", "4");
	feed_put(&feed, "/b", "5");
	feed_delete_tree(&feed, "/a");
	feed_delete_tree(&feed, "/");

	cr_assert_str_eq(feed_text(&feed, 6), "/a<2 /a/x<1 /a/x/y<4");
	cr_assert_str_eq(feed_text(&feed, 7), "/a-b<3 /b<5");
}

Test(history, the_branch_that_was_done_is_told, .init = begin, .fini = end)
{
	feed_line(&feed, BLX__TXN_IF_EXISTS, "/lock", NULL);
	feed_line(&feed, BLX__TXN_PUT, "/then", "1");
	cr_assert_eq(blx__txn_else(&feed.txn), 0);
	feed_line(&feed, BLX__TXN_PUT, "/else", "2");
	cr_assert_eq(feed_commit(&feed), 0);

	cr_assert_eq(blx__history_last(feed.history), 1);
	cr_assert_str_eq(feed_text(&feed, 1), "/else=2");
}

Test(history, what_changed_nothing_is_nothing, .init = begin, .fini = end)
{
	feed_line(&feed, BLX__TXN_IF_EXISTS, "/a", NULL);
	feed_line(&feed, BLX__TXN_PUT, "/a", "1");
	cr_assert_eq(feed_commit(&feed), BLX_ECONFLICT);
	feed_delete_tree(&feed, "/a");
	feed_line(&feed, BLX__TXN_DELETE, "/a", NULL);
	cr_assert_eq(feed_commit(&feed), 0);

	cr_assert_eq(blx__history_last(feed.history), 0);
	cr_assert_eq(blx__history_bytes(feed.history), 0);
}

/* ---- bounds --------------------------------------------------------------------- */

static void fill(unsigned count)
{
	char path[32];
	unsigned i;

	for (i = 0; i < count; i++) {
		(void)snprintf(path, sizeof path, "/fill/%u", i);
		feed_put(&feed, path, "0123456789");
	}
}

Test(history, the_oldest_go_when_there_is_no_room, .fini = end)
{
	uint64_t revision;
	char text[64];

	feed_init(&feed, 10000);
	fill(1000);

	cr_assert_leq(blx__history_bytes(feed.history), 10000);
	cr_assert_gt(blx__history_bytes(feed.history), 9000);
	cr_assert_eq(blx__history_last(feed.history), 1000);
	cr_assert_gt(blx__history_floor(feed.history), 500);
	cr_assert_lt(blx__history_floor(feed.history), 1000);
	for (revision = blx__history_floor(feed.history) + 1; revision <= 1000;
		revision++) {
		(void)snprintf(
			text, sizeof text, "/fill/%u=0123456789", (unsigned)revision - 1);
		cr_assert_str_eq(feed_text(&feed, revision), text);
	}
}

Test(history, what_is_larger_than_all_of_it_moves_the_floor_there, .fini = end)
{
	feed_init(&feed, 10000);
	fill(1000);
	feed_delete_tree(&feed, "/fill");

	cr_assert_eq(blx__history_last(feed.history), 1001);
	cr_assert_eq(blx__history_floor(feed.history), 1001);
	cr_assert_eq(blx__history_bytes(feed.history), 0);

	feed_put(&feed, "/after", "1");
	cr_assert_eq(blx__history_floor(feed.history), 1001);
	cr_assert_str_eq(feed_text(&feed, 1002), "/after=1");
}

Test(history, a_state_that_replaces_another_moves_the_floor_there, .init = begin,
	.fini = end)
{
	struct blx__image *image;

	fill(7);
	image = blx__machine_pin(feed.machine);
	fill(2);
	cr_assert_eq(blx__machine_restore(feed.machine, image), 0);
	blx__image_unref(image);

	cr_assert_eq(blx__history_floor(feed.history), 7);
	cr_assert_eq(blx__history_last(feed.history), 7);
	fill(1);
	cr_assert_str_eq(feed_text(&feed, 8), "/fill/0=0123456789<0123456789");
}

Test(history, one_that_comes_later_begins_where_the_machine_is, .init = begin,
	.fini = end)
{
	struct blx__machine_observer observer;
	struct blx__history *late;

	fill(5);
	cr_assert_eq(blx__history_create(1000, &late), 0);
	observer = blx__history_observer(late);
	blx__machine_observe(feed.machine, &observer);
	fill(1);
	blx__machine_observe(feed.machine, NULL);
	fill(1);

	cr_assert_eq(blx__history_floor(late), 5);
	cr_assert_eq(blx__history_last(late), 6);
	blx__history_destroy(late);
}

/* ---- memory that runs out: never a gap, never another state ------------------------ */

static unsigned long allocs_left;

static void *short_malloc(size_t size, void *data)
{
	(void)data;
	return allocs_left != 0 && --allocs_left == 0 ? NULL : malloc(size);
}

static void *short_realloc(void *ptr, size_t size, void *data)
{
	(void)data;
	return allocs_left != 0 && --allocs_left == 0 ? NULL : realloc(ptr, size);
}

static void short_free(void *ptr, void *data)
{
	(void)data;
	free(ptr);
}

/* The history alone, so that the machine's allocations are not those that fail. */
Test(history, without_memory_it_forgets_and_says_so)
{
	static const struct blx__allocator allocator = {
		.malloc = short_malloc, .realloc = short_realloc, .free = short_free};
	struct blx__machine_observer observer;
	struct blx__history *history;
	unsigned long k;
	uint64_t i;

	blx__allocator_set(&allocator);
	for (k = 1; k < 100; k++) {
		struct blx__item *item = blx__item_create("a", 1, "1", 1);
		uint64_t floor = 0;

		cr_assert_eq(blx__history_create(100000, &history), 0);
		observer = blx__history_observer(history);
		allocs_left = k;
		for (i = 1; i <= 80; i++) {
			struct blx__machine_change put = {.new_item = item};
			struct blx__machine_change removed = {.old_item = item,
				.cause = (const uint8_t *)"b",
				.cause_len = 1};
			bool more = observer.changed(observer.data, i, &put);

			more = more && observer.changed(observer.data, i, &removed);
			observer.committed(observer.data, i, NULL);
			cr_assert_eq(blx__history_last(history), i);
			if (blx__history_floor(history) != floor) {
				floor = blx__history_floor(history);
				cr_assert_eq(floor, i, "all is forgotten, or nothing");
			}
		}
		cr_assert_eq(floor != 0, allocs_left == 0, "allocation %lu", k);
		allocs_left = 0;
		blx__history_destroy(history);
		cr_assert_eq(atomic_load(&item->refs), 1);
		blx__item_unref(item);
	}
	blx__allocator_set(NULL);
}

/* ---- against a model --------------------------------------------------------------- */

static const char *const paths[] = {"/", "/a", "/a/b", "/a/b/c", "/a/b/d", "/a/c", "/a-b",
	"/ab", "/b", "/b/a", "/b/a/a", "/c", "/c/x", "/c/y", "/d/e/f/g", "/d/e"};

#define PATHS_COUNT (sizeof paths / sizeof paths[0])

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20261125;

	fprintf(stderr, "BLX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void random_line(struct blx__rng *rng)
{
	static const uint8_t kinds[] = {BLX__TXN_PUT, BLX__TXN_PUT, BLX__TXN_PUT,
		BLX__TXN_DELETE, BLX__TXN_DELETE_TREE, BLX__TXN_GET};
	uint8_t kind = kinds[blx__rng_below(rng, sizeof kinds)];
	char value[24];

	(void)snprintf(
		value, sizeof value, "%llu", (unsigned long long)blx__rng_u64(rng));
	feed_line(&feed, kind, paths[blx__rng_below(rng, PATHS_COUNT)],
		kind == BLX__TXN_PUT ? value : NULL);
}

static void random_txn(struct blx__rng *rng)
{
	uint64_t count = 1 + blx__rng_below(rng, 5);

	if (blx__rng_below(rng, 3) == 0) {
		feed_line(&feed, BLX__TXN_IF_EXISTS,
			paths[blx__rng_below(rng, PATHS_COUNT)], NULL);
	}
	while (count-- > 0) {
		random_line(rng);
	}
	if (blx__rng_below(rng, 2) == 0) {
		cr_assert_eq(blx__txn_else(&feed.txn), 0);
		random_line(rng);
	}
	(void)feed_commit(&feed);
}

static size_t model_place(const struct blx__item *item)
{
	char path[BLX__PATH_TEXT_SIZE];
	size_t i;

	(void)blx__path_format(blx__item_key(item), item->key_len, path);
	for (i = 0; i < PATHS_COUNT && strcmp(paths[i], path) != 0; i++) {
	}
	cr_assert_lt(i, PATHS_COUNT);
	return i;
}

/* Each change finds what the one before it left: none is missing, double or misplaced. */
static void model_follow(struct blx__item **model, uint64_t revision)
{
	const struct blx__change *changes;
	size_t count;
	size_t i;

	changes = blx__history_at(feed.history, revision, &count);
	cr_assert_gt(count, 0);
	for (i = 0; i < count; i++) {
		struct blx__item *new_item = changes[i].new_item;
		size_t at =
			model_place(new_item != NULL ? new_item : changes[i].old_item);

		cr_assert_eq(changes[i].old_item, model[at]);
		if (new_item != NULL) {
			cr_assert_eq(new_item->mod_revision, revision);
			blx__item_ref(new_item);
		}
		if (model[at] != NULL) {
			blx__item_unref(model[at]);
		}
		model[at] = new_item;
	}
}

static int model_check(const struct blx__item *item, void *data)
{
	struct blx__item **model = data;

	cr_assert_eq(model[model_place(item)], item);
	return 0;
}

static void model_equals(struct blx__item **model)
{
	struct blx__image *image = blx__machine_pin(feed.machine);
	uint64_t count = 0;
	size_t i;

	for (i = 0; i < PATHS_COUNT; i++) {
		count += model[i] != NULL;
	}
	cr_assert_eq(blx__image_items(image), count);
	cr_assert_eq(blx__image_each_item(image, model_check, model), 0);
	blx__image_unref(image);
}

Test(history, whoever_follows_it_has_what_the_machine_has, .fini = end)
{
	struct blx__item *model[PATHS_COUNT] = {NULL};
	struct blx__rng rng;
	uint64_t followed = 0;
	unsigned step;
	size_t i;

	blx__rng_init(&rng, seed_of());
	feed_init(&feed, 64 * 1024);
	for (step = 0; step < 20000; step++) {
		random_txn(&rng);
		cr_assert_leq(blx__history_bytes(feed.history), 64 * 1024);
		cr_assert_eq(blx__history_last(feed.history),
			blx__machine_revision(feed.machine));
		/* Not after each one: it has to find its place again. */
		while (blx__rng_below(&rng, 3) == 0 &&
			followed < blx__history_last(feed.history)) {
			cr_assert_geq(followed, blx__history_floor(feed.history));
			model_follow(model, ++followed);
		}
		while (followed + 20 < blx__history_last(feed.history)) {
			model_follow(model, ++followed);
		}
		if (followed == blx__history_last(feed.history)) {
			model_equals(model);
		}
	}
	cr_assert_gt(blx__history_floor(feed.history), 1000, "the bound was met");
	for (i = 0; i < PATHS_COUNT; i++) {
		if (model[i] != NULL) {
			blx__item_unref(model[i]);
		}
	}
}
