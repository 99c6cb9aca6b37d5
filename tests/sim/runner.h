/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in processes of their own, so that an assertion or a crash of one is its
 * failure and nothing else's; many at once; and the least that still fails.
 */
#ifndef SIM_RUNNER_H
#define SIM_RUNNER_H

#include "run.h"

/* One, told to nobody. */
void sim_runner_one(const struct sim_plan *plan, struct sim_outcome *ret_outcome);

/* Many, so many at a time; cb for each in the order they end. */
struct sim_batch {
	uint64_t first;
	uint64_t last;
	unsigned jobs;
	/* Sets what was given by hand. */
	void (*adjust)(struct sim_plan *plan, void *data);
	/* False: no more are begun. */
	bool (*cb)(const struct sim_plan *plan, const struct sim_outcome *outcome,
		void *data);
	void *data;
};
void sim_runner_many(const struct sim_batch *batch);

/* Makes a plan that fails smaller as long as it fails in the same way. */
void sim_shrink(struct sim_plan *plan, struct sim_outcome *outcome);

/* The command that repeats a plan. */
void sim_plan_command(const struct sim_plan *plan, char *ret_text, size_t size);

#endif
