/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame: what goes over a connection. 24 bytes of header (u32 payload
 * length, u16 kind, u16 flags 0, u64 id, u32 CRC-32C of the payload, u32
 * CRC-32C of the header before it) and the payload. Pure.
 */
#ifndef BLX_RPC_FRAME_H
#define BLX_RPC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__FRAME_HEADER_SIZE 24

/* Before a hello is accepted a frame may be no longer than this. */
#define BLX__FRAME_LEN_HELLO_MAX 4096

/* Afterwards: a transaction of the greatest size, a page, an AppendEntries with one such
 * entry, and what is around them. */
#define BLX__FRAME_LEN_MAX (8 * 1024 * 1024)

/* Kinds below this are rpc's own. */
#define BLX__FRAME_KIND_FIRST 16

struct blx__frame {
	uint16_t kind;
	uint64_t id;            /* names a call; 0 where there is none */
	const uint8_t *payload; /* borrowed */
	size_t len;
};

/* crc: of the payload, which need not lie in one piece; frame->payload is not looked at.
 */
void blx__frame_header_make(uint8_t header[BLX__FRAME_HEADER_SIZE],
	const struct blx__frame *frame, uint32_t crc);

/* False: not a header. The payload is for the caller to find, and its checksum to
 * compare. */
bool blx__frame_header_get(const uint8_t header[BLX__FRAME_HEADER_SIZE],
	struct blx__frame *ret_frame, uint32_t *ret_crc);

#endif
