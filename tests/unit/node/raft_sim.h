/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some raft members in one thread: real libraft behind real guards, over a
 * simulated clock, network and disks. Same seed, same run.
 *
 * The inner raft_io (raft_sim_io.c) promises no more than guard.h asks for. One
 * write of the log is done at a time, but what is asked for meanwhile is not
 * refused: it lands in the order of its ends, at the end of the log, wherever
 * that is then. That is what a disk does with the faults that the guard cures.
 * A crash loses what was not written, a restart begins with what was.
 *
 * An oracle looks at everything that leaves a member or is applied by one, and
 * keeps the first violation of what Raft promises as a text.
 */
#ifndef BLX_TESTS_NODE_RAFT_SIM_H
#define BLX_TESTS_NODE_RAFT_SIM_H

#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "node/guard.h"

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAFT_SIM_MEMBERS_MAX  7 /* ids from 1 on */
#define RAFT_SIM_INDEX_MAX    16384

#define RAFT_SIM_HEARTBEAT_MS 100
#define RAFT_SIM_ELECTION_MS  1000
#define RAFT_SIM_NEVER_MS     100000 /* as an election timeout */

/* What a member's machine holds: all commands so far, in order, as one number. */
struct raft_sim_state {
	raft_index index; /* of the last command */
	uint64_t hash;
};

struct raft_sim_entry {
	raft_term term;
	unsigned short type;
	size_t len;
	uint8_t *data; /* owned */
};

struct raft_sim_snapshot {
	raft_index index; /* 0: there is none */
	raft_term term;
	raft_index conf_index;
	struct raft_configuration conf; /* owned */
	struct raft_sim_state state;
};

struct raft_sim_disk {
	raft_term term;
	raft_id vote;
	raft_index start;               /* of entries[0] */
	struct raft_sim_entry *entries; /* owned */
	size_t count;
	size_t cap;
	struct raft_sim_snapshot snapshot;
	uint64_t write_end_ms; /* of the write under way */
	uint64_t busy_ms;      /* of all writes that were asked for */

	/* Set by tests. */
	unsigned append_ms;
	unsigned put_ms;
	unsigned fail_appends; /* so many fail from now on */
	unsigned fail_terms;
	unsigned fail_votes;
	unsigned fail_puts;
};

struct raft_sim;

struct raft_sim_member {
	struct raft_sim *sim;
	raft_id id;
	char address[16];
	bool running;
	bool failed;         /* its guard ended it: it is to be crashed */
	unsigned generation; /* counts its lives, so that events of an older one are void
			      */
	struct raft raft;
	struct raft_io io;
	struct raft_fsm fsm;
	struct blx__guard *guard; /* owned while it runs */
	raft_io_tick_cb tick_cb;
	raft_io_recv_cb recv_cb;
	struct blx__list
		pending; /* struct event: requests of raft's, to be called back */
	struct raft_sim_disk disk;
	struct raft_sim_state state;

	/* Set by tests. */
	unsigned election_ms; /* what it waits without a seed */
	unsigned sent_ms;     /* until a send is called back */
	unsigned fail_sends;  /* so many sends are refused */
	unsigned threshold;   /* entries until it takes a snapshot; 0: never */
	unsigned trailing;
};

/* A write that a client was told is done. */
struct raft_sim_acked {
	uint64_t value;
	raft_term term;
};

struct raft_sim {
	uint64_t now_ms;
	uint64_t seed; /* 0: nothing is left to chance */
	struct blx__rng rng;
	uint32_t without; /* enum blx__guard_cure, for all members */
	unsigned vote_guard_ms;
	unsigned stall_ms;
	bool pre_vote;
	unsigned members; /* ids 1 to this */
	struct raft_sim_member member[RAFT_SIM_MEMBERS_MAX + 1];
	bool cut[RAFT_SIM_MEMBERS_MAX + 1][RAFT_SIM_MEMBERS_MAX + 1]; /* from, to */
	uint64_t arrived_ms[RAFT_SIM_MEMBERS_MAX + 1][RAFT_SIM_MEMBERS_MAX + 1];
	unsigned net_ms;    /* one way; with a seed: at most */
	unsigned loss;      /* messages of 1000 that get lost, with a seed */
	unsigned piece_max; /* entries in one message, with a seed; 0: all */
	struct blx__heap events;

	/* Called with each message that leaves a member, before anything else. */
	void (*on_send)(
		struct raft_sim_member *member, const struct raft_message *message);
	void *data;

	/* The oracle. */
	char violation[256];                   /* empty: none yet */
	uint64_t value_at[RAFT_SIM_INDEX_MAX]; /* applied there by the first; 0: none */
	uint64_t hash_at[RAFT_SIM_INDEX_MAX];
	raft_id *leader_of; /* by term; owned */
	raft_term leaders;  /* size of it */
	struct {
		raft_term term;
		raft_id candidate;
	} granted[RAFT_SIM_MEMBERS_MAX + 1];
	struct raft_sim_acked *acked; /* owned */
	size_t acked_count;
	size_t acked_cap;
	uint64_t refused; /* writes that ended otherwise */
};

struct raft_sim *raft_sim_create(uint64_t seed, uint32_t without);
void raft_sim_destroy(struct raft_sim *sim);

/* Founds a cluster: the first members are voters, the next stand-bys, of a log that holds
 * their configuration. Starts them all. */
void raft_sim_found(struct raft_sim *sim, unsigned voters, unsigned standbys);

/* The same, without starting anybody. */
void raft_sim_prepare(struct raft_sim *sim, unsigned voters, unsigned standbys);

/* A member with an empty disk, to be added. */
raft_id raft_sim_join(struct raft_sim *sim);

/* 0 or raft_start()'s status; a member that did not start does not run. */
int raft_sim_start(struct raft_sim *sim, raft_id id);

/* Ends at once, with all that is not on disk. */
void raft_sim_crash(struct raft_sim *sim, raft_id id);

/* Ends as a node does: stops, drains, closes. False: it did not drain. */
bool raft_sim_close(struct raft_sim *sim, raft_id id);

void raft_sim_run(struct raft_sim *sim, uint64_t ms);
bool raft_sim_run_until_leader(struct raft_sim *sim, raft_id id, uint64_t ms);

/* Any of those that run, with the highest term; 0: none. */
raft_id raft_sim_leader(const struct raft_sim *sim);

/* Both directions. */
void raft_sim_cut(struct raft_sim *sim, raft_id a, raft_id b, bool cut);
void raft_sim_cut_off(struct raft_sim *sim, raft_id id, bool cut);
void raft_sim_heal(struct raft_sim *sim);

/* Stands for election when it heard of no leader for that long, and then every again_ms.
 */
void raft_sim_expire(struct raft_sim *sim, raft_id id, unsigned ms, unsigned again_ms);

/* Proposes a value, not 0; raft_apply()'s status. */
int raft_sim_propose(struct raft_sim *sim, raft_id id, uint64_t value);
bool raft_sim_is_acked(const struct raft_sim *sim, uint64_t value);

/* Is there a violation, or an acknowledged write that was applied nowhere? */
bool raft_sim_violated(struct raft_sim *sim);

__attribute__((format(printf, 2, 3))) void raft_sim_violate(
	struct raft_sim *sim, const char *format, ...);

/* Hands a member a message as if from another, and does what is due at once. Taken. */
void raft_sim_deliver(
	struct raft_sim *sim, raft_id to, raft_id from, struct raft_message *message);

/* ---- between raft_sim*.c ---- */

void raft_sim_io_init(struct raft_sim_member *member);
void raft_sim_io_detach(struct raft_sim_member *member);
void raft_sim_io_cancel(struct raft_sim_member *member);
bool raft_sim_step(struct raft_sim *sim, uint64_t until_ms);
raft_index raft_sim_disk_last(const struct raft_sim_disk *disk);
void raft_sim_disk_add(struct raft_sim_disk *disk, const struct raft_entry *entry);
void raft_sim_disk_drop_last(struct raft_sim_disk *disk, size_t count); /* count stay */
void raft_sim_disk_drop_first(struct raft_sim_disk *disk, size_t count);
void raft_sim_disk_store(
	struct raft_sim_disk *disk, const struct raft_snapshot *snapshot);
void raft_sim_disk_finish(struct raft_sim_disk *disk);

void raft_sim_on_apply(struct raft_sim_member *member, uint64_t value);
void raft_sim_on_restore(struct raft_sim_member *member, raft_index index);
void raft_sim_on_message(
	struct raft_sim_member *member, const struct raft_message *message);
void raft_sim_on_change(struct raft_sim_member *member);
void raft_sim_on_acked(struct raft_sim_member *member, uint64_t value);

#endif
