/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

void blx__buf_init(struct blx__buf *buf)
{
	*buf = (struct blx__buf){ 0 };
}

void blx__buf_finish(struct blx__buf *buf)
{
	blx__free(buf->data);
	*buf = (struct blx__buf){ 0 };
}

void blx__buf_reset(struct blx__buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

bool blx__buf_reserve(struct blx__buf *buf, size_t extra)
{
	size_t cap = buf->cap > 0 ? buf->cap : 64;
	uint8_t *data;

	if (buf->failed || extra > SIZE_MAX / 4 - buf->len) {
		buf->failed = true;
		return false;
	}
	if (buf->len + extra <= buf->cap) {
		return true;
	}
	while (cap < buf->len + extra) {
		cap *= 2;
	}
	data = blx__realloc(buf->data, cap);
	if (data == NULL) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void blx__buf_append(struct blx__buf *buf, const void *data, size_t len)
{
	if (len == 0 || !blx__buf_reserve(buf, len)) {
		return;
	}
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

uint8_t *blx__buf_grow(struct blx__buf *buf, size_t len)
{
	uint8_t *at;

	if (!blx__buf_reserve(buf, len)) {
		return NULL;
	}
	at = buf->data + buf->len;
	memset(at, 0, len);
	buf->len += len;
	return at;
}

void blx__buf_consume(struct blx__buf *buf, size_t len)
{
	PRE(len <= buf->len);

	if (len > 0) {
		memmove(buf->data, buf->data + len, buf->len - len);
		buf->len -= len;
	}
}

uint8_t *blx__buf_take(struct blx__buf *buf, size_t *ret_len)
{
	uint8_t *data = buf->data;

	PRE(blx__buf_ok(buf));

	*ret_len = buf->len;
	blx__buf_init(buf);
	return data;
}
