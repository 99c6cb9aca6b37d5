/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/record.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/error.h"

#include <string.h>

/* Where the header block has what; the rest is zero. */
enum header_at {
	AT_MAGIC = 0,
	AT_FORMAT = 8,
	AT_BLOCK = 12,
	AT_CLUSTER = 16,
	AT_MEMBER = 32,
	AT_SEQ = 40,
	AT_FIRST_LSN = 48,
	AT_SALT = 56,
	AT_PREV_CHAIN = 64,
	AT_CRC = BLX__WAL_BLOCK - 4
};

static const char magic[8] = "BLXWAL\r\n";

bool blx__wal_is_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

void blx__wal_header_put(
	const struct blx__wal_header *header, uint8_t *block, uint32_t *ret_chain)
{
	uint32_t crc;

	memset(block, 0, BLX__WAL_BLOCK);
	memcpy(block + AT_MAGIC, magic, sizeof magic);
	blx__store_u32(block + AT_FORMAT, BLX__WAL_FORMAT);
	blx__store_u32(block + AT_BLOCK, BLX__WAL_BLOCK);
	memcpy(block + AT_CLUSTER, header->cluster_id, sizeof header->cluster_id);
	blx__store_u64(block + AT_MEMBER, header->member_id);
	blx__store_u64(block + AT_SEQ, header->seq);
	blx__store_u64(block + AT_FIRST_LSN, header->first_lsn);
	blx__store_u64(block + AT_SALT, header->salt);
	blx__store_u32(block + AT_PREV_CHAIN, header->prev_chain);
	crc = blx__crc32c(0, block, AT_CRC);
	blx__store_u32(block + AT_CRC, crc);
	*ret_chain = crc;
}

int blx__wal_header_get(
	const uint8_t *block, struct blx__wal_header *ret_header, uint32_t *ret_chain)
{
	uint32_t crc = blx__crc32c(0, block, AT_CRC);

	if (memcmp(block + AT_MAGIC, magic, sizeof magic) != 0 ||
		blx__load_u32(block + AT_CRC) != crc) {
		return BLX_ECORRUPT;
	}
	if (blx__load_u32(block + AT_FORMAT) != BLX__WAL_FORMAT ||
		blx__load_u32(block + AT_BLOCK) != BLX__WAL_BLOCK) {
		return BLX_EVERSION;
	}
	memcpy(ret_header->cluster_id, block + AT_CLUSTER, sizeof ret_header->cluster_id);
	ret_header->member_id = blx__load_u64(block + AT_MEMBER);
	ret_header->seq = blx__load_u64(block + AT_SEQ);
	ret_header->first_lsn = blx__load_u64(block + AT_FIRST_LSN);
	ret_header->salt = blx__load_u64(block + AT_SALT);
	ret_header->prev_chain = blx__load_u32(block + AT_PREV_CHAIN);
	*ret_chain = crc;
	return 0;
}

/* The head of a record of the next number, and the zeros behind its payload; the payload
 * is filled in before seal_record(). */
static uint8_t *open_record(struct blx__wal_encoder *encoder, enum blx__wal_type type,
	unsigned group, size_t payload_len)
{
	uint8_t *at = encoder->data + encoder->len;
	size_t size = blx__wal_record_size(payload_len);

	PRE(payload_len <= BLX__WAL_LEN_MAX);
	PRE(size <= encoder->cap - encoder->len);

	memset(at, 0, BLX__WAL_RECORD_HEAD);
	blx__store_u32(at + 4, (uint32_t)payload_len);
	blx__store_u64(at + 8, encoder->lsn);
	blx__store_u16(at + 16, (uint16_t)group);
	at[18] = (uint8_t)type;
	memset(at + BLX__WAL_RECORD_HEAD + payload_len, 0,
		size - BLX__WAL_RECORD_HEAD - payload_len);
	return at;
}

static void seal_record(struct blx__wal_encoder *encoder, uint8_t *at, size_t payload_len)
{
	size_t size = blx__wal_record_size(payload_len);

	encoder->chain = blx__crc32c(encoder->chain, at + 4, size - 4);
	blx__store_u32(at, encoder->chain);
	encoder->len += size;
}

void blx__wal_put_batch(
	struct blx__wal_encoder *encoder, const struct blx__wal_batch_head *head)
{
	uint8_t *at = open_record(encoder, BLX__WAL_BATCH, 0, BLX__WAL_BATCH_LEN);
	uint8_t *payload = at + BLX__WAL_RECORD_HEAD;

	PRE(head->lsn == encoder->lsn);
	PRE(head->size % BLX__WAL_BLOCK == 0);

	blx__store_u32(payload, head->size);
	blx__store_u32(payload + 4, head->number);
	blx__store_u64(payload + 8, head->seq);
	blx__store_u64(payload + 16, head->salt);
	blx__store_u32(payload + 24, head->records);
	blx__store_u32(payload + 28, blx__crc32c(0, at + 4, BLX__WAL_BATCH_HEAD - 8));
	seal_record(encoder, at, BLX__WAL_BATCH_LEN);
}

void blx__wal_put_record(struct blx__wal_encoder *encoder, enum blx__wal_type type,
	unsigned group, struct blx__wal_part fixed, struct blx__wal_part rest)
{
	uint8_t *at = open_record(encoder, type, group, fixed.len + rest.len);

	memcpy(at + BLX__WAL_RECORD_HEAD, fixed.data, fixed.len);
	if (rest.len > 0) {
		memcpy(at + BLX__WAL_RECORD_HEAD + fixed.len, rest.data, rest.len);
	}
	seal_record(encoder, at, fixed.len + rest.len);
	encoder->lsn++;
}

bool blx__wal_find_batch(
	const uint8_t *data, size_t len, struct blx__wal_batch_head *ret_head)
{
	const uint8_t *payload = data + BLX__WAL_RECORD_HEAD;

	if (len < BLX__WAL_BATCH_HEAD || data[18] != BLX__WAL_BATCH ||
		blx__load_u32(data + 4) != BLX__WAL_BATCH_LEN ||
		blx__load_u32(payload + 28) !=
			blx__crc32c(0, data + 4, BLX__WAL_BATCH_HEAD - 8)) {
		return false;
	}
	*ret_head = (struct blx__wal_batch_head){.size = blx__load_u32(payload),
		.number = blx__load_u32(payload + 4),
		.seq = blx__load_u64(payload + 8),
		.salt = blx__load_u64(payload + 16),
		.records = blx__load_u32(payload + 24),
		.lsn = blx__load_u64(data + 8)};
	return true;
}

bool blx__wal_get_record(
	struct blx__wal_decoder *decoder, struct blx__wal_record *ret_record)
{
	const uint8_t *at = decoder->data + decoder->at;
	size_t left = decoder->len - decoder->at;
	struct blx__wal_record record;
	uint32_t crc;

	if (left < BLX__WAL_RECORD_HEAD) {
		return false;
	}
	record.len = blx__load_u32(at + 4);
	if (record.len > BLX__WAL_LEN_MAX || blx__wal_record_size(record.len) > left) {
		return false;
	}
	crc = blx__crc32c(decoder->chain, at + 4, blx__wal_record_size(record.len) - 4);
	record.lsn = blx__load_u64(at + 8);
	if (blx__load_u32(at) != crc || record.lsn != decoder->lsn) {
		return false;
	}
	record.group = blx__load_u16(at + 16);
	record.type = at[18];
	record.payload = at + BLX__WAL_RECORD_HEAD;
	decoder->at += blx__wal_record_size(record.len);
	decoder->chain = crc;
	decoder->lsn += record.type != BLX__WAL_BATCH;
	*ret_record = record;
	return true;
}

bool blx__wal_check_batch(struct blx__wal_decoder *decoder,
	const struct blx__wal_header *header, struct blx__wal_batch_head *ret_head,
	struct blx__wal_decoder *ret_end)
{
	struct blx__wal_decoder first = *decoder;
	struct blx__wal_decoder end;
	struct blx__wal_batch_head head;
	struct blx__wal_record record;
	uint32_t i;

	if (!blx__wal_get_record(&first, &record) || record.type != BLX__WAL_BATCH ||
		!blx__wal_find_batch(
			decoder->data + decoder->at, decoder->len - decoder->at, &head)) {
		return false;
	}
	if (head.seq != header->seq || head.salt != header->salt || head.records == 0 ||
		head.size % BLX__WAL_BLOCK != 0 || head.size < BLX__WAL_BLOCK ||
		head.size > decoder->len - decoder->at) {
		return false;
	}
	first.len = decoder->at + head.size;
	end = first;
	for (i = 0; i < head.records; i++) {
		if (!blx__wal_get_record(&end, &record) ||
			record.type == BLX__WAL_BATCH) {
			return false;
		}
	}
	if (!blx__wal_is_zero(end.data + end.at, end.len - end.at)) {
		return false;
	}
	*ret_head = head;
	*ret_end = end;
	*decoder = first;
	return true;
}
