/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose changes a history keeps, and transactions for it. */
#ifndef BLX_TESTS_WATCH_FEED_H
#define BLX_TESTS_WATCH_FEED_H

#include "machine/machine.h"
#include "store/txn.h"
#include "watch/history.h"

struct feed {
	struct blx__machine *machine; /* owned */
	struct blx__history *history; /* owned */
	uint64_t index;
	struct blx__txn txn; /* under construction */
};

void feed_init(struct feed *feed, size_t bytes_max);
void feed_finish(struct feed *feed);

/* Adds a line to the transaction; value is a text, NULL for none. */
void feed_line(struct feed *feed, uint8_t kind, const char *path, const char *value);

/* Applies the transaction and begins another one. Gives the reply's code. */
int feed_commit(struct feed *feed);

/* A transaction of one line. */
void feed_put(struct feed *feed, const char *path, const char *value);
void feed_delete_tree(struct feed *feed, const char *path);

/* "/a=1<0 /b<2": path, "=" and the value that is there, "<" and the one before, of the
 * changes of a revision. */
const char *feed_text(const struct feed *feed, uint64_t revision);

#endif
