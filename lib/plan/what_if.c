/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where everything on some nodes would go without them: the nodes are taken out of
 * the model, and what was on them is placed one after the other, the largest first,
 * each in the way of the next. What must be together with something that has not been
 * placed yet is tried again after it.
 */
#include "base/mem.h"
#include "plan/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct move {
	struct blx__plan_use use;
	struct blx__plan_ask ask; /* its constraints are owned; zeroes: it asks nothing */
	const char *name;         /* the model's, as are the others */
	const char *from;
	const char *to;                  /* NULL: nowhere */
	char why[BLX_PLACE_REASON_SIZE]; /* against the nearest, or against what is asked */
	const char *nearest;             /* NULL: there are no nodes */
};

struct blx_place_moves {
	struct move *list; /* owned */
	size_t count;
};

/* The largest first; of equal ones the first by name. */
static int by_size(const void *left, const void *right)
{
	const struct move *a = left;
	const struct move *b = right;

	if (a->use.cpu != b->use.cpu) {
		return a->use.cpu > b->use.cpu ? -1 : 1;
	}
	if (a->use.memory != b->use.memory) {
		return a->use.memory > b->use.memory ? -1 : 1;
	}
	return strcmp(a->name, b->name);
}

/* ---- taking the nodes out ---------------------------------------------------------- */

static size_t count_uses(const blx_place_model *model, const char *const *nodes, size_t count)
{
	size_t uses = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		uses += blx__model_node(model, nodes[i])->uses_count;
	}
	return uses;
}

static bool is_listed(const blx_place_moves *moves, blx__word name)
{
	size_t i;

	for (i = 0; i < moves->count; i++) {
		if (moves->list[i].use.name == name) {
			return true;
		}
	}
	return false;
}

/* What the use asks, and the node does not have it any more. */
static struct blx__plan_ask ask_take(struct blx__plan_node *node, blx__word name)
{
	struct blx__plan_ask *ask = blx__plan_ask_of(node, name);
	struct blx__plan_ask taken = {.name = name};

	if (ask != NULL) {
		taken = *ask;
		*ask = node->asks[--node->asks_count];
	}
	return taken;
}

/* What was on the node becomes a list of moves, with what is owned by it. A name that is
 * on two of the nodes, on its way from one to the other, goes once. */
static void take_out(blx_place_model *model, const char *name, blx_place_moves *moves)
{
	struct blx__plan_node *node = blx__model_node(model, name);
	size_t kept = 0;
	size_t i;

	if (node == NULL) {
		return; /* it was named twice */
	}
	for (i = 0; i < node->uses_count; i++) {
		struct blx__plan_use *use = &node->uses[i];

		if (is_listed(moves, use->name)) {
			node->uses[kept++] = *use;
			continue;
		}
		moves->list[moves->count++] = (struct move){.use = *use,
			.ask = ask_take(node, use->name),
			.name = blx__word_text(&model->words, use->name),
			.from = blx__word_text(&model->words, node->name)};
	}
	node->uses_count = kept;
	(void)blx_place_model_remove_node(model, name);
}

/* ---- placing what was there -------------------------------------------------------- */

static void explain(struct move *move, const blx_place_plan *plan)
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	int64_t nearest = blx_place_plan_nearest(plan);

	if (nearest >= 0) {
		(void)blx_place_plan_at(plan, (size_t)nearest, &verdict);
		(void)blx_place_plan_reason(plan, (size_t)nearest, 0, move->why);
		move->nearest = verdict.node;
	}
}

/* NULL: no memory. */
static blx_constraint *constraints_of(
	const blx_place_model *model, const struct blx__plan_ask *ask)
{
	blx_constraint *list = blx__calloc(ask->constraints_count + 1, sizeof *list);
	size_t i;

	for (i = 0; list != NULL && i < ask->constraints_count; i++) {
		blx__plan_constraint_text(&model->words, &ask->constraints[i], &list[i]);
	}
	return list;
}

static int place_one(
	blx_place_model *model, struct move *move, int strategy, blx_error *error)
{
	BLX__CLEANUP_FREE blx_constraint *constraints = constraints_of(model, &move->ask);
	blx_place_request request = {.size = sizeof request,
		.name = move->name,
		.group = blx__word_text(&model->words, move->use.group),
		.cpu = move->use.cpu,
		.memory = move->use.memory,
		.strategy = strategy,
		.constraints = constraints,
		.constraints_count = move->ask.constraints_count};
	blx_place_use use = {.size = sizeof use,
		.name = move->name,
		.group = request.group,
		.cpu = request.cpu,
		.memory = request.memory};
	blx_place_plan *plan = NULL;
	blx_error refused = BLX_ERROR_INIT;
	int rv = constraints != NULL ? blx_place(model, &request, &plan, &refused)
				     : BLX_ENOMEM;

	if (rv == 0) {
		move->to = blx_place_plan_node(plan);
		rv = blx_place_model_add_use(model, move->to, &use);
	} else if (rv == BLX_ENOPLACE) {
		explain(move, plan);
		rv = 0;
	} else if (rv == BLX_EINVAL) { /* a record that was written so */
		(void)snprintf(move->why, sizeof move->why, "%.200s", refused.message);
		rv = 0;
	}
	blx_place_plan_free(plan);
	return rv == 0 ? 0 : blx__error_set(error, rv, "what if: %s", refused.message);
}

/* Again and again while any of them finds a place. */
static int place_all(
	blx_place_model *model, blx_place_moves *moves, int strategy, blx_error *error)
{
	bool any = true;
	size_t i;
	int rv = 0;

	while (rv == 0 && any) {
		any = false;
		for (i = 0; rv == 0 && i < moves->count; i++) {
			if (moves->list[i].to == NULL) {
				rv = place_one(model, &moves->list[i], strategy, error);
				any = any || moves->list[i].to != NULL;
			}
		}
	}
	return rv;
}

/* ---- the interface ----------------------------------------------------------------- */

static int check(const blx_place_model *model, const char *const *nodes, size_t count,
	int strategy, blx_place_moves **ret_moves, blx_error *error)
{
	size_t i;

	if (model == NULL || nodes == NULL || count == 0 || ret_moves == NULL ||
		strategy < BLX_PLACE_LEAST_ALLOCATED || strategy > BLX_PLACE_FIRST_FIT) {
		return blx__error_set(error, BLX_EINVAL,
			"what if: no model, no nodes, nowhere to put the moves, or a strategy "
			"that is none of three");
	}
	for (i = 0; i < count; i++) {
		if (nodes[i] == NULL || blx__model_node(model, nodes[i]) == NULL) {
			return blx__error_set(error, BLX_ENOENT, "there is no node %s",
				nodes[i] != NULL ? nodes[i] : "(null)");
		}
	}
	return 0;
}

int blx_place_what_if(blx_place_model *model, const char *const *nodes, size_t count,
	int strategy, blx_place_moves **ret_moves, blx_error *error)
{
	blx_place_moves *moves;
	size_t i;
	int rv = check(model, nodes, count, strategy, ret_moves, error);

	if (rv != 0) {
		return rv;
	}
	*ret_moves = NULL;
	moves = blx__calloc(1, sizeof *moves);
	if (moves != NULL) {
		moves->list = blx__calloc(
			count_uses(model, nodes, count) + 1, sizeof *moves->list);
	}
	if (moves == NULL || moves->list == NULL) {
		blx__free(moves);
		return blx__error_set(error, BLX_ENOMEM, "what if: out of memory");
	}
	for (i = 0; i < count; i++) {
		take_out(model, nodes[i], moves);
	}
	qsort(moves->list, moves->count, sizeof *moves->list, by_size);
	rv = place_all(model, moves, strategy, error);
	if (rv != 0) {
		blx_place_moves_free(moves);
		return rv;
	}
	*ret_moves = moves;
	return 0;
}

size_t blx_place_moves_count(const blx_place_moves *moves)
{
	return moves->count;
}

int blx_place_moves_at(const blx_place_moves *moves, size_t i, blx_place_move *ret_move)
{
	const struct move *from;

	if (moves == NULL || ret_move == NULL || i >= moves->count ||
		ret_move->size < sizeof *ret_move) {
		return BLX_EINVAL;
	}
	from = &moves->list[i];
	*ret_move = (blx_place_move){.size = ret_move->size,
		.name = from->name,
		.from = from->from,
		.to = from->to,
		.nearest = from->to == NULL ? from->nearest : NULL,
		.why = from->to == NULL && from->why[0] != '\0' ? from->why : NULL};
	return 0;
}

void blx_place_moves_free(blx_place_moves *moves)
{
	size_t i;

	if (moves != NULL) {
		for (i = 0; i < moves->count; i++) {
			blx__free(moves->list[i].ask.constraints);
		}
		blx__free(moves->list);
		blx__free(moves);
	}
}
