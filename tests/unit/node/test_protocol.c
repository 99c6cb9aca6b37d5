/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "node/protocol.h"

#include <stdlib.h>

Test(protocol, a_response_comes_back_as_it_was)
{
	struct blx__response out = {.code = BLX_ECONFLICT,
		.outcome = BLX_NOT_APPLIED,
		.revision = 77,
		.message = "who was first",
		.message_len = 13,
		.body = (const uint8_t *)"\0\1\2",
		.body_len = 3};
	struct blx__response in;
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__response_put(&buf, &out);
	cr_assert_eq(blx__response_get(buf.data, buf.len, &in), 0);

	cr_assert_eq(in.code, BLX_ECONFLICT);
	cr_assert_eq(in.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(in.revision, 77);
	cr_assert_eq(in.message_len, 13);
	cr_assert_arr_eq(in.body, "\0\1\2", 3);
	blx__buf_finish(&buf);
}

Test(protocol, a_response_cut_anywhere_is_refused)
{
	struct blx__response out = {.message = "m",
		.message_len = 1,
		.body = (const uint8_t *)"b",
		.body_len = 1};
	struct blx__response in;
	struct blx__buf buf;
	size_t cut;

	blx__buf_init(&buf);
	blx__response_put(&buf, &out);
	for (cut = 0; cut < buf.len; cut++) {
		uint8_t *copy = blx__memdup(buf.data, cut);

		cr_assert_eq(
			blx__response_get(copy, cut, &in), BLX_EPROTO, "cut at %zu", cut);
		blx__free(copy);
	}
	blx__put_u8(&buf, 0);
	cr_assert_eq(blx__response_get(buf.data, buf.len, &in), BLX_EPROTO,
		"one byte too many");
	blx__buf_finish(&buf);
}

Test(protocol, an_error_keeps_code_outcome_and_as_much_text_as_fits)
{
	char text[600];
	struct blx__response response = {.code = BLX_ETIMEOUT,
		.outcome = BLX_UNKNOWN,
		.message = text,
		.message_len = sizeof text};
	blx_error error = BLX_ERROR_INIT;

	memset(text, 'x', sizeof text);
	cr_assert_eq(blx__response_error(&response, &error), BLX_ETIMEOUT);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
	cr_assert_eq(strlen(error.message), sizeof error.message - 1);
	cr_assert_eq(blx__response_error(&response, NULL), BLX_ETIMEOUT);
}

Test(protocol, a_got_value_comes_back_as_it_was)
{
	struct blx__got out = {.revision = 9,
		.age_ms = UINT64_MAX,
		.create_revision = 1,
		.mod_revision = 8,
		.version = 3,
		.value = (const uint8_t *)"value",
		.value_len = 5};
	struct blx__got in;
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__got_put(&buf, &out);
	cr_assert_eq(blx__got_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.age_ms, UINT64_MAX);
	cr_assert_eq(in.version, 3);
	cr_assert_eq(in.value_len, 5);
	cr_assert_arr_eq(in.value, "value", 5);
	cr_assert_eq(blx__got_get(buf.data, buf.len - 1, &in), BLX_EPROTO);
	blx__buf_finish(&buf);
}

static void get_comes_back(uint8_t mode, uint64_t max_age_ms)
{
	struct blx__get out = {.mode = mode,
		.min_revision = 7,
		.max_age_ms = max_age_ms,
		.key = (const uint8_t *)"key",
		.key_len = 3};
	struct blx__get in;
	struct blx__buf buf;
	size_t len;

	blx__buf_init(&buf);
	blx__get_put(&buf, &out);
	cr_assert_eq(blx__get_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.mode, mode);
	cr_assert_eq(in.min_revision, 7);
	cr_assert_eq(in.max_age_ms, max_age_ms);
	cr_assert_eq(in.key_len, 3);
	cr_assert_arr_eq(in.key, "key", 3);
	for (len = 0; len < buf.len; len++) {
		cr_assert_eq(blx__get_get(buf.data, len, &in), BLX_EPROTO);
	}
	buf.data[0] = BLX__GET_MAX_AGE + 1;
	cr_assert_eq(blx__get_get(buf.data, buf.len, &in), BLX_EPROTO);
	blx__buf_finish(&buf);
}

Test(protocol, what_is_to_be_read_comes_back_as_it_was)
{
	get_comes_back(BLX__GET_LOCAL, 0);
	get_comes_back(BLX__GET_CONSISTENT, 0);
	get_comes_back(BLX__GET_MAX_AGE, 1234);
}

Test(protocol, a_call_head_comes_back_as_it_was)
{
	struct blx__call_head out = {.op = BLX__OP_GET, .flags = 1, .timeout_ms = 1234};
	struct blx__call_head in;
	struct blx__reader reader;
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__call_head_put(&buf, &out);
	reader = blx__reader_of(buf.data, buf.len);
	cr_assert_eq(blx__call_head_get(&reader, &in), 0);
	cr_assert_eq(in.op, BLX__OP_GET);
	cr_assert_eq(in.flags, 1);
	cr_assert_eq(in.timeout_ms, 1234);
	reader = blx__reader_of(buf.data, buf.len - 1);
	cr_assert_eq(blx__call_head_get(&reader, &in), BLX_EPROTO);
	blx__buf_finish(&buf);
}

Test(protocol, a_response_of_no_known_kind_is_refused)
{
	struct blx__response out = {.code = BLX_EIO};
	struct blx__response in;
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__response_put(&buf, &out);
	cr_assert_eq(blx__response_get(buf.data, buf.len, &in), 0);
	buf.data[4] = BLX_UNKNOWN + 1;
	cr_assert_eq(blx__response_get(buf.data, buf.len, &in), BLX_EPROTO);
	buf.data[4] = 0;
	buf.data[3] = 0x80; /* a code of some 2 thousand million */
	cr_assert_eq(blx__response_get(buf.data, buf.len, &in), BLX_EPROTO);
	blx__buf_finish(&buf);
}

static void touch(const uint8_t *data, size_t len)
{
	volatile uint8_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		sum = (uint8_t)(sum + data[i]);
	}
}

/* What is taken lies within the bytes that came: a sanitizer sees it if not. */
Test(protocol, flipped_bits_never_do_harm)
{
	struct blx__response response = {.code = BLX_EIO,
		.message = "text",
		.message_len = 4,
		.body = (const uint8_t *)"body",
		.body_len = 4};
	struct blx__got got = {.value = (const uint8_t *)"value", .value_len = 5};
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20;
	struct blx__rng rng;
	unsigned round;

	cr_log_info("seed %llu", (unsigned long long)seed);
	blx__rng_init(&rng, seed);
	for (round = 0; round < 20000; round++) {
		struct blx__response in;
		struct blx__got got_in;
		struct blx__buf buf;
		uint8_t *copy;

		blx__buf_init(&buf);
		if (round % 2 == 0) {
			blx__response_put(&buf, &response);
		} else {
			blx__got_put(&buf, &got);
		}
		copy = blx__memdup(buf.data, buf.len);
		copy[blx__rng_below(&rng, buf.len)] ^=
			(uint8_t)(1u << blx__rng_below(&rng, 8));
		if (round % 2 == 0 && blx__response_get(copy, buf.len, &in) == 0) {
			touch((const uint8_t *)in.message, in.message_len);
			touch(in.body, in.body_len);
		} else if (round % 2 == 1 && blx__got_get(copy, buf.len, &got_in) == 0) {
			touch(got_in.value, got_in.value_len);
		}
		blx__free(copy);
		blx__buf_finish(&buf);
	}
}
