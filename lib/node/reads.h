/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consistent reads by read index (Raft thesis 6.4).
 *
 * On the leader a round notes the commit index R, asks every voter for its term
 * with a fresh nonce, and is confirmed when a majority of the voters of the
 * latest configuration (the leader itself counts if it is a voter and still
 * leader of that term) answered, after the round began, with a term that is
 * not greater. Every write acknowledged before the round began is at or below
 * R: any leader of a greater term was elected by a majority that shares a voter
 * with this one, and that voter's term was durable before it voted.
 * An entry of the leader's own term is committed first, else R may be old.
 * One round serves every read that waited when it began; a read never joins a
 * round that began before it.
 *
 * On another member a round asks the leader for R. Either way the read is
 * answered from the own replica when that has applied R.
 *
 * What a round has told serves later reads, too, that content themselves with
 * what was true a while ago (max_age), and under a lease (read_lease.h) all.
 */
#ifndef BLX_NODE_READS_H
#define BLX_NODE_READS_H

#include "base/list.h"
#include "node/request.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* More voters than this are never configured: conf.h's limit. */
#define BLX__READS_VOTERS_MAX 64

struct blx__reads {
	struct blx__node *node;  /* borrowed */
	struct blx__list wanted; /* for the next round */
	struct blx__list round;  /* in the one under way */
	bool probing;            /* a round of our own is under way */
	bool asking;             /* the leader has been asked */
	uint64_t nonce;
	uint64_t term;
	uint64_t index;
	uint64_t conf_index; /* of the configuration it was begun with */
	uint64_t began_ns;   /* or when it was last asked anew */
	uint64_t noted_ns;   /* when its index was noted, or the leader asked for it */
	uint32_t promise_ms; /* that its voters are asked for, read_lease.h; 0: nothing */
	uint64_t answered[BLX__READS_VOTERS_MAX];
	bool promised[BLX__READS_VOTERS_MAX]; /* of those that answered */
	unsigned answered_count;
	uint64_t rounds; /* counter */

	/* How current the replica is known to be: what a round told counts from when its
	 * index is applied here. */
	uint64_t ended_index;
	uint64_t ended_noted_ns;     /* 0: none waits */
	_Atomic uint64_t current_ns; /* ANY THREAD: it holds all that was acknowledged before
				      * then; 0: nothing is known */
};

void blx__reads_init(struct blx__reads *reads, struct blx__node *node);

/* Takes the request: READING until its index is known, then APPLYING. */
void blx__reads_add(struct blx__reads *reads, struct blx__request *request);

/* Begins a round if there is need and none is under way. */
void blx__reads_pump(struct blx__reads *reads);

/* A voter told its term, and whether it promises what it was asked for. */
struct blx__probe_reply {
	uint64_t nonce;
	uint64_t term;
	bool promised;
};
void blx__reads_on_probe_reply(struct blx__reads *reads, uint64_t from,
	const struct blx__probe_reply *reply);

/* So much is applied here. */
void blx__reads_applied(struct blx__reads *reads, uint64_t applied);

/* ANY THREAD: is the replica known to hold all that was acknowledged max_age_ms ago? */
bool blx__reads_current_within(struct blx__reads *reads, uint64_t max_age_ms);

/* Role, term, leader or configuration changed: a round that rested on the old is void. */
void blx__reads_on_change(struct blx__reads *reads);

/* Asks again where an answer is overdue. */
void blx__reads_tick(struct blx__reads *reads);

#endif
