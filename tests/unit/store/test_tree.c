/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include "base/mem.h"
#include "base/rng.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The oracle: items in a plain sorted array. */
struct oracle {
	struct blx__item **items;
	size_t count;
	size_t cap;
};

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 20261125;
}

static struct blx__tree *tree_new(void)
{
	struct blx__tree *tree;

	cr_assert_eq(blx__tree_create(&tree), 0);
	return tree;
}

static size_t oracle_find(
	const struct oracle *oracle, const uint8_t *key, size_t len, bool *found)
{
	size_t low = 0;
	size_t high = oracle->count;

	*found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct blx__item *item = oracle->items[mid];
		int order =
			blx__key_compare(blx__item_key(item), item->key_len, key, len);

		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

static void oracle_put(struct oracle *oracle, struct blx__item *item)
{
	bool found;
	size_t i = oracle_find(oracle, blx__item_key(item), item->key_len, &found);

	blx__item_ref(item);
	if (found) {
		blx__item_unref(oracle->items[i]);
		oracle->items[i] = item;
		return;
	}
	if (oracle->count == oracle->cap) {
		oracle->cap = oracle->cap > 0 ? oracle->cap * 2 : 64;
		oracle->items =
			realloc(oracle->items, oracle->cap * sizeof *oracle->items);
	}
	memmove(&oracle->items[i + 1], &oracle->items[i],
		(oracle->count - i) * sizeof *oracle->items);
	oracle->items[i] = item;
	oracle->count++;
}

static void oracle_remove(struct oracle *oracle, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i++) {
		blx__item_unref(oracle->items[i]);
	}
	memmove(&oracle->items[from], &oracle->items[to],
		(oracle->count - to) * sizeof *oracle->items);
	oracle->count -= to - from;
}

static bool is_at_or_below(const struct blx__item *item, const uint8_t *key, size_t len)
{
	if (len == 0) {
		return true;
	}
	return item->key_len >= len && memcmp(blx__item_key(item), key, len) == 0 &&
	       (item->key_len == len || blx__item_key(item)[len] == BLX__KEY_SEPARATOR);
}

static uint64_t oracle_remove_tree(struct oracle *oracle, const uint8_t *key, size_t len)
{
	uint64_t count = 0;
	size_t i = 0;

	while (i < oracle->count) {
		if (is_at_or_below(oracle->items[i], key, len)) {
			oracle_remove(oracle, i, i + 1);
			count++;
		} else {
			i++;
		}
	}
	return count;
}

static void oracle_finish(struct oracle *oracle)
{
	oracle_remove(oracle, 0, oracle->count);
	free(oracle->items);
}

static void sums_equal(const struct oracle *oracle, const struct blx__tree *tree)
{
	uint64_t bytes = 0;
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < oracle->count; i++) {
		bytes += oracle->items[i]->key_len + oracle->items[i]->value_len;
		hash += blx__item_hash(oracle->items[i]);
	}
	cr_assert_eq(blx__tree_count(tree), oracle->count);
	cr_assert_eq(blx__tree_bytes(tree), bytes);
	cr_assert_eq(blx__tree_hash(tree), hash);
}

static void contents_equal(const struct oracle *oracle, const struct blx__tree *tree)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, tree, NULL, 0);
	size_t i;

	for (i = 0; i < oracle->count; i++) {
		cr_assert_eq(item, oracle->items[i]);
		item = blx__cursor_next(&cursor);
	}
	cr_assert_null(item);
	sums_equal(oracle, tree);
}

/* Few names, so that keys meet, with bytes that need care in the order. */
static size_t random_key(struct blx__rng *rng, uint8_t *key)
{
	static const char *const names[] = {"a", "ab", "abcdefghijklmnop",
		"abcdefghijklmnoq", "b", "\1\1", "\1\2", "~", ":x"};
	size_t depth = 1 + blx__rng_below(rng, 3);
	size_t len = 0;
	size_t i;

	for (i = 0; i < depth; i++) {
		const char *name =
			names[blx__rng_below(rng, sizeof names / sizeof names[0])];

		if (i > 0) {
			key[len++] = BLX__KEY_SEPARATOR;
		}
		memcpy(key + len, name, strlen(name));
		len += strlen(name);
		if (blx__rng_below(rng, 2) == 0) {
			len += (size_t)snprintf((char *)key + len, 8, "%u",
				(unsigned)blx__rng_below(rng, 6));
		}
	}
	return len;
}

static struct blx__item *random_item(struct blx__rng *rng, uint64_t revision)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	uint8_t value[64];
	size_t key_len = random_key(rng, key);
	size_t value_len = blx__rng_below(rng, sizeof value);
	struct blx__item *item;

	memset(value, (int)blx__rng_below(rng, 256), sizeof value);
	item = blx__item_create(key, key_len, value, value_len);
	item->create_revision = revision;
	item->mod_revision = revision;
	item->version = 1;
	return item;
}

/* One random change of both. */
static void step(struct blx__rng *rng, struct oracle *oracle, struct blx__tree **tree,
	uint64_t revision)
{
	uint64_t kind = blx__rng_below(rng, 1000);
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len;
	bool found;
	bool removed;
	uint64_t count;
	size_t i;

	if (kind < 600) {
		struct blx__item *item = random_item(rng, revision);

		oracle_put(oracle, item);
		cr_assert_eq(blx__tree_put(tree, item), 0);
		return;
	}
	len = random_key(rng, key);
	i = oracle_find(oracle, key, len, &found);
	if (kind < 997) {
		cr_assert_eq(blx__tree_delete(tree, key, len, &removed), 0);
		cr_assert_eq(removed, found);
		if (found) {
			oracle_remove(oracle, i, i + 1);
		}
		return;
	}
	cr_assert_eq(blx__tree_delete_tree(tree, key, len, &count), 0);
	cr_assert_eq(count, oracle_remove_tree(oracle, key, len));
}

static void look(
	struct blx__rng *rng, const struct oracle *oracle, const struct blx__tree *tree)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len = random_key(rng, key);
	struct blx__cursor cursor;
	bool found;
	size_t i = oracle_find(oracle, key, len, &found);
	bool below;

	cr_assert_eq(blx__tree_get(tree, key, len), found ? oracle->items[i] : NULL);
	cr_assert_eq(blx__cursor_seek(&cursor, tree, key, len),
		i < oracle->count ? oracle->items[i] : NULL);
	key[len] = BLX__KEY_SEPARATOR;
	i = oracle_find(oracle, key, len + 1, &found);
	below = i < oracle->count && oracle->items[i]->key_len > len &&
		is_at_or_below(oracle->items[i], key, len);
	cr_assert_eq(blx__tree_has_below(tree, key, len), below);
}

/* The thread sanitizer makes each step forty times as long, and has nothing to see here. */
#ifdef BLX_TEST_STANDIN
#define STEPS 50000
#else
#define STEPS 1000000
#endif

/* A million changes, each compared by what is cheap and now and then in whole; roots that
 * were pinned on the way stay what they were. */
Test(tree, a_million_changes_agree_with_a_sorted_array)
{
	enum { PINS = 16 };
	struct blx__rng rng;
	struct oracle oracle = {NULL, 0, 0};
	struct blx__tree *tree = tree_new();
	struct blx__tree *pins[PINS] = {NULL};
	uint64_t pin_hash[PINS] = {0};
	uint64_t pin_count[PINS] = {0};
	uint64_t seed = seed_of();
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed);
	blx__rng_init(&rng, seed);
	for (i = 1; i <= STEPS; i++) {
		step(&rng, &oracle, &tree, i);
		cr_assert_eq(blx__tree_count(tree), oracle.count);
		look(&rng, &oracle, tree);
		if (i % 1000 == 0) {
			unsigned k = (unsigned)blx__rng_below(&rng, PINS);

			sums_equal(&oracle, tree);
			if (pins[k] != NULL) {
				cr_assert_eq(blx__tree_hash(pins[k]), pin_hash[k]);
				cr_assert_eq(blx__tree_count(pins[k]), pin_count[k]);
				blx__tree_unref(pins[k]);
			}
			pins[k] =
				blx__rng_below(&rng, 2) == 0 ? blx__tree_ref(tree) : NULL;
			pin_hash[k] = blx__tree_hash(tree);
			pin_count[k] = blx__tree_count(tree);
		}
		if (i % 20000 == 0) {
			contents_equal(&oracle, tree);
		}
	}
	for (i = 0; i < PINS; i++) {
		blx__tree_unref(pins[i]);
	}
	blx__tree_unref(tree);
	oracle_finish(&oracle);
}

Test(tree, a_pinned_root_keeps_its_contents_while_the_tree_changes)
{
	struct blx__rng rng;
	struct oracle oracle = {NULL, 0, 0};
	struct oracle ignored = {NULL, 0, 0};
	struct blx__tree *tree = tree_new();
	struct blx__tree *pin;
	unsigned i;

	blx__rng_init(&rng, seed_of());
	for (i = 1; i <= 3000; i++) {
		step(&rng, &oracle, &tree, i);
	}
	for (i = 0; i < oracle.count; i++) {
		oracle_put(&ignored, oracle.items[i]);
	}
	pin = blx__tree_ref(tree);
	for (i = 1; i <= 3000; i++) {
		step(&rng, &ignored, &tree, 10000 + i);
	}
	contents_equal(&oracle, pin);
	contents_equal(&ignored, tree);
	blx__tree_unref(pin);
	blx__tree_unref(tree);
	oracle_finish(&oracle);
	oracle_finish(&ignored);
}

/* An allocator whose countdown-th allocation fails. */
static unsigned countdown;

static void *failing_malloc(size_t size, void *data)
{
	(void)data;
	return countdown > 0 && --countdown == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *ptr, size_t size, void *data)
{
	(void)data;
	return countdown > 0 && --countdown == 0 ? NULL : realloc(ptr, size);
}

static void failing_free(void *ptr, void *data)
{
	(void)data;
	free(ptr);
}

static const struct blx__allocator failing = {
	failing_malloc, failing_realloc, failing_free, NULL};

Test(tree, a_change_without_memory_changes_nothing)
{
	struct blx__rng rng;
	struct oracle oracle = {NULL, 0, 0};
	struct blx__tree *tree;
	unsigned failures = 0;
	unsigned i;

	blx__allocator_set(&failing);
	tree = tree_new();
	blx__rng_init(&rng, seed_of());
	for (i = 1; i <= 20000; i++) {
		struct blx__tree *pin = i % 3 == 0 ? blx__tree_ref(tree) : NULL;
		struct blx__item *item = random_item(&rng, i);
		uint64_t hash = blx__tree_hash(tree);
		uint64_t kind = blx__rng_below(&rng, 10);
		uint64_t count;
		bool found;
		int rv;

		countdown = 1 + (unsigned)blx__rng_below(&rng, 4);
		if (kind < 6) {
			rv = blx__tree_put(&tree, item);
			if (rv == 0) {
				oracle_put(&oracle, item);
				item = NULL;
			}
		} else if (kind < 9) {
			rv = blx__tree_delete(
				&tree, blx__item_key(item), item->key_len, &found);
			if (rv == 0 && found) {
				size_t at = oracle_find(&oracle, blx__item_key(item),
					item->key_len, &found);
				oracle_remove(&oracle, at, at + 1);
			}
		} else {
			rv = blx__tree_delete_tree(
				&tree, blx__item_key(item), item->key_len, &count);
			if (rv == 0) {
				(void)oracle_remove_tree(
					&oracle, blx__item_key(item), item->key_len);
			}
		}
		countdown = 0;
		if (rv != 0) {
			cr_assert_eq(rv, BLX_ENOMEM);
			cr_assert_eq(blx__tree_hash(tree), hash);
			failures++;
		}
		if (item != NULL) {
			blx__item_unref(item);
		}
		blx__tree_unref(pin);
		if (i % 500 == 0) {
			contents_equal(&oracle, tree);
		}
	}
	cr_assert_gt(failures, 100);
	blx__tree_unref(tree);
	oracle_finish(&oracle);
	blx__allocator_set(NULL);
}

Test(tree, deleting_the_root_removes_everything)
{
	struct blx__rng rng;
	struct blx__tree *tree = tree_new();
	uint64_t count;
	unsigned i;

	blx__rng_init(&rng, 1);
	for (i = 1; i < 5000; i++) {
		cr_assert_eq(blx__tree_put(&tree, random_item(&rng, i)), 0);
	}
	i = (unsigned)blx__tree_count(tree);

	cr_assert_eq(blx__tree_delete_tree(&tree, NULL, 0, &count), 0);

	cr_assert_eq(count, i);
	cr_assert_eq(blx__tree_count(tree), 0);
	cr_assert_eq(blx__tree_hash(tree), 0);
	blx__tree_unref(tree);
}
