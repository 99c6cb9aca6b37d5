/* SPDX-License-Identifier: Apache-2.0 */
/* Why a node will not do, as text. */
#include "plan/place.h"

#include <stdio.h>
#include <string.h>

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
		&plan->model->words, blx__plan_label_of(node, plan->asked[number].key));
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
			"its label %s is \"%s\", and not one of: %s", constraint->key,
			label, values);
		break;
	case BLX_LABEL_NOT_IN:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"its label %s is \"%s\", one of: %s", constraint->key, label,
			values);
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
			"its label %s is \"%s\", where with this one there would be more "
			"than "
			"%lld over the emptiest",
			constraint->key, label, (long long)constraint->limit);
		break;
	case BLX_TOLERATE:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is repelled");
		break;
	}
}

static void taints_text(const blx_place_plan *plan, const struct blx__plan_node *node,
	char *to, size_t size)
{
	size_t i;

	(void)snprintf(to, size, "has taints that are not tolerated:");
	for (i = 0; i < node->taints_count; i++) {
		size_t len = strlen(to);

		if (!blx__plan_is_tolerated(plan, node->taints[i])) {
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

	blx__plan_left_for(plan, node, &cpu, &memory);
	switch (number) {
	case BLX__REASON_STATUS:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "is %s",
			statuses[node->status != BLX_NODE_ACTIVE ? node->status
								 : BLX_NODE_DRAINING]);
		break;
	case BLX__REASON_HEALTH:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE, "its health is Failed");
		break;
	case BLX__REASON_CPU:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has %lld of cpu left, %lld needed",
			(long long)(cpu > 0 ? cpu : 0), (long long)plan->request.cpu);
		break;
	case BLX__REASON_MEMORY:
		(void)snprintf(ret_text, BLX_PLACE_REASON_SIZE,
			"has %lld MiB of memory left, %lld needed",
			(long long)(memory > 0 ? memory : 0),
			(long long)plan->request.memory);
		break;
	case BLX__REASON_TAINT:
		taints_text(plan, node, ret_text, BLX_PLACE_REASON_SIZE);
		break;
	default:
		constraint_text(plan, i, number - BLX__REASON_CONSTRAINT, ret_text);
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
	for (number = 0; number < BLX__REASON_CONSTRAINT + BLX_CONSTRAINTS_MAX;
		number++) {
		if ((plan->verdicts[i].reasons >> number & 1) != 0 && k-- == 0) {
			reason_text(plan, i, number, ret_text);
			return 0;
		}
	}
	return BLX_EINVAL;
}

int blx_place_model_node_at(
	const blx_place_model *model, size_t i, blx_place_node *ret_node)
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
		.memory_free = node->memory > node->memory_used
				       ? node->memory - node->memory_used
				       : 0,
		.uses = node->uses_count};
	return 0;
}
