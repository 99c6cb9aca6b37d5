/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases, as the leader keeps them (watch/leases.h counts them): it hears those
 * who ask for theirs to be kept, and ends those whose time is over.
 *
 * What makes an answer good: a request to keep a lease is answered when a round
 * of reads.h that began after it came is confirmed and applied. So no other leader
 * was elected before it came; one that is later gives every lease its full time
 * from its election on; and an entry of a leader before that ends the lease has
 * been applied, and the answer is that it is gone. The time that was counted
 * before it came is void on arrival already.
 *
 * What keeps one from ending early: time counts only while this member leads and
 * is in contact with a majority, and never more of it between two ticks than
 * two of them, so that a process that stood still, with all requests to it
 * waiting in its sockets, counts none of that. A lease that is over is ended a
 * tick later at the earliest, by a transaction that relies on it being as it was.
 * Loop thread only.
 */
#ifndef BLX_NODE_KEEPER_H
#define BLX_NODE_KEEPER_H

#include "node/request.h"
#include "watch/leases.h"

#include <stdbool.h>
#include <stdint.h>

/* Being ended at once: the rest waits for the next tick. */
#define BLX__KEEPER_ENDING_MAX 256

struct blx__keeper {
	struct blx__node *node; /* borrowed */
	struct blx__leases leases;
	uint64_t term;      /* in which it counts; 0: it does not */
	uint64_t ticked_ns; /* when it last looked at the time */
	unsigned ending;    /* transactions under way */
	uint64_t kept;      /* counters */
	uint64_t ended;
};

void blx__keeper_init(struct blx__keeper *keeper, struct blx__node *node);
void blx__keeper_finish(struct blx__keeper *keeper);

/* At each tick of the node. */
void blx__keeper_tick(struct blx__keeper *keeper);

/* As the leader: a request BLX__OP_LEASE_KEEP came, and goes on as a read. */
void blx__keeper_hear(struct blx__keeper *keeper, struct blx__request *request);

/* The leader is confirmed since it came. */
void blx__keeper_answer(struct blx__keeper *keeper, struct blx__request *request);

#endif
