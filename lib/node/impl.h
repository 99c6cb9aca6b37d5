/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a member, shared by the files of node/ and by nobody else.
 * Loop thread only, but for the fields that say otherwise.
 */
#ifndef BLX_NODE_IMPL_H
#define BLX_NODE_IMPL_H

#include "base/list.h"
#include "machine/machine.h"
#include "node/changes.h"
#include "node/forward.h"
#include "node/guard.h"
#include "node/hosts.h"
#include "node/functions.h"
#include "node/identity.h"
#include "node/images.h"
#include "node/io.h"
#include "node/keeper.h"
#include "node/known.h"
#include "node/list.h"
#include "node/node.h"
#include "node/overseer.h"
#include "node/peers.h"
#include "node/proposals.h"
#include "node/queries.h"
#include "node/read_lease.h"
#include "node/reads.h"
#include "node/request.h"
#include "node/server.h"
#include "node/steward.h"
#include "node/watches.h"
#include "sys/env.h"
#include "wal/wal.h"

#include <pthread.h>
#include <raft.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The one group of a member for now. */
#define BLX__GROUP 0

struct blx__counters {
	uint64_t proposals;          /* writes taken into an entry here */
	uint64_t entries;            /* entries proposed here */
	uint64_t applied_commands;
	uint64_t elections_won;
	uint64_t leader_changes;
	uint64_t forwarded;
	uint64_t snapshots_taken;
	uint64_t snapshots_installed;
	uint64_t requests;
	uint64_t requests_failed;
};

struct blx__node {
	struct blx__env *env; /* borrowed */
	struct blx__node_opts opts;
	char *data_dir;       /* owned */
	char *socket_path;    /* owned, may be NULL */
	char *listen;         /* owned */
	struct blx__identity identity;
	uint64_t incarnation; /* random, of this run */
	struct blx__file *lock;
	struct blx__wal *wal;
	struct blx__machine *machine;

	struct raft raft;
	struct raft_fsm fsm;
	struct blx__io *io;
	struct blx__guard *guard;
	bool quiet_start; /* it may have promised in its run before, read_lease.h */
	bool raft_inited;
	bool raft_started;

	struct blx__known *known; /* owned */
	struct blx__peers *peers;
	struct blx__server *server;
	struct blx__proposals proposals;
	struct blx__reads reads;
	struct blx__read_lease read_lease;
	struct blx__changes changes;
	struct blx__lists lists;
	struct blx__images images;
	struct blx__watches watches;
	struct blx__keeper keeper;
	struct blx__queries queries;
	struct blx__overseer overseer;
	struct blx__hosts hosts;
	struct blx__steward steward;
	struct blx__functions functions;
	unsigned own_writes; /* own_write.h: under way */
	struct blx__timer tick;

	/* Requests, by state. */
	pthread_mutex_t intake_lock;  /* for intake alone */
	struct blx__list intake;      /* ANY THREAD, under intake_lock */
	struct blx__post intake_post;
	struct blx__list waiting;
	struct blx__list forwarded;
	struct blx__list applying;
	struct blx__list working;

	/* What was true when last looked at, to notice changes. */
	int role; /* of raft_state() */
	raft_term term;
	raft_id leader;
	raft_index commit_seen;
	raft_index conf_seen;           /* the latest, and the committed one */
	raft_index conf_committed_seen;
	uint64_t leaderless_since_ns; /* 0: a leader is known */
	raft_index catch_up_index;    /* to be applied before this member has caught up */
	bool leader_commit_heard;     /* a leader has said what is committed */
	bool caught_up;

	/* Ending. */
	bool stopping;
	bool closing;
	bool failed;
	bool raft_closed;
	blx_error failure;      /* under view_lock */
	struct blx__post fail_post;
	struct blx__timer shut_timer;
	int shut_step; /* of end.c */
	uint64_t shut_deadline_ns;
	struct raft_transfer transfer; /* one for the member's life: libraft keeps a send
					* request inside it (LIBRAFT c6cfe58) */
	bool transferring;
	void (*shut_cb)(void *data);
	void *shut_data;

	/* Snapshots. */
	uint64_t log_bytes; /* of entries applied since the last snapshot */
	uint64_t entry_bytes_mean;
	unsigned releases;  /* old states that a worker lets go of */

	_Atomic uint64_t heard_ns; /* ANY THREAD: when a leader was last heard; 0: never */
	_Atomic bool is_leader;    /* ANY THREAD */
	pthread_mutex_t view_lock;
	struct blx__node_view view; /* ANY THREAD, under view_lock */
	struct blx__counters counters;
};

/* Looks at raft after anything may have changed it, and acts on what changed. */
void blx__node_poll(struct blx__node *node);

/* Its failure, and its being told to end, can come from here on. */
void blx__node_end_init(struct blx__node *node);

/* Stops the member after a failure that it must not go on from. Deferred; the first
 * reason counts. */
void blx__node_fail(struct blx__node *node, const blx_error *why);

/* Takes the next step of a request that has no place. */
void blx__node_dispatch(struct blx__node *node, struct blx__request *request);

/* Moves what waits on where it can go now. */
void blx__node_wake_waiting(struct blx__node *node);

/* Ends the reads that wait for a leader, when none has been known for long. */
void blx__node_fail_leaderless(struct blx__node *node);

/* Answers those whose index or revision is applied. */
void blx__node_wake_applying(struct blx__node *node);

/* A leader said that so much is committed; before raft sees it. */
void blx__node_hear_commit(struct blx__node *node, raft_index commit);

/* The log's entries from the index on are gone. */
void blx__node_log_cut(struct blx__node *node, raft_index index);

/* The leader's id, 0 when none is known that is heard of. */
raft_id blx__node_leader(struct blx__node *node);

bool blx__node_is_leader(const struct blx__node *node);

/* Of the latest configuration this member has, committed or not. */
raft_index blx__node_conf_index(const struct blx__node *node);

/* As the leader: has a majority of the voters been heard within an election timeout? */
bool blx__node_has_contact(struct blx__node *node);

/* The name of a member, or "member <id>" in the buffer. */
const char *blx__node_member_name(struct blx__node *node, raft_id id, char *buf, size_t size);

/* And the member of a name; 0: there is none. */
raft_id blx__node_member_id(struct blx__node *node, const char *name);

/* The record of a node in the replica, which is zeroed if it is none that can be read; its extra
 * is the caller's. False: there is none, or that. ret_revision: 0: there is none. */
bool blx__node_record(struct blx__node *node, const char *name, blx_node_info *ret_info,
	uint64_t *ret_revision);

/* Answers a read or a status that this member can answer by itself now. */
void blx__node_answer_local(struct blx__node *node, struct blx__request *request);

/* The answer to BLX__OP_STATUS: JSON text, to be freed with free(); NULL without memory. */
char *blx__node_status_text(struct blx__node *node);

/* The state machine's side of raft. */
void blx__fsm_init(struct blx__node *node);

#endif
