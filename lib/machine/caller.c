/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/caller.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include <stdatomic.h>
#include <string.h>

#define REPLIES_MIN 4

struct blx__caller *blx__caller_create(uint64_t id, int64_t born_ms)
{
	struct blx__caller *caller = blx__calloc(1, sizeof *caller);

	if (caller != NULL) {
		caller->refs = 1;
		caller->id = id;
		caller->born_ms = born_ms;
		caller->acked = 1;
	}
	return caller;
}

void blx__caller_ref(struct blx__caller *caller)
{
	(void)atomic_fetch_add_explicit(&caller->refs, 1, memory_order_relaxed);
}

static void kept_clear(struct blx__kept_reply *kept)
{
	if (kept->len > BLX__CALLER_INLINE) {
		blx__free(kept->body);
	}
	*kept = (struct blx__kept_reply){.seq = 0};
}

void blx__caller_unref(struct blx__caller *caller)
{
	uint32_t i;

	if (atomic_fetch_sub_explicit(&caller->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (i = 0; i < caller->replies_max; i++) {
		kept_clear(&caller->replies[i]);
	}
	blx__free(caller->replies);
	blx__free(caller);
}

const uint8_t *blx__kept_reply_body(const struct blx__kept_reply *kept)
{
	return kept->len > BLX__CALLER_INLINE ? kept->body : kept->inside;
}

struct blx__caller *blx__caller_copy(const struct blx__caller *from)
{
	struct blx__caller *caller = blx__caller_create(from->id, from->born_ms);
	uint32_t i;

	if (caller == NULL) {
		return NULL;
	}
	caller->used_position = from->used_position;
	caller->used_ms = from->used_ms;
	caller->used_index = from->used_index;
	caller->acked = from->acked;
	caller->replies_hash = from->replies_hash;
	if (from->replies_max == 0) {
		return caller;
	}
	caller->replies = blx__calloc(from->replies_max, sizeof *caller->replies);
	caller->replies_max = caller->replies != NULL ? from->replies_max : 0;
	for (i = 0; i < caller->replies_max; i++) {
		caller->replies[i] = from->replies[i];
		if (from->replies[i].len > BLX__CALLER_INLINE) {
			caller->replies[i].body =
				blx__memdup(from->replies[i].body, from->replies[i].len);
			if (caller->replies[i].body == NULL) {
				caller->replies[i].len = 0;
				caller->replies_max = i + 1;
				blx__caller_unref(caller);
				return NULL;
			}
		}
	}
	if (caller->replies == NULL) {
		blx__caller_unref(caller);
		return NULL;
	}
	return caller;
}

static uint64_t scramble(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t kept_hash(const struct blx__kept_reply *kept)
{
	uint64_t crc = blx__crc32c(0, blx__kept_reply_body(kept), kept->len);
	uint64_t hash = scramble(kept->seq + UINT64_C(0x9e3779b97f4a7c15));

	hash = scramble(hash ^ kept->revision);
	return scramble(hash ^ (uint64_t)(uint32_t)kept->code << 32 ^ crc ^
			(uint64_t)kept->len << 16);
}

uint64_t blx__caller_hash(const struct blx__caller *caller)
{
	uint64_t hash = scramble(caller->id);

	hash = scramble(hash ^ (uint64_t)caller->born_ms);
	hash = scramble(hash ^ (uint64_t)caller->used_ms);
	hash = scramble(
		hash ^ caller->used_index ^ (uint64_t)caller->used_position << 48);
	return scramble(hash ^ caller->acked) + caller->replies_hash;
}

static struct blx__kept_reply *place_of(const struct blx__caller *caller, uint64_t seq)
{
	return &caller->replies[seq & (caller->replies_max - 1)];
}

void blx__caller_ack(struct blx__caller *caller, uint64_t acked)
{
	uint64_t end = acked;
	uint64_t seq;

	if (acked <= caller->acked) {
		return;
	}
	/* All that is kept lies in the window: no need to go further than its length. */
	if (end - caller->acked > caller->replies_max) {
		end = caller->acked + caller->replies_max;
	}
	for (seq = caller->acked; seq < end; seq++) {
		struct blx__kept_reply *kept = place_of(caller, seq);

		if (kept->seq != 0 && kept->seq < acked) {
			caller->replies_hash -= kept->hash;
			kept_clear(kept);
		}
	}
	caller->acked = acked;
}

const struct blx__kept_reply *blx__caller_find(
	const struct blx__caller *caller, uint64_t seq)
{
	const struct blx__kept_reply *kept;

	if (caller->replies_max == 0) {
		return NULL;
	}
	kept = place_of(caller, seq);
	return kept->seq == seq ? kept : NULL;
}

/* So that numbers acked to seq have a place each. */
static int window_grow(struct blx__caller *caller, uint64_t seq)
{
	uint32_t max = caller->replies_max > 0 ? caller->replies_max : REPLIES_MIN;
	uint32_t old_max = caller->replies_max;
	struct blx__kept_reply *old = caller->replies;
	struct blx__kept_reply *replies;
	uint32_t i;

	while (seq - caller->acked >= max) {
		max *= 2;
	}
	if (max == old_max) {
		return 0;
	}
	replies = blx__calloc(max, sizeof *replies);
	if (replies == NULL) {
		return BLX_ENOMEM;
	}
	caller->replies = replies;
	caller->replies_max = max;
	for (i = 0; i < old_max; i++) {
		if (old[i].seq != 0) {
			*place_of(caller, old[i].seq) = old[i];
		}
	}
	blx__free(old);
	return 0;
}

int blx__caller_keep(
	struct blx__caller *caller, uint64_t seq, const struct blx__reply *reply)
{
	struct blx__kept_reply kept = {.seq = seq,
		.revision = reply->revision,
		.code = reply->code,
		.len = reply->body_len <= BLX__REPLY_KEPT_MAX ? (uint32_t)reply->body_len
							      : 0};

	PRE(seq >= caller->acked && seq - caller->acked < BLX__SESSION_REPLIES_MAX);

	if (window_grow(caller, seq) != 0) {
		return BLX_ENOMEM;
	}
	if (kept.len > BLX__CALLER_INLINE) {
		kept.body = blx__memdup(reply->body, kept.len);
		if (kept.body == NULL) {
			return BLX_ENOMEM;
		}
	} else if (kept.len > 0) {
		memcpy(kept.inside, reply->body, kept.len);
	}
	kept.hash = kept_hash(&kept);
	INVARIANT(place_of(caller, seq)->seq == 0);
	*place_of(caller, seq) = kept;
	caller->replies_hash += kept.hash;
	return 0;
}

/* ---- as bytes ---------------------------------------------------------------------- */

void blx__caller_encode(const struct blx__caller *caller, struct blx__buf *buf)
{
	uint32_t i;

	blx__put_u64(buf, (uint64_t)caller->born_ms);
	blx__put_u64(buf, (uint64_t)caller->used_ms);
	blx__put_u64(buf, caller->used_index);
	blx__put_u32(buf, caller->used_position);
	blx__put_u64(buf, caller->acked);
	for (i = 0; i < caller->replies_max && i <= UINT64_MAX - caller->acked; i++) {
		uint64_t seq = caller->acked + i; /* from a caller: may be near the end */
		const struct blx__kept_reply *kept = blx__caller_find(caller, seq);

		if (kept != NULL) {
			blx__put_varint(buf, seq);
			blx__put_u32(buf, (uint32_t)kept->code);
			blx__put_varint(buf, kept->revision);
			blx__put_bytes(buf, blx__kept_reply_body(kept), kept->len);
		}
	}
}

static int reply_decode(
	struct blx__reader *reader, struct blx__caller *caller, uint64_t *last)
{
	struct blx__reply reply;
	uint64_t seq = blx__get_varint(reader);

	reply.code = (int32_t)blx__get_u32(reader);
	reply.revision = blx__get_varint(reader);
	reply.body = blx__get_bytes(reader, BLX__REPLY_KEPT_MAX, &reply.body_len);
	if (!blx__reader_ok(reader) || seq <= *last || seq < caller->acked ||
		seq - caller->acked >= BLX__SESSION_REPLIES_MAX) {
		return BLX_ECORRUPT;
	}
	*last = seq;
	return blx__caller_keep(caller, seq, &reply);
}

int blx__caller_decode(
	uint64_t id, const void *state, size_t len, struct blx__caller **ret_caller)
{
	struct blx__reader reader = blx__reader_of(state, len);
	struct blx__caller *caller = blx__caller_create(id, 0);
	uint64_t last = 0;
	int rv = 0;

	if (caller == NULL) {
		return BLX_ENOMEM;
	}
	caller->born_ms = (int64_t)blx__get_u64(&reader);
	caller->used_ms = (int64_t)blx__get_u64(&reader);
	caller->used_index = blx__get_u64(&reader);
	caller->used_position = blx__get_u32(&reader);
	caller->acked = blx__get_u64(&reader);
	if (!blx__reader_ok(&reader) || caller->born_ms < 0 || caller->used_ms < 0 ||
		caller->acked == 0) {
		rv = BLX_ECORRUPT;
	}
	while (rv == 0 && blx__reader_left(&reader) > 0) {
		rv = reply_decode(&reader, caller, &last);
	}
	if (rv != 0) {
		blx__caller_unref(caller);
		return rv;
	}
	*ret_caller = caller;
	return 0;
}
