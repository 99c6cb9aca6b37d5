/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node: each is looked at for every reason against it, and those without one
 * are compared. What is asked is turned into words once, so that a node costs some
 * comparisons of numbers.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "plan/model.h"

#include <stdio.h>
#include <string.h>

/* Reasons by their bits: these, and one for each constraint behind them. */
enum reason {
	REASON_STATUS = 0,
	REASON_HEALTH = 1,
	REASON_CPU = 2,
	REASON_MEMORY = 3,
	REASON_TAINT = 4,
	REASON_CONSTRAINT = 5 /* and so on */
};

/* A constraint in words. */
struct asked {
	int kind;
	blx__word key;
	size_t values_count;
	blx__word values[BLX_VALUES_MAX];
	int64_t limit;
	int64_t *counts;  /* owned; SPREAD: of the group, by the value of the label */
	int64_t emptiest; /* and the least of them */
};

struct verdict {
	uint64_t reasons;
	int64_t score;
};

struct blx_place_plan {
	const blx_place_model *model; /* borrowed */
	blx_place_request request;    /* what it points to is the plan's own copy */
	blx__word name;
	blx__word group;
	struct asked *asked;         /* owned */
	blx_constraint *constraints; /* owned */
	struct verdict *verdicts;    /* owned; one a node */
	int64_t chosen;              /* -1: none */
};

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

static blx__word label_of(const struct blx__plan_node *node, blx__word key)
{
	size_t i;

	for (i = 0; i < node->labels_count; i++) {
		if (node->labels[i].key == key) {
			return node->labels[i].value;
		}
	}
	return 0;
}

static bool has_all(const struct blx__plan_node *node, const struct asked *asked)
{
	size_t i;

	for (i = 0; i < asked->values_count; i++) {
		if (!is_among(asked->values[i], node->capabilities, node->capabilities_count)) {
			return false;
		}
	}
	return true;
}

/* How many of the values are names of what is on the node. */
static size_t count_on(const struct blx__plan_node *node, const struct asked *asked)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < node->uses_count; i++) {
		count += is_among(node->uses[i].name, asked->values, asked->values_count);
	}
	return count;
}

static bool spreads(const struct blx__plan_node *node, const struct asked *asked)
{
	blx__word value = label_of(node, asked->key);

	return value != 0 && asked->counts[value] + 1 - asked->emptiest <= asked->limit;
}

static bool meets(const blx_place_plan *plan, const struct blx__plan_node *node,
	const struct asked *asked)
{
	switch ((enum blx_constraint_kind)asked->kind) {
	case BLX_ON_NODE:
		return is_among(node->name, asked->values, asked->values_count);
	case BLX_NOT_ON_NODE:
		return !is_among(node->name, asked->values, asked->values_count);
	case BLX_NEEDS:
		return has_all(node, asked);
	case BLX_LABEL_IN:
		return is_among(label_of(node, asked->key), asked->values, asked->values_count);
	case BLX_LABEL_NOT_IN:
		return !is_among(label_of(node, asked->key), asked->values, asked->values_count);
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

static bool is_tolerated(const blx_place_plan *plan, blx__word taint)
{
	size_t i;

	for (i = 0; i < plan->request.constraints_count; i++) {
		const struct asked *asked = &plan->asked[i];

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
		if (!is_tolerated(plan, node->taints[i])) {
			return true;
		}
	}
	return false;
}

/* What is left for the request: what it takes itself already is not in its way. */
static void left_for(const blx_place_plan *plan, const struct blx__plan_node *node,
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
	struct verdict *verdict)
{
	const blx_place_request *request = &plan->request;
	int64_t cpu;
	int64_t memory;
	size_t i;

	left_for(plan, node, &cpu, &memory);
	verdict->reasons =
		bit(node->status != BLX_NODE_ACTIVE || node->draining, REASON_STATUS) |
		bit(node->health == BLX_HEALTH_FAILED, REASON_HEALTH) |
		bit(request->cpu > cpu, REASON_CPU) |
		bit(request->memory > memory, REASON_MEMORY) |
		bit(repels(plan, node), REASON_TAINT);
	for (i = 0; i < request->constraints_count; i++) {
		verdict->reasons |= bit(!meets(plan, node, &plan->asked[i]),
			(unsigned)(REASON_CONSTRAINT + i));
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
static bool spread_count(const blx_place_plan *plan, struct asked *asked)
{
	const blx_place_model *model = plan->model;
	int64_t least = INT64_MAX;
	size_t i;

	asked->counts = blx__calloc(model->words.count + 1, sizeof *asked->counts);
	if (asked->counts == NULL) {
		return false;
	}
	for (i = 0; i < model->nodes_count; i++) {
		asked->counts[label_of(&model->nodes[i], asked->key)] += (int64_t)
			blx__plan_group_count(&model->nodes[i], plan->group, plan->name);
	}
	for (i = 0; i < model->nodes_count; i++) {
		blx__word value = label_of(&model->nodes[i], asked->key);

		if (value != 0 && asked->counts[value] < least) {
			least = asked->counts[value];
		}
	}
	asked->emptiest = least;
	return true;
}

static bool asked_of(const blx_place_plan *plan, const blx_constraint *from, struct asked *to)
{
	const struct blx__words *words = &plan->model->words;
	size_t i;

	*to = (struct asked){.kind = from->kind,
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
			 constraint->kind == BLX_MAX_PER_NODE || constraint->kind == BLX_SPREAD;
	bool needs_limit =
		constraint->kind == BLX_MAX_PER_NODE || constraint->kind == BLX_SPREAD;

	if (constraint->kind < BLX_ON_NODE || constraint->kind > BLX_TOLERATE ||
		constraint->values_count > BLX_VALUES_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"place: a constraint of a kind that is not known, %d", constraint->kind);
	}
	if ((needs_key && constraint->key[0] == '\0') || (needs_limit && constraint->limit < 1) ||
		(!needs_limit && constraint->values_count == 0)) {
		return blx__error_set(error, BLX_EINVAL,
			"place: a constraint without what it is about: a key, values, or a limit "
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
			"place: amounts must not be negative, the strategy one of three, and the "
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
		memcpy(plan->constraints, request->constraints, count * sizeof *plan->constraints);
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

	plan->name = request->name != NULL ? blx__word_find(&model->words, request->name) : 0;
	plan->group = request->group != NULL ? blx__word_find(&model->words, request->group) : 0;
	for (i = 0; i < request->constraints_count; i++) {
		if (!asked_of(plan, &request->constraints[i], &plan->asked[i])) {
			return false;
		}
	}
	for (i = 0; i < model->nodes_count; i++) {
		struct verdict *verdict = &plan->verdicts[i];

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
	return plan->chosen >= 0 ? 0
				 : blx__error_set(error, BLX_ENOPLACE,
					   "No suitable nodes available: %zu were looked at",
					   model->nodes_count);
}

/* ---- the plan ------------------------------------------------------------------- */

void blx_place_plan_free(blx_place_plan *plan)
{
	size_t i;

	if (plan != NULL) {
		for (i = 0; plan->asked != NULL && i < plan->request.constraints_count; i++) {
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

int blx_place_plan_at(const blx_place_plan *plan, size_t i, blx_place_verdict *ret_verdict)
{
	const struct verdict *from;
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
		if (nearest < 0 || reasons_count(plan->verdicts[i].reasons) <
					   reasons_count(plan->verdicts[nearest].reasons)) {
			nearest = (int64_t)i;
		}
	}
	return nearest;
}

/* ---- reasons as text ------------------------------------------------------------ */

static void values_text(const blx_constraint *constraint, char *to, size_t size)
{
	size_t i;

	to[0] = '\0';
	for (i = 0; i < constraint->values_count; i++) {
		size_t len = strlen(to);

		(void)snprintf(to + len, size - len, "%s%s", i > 0 ? ", " : "",
			constraint->values[i]);
	}
}

static void constraint_text(const blx_place_plan *plan, size_t i, size_t number,
	char ret_text[BLX_PLACE_REASON_SIZE])
{
	const blx_constraint *constraint = &plan->constraints[number];
	const struct blx__plan_node *node = &plan->model->nodes[i];
	const char *label = blx__word_text(
		&plan->model->words, label_of(node, plan->asked[number].key));
	char values[160];

	values_text(constraint, values, sizeof values);
	switch ((enum blx_constraint_kind)constraint->kind) {
	case BLX_ON_NODE:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is none of: %s", values);
		break;
	case BLX_NOT_ON_NODE:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is one of: %s", values);
		break;
	case BLX_NEEDS:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has not all of the capabilities: %s", values);
		break;
	case BLX_LABEL_IN:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"its label %s is \"%s\", and not one of: %s", constraint->key, label,
			values);
		break;
	case BLX_LABEL_NOT_IN:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"its label %s is \"%s\", one of: %s", constraint->key, label, values);
		break;
	case BLX_APART_FROM:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has on it what must be apart: of %s", values);
		break;
	case BLX_TOGETHER_WITH:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has not on it all of: %s", values);
		break;
	case BLX_MAX_PER_NODE:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has %zu of the group %s, and %lld are allowed",
			blx__plan_group_count(node, plan->asked[number].key, plan->name),
			constraint->key, (long long)constraint->limit);
		break;
	case BLX_SPREAD:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"its label %s is \"%s\", where with this one there would be more than "
			"%lld over the emptiest",
			constraint->key, label, (long long)constraint->limit);
		break;
	case BLX_TOLERATE:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is repelled");
		break;
	}
}

static void taints_text(
	const blx_place_plan *plan, const struct blx__plan_node *node, char *to, size_t size)
{
	size_t i;

	(void)snprintf(to, size, "has taints that are not tolerated:");
	for (i = 0; i < node->taints_count; i++) {
		size_t len = strlen(to);

		if (!is_tolerated(plan, node->taints[i])) {
			(void)snprintf(to + len, size - len, " %s",
				blx__word_text(&plan->model->words, node->taints[i]));
		}
	}
}

static void reason_text(const blx_place_plan *plan, size_t i, unsigned number,
	char ret_text[BLX_PLACE_REASON_SIZE])
{
	static const char *const statuses[] = {"Active", "Draining", "Failed"};
	const struct blx__plan_node *node = &plan->model->nodes[i];
	int64_t cpu;
	int64_t memory;

	left_for(plan, node, &cpu, &memory);
	switch (number) {
	case REASON_STATUS:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is %s",
			statuses[node->status != BLX_NODE_ACTIVE ? node->status
								 : BLX_NODE_DRAINING]);
		break;
	case REASON_HEALTH:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "its health is Failed");
		break;
	case REASON_CPU:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "has %lld of cpu left, %lld needed",
			(long long)(cpu > 0 ? cpu : 0), (long long)plan->request.cpu);
		break;
	case REASON_MEMORY:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has %lld MiB of memory left, %lld needed",
			(long long)(memory > 0 ? memory : 0), (long long)plan->request.memory);
		break;
	case REASON_TAINT:
		taints_text(plan, node, ret_text, BLX_PLACE_REASON_SIZE);
		break;
	default:
		constraint_text(plan, i, number - REASON_CONSTRAINT, ret_text);
		break;
	}
}

int blx_place_plan_reason(const blx_place_plan *plan, size_t i, size_t k,
	char ret_text[BLX_PLACE_REASON_SIZE])
{
	unsigned number;

	if (plan == NULL || i >= plan->model->nodes_count) {
		return BLX_EINVAL;
	}
	for (number = 0; number < REASON_CONSTRAINT + BLX_CONSTRAINTS_MAX; number++) {
		if ((plan->verdicts[i].reasons >> number & 1) != 0 && k-- == 0) {
			reason_text(plan, i, number, ret_text);
			return 0;
		}
	}
	return BLX_EINVAL;
}

int blx_place_model_node_at(const blx_place_model *model, size_t i, blx_place_node *ret_node)
{
	const struct blx__plan_node *node;
	size_t size;

	if (model == NULL || ret_node == NULL || i >= model->nodes_count ||
		ret_node->size < sizeof *ret_node) {
		return BLX_EINVAL;
	}
	node = &model->nodes[i];
	size = ret_node->size;
	*ret_node = (blx_place_node){.size = size,
		.name = blx__word_text(&model->words, node->name),
		.cpu = node->cpu,
		.memory = node->memory,
		.cpu_free = node->cpu > node->cpu_used ? node->cpu - node->cpu_used : 0,
		.memory_free =
			node->memory > node->memory_used ? node->memory - node->memory_used : 0,
		.uses = node->uses_count};
	return 0;
}
