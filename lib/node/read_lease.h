/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leader's lease for consistent reads (Raft dissertation 6.4.1): for as long
 * as it holds no other leader can have been elected, so the leader answers
 * without asking anybody. Off by default.
 *
 * It does not rest on raft's own timers. A round of reads.h asks each voter for
 * a promise, too: for election_timeout * 3/4 after the question came (P, by the
 * voter's own monotonic clock) it votes for nobody and asks for no votes, but
 * in an election that its leader told it to begin (guard_vote.c). With the
 * promises of a majority, the leader's own among them, the lease holds for 3/4
 * of P from the moment the round's index was noted, by the leader's clock. Any
 * new leader needs the vote of one who promised.
 *
 * What must hold for that:
 *   1. No monotonic clock runs more than BLX__CLOCK_DRIFT_PERCENT faster or slower
 *      than true time, over P: 3/4 P / (1 - d) <= P / (1 + d) up to d = 1/7. A
 *      host that stands still while its clock does (a suspended guest) is not
 *      within that bound, and must not use leases.
 *   2. A leader that hands over lets go of its lease first, and takes none in
 *      that term again: its successor is elected despite promises.
 *   3. A voter that restarts has forgotten its promise: it votes for nobody for
 *      P. That it may have promised is durable before it does, so that also a
 *      restart without the option keeps quiet once.
 *   4. Another configuration ends the lease: its majorities may miss ours.
 *   5. Reads by the lease see what is applied here; a write is acknowledged to
 *      anybody only after this leader, or one before it, has applied it. So the
 *      lease begins when the round's index is applied here.
 */
#ifndef BLX_NODE_READ_LEASE_H
#define BLX_NODE_READ_LEASE_H

#include "base/error.h"
#include "sys/files.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__node;

#define BLX__CLOCK_DRIFT_PERCENT 10

/* A round that was confirmed with the promises of a majority. */
struct blx__read_round {
	uint64_t term;
	uint64_t index;      /* its read index */
	uint64_t conf_index; /* of the configuration whose majority it was */
	uint64_t noted_ns;   /* when its index was noted, before any promise */
};

struct blx__read_lease {
	struct blx__node *node;       /* borrowed */
	uint64_t barred_term;         /* none is taken in this one */
	struct blx__read_round round; /* what the lease rests on */
	bool waiting;                 /* for round.index to be applied */
	_Atomic uint64_t until_ns;    /* ANY THREAD; 0: there is none */
	uint64_t taken;               /* counter */
	uint64_t reads;               /* counter, of those on the loop */
};

void blx__read_lease_init(struct blx__read_lease *lease, struct blx__node *node);

/* What voters are to promise in a round that begins now; 0: no promise is wanted. */
uint32_t blx__read_lease_promise_ms(const struct blx__read_lease *lease);

/* How long a lease holds that rests on promises of promise_ms. */
uint64_t blx__read_lease_ns(uint32_t promise_ms);

/* Does this member promise as much, and will it keep to it? It is bound if so. */
bool blx__read_lease_promise(struct blx__read_lease *lease, uint32_t promise_ms);

void blx__read_lease_take(struct blx__read_lease *lease, const struct blx__read_round *round);

/* So much is applied here. */
void blx__read_lease_applied(struct blx__read_lease *lease, uint64_t applied);

/* Role, term or configuration may be others. */
void blx__read_lease_on_change(struct blx__read_lease *lease);

/* Leadership is about to be handed over. */
void blx__read_lease_bar(struct blx__read_lease *lease);

/* The member has failed or ends. */
void blx__read_lease_end(struct blx__read_lease *lease);

/* ANY THREAD: what this replica holds now is what is true now. */
bool blx__read_lease_holds(struct blx__read_lease *lease);

/*
 * At the start, before anything is promised: with leases in use it is written
 * down that they are; *ret_quiet: votes must wait, for promises may have been
 * made before. Blocking.
 */
int blx__read_lease_open(const struct blx__files *files, const char *data_dir, bool in_use,
	bool *ret_quiet, blx_error *error);

#endif
