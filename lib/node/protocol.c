/* SPDX-License-Identifier: Apache-2.0 */
#include "node/protocol.h"

#include "base/assert.h"
#include "store/path.h"

#include <string.h>

void blx__call_head_put(struct blx__buf *buf, const struct blx__call_head *head)
{
	blx__put_u8(buf, head->op);
	blx__put_u8(buf, head->flags);
	blx__put_u32(buf, head->timeout_ms);
}

int blx__call_head_get(struct blx__reader *reader, struct blx__call_head *ret_head)
{
	struct blx__call_head head = { 0 };

	head.op = blx__get_u8(reader);
	head.flags = blx__get_u8(reader);
	head.timeout_ms = blx__get_u32(reader);
	if (!blx__reader_ok(reader)) {
		return BLX_EPROTO;
	}
	*ret_head = head;
	return 0;
}

void blx__response_put(struct blx__buf *buf, const struct blx__response *response)
{
	PRE(response->code <= 0);

	blx__put_u32(buf, (uint32_t)-response->code);
	blx__put_u8(buf, (uint8_t)response->outcome);
	blx__put_u64(buf, response->revision);
	blx__put_bytes(buf, response->message, response->message_len);
	blx__put_bytes(buf, response->body, response->body_len);
}

int blx__response_get(const void *data, size_t len, struct blx__response *ret_response)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__response response = { 0 };
	uint32_t code = blx__get_u32(&reader);

	response.outcome = blx__get_u8(&reader);
	response.revision = blx__get_u64(&reader);
	response.message = (const char *)blx__get_bytes(&reader, BLX_ERROR_MESSAGE_SIZE - 1,
		&response.message_len);
	response.body = blx__get_bytes(&reader, len, &response.body_len);
	if (!blx__reader_done(&reader) || code > 1000 || response.outcome > BLX_UNKNOWN) {
		return BLX_EPROTO;
	}
	response.code = -(int)code;
	*ret_response = response;
	return 0;
}

int blx__response_error(const struct blx__response *response, blx_error *error)
{
	PRE(response->code < 0);

	if (error != NULL) {
		size_t len = response->message_len;

		if (len > sizeof error->message - 1) {
			len = sizeof error->message - 1;
		}
		error->code = response->code;
		error->outcome = response->outcome;
		error->revision = response->revision;
		if (len > 0) {
			memcpy(error->message, response->message, len);
		}
		error->message[len] = '\0';
	}
	return response->code;
}

void blx__get_put(struct blx__buf *buf, const struct blx__get *get)
{
	blx__put_u8(buf, get->mode);
	blx__put_u64(buf, get->min_revision);
	if (get->mode == BLX__GET_MAX_AGE) {
		blx__put_u64(buf, get->max_age_ms);
	}
	blx__put_bytes(buf, get->key, get->key_len);
}

int blx__get_get(const void *data, size_t len, struct blx__get *ret_get)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__get get = { .mode = blx__get_u8(&reader) };

	get.min_revision = blx__get_u64(&reader);
	if (get.mode == BLX__GET_MAX_AGE) {
		get.max_age_ms = blx__get_u64(&reader);
	}
	get.key = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &get.key_len);
	if (!blx__reader_done(&reader) || get.mode > BLX__GET_MAX_AGE) {
		return BLX_EPROTO;
	}
	*ret_get = get;
	return 0;
}

void blx__got_put(struct blx__buf *buf, const struct blx__got *got)
{
	blx__put_u64(buf, got->revision);
	blx__put_u64(buf, got->age_ms);
	blx__put_u64(buf, got->create_revision);
	blx__put_u64(buf, got->mod_revision);
	blx__put_u64(buf, got->version);
	blx__put_bytes(buf, got->value, got->value_len);
}

int blx__got_get(const void *data, size_t len, struct blx__got *ret_got)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__got got = { 0 };

	got.revision = blx__get_u64(&reader);
	got.age_ms = blx__get_u64(&reader);
	got.create_revision = blx__get_u64(&reader);
	got.mod_revision = blx__get_u64(&reader);
	got.version = blx__get_u64(&reader);
	got.value = blx__get_bytes(&reader, len, &got.value_len);
	if (!blx__reader_done(&reader)) {
		return BLX_EPROTO;
	}
	*ret_got = got;
	return 0;
}
