/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "talk.h"

#include <stdlib.h>
#include <string.h>

#define CONN_TEST(name) Test(conn, name, .init = talk_begin, .fini = talk_end)

/* ---- the handshake ---- */

CONN_TEST(both_are_open_after_the_handshake_and_know_each_other)
{
	talk_open();

	cr_assert_str_eq(talk.dials.hello.name, "listener");
	cr_assert_eq(talk.dials.hello.id, 1);
	cr_assert_str_eq(talk.listens.hello.name, "dialler");
	cr_assert_eq(talk.listens.hello.id, 2);
	cr_assert(blx__conn_is_open(talk.dials.conn));
	cr_assert(blx__conn_is_open(talk.listens.conn));
}

CONN_TEST(dialling_where_nobody_listens_ends_with_no_connection)
{
	struct blx__hello hello = talk_hello("dialler", 2);

	cr_assert_eq(blx__conn_connect(&talk.net.env, "unix:/nobody", &hello, &talk_cbs,
			     &talk.dials, &talk.dials.conn, NULL),
		0);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.dials.why.code, BLX_ECONNECT);
}

CONN_TEST(malformed_address_fails_at_once)
{
	struct blx__hello hello = talk_hello("dialler", 2);
	static const struct blx__conn_cbs none;
	struct blx__conn *conn;

	cr_assert_eq(blx__conn_connect(
			     &talk.net.env, "nowhere", &hello, &none, NULL, &conn, NULL),
		BLX_EINVAL);
}

CONN_TEST(refused_one_learns_why_and_the_connection_closes)
{
	talk.listens.refuses = true;
	cr_assert_eq(talk_dial(), 0);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.opened, 0);
	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.dials.why.code, BLX_EPERM);
	cr_assert_str_eq(talk.dials.why.message, "not you");
	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_EPERM);
}

CONN_TEST(one_that_says_nothing_is_closed_at_the_deadline)
{
	raw_dial();
	pipe_net_pass(&talk.net, BLX__CONN_HANDSHAKE_MS - 1);
	cr_assert_eq(talk.listens.closed, 0);

	pipe_net_pass(&talk.net, 1);

	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_ETIMEOUT);
}

CONN_TEST(bytes_that_trickle_do_not_put_the_deadline_off)
{
	struct blx__frame frame = {.kind = RAW_HELLO, .len = 1000};
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	unsigned i;

	raw_dial();
	blx__frame_header_make(header, &frame, 0);
	for (i = 0; i < 10; i++) {
		raw_write(header + i, 1);
		pipe_net_pass(&talk.net, BLX__CONN_HANDSHAKE_MS / 10);
	}

	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_ETIMEOUT);
}

CONN_TEST(dialler_gives_up_on_one_that_does_not_answer_its_hello)
{
	raw_listen();
	cr_assert_eq(talk_dial(), 0);
	pipe_net_pass(&talk.net, BLX__CONN_HANDSHAKE_MS);

	cr_assert_eq(raw_count(RAW_HELLO), 1);
	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.dials.why.code, BLX_ETIMEOUT);
	cr_assert_not_null(strstr(talk.dials.why.message, TALK_ADDRESS));
}

CONN_TEST(other_major_version_is_refused_with_the_reason)
{
	struct blx__hello hello = talk_hello("raw", 9);
	struct blx__welcome welcome;
	struct blx__buf buf;

	hello.major = BLX__HELLO_MAJOR + 1;
	blx__buf_init(&buf);
	blx__hello_put(&buf, &hello);
	raw_dial();
	raw_frame(RAW_HELLO, 0, buf.data, buf.len);
	blx__buf_finish(&buf);

	cr_assert_eq(raw_count(RAW_WELCOME), 1);
	cr_assert_eq(blx__welcome_get(raw.in.data + BLX__FRAME_HEADER_SIZE,
			     raw.in.len - BLX__FRAME_HEADER_SIZE, &welcome),
		0);
	cr_assert_eq(welcome.code, BLX_EVERSION);
	cr_assert_eq(talk.listens.opened, 0);
	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_null(raw.stream);
}

CONN_TEST(frame_before_the_handshake_is_over_closes)
{
	raw_dial();
	raw_frame(TALK_KIND, 1, "x", 1);

	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);
	cr_assert_eq(talk.listens.frames, 0);
}

CONN_TEST(second_hello_closes)
{
	raw_dial();
	raw_hello();
	cr_assert_eq(talk.listens.opened, 1);
	raw_hello();

	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);
}

/* ---- frames ---- */

/* Sends frames of any size in both directions, which arrive in pieces of any size. */
static void exchange(struct blx__rng *rng, unsigned count)
{
	static uint8_t payload[40000];
	uint32_t crc[2] = {0, 0};
	size_t bytes = 0;
	unsigned i;

	for (i = 1; i <= count; i++) {
		size_t len =
			(size_t)blx__rng_below(rng, i % 7 == 0 ? sizeof payload : 64);

		memset(payload, (int)blx__rng_below(rng, 256), len);
		crc[0] = blx__crc32c(crc[0], payload, len);
		cr_assert_eq(talk_send(&talk.dials, i, payload, len), 0);
		crc[1] = blx__crc32c(crc[1], payload, len / 2);
		cr_assert_eq(talk_send(&talk.listens, i, payload, len / 2), 0);
		bytes += len;
		if (blx__rng_below(rng, 4) == 0) {
			pipe_net_run(&talk.net);
		}
	}
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.listens.frames, count);
	cr_assert_eq(talk.listens.bytes, bytes);
	cr_assert_eq(talk.listens.crc, crc[0]);
	cr_assert_eq(talk.listens.out_of_order, 0);
	cr_assert_eq(talk.dials.frames, count);
	cr_assert_eq(talk.dials.crc, crc[1]);
	cr_assert_eq(talk.dials.out_of_order, 0);
}

CONN_TEST(frames_come_whole_and_in_order_however_the_bytes_are_split)
{
	static const size_t pieces[] = {0, 1, 2, 23, 24, 25, 100, 4096, 65536};
	struct blx__rng rng;
	size_t i;

	blx__rng_init(&rng, pipe_net_seed());
	talk_open();
	for (i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		talk.net.piece_max = pieces[i];
		talk.dials.last_id = talk.listens.last_id = 0;
		talk.dials.frames = talk.listens.frames = 0;
		talk.dials.crc = talk.listens.crc = 0;
		talk.dials.bytes = talk.listens.bytes = 0;
		exchange(&rng, pieces[i] < 24 && pieces[i] > 0 ? 40 : 300);
	}
}

CONN_TEST(payload_in_two_pieces_is_one_payload)
{
	talk_open();
	cr_assert_eq(
		blx__conn_send2(talk.dials.conn, TALK_KIND, 1, "head", 4, "body", 4), 0);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.listens.frames, 1);
	cr_assert_eq(talk.listens.bytes, 8);
	cr_assert_eq(talk.listens.crc, blx__crc32c(0, "headbody", 8));
}

CONN_TEST(small_frames_of_one_turn_leave_in_one_write)
{
	unsigned before;
	unsigned i;

	talk_open();
	before = talk.net.writes;
	for (i = 1; i <= 500; i++) {
		cr_assert_eq(talk_send(&talk.dials, i, "0123456789", 10), 0);
	}
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.listens.frames, 500);
	cr_assert_eq(talk.net.writes - before, 1);
}

CONN_TEST(what_is_sent_while_a_write_is_under_way_leaves_in_the_next_one)
{
	unsigned before;
	unsigned i;

	talk_open();
	before = talk.net.writes;
	talk.net.stalled = true;
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	pipe_net_run(&talk.net);
	for (i = 2; i <= 100; i++) {
		cr_assert_eq(talk_send(&talk.dials, i, "x", 1), 0);
		pipe_net_run(&talk.net);
	}
	cr_assert_eq(talk.net.writes - before, 1);
	talk.net.stalled = false;
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.net.writes - before, 2);
	cr_assert_eq(talk.listens.frames, 100);
	cr_assert_eq(talk.listens.out_of_order, 0);
}

CONN_TEST(longest_frame_passes_and_a_longer_one_is_not_taken)
{
	uint8_t *payload = calloc(1, BLX__FRAME_LEN_MAX + 1);

	talk_open();
	talk.net.piece_max = 256 * 1024;
	cr_assert_eq(talk_send(&talk.dials, 1, payload, BLX__FRAME_LEN_MAX), 0);
	cr_assert_eq(
		talk_send(&talk.dials, 2, payload, BLX__FRAME_LEN_MAX + 1), BLX_ETOOBIG);
	pipe_net_run(&talk.net);
	free(payload);

	cr_assert_eq(talk.listens.frames, 1);
	cr_assert_eq(talk.listens.bytes, BLX__FRAME_LEN_MAX);
	cr_assert_eq(talk.dials.closed, 0);
}

static void write_header(uint16_t kind, size_t len)
{
	struct blx__frame frame = {.kind = kind, .len = len};
	uint8_t header[BLX__FRAME_HEADER_SIZE];

	blx__frame_header_make(header, &frame, 0);
	raw_write(header, sizeof header);
}

CONN_TEST(header_that_announces_4_GiB_is_refused_by_the_name_of_the_peer)
{
	raw_dial();
	raw_hello();
	write_header(TALK_KIND, UINT32_MAX);

	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);
	cr_assert_str_eq(talk.listens.why.message,
		"raw: a frame of 4294967295 bytes, more than 8388608");
}

CONN_TEST(before_the_hello_is_accepted_a_frame_may_not_be_long)
{
	raw_dial();
	write_header(RAW_HELLO, BLX__FRAME_LEN_HELLO_MAX + 1);

	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);

	talk.listens.is_mute = true;
	raw_dial();
	raw_hello();
	cr_assert_eq(talk.listens.closed, 1);
	write_header(TALK_KIND, BLX__FRAME_LEN_HELLO_MAX + 1);
	cr_assert_eq(talk.listens.closed, 2, "nor while the owner decides on it");
	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);
}

CONN_TEST(damaged_header_closes)
{
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	struct blx__frame frame = {.kind = TALK_KIND, .len = 1};

	raw_dial();
	raw_hello();
	blx__frame_header_make(header, &frame, 0);
	header[0] ^= 0x80;
	raw_write(header, sizeof header);

	cr_assert_eq(talk.listens.why.code, BLX_EPROTO);
	cr_assert_null(raw.stream);
}

CONN_TEST(damaged_payload_closes_and_is_given_to_nobody)
{
	struct blx__frame frame = {.kind = TALK_KIND, .len = 4};
	uint8_t bytes[BLX__FRAME_HEADER_SIZE + 4];

	raw_dial();
	raw_hello();
	raw_frame(TALK_KIND, 1, "good", 4);
	blx__frame_header_make(bytes, &frame, blx__crc32c(0, "good", 4));
	memcpy(bytes + BLX__FRAME_HEADER_SIZE, "goof", 4);
	raw_write(bytes, sizeof bytes);

	cr_assert_eq(talk.listens.frames, 1);
	cr_assert_eq(talk.listens.why.code, BLX_ECORRUPT);
}

/* ---- bounds ---- */

CONN_TEST(what_waits_is_bounded_and_there_is_room_again_when_it_left)
{
	static uint8_t payload[1024 * 1024];
	unsigned sent = 0;
	int rv;

	talk_open();
	blx__conn_limit(talk.dials.conn, 9 * 1024 * 1024);
	talk.net.stalled = true;
	while ((rv = talk_send(&talk.dials, sent + 1, payload, sizeof payload)) == 0) {
		sent++;
		pipe_net_run(&talk.net);
	}
	cr_assert_eq(rv, BLX_EBUSY);
	cr_assert_eq(sent, 8);
	cr_assert(blx__conn_is_open(talk.dials.conn));

	talk.net.stalled = false;
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.listens.frames, 8);
	cr_assert_eq(talk_send(&talk.dials, 9, payload, sizeof payload), 0);
}

CONN_TEST(held_connection_sends_nothing_until_it_is_let_go)
{
	unsigned before;

	talk_open();
	before = talk.net.writes;
	blx__conn_hold(talk.dials.conn, true);
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	cr_assert_eq(talk_send(&talk.dials, 2, "x", 1), 0);
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.net.writes, before);
	cr_assert_eq(talk.listens.frames, 0);

	blx__conn_hold(talk.dials.conn, false);
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.listens.frames, 2);
}

CONN_TEST(hold_that_comes_after_send_in_the_same_turn_still_holds)
{
	talk_open();
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	blx__conn_hold(talk.dials.conn, true);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.listens.frames, 0);
}

CONN_TEST(paused_connection_takes_nothing_in_and_loses_nothing)
{
	static uint8_t payload[3000];
	unsigned i;

	talk_open();
	talk.listens.pauses = true;
	for (i = 1; i <= 200; i++) {
		cr_assert_eq(talk_send(&talk.dials, i, payload, sizeof payload), 0);
	}
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.listens.frames, 1, "what came with it in one piece waits, too");

	blx__conn_pause(talk.listens.conn, false);
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.listens.frames, 200);
	cr_assert_eq(talk.listens.out_of_order, 0);
}

CONN_TEST(connection_paused_for_long_is_taken_for_silent_by_neither_side)
{
	talk_open();
	blx__conn_pause(talk.listens.conn, true);
	pipe_net_pass(&talk.net, 10 * BLX__CONN_PING_MS);
	cr_assert_eq(talk.listens.closed, 0);
	cr_assert_eq(talk.dials.closed, 0);

	blx__conn_pause(talk.listens.conn, false);
	pipe_net_pass(&talk.net, 10 * BLX__CONN_PING_MS);
	cr_assert_eq(talk.listens.closed, 0);
	cr_assert_eq(talk.dials.closed, 0);
}

/* ---- silence ---- */

CONN_TEST(idle_connection_stays_for_hours)
{
	unsigned before;

	talk_open();
	before = talk.net.writes;
	pipe_net_pass(&talk.net, 3600 * 1000);

	cr_assert_eq(talk.dials.closed, 0);
	cr_assert_eq(talk.listens.closed, 0);
	cr_assert_gt(talk.net.writes, before, "they asked each other");
	cr_assert_eq(talk.listens.frames, 0, "and the owners saw nothing of it");
	cr_assert_geq(
		blx__conn_heard_ns(talk.dials.conn) + 2 * BLX__CONN_PING_MS * 1000000ull,
		talk.net.now_ns);
}

CONN_TEST(silent_one_is_asked_and_then_closed)
{
	raw_dial();
	raw_hello();
	pipe_net_pass(&talk.net, 3 * BLX__CONN_PING_MS - 1);
	cr_assert_eq(talk.listens.closed, 0);
	cr_assert_eq(raw_count(RAW_PING), 2);

	pipe_net_pass(&talk.net, 1);
	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_ECONNECT);
	cr_assert_str_eq(talk.listens.why.message, "raw: silent for too long");
}

CONN_TEST(answer_to_a_ping_is_enough_to_stay)
{
	unsigned i;

	raw_dial();
	raw_hello();
	for (i = 0; i < 20; i++) {
		pipe_net_pass(&talk.net, BLX__CONN_PING_MS);
		raw_frame(RAW_PONG, 0, NULL, 0);
	}
	cr_assert_eq(talk.listens.closed, 0);

	raw_frame(RAW_PING, 0, NULL, 0);
	cr_assert_eq(raw_count(RAW_PONG), 1);
}

/* ---- the end ---- */

CONN_TEST(close_ends_both_sides_once_and_says_who_did)
{
	talk_open();
	blx__conn_close(talk.dials.conn);
	blx__conn_close(talk.dials.conn);
	cr_assert_eq(talk.dials.closed, 0, "never inside the call");
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), BLX_ECONNECT);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.dials.why.code, BLX_ECANCELED);
	cr_assert_eq(talk.listens.closed, 1);
	cr_assert_eq(talk.listens.why.code, BLX_OK);
}

CONN_TEST(close_right_after_send_leaves_nothing_behind)
{
	talk_open();
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	blx__conn_close(talk.dials.conn);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.listens.frames, 0);
}

CONN_TEST(one_that_leaves_sends_first_what_it_has)
{
	unsigned i;

	talk_open();
	talk.net.piece_max = 100;
	for (i = 1; i <= 100; i++) {
		cr_assert_eq(talk_send(&talk.dials, i, "last words", 10), 0);
	}
	blx__conn_leave(talk.dials.conn);
	cr_assert_eq(talk_send(&talk.listens, 1, "x", 1), 0, "what comes in meanwhile");
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.listens.frames, 100);
	cr_assert_eq(talk.dials.frames, 0, "is dropped");
	cr_assert_eq(talk.dials.closed, 1);
	cr_assert_eq(talk.dials.why.code, BLX_ECANCELED);
}

CONN_TEST(one_that_leaves_does_not_wait_long_for_one_that_does_not_read)
{
	talk_open();
	talk.net.stalled = true;
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	blx__conn_leave(talk.dials.conn);
	pipe_net_pass(&talk.net, BLX__CONN_LEAVE_MS - 1);
	cr_assert_eq(talk.dials.closed, 0);
	pipe_net_pass(&talk.net, 1);

	cr_assert_eq(talk.dials.closed, 1);
}

CONN_TEST(one_that_leaves_with_nothing_to_say_closes_at_once)
{
	talk_open();
	blx__conn_leave(talk.dials.conn);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.closed, 1);
}

CONN_TEST(broken_stream_ends_both_with_a_failure)
{
	talk_open();
	cr_assert_eq(talk_send(&talk.dials, 1, "x", 1), 0);
	pipe_net_break(&talk.net);
	pipe_net_run(&talk.net);

	cr_assert_eq(talk.dials.why.code, BLX_ECONNECT);
	cr_assert_eq(talk.listens.why.code, BLX_ECONNECT);
	cr_assert_eq(talk.listens.frames, 0);
}

/* ---- memory ---- */

static unsigned long allocs_left;

static void *fail_malloc(size_t size, void *data)
{
	return allocs_left > 0 && --allocs_left > 0 ? malloc(size) : NULL;
}

static void *fail_realloc(void *ptr, size_t size, void *data)
{
	return allocs_left > 0 && --allocs_left > 0 ? realloc(ptr, size) : NULL;
}

static void plain_free(void *ptr, void *data)
{
	free(ptr);
}

/* A handshake and some frames, with memory for so many allocations. */
static bool talk_with_memory_for(unsigned long allocs)
{
	static const struct blx__allocator failing = {
		.malloc = fail_malloc, .realloc = fail_realloc, .free = plain_free};
	static uint8_t payload[5000];
	bool done;

	talk_begin();
	talk.net.piece_max = 700;
	allocs_left = allocs;
	blx__allocator_set(&failing);
	if (talk_dial() == 0) {
		pipe_net_run(&talk.net);
	}
	if (talk.dials.conn != NULL && blx__conn_is_open(talk.dials.conn)) {
		if (talk_send(&talk.dials, 1, payload, sizeof payload) == BLX_ENOMEM) {
			allocs_left = 1000;
			cr_assert_eq(talk_send(&talk.dials, 1, payload, sizeof payload),
				0,
				"memory came back, and the connection is as good as "
				"before");
		}
		pipe_net_run(&talk.net);
	}
	done = allocs_left > 0 && talk.listens.frames == 1;
	allocs_left = 1000;
	talk_end();
	blx__allocator_set(NULL);
	return done;
}

Test(conn, memory_that_ends_anywhere_costs_the_connection_at_most)
{
	unsigned long allocs = 0;

	while (!talk_with_memory_for(allocs)) {
		allocs++;
		cr_assert_lt(allocs, 100);
	}
	cr_assert_gt(allocs, 4);
}
