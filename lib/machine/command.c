/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of an entry:
 *
 *	u8 format, u64 origin, u64 incarnation, u64 token, u64 time_ms, u32 count,
 *	count times (u32 length, command), zeros up to a multiple of 8
 *
 * and of a command: u8 kind, u64 session, and if that is not 0 u64 born_ms,
 * u64 seq, u64 acked; then the body.
 */
#include "machine/command.h"

#include "base/assert.h"
#include "base/codec.h"
#include "machine/lease_record.h"
#include "machine/view_record.h"
#include "record/check.h"
#include "record/settings.h"

#define HEADER_SIZE  37
#define COUNT_OFFSET 33
#define ALIGNMENT    8

void blx__command_encode(const struct blx__command *command, struct blx__buf *buf)
{
	blx__put_u8(buf, command->kind);
	blx__put_u64(buf, command->session);
	if (command->session != 0) {
		blx__put_u64(buf, command->session_born_ms);
		blx__put_u64(buf, command->seq);
		blx__put_u64(buf, command->acked);
	}
	blx__buf_append(buf, command->body, command->body_len);
}

void blx__command_of_txn(const struct blx__txn *txn, struct blx__buf *buf)
{
	struct blx__command none = {.kind = BLX__COMMAND_TXN};

	blx__command_encode(&none, buf);
	blx__txn_encode(txn, buf);
}

int blx__command_decode(const void *data, size_t len, struct blx__command *ret_command)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__command command = {.kind = blx__get_u8(&reader)};

	if (blx__reader_ok(&reader) && command.kind != BLX__COMMAND_TXN) {
		return BLX_EVERSION;
	}
	command.session = blx__get_u64(&reader);
	if (command.session != 0) {
		command.session_born_ms = blx__get_u64(&reader);
		command.seq = blx__get_u64(&reader);
		command.acked = blx__get_u64(&reader);
	}
	if (!blx__reader_ok(&reader) || command.session_born_ms > INT64_MAX ||
		(command.session != 0 &&
			(command.seq == 0 || command.acked > command.seq))) {
		return BLX_EPROTO;
	}
	command.body_len = blx__reader_left(&reader);
	command.body = (const uint8_t *)data + (len - command.body_len);
	*ret_command = command;
	return 0;
}

/* What members act on must be what it is to be. */
static int check_put(const struct blx__txn_line *put, blx_error *error)
{
	static blx__put_check *const checks[] = {blx__setting_put_check, blx__lease_put_check,
		blx__view_put_check, blx__record_put_check};
	int rv = 0;
	size_t i;

	for (i = 0; rv == 0 && i < sizeof checks / sizeof checks[0]; i++) {
		rv = checks[i](put, error);
	}
	return rv;
}

int blx__command_check(const void *data, size_t len, blx_error *error)
{
	struct blx__command command;
	bool system;
	int rv = blx__command_decode(data, len, &command);

	if (rv != 0) {
		return blx__error_set(error, rv, "a write: the command is %s",
			rv == BLX_EVERSION ? "of a kind this version does not know"
					   : "malformed");
	}
	rv = blx__txn_check_ops(command.body, command.body_len, &system, error);
	if (rv != 0 || !system) {
		return rv; /* as nearly always: no need to look at each line again */
	}
	return blx__txn_check_puts(command.body, command.body_len, check_put, error);
}

bool blx__command_has_session(const void *data, size_t len)
{
	struct blx__command command;

	return blx__command_decode(data, len, &command) == 0 && command.session != 0;
}

/* ---- entries ------------------------------------------------------------------- */

void blx__entry_begin(struct blx__buf *buf, const struct blx__entry_header *header)
{
	PRE(buf->len == 0);

	blx__put_u8(buf, BLX__ENTRY_FORMAT);
	blx__put_u64(buf, header->origin);
	blx__put_u64(buf, header->incarnation);
	blx__put_u64(buf, header->token);
	blx__put_u64(buf, (uint64_t)header->time_ms);
	blx__put_u32(buf, 0);
}

void blx__entry_add(struct blx__buf *buf, const void *command, size_t len)
{
	PRE(len <= UINT32_MAX);

	blx__put_u32(buf, (uint32_t)len);
	blx__buf_append(buf, command, len);
	if (blx__buf_ok(buf)) {
		uint8_t *count = buf->data + COUNT_OFFSET;

		blx__store_u32(count, blx__load_u32(count) + 1);
	}
}

void blx__entry_end(struct blx__buf *buf)
{
	size_t over = buf->len % ALIGNMENT;

	if (over > 0) {
		(void)blx__buf_grow(buf, ALIGNMENT - over);
	}
}

int blx__entry_read(const void *data, size_t len, struct blx__entry *ret_entry)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__entry entry = {.at = data};
	uint8_t format = blx__get_u8(&reader);

	if (blx__reader_ok(&reader) && format != BLX__ENTRY_FORMAT) {
		return BLX_EVERSION;
	}
	entry.header.origin = blx__get_u64(&reader);
	entry.header.incarnation = blx__get_u64(&reader);
	entry.header.token = blx__get_u64(&reader);
	entry.header.time_ms = (int64_t)blx__get_u64(&reader);
	entry.header.count = blx__get_u32(&reader);
	if (!blx__reader_ok(&reader) || entry.header.time_ms < 0) {
		return BLX_EPROTO;
	}
	INVARIANT(reader.at == HEADER_SIZE);
	entry.at = (const uint8_t *)data + HEADER_SIZE;
	entry.end = (const uint8_t *)data + len;
	entry.left = entry.header.count;
	*ret_entry = entry;
	return 0;
}

bool blx__entry_next(
	struct blx__entry *entry, const uint8_t **ret_command, size_t *ret_len)
{
	size_t room = (size_t)(entry->end - entry->at);
	size_t len;

	if (entry->left == 0 || room < 4) {
		return false;
	}
	len = blx__load_u32(entry->at);
	if (len > room - 4) {
		entry->left = 0;
		return false;
	}
	*ret_command = entry->at + 4;
	*ret_len = len;
	entry->at += 4 + len;
	entry->left--;
	return true;
}
