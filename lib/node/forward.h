/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the leader can do, sent to it: the request waits here for its
 * answer. When the leader is lost meanwhile it looks for the next one.
 */
#ifndef BLX_NODE_FORWARD_H
#define BLX_NODE_FORWARD_H

#include "node/request.h"

#include <raft.h>
#include <stdbool.h>

/* FORWARDED, or WAITING where the leader is not connected. */
void blx__forward_begin(struct blx__node *node, struct blx__request *request, raft_id leader);

/*
 * What a certain member is asked, in the name of the request: true: it is on its way there, or
 * has ended, for there is no such member, or none is connected. False: this is the one.
 */
bool blx__forward_to(struct blx__node *node, struct blx__request *request, const char *name);

/* A request ends before its answer came. */
void blx__forward_forget(struct blx__request *request);

#endif
