/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one run is made of: all of it follows from the seed (a swarm: each seed
 * leaves out some faults and exaggerates others), unless it is set by hand.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "base/rng.h"
#include "env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What can be done to a cluster; bits of plan.faults. */
enum sim_fault {
	SIM_FAULT_PARTITION = 1 << 0, /* two sides, both ways */
	SIM_FAULT_ONE_WAY = 1 << 1,   /* some links, one way each */
	SIM_FAULT_ISOLATE = 1 << 2,   /* one member */
	SIM_FAULT_SLOW = 1 << 3,      /* links */
	SIM_FAULT_RESET = 1 << 4,     /* connections */
	SIM_FAULT_KILL = 1 << 5,      /* processes */
	SIM_FAULT_POWER = 1 << 6,     /* hosts */
	SIM_FAULT_STOP = 1 << 7,      /* in good order */
	SIM_FAULT_PAUSE = 1 << 8,     /* processes */
	SIM_FAULT_STALL = 1 << 9,     /* disks */
	SIM_FAULT_DISK = 1 << 10,     /* errors of writes and reads */
	SIM_FAULT_FULL = 1 << 11,     /* disks */
	SIM_FAULT_CLOCK = 1 << 12,    /* rates, and jumps of the wall clock */
	SIM_FAULT_MEMBERS = 1 << 13,  /* join, promote, demote, remove */
	SIM_FAULT_TRANSFER = 1 << 14, /* leadership */
	SIM_FAULT_WIPE = 1 << 15,     /* a member's disk is lost, or rots */
	SIM_FAULT_GHOST =
		1 << 16, /* a lost disk is replaced by one with the old identity */
	SIM_FAULT_ALL = (1 << 17) - 1
};

#define SIM_FAULTS 17

/* The name of fault number i. */
const char *sim_fault_name(unsigned i);

/* "all", "none", or names with commas. */
bool sim_faults_parse(const char *text, unsigned *ret_faults);
void sim_faults_format(unsigned faults, char *ret_text, size_t size);

struct sim_plan {
	uint64_t seed;
	unsigned members;
	unsigned clients;
	unsigned watchers;
	unsigned tenants;  /* who hold leases */
	unsigned starters; /* who reserve */
	bool services;     /* members are nodes */
	unsigned operators; /* who have services run there */
	unsigned keys;
	unsigned value_max;
	unsigned faults;
	uint64_t fault_ns;    /* mean time between two */
	uint64_t chaos_ns;    /* how long there are faults */
	uint64_t load_ns;     /* how long clients go on after that */
	uint64_t steps_max;   /* events with faults; 0: by time alone */
	unsigned think_ms;    /* of a client, at most */
	unsigned read_part;   /* per mille */
	unsigned leader_bias; /* per mille of faults that meet the leader */

	bool leases; /* members answer consistent reads by the leader's lease */
	unsigned election_ms;
	unsigned heartbeat_ms;
	uint64_t snapshot_bytes;
	uint64_t snapshot_entries;
	unsigned trailing;
	uint64_t segment_bytes;

	uint64_t latency_ns;
	uint64_t jitter_ns;
	uint64_t give_up_ns;
	struct sim_pace disk;
	struct sim_pace work;
};

void sim_plan_make(struct sim_plan *plan, uint64_t seed);

/* One line. */
void sim_plan_format(const struct sim_plan *plan, char *ret_text, size_t size);

#endif
