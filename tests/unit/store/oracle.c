/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

size_t oracle_find(
	const struct oracle *oracle, const uint8_t *key, size_t len, bool *ret_found)
{
	size_t low = 0;
	size_t high = oracle->count;

	*ret_found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct blx__item *item = oracle->items[mid];
		int order =
			blx__key_compare(blx__item_key(item), item->key_len, key, len);

		if (order == 0) {
			*ret_found = true;
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

static void count_in(struct oracle *oracle, const struct blx__item *item)
{
	oracle->bytes += item->key_len + item->value_len;
	oracle->hash += blx__item_hash(item);
}

static void count_out(struct oracle *oracle, const struct blx__item *item)
{
	oracle->bytes -= item->key_len + item->value_len;
	oracle->hash -= blx__item_hash(item);
}

void oracle_put(struct oracle *oracle, struct blx__item *item)
{
	bool found;
	size_t i = oracle_find(oracle, blx__item_key(item), item->key_len, &found);

	blx__item_ref(item);
	count_in(oracle, item);
	if (found) {
		count_out(oracle, oracle->items[i]);
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

static void remove_range(struct oracle *oracle, size_t from, size_t to)
{
	size_t i;

	for (i = from; i < to; i++) {
		count_out(oracle, oracle->items[i]);
		blx__item_unref(oracle->items[i]);
	}
	memmove(&oracle->items[from], &oracle->items[to],
		(oracle->count - to) * sizeof *oracle->items);
	oracle->count -= to - from;
}

void oracle_remove(struct oracle *oracle, size_t at)
{
	remove_range(oracle, at, at + 1);
}

static bool is_below(const struct blx__item *item, const uint8_t *key, size_t len)
{
	return len == 0 || (item->key_len > len && memcmp(item->bytes, key, len) == 0 &&
				   item->bytes[len] == BLX__KEY_SEPARATOR);
}

/* What is below lies together, behind the key itself and all that is longer by a byte
 * less than the separator: there is none. */
uint64_t oracle_remove_tree(struct oracle *oracle, const uint8_t *key, size_t len)
{
	bool found;
	size_t from = oracle_find(oracle, key, len, &found);
	size_t to = from + found;

	while (to < oracle->count && is_below(oracle->items[to], key, len)) {
		to++;
	}
	remove_range(oracle, from, to);
	return to - from;
}

bool oracle_has_below(const struct oracle *oracle, const uint8_t *key, size_t len)
{
	bool found;
	size_t i = oracle_find(oracle, key, len, &found) + found;

	return i < oracle->count && is_below(oracle->items[i], key, len);
}

void oracle_finish(struct oracle *oracle)
{
	remove_range(oracle, 0, oracle->count);
	free(oracle->items);
}

void oracle_sums_equal(const struct oracle *oracle, const struct blx__tree *tree)
{
	cr_assert_eq(blx__tree_count(tree), oracle->count);
	cr_assert_eq(blx__tree_bytes(tree), oracle->bytes);
	cr_assert_eq(blx__tree_hash(tree), oracle->hash);
}

void oracle_contents_equal(const struct oracle *oracle, const struct blx__tree *tree)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, tree, NULL, 0);
	size_t i;

	for (i = 0; i < oracle->count; i++) {
		cr_assert_eq(item, oracle->items[i]);
		item = blx__cursor_next(&cursor);
	}
	cr_assert_null(item);
	oracle_sums_equal(oracle, tree);
}
