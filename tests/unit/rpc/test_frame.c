/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "rpc/frame.h"

#include <string.h>

Test(frame, header_comes_back_as_it_was_made)
{
	struct blx__frame frame = {.kind = 0xfedc, .id = UINT64_MAX - 1, .len = 8388608};
	struct blx__frame got;
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	uint32_t crc;

	blx__frame_header_make(header, &frame, 0x12345678);

	cr_assert(blx__frame_header_get(header, &got, &crc));
	cr_assert_eq(got.kind, frame.kind);
	cr_assert_eq(got.id, frame.id);
	cr_assert_eq(got.len, frame.len);
	cr_assert_eq(crc, 0x12345678);
}

Test(frame, layout_is_the_one_on_the_wire)
{
	struct blx__frame frame = {
		.kind = 0x0102, .id = 0x1112131415161718, .len = 0x21222324};
	const uint8_t expected[20] = {0x24, 0x23, 0x22, 0x21, 0x02, 0x01, 0, 0, 0x18,
		0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x34, 0x33, 0x32, 0x31};
	uint8_t header[BLX__FRAME_HEADER_SIZE];

	blx__frame_header_make(header, &frame, 0x31323334);

	cr_assert_arr_eq(header, expected, sizeof expected);
	cr_assert_eq(
		blx__load_u32(header + 20), blx__crc32c(0, expected, sizeof expected));
}

Test(frame, one_bit_that_flipped_anywhere_in_the_header_is_noticed)
{
	struct blx__frame frame = {.kind = 19, .id = 7, .len = 100};
	struct blx__frame got;
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	uint32_t crc;
	unsigned bit;

	blx__frame_header_make(header, &frame, 5);
	for (bit = 0; bit < 8 * sizeof header; bit++) {
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_not(blx__frame_header_get(header, &got, &crc), "bit %u", bit);
		header[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

Test(frame, flags_that_nobody_knows_are_refused_though_the_checksum_fits)
{
	struct blx__frame frame = {.kind = 19};
	struct blx__frame got;
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	uint32_t crc;

	blx__frame_header_make(header, &frame, 0);
	blx__store_u16(header + 6, 1);
	blx__store_u32(header + 20, blx__crc32c(0, header, 20));

	cr_assert_not(blx__frame_header_get(header, &got, &crc));
}
