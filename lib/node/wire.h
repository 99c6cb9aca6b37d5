/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raft messages as bytes: our own format, checked at every step, the same for
 * every version of libraft. The sender and receiver are known from the
 * connection and are not part of it.
 */
#ifndef BLX_NODE_WIRE_H
#define BLX_NODE_WIRE_H

#include "base/buf.h"

#include <raft.h>
#include <stddef.h>

/* One AppendEntries frame carries at most this much of entries (but always one entry): a
 * lagging member gets pieces, not the whole log in one message. */
#define BLX__WIRE_ENTRIES_BYTES (1024 * 1024)

/* How many of the entries from first on fit in one frame: at least 1 if there is one. */
unsigned blx__wire_fit(const struct raft_append_entries *args, unsigned first);

/* Appends the message. Of an AppendEntries only count entries from first on, with the
 * previous index and term that go with them. */
int blx__wire_put(struct blx__buf *buf, const struct raft_message *message, unsigned first,
	unsigned count);

/*
 * Reads one. What it points to is raft_malloc'ed as libraft expects of a
 * received message: an AppendEntries' entries are one array and one batch.
 * BLX_EPROTO for anything malformed, BLX_ENOMEM.
 */
int blx__wire_get(const void *data, size_t len, struct raft_message *ret_message);

/* Frees what blx__wire_get() allocated, if raft was not given it. */
void blx__wire_free(struct raft_message *message);

#endif
