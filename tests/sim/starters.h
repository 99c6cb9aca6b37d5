/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who start things: each reads a replica, which may be old, plans, and reserves
 * under a lease that it does not keep; now and then one changes what a node has, or
 * removes it. At no revision may what is reserved on a node become more than it has,
 * and what is reserved by one who is gone must be free again.
 */
#ifndef SIM_STARTERS_H
#define SIM_STARTERS_H

#include "guest.h"
#include "watch/history.h"

#include <stdbool.h>

#define SIM_STARTERS_MAX 4
#define SIM_NODES        3

struct sim_starter {
	struct sim_guest guest; /* first */
	struct sim_starters *starters;
	uint64_t lease;    /* 0: none */
	uint64_t since_ns; /* when it was granted */
	uint64_t started;  /* counter of names */
};

struct sim_starters {
	struct sim_cluster *cluster; /* borrowed */
	unsigned count;
	struct sim_starter list[SIM_STARTERS_MAX];
	int64_t capacity[SIM_NODES]; /* -1: there is no such node */
	int64_t reserved[SIM_NODES];
	uint64_t made; /* counters */
	uint64_t lost; /* others were faster */
	bool stopping;
};

void sim_starters_init(struct sim_starters *starters, struct sim_guests *guests);
void sim_starters_stop(struct sim_starters *starters);

/* Some member was the first to apply this. */
void sim_starters_see(struct sim_starters *starters, const struct blx__change *change);

/* Nothing is under way, and nothing is reserved any more. */
bool sim_starters_done(const struct sim_starters *starters);

#endif
