/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the log. A segment is a header block and then batches; a batch
 * is what one write brought, begins and ends at a multiple of 4096, and holds
 * a head and then records. All numbers are little endian.
 *
 * Each record's checksum goes on from that of the one before (crc32c of the
 * previous checksum, this head, this payload), and the first one's from the
 * header's, so that a record is valid at exactly one place of one log. What a
 * recycled segment held before cannot be taken for its new content: its chain
 * began with another header, and its record numbers are lower.
 *
 * A batch never shares a block with another: no block with acknowledged
 * records is ever written again, so a torn write can cost nothing but itself,
 * whatever the disk's unit of atomicity is. Rewriting the last partial block
 * would save space and was measured to be no faster.
 *
 * The head of a batch has its number in the segment and a checksum of its
 * own. As one write is under way at a time, a torn batch has no head of a
 * higher number behind it: one that is found says that what does not fit
 * before it was whole once. The salt keeps the bytes of an entry from looking
 * like a head to the search.
 */
#ifndef BLX_WAL_RECORD_H
#define BLX_WAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__WAL_BLOCK  4096
#define BLX__WAL_FORMAT 1

enum blx__wal_type {
	BLX__WAL_BATCH = 1, /* head of a batch */
	BLX__WAL_CHECKPOINT =
		2, /* all of a group but its entries; at the start of a segment */
	BLX__WAL_ENTRY = 3,
	BLX__WAL_TRUNCATE = 4,
	BLX__WAL_HARD_STATE = 5,
	BLX__WAL_SNAPSHOT = 6
};

/* u32 crc, u32 len, u64 lsn, u16 group, u8 type, zeros. Then the payload, and zeros
 * up to a multiple of 8, which the crc covers too. */
#define BLX__WAL_RECORD_HEAD 24

/* Lengths of the payloads, or of what stands in them before the variable part. */
#define BLX__WAL_BATCH_LEN 32 /* u32 size, number; u64 seq, salt; u32 records, own crc   \
			       */
#define BLX__WAL_ENTRY_LEN      24 /* u64 index, term; u8 type, zeros */
#define BLX__WAL_TRUNCATE_LEN   8  /* u64 index */
#define BLX__WAL_HARD_STATE_LEN 16 /* u64 term, vote */
#define BLX__WAL_SNAPSHOT_LEN   24 /* u64 index, term, keep_from */
#define BLX__WAL_CHECKPOINT_LEN                                                          \
	56 /* u64 term, vote, first, next, has snapshot, its index, term */

#define BLX__WAL_BATCH_HEAD (BLX__WAL_RECORD_HEAD + BLX__WAL_BATCH_LEN)

/* More than any request brings; a length beyond it is damage. */
#define BLX__WAL_LEN_MAX (UINT32_C(1) << 30)

static inline size_t blx__wal_round(size_t size)
{
	return (size + BLX__WAL_BLOCK - 1) / BLX__WAL_BLOCK * BLX__WAL_BLOCK;
}

/* Bytes of a record with a payload of so many. */
static inline size_t blx__wal_record_size(size_t payload_len)
{
	return BLX__WAL_RECORD_HEAD + (payload_len + 7) / 8 * 8;
}

struct blx__wal_header {
	uint8_t cluster_id[16];
	uint64_t member_id;
	uint64_t seq;
	uint64_t first_lsn; /* of the first record in it */
	uint64_t salt;
	uint32_t prev_chain; /* checksum of the last record before it; 0 in the first */
};

/* Fills a block; *ret_chain is where its chain begins. */
void blx__wal_header_put(
	const struct blx__wal_header *header, uint8_t *block, uint32_t *ret_chain);

/* BLX_ECORRUPT: no header. BLX_EVERSION: one of a format not known here. */
int blx__wal_header_get(
	const uint8_t *block, struct blx__wal_header *ret_header, uint32_t *ret_chain);

struct blx__wal_batch_head {
	uint32_t size;    /* of the batch with its head; a multiple of the block */
	uint32_t number;  /* in the segment, from 0 */
	uint64_t seq;     /* the segment's */
	uint64_t salt;    /* the segment's */
	uint32_t records; /* behind the head */
	uint64_t lsn;     /* of the first of them */
};

/* Writes one batch into memory: fixed room, known beforehand. */
struct blx__wal_encoder {
	uint8_t *data; /* borrowed */
	size_t cap;
	size_t len;
	uint32_t chain;
	uint64_t lsn; /* of the next record */
};

void blx__wal_put_batch(
	struct blx__wal_encoder *encoder, const struct blx__wal_batch_head *head);

struct blx__wal_part {
	const void *data; /* borrowed */
	size_t len;
};

/* A record whose payload is the fixed part and then the rest. */
void blx__wal_put_record(struct blx__wal_encoder *encoder, enum blx__wal_type type,
	unsigned group, struct blx__wal_part fixed, struct blx__wal_part rest);

/* Does a head of a batch stand here, by its own checksum alone? len: bytes that follow.
 */
bool blx__wal_find_batch(
	const uint8_t *data, size_t len, struct blx__wal_batch_head *ret_head);

struct blx__wal_record {
	uint8_t type;
	uint16_t group;
	uint64_t lsn;
	const uint8_t *payload; /* borrowed from what is read */
	size_t len;
};

/* Reads one batch. */
struct blx__wal_decoder {
	const uint8_t *data; /* borrowed */
	size_t len;          /* of the batch, once its head was read */
	size_t at;
	uint32_t chain;
	uint64_t lsn;
};

/* False: what stands there is not the record that follows on the chain. */
bool blx__wal_get_record(
	struct blx__wal_decoder *decoder, struct blx__wal_record *ret_record);

/* The whole of a batch that the chain leads to: head, records, nothing but zeros behind
 * them. On success the decoder stands at the first record, its len is the batch's, and
 * *ret_end is what it comes to after the last. */
bool blx__wal_check_batch(struct blx__wal_decoder *decoder,
	const struct blx__wal_header *header, struct blx__wal_batch_head *ret_head,
	struct blx__wal_decoder *ret_end);

bool blx__wal_is_zero(const uint8_t *data, size_t len);

#endif
