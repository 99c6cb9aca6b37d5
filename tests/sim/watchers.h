/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who watch everything, through one member after the other: each must be
 * told each change once, in order, all of every transaction, or that changes are
 * no longer kept.
 */
#ifndef SIM_WATCHERS_H
#define SIM_WATCHERS_H

#include "feed.h"
#include "guest.h"

#include <stdbool.h>

#define SIM_WATCHERS_MAX 4

struct sim_watcher {
	struct sim_guest guest; /* first */
	struct sim_watchers *watchers;
	struct blx__watch_at at;
	uint64_t told;   /* the last revision of which it was told something */
	uint64_t digest; /* of what it was told of that, so far */
	bool open;       /* there is more of it to come */
};

struct sim_watchers {
	struct sim_cluster *cluster; /* borrowed */
	const struct sim_feed *feed; /* borrowed */
	unsigned count;
	struct sim_watcher list[SIM_WATCHERS_MAX];
	uint64_t events; /* counters */
	uint64_t compacted;
};

void sim_watchers_init(struct sim_watchers *watchers, struct sim_guests *guests,
	const struct sim_feed *feed);

/* Have all been told of all there is? */
bool sim_watchers_done(const struct sim_watchers *watchers);

#endif
