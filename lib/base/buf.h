/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes. Appending latches a failure (no memory): check
 * blx__buf_ok() once at the end rather than after each call.
 */
#ifndef BLX_BASE_BUF_H
#define BLX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__buf {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
	bool failed;
};

void blx__buf_init(struct blx__buf *buf);
void blx__buf_finish(struct blx__buf *buf);

/* Forgets the content and the failure, keeps the memory. */
void blx__buf_reset(struct blx__buf *buf);

/* Makes room for extra more bytes; false when there is no memory. */
bool blx__buf_reserve(struct blx__buf *buf, size_t extra);

void blx__buf_append(struct blx__buf *buf, const void *data, size_t len);

/* Appends len bytes of zero and returns where they are; NULL after a failure. */
uint8_t *blx__buf_grow(struct blx__buf *buf, size_t len);

/* Drops the first len bytes. */
void blx__buf_consume(struct blx__buf *buf, size_t len);

static inline bool blx__buf_ok(const struct blx__buf *buf)
{
	return !buf->failed;
}

/* Gives the memory away; the buffer is empty after it. Free with blx__free(). */
uint8_t *blx__buf_take(struct blx__buf *buf, size_t *ret_len);

#endif
