/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of headers, batches and records, and the account kept of a group. */
#include "support/test.h"
#include "base/error.h"
#include "wal/group.h"
#include "wal/record.h"
#include "wal/segment.h"

#include <string.h>

static const struct blx__wal_header header = {.cluster_id = {1, 2, 3},
	.member_id = 4,
	.seq = 5,
	.first_lsn = 100,
	.salt = 77,
	.prev_chain = 6};

Test(record, a_header_comes_back)
{
	uint8_t block[BLX__WAL_BLOCK];
	struct blx__wal_header back;
	uint32_t chain;
	uint32_t chain_back;

	blx__wal_header_put(&header, block, &chain);

	cr_assert_eq(blx__wal_header_get(block, &back, &chain_back), 0);
	cr_assert_eq(chain, chain_back);
	cr_assert_arr_eq(back.cluster_id, header.cluster_id, 16);
	cr_assert_eq(back.member_id, 4);
	cr_assert_eq(back.seq, 5);
	cr_assert_eq(back.first_lsn, 100);
	cr_assert_eq(back.salt, 77);
	cr_assert_eq(back.prev_chain, 6);
}

Test(record, any_bit_of_a_header_counts)
{
	uint8_t block[BLX__WAL_BLOCK];
	struct blx__wal_header back;
	uint32_t chain;
	size_t bit;

	blx__wal_header_put(&header, block, &chain);
	for (bit = 0; bit < 8 * sizeof block; bit += bit < 1024 ? 1 : 61) {
		block[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		cr_assert_eq(blx__wal_header_get(block, &back, &chain), BLX_ECORRUPT);
		block[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

#define SIZE ((size_t)2 * BLX__WAL_BLOCK)

/* Two records, of 10 and of 5000 bytes. */
static uint32_t batch_put(uint8_t data[SIZE], uint32_t chain)
{
	static const uint8_t bytes[5000] = {1, 2, 3};
	struct blx__wal_encoder encoder = {
		.data = data, .cap = SIZE, .chain = chain, .lsn = 100};
	struct blx__wal_batch_head head = {.size = SIZE,
		.number = 2,
		.seq = 5,
		.salt = 77,
		.records = 2,
		.lsn = 100};

	memset(data, 0, SIZE);
	blx__wal_put_batch(&encoder, &head);
	blx__wal_put_record(&encoder, BLX__WAL_ENTRY, 1,
		(struct blx__wal_part){bytes, 10}, (struct blx__wal_part){NULL, 0});
	blx__wal_put_record(&encoder, BLX__WAL_ENTRY, 2, (struct blx__wal_part){bytes, 8},
		(struct blx__wal_part){bytes, 4992});
	cr_assert_eq(encoder.lsn, 102);
	return encoder.chain;
}

static bool batch_check(
	const uint8_t *data, size_t len, uint32_t chain, struct blx__wal_decoder *first)
{
	struct blx__wal_batch_head head;
	struct blx__wal_decoder end;

	*first = (struct blx__wal_decoder){
		.data = data, .len = len, .chain = chain, .lsn = 100};
	return blx__wal_check_batch(first, &header, &head, &end);
}

Test(record, a_batch_comes_back)
{
	uint8_t data[SIZE];
	struct blx__wal_decoder at;
	struct blx__wal_record record;
	uint32_t chain = batch_put(data, 9);

	cr_assert(batch_check(data, SIZE, 9, &at));
	cr_assert(blx__wal_get_record(&at, &record));
	cr_assert_eq(record.group, 1);
	cr_assert_eq(record.len, 10);
	cr_assert_eq(record.lsn, 100);
	cr_assert(blx__wal_get_record(&at, &record));
	cr_assert_eq(record.group, 2);
	cr_assert_eq(record.len, 5000);
	cr_assert_eq(record.payload[8], 1);
	cr_assert_eq(at.chain, chain);
	cr_assert_not(blx__wal_get_record(&at, &record));
}

Test(record, a_batch_of_another_chain_number_or_segment_is_none)
{
	uint8_t data[SIZE];
	struct blx__wal_decoder at;
	struct blx__wal_header other = header;
	struct blx__wal_batch_head head;
	struct blx__wal_decoder end;

	(void)batch_put(data, 9);
	cr_assert_not(batch_check(data, SIZE, 8, &at));
	at = (struct blx__wal_decoder){.data = data, .len = SIZE, .chain = 9, .lsn = 101};
	cr_assert_not(blx__wal_check_batch(&at, &header, &head, &end));
	other.salt++;
	at.lsn = 100;
	cr_assert_not(blx__wal_check_batch(&at, &other, &head, &end));
	other = header;
	other.seq++;
	cr_assert_not(blx__wal_check_batch(&at, &other, &head, &end));
}

Test(record, any_bit_of_a_batch_counts_even_in_the_padding)
{
	uint8_t data[SIZE];
	struct blx__wal_decoder at;
	size_t bit;

	(void)batch_put(data, 9);
	for (bit = 0; bit < 8 * SIZE; bit += bit < 2048 ? 1 : 61) {
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		cr_assert_not(batch_check(data, SIZE, 9, &at), "bit %zu", bit);
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

Test(record, a_batch_cut_short_anywhere_is_none)
{
	uint8_t data[SIZE];
	struct blx__wal_decoder at;
	size_t len;

	(void)batch_put(data, 9);
	for (len = 0; len < SIZE; len++) {
		cr_assert_not(batch_check(data, len, 9, &at), "%zu bytes", len);
	}
}

Test(segment, names_come_back_and_others_do_not)
{
	static const char *const bad[] = {"", "wal-1.seg", "wal-0000000000000000000x.seg",
		"wal-00000000000000000001.segx", "xal-00000000000000000001.seg",
		"wal-99999999999999999999.seg", "wal.mark", "next.tmp"};
	char name[BLX__WAL_NAME_SIZE];
	uint64_t seq;
	size_t i;

	blx__wal_segment_name(UINT64_MAX, name);
	cr_assert(blx__wal_segment_parse(name, &seq));
	cr_assert_eq(seq, UINT64_MAX);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_not(blx__wal_segment_parse(bad[i], &seq), "%s", bad[i]);
	}
}

static void appends(struct blx__wal_group *group, uint64_t seq, unsigned n)
{
	while (n-- > 0) {
		cr_assert_eq(blx__wal_group_append(group, group->next, seq), 0);
	}
}

Test(group, knows_the_oldest_segment_it_needs)
{
	struct blx__wal_snapshot snapshot = {.index = 4, .keep_from = 3, .meta = ""};
	struct blx__wal_group group;

	blx__wal_group_init(&group);
	cr_assert_eq(blx__wal_group_oldest(&group, 9), 9);
	appends(&group, 1, 2);
	appends(&group, 2, 2);
	appends(&group, 4, 2);
	cr_assert_eq(blx__wal_group_oldest(&group, 9), 1);

	cr_assert_eq(blx__wal_group_snapshot(&group, &snapshot), 0);
	cr_assert_eq(blx__wal_group_oldest(&group, 9), 2);
	blx__wal_group_truncate(&group, 4); /* the rest is written anew */
	appends(&group, 5, 3);
	snapshot.keep_from = 4;
	cr_assert_eq(blx__wal_group_snapshot(&group, &snapshot), 0);
	cr_assert_eq(blx__wal_group_oldest(&group, 9), 5);
	snapshot = (struct blx__wal_snapshot){.index = 20, .keep_from = 21, .meta = ""};
	cr_assert_eq(blx__wal_group_snapshot(&group, &snapshot), 0);
	cr_assert_eq(blx__wal_group_oldest(&group, 9), 9);
	cr_assert_eq(group.next, 21);
	blx__wal_group_finish(&group);
}
