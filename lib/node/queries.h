/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL that others ask this member for: over an image that is pinned when the
 * request is answered, on a thread of its own, one statement after the other. One
 * that is not wanted any more, or ends with its request, is told to stop. Loop
 * thread only.
 */
#ifndef BLX_NODE_QUERIES_H
#define BLX_NODE_QUERIES_H

#include "base/list.h"
#include "node/request.h"

#include <stdbool.h>
#include <stdint.h>

/* Under way at once, with those that wait for the thread. */
#define BLX__QUERIES_MAX 16

struct blx__queries {
	struct blx__node *node; /* borrowed */
	struct blx__list works;
	unsigned count;
	uint64_t done; /* counter */
};

void blx__queries_init(struct blx__queries *queries, struct blx__node *node);

/* Tells all that are under way to stop. */
void blx__queries_finish(struct blx__queries *queries);
bool blx__queries_idle(const struct blx__queries *queries);

/* Takes a request BLX__OP_SQL. */
void blx__queries_add(struct blx__queries *queries, struct blx__request *request);

/* A request ends before its work does. */
void blx__queries_forget(struct blx__request *request);

#endif
