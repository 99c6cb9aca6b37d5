/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster for a story: nothing happens to it but what is asked for, and each
 * question is asked and waited for before the next one. What it came to is told
 * in words that do not change with who happened to be elected, or when.
 */
#ifndef SIM_STAGE_H
#define SIM_STAGE_H

#include "admin.h"
#include "cluster.h"

#include <stdbool.h>
#include <stddef.h>

struct sim_stage {
	struct sim_plan plan;
	struct sim_world world;
	struct sim_cluster cluster;
	struct sim_admin admin;
	struct sim_stage_call *call; /* owned; NULL: none under way */
	uint64_t session;
	uint64_t seq;
	char *answer; /* borrowed while a line is done: where its answer goes */
	size_t answer_size;
};

/* False: it cannot be founded, and the world says why. */
bool sim_stage_create(struct sim_stage *stage, unsigned members, bool leases);
void sim_stage_finish(struct sim_stage *stage);

/* Does one line, "verb argument ...". False: it is not understood, or what it waits for
 * did not come; the answer says so either way. */
bool sim_stage_do(struct sim_stage *stage, char *line, char *ret_answer, size_t size);

#endif
