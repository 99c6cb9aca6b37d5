/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/command.h"

#include "base/rng.h"
#include "entries.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static const struct blx__command sample = {.kind = BLX__COMMAND_TXN,
	.session = 0x1122334455667788,
	.session_born_ms = 99,
	.seq = 17,
	.acked = 12,
	.body = (const uint8_t *)"body",
	.body_len = 4};

static void encode(const struct blx__command *command, struct blx__buf *bytes)
{
	blx__buf_init(bytes);
	blx__command_encode(command, bytes);
	cr_assert(blx__buf_ok(bytes));
}

Test(command, comes_back_as_it_was_sent)
{
	struct blx__command command;
	struct blx__buf bytes;

	encode(&sample, &bytes);

	cr_assert_eq(blx__command_decode(bytes.data, bytes.len, &command), 0);

	cr_assert_eq(command.kind, BLX__COMMAND_TXN);
	cr_assert_eq(command.session, sample.session);
	cr_assert_eq(command.session_born_ms, 99);
	cr_assert_eq(command.seq, 17);
	cr_assert_eq(command.acked, 12);
	cr_assert_eq(command.body_len, 4);
	cr_assert_arr_eq(command.body, "body", 4);
	cr_assert(blx__command_has_session(bytes.data, bytes.len));
	blx__buf_finish(&bytes);
}

Test(command, without_a_session_has_no_numbers)
{
	struct blx__command command = {
		.kind = BLX__COMMAND_TXN, .body = sample.body, .body_len = 4};
	struct blx__buf bytes;

	encode(&command, &bytes);

	cr_assert_eq(bytes.len, 1 + 8 + 4);
	cr_assert_not(blx__command_has_session(bytes.data, bytes.len));
	cr_assert_eq(blx__command_decode(bytes.data, bytes.len, &command), 0);
	cr_assert_eq(command.session, 0);
	cr_assert_eq(command.body_len, 4);
	blx__buf_finish(&bytes);
}

Test(command, cut_short_in_its_head_is_malformed)
{
	struct blx__command command;
	struct blx__buf bytes;
	size_t len;

	encode(&sample, &bytes);

	for (len = 0; len < bytes.len - 4; len++) {
		cr_assert_eq(blx__command_decode(bytes.data, len, &command), BLX_EPROTO,
			"%zu", len);
	}
	blx__buf_finish(&bytes);
}

static int decode_changed(uint64_t born_ms, uint64_t seq, uint64_t acked, uint8_t kind)
{
	struct blx__command command = sample;
	struct blx__buf bytes;
	int rv;

	command.session_born_ms = born_ms;
	command.seq = seq;
	command.acked = acked;
	command.kind = kind;
	encode(&command, &bytes);
	rv = blx__command_decode(bytes.data, bytes.len, &command);
	blx__buf_finish(&bytes);
	return rv;
}

Test(command, with_numbers_that_no_caller_sends_is_malformed)
{
	cr_assert_eq(decode_changed(1, 1, 1, BLX__COMMAND_TXN), 0);
	cr_assert_eq(decode_changed(1, 0, 0, BLX__COMMAND_TXN), BLX_EPROTO);
	cr_assert_eq(decode_changed(1, 1, 2, BLX__COMMAND_TXN), BLX_EPROTO);
	cr_assert_eq(decode_changed((uint64_t)INT64_MAX + 1, 1, 1, BLX__COMMAND_TXN),
		BLX_EPROTO);
	cr_assert_eq(decode_changed(1, 1, 1, BLX__COMMAND_TXN + 1), BLX_EVERSION);
	cr_assert_eq(decode_changed(1, 1, 1, 0), BLX_EVERSION);
}

Test(command, check_tells_what_is_wrong)
{
	blx_error error = BLX_ERROR_INIT;
	struct blx__command command = sample;
	struct blx__buf bytes;
	struct blx__buf body;

	blx__buf_init(&body);
	entries_body(&body, BLX__TXN_PUT, "a", "1", 1);
	command.body = body.data;
	command.body_len = body.len;
	encode(&command, &bytes);

	cr_assert_eq(blx__command_check(bytes.data, bytes.len, &error), 0);
	cr_assert_eq(blx__command_check(bytes.data, 5, &error), BLX_EPROTO);
	cr_assert_not_null(strstr(error.message, "malformed"));
	cr_assert_eq(blx__command_check(bytes.data, bytes.len - 1, &error), BLX_EPROTO);
	bytes.data[0] = 99;
	cr_assert_eq(blx__command_check(bytes.data, bytes.len, &error), BLX_EVERSION);
	cr_assert_not_null(strstr(error.message, "does not know"));
	blx__buf_finish(&bytes);
	blx__buf_finish(&body);
}

/* An entry of three commands of 0, 3 and 11 bytes. */
static void sample_entry(struct blx__buf *bytes)
{
	struct blx__entry_header header = {.origin = 1,
		.incarnation = 2,
		.token = 3,
		.time_ms = ENTRIES_TIME_MS,
		.count = 77};

	blx__buf_init(bytes);
	blx__entry_begin(bytes, &header);
	blx__entry_add(bytes, "", 0);
	blx__entry_add(bytes, "abc", 3);
	blx__entry_add(bytes, "hello world", 11);
	blx__entry_end(bytes);
	cr_assert(blx__buf_ok(bytes));
}

Test(entry, gives_its_commands_back_in_order_and_is_padded)
{
	static const char *const texts[] = {"", "abc", "hello world"};
	struct blx__entry entry;
	struct blx__buf bytes;
	const uint8_t *command;
	size_t len;
	unsigned i;

	sample_entry(&bytes);

	cr_assert_eq(bytes.len % 8, 0);
	cr_assert_eq(blx__entry_read(bytes.data, bytes.len, &entry), 0);
	cr_assert_eq(entry.header.origin, 1);
	cr_assert_eq(entry.header.incarnation, 2);
	cr_assert_eq(entry.header.token, 3);
	cr_assert_eq(entry.header.time_ms, ENTRIES_TIME_MS);
	cr_assert_eq(entry.header.count, 3);
	for (i = 0; i < 3; i++) {
		cr_assert(blx__entry_next(&entry, &command, &len));
		cr_assert_eq(len, strlen(texts[i]));
		cr_assert_eq(memcmp(command, texts[i], len), 0);
	}
	cr_assert_not(blx__entry_next(&entry, &command, &len));
	blx__buf_finish(&bytes);
}

Test(entry, cut_short_anywhere_gives_no_command_that_is_not_whole)
{
	struct blx__entry entry;
	struct blx__buf bytes;
	size_t cut;

	sample_entry(&bytes);

	for (cut = 0; cut < bytes.len; cut++) {
		uint8_t *copy = malloc(cut + 1); /* so that the sanitizer sees its end */
		const uint8_t *command;
		size_t len;
		unsigned count = 0;

		memcpy(copy, bytes.data, cut);
		if (blx__entry_read(copy, cut, &entry) != 0) {
			cr_assert_lt(cut, 37);
		} else {
			while (blx__entry_next(&entry, &command, &len)) {
				cr_assert_leq(
					(size_t)(command - copy) + len, cut, "%zu", cut);
				count++;
			}
			cr_assert_eq(count,
				(unsigned)((cut >= 41) + (cut >= 48) + (cut >= 63)));
		}
		free(copy);
	}
	blx__buf_finish(&bytes);
}

Test(entry, of_a_later_format_is_told_from_a_malformed_one)
{
	struct blx__entry entry;
	struct blx__buf bytes;

	sample_entry(&bytes);

	bytes.data[0] = BLX__ENTRY_FORMAT + 1;
	cr_assert_eq(blx__entry_read(bytes.data, bytes.len, &entry), BLX_EVERSION);
	bytes.data[0] = BLX__ENTRY_FORMAT;
	bytes.data[32] = 0x80; /* a time before the beginning of time */
	cr_assert_eq(blx__entry_read(bytes.data, bytes.len, &entry), BLX_EPROTO);
	cr_assert_eq(blx__entry_read("", 0, &entry), BLX_EPROTO);
	blx__buf_finish(&bytes);
}
