/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree: an immutable ordered map of keys to items, shared by whoever holds
 * a reference. A change gives a new root that shares all but the changed way
 * down with the old one; a part that nobody else holds is changed in place, so
 * a store that nobody looks at pays no copying. Pure; references may be taken
 * and dropped by any thread, changes are made by one.
 *
 * Each inner part knows the count, the bytes and the hash of what is below it,
 * so that all three are known of the whole at any time.
 */
#ifndef BLX_STORE_TREE_H
#define BLX_STORE_TREE_H

#include "base/error.h"
#include "store/path.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A key and its value. Immutable once it is in a tree; then only the references change.
 */
struct blx__item {
	_Atomic uint32_t refs;
	uint32_t key_len;
	uint32_t value_len;
	uint32_t keep_len;
	uint64_t create_revision;
	uint64_t mod_revision;
	uint64_t version;
	uint64_t hash;   /* blx__item_hash(), set when it is put */
	uint8_t bytes[]; /* the key, the value, and while what it lives (store/keep.h) */
};

/* One reference, revisions and version 0. NULL without memory. Copied. */
struct blx__item *blx__item_create(
	const void *key, size_t key_len, const void *value, size_t value_len);

/* One of several parts. All borrowed until return. */
struct blx__item_parts {
	const void *key;
	size_t key_len;
	const void *value;
	size_t value_len;
	const void *keep; /* conditions; of length 0: it lives until it is removed */
	size_t keep_len;
};
struct blx__item *blx__item_create_of(const struct blx__item_parts *parts);
void blx__item_ref(struct blx__item *item);
void blx__item_unref(struct blx__item *item);

static inline const uint8_t *blx__item_key(const struct blx__item *item)
{
	return item->bytes;
}

static inline const uint8_t *blx__item_value(const struct blx__item *item)
{
	return item->bytes + item->key_len;
}

static inline size_t blx__item_value_len(const struct blx__item *item)
{
	return item->value_len;
}

static inline const uint8_t *blx__item_keep(const struct blx__item *item)
{
	return item->bytes + item->key_len + item->value_len;
}

/* Is it something (not NULL), and does its key begin so? */
static inline bool blx__item_begins(
	const struct blx__item *item, const void *prefix, size_t len)
{
	return item != NULL && item->key_len >= len &&
	       (len == 0 || memcmp(item->bytes, prefix, len) == 0);
}

/* What it counts in the bytes of a tree. */
static inline uint64_t blx__item_bytes(const struct blx__item *item)
{
	return (uint64_t)item->key_len + item->value_len + item->keep_len;
}

/* Of key, value, conditions, revisions and version; the hash of a tree is the sum of these. */
uint64_t blx__item_hash(const struct blx__item *item);

struct blx__tree;

/* An empty one. */
int blx__tree_create(struct blx__tree **ret_tree);
struct blx__tree *blx__tree_ref(struct blx__tree *tree);
void blx__tree_unref(struct blx__tree *tree); /* NULL is allowed */

uint64_t blx__tree_count(const struct blx__tree *tree);
uint64_t blx__tree_bytes(const struct blx__tree *tree); /* of keys, values and conditions */
uint64_t blx__tree_hash(const struct blx__tree *tree);

/* Borrowed from the tree; NULL: no value there. */
struct blx__item *blx__tree_get(
	const struct blx__tree *tree, const uint8_t *key, size_t key_len);

/* Is anything below the key, not counting itself? */
bool blx__tree_has_below(
	const struct blx__tree *tree, const uint8_t *key, size_t key_len);

/*
 * Changes. *tree is the caller's reference and is exchanged for the changed
 * one. On BLX_ENOMEM *tree is as it was.
 */

/* The item is taken on success; one of the same key is replaced. */
int blx__tree_put(struct blx__tree **tree, struct blx__item *item);

/* *ret_found: was there one? */
int blx__tree_delete(
	struct blx__tree **tree, const uint8_t *key, size_t key_len, bool *ret_found);

/* The key's own value and all below it. */
int blx__tree_delete_tree(
	struct blx__tree **tree, const uint8_t *key, size_t key_len, uint64_t *ret_count);

/*
 * In order. A cursor is plain memory, holds no reference (the tree must stay),
 * and nothing to finish.
 */
#define BLX__TREE_DEPTH_MAX 16

struct blx__cursor {
	const void *nodes[BLX__TREE_DEPTH_MAX];
	unsigned at[BLX__TREE_DEPTH_MAX];
	unsigned depth;
};

/* At the first item whose key is not below the given one; NULL: there is none. Borrowed.
 */
struct blx__item *blx__cursor_seek(struct blx__cursor *cursor,
	const struct blx__tree *tree, const uint8_t *key, size_t key_len);
struct blx__item *blx__cursor_next(struct blx__cursor *cursor);

#endif
