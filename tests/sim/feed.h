/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each transaction changed, as the first member that applied it says: a
 * digest of its changes in their order, to hold against what watchers are told.
 */
#ifndef SIM_FEED_H
#define SIM_FEED_H

#include "watch/stream.h"

#include <stddef.h>
#include <stdint.h>

struct sim_feed {
	uint64_t *digests; /* owned; by revision; 0: not known */
	size_t size;
	uint64_t last;
};

void sim_feed_finish(struct sim_feed *feed);

/* Takes in what the history has of a revision. */
void sim_feed_add(
	struct sim_feed *feed, const struct blx__history *history, uint64_t revision);

/* 0: it is not known. */
uint64_t sim_feed_digest(const struct sim_feed *feed, uint64_t revision);

/* The digest of a transaction, event by event, from 0. */
uint64_t sim_feed_mix(uint64_t digest, const struct blx__watch_event *event);

#endif
