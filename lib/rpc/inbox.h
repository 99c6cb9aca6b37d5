/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a stream gives them, made frames again. A frame that is whole in
 * what came in is given out where it lies; only what is cut in two is copied.
 * Memory is taken as bytes come, not as a header announces them. Owned by a
 * connection.
 *
 *	put, next until there is none or no more is wanted, keep
 */
#ifndef BLX_RPC_INBOX_H
#define BLX_RPC_INBOX_H

#include "base/buf.h"
#include "base/error.h"
#include "rpc/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__inbox {
	struct blx__buf kept; /* from former bytes; comes first */
	size_t at;            /* so much of it was given out */
	const uint8_t *bytes; /* borrowed until keep */
	size_t len;
	size_t too_long; /* what the header announced that BLX_ETOOBIG was said for */
};

void blx__inbox_init(struct blx__inbox *inbox);
void blx__inbox_finish(struct blx__inbox *inbox);

/* Bytes came in; borrowed until blx__inbox_keep(). */
void blx__inbox_put(struct blx__inbox *inbox, const uint8_t *bytes, size_t len);

/*
 * The next whole frame, its payload borrowed until the next call here.
 * BLX_ENOENT: there is none yet. BLX_EPROTO: what comes next is not a header.
 * BLX_ETOOBIG: its payload is longer than len_max. BLX_ECORRUPT: the payload is
 * damaged. BLX_ENOMEM. After one of the last four nothing more is to be had.
 */
int blx__inbox_next(
	struct blx__inbox *inbox, size_t len_max, struct blx__frame *ret_frame);

/* Copies what is left of the bytes. False: no memory. */
bool blx__inbox_keep(struct blx__inbox *inbox);

/* Is there something that came before? */
bool blx__inbox_empty(const struct blx__inbox *inbox);

#endif
