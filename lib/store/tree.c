/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "store/tnode.h"

#include <string.h>

/* ---- nodes ------------------------------------------------------------------ */

struct blx__tree *blx__tnode_create(bool leaf)
{
	size_t children = leaf ? 0 : BLX__TREE_FANOUT * sizeof(struct blx__tree *);
	struct blx__tree *node = blx__malloc(sizeof *node + children);

	if (node != NULL) {
		node->refs = 1;
		node->count = 0;
		node->skip = 0;
		node->leaf = leaf;
		node->items = 0;
		node->bytes = 0;
		node->hash = 0;
	}
	return node;
}

static struct blx__tree *node_copy(const struct blx__tree *from)
{
	struct blx__tree *node = blx__tnode_create(from->leaf);
	unsigned i;

	if (node == NULL) {
		return NULL;
	}
	node->count = from->count;
	node->skip = from->skip;
	node->items = from->items;
	node->bytes = from->bytes;
	node->hash = from->hash;
	memcpy(node->tags, from->tags, from->count * sizeof from->tags[0]);
	memcpy(node->keys, from->keys, from->count * sizeof from->keys[0]);
	for (i = 0; i < from->count; i++) {
		if (from->leaf) {
			blx__item_ref(node->keys[i]);
		} else {
			node->children[i] = blx__tree_ref(from->children[i]);
		}
	}
	return node;
}

int blx__tnode_own(struct blx__tree **slot)
{
	struct blx__tree *copy;

	/* Acquire: whoever dropped the last other reference has done with it. */
	if (atomic_load_explicit(&(*slot)->refs, memory_order_acquire) == 1) {
		return 0;
	}
	copy = node_copy(*slot);
	if (copy == NULL) {
		return BLX_ENOMEM;
	}
	blx__tree_unref(*slot);
	*slot = copy;
	return 0;
}

static uint64_t tag_of(const uint8_t *key, size_t key_len, size_t skip)
{
	uint8_t bytes[8] = {0};
	uint64_t tag;

	if (skip < key_len) {
		memcpy(bytes, key + skip, key_len - skip < 8 ? key_len - skip : 8);
	}
	memcpy(&tag, bytes, sizeof tag);
	return __builtin_bswap64(tag);
}

static size_t common_len(const struct blx__item *a, const struct blx__item *b)
{
	size_t len = a->key_len < b->key_len ? a->key_len : b->key_len;
	size_t i = 0;

	while (i < len && a->bytes[i] == b->bytes[i]) {
		i++;
	}
	return i;
}

void blx__tnode_retag(struct blx__tree *node)
{
	unsigned i;

	if (node->count == 0) {
		node->skip = 0;
		return;
	}
	/* In order, so what the first and the last have in common all have. */
	node->skip = (uint16_t)common_len(node->keys[0], node->keys[node->count - 1]);
	for (i = 0; i < node->count; i++) {
		node->tags[i] =
			tag_of(node->keys[i]->bytes, node->keys[i]->key_len, node->skip);
	}
}

void blx__tnode_retag_one(struct blx__tree *node, unsigned i)
{
	const struct blx__item *key = node->keys[i];

	if (i == 0 || i + 1u == node->count || node->count == 1) {
		blx__tnode_retag(node);
		return;
	}
	node->tags[i] = tag_of(key->bytes, key->key_len, node->skip);
}

void blx__tnode_resum(struct blx__tree *node)
{
	unsigned i;

	node->items = node->leaf ? node->count : 0;
	node->bytes = 0;
	node->hash = 0;
	for (i = 0; i < node->count; i++) {
		if (node->leaf) {
			node->bytes += blx__item_bytes(node->keys[i]);
			node->hash += node->keys[i]->hash;
		} else {
			node->items += node->children[i]->items;
			node->bytes += node->children[i]->bytes;
			node->hash += node->children[i]->hash;
		}
	}
}

void blx__tnode_open(struct blx__tree *node, unsigned i)
{
	unsigned behind = node->count - i;

	PRE(node->count < BLX__TREE_FANOUT && i <= node->count);

	memmove(&node->tags[i + 1], &node->tags[i], behind * sizeof node->tags[0]);
	memmove(&node->keys[i + 1], &node->keys[i], behind * sizeof node->keys[0]);
	if (!node->leaf) {
		memmove(&node->children[i + 1], &node->children[i],
			behind * sizeof node->children[0]);
	}
	node->count++;
}

void blx__tnode_shut(struct blx__tree *node, unsigned i)
{
	unsigned behind = node->count - i - 1;

	PRE(i < node->count);

	memmove(&node->tags[i], &node->tags[i + 1], behind * sizeof node->tags[0]);
	memmove(&node->keys[i], &node->keys[i + 1], behind * sizeof node->keys[0]);
	if (!node->leaf) {
		memmove(&node->children[i], &node->children[i + 1],
			behind * sizeof node->children[0]);
	}
	node->count--;
}

/* How many of the keys are not greater than the given one. *ret_equal: the last of them
 * is equal to it. */
static unsigned count_not_after(
	const struct blx__tree *node, const uint8_t *key, size_t key_len, bool *ret_equal)
{
	unsigned low = 0;
	unsigned high = node->count;
	size_t common = node->skip < key_len ? node->skip : key_len;
	uint64_t tag;
	int order;

	*ret_equal = false;
	if (node->count == 0) {
		return 0;
	}
	order = common > 0 ? memcmp(key, node->keys[0]->bytes, common) : 0;
	if (order < 0 || (order == 0 && key_len < node->skip)) {
		return 0;
	}
	if (order > 0) {
		return node->count;
	}
	tag = tag_of(key, key_len, node->skip);
	while (low < high) {
		unsigned mid = (low + high) / 2;
		int compared = (node->tags[mid] > tag) - (node->tags[mid] < tag);

		if (compared == 0) {
			compared = blx__key_compare(node->keys[mid]->bytes,
				node->keys[mid]->key_len, key, key_len);
		}
		if (compared == 0) {
			*ret_equal = true;
			return mid + 1;
		}
		if (compared < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low;
}

unsigned blx__tnode_find(
	const struct blx__tree *node, const uint8_t *key, size_t key_len, bool *ret_found)
{
	unsigned count = count_not_after(node, key, key_len, ret_found);

	return *ret_found ? count - 1 : count;
}

unsigned blx__tnode_child(
	const struct blx__tree *node, const uint8_t *key, size_t key_len)
{
	bool equal;
	unsigned count = count_not_after(node, key, key_len, &equal);

	return count > 0 ? count - 1 : 0;
}

/* ---- the whole ---------------------------------------------------------------- */

int blx__tree_create(struct blx__tree **ret_tree)
{
	struct blx__tree *tree = blx__tnode_create(true);

	if (tree == NULL) {
		return BLX_ENOMEM;
	}
	*ret_tree = tree;
	return 0;
}

struct blx__tree *blx__tree_ref(struct blx__tree *tree)
{
	(void)atomic_fetch_add_explicit(&tree->refs, 1, memory_order_relaxed);
	return tree;
}

void blx__tree_unref(struct blx__tree *tree)
{
	unsigned i;

	if (tree == NULL ||
		atomic_fetch_sub_explicit(&tree->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (i = 0; i < tree->count; i++) {
		if (tree->leaf) {
			blx__item_unref(tree->keys[i]);
		} else {
			blx__tree_unref(
				tree->children[i]); /* at most BLX__TREE_DEPTH_MAX deep */
		}
	}
	blx__free(tree);
}

uint64_t blx__tree_count(const struct blx__tree *tree)
{
	return tree->items;
}

uint64_t blx__tree_bytes(const struct blx__tree *tree)
{
	return tree->bytes;
}

uint64_t blx__tree_hash(const struct blx__tree *tree)
{
	return tree->hash;
}

/* In a large store each line of a leaf is a miss, and waiting for all of them at once
 * takes no longer than for one. */
static void prefetch(const void *from, size_t len)
{
	size_t at;

	for (at = 0; at < len; at += 64) {
		__builtin_prefetch((const char *)from + at);
	}
}

/* The item of exactly this key. Does not look whether the key begins as the others do, as
 * blx__tnode_find() must: a miss of the cache less, and one that does not is not found.
 */
static struct blx__item *leaf_get(
	const struct blx__tree *leaf, const uint8_t *key, size_t key_len)
{
	uint64_t tag = tag_of(key, key_len, leaf->skip);
	unsigned low = 0;
	unsigned high = leaf->count;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		int compared = (leaf->tags[mid] > tag) - (leaf->tags[mid] < tag);

		if (compared == 0) {
			compared = blx__key_compare(leaf->keys[mid]->bytes,
				leaf->keys[mid]->key_len, key, key_len);
		}
		if (compared == 0) {
			return leaf->keys[mid];
		}
		if (compared < 0) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return NULL;
}

struct blx__item *blx__tree_get(
	const struct blx__tree *tree, const uint8_t *key, size_t key_len)
{
	while (!tree->leaf) {
		tree = tree->children[blx__tnode_child(tree, key, key_len)];
		prefetch(tree, sizeof *tree);
	}
	return leaf_get(tree, key, key_len);
}

bool blx__tree_has_below(const struct blx__tree *tree, const uint8_t *key, size_t key_len)
{
	uint8_t below[BLX__KEY_LEN_MAX + 1];
	struct blx__cursor cursor;
	const struct blx__item *item;

	PRE(key_len <= BLX__KEY_LEN_MAX);

	if (key_len == 0) {
		return tree->items > 0;
	}
	memcpy(below, key, key_len);
	below[key_len] = BLX__KEY_SEPARATOR;
	item = blx__cursor_seek(&cursor, tree, below, key_len + 1);
	return item != NULL && item->key_len > key_len + 1 &&
	       memcmp(item->bytes, below, key_len + 1) == 0;
}

/* ---- putting --------------------------------------------------------------------- */

/* The upper half of a full child becomes a child of its own. The parent has room. */
static int split_child(struct blx__tree *parent, unsigned i)
{
	struct blx__tree *low = parent->children[i];
	struct blx__tree *high = blx__tnode_create(low->leaf);
	unsigned half = BLX__TREE_FANOUT / 2;

	if (high == NULL) {
		return BLX_ENOMEM;
	}
	high->count = (uint16_t)(low->count - half);
	memcpy(high->keys, &low->keys[half], high->count * sizeof high->keys[0]);
	if (!low->leaf) {
		memcpy(high->children, &low->children[half],
			high->count * sizeof high->children[0]);
	}
	low->count = (uint16_t)half;
	blx__tnode_retag(low);
	blx__tnode_resum(low);
	blx__tnode_retag(high);
	blx__tnode_resum(high);
	blx__tnode_open(parent, i + 1);
	parent->children[i + 1] = high;
	parent->keys[i + 1] = high->keys[0];
	blx__tnode_retag_one(parent, i + 1);
	return 0;
}

static int split_root(struct blx__tree **tree)
{
	struct blx__tree *root = blx__tnode_create(false);
	int rv;

	if (root == NULL) {
		return BLX_ENOMEM;
	}
	root->count = 1;
	root->children[0] = *tree;
	root->keys[0] = (*tree)->keys[0];
	blx__tnode_retag(root);
	rv = split_child(root, 0);
	if (rv != 0) {
		blx__free(root);
		return rv;
	}
	blx__tnode_resum(root);
	*tree = root;
	return 0;
}

/* A way of nodes that may be changed, each with room for one more, down to the leaf. What
 * is done on the way changes nothing that can be seen, so a failure needs no undoing. */
static int way_down(
	struct blx__tree **tree, const struct blx__item *item, struct blx__tree_way *way)
{
	struct blx__tree *node;
	int rv = blx__tnode_own(tree);

	if (rv == 0 && (*tree)->count == BLX__TREE_FANOUT) {
		rv = split_root(tree);
	}
	node = *tree;
	way->depth = 0;
	while (rv == 0 && !node->leaf) {
		unsigned i = blx__tnode_child(node, item->bytes, item->key_len);

		rv = blx__tnode_own(&node->children[i]);
		if (rv == 0 && node->children[i]->count == BLX__TREE_FANOUT) {
			rv = split_child(node, i);
			i = rv == 0 ? blx__tnode_child(node, item->bytes, item->key_len)
				    : i;
		}
		INVARIANT(way->depth + 1 < BLX__TREE_DEPTH_MAX);
		way->nodes[way->depth] = node;
		way->at[way->depth++] = i;
		node = node->children[i];
	}
	way->nodes[way->depth] = node;
	way->at[way->depth] = 0;
	return rv;
}

/* The leaf has the item: its parents take over what that changed. */
static void way_sum_up(const struct blx__tree_way *way, const struct blx__item *old,
	const struct blx__item *item)
{
	unsigned level = way->depth + 1;

	while (level-- > 0) {
		struct blx__tree *node = way->nodes[level];
		unsigned i = way->at[level];

		node->items += old == NULL;
		node->bytes += blx__item_bytes(item);
		node->hash += item->hash;
		if (old != NULL) {
			node->bytes -= blx__item_bytes(old);
			node->hash -= old->hash;
		}
		if (level < way->depth && node->keys[i] != node->children[i]->keys[0]) {
			bool same_key = old != NULL && node->keys[i] == old;

			node->keys[i] = node->children[i]->keys[0];
			if (!same_key) {
				blx__tnode_retag_one(node, i);
			}
		}
	}
}

int blx__tree_put(struct blx__tree **tree, struct blx__item *item)
{
	struct blx__tree_way way = {.depth = 0};
	struct blx__item *old = NULL;
	struct blx__tree *leaf;
	bool found;
	unsigned i;
	int rv = way_down(tree, item, &way);

	if (rv != 0) {
		return rv;
	}
	item->hash = blx__item_hash(item);
	leaf = way.nodes[way.depth];
	i = blx__tnode_find(leaf, item->bytes, item->key_len, &found);
	if (found) {
		old = leaf->keys[i];
		leaf->keys[i] = item;
	} else {
		blx__tnode_open(leaf, i);
		leaf->keys[i] = item;
		blx__tnode_retag_one(leaf, i);
	}
	way_sum_up(&way, old, item);
	if (old != NULL) {
		blx__item_unref(old);
	}
	return 0;
}
