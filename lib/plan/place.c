/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node: each is looked at for every reason against it, and those without one
 * are compared. What is asked is turned into words once, so that a node costs some
 * comparisons of numbers.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "plan/place.h"

#include <stdio.h>
#include <string.h>

/* ---- what a node says to a constraint ------------------------------------------- */

static bool is_among(blx__word word, const blx__word *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (list[i] == word && word != 0) {
			return true;
		}
	}
	return false;
}

blx__word blx__plan_label_of(const struct blx__plan_node *node, blx__word key)
{
	size_t i;

	for (i = 0; i < node->labels_count; i++) {
		if (node->labels[i].key == key) {
			return node->labels[i].value;
		}
	}
	return 0;
}

static bool has_all(
	const struct blx__plan_node *node, const struct blx__plan_asked *asked)
{
	size_t i;

	for (i = 0; i < asked->values_count; i++) {
		if (!is_among(asked->values[i], node->capabilities,
			    node->capabilities_count)) {
			return false;
		}
	}
	return true;
}

/* How many of the values are names of what is on the node. */
static size_t count_on(
	const struct blx__plan_node *node, const struct blx__plan_asked *asked)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < node->uses_count; i++) {
		count += is_among(node->uses[i].name, asked->values, asked->values_count);
	}
	return count;
}

static bool spreads(
	const struct blx__plan_node *node, const struct blx__plan_asked *asked)
{
	blx__word value = blx__plan_label_of(node, asked->key);

	return value != 0 && asked->counts[value] + 1 - asked->emptiest <= asked->limit;
}

static bool meets(const blx_place_plan *plan, const struct blx__plan_node *node,
	const struct blx__plan_asked *asked)
{
	switch ((enum blx_constraint_kind)asked->kind) {
	case BLX_ON_NODE:
		return is_among(node->name, asked->values, asked->values_count);
	case BLX_NOT_ON_NODE:
		return !is_among(node->name, asked->values, asked->values_count);
	case BLX_NEEDS:
		return has_all(node, asked);
	case BLX_LABEL_IN:
		return is_among(blx__plan_label_of(node, asked->key), asked->values,
			asked->values_count);
	case BLX_LABEL_NOT_IN:
		return !is_among(blx__plan_label_of(node, asked->key), asked->values,
			asked->values_count);
	case BLX_APART_FROM:
		return count_on(node, asked) == 0;
	case BLX_TOGETHER_WITH:
		return count_on(node, asked) == asked->values_count;
	case BLX_MAX_PER_NODE:
		return (int64_t)blx__plan_group_count(node, asked->key, plan->name) <
		       asked->limit;
	case BLX_SPREAD:
		return spreads(node, asked);
	case BLX_TOLERATE:
		return true; /* looked at with the taints */
	}
	return false;
}

/* ---- one node ------------------------------------------------------------------- */

bool blx__plan_is_tolerated(const blx_place_plan *plan, blx__word taint)
{
	size_t i;

	for (i = 0; i < plan->request.constraints_count; i++) {
		const struct blx__plan_asked *asked = &plan->asked[i];

		if (asked->kind == BLX_TOLERATE &&
			is_among(taint, asked->values, asked->values_count)) {
			return true;
		}
	}
	return false;
}

static bool repels(const blx_place_plan *plan, const struct blx__plan_node *node)
{
	size_t i;

	for (i = 0; i < node->taints_count; i++) {
		if (!blx__plan_is_tolerated(plan, node->taints[i])) {
			return true;
		}
	}
	return false;
}

void blx__plan_left_for(const blx_place_plan *plan, const struct blx__plan_node *node,
	int64_t *ret_cpu, int64_t *ret_memory)
{
	size_t i;

	*ret_cpu = node->cpu - node->cpu_used;
	*ret_memory = node->memory - node->memory_used;
	for (i = 0; plan->name != 0 && i < node->uses_count; i++) {
		if (node->uses[i].name == plan->name) {
			*ret_cpu += node->uses[i].cpu;
			*ret_memory += node->uses[i].memory;
		}
	}
}

static uint64_t bit(bool set, unsigned number)
{
	return set ? UINT64_C(1) << number : 0;
}

/* Parts of 100000 of what is left, on average. */
static int64_t share_left(int64_t left, int64_t of)
{
	return of > 0 ? left * 100000 / of : 0;
}

static void look(const blx_place_plan *plan, const struct blx__plan_node *node,
	struct blx__plan_verdict *verdict)
{
	const blx_place_request *request = &plan->request;
	int64_t cpu;
	int64_t memory;
	size_t i;

	blx__plan_left_for(plan, node, &cpu, &memory);
	verdict->reasons = bit(node->status != BLX_NODE_ACTIVE || node->draining,
				   BLX__REASON_STATUS) |
			   bit(node->health == BLX_HEALTH_FAILED, BLX__REASON_HEALTH) |
			   bit(request->cpu > cpu, BLX__REASON_CPU) |
			   bit(request->memory > memory, BLX__REASON_MEMORY) |
			   bit(repels(plan, node), BLX__REASON_TAINT);
	for (i = 0; i < request->constraints_count; i++) {
		verdict->reasons |= bit(!meets(plan, node, &plan->asked[i]),
			(unsigned)(BLX__REASON_CONSTRAINT + i));
	}
	verdict->score = (share_left(cpu - request->cpu, node->cpu) +
				 share_left(memory - request->memory, node->memory)) /
			 2;
	if (request->strategy == BLX_PLACE_BIN_PACK) {
		verdict->score = -verdict->score;
	} else if (request->strategy == BLX_PLACE_FIRST_FIT) {
		verdict->score = 0;
	}
}

/* ---- the request ---------------------------------------------------------------- */

/* How many of the group there are under each value of the label. False: no memory. */
static bool spread_count(const blx_place_plan *plan, struct blx__plan_asked *asked)
{
	const blx_place_model *model = plan->model;
	int64_t least = INT64_MAX;
	size_t i;

	asked->counts = blx__calloc(model->words.count + 1, sizeof *asked->counts);
	if (asked->counts == NULL) {
		return false;
	}
	for (i = 0; i < model->nodes_count; i++) {
		asked->counts[blx__plan_label_of(&model->nodes[i], asked->key)] +=
			(int64_t)blx__plan_group_count(
				&model->nodes[i], plan->group, plan->name);
	}
	for (i = 0; i < model->nodes_count; i++) {
		blx__word value = blx__plan_label_of(&model->nodes[i], asked->key);

		if (value != 0 && asked->counts[value] < least) {
			least = asked->counts[value];
		}
	}
	asked->emptiest = least;
	return true;
}

static bool asked_of(const blx_place_plan *plan, const blx_constraint *from,
	struct blx__plan_asked *to)
{
	const struct blx__words *words = &plan->model->words;
	size_t i;

	*to = (struct blx__plan_asked){.kind = from->kind,
		.key = blx__word_find(words, from->key),
		.values_count = from->values_count,
		.limit = from->limit};
	for (i = 0; i < from->values_count; i++) {
		to->values[i] = blx__word_find(words, from->values[i]);
	}
	return from->kind != BLX_SPREAD || spread_count(plan, to);
}

static int check_constraint(const blx_constraint *constraint, blx_error *error)
{
	bool needs_key = constraint->kind == BLX_LABEL_IN ||
			 constraint->kind == BLX_LABEL_NOT_IN ||
			 constraint->kind == BLX_MAX_PER_NODE ||
			 constraint->kind == BLX_SPREAD;
	bool needs_limit =
		constraint->kind == BLX_MAX_PER_NODE || constraint->kind == BLX_SPREAD;

	if (constraint->kind < BLX_ON_NODE || constraint->kind > BLX_TOLERATE ||
		constraint->values_count > BLX_VALUES_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"place: a constraint of a kind that is not known, %d",
			constraint->kind);
	}
	if ((needs_key && constraint->key[0] == '\0') ||
		(needs_limit && constraint->limit < 1) ||
		(!needs_limit && constraint->values_count == 0)) {
		return blx__error_set(error, BLX_EINVAL,
			"place: a constraint without what it is about: a key, values, or "
			"a limit "
			"of at least 1");
	}
	return 0;
}

static int check_request(const blx_place_request *request, blx_error *error)
{
	size_t i;
	int rv = 0;

	if (request->cpu < 0 || request->memory < 0 ||
		request->strategy < BLX_PLACE_LEAST_ALLOCATED ||
		request->strategy > BLX_PLACE_FIRST_FIT ||
		request->constraints_count > BLX_CONSTRAINTS_MAX ||
		(request->constraints_count > 0 && request->constraints == NULL)) {
		return blx__error_set(error, BLX_EINVAL,
			"place: amounts must not be negative, the strategy one of three, "
			"and the "
			"constraints at most %d",
			BLX_CONSTRAINTS_MAX);
	}
	for (i = 0; rv == 0 && i < request->constraints_count; i++) {
		rv = check_constraint(&request->constraints[i], error);
	}
	return rv;
}

static blx_place_plan *plan_create(
	const blx_place_model *model, const blx_place_request *request)
{
	blx_place_plan *plan = blx__calloc(1, sizeof *plan);
	size_t count = request->constraints_count;

	if (plan == NULL) {
		return NULL;
	}
	plan->model = model;
	plan->request = *request;
	plan->chosen = -1;
	plan->asked = blx__calloc(count + 1, sizeof *plan->asked);
	plan->constraints = blx__calloc(count + 1, sizeof *plan->constraints);
	plan->verdicts = blx__calloc(model->nodes_count + 1, sizeof *plan->verdicts);
	if (plan->asked == NULL || plan->constraints == NULL || plan->verdicts == NULL) {
		blx_place_plan_free(plan);
		return NULL;
	}
	if (count > 0) {
		memcpy(plan->constraints, request->constraints,
			count * sizeof *plan->constraints);
	}
	plan->request.constraints = plan->constraints;
	return plan;
}

/* False: no memory. */
static bool decide(blx_place_plan *plan)
{
	const blx_place_request *request = &plan->request;
	const blx_place_model *model = plan->model;
	size_t i;

	plan->name =
		request->name != NULL ? blx__word_find(&model->words, request->name) : 0;
	plan->group = request->group != NULL
			      ? blx__word_find(&model->words, request->group)
			      : 0;
	for (i = 0; i < request->constraints_count; i++) {
		if (!asked_of(plan, &request->constraints[i], &plan->asked[i])) {
			return false;
		}
	}
	for (i = 0; i < model->nodes_count; i++) {
		struct blx__plan_verdict *verdict = &plan->verdicts[i];

		look(plan, &model->nodes[i], verdict);
		if (verdict->reasons == 0 &&
			(plan->chosen < 0 ||
				verdict->score > plan->verdicts[plan->chosen].score)) {
			plan->chosen = (int64_t)i;
		}
	}
	plan->request.name = NULL; /* they were the caller's */
	plan->request.group = NULL;
	return true;
}

blx_place_request blx__place_request_of(const char *name, const blx_service *service)
{
	blx_place_request request = BLX_PLACE_REQUEST_INIT;

	request.name = name;
	request.group = service->group[0] != '\0' ? service->group : NULL;
	request.cpu = service->cpu;
	request.memory = service->memory;
	request.constraints = service->constraints;
	request.constraints_count = service->constraints_count;
	return request;
}

int blx_place(const blx_place_model *model, const blx_place_request *request,
	blx_place_plan **ret_plan, blx_error *error)
{
	blx_place_plan *plan;
	int rv;

	if (model == NULL || request == NULL || ret_plan == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"place: no model, no request, or nowhere to put the plan");
	}
	*ret_plan = NULL;
	rv = check_request(request, error);
	if (rv != 0) {
		return rv;
	}
	plan = plan_create(model, request);
	if (plan == NULL || !decide(plan)) {
		blx_place_plan_free(plan);
		return blx__error_set(error, BLX_ENOMEM, "place: out of memory");
	}
	*ret_plan = plan;
	return plan->chosen >= 0
		       ? 0
		       : blx__error_set(error, BLX_ENOPLACE,
				 "No suitable nodes available: %zu were looked at",
				 model->nodes_count);
}

/* ---- the plan ------------------------------------------------------------------- */

void blx_place_plan_free(blx_place_plan *plan)
{
	size_t i;

	if (plan != NULL) {
		for (i = 0; plan->asked != NULL && i < plan->request.constraints_count;
			i++) {
			blx__free(plan->asked[i].counts);
		}
		blx__free(plan->asked);
		blx__free(plan->constraints);
		blx__free(plan->verdicts);
		blx__free(plan);
	}
}

static const char *name_at(const blx_place_plan *plan, size_t i)
{
	return blx__word_text(&plan->model->words, plan->model->nodes[i].name);
}

const char *blx_place_plan_node(const blx_place_plan *plan)
{
	return plan->chosen >= 0 ? name_at(plan, (size_t)plan->chosen) : NULL;
}

size_t blx_place_plan_count(const blx_place_plan *plan)
{
	return plan->model->nodes_count;
}

static size_t reasons_count(uint64_t reasons)
{
	return (size_t)__builtin_popcountll(reasons);
}

int blx_place_plan_at(
	const blx_place_plan *plan, size_t i, blx_place_verdict *ret_verdict)
{
	const struct blx__plan_verdict *from;
	size_t size;

	if (plan == NULL || ret_verdict == NULL || i >= plan->model->nodes_count) {
		return BLX_EINVAL;
	}
	from = &plan->verdicts[i];
	size = ret_verdict->size;
	if (size < sizeof *ret_verdict) {
		return BLX_EINVAL; /* there is no shorter one yet */
	}
	*ret_verdict = (blx_place_verdict){.size = size,
		.node = name_at(plan, i),
		.fits = from->reasons == 0,
		.score = from->score,
		.reasons = reasons_count(from->reasons)};
	return 0;
}

int64_t blx_place_plan_nearest(const blx_place_plan *plan)
{
	int64_t nearest = -1;
	size_t i;

	for (i = 0; plan->chosen < 0 && i < plan->model->nodes_count; i++) {
		if (nearest < 0 ||
			reasons_count(plan->verdicts[i].reasons) <
				reasons_count(plan->verdicts[nearest].reasons)) {
			nearest = (int64_t)i;
		}
	}
	return nearest;
}
