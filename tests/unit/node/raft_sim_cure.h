/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios that need a cure. Each is told twice, with the cure and without it,
 * so that it is known to fail for want of the cure and of nothing else.
 */
#ifndef BLX_TESTS_NODE_RAFT_SIM_CURE_H
#define BLX_TESTS_NODE_RAFT_SIM_CURE_H

#include "raft_sim.h"

enum raft_sim_outcome {
	RAFT_SIM_OK,
	RAFT_SIM_VIOLATED, /* what Raft promises was broken */
	RAFT_SIM_STUCK,    /* what had to happen did not */
	RAFT_SIM_CRASHED
};

/* Makes a cluster of the simulation it is given, and tells a story. */
typedef enum raft_sim_outcome (*raft_sim_scenario)(struct raft_sim *sim);

/* Asserts that it ends well with all cures, also without the others, and as told without
 * the cure as well. The others are those that would hide the fault: one cure often stands
 * behind another. BLX_VERBOSE in the environment shows what went wrong. */
void raft_sim_check_cure(raft_sim_scenario scenario, uint32_t cure, uint32_t others,
	enum raft_sim_outcome expected);

/* How it ends in a process of its own. */
enum raft_sim_outcome raft_sim_try(raft_sim_scenario scenario, uint32_t without);

/* Makes one of a fresh cluster the leader, with its first entry committed; the others
 * never stand for election. */
void raft_sim_elect(struct raft_sim *sim, raft_id id);

#endif
