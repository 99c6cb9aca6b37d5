/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan is made of: shared by those that make it and those that tell of it. Pure.
 */
#ifndef BLX_PLAN_PLACE_H
#define BLX_PLAN_PLACE_H

#include "plan/model.h"

#include <blixard/record.h>

/* Reasons by their bits: these, and one for each constraint behind them. */
enum blx__plan_reason {
	BLX__REASON_STATUS = 0,
	BLX__REASON_HEALTH = 1,
	BLX__REASON_CPU = 2,
	BLX__REASON_MEMORY = 3,
	BLX__REASON_TAINT = 4,
	BLX__REASON_CONSTRAINT = 5 /* and so on */
};

/* A constraint in words. */
struct blx__plan_asked {
	int kind;
	blx__word key;
	size_t values_count;
	blx__word values[BLX_VALUES_MAX];
	int64_t limit;
	int64_t *counts;  /* owned; SPREAD: of the group, by the value of the label */
	int64_t emptiest; /* and the least of them */
};

struct blx__plan_verdict {
	uint64_t reasons;
	int64_t score;
};

struct blx_place_plan {
	const blx_place_model *model; /* borrowed */
	blx_place_request request;    /* what it points to is the plan's own copy */
	blx__word name;
	blx__word group;
	struct blx__plan_asked *asked;      /* owned */
	blx_constraint *constraints;        /* owned */
	struct blx__plan_verdict *verdicts; /* owned; one a node */
	int64_t chosen;                     /* -1: none */
};

/* What a place for the service must have. It borrows from both. */
blx_place_request blx__place_request_of(const char *name, const blx_service *service);

/* The value of a label; 0: it has none. */
blx__word blx__plan_label_of(const struct blx__plan_node *node, blx__word key);
/* By a constraint of what is asked. */
bool blx__plan_is_tolerated(const blx_place_plan *plan, blx__word taint);
/* What is left for the request: what it takes itself already is not in its way. */
void blx__plan_left_for(const blx_place_plan *plan, const struct blx__plan_node *node,
	int64_t *ret_cpu, int64_t *ret_memory);

#endif
