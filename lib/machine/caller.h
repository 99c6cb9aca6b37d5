/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One session: who, when last used, and the replies that its caller has not
 * yet said it has. Shared by reference; changed only by who holds the only one.
 */
#ifndef BLX_MACHINE_CALLER_H
#define BLX_MACHINE_CALLER_H

#include "base/buf.h"
#include "machine/machine.h"

#include <stdint.h>

/* A result as short as that of a put lies in the record itself. */
#define BLX__CALLER_INLINE 16

struct blx__kept_reply {
	uint64_t seq; /* 0: none */
	uint64_t revision;
	uint64_t hash;
	int32_t code;
	uint32_t len;
	union {
		uint8_t inside[BLX__CALLER_INLINE];
		uint8_t *body; /* owned, if len is greater */
	};
};

struct blx__caller {
	_Atomic uint32_t refs;
	uint32_t used_position;
	uint64_t id;
	int64_t born_ms;
	int64_t used_ms; /* cluster time, index and place of its last command */
	uint64_t used_index;
	uint64_t acked; /* replies below this number are gone */
	uint64_t replies_hash;
	uint32_t replies_max; /* a power of two; the window of numbers from acked on */
	struct blx__kept_reply *replies; /* owned; by number modulo replies_max */
};

struct blx__caller *blx__caller_create(uint64_t id, int64_t born_ms);
struct blx__caller *blx__caller_copy(const struct blx__caller *from);
void blx__caller_ref(struct blx__caller *caller);
void blx__caller_unref(struct blx__caller *caller);

uint64_t blx__caller_hash(const struct blx__caller *caller);

/* The caller has all replies below the number. */
void blx__caller_ack(struct blx__caller *caller, uint64_t acked);

/* NULL: not applied, or its reply is gone. */
const struct blx__kept_reply *blx__caller_find(
	const struct blx__caller *caller, uint64_t seq);

/* seq is within BLX__SESSION_REPLIES_MAX from acked on. BLX_ENOMEM. */
int blx__caller_keep(
	struct blx__caller *caller, uint64_t seq, const struct blx__reply *reply);

const uint8_t *blx__kept_reply_body(const struct blx__kept_reply *kept);

void blx__caller_encode(const struct blx__caller *caller, struct blx__buf *buf);

/* BLX_ECORRUPT, BLX_ENOMEM. */
int blx__caller_decode(
	uint64_t id, const void *state, size_t len, struct blx__caller **ret_caller);

#endif
