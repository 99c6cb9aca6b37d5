/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/inbox.h"

#include "base/assert.h"
#include "base/crc32c.h"

/* A buffer that grew larger than this for once is given back when it is empty. */
#define BUFFER_KEPT ((size_t)1024 * 1024)

void blx__inbox_init(struct blx__inbox *inbox)
{
	*inbox = (struct blx__inbox){.at = 0};
	blx__buf_init(&inbox->kept);
}

void blx__inbox_finish(struct blx__inbox *inbox)
{
	blx__buf_finish(&inbox->kept);
}

void blx__inbox_put(struct blx__inbox *inbox, const uint8_t *bytes, size_t len)
{
	PRE(inbox->len == 0);

	inbox->bytes = bytes;
	inbox->len = len;
}

static size_t kept_len(const struct blx__inbox *inbox)
{
	return inbox->kept.len - inbox->at;
}

bool blx__inbox_empty(const struct blx__inbox *inbox)
{
	return kept_len(inbox) == 0 && inbox->len == 0;
}

static void kept_forget(struct blx__inbox *inbox)
{
	inbox->at = 0;
	if (inbox->kept.cap > BUFFER_KEPT) {
		blx__buf_finish(&inbox->kept);
		blx__buf_init(&inbox->kept);
	} else {
		blx__buf_reset(&inbox->kept);
	}
}

/* Moves as much to what is kept as makes it so long, if it is there. */
static bool kept_fill(struct blx__inbox *inbox, size_t wanted)
{
	size_t need = wanted > kept_len(inbox) ? wanted - kept_len(inbox) : 0;
	size_t taken = need < inbox->len ? need : inbox->len;

	blx__buf_append(&inbox->kept, inbox->bytes, taken);
	if (!blx__buf_ok(&inbox->kept)) {
		return false;
	}
	if (taken > 0) {
		inbox->bytes += taken;
		inbox->len -= taken;
	}
	return true;
}

static int header_read(struct blx__inbox *inbox, const uint8_t *bytes, size_t len_max,
	struct blx__frame *frame, uint32_t *crc)
{
	if (!blx__frame_header_get(bytes, frame, crc)) {
		return BLX_EPROTO;
	}
	if (frame->len > len_max) {
		inbox->too_long = frame->len;
		return BLX_ETOOBIG;
	}
	return 0;
}

static int payload_check(struct blx__frame *frame, const uint8_t *bytes, uint32_t crc)
{
	frame->payload = bytes + BLX__FRAME_HEADER_SIZE;
	return blx__crc32c(0, frame->payload, frame->len) == crc ? 0 : BLX_ECORRUPT;
}

/* The frame that begins in what was kept. */
static int next_kept(struct blx__inbox *inbox, size_t len_max, struct blx__frame *frame)
{
	size_t total;
	uint32_t crc;
	int rv;

	if (!kept_fill(inbox, BLX__FRAME_HEADER_SIZE)) {
		return BLX_ENOMEM;
	}
	if (kept_len(inbox) < BLX__FRAME_HEADER_SIZE) {
		return BLX_ENOENT;
	}
	rv = header_read(inbox, inbox->kept.data + inbox->at, len_max, frame, &crc);
	if (rv != 0) {
		return rv;
	}
	total = BLX__FRAME_HEADER_SIZE + frame->len;
	if (!kept_fill(inbox, total)) {
		return BLX_ENOMEM;
	}
	if (kept_len(inbox) < total) {
		return BLX_ENOENT;
	}
	rv = payload_check(frame, inbox->kept.data + inbox->at, crc);
	inbox->at += total;
	return rv;
}

/* The one that begins in what came just now. */
static int next_fresh(struct blx__inbox *inbox, size_t len_max, struct blx__frame *frame)
{
	const uint8_t *bytes = inbox->bytes;
	size_t total;
	uint32_t crc;
	int rv;

	if (inbox->len < BLX__FRAME_HEADER_SIZE) {
		return BLX_ENOENT;
	}
	rv = header_read(inbox, bytes, len_max, frame, &crc);
	if (rv != 0) {
		return rv;
	}
	total = BLX__FRAME_HEADER_SIZE + frame->len;
	if (inbox->len < total) {
		return BLX_ENOENT;
	}
	inbox->bytes += total;
	inbox->len -= total;
	return payload_check(frame, bytes, crc);
}

int blx__inbox_next(
	struct blx__inbox *inbox, size_t len_max, struct blx__frame *ret_frame)
{
	struct blx__frame frame;
	int rv;

	if (inbox->at > 0 && kept_len(inbox) == 0) {
		kept_forget(inbox);
	}
	rv = kept_len(inbox) > 0 ? next_kept(inbox, len_max, &frame)
				 : next_fresh(inbox, len_max, &frame);
	if (rv == 0) {
		*ret_frame = frame;
	}
	return rv;
}

bool blx__inbox_keep(struct blx__inbox *inbox)
{
	if (kept_len(inbox) == 0) {
		kept_forget(inbox);
	} else if (inbox->at > 0) {
		blx__buf_consume(&inbox->kept, inbox->at);
		inbox->at = 0;
	}
	blx__buf_append(&inbox->kept, inbox->bytes, inbox->len);
	inbox->bytes = NULL;
	inbox->len = 0;
	return blx__buf_ok(&inbox->kept);
}
