/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of a plan: faults and load, then load without faults, then quiet;
 * at the end everything is held against the histories, and all is taken down.
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "plan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Plain, so that it can come through a pipe. */
struct sim_outcome {
	uint64_t seed;
	bool failed;
	char failure[1024];
	uint64_t hash;
	uint64_t steps;
	uint64_t virtual_ns;
	uint64_t oks;
	uint64_t conflicts;
	uint64_t unknowns;
	uint64_t retries;
	uint64_t too_hard;
	uint64_t terms;
	uint64_t applied;
	uint64_t messages;
	uint64_t disk_writes;
	uint64_t sectors_lost;
	uint64_t names_lost;
	uint64_t snapshots;
	uint64_t installs;
	uint64_t changes;
	uint64_t events; /* that watchers were told */
	uint64_t compacted;
	uint64_t leases_kept;
	uint64_t leases_ended;
	uint64_t reserved; /* with other writes of those who reserve */
	uint64_t reserved_lost;
	uint64_t operated;
	uint64_t started; /* units */
	uint64_t guarded; /* stopped by the guard */
	uint64_t gated;
	uint64_t hung;
	uint64_t faults[SIM_FAULTS];
};

/* story may be NULL. */
void sim_run(const struct sim_plan *plan, FILE *story, struct sim_outcome *ret_outcome);

#endif
