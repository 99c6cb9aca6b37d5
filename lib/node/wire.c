/* SPDX-License-Identifier: Apache-2.0 */
#include "node/wire.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/error.h"
#include "node/conf.h"

#include <string.h>

/* More entries than this in one message are refused: the array alone would be 40 MiB. */
#define ENTRIES_MAX (1024 * 1024)

unsigned blx__wire_fit(const struct raft_append_entries *args, unsigned first)
{
	size_t bytes = 0;
	unsigned i;

	for (i = first; i < args->n_entries; i++) {
		bytes += args->entries[i].buf.len + 16;
		if (bytes > BLX__WIRE_ENTRIES_BYTES && i > first) {
			break;
		}
	}
	return i - first;
}

static void put_append_entries(struct blx__buf *buf, const struct raft_append_entries *args,
	unsigned first, unsigned count)
{
	raft_term prev_term = first > 0 ? args->entries[first - 1].term : args->prev_log_term;
	unsigned i;

	blx__put_u64(buf, args->term);
	blx__put_u64(buf, args->prev_log_index + first);
	blx__put_u64(buf, prev_term);
	blx__put_u64(buf, args->leader_commit);
	blx__put_u32(buf, count);
	for (i = first; i < first + count; i++) {
		const struct raft_entry *entry = &args->entries[i];

		blx__put_u64(buf, entry->term);
		blx__put_u8(buf, (uint8_t)entry->type);
		blx__put_u32(buf, (uint32_t)entry->buf.len);
		blx__buf_append(buf, entry->buf.base, entry->buf.len);
	}
}

static void put_append_entries_result(struct blx__buf *buf,
	const struct raft_append_entries_result *result)
{
	blx__put_u64(buf, result->term);
	blx__put_u64(buf, result->rejected);
	blx__put_u64(buf, result->last_log_index);
}

static void put_request_vote(struct blx__buf *buf, const struct raft_request_vote *args)
{
	blx__put_u64(buf, args->term);
	blx__put_u64(buf, args->candidate_id);
	blx__put_u64(buf, args->last_log_index);
	blx__put_u64(buf, args->last_log_term);
	blx__put_u8(buf, args->disrupt_leader);
	blx__put_u8(buf, args->pre_vote);
}

static void put_request_vote_result(struct blx__buf *buf,
	const struct raft_request_vote_result *result)
{
	blx__put_u64(buf, result->term);
	blx__put_u8(buf, result->vote_granted);
	blx__put_u8(buf, (uint8_t)result->pre_vote);
}

static int put_install_snapshot(struct blx__buf *buf, const struct raft_install_snapshot *args)
{
	struct raft_buffer conf;

	if (raft_configuration_encode(&args->conf, &conf) != 0) {
		return BLX_ENOMEM;
	}
	blx__put_u64(buf, args->term);
	blx__put_u64(buf, args->last_index);
	blx__put_u64(buf, args->last_term);
	blx__put_u64(buf, args->conf_index);
	blx__put_bytes(buf, conf.base, conf.len);
	blx__put_bytes(buf, args->data.base, args->data.len);
	raft_free(conf.base);
	return 0;
}

static void put_timeout_now(struct blx__buf *buf, const struct raft_timeout_now *args)
{
	blx__put_u64(buf, args->term);
	blx__put_u64(buf, args->last_log_index);
	blx__put_u64(buf, args->last_log_term);
}

int blx__wire_put(struct blx__buf *buf, const struct raft_message *message, unsigned first,
	unsigned count)
{
	int rv = 0;

	blx__put_u8(buf, (uint8_t)message->type);
	switch (message->type) {
	case RAFT_IO_APPEND_ENTRIES:
		put_append_entries(buf, &message->append_entries, first, count);
		break;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		put_append_entries_result(buf, &message->append_entries_result);
		break;
	case RAFT_IO_REQUEST_VOTE:
		put_request_vote(buf, &message->request_vote);
		break;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		put_request_vote_result(buf, &message->request_vote_result);
		break;
	case RAFT_IO_INSTALL_SNAPSHOT:
		rv = put_install_snapshot(buf, &message->install_snapshot);
		break;
	case RAFT_IO_TIMEOUT_NOW:
		put_timeout_now(buf, &message->timeout_now);
		break;
	default:
		IMPOSSIBLE("libraft sends a kind of message that it does not have");
	}
	return rv != 0 ? rv : blx__buf_ok(buf) ? 0 : BLX_ENOMEM;
}

/* First pass over the entries: are they well formed, and how many bytes are they? */
static bool entries_measure(struct blx__reader reader, uint32_t count, size_t *ret_bytes)
{
	size_t bytes = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		raft_term term = blx__get_u64(&reader);
		uint8_t type = blx__get_u8(&reader);
		uint32_t len = blx__get_u32(&reader);

		(void)blx__get_raw(&reader, len);
		/* libraft 0.15 needs whole words, and knows three types (LIBRAFT cd3bd28). */
		if (!blx__reader_ok(&reader) || term == 0 || len == 0 || len % 8 != 0 ||
			type < RAFT_COMMAND || type > RAFT_CHANGE) {
			return false;
		}
		bytes += len;
	}
	*ret_bytes = bytes;
	return blx__reader_done(&reader);
}

static void entries_fill(struct blx__reader *reader, struct raft_entry *entries, uint32_t count,
	uint8_t *batch)
{
	uint8_t *at = batch;
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct raft_entry *entry = &entries[i];

		entry->term = blx__get_u64(reader);
		entry->type = blx__get_u8(reader);
		entry->buf.len = blx__get_u32(reader);
		entry->buf.base = at;
		entry->batch = batch;
		memcpy(at, blx__get_raw(reader, entry->buf.len), entry->buf.len);
		at += entry->buf.len;
	}
}

static int get_append_entries(struct blx__reader *reader, struct raft_append_entries *args)
{
	uint32_t count;
	size_t bytes;
	uint8_t *batch;

	args->term = blx__get_u64(reader);
	args->prev_log_index = blx__get_u64(reader);
	args->prev_log_term = blx__get_u64(reader);
	args->leader_commit = blx__get_u64(reader);
	count = blx__get_u32(reader);
	if (!blx__reader_ok(reader) || count > ENTRIES_MAX ||
		!entries_measure(*reader, count, &bytes)) {
		return BLX_EPROTO;
	}
	args->entries = NULL;
	args->n_entries = count;
	if (count == 0) {
		return 0;
	}
	args->entries = raft_calloc(count, sizeof *args->entries);
	batch = raft_malloc(bytes);
	if (args->entries == NULL || batch == NULL) {
		raft_free(args->entries);
		raft_free(batch);
		return BLX_ENOMEM;
	}
	entries_fill(reader, args->entries, count, batch);
	return 0;
}

static int get_install_snapshot(struct blx__reader *reader, struct raft_install_snapshot *args)
{
	const uint8_t *conf;
	const uint8_t *data;
	size_t conf_len;
	size_t data_len;
	int rv;

	args->term = blx__get_u64(reader);
	args->last_index = blx__get_u64(reader);
	args->last_term = blx__get_u64(reader);
	args->conf_index = blx__get_u64(reader);
	conf = blx__get_bytes(reader, reader->len, &conf_len);
	data = blx__get_bytes(reader, reader->len, &data_len);
	if (!blx__reader_done(reader) || data_len == 0) {
		return BLX_EPROTO;
	}
	rv = blx__conf_decode(conf, conf_len, &args->conf);
	if (rv != 0) {
		return rv == BLX_ENOMEM ? rv : BLX_EPROTO;
	}
	args->data.base = raft_malloc(data_len);
	if (args->data.base == NULL) {
		raft_configuration_close(&args->conf);
		return BLX_ENOMEM;
	}
	memcpy(args->data.base, data, data_len);
	args->data.len = data_len;
	return 0;
}

static void get_request_vote(struct blx__reader *reader, struct raft_request_vote *args)
{
	args->term = blx__get_u64(reader);
	args->candidate_id = blx__get_u64(reader);
	args->last_log_index = blx__get_u64(reader);
	args->last_log_term = blx__get_u64(reader);
	args->disrupt_leader = blx__get_u8(reader) != 0;
	args->pre_vote = blx__get_u8(reader) != 0;
}

static int get_request_vote_result(struct blx__reader *reader,
	struct raft_request_vote_result *result)
{
	uint8_t pre_vote;

	result->term = blx__get_u64(reader);
	result->vote_granted = blx__get_u8(reader) != 0;
	pre_vote = blx__get_u8(reader);
	if (pre_vote > raft_tribool_false) {
		return BLX_EPROTO;
	}
	result->pre_vote = (raft_tribool)pre_vote;
	return 0;
}

int blx__wire_get(const void *data, size_t len, struct raft_message *ret_message)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct raft_message message = { 0 };
	int rv = 0;

	message.type = blx__get_u8(&reader);
	switch (message.type) {
	case RAFT_IO_APPEND_ENTRIES:
		rv = get_append_entries(&reader, &message.append_entries);
		break;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		message.append_entries_result.term = blx__get_u64(&reader);
		message.append_entries_result.rejected = blx__get_u64(&reader);
		message.append_entries_result.last_log_index = blx__get_u64(&reader);
		break;
	case RAFT_IO_REQUEST_VOTE:
		get_request_vote(&reader, &message.request_vote);
		break;
	case RAFT_IO_REQUEST_VOTE_RESULT:
		rv = get_request_vote_result(&reader, &message.request_vote_result);
		break;
	case RAFT_IO_INSTALL_SNAPSHOT:
		rv = get_install_snapshot(&reader, &message.install_snapshot);
		break;
	case RAFT_IO_TIMEOUT_NOW:
		message.timeout_now.term = blx__get_u64(&reader);
		message.timeout_now.last_log_index = blx__get_u64(&reader);
		message.timeout_now.last_log_term = blx__get_u64(&reader);
		break;
	default:
		rv = BLX_EPROTO;
		break;
	}
	if (rv != 0) {
		return rv;
	}
	if (!blx__reader_done(&reader)) {
		blx__wire_free(&message);
		return BLX_EPROTO;
	}
	*ret_message = message;
	return 0;
}

void blx__wire_free(struct raft_message *message)
{
	if (message->type == RAFT_IO_APPEND_ENTRIES) {
		struct raft_append_entries *args = &message->append_entries;

		if (args->n_entries > 0) {
			raft_free(args->entries[0].batch);
		}
		raft_free(args->entries);
	} else if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
		raft_configuration_close(&message->install_snapshot.conf);
		raft_free(message->install_snapshot.data.base);
	}
}
