/* SPDX-License-Identifier: Apache-2.0 */
#include "base/codec.h"

#include "base/mem.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the formats are little endian and are written as the host has them"
#endif

void blx__put_u8(struct blx__buf *buf, uint8_t v)
{
	blx__buf_append(buf, &v, sizeof v);
}

void blx__put_u16(struct blx__buf *buf, uint16_t v)
{
	blx__buf_append(buf, &v, sizeof v);
}

void blx__put_u32(struct blx__buf *buf, uint32_t v)
{
	blx__buf_append(buf, &v, sizeof v);
}

void blx__put_u64(struct blx__buf *buf, uint64_t v)
{
	blx__buf_append(buf, &v, sizeof v);
}

void blx__put_varint(struct blx__buf *buf, uint64_t v)
{
	uint8_t out[10];
	size_t n = 0;

	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	blx__buf_append(buf, out, n);
}

void blx__put_bytes(struct blx__buf *buf, const void *data, size_t len)
{
	blx__put_varint(buf, len);
	blx__buf_append(buf, data, len);
}

void blx__put_text(struct blx__buf *buf, const char *text)
{
	blx__put_bytes(buf, text, strlen(text));
}

const uint8_t *blx__get_raw(struct blx__reader *reader, size_t len)
{
	const uint8_t *at = reader->data + reader->at;

	if (reader->failed || len > reader->len - reader->at) {
		reader->failed = true;
		return NULL;
	}
	reader->at += len;
	return at;
}

uint8_t blx__get_u8(struct blx__reader *reader)
{
	const uint8_t *p = blx__get_raw(reader, 1);

	return p != NULL ? *p : 0;
}

uint16_t blx__get_u16(struct blx__reader *reader)
{
	const uint8_t *p = blx__get_raw(reader, 2);

	return p != NULL ? blx__load_u16(p) : 0;
}

uint32_t blx__get_u32(struct blx__reader *reader)
{
	const uint8_t *p = blx__get_raw(reader, 4);

	return p != NULL ? blx__load_u32(p) : 0;
}

uint64_t blx__get_u64(struct blx__reader *reader)
{
	const uint8_t *p = blx__get_raw(reader, 8);

	return p != NULL ? blx__load_u64(p) : 0;
}

uint64_t blx__get_varint(struct blx__reader *reader)
{
	uint64_t v = 0;
	unsigned shift;

	for (shift = 0; shift < 64; shift += 7) {
		uint8_t byte = blx__get_u8(reader);

		if (reader->failed) {
			return 0;
		}
		if (shift == 63 && byte > 1) {
			break; /* more than 64 bits */
		}
		v |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			return v;
		}
	}
	reader->failed = true;
	return 0;
}

const uint8_t *blx__get_bytes(struct blx__reader *reader, size_t max, size_t *ret_len)
{
	uint64_t len = blx__get_varint(reader);
	const uint8_t *p;

	*ret_len = 0;
	if (reader->failed || len > max) {
		reader->failed = true;
		return NULL;
	}
	p = blx__get_raw(reader, (size_t)len);
	if (p != NULL) {
		*ret_len = (size_t)len;
	}
	return p;
}

char *blx__get_text(struct blx__reader *reader, size_t max)
{
	size_t len;
	const uint8_t *p = blx__get_bytes(reader, max, &len);
	char *text;

	if (p == NULL) {
		return NULL;
	}
	if (memchr(p, 0, len) != NULL) {
		reader->failed = true;
		return NULL;
	}
	text = blx__strndup((const char *)p, len);
	if (text == NULL) {
		reader->failed = true;
	}
	return text;
}
