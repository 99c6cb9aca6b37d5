/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: a raft_io around another that makes the distribution's libraft
 * 0.15.0 keep Raft's promises, without touching libraft.
 *
 *   raft -> blx__guard_io() -> guard -> opts.inner -> log, peers, timers
 *
 * It lowers, holds back or drops what a bad network might have lost as well,
 * puts the disk's work in order, and stops the member at the first error of
 * the disk. Each fault it cures is named in enum blx__guard_cure and told in
 * the file that cures it. Every member of a cluster must run behind one.
 *
 * Owned by the node; loop thread only. The inner raft_io and the struct raft
 * outlive it. inner->data is the guard's. What the inner raft_io may count on:
 * one append in flight, a truncate or a snapshot_put only while none is, no
 * append while a snapshot is being installed (trailing 0). What it must do:
 * call back every request once, never inside of the call that made it. Appends,
 * snapshot_puts and sends may still be called back after its close was, which
 * only lets go of their memory; snapshot_gets may not. From when its close calls
 * back, entries and snapshots that it was given are raft's to free.
 *
 * append, truncate, set_term, set_vote, snapshot_put and send never fail
 * towards raft: libraft's error paths free twice, read freed unions and lose
 * entries. A failure of theirs ends the member instead: raft is told nothing
 * more, nothing leaves to other members, and on_fail is called once.
 */
#ifndef BLX_NODE_GUARD_H
#define BLX_NODE_GUARD_H

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__guard;

/* What is cured. Left out one by one by the tests, to see each fault without its cure. */
enum blx__guard_cure {
	/* guard_lead.c */
	BLX__CURE_OWN_TERM = 1 << 0,    /* entries of older terms are committed by counting */
	BLX__CURE_QUORUM = 1 << 1,      /* nothing commits while new entries keep coming */
	BLX__CURE_SOLE_VOTER = 1 << 2,  /* the only voter elects itself without a new term */
	/* guard_ack.c */
	BLX__CURE_ACK = 1 << 3,         /* entries are acknowledged that were never compared */
	BLX__CURE_ACK_STORED = 1 << 4,  /* entries are acknowledged that are not on disk */
	BLX__CURE_ACK_STALE = 1 << 5,   /* a write for an older leader is reported to a newer */
	BLX__CURE_HINT = 1 << 23,       /* conflicting logs are compared one entry a heartbeat */
	/* guard_append.c */
	BLX__CURE_ONE_APPEND = 1 << 6,  /* writes go on behind one that failed */
	BLX__CURE_FAIL_STOP = 1 << 7,   /* disk errors are survived wrongly */
	BLX__CURE_DRAIN = 1 << 8,       /* close with writes in flight */
	/* guard_recv.c */
	BLX__CURE_TRIM = 1 << 9,        /* an AppendEntries from below what is compacted */
	BLX__CURE_COMMIT_LIMIT = 1 << 10, /* commits what the request did not cover */
	BLX__CURE_REWRITE = 1 << 11,    /* an entry comes back while its old copy is in use */
	BLX__CURE_INSTALL = 1 << 12,    /* a snapshot is ignored for a conflicting entry */
	BLX__CURE_ORDER = 1 << 13,      /* a snapshot is installed among other disk work */
	/* guard_conf.c */
	BLX__CURE_CONF = 1 << 14,       /* configurations are not rolled back */
	/* guard_vote.c */
	BLX__CURE_CANDIDACY = 1 << 15,  /* elections with entries that are not on disk */
	BLX__CURE_TRANSFEREE = 1 << 16, /* two votes in one term */
	BLX__CURE_NON_VOTER = 1 << 17,  /* a member that is to vote does not know it yet */
	BLX__CURE_PRE_VOTE = 1 << 22,   /* a candidate is not told that its term is old */
	/* guard_send.c */
	BLX__CURE_SEND = 1 << 18,       /* a send that fails frees twice */
	BLX__CURE_TRANSFER = 1 << 19,   /* a transfer's memory is used after its callback */
	BLX__CURE_AWAY = 1 << 24,       /* whoever was away at an election gets a snapshot */
	/* guard_check.c */
	BLX__CURE_CHECK = 1 << 20,      /* libraft's own assertions are compiled out */
	/* guard_load.c */
	BLX__CURE_BATCH = 1 << 21,      /* loaded entries are freed while they are sent */

	BLX__CURE_ALL = (1 << 25) - 1
};

struct blx__guard_opts {
	struct raft *raft;      /* borrowed; raft_init() comes after blx__guard_create() */
	struct raft_io *inner;  /* borrowed */
	unsigned election_timeout_ms;

	/* For so long after the start no vote is given, so that a leader's lease that rests on
	 * this member's silence outlives its restart; 0: leases are not in use. */
	unsigned vote_guard_ms;

	/* An append that takes longer than this counts as a failed disk; 0: never. */
	unsigned stall_ms;

	/* The member must end: status is of raft.h, what is a static text. Called once, never
	 * inside of raft or of a call of the inner raft_io. May be NULL. */
	void (*on_fail)(void *data, int status, const char *what);

	/* Raft was called: role, term, leader, commit index, configuration may have changed.
	 * May call raft_apply() and the like. May be NULL. */
	void (*on_change)(void *data);

	void *data;
	uint32_t without; /* TESTS ONLY: enum blx__guard_cure */
};

/* BLX_ENOMEM. opts is copied. */
int blx__guard_create(const struct blx__guard_opts *opts, struct blx__guard **ret_guard);

/* After raft_close() has called back, or if raft was never started. NULL is allowed. */
void blx__guard_destroy(struct blx__guard *guard);

/* The raft_io for raft_init(). */
struct raft_io *blx__guard_io(struct blx__guard *guard);

/* After calls of the node's own into raft (raft_start, raft_apply, raft_add ...), outside of
 * raft's callbacks: does what became due, as after a message. */
void blx__guard_poll(struct blx__guard *guard);

/* No more messages and ticks to raft from here on; what is in flight comes to its end. */
void blx__guard_stop(struct blx__guard *guard);

/* A leader rests on it that for so long from now this member votes for nobody and asks for no
 * votes, but in the one election that a leader tells it to begin (read_lease.h). */
void blx__guard_be_silent(struct blx__guard *guard, unsigned for_ms);

/* Nothing is in flight: raft_close() has nothing to cancel. */
bool blx__guard_drained(const struct blx__guard *guard);

/* A failure ended this member; on_fail was called or will be. */
bool blx__guard_failed(const struct blx__guard *guard);

/* As the leader with an own-term entry committed, and no change or transfer under way: a
 * membership change may begin (Ongaro, raft-dev 2015: never before). */
bool blx__guard_may_change(const struct blx__guard *guard);

/* The commit index that a ReadIndex round may begin with. *ret_ok is false, and the result 0,
 * unless this is the leader and an entry of its own term is committed (dissertation 6.4). */
uint64_t blx__guard_read_index(const struct blx__guard *guard, bool *ret_ok);

/* fsm->snapshot() must return RAFT_BUSY while this is false: the configuration is not
 * committed, and libraft would put it into the snapshot. */
bool blx__guard_snapshot_ok(const struct blx__guard *guard);

/* The newest configuration that is committed, with its index; NULL before there is one.
 * Borrowed until the next call into raft. */
const struct raft_configuration *blx__guard_committed_conf(const struct blx__guard *guard,
	uint64_t *ret_index);

/* The newest one that is in the log but not known to be committed; NULL: there is none. */
const struct raft_configuration *blx__guard_uncommitted_conf(const struct blx__guard *guard,
	uint64_t *ret_index);

/* The term of the entry at the index; 0 when it is not in the log (nor the snapshot's last). */
uint64_t blx__guard_term_of(const struct blx__guard *guard, uint64_t index);

/* What the guard did, for status and tests. */
struct blx__guard_stats {
	uint64_t appends;      /* asked for by raft */
	uint64_t writes;       /* passed on, merged */
	uint64_t acks_lowered;
	uint64_t commits_held; /* answers that could not move the commit index yet */
	uint64_t trimmed;      /* AppendEntries that began below the commit index */
	uint64_t dropped;      /* messages raft did not see */
	uint64_t rollbacks;    /* of configurations */
};

void blx__guard_stats_get(const struct blx__guard *guard, struct blx__guard_stats *ret_stats);

#endif
