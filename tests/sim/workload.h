/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the cluster, each with one operation under way: through any
 * member, again through another with the same session and number when the
 * outcome is not known, until it is or they lose patience. What they asked and
 * were told makes the histories.
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "acks.h"
#include "cluster.h"
#include "history.h"

#define SIM_CLIENTS_MAX 32
#define SIM_KEYS_MAX    32

struct sim_call;

/* What was last seen of a key. */
struct sim_seen {
	uint32_t value;    /* 0: nothing there */
	uint64_t revision; /* of its last change; 0: not known */
};

struct sim_client {
	struct sim_workload *workload; /* borrowed */
	unsigned number;
	struct blx__rng rng;
	struct sim_event next;     /* to do something */
	struct sim_event patience; /* with the member that was asked */
	uint64_t session;
	int64_t born_ms;
	uint64_t seq;
	uint64_t acked;
	struct sim_seen seen[SIM_KEYS_MAX];

	/* The operation under way. */
	struct sim_wish *wish; /* owned; NULL: none */
	struct sim_call
		*call; /* the last that was made; NULL: it is answered or given up */
	unsigned attempts;
	bool maybe; /* an attempt of it may have been done */
};

/* A change that a client was told of, for the reads of one moment. */
struct sim_change {
	uint64_t revision;
	uint32_t value;
};

struct sim_changes {
	struct sim_change *list; /* owned; in the order of revisions once sorted */
	size_t count;
	size_t cap;
	bool unknown; /* there may be others */
};

/* Something was read of a replica at a revision. */
struct sim_look {
	unsigned key;
	uint32_t value;
	uint64_t modified; /* revision of the value */
	uint64_t revision; /* of the store */
};

struct sim_workload {
	struct sim_cluster *cluster; /* borrowed */
	unsigned clients_count;
	unsigned keys;
	struct sim_client clients[SIM_CLIENTS_MAX];
	struct sim_history histories[SIM_KEYS_MAX];
	struct sim_changes changes[SIM_KEYS_MAX];
	struct sim_look *looks; /* owned */
	size_t looks_count;
	size_t looks_cap;
	struct sim_acks acks;
	struct blx__list calls;
	uint32_t value; /* the last that was given out */
	bool stopping;
	uint64_t oks; /* counters */
	uint64_t conflicts;
	uint64_t unknowns;
	uint64_t retries;
	uint64_t too_hard;
};

void sim_workload_init(struct sim_workload *workload, struct sim_cluster *cluster);
void sim_workload_finish(struct sim_workload *workload);

void sim_workload_begin(struct sim_workload *workload);

/* No new operations; those under way come to their end. */
void sim_workload_stop(struct sim_workload *workload);
bool sim_workload_idle(const struct sim_workload *workload);

/* The member's process ended: nobody will answer. */
void sim_workload_on_end(struct sim_workload *workload, const struct sim_member *member);

/* Are the answers all explained? Else the world has failed. */
void sim_workload_check(struct sim_workload *workload);

#endif
