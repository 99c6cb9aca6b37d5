/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a tree: B+ nodes, shared by tree.c, tree_delete.c and cursor.c.
 *
 * A leaf holds items in the order of their keys; an inner node holds children,
 * and of each the first item below it (borrowed: the child holds it). A node
 * with one reference belongs to its one parent, or tree, and may be changed;
 * any other is frozen.
 *
 * Keys of neighbours have long beginnings in common, and comparing them costs a
 * miss of the cache each. So a node knows how many bytes all its keys have in
 * common (skip), and the 8 bytes that follow of each (tags): most searches look
 * at one key beside the tags.
 */
#ifndef BLX_STORE_TNODE_H
#define BLX_STORE_TNODE_H

#include "store/tree.h"

#define BLX__TREE_FANOUT 32

/* A node this empty is joined with a neighbour when the two fit well in one. */
#define BLX__TREE_SPARSE (BLX__TREE_FANOUT / 4)
#define BLX__TREE_JOINED (BLX__TREE_FANOUT * 3 / 4)

struct blx__tree {
	_Atomic uint32_t refs;
	uint16_t count;
	uint16_t skip;
	bool leaf;
	uint64_t items; /* below, and what they sum up to */
	uint64_t bytes;
	uint64_t hash;
	uint64_t tags[BLX__TREE_FANOUT];
	struct blx__item
		*keys[BLX__TREE_FANOUT]; /* leaf: owned; else borrowed from children */
	struct blx__tree *children[];    /* inner: owned; none in a leaf */
};

/* A way down from the root. */
struct blx__tree_way {
	struct blx__tree *nodes[BLX__TREE_DEPTH_MAX];
	unsigned at[BLX__TREE_DEPTH_MAX];
	unsigned depth;
};

struct blx__tree *blx__tnode_create(bool leaf);

/* Makes *slot a node that may be changed, by copying it if others hold it. */
int blx__tnode_own(struct blx__tree **slot);

/* Where the key is or would be in a leaf: the first place not before it; *ret_found. */
unsigned blx__tnode_find(const struct blx__tree *node, const uint8_t *key, size_t key_len,
	bool *ret_found);

/* The child of an inner node that the key belongs to. */
unsigned blx__tnode_child(
	const struct blx__tree *node, const uint8_t *key, size_t key_len);

/* After keys were changed: skip and tags of all. */
void blx__tnode_retag(struct blx__tree *node);

/* After the key at place i was changed, or put there: no more than that needs. */
void blx__tnode_retag_one(struct blx__tree *node, unsigned i);

/* After anything was changed: items, bytes and hash as the sum of what is there. */
void blx__tnode_resum(struct blx__tree *node);

/* Makes room at place i, or closes it; what was there is the caller's. */
void blx__tnode_open(struct blx__tree *node, unsigned i);
void blx__tnode_shut(struct blx__tree *node, unsigned i);

#endif
