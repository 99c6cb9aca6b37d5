/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/frame.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"

void blx__frame_header_make(uint8_t header[BLX__FRAME_HEADER_SIZE],
	const struct blx__frame *frame, uint32_t crc)
{
	PRE(frame->len <= UINT32_MAX);

	blx__store_u32(header, (uint32_t)frame->len);
	blx__store_u16(header + 4, frame->kind);
	blx__store_u16(header + 6, 0);
	blx__store_u64(header + 8, frame->id);
	blx__store_u32(header + 16, crc);
	blx__store_u32(header + 20, blx__crc32c(0, header, 20));
}

bool blx__frame_header_get(const uint8_t header[BLX__FRAME_HEADER_SIZE],
	struct blx__frame *ret_frame, uint32_t *ret_crc)
{
	if (blx__load_u32(header + 20) != blx__crc32c(0, header, 20) ||
		blx__load_u16(header + 6) != 0) {
		return false;
	}
	*ret_frame = (struct blx__frame){.len = blx__load_u32(header),
		.kind = blx__load_u16(header + 4),
		.id = blx__load_u64(header + 8)};
	*ret_crc = blx__load_u32(header + 16);
	return true;
}
