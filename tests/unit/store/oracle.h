/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree is compared with: items in a plain sorted array. */
#ifndef BLX_TESTS_STORE_ORACLE_H
#define BLX_TESTS_STORE_ORACLE_H

#include "store/tree.h"

struct oracle {
	struct blx__item **items; /* owned, each with a reference */
	size_t count;
	size_t cap;
	uint64_t bytes;
	uint64_t hash;
};

void oracle_finish(struct oracle *oracle);

/* Where the key is or would be. */
size_t oracle_find(
	const struct oracle *oracle, const uint8_t *key, size_t len, bool *ret_found);

/* Takes a reference of its own. */
void oracle_put(struct oracle *oracle, struct blx__item *item);
void oracle_remove(struct oracle *oracle, size_t at);
uint64_t oracle_remove_tree(struct oracle *oracle, const uint8_t *key, size_t len);
bool oracle_has_below(const struct oracle *oracle, const uint8_t *key, size_t len);

/* Asserts: by count, bytes and hash; item by item. */
void oracle_sums_equal(const struct oracle *oracle, const struct blx__tree *tree);
void oracle_contents_equal(const struct oracle *oracle, const struct blx__tree *tree);

#endif
