/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch as bytes: what is asked, and the batch of events that answers it. The
 * one who watches holds its position and nothing else does, so a batch can come
 * from any member, and a member keeps nothing of a watcher between two of them.
 * Pure.
 */
#ifndef BLX_WATCH_STREAM_H
#define BLX_WATCH_STREAM_H

#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "store/pattern.h"
#include "watch/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A batch is cut behind the event that reaches this. One event is always taken, which
 * has a key and two values at most: about 2 MiB. */
#define BLX__WATCH_BATCH_BYTES (256 * 1024)

/* Changes looked at for one batch: a watch that nothing of a long history is for must not
 * hold the loop. It goes on from where it got to. */
#define BLX__WATCH_BATCH_CHANGES 16384

enum blx__watch_flags {
	BLX__WATCH_PREV = 1,     /* with the value that was there before */
	BLX__WATCH_NO_VALUES = 2 /* without the value that is there now */
};

/* The next change to look at: the order in which a transaction makes its changes is the
 * same on every member, so a position is good on all of them. */
struct blx__watch_at {
	uint64_t revision; /* 0: behind the latest that the member knows of */
	uint32_t skip;     /* changes of this revision that are behind us */
};

/* -1, 0 or 1, as memcmp(). */
int blx__watch_at_compare(const struct blx__watch_at *a, const struct blx__watch_at *b);

struct blx__watch_spec {
	uint8_t flags; /* enum blx__watch_flags */
	struct blx__watch_at from;
	uint32_t wait_ms; /* how long for the first event; 0: do not wait */
	const char *text; /* of the pattern, borrowed; not terminated */
	size_t text_len;
};

void blx__watch_spec_put(struct blx__buf *buf, const struct blx__watch_spec *spec);
/* BLX_EPROTO. The text is as it came: it may be no pattern. */
int blx__watch_spec_get(const void *data, size_t len, struct blx__watch_spec *ret_spec);

struct blx__watch_event {
	bool is_delete;
	bool more; /* another event of the same transaction follows */
	uint64_t revision;
	uint64_t create_revision; /* of the value that was put, or removed */
	uint64_t version;         /* likewise */
	uint64_t prev_revision;   /* of the value before; 0: there was none */
	const uint8_t *key;       /* borrowed */
	size_t key_len;
	const uint8_t *value; /* borrowed; NULL: removed, or not asked for */
	size_t value_len;
	const uint8_t *prev; /* borrowed; NULL: there was none, or not asked for */
	size_t prev_len;
	const uint8_t *cause; /* borrowed; NULL: the transaction itself removed it. Else the
			       * key whose change made its conditions fail */
	size_t cause_len;
};

/* BLX_EPROTO. */
int blx__watch_event_get(struct blx__reader *reader, struct blx__watch_event *ret_event);

/* What an answer begins with; count events follow. */
struct blx__watch_head {
	struct blx__watch_at next; /* where to go on; never before what was asked for */
	uint64_t revision;         /* of the store there */
	uint32_t count;
};

void blx__watch_head_put(struct blx__buf *buf, const struct blx__watch_head *head);
int blx__watch_head_get(struct blx__reader *reader, struct blx__watch_head *ret_head);

/*
 * Appends the events from *at on that match, up to the bounds, and moves *at
 * behind all that was looked at. BLX_ECOMPACTED: what is at *at is forgotten.
 * BLX_ENOMEM.
 */
int blx__watch_fill(const struct blx__history *history,
	const struct blx__pattern *pattern, uint8_t flags, struct blx__watch_at *at,
	struct blx__buf *events, uint32_t *ret_count);

#endif
