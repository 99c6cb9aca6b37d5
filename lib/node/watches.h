/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watches of a member: requests that wait for a change that they match, and
 * the history they are answered from. A watcher comes back with its position
 * after each answer, to this member or to another; in between nothing of it is
 * kept here, so that a slow one holds nobody up and a lost one leaves nothing.
 * Only what is committed is ever applied, and only what is applied is told.
 * Loop thread only.
 */
#ifndef BLX_NODE_WATCHES_H
#define BLX_NODE_WATCHES_H

#include "base/buf.h"
#include "base/list.h"
#include "machine/machine.h"
#include "node/request.h"
#include "watch/history.h"
#include "watch/views.h"

#include <stdint.h>

/* Waiting at once: each looks at every change. */
#define BLX__WATCHES_MAX 8192

struct blx__watches {
	struct blx__node *node; /* borrowed */
	struct blx__history *history;
	struct blx__views *views;
	struct blx__list waiting; /* requests in BLX__REQUEST_WATCHING */
	unsigned count;           /* of them */
	uint64_t seen;            /* the history's last that all of them have looked at */
	struct blx__buf events;   /* scratch */
	uint64_t events_told;     /* counters */
	uint64_t compacted_told;
};

/* Then the lists are valid; the history comes with blx__watches_begin(). */
void blx__watches_init(struct blx__watches *watches, struct blx__node *node);

/* Before the machine is fed: from here on it tells what it changes. BLX_ENOMEM. */
int blx__watches_begin(struct blx__watches *watches, struct blx__machine *machine);

/* After the machine is gone. */
void blx__watches_finish(struct blx__watches *watches);

/* Takes a request BLX__OP_WATCH: answers it now or when there is something to tell. */
void blx__watches_add(struct blx__watches *watches, struct blx__request *request);

/* Answers those that what was applied since the last call is for. */
void blx__watches_poll(struct blx__watches *watches);

/* A request in BLX__REQUEST_WATCHING ends. */
void blx__watches_forget(struct blx__watches *watches, struct blx__request *request);

#endif
