/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the leader can do, sent to it: the request waits here for its
 * answer. When the leader is lost meanwhile it looks for the next one.
 */
#ifndef BLX_NODE_FORWARD_H
#define BLX_NODE_FORWARD_H

#include "node/request.h"

#include <raft.h>

/* FORWARDED, or WAITING where the leader is not connected. */
void blx__forward_begin(struct blx__node *node, struct blx__request *request, raft_id leader);

/* A request ends before its answer came. */
void blx__forward_forget(struct blx__request *request);

#endif
