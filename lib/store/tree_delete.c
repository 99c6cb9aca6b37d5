/* SPDX-License-Identifier: Apache-2.0 */
/* Taking things out of a tree. All leaves stay equally deep; no node but the root is
 * empty. */
#include "base/assert.h"
#include "base/mem.h"
#include "store/tnode.h"

#include <string.h>

/* A root with one child is that child; one without any is an empty leaf. */
static int root_collapse(struct blx__tree **tree)
{
	while (!(*tree)->leaf && (*tree)->count <= 1) {
		struct blx__tree *root = *tree;

		if (root->count == 0) {
			struct blx__tree *empty = blx__tnode_create(true);

			if (empty == NULL) {
				return BLX_ENOMEM;
			}
			*tree = empty;
		} else {
			*tree = blx__tree_ref(root->children[0]);
		}
		blx__tree_unref(root);
	}
	return 0;
}

/* Takes out place i. What the others have in common is what it was, or more. */
static void take_out(struct blx__tree *node, unsigned i)
{
	blx__tnode_shut(node, i);
	if (i == 0 || i == node->count) {
		blx__tnode_retag(node);
	}
}

/* Moves all of the child behind place i into the child at i, if it is worth it. Only
 * saves room, so a lack of memory does no harm. */
static void join_children(struct blx__tree *parent, unsigned i)
{
	struct blx__tree *low = parent->children[i];
	struct blx__tree *high = parent->children[i + 1];
	unsigned k;

	if ((low->count >= BLX__TREE_SPARSE && high->count >= BLX__TREE_SPARSE) ||
		low->count + high->count > BLX__TREE_JOINED ||
		blx__tnode_own(&parent->children[i]) != 0) {
		return;
	}
	low = parent->children[i];
	for (k = 0; k < high->count; k++) {
		low->keys[low->count + k] = high->keys[k];
		if (low->leaf) {
			blx__item_ref(high->keys[k]);
		} else {
			low->children[low->count + k] = blx__tree_ref(high->children[k]);
		}
	}
	low->count = (uint16_t)(low->count + high->count);
	blx__tnode_retag(low);
	blx__tnode_resum(low);
	take_out(parent, i + 1);
	blx__tree_unref(high);
}

/* The child at place i lost an item: it goes if it is empty, else its neighbours may take
 * it in. */
static void child_mend(struct blx__tree *parent, unsigned i)
{
	struct blx__tree *child = parent->children[i];

	if (child->count == 0) {
		take_out(parent, i);
		blx__tree_unref(child);
		return;
	}
	if (parent->keys[i] != child->keys[0]) {
		parent->keys[i] = child->keys[0];
		blx__tnode_retag_one(parent, i);
	}
	if (i + 1u < parent->count) {
		join_children(parent, i);
	}
	if (i > 0) {
		join_children(parent, i - 1);
	}
}

/* All nodes of the way, down to the leaf, have the item no more. */
static void way_subtract(const struct blx__tree_way *way, const struct blx__item *item)
{
	unsigned level;

	for (level = 0; level <= way->depth; level++) {
		struct blx__tree *node = way->nodes[level];

		node->items--;
		node->bytes -= blx__item_bytes(item);
		node->hash -= item->hash;
	}
}

static int own_way(struct blx__tree **tree, const uint8_t *key, size_t key_len,
	struct blx__tree_way *way)
{
	struct blx__tree *node;
	int rv = blx__tnode_own(tree);

	node = *tree;
	while (rv == 0 && !node->leaf) {
		unsigned i = blx__tnode_child(node, key, key_len);

		rv = blx__tnode_own(&node->children[i]);
		way->nodes[way->depth] = node;
		way->at[way->depth++] = i;
		node = node->children[i];
	}
	way->nodes[way->depth] = node;
	return rv;
}

int blx__tree_delete(
	struct blx__tree **tree, const uint8_t *key, size_t key_len, bool *ret_found)
{
	struct blx__tree_way way = {.depth = 0};
	struct blx__item *item;
	struct blx__tree *leaf;
	bool found;
	unsigned i;
	int rv;

	if (blx__tree_get(*tree, key, key_len) == NULL) {
		*ret_found = false;
		return 0;
	}
	rv = own_way(tree, key, key_len, &way);
	if (rv != 0) {
		return rv;
	}
	leaf = way.nodes[way.depth];
	i = blx__tnode_find(leaf, key, key_len, &found);
	INVARIANT(found);
	item = leaf->keys[i];
	take_out(leaf, i);
	way_subtract(&way, item);
	while (way.depth-- > 0) {
		child_mend(way.nodes[way.depth], way.at[way.depth]);
	}
	blx__item_unref(item);
	*ret_found = true;
	/* Cannot fail: an inner root has two children at least, and lost one at most. */
	rv = root_collapse(tree);
	POST(rv == 0);
	return rv;
}

/* ---- a whole range ------------------------------------------------------------------
 */

/* All keys from low on and before high. */
struct range {
	const uint8_t *low;
	size_t low_len;
	const uint8_t *high;
	size_t high_len;
};

static bool before_low(const struct range *range, const struct blx__item *item)
{
	return blx__key_compare(item->bytes, item->key_len, range->low, range->low_len) <
	       0;
}

static bool before_high(const struct range *range, const struct blx__item *item)
{
	return blx__key_compare(
		       item->bytes, item->key_len, range->high, range->high_len) < 0;
}

static void leaf_cut(struct blx__tree *leaf, const struct range *range)
{
	unsigned kept = 0;
	unsigned i;

	for (i = 0; i < leaf->count; i++) {
		if (before_low(range, leaf->keys[i]) ||
			!before_high(range, leaf->keys[i])) {
			leaf->keys[kept++] = leaf->keys[i];
		} else {
			blx__item_unref(leaf->keys[i]);
		}
	}
	leaf->count = (uint16_t)kept;
}

static int cut(struct blx__tree **slot, const struct range *range);

/* Drops children that lie in the range whole, and cuts the ones at its ends. */
static int inner_cut(struct blx__tree *node, const struct range *range)
{
	unsigned i = 0;

	while (i < node->count) {
		bool begins_in = !before_low(range, node->keys[i]);
		bool ends_in =
			i + 1u < node->count && !before_low(range, node->keys[i + 1]);
		int rv = 0;

		if (!before_high(range, node->keys[i])) {
			return 0; /* behind the range */
		}
		if (begins_in && i + 1u < node->count &&
			blx__key_compare(node->keys[i + 1]->bytes,
				node->keys[i + 1]->key_len, range->high,
				range->high_len) <= 0) {
			blx__tree_unref(node->children[i]);
			blx__tnode_shut(node, i);
			continue;
		}
		if (begins_in || ends_in || i + 1u == node->count) {
			rv = cut(&node->children[i], range);
		}
		if (rv != 0) {
			return rv;
		}
		if (node->children[i]->count == 0) {
			blx__tree_unref(node->children[i]);
			blx__tnode_shut(node, i);
			continue;
		}
		node->keys[i] = node->children[i]->keys[0];
		i++;
	}
	return 0;
}

static int cut(struct blx__tree **slot, const struct range *range)
{
	int rv = blx__tnode_own(slot);

	if (rv != 0) {
		return rv;
	}
	if ((*slot)->leaf) {
		leaf_cut(*slot, range);
	} else {
		rv = inner_cut(*slot, range);
	}
	blx__tnode_retag(*slot);
	blx__tnode_resum(*slot);
	return rv;
}

static int delete_range(struct blx__tree **tree, const struct range *range)
{
	/* Held, so that everything that is touched is copied, and can be gone back to. */
	struct blx__tree *before = blx__tree_ref(*tree);
	int rv = cut(tree, range);

	if (rv == 0) {
		rv = root_collapse(tree);
	}
	if (rv != 0) {
		blx__tree_unref(*tree);
		*tree = before;
		return rv;
	}
	blx__tree_unref(before);
	return 0;
}

static int delete_all(struct blx__tree **tree)
{
	struct blx__tree *empty = blx__tnode_create(true);

	if (empty == NULL) {
		return BLX_ENOMEM;
	}
	blx__tree_unref(*tree);
	*tree = empty;
	return 0;
}

int blx__tree_delete_tree(
	struct blx__tree **tree, const uint8_t *key, size_t key_len, uint64_t *ret_count)
{
	uint64_t count = (*tree)->items;
	uint8_t low[BLX__KEY_LEN_MAX + 1];
	uint8_t high[BLX__KEY_LEN_MAX + 1];
	struct range below = {low, key_len + 1, high, key_len + 1};
	struct blx__tree *before;
	bool found;
	int rv;

	PRE(key_len <= BLX__KEY_LEN_MAX);

	if (key_len == 0) {
		rv = delete_all(tree);
	} else {
		memcpy(low, key, key_len);
		memcpy(high, key, key_len);
		low[key_len] = BLX__KEY_SEPARATOR;
		high[key_len] = BLX__KEY_SEPARATOR + 1;
		before = blx__tree_ref(*tree);
		rv = blx__tree_delete(tree, key, key_len, &found);
		if (rv == 0 && blx__tree_has_below(*tree, key, key_len)) {
			rv = delete_range(tree, &below);
		}
		if (rv != 0) {
			blx__tree_unref(*tree);
			*tree = blx__tree_ref(before);
		}
		blx__tree_unref(before);
	}
	if (rv == 0) {
		*ret_count = count - (*tree)->items;
	}
	return rv;
}
