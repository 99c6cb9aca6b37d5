/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of the membership, and handing leadership over: on the leader, one at
 * a time. What is safe is decided in guard_member.h; here it is carried out.
 * A change of the leader itself hands leadership over first and is then
 * performed by the new leader (Raft thesis 4.2.2 would allow more; libraft does
 * not survive it).
 */
#ifndef BLX_NODE_CHANGES_H
#define BLX_NODE_CHANGES_H

#include "node/identity.h"
#include "node/request.h"

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__changes {
	struct blx__node *node;        /* borrowed */
	struct raft_change change;     /* one for the member's life: raft has it while running */
	bool running;                  /* raft has it */
	struct blx__request *request;  /* that it is for; NULL once that gave up */
	uint64_t joining_id;           /* JOIN: added, to be made a learner; 0: no */
	bool learner_due;              /* it is committed as a spare */
	struct blx__request *transfer; /* waits for another to lead */
	raft_id transfer_to;           /* 0: anybody */
	uint64_t transfer_began_ns;
};

void blx__changes_init(struct blx__changes *changes, struct blx__node *node);

/* Takes a request for a change, here on the leader. */
void blx__changes_add(struct blx__changes *changes, struct blx__request *request);

/* A request ends before its change does; the change goes on. */
void blx__changes_forget(struct blx__changes *changes, struct blx__request *request);

/* Role or leader changed, or time passed. */
void blx__changes_poll(struct blx__changes *changes);

/* Hands leadership to the voter id, 0: to the best. 0 or a BLX_E… code. */
int blx__changes_transfer_begin(struct blx__node *node, raft_id id);

#endif
