/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a member does for the nodes that take services: it writes down what its own
 * host has, when that is not so written, and as the leader it runs act/reconcile with
 * what it hears of the others. Loop thread only.
 */
#ifndef BLX_NODE_OVERSEER_H
#define BLX_NODE_OVERSEER_H

#include "act/reconcile.h"

#include <blixard/record.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__node;
struct blx__request;

struct blx__overseer {
	struct blx__node *node; /* borrowed */
	blx_node_info *host;    /* owned; NULL: this member is no node */
	uint64_t looked_ns;     /* at the own record */
	bool writing;           /* of it */
	struct blx__reconcile reconcile;
};

void blx__overseer_init(struct blx__overseer *overseer, struct blx__node *node);
/* What it is as a node. BLX_ENOMEM. */
int blx__overseer_host(struct blx__overseer *overseer, const blx_node_info *host);
void blx__overseer_finish(struct blx__overseer *overseer);

/* At each tick of the node, and after something was applied. */
void blx__overseer_tick(struct blx__overseer *overseer);
void blx__overseer_poll(struct blx__overseer *overseer);

/* As the leader: answers BLX__OP_HEALTH. */
void blx__overseer_answer(struct blx__overseer *overseer, struct blx__request *request);

#endif
