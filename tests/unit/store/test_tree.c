/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include "base/mem.h"
#include "base/rng.h"
#include "oracle.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Few names, so that keys meet, with bytes that need care in the order. */
static size_t random_key(struct blx__rng *rng, uint8_t *key)
{
	static const char *const names[] = {"a", "ab", "abcdefghijklmnop",
		"abcdefghijklmnoq", "b", "\1\1", "\1\2", "~", ":x"};
	size_t depth = blx__rng_below(rng, 8) == 0 ? 3 : 1 + blx__rng_below(rng, 2);
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
		if (i < 2 && blx__rng_below(rng, 2) == 0) {
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
			oracle_remove(oracle, i);
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

	cr_assert_eq(blx__tree_get(tree, key, len), found ? oracle->items[i] : NULL);
	cr_assert_eq(blx__cursor_seek(&cursor, tree, key, len),
		i < oracle->count ? oracle->items[i] : NULL);
	cr_assert_eq(
		blx__tree_has_below(tree, key, len), oracle_has_below(oracle, key, len));
}

/* The thread sanitizer makes each step forty times as long, and has nothing to see here.
 */
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
	struct oracle oracle = {.items = NULL};
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
		oracle_sums_equal(&oracle, tree);
		look(&rng, &oracle, tree);
		if (i % 1000 == 0) {
			unsigned k = (unsigned)blx__rng_below(&rng, PINS);

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
			oracle_contents_equal(&oracle, tree);
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
	struct oracle oracle = {.items = NULL};
	struct oracle ignored = {.items = NULL};
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
	oracle_contents_equal(&oracle, pin);
	oracle_contents_equal(&ignored, tree);
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
	struct oracle oracle = {.items = NULL};
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
				oracle_remove(&oracle, at);
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
			oracle_contents_equal(&oracle, tree);
		}
	}
	cr_assert_gt(failures, 100);
	blx__tree_unref(tree);
	oracle_finish(&oracle);
	blx__allocator_set(NULL);
}

/* Replicas on other machines, and of later versions, must come to the same numbers. */
Test(item, has_a_hash_that_is_the_same_everywhere)
{
	struct blx__item *item =
		blx__item_create("key", 3, "a value that has twenty3", 23);
	struct blx__item *other =
		blx__item_create("keya", 4, " value that has twenty3", 22);

	item->create_revision = 1;
	item->mod_revision = 2;
	item->version = 2;
	cr_assert_eq(blx__item_hash(item), UINT64_C(0x80d802f724abecd5));
	other->create_revision = 1;
	other->mod_revision = 2;
	other->version = 2;
	cr_assert_neq(blx__item_hash(other), blx__item_hash(item));
	item->version = 3;
	cr_assert_neq(blx__item_hash(item), UINT64_C(0x80d802f724abecd5));
	blx__item_unref(item);
	blx__item_unref(other);
}

/* Each bit of the input moves each bit of the hash about every other time. */
Test(item, has_a_hash_of_which_every_bit_depends_on_every_bit)
{
	enum { BITS = 41 * 8, ROUNDS = 200 };
	struct blx__rng rng;
	unsigned moved[64] = {0};
	unsigned round;
	unsigned bit;
	unsigned i;

	blx__rng_init(&rng, seed_of());
	for (round = 0; round < ROUNDS; round++) {
		uint8_t bytes[41];
		struct blx__item *item;
		uint64_t hash;

		for (i = 0; i < sizeof bytes; i++) {
			bytes[i] = (uint8_t)blx__rng_u64(&rng);
		}
		item = blx__item_create(bytes, 20, bytes + 20, 21);
		hash = blx__item_hash(item);
		for (bit = 0; bit < BITS; bit++) {
			uint64_t other;

			item->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			other = blx__item_hash(item) ^ hash;
			item->bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			cr_assert_neq(other, 0);
			for (i = 0; i < 64; i++) {
				moved[i] += other >> i & 1;
			}
		}
		blx__item_unref(item);
	}
	for (i = 0; i < 64; i++) {
		cr_assert_gt(moved[i], ROUNDS * BITS * 48 / 100, "bit %u", i);
		cr_assert_lt(moved[i], ROUNDS * BITS * 52 / 100, "bit %u", i);
	}
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
