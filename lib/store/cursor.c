/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "store/tnode.h"

static const struct blx__tree *node_at(const struct blx__cursor *cursor, unsigned level)
{
	return cursor->nodes[level];
}

/* The next item at or behind where the cursor stands: up from leaves that are through,
 * down to the first of the next. */
static struct blx__item *settle(struct blx__cursor *cursor)
{
	unsigned level = cursor->depth;

	while (cursor->at[level] >= node_at(cursor, level)->count) {
		if (level == 0) {
			return NULL;
		}
		level--;
		cursor->at[level]++;
	}
	while (!node_at(cursor, level)->leaf) {
		cursor->nodes[level + 1] =
			node_at(cursor, level)->children[cursor->at[level]];
		level++;
		cursor->at[level] = 0;
	}
	INVARIANT(level == cursor->depth); /* all leaves are equally deep */
	return node_at(cursor, level)->keys[cursor->at[level]];
}

struct blx__item *blx__cursor_seek(struct blx__cursor *cursor,
	const struct blx__tree *tree, const uint8_t *key, size_t key_len)
{
	bool found;

	cursor->depth = 0;
	cursor->nodes[0] = tree;
	while (!tree->leaf) {
		unsigned i = blx__tnode_child(tree, key, key_len);

		cursor->at[cursor->depth++] = i;
		INVARIANT(cursor->depth < BLX__TREE_DEPTH_MAX);
		tree = tree->children[i];
		cursor->nodes[cursor->depth] = tree;
	}
	cursor->at[cursor->depth] = blx__tnode_find(tree, key, key_len, &found);
	return settle(cursor);
}

struct blx__item *blx__cursor_next(struct blx__cursor *cursor)
{
	cursor->at[cursor->depth]++;
	return settle(cursor);
}
