/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of the store as a leader counts them: which there are, and when
 * each is due. It follows the history of changes; its clock is told to it and
 * stands still whenever time must not count. Pure; one thread.
 */
#ifndef BLX_WATCH_LEASES_H
#define BLX_WATCH_LEASES_H

#include "base/error.h"
#include "base/table.h"
#include "store/tree.h"
#include "watch/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A lease has this part of its time to live more, for clocks that run faster than others. */
#define BLX__LEASE_DRIFT_PART 8

struct blx__leases {
	struct blx__table table; /* by id */
	uint64_t clock_ns;       /* that counts */
	uint64_t seen;           /* the revision up to which it knows of changes */
	uint64_t next_ns;        /* none is due before */
};

/* One that is due. */
struct blx__lease_due {
	uint64_t id;
	uint64_t revision; /* of its value */
};

void blx__leases_finish(struct blx__leases *leases); /* a zeroed one is empty */

/* What the tree of that revision has, each with its full time from now. BLX_ENOMEM: empty. */
int blx__leases_begin(
	struct blx__leases *leases, const struct blx__tree *tree, uint64_t revision);

/* Takes in what has changed since. BLX_ECOMPACTED, BLX_ENOMEM: begin again. */
int blx__leases_follow(struct blx__leases *leases, const struct blx__history *history);

/* So much time has passed that counts. */
void blx__leases_pass(struct blx__leases *leases, uint64_t ns);

/* Gives it its full time from now. False: there is none of that id that has not been told
 * to be due for the second time. */
bool blx__leases_keep(struct blx__leases *leases, uint64_t id);
bool blx__leases_has(const struct blx__leases *leases, uint64_t id);

/* Those whose time is over and was already over at the last call, up to max: once each.
 * Between two calls whoever asked for one to be kept has been heard. */
size_t blx__leases_due(
	struct blx__leases *leases, struct blx__lease_due *ret_due, size_t max);

/* It could not be ended: let it be told again. */
void blx__leases_again(struct blx__leases *leases, uint64_t id);

#endif
