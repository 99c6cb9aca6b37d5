/* SPDX-License-Identifier: Apache-2.0 */
#include "talk.h"

#include "base/crc32c.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

struct talk talk;
struct talk_raw raw;

struct blx__hello talk_hello(const char *name, uint64_t id)
{
	struct blx__hello hello = {.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_MEMBER,
		.id = id};

	(void)snprintf(hello.name, sizeof hello.name, "%s", name);
	return hello;
}

/* ---- the ends ---- */

static void on_hello(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct talk_end *end = data;
	struct blx__hello own = talk_hello("listener", 1);
	blx_error why = BLX_ERROR_INIT;

	end->hello = *hello;
	if (end->refuses) {
		why.code = BLX_EPERM;
		(void)snprintf(why.message, sizeof why.message, "not you");
		blx__conn_refuse(conn, &own, &why);
	} else if (!end->is_mute) {
		end->opened++;
		blx__conn_welcome(conn, &own);
	}
}

static void on_open(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct talk_end *end = data;

	end->hello = *hello;
	end->opened++;
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct talk_end *end = data;

	end->out_of_order += frame->id != end->last_id + 1;
	end->last_id = frame->id;
	end->frames++;
	end->bytes += frame->len;
	end->crc = blx__crc32c(end->crc, frame->payload, frame->len);
	if (end->pauses && end->frames == 1) {
		blx__conn_pause(conn, true);
	}
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct talk_end *end = data;

	end->conn = NULL;
	end->closed++;
	end->why = *why;
}

const struct blx__conn_cbs talk_cbs = {.on_hello = on_hello,
	.on_open = on_open,
	.on_frame = on_frame,
	.on_close = on_close};

static void on_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	(void)blx__conn_accept(
		&talk.net.env, stream, &talk_cbs, &talk.listens, &talk.listens.conn);
}

void talk_begin(void)
{
	memset(&talk, 0, sizeof talk);
	memset(&raw, 0, sizeof raw);
	pipe_net_init(&talk.net, 1);
	cr_assert_eq(talk.net.net.ops->listen(&talk.net.net, TALK_ADDRESS, on_accept,
			     NULL, &talk.listener, NULL),
		0);
}

void talk_end(void)
{
	talk.net.cut = false;
	talk.net.stalled = false;
	if (talk.dials.conn != NULL) {
		blx__conn_close(talk.dials.conn);
	}
	if (talk.listens.conn != NULL) {
		blx__conn_close(talk.listens.conn);
	}
	if (raw.stream != NULL) {
		talk.net.net.ops->close(raw.stream);
	}
	talk.net.net.ops->listener_close(talk.listener);
	pipe_net_finish(&talk.net);
	blx__buf_finish(&raw.in);
	blx__buf_finish(&raw.out);
}

int talk_dial(void)
{
	struct blx__hello hello = talk_hello("dialler", 2);

	return blx__conn_connect(&talk.net.env, TALK_ADDRESS, &hello, &talk_cbs,
		&talk.dials, &talk.dials.conn, NULL);
}

void talk_open(void)
{
	cr_assert_eq(talk_dial(), 0);
	pipe_net_run(&talk.net);
	cr_assert_eq(talk.dials.opened, 1);
	cr_assert_eq(talk.listens.opened, 1);
}

int talk_send(struct talk_end *end, uint64_t id, const void *payload, size_t len)
{
	struct blx__frame frame = {
		.kind = TALK_KIND, .id = id, .payload = payload, .len = len};

	return blx__conn_send(end->conn, &frame);
}

/* ---- the peer without manners ---- */

static void raw_flush(void)
{
	if (!raw.writing && raw.stream != NULL && raw.out.len > 0) {
		raw.writing = true;
		talk.net.net.ops->write(raw.stream, raw.out.data, raw.out.len);
	}
}

static void on_raw_connect(struct blx__stream *stream, void *data)
{
	raw_flush();
}

static void on_raw_read(
	struct blx__stream *stream, const uint8_t *bytes, size_t len, void *data)
{
	blx__buf_append(&raw.in, bytes, len);
}

static void on_raw_written(struct blx__stream *stream, void *data)
{
	raw.writing = false;
	blx__buf_reset(&raw.out);
}

static void on_raw_close(
	struct blx__stream *stream, int status, const char *text, void *data)
{
	raw.stream = NULL;
	raw.status = status;
}

static const struct blx__stream_cbs raw_cbs = {.on_connect = on_raw_connect,
	.on_read = on_raw_read,
	.on_written = on_raw_written,
	.on_close = on_raw_close};

void raw_dial(void)
{
	cr_assert_eq(talk.net.net.ops->connect(&talk.net.net, TALK_ADDRESS, &raw_cbs,
			     NULL, &raw.stream, NULL),
		0);
	pipe_net_run(&talk.net);
}

static void on_raw_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	raw.stream = stream;
	talk.net.net.ops->accept(stream, &raw_cbs, NULL);
}

void raw_listen(void)
{
	talk.net.net.ops->listener_close(talk.listener);
	cr_assert_eq(talk.net.net.ops->listen(&talk.net.net, TALK_ADDRESS, on_raw_accept,
			     NULL, &talk.listener, NULL),
		0);
}

void raw_write(const void *bytes, size_t len)
{
	cr_assert_not(raw.writing, "the peer has not taken what was written before");
	blx__buf_append(&raw.out, bytes, len);
	raw_flush();
	pipe_net_run(&talk.net);
}

void raw_frame(uint16_t kind, uint64_t id, const void *payload, size_t len)
{
	struct blx__frame frame = {.kind = kind, .id = id, .len = len};
	uint8_t header[BLX__FRAME_HEADER_SIZE];

	blx__frame_header_make(header, &frame, blx__crc32c(0, payload, len));
	blx__buf_append(&raw.out, header, sizeof header);
	raw_write(payload, len);
}

void raw_hello(void)
{
	struct blx__hello hello = talk_hello("raw", 9);
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__hello_put(&buf, &hello);
	raw_frame(RAW_HELLO, 0, buf.data, buf.len);
	blx__buf_finish(&buf);
}

unsigned raw_count(uint16_t kind)
{
	unsigned count = 0;
	size_t at = 0;

	while (raw.in.len - at >= BLX__FRAME_HEADER_SIZE) {
		struct blx__frame frame;
		uint32_t crc;

		cr_assert(blx__frame_header_get(raw.in.data + at, &frame, &crc));
		at += BLX__FRAME_HEADER_SIZE + frame.len;
		count += frame.kind == kind;
	}
	cr_assert_eq(at, raw.in.len, "whole frames");
	return count;
}
