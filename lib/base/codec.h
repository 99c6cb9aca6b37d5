/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on disk and on the wire: little endian, length-prefixed, no padding.
 * Writing appends to a blx__buf. Reading never goes past the end: a short
 * input latches the failure and gives zeros, so a decoder checks once, with
 * blx__reader_ok() or blx__reader_done().
 */
#ifndef BLX_BASE_CODEC_H
#define BLX_BASE_CODEC_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void blx__store_u16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline void blx__store_u32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline void blx__store_u64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline uint16_t blx__load_u16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t blx__load_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t blx__load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

void blx__put_u8(struct blx__buf *buf, uint8_t v);
void blx__put_u16(struct blx__buf *buf, uint16_t v);
void blx__put_u32(struct blx__buf *buf, uint32_t v);
void blx__put_u64(struct blx__buf *buf, uint64_t v);

/* LEB128, at most 10 bytes. */
void blx__put_varint(struct blx__buf *buf, uint64_t v);

/* A varint length, then the bytes. */
void blx__put_bytes(struct blx__buf *buf, const void *data, size_t len);
void blx__put_text(struct blx__buf *buf, const char *text);

struct blx__reader {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t at;
	bool failed;
};

static inline struct blx__reader blx__reader_of(const void *data, size_t len)
{
	return (struct blx__reader){ .data = (const uint8_t *)data, .len = len };
}

uint8_t blx__get_u8(struct blx__reader *reader);
uint16_t blx__get_u16(struct blx__reader *reader);
uint32_t blx__get_u32(struct blx__reader *reader);
uint64_t blx__get_u64(struct blx__reader *reader);
uint64_t blx__get_varint(struct blx__reader *reader);

/* The next len bytes, borrowed from the input; NULL when there are fewer. */
const uint8_t *blx__get_raw(struct blx__reader *reader, size_t len);

/* A varint length of at most max and that many bytes, borrowed; NULL on failure. */
const uint8_t *blx__get_bytes(struct blx__reader *reader, size_t max, size_t *ret_len);

/* As blx__get_bytes(), copied and terminated; NULL on failure, on a NUL inside and
 * when there is no memory. Free with blx__free(). */
char *blx__get_text(struct blx__reader *reader, size_t max);

static inline bool blx__reader_ok(const struct blx__reader *reader)
{
	return !reader->failed;
}

/* Nothing failed and nothing is left. */
static inline bool blx__reader_done(const struct blx__reader *reader)
{
	return !reader->failed && reader->at == reader->len;
}

static inline size_t blx__reader_left(const struct blx__reader *reader)
{
	return reader->len - reader->at;
}

#endif
