/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes on their way through raft, on the leader. What arrives while an entry
 * is under way is packed into the next one (group commit): one entry, one
 * append, one message to each follower for all of it. A write is answered from
 * apply, by the token that its entry carries, so nothing depends on libraft's
 * own callbacks but to learn that leadership was lost.
 */
#ifndef BLX_NODE_PROPOSALS_H
#define BLX_NODE_PROPOSALS_H

#include "base/list.h"
#include "machine/machine.h"
#include "node/request.h"

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

/* Commands of one entry. */
#define BLX__BATCH_COMMANDS_MAX 128

/*
 * The two numbers of the group commit: how many entries may be under way before
 * the next one leaves. A full one leaves while there are fewer than
 * BLX__BATCHES_MAX: enough to hide the disk behind the network. One that is not
 * full waits for company, but only while BLX__BATCHES_PART_MAX are under way.
 * With 1, callers that write again as soon as they are answered fall into step:
 * the first of them takes an entry for itself and the others wait for it, so
 * that every other round trip carries a single write. With 2 the others leave
 * in the second entry while the first is on its way; more would only make
 * entries smaller.
 */
#define BLX__BATCHES_MAX      8
#define BLX__BATCHES_PART_MAX 2

/* Bytes of commands of one entry; a larger command goes alone. */
#define BLX__BATCH_BYTES_MAX (512 * 1024)

/* Writes that may wait; more are refused with BLX_EBUSY. */
#define BLX__PROPOSALS_QUEUE_MAX 65536

struct blx__proposals {
	struct blx__node *node;   /* borrowed */
	struct blx__list queued;  /* requests */
	size_t queued_count;
	size_t queued_bytes;      /* of their commands */
	struct blx__list batches; /* in the order of their entries */
	unsigned batches_count;
	uint64_t token;           /* of the last batch */
};

void blx__proposals_init(struct blx__proposals *proposals, struct blx__node *node);
void blx__proposals_finish(struct blx__proposals *proposals);

/* Takes a write, here on the leader. */
void blx__proposals_add(struct blx__proposals *proposals, struct blx__request *request);

/* Makes entries of what waits, as far as it may. */
void blx__proposals_pump(struct blx__proposals *proposals);

/* A request that is queued or proposed ends, or goes elsewhere, before it is answered. */
void blx__proposals_forget(struct blx__proposals *proposals, struct blx__request *request);

/* From apply: the reply to command number position of the entry. */
void blx__proposals_on_reply(struct blx__proposals *proposals, uint64_t token, unsigned position,
	const struct blx__reply *reply);

/* All of them end with this. */
void blx__proposals_fail(struct blx__proposals *proposals, int code, const char *text);

/* Leadership is lost: what was queued or proposed looks for the new leader. */
void blx__proposals_on_lost(struct blx__proposals *proposals);

#endif
