/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member: the machine, its log, libraft behind the guard, the peers, and the
 * requests of callers, on the loop of the env it is given. The simulator makes
 * many of them in one thread; the API makes one with an env of its own.
 *
 * Life: open (blocking: recovers what is on disk), begin (listens, starts raft;
 * before the loop runs or on it), then on the loop thread shut (graceful) or
 * nothing, closed by cb, free.
 */
#ifndef BLX_NODE_NODE_H
#define BLX_NODE_NODE_H

#include "base/error.h"
#include "machine/machine.h"
#include "node/identity.h"
#include "node/request.h"
#include "sys/env.h"
#include "sys/unit.h"
#include "watch/views.h"

#include <blixard/record.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__node;

struct blx__node_opts {
	struct blx__env *env;     /* borrowed; outlives the node */
	const char *data_dir;
	const char *socket_path;  /* NULL: none */
	const char *listen;       /* NULL: the identity's address */
	bool insecure_transport;
	bool lease_reads; /* read_lease.h */
	/* What this member is as a node that takes services: borrowed until open; NULL: it is
	 * none. Its record is made and kept up to date, overseer.h. */
	const blx_node_info *host;
	uint32_t election_timeout_ms;
	uint32_t heartbeat_ms;
	uint64_t snapshot_bytes;
	uint64_t snapshot_entries;
	uint64_t segment_bytes;
	void (*on_change)(void *data); /* loop thread; role, leader or failure changed */
	void *data;
};

int blx__node_open(const struct blx__node_opts *opts, struct blx__node **ret_node,
	blx_error *error);
/* Before it begins, once: its host runs services, steward.h. The table is taken: it is closed
 * while the node shuts, and its memory is whoever's cb is told then. */
void blx__node_units(struct blx__node *node, struct blx__units *units);

int blx__node_begin(struct blx__node *node, blx_error *error);

/* Hands leadership over if it can within timeout_ms, ends what is pending, closes all.
 * cb once, when nothing of the node is left on the loop. */
void blx__node_shut(struct blx__node *node, uint32_t timeout_ms, void (*cb)(void *data),
	void *data);

/* After shut's cb, or when begin was never called. */
void blx__node_free(struct blx__node *node);

/* ANY THREAD: the views of the replica, and the replica, for local reads. */
struct blx__views *blx__node_views(struct blx__node *node);
struct blx__machine *blx__node_machine(struct blx__node *node);

/* ANY THREAD: since a leader was last heard; 0 on the leader; UINT64_MAX: never. */
uint64_t blx__node_leader_age_ms(struct blx__node *node);

/* ANY THREAD: does the replica hold all that was acknowledged max_age_ms ago? */
bool blx__node_current_within(struct blx__node *node, uint64_t max_age_ms);

/* ANY THREAD: does it hold all that is acknowledged by now, for this is the leader and its
 * lease says so (read_lease.h)? */
bool blx__node_lease_holds(struct blx__node *node);

/* ANY THREAD: BLX_OK, or why the member has stopped by itself. */
int blx__node_failed(struct blx__node *node, blx_error *error);

const struct blx__identity *blx__node_identity(const struct blx__node *node);

struct blx__env *blx__node_env(struct blx__node *node);
struct blx__functions *blx__node_functions(struct blx__node *node);

/* ANY THREAD: what this member takes the cluster's time for: its own wall clock, or what
 * the log has come to (old if nothing was written) where that is ahead. */
int64_t blx__node_time_ms(struct blx__node *node);

/* ANY THREAD: a copy of what was true at the end of the last loop iteration. */
struct blx__node_view {
	uint64_t term;
	uint64_t commit_index;
	uint64_t applied_index;
	uint64_t leader_id;
	bool is_leader;
	bool is_caught_up;
	bool is_failed;
	char leader[BLX__NAME_LEN_MAX + 1];
};
void blx__node_view(struct blx__node *node, struct blx__node_view *ret_view);

#endif
