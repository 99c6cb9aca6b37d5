/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the latest transactions changed, bounded by bytes: the source of all
 * watches of a member. It fills itself as the observer of a machine and belongs
 * to the applying thread. Pure.
 *
 * It holds every transaction of the revisions from floor + 1 to last, none
 * missing. What does not fit makes the oldest go: the floor rises, and whoever
 * asks for what is at or below it is told so. A state that replaces another (a
 * snapshot), a transaction larger than all of the history, or a lack of memory
 * empties it. The items are the tree's own, so that a change costs little but
 * what it has removed.
 */
#ifndef BLX_WATCH_HISTORY_H
#define BLX_WATCH_HISTORY_H

#include "machine/machine.h"
#include "store/tree.h"

#include <stddef.h>
#include <stdint.h>

/* Keys and values, old and new, with what it takes to hold them. A watcher that is away
 * for a minute at 1000 small writes a second finds its place again. */
#define BLX__HISTORY_BYTES (16 * 1024 * 1024)

struct blx__history;

struct blx__change {
	struct blx__item *old_item; /* owned reference; NULL: there was none */
	struct blx__item *new_item; /* owned reference; NULL: it was removed */
	struct blx__item *cause;    /* owned reference, a key alone: struct
				     * blx__machine_change; NULL: none */
};

/* Empty, with the floor at 0. BLX_ENOMEM. */
int blx__history_create(size_t bytes_max, struct blx__history **ret_history);
void blx__history_destroy(struct blx__history *history); /* NULL is allowed */

/* For blx__machine_observe(); borrows the history. */
struct blx__machine_observer blx__history_observer(struct blx__history *history);

/* The revision up to which changes are forgotten, and that of the latest one. */
uint64_t blx__history_floor(const struct blx__history *history);
uint64_t blx__history_last(const struct blx__history *history);
size_t blx__history_bytes(const struct blx__history *history);

/* The changes of the transaction of a revision above the floor and not above the last,
 * in the order they were made; borrowed until the next transaction is applied. */
const struct blx__change *blx__history_at(
	const struct blx__history *history, uint64_t revision, size_t *ret_count);

#endif
