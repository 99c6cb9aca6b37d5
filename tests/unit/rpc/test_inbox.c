/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/crc32c.h"
#include "rpc/inbox.h"

#include <stdlib.h>
#include <string.h>

#define LEN_MAX 1000

static struct blx__inbox inbox;
static struct blx__buf bytes;

static void begin(void)
{
	blx__inbox_init(&inbox);
	blx__buf_init(&bytes);
}

static void end(void)
{
	blx__inbox_finish(&inbox);
	blx__buf_finish(&bytes);
}

static void add_frame(uint64_t id, const char *payload)
{
	struct blx__frame frame = {.kind = 20, .id = id, .len = strlen(payload)};
	uint8_t header[BLX__FRAME_HEADER_SIZE];

	blx__frame_header_make(header, &frame, blx__crc32c(0, payload, frame.len));
	blx__buf_append(&bytes, header, sizeof header);
	blx__buf_append(&bytes, payload, frame.len);
}

static void assert_next(uint64_t id, const char *payload)
{
	struct blx__frame frame;

	cr_assert_eq(blx__inbox_next(&inbox, LEN_MAX, &frame), 0);
	cr_assert_eq(frame.id, id);
	cr_assert_eq(frame.len, strlen(payload));
	cr_assert_arr_eq(frame.payload, payload, frame.len);
}

static void assert_none(int why)
{
	struct blx__frame frame;

	cr_assert_eq(blx__inbox_next(&inbox, LEN_MAX, &frame), why);
}

#define INBOX_TEST(name) Test(inbox, name, .init = begin, .fini = end)

INBOX_TEST(whole_frames_are_given_out_where_they_lie)
{
	struct blx__frame frame;

	add_frame(1, "one");
	add_frame(2, "");
	add_frame(3, "three");
	blx__inbox_put(&inbox, bytes.data, bytes.len);
	cr_assert_eq(blx__inbox_next(&inbox, LEN_MAX, &frame), 0);
	cr_assert_eq(frame.payload, bytes.data + BLX__FRAME_HEADER_SIZE);
	assert_next(2, "");
	assert_next(3, "three");
	assert_none(BLX_ENOENT);

	cr_assert(blx__inbox_keep(&inbox));
	cr_assert(blx__inbox_empty(&inbox));
	cr_assert_eq(inbox.kept.cap, 0, "nothing was copied");
}

/* The two parts in memory of exactly their lengths. */
static void put_part(size_t from, size_t to)
{
	uint8_t *part = malloc(to > from ? to - from : 1);
	struct blx__frame frame;

	memcpy(part, bytes.data + from, to - from);
	blx__inbox_put(&inbox, part, to - from);
	while (blx__inbox_next(&inbox, LEN_MAX, &frame) == 0) {
		cr_assert_eq(frame.id, frame.len);
		cr_assert_arr_eq(frame.payload, "abcdefghij", frame.len);
		cr_assert_eq(frame.kind, 20);
		inbox.too_long++; /* counts, here */
	}
	cr_assert(blx__inbox_keep(&inbox));
	free(part);
}

INBOX_TEST(cut_in_two_at_any_two_bytes_they_are_the_same_frames)
{
	size_t first;
	size_t second;

	add_frame(10, "abcdefghij");
	add_frame(0, "");
	add_frame(3, "abc");
	for (first = 0; first <= bytes.len; first++) {
		for (second = first; second <= bytes.len; second++) {
			inbox.too_long = 0;
			put_part(0, first);
			put_part(first, second);
			put_part(second, bytes.len);
			cr_assert_eq(inbox.too_long, 3, "%zu, %zu", first, second);
			cr_assert(blx__inbox_empty(&inbox));
		}
	}
}

INBOX_TEST(what_is_not_wanted_yet_is_kept_in_order)
{
	add_frame(1, "one");
	add_frame(2, "two");
	add_frame(3, "three");
	blx__inbox_put(&inbox, bytes.data, bytes.len - 1);
	assert_next(1, "one");
	cr_assert(blx__inbox_keep(&inbox));
	cr_assert_not(blx__inbox_empty(&inbox));

	blx__inbox_put(&inbox, bytes.data + bytes.len - 1, 1);
	assert_next(2, "two");
	cr_assert(blx__inbox_keep(&inbox));
	blx__inbox_put(&inbox, NULL, 0);
	assert_next(3, "three");
	assert_none(BLX_ENOENT);
}

INBOX_TEST(memory_is_taken_as_bytes_come_not_as_a_header_announces_them)
{
	struct blx__frame announced = {.kind = 20, .len = BLX__FRAME_LEN_MAX};
	uint8_t header[BLX__FRAME_HEADER_SIZE + 10] = {0};
	struct blx__frame frame;

	blx__frame_header_make(header, &announced, 0);
	blx__inbox_put(&inbox, header, sizeof header);
	cr_assert_eq(blx__inbox_next(&inbox, BLX__FRAME_LEN_MAX, &frame), BLX_ENOENT);
	cr_assert(blx__inbox_keep(&inbox));

	cr_assert_leq(inbox.kept.cap, 128);
}

INBOX_TEST(frame_longer_than_allowed_is_told_by_its_length)
{
	struct blx__frame announced = {.kind = 20, .len = LEN_MAX + 1};
	uint8_t header[BLX__FRAME_HEADER_SIZE];

	blx__frame_header_make(header, &announced, 0);
	blx__inbox_put(&inbox, header, 10);
	assert_none(BLX_ENOENT);
	cr_assert(blx__inbox_keep(&inbox));
	blx__inbox_put(&inbox, header + 10, sizeof header - 10);
	assert_none(BLX_ETOOBIG);

	cr_assert_eq(inbox.too_long, LEN_MAX + 1);
}

INBOX_TEST(what_is_no_header_or_damaged_is_told)
{
	add_frame(1, "one");
	bytes.data[bytes.len - 1] ^= 1;
	blx__inbox_put(&inbox, bytes.data, bytes.len);
	assert_none(BLX_ECORRUPT);
	end();

	begin();
	blx__buf_append(&bytes, "GET / HTTP/1.1\r\nHost: somewhere\r\n", 33);
	blx__inbox_put(&inbox, bytes.data, bytes.len);
	assert_none(BLX_EPROTO);
}
