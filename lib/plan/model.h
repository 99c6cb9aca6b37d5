/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes of a cluster and what is on them, in a form that is quick to look
 * through: every text is a number, the same for the same text. Pure.
 */
#ifndef BLX_PLAN_MODEL_H
#define BLX_PLAN_MODEL_H

#include "base/error.h"
#include "plan/words.h"
#include "store/tree.h"

#include <blixard/placement.h>
#include <blixard/record.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A constraint in words: a tenth of the size of one in texts. */
struct blx__plan_constraint {
	int kind;
	blx__word key;
	int64_t limit;
	size_t values_count;
	blx__word values[BLX_VALUES_MAX];
};

struct blx__plan_use {
	blx__word name;
	blx__word group;
	int64_t cpu;
	int64_t memory;
};

/* What a use asks of its node, apart from the uses: those are gone through for every request,
 * this only for what-if. */
struct blx__plan_ask {
	blx__word name;                           /* of the use */
	struct blx__plan_constraint *constraints; /* owned */
	size_t constraints_count;
};

struct blx__plan_label {
	blx__word key;
	blx__word value;
};

struct blx__plan_node {
	blx__word name;
	int status;
	int health;
	bool draining;
	int64_t cpu;
	int64_t memory;
	int64_t cpu_used; /* of all uses */
	int64_t memory_used;
	struct blx__plan_label *labels; /* owned; "zone" and "node" among them */
	size_t labels_count;
	blx__word *capabilities; /* owned */
	size_t capabilities_count;
	blx__word *taints; /* owned */
	size_t taints_count;
	struct blx__plan_use *uses; /* owned */
	size_t uses_count;
	size_t uses_room;
	struct blx__plan_ask *asks; /* owned; of those uses that ask something */
	size_t asks_count;
	uint64_t revision;          /* of its record */
	uint64_t capacity_revision; /* of what says that something was reserved; 0: never */
};

struct blx_place_model {
	struct blx__words words;
	struct blx__plan_node *nodes; /* owned; sorted by name */
	size_t nodes_count;
	size_t nodes_room;
	uint64_t revision;
};

/* As texts again. */
void blx__plan_constraint_text(const struct blx__words *words,
	const struct blx__plan_constraint *from, blx_constraint *to);

/* What the use of that name asks; NULL: nothing. */
struct blx__plan_ask *blx__plan_ask_of(const struct blx__plan_node *node, blx__word name);

/* NULL: there is none. */
struct blx__plan_node *blx__model_node(const blx_place_model *model, const char *name);

/* How many uses of the group are on the node, but for one of that name. */
size_t blx__plan_group_count(
	const struct blx__plan_node *node, blx__word group, blx__word but);

/* Where it is told that something was reserved on a node. */
#define BLX__CAPACITY_DIR ":capacity"

/* Takes in a value of the store, if it is one of those that matter. Nodes come first.
 * BLX_ENOMEM; what is no record is passed over. */
int blx__model_take(blx_place_model *model, const uint8_t *key, size_t key_len,
	const void *value, size_t len, uint64_t revision);

/* All that matters in a tree. BLX_ENOMEM. */
int blx__model_of(const struct blx__tree *tree, uint64_t revision, blx_place_model **ret_model);

#endif
