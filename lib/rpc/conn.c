/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/conn.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "rpc/inbox.h"

#include <stdio.h>
#include <string.h>

/* Frames of our own. */
#define KIND_HELLO   1
#define KIND_WELCOME 2
#define KIND_PING    3
#define KIND_PONG    4

/* A buffer that grew larger than this for once is given back when it is empty. */
#define BUFFER_KEPT ((size_t)1024 * 1024)

#define PEER_SIZE   128

/*
 *	CONNECTING -> GREETING -> OPEN
 *	accepted: AWAITING -> ASKED -> OPEN
 *	AWAITING, ASKED, OPEN -> LEAVING -> CLOSING
 *	any of them -> CLOSING
 *
 * CONNECTING: the stream is not there yet. GREETING: our hello is sent. AWAITING:
 * for the peer's hello. ASKED: the owner decides on it. OPEN: frames go both
 * ways. LEAVING: what waits is being sent, what comes in is dropped. CLOSING: the
 * stream is closed, on_close comes next.
 */
enum conn_state { CONNECTING, GREETING, AWAITING, ASKED, OPEN, LEAVING, CLOSING };

struct blx__conn {
	struct blx__env *env;
	struct blx__stream *stream;
	const struct blx__conn_cbs *cbs;
	void *data;
	enum conn_state state;
	struct blx__hello hello; /* to be sent, dialling */
	struct blx__inbox in;
	struct blx__buf out[2]; /* one is being written, frames go to the other */
	unsigned filling;
	size_t out_max;
	bool writing;
	bool held;
	bool paused;
	struct blx__post flush_post;
	struct blx__post resume_post;
	struct blx__post free_post;
	struct blx__timer timer; /* of the handshake, then of silence */
	uint64_t heard_ns;
	char peer[PEER_SIZE]; /* for messages: where it was dialled, or what it calls
				 itself */
	blx_error why;
};

/* ---- the end ---- */

/* A reason that is there already, of a refusal, is the one that counts. */
static void close_for(struct blx__conn *conn, int code, const char *text)
{
	if (conn->state == CLOSING) {
		return;
	}
	if (conn->why.code == 0) {
		(void)blx__error_set(&conn->why, code, "%s: %s", conn->peer, text);
	}
	conn->state = CLOSING;
	blx__timer_stop(conn->env, &conn->timer);
	conn->env->net->ops->close(conn->stream);
}

static void conn_free(struct blx__conn *conn)
{
	blx__inbox_finish(&conn->in);
	blx__buf_finish(&conn->out[0]);
	blx__buf_finish(&conn->out[1]);
	blx__free(conn);
}

static void on_free_post(struct blx__post *post)
{
	conn_free(post->data);
}

static void on_stream_close(
	struct blx__stream *stream, int status, const char *text, void *data)
{
	struct blx__conn *conn = data;

	(void)stream;
	if (conn->why.code == 0 && status != 0) {
		(void)blx__error_set(&conn->why, status, "%s", text);
	}
	if (conn->why.code == 0) {
		(void)snprintf(
			conn->why.message, sizeof conn->why.message, "%.200s", text);
	}
	conn->state = CLOSING;
	blx__timer_stop(conn->env, &conn->timer);
	if (conn->cbs->on_close != NULL) {
		conn->cbs->on_close(conn, &conn->why, conn->data);
	}
	if (conn->flush_post.queued || conn->resume_post.queued) {
		blx__env_post(conn->env, &conn->free_post); /* behind them */
	} else {
		conn_free(conn);
	}
}

void blx__conn_close(struct blx__conn *conn)
{
	close_for(conn, BLX_ECANCELED, "closed");
}

/* ---- out ---- */

static void flush(struct blx__conn *conn)
{
	struct blx__buf *out = &conn->out[conn->filling];

	if (conn->writing || conn->state == CLOSING || conn->state == CONNECTING ||
		(conn->held && conn->state == OPEN) || out->len == 0) {
		return;
	}
	conn->writing = true;
	conn->filling = 1 - conn->filling;
	conn->env->net->ops->write(conn->stream, out->data, out->len);
}

static void on_flush_post(struct blx__post *post)
{
	flush(post->data);
}

static void on_stream_written(struct blx__stream *stream, void *data)
{
	struct blx__conn *conn = data;
	struct blx__buf *out = &conn->out[1 - conn->filling];

	(void)stream;
	conn->writing = false;
	if (out->cap > BUFFER_KEPT) {
		blx__buf_finish(out);
		blx__buf_init(out);
	} else {
		blx__buf_reset(out);
	}
	if (conn->state == LEAVING && conn->out[conn->filling].len == 0) {
		close_for(conn, BLX_ECANCELED, "closed");
		return;
	}
	flush(conn);
}

static void on_leave_late(struct blx__timer *timer)
{
	close_for(timer->data, BLX_ECANCELED, "closed before all was sent");
}

static int queue_frame(struct blx__conn *conn, const struct blx__frame *frame,
	const void *body, size_t body_len)
{
	struct blx__buf *out = &conn->out[conn->filling];
	uint8_t header[BLX__FRAME_HEADER_SIZE];
	struct blx__frame whole = {.kind = frame->kind, .id = frame->id};
	size_t before = out->len;
	uint32_t crc;

	whole.len = frame->len + body_len;
	if (whole.len > BLX__FRAME_LEN_MAX) {
		return BLX_ETOOBIG;
	}
	if (conn->out[0].len + conn->out[1].len + sizeof header + whole.len >
		conn->out_max) {
		return BLX_EBUSY;
	}
	if (!blx__buf_reserve(out, sizeof header + whole.len)) {
		/* What is in it is whole, and there may be memory later. */
		out->failed = false;
		return BLX_ENOMEM;
	}
	crc = blx__crc32c(0, frame->payload, frame->len);
	crc = blx__crc32c(crc, body, body_len);
	blx__frame_header_make(header, &whole, crc);
	blx__buf_append(out, header, sizeof header);
	blx__buf_append(out, frame->payload, frame->len);
	blx__buf_append(out, body, body_len);
	INVARIANT(out->len == before + sizeof header + whole.len);
	blx__env_post(conn->env, &conn->flush_post);
	return 0;
}

int blx__conn_send2(struct blx__conn *conn, uint16_t kind, uint64_t id, const void *head,
	size_t head_len, const void *body, size_t body_len)
{
	struct blx__frame frame = {
		.kind = kind, .id = id, .payload = head, .len = head_len};

	if (conn->state != OPEN) {
		return BLX_ECONNECT;
	}
	return queue_frame(conn, &frame, body, body_len);
}

int blx__conn_send(struct blx__conn *conn, const struct blx__frame *frame)
{
	return blx__conn_send2(
		conn, frame->kind, frame->id, frame->payload, frame->len, NULL, 0);
}

void blx__conn_limit(struct blx__conn *conn, size_t queue_max)
{
	PRE(queue_max >= BLX__FRAME_HEADER_SIZE + BLX__FRAME_LEN_MAX);

	conn->out_max = queue_max;
}

void blx__conn_leave(struct blx__conn *conn)
{
	if (conn->state != OPEN) {
		blx__conn_close(conn);
		return;
	}
	conn->state = LEAVING;
	conn->held = false;
	blx__timer_stop(conn->env, &conn->timer);
	blx__timer_init(&conn->timer, on_leave_late, conn);
	if (blx__timer_start_ms(conn->env, &conn->timer, BLX__CONN_LEAVE_MS) != 0) {
		close_for(conn, BLX_ENOMEM, "out of memory");
	} else if (!conn->writing && conn->out[conn->filling].len == 0) {
		close_for(conn, BLX_ECANCELED, "closed");
	} else {
		flush(conn);
	}
}

void blx__conn_hold(struct blx__conn *conn, bool hold)
{
	conn->held = hold;
	if (!hold) {
		flush(conn);
	}
}

/* A frame of the handshake; a failure for memory ends the connection. */
static void send_own(
	struct blx__conn *conn, uint16_t kind, const struct blx__buf *payload)
{
	struct blx__frame frame = {
		.kind = kind, .payload = payload->data, .len = payload->len};

	if (!blx__buf_ok(payload) || queue_frame(conn, &frame, NULL, 0) != 0) {
		close_for(conn, BLX_ENOMEM, "out of memory");
	}
}

/* ---- the handshake ---- */

static void on_silence(struct blx__timer *timer);

static void silence_watch(struct blx__conn *conn)
{
	if (conn->state != CLOSING &&
		blx__timer_start_ms(conn->env, &conn->timer, BLX__CONN_PING_MS) != 0) {
		close_for(conn, BLX_ENOMEM, "out of memory");
	}
}

static void opened(struct blx__conn *conn)
{
	conn->state = OPEN;
	conn->heard_ns = blx__mono_ns(conn->env);
	blx__timer_stop(conn->env, &conn->timer);
	blx__timer_init(&conn->timer, on_silence, conn);
	silence_watch(conn);
}

static void on_handshake_late(struct blx__timer *timer)
{
	close_for(timer->data, BLX_ETIMEOUT, "no hello came in time");
}

static void on_silence(struct blx__timer *timer)
{
	struct blx__conn *conn = timer->data;
	uint64_t silent_ms = (blx__mono_ns(conn->env) - conn->heard_ns) / 1000000;
	struct blx__buf none;

	if (silent_ms >= 3 * BLX__CONN_PING_MS && !conn->paused) {
		close_for(conn, BLX_ECONNECT, "silent for too long");
		return;
	}
	if (silent_ms >= BLX__CONN_PING_MS - 1) {
		blx__buf_init(&none);
		send_own(conn, KIND_PING, &none);
	}
	silence_watch(conn);
}

void blx__conn_welcome(struct blx__conn *conn, const struct blx__hello *own)
{
	struct blx__welcome welcome = {.hello = *own};
	struct blx__buf buf;

	if (conn->state != ASKED) {
		return; /* closed meanwhile */
	}
	blx__buf_init(&buf);
	blx__welcome_put(&buf, &welcome);
	opened(conn);
	send_own(conn, KIND_WELCOME, &buf);
	blx__buf_finish(&buf);
	flush(conn); /* now: the owner may hold the connection next, and this is to pass
		      */
}

void blx__conn_refuse(
	struct blx__conn *conn, const struct blx__hello *own, const blx_error *why)
{
	struct blx__welcome welcome = {.code = why->code, .hello = *own};
	struct blx__buf buf;

	if (conn->state != ASKED && conn->state != AWAITING) {
		return;
	}
	(void)snprintf(welcome.text, sizeof welcome.text, "%s", why->message);
	blx__error_copy(&conn->why, why);
	blx__buf_init(&buf);
	blx__welcome_put(&buf, &welcome);
	conn->state = LEAVING;
	send_own(conn, KIND_WELCOME, &buf);
	blx__buf_finish(&buf);
}

static void on_hello_frame(struct blx__conn *conn, const struct blx__frame *frame)
{
	struct blx__hello hello;
	blx_error why = BLX_ERROR_INIT;
	int rv = blx__hello_get(frame->payload, frame->len, &hello);

	if (rv == BLX_EVERSION) {
		struct blx__hello own = {.major = BLX__HELLO_MAJOR,
			.minor = BLX__HELLO_MINOR,
			.role = BLX__ROLE_MEMBER};

		(void)blx__error_set(&why, rv,
			"this member speaks version %d of the protocol, and no other",
			BLX__HELLO_MAJOR);
		blx__conn_refuse(conn, &own, &why);
	} else if (rv != 0) {
		close_for(conn, rv, "the hello is malformed");
	} else {
		(void)snprintf(conn->peer, sizeof conn->peer, "%s",
			hello.name[0] != '\0' ? hello.name : "a client");
		conn->state = ASKED;
		conn->cbs->on_hello(conn, &hello, conn->data);
	}
}

static void on_welcome_frame(struct blx__conn *conn, const struct blx__frame *frame)
{
	struct blx__welcome welcome;
	int rv = blx__welcome_get(frame->payload, frame->len, &welcome);

	if (rv != 0) {
		close_for(conn, rv,
			rv == BLX_EVERSION ? "speaks another version of the protocol"
					   : "the answer to the hello is malformed");
	} else if (welcome.code != 0) {
		(void)blx__error_set(&conn->why, welcome.code, "%s", welcome.text);
		close_for(conn, welcome.code, "refused");
	} else {
		opened(conn);
		conn->cbs->on_open(conn, &welcome.hello, conn->data);
	}
}

/* ---- in ---- */

static void on_own_frame(struct blx__conn *conn, const struct blx__frame *frame)
{
	struct blx__buf none;

	if (frame->kind == KIND_HELLO && conn->state == AWAITING) {
		on_hello_frame(conn, frame);
	} else if (frame->kind == KIND_WELCOME && conn->state == GREETING) {
		on_welcome_frame(conn, frame);
	} else if (frame->kind == KIND_PING && conn->state == OPEN) {
		blx__buf_init(&none);
		send_own(conn, KIND_PONG, &none);
	} else if (frame->kind != KIND_PONG || conn->state != OPEN) {
		close_for(conn, BLX_EPROTO, "a frame came out of order");
	}
}

static void on_whole_frame(struct blx__conn *conn, const struct blx__frame *frame)
{
	if (conn->state == LEAVING) {
		return; /* nobody is left to hear it */
	}
	if (frame->kind < BLX__FRAME_KIND_FIRST) {
		on_own_frame(conn, frame);
	} else if (conn->state == OPEN) {
		conn->cbs->on_frame(conn, frame, conn->data);
	} else {
		close_for(conn, BLX_EPROTO, "a frame came before the handshake was over");
	}
}

static bool is_stopped(const struct blx__conn *conn)
{
	return conn->state == CLOSING || (conn->paused && conn->state == OPEN);
}

static size_t len_max(const struct blx__conn *conn)
{
	return conn->state == OPEN || conn->state == LEAVING ? BLX__FRAME_LEN_MAX
							     : BLX__FRAME_LEN_HELLO_MAX;
}

static void close_too_long(struct blx__conn *conn, size_t len)
{
	char text[96];

	(void)snprintf(text, sizeof text, "a frame of %zu bytes, more than %zu", len,
		len_max(conn));
	close_for(conn, BLX_EPROTO, text);
}

static void close_for_input(struct blx__conn *conn, int code)
{
	if (code == BLX_ETOOBIG) {
		close_too_long(conn, conn->in.too_long);
	} else if (code == BLX_EPROTO) {
		close_for(conn, code, "what came in is not a frame of this protocol");
	} else if (code == BLX_ECORRUPT) {
		close_for(conn, code, "a frame came in damaged");
	} else {
		close_for(conn, code, "out of memory");
	}
}

/* Gives out the frames that are whole, as long as they are wanted. */
static void take_in(struct blx__conn *conn, const uint8_t *bytes, size_t len)
{
	struct blx__frame frame;
	int rv = 0;

	blx__inbox_put(&conn->in, bytes, len);
	while (rv == 0 && !is_stopped(conn)) {
		rv = blx__inbox_next(&conn->in, len_max(conn), &frame);
		if (rv == 0) {
			on_whole_frame(conn, &frame);
		}
	}
	if (rv != 0 && rv != BLX_ENOENT) {
		close_for_input(conn, rv);
	} else if (conn->state != CLOSING && !blx__inbox_keep(&conn->in)) {
		close_for_input(conn, BLX_ENOMEM);
	}
}

static void on_stream_read(
	struct blx__stream *stream, const uint8_t *bytes, size_t len, void *data)
{
	struct blx__conn *conn = data;

	(void)stream;
	if (conn->state != CLOSING) {
		conn->heard_ns = blx__mono_ns(conn->env);
		take_in(conn, bytes, len);
	}
}

/* Takes up what was kept while paused. */
static void on_resume_post(struct blx__post *post)
{
	struct blx__conn *conn = post->data;

	if (!is_stopped(conn)) {
		take_in(conn, NULL, 0);
	}
}

void blx__conn_pause(struct blx__conn *conn, bool pause)
{
	if (conn->paused == pause || conn->state == CLOSING) {
		return;
	}
	conn->paused = pause;
	conn->env->net->ops->read_pause(conn->stream, pause);
	if (!pause) {
		conn->heard_ns = blx__mono_ns(conn->env);
		blx__env_post(conn->env, &conn->resume_post);
	}
}

/* ---- making ---- */

static void on_stream_connect(struct blx__stream *stream, void *data)
{
	struct blx__conn *conn = data;
	struct blx__buf buf;

	(void)stream;
	conn->state = GREETING;
	blx__buf_init(&buf);
	blx__hello_put(&buf, &conn->hello);
	send_own(conn, KIND_HELLO, &buf);
	blx__buf_finish(&buf);
}

static const struct blx__stream_cbs stream_cbs = {
	.on_connect = on_stream_connect,
	.on_read = on_stream_read,
	.on_written = on_stream_written,
	.on_close = on_stream_close,
};

static struct blx__conn *conn_create(struct blx__env *env,
	const struct blx__conn_cbs *cbs, void *data, enum conn_state state)
{
	struct blx__conn *conn = blx__calloc(1, sizeof *conn);

	if (conn == NULL) {
		return NULL;
	}
	conn->env = env;
	conn->cbs = cbs;
	conn->data = data;
	conn->state = state;
	conn->out_max = BLX__CONN_QUEUE_MAX;
	blx__inbox_init(&conn->in);
	blx__buf_init(&conn->out[0]);
	blx__buf_init(&conn->out[1]);
	blx__post_init(&conn->flush_post, on_flush_post, conn);
	blx__post_init(&conn->resume_post, on_resume_post, conn);
	blx__post_init(&conn->free_post, on_free_post, conn);
	blx__timer_init(&conn->timer, on_handshake_late, conn);
	blx_error_init(&conn->why);
	if (blx__timer_start_ms(env, &conn->timer, BLX__CONN_HANDSHAKE_MS) != 0) {
		blx__free(conn);
		return NULL;
	}
	return conn;
}

int blx__conn_connect(struct blx__env *env, const char *address,
	const struct blx__hello *hello, const struct blx__conn_cbs *cbs, void *data,
	struct blx__conn **ret_conn, blx_error *error)
{
	struct blx__conn *conn = conn_create(env, cbs, data, CONNECTING);
	int rv;

	if (conn == NULL) {
		return blx__error_set(
			error, BLX_ENOMEM, "connect %s: out of memory", address);
	}
	conn->hello = *hello;
	(void)snprintf(conn->peer, sizeof conn->peer, "%s", address);
	rv = env->net->ops->connect(
		env->net, address, &stream_cbs, conn, &conn->stream, error);
	if (rv != 0) {
		blx__timer_stop(env, &conn->timer);
		blx__free(conn);
		return rv;
	}
	*ret_conn = conn;
	return 0;
}

int blx__conn_accept(struct blx__env *env, struct blx__stream *stream,
	const struct blx__conn_cbs *cbs, void *data, struct blx__conn **ret_conn)
{
	struct blx__conn *conn = conn_create(env, cbs, data, AWAITING);

	if (conn == NULL) {
		env->net->ops->close(stream);
		return BLX_ENOMEM;
	}
	conn->stream = stream;
	(void)snprintf(conn->peer, sizeof conn->peer, "an incoming connection");
	*ret_conn = conn;
	env->net->ops->accept(stream, &stream_cbs, conn);
	return 0;
}

void blx__conn_set_cbs(
	struct blx__conn *conn, const struct blx__conn_cbs *cbs, void *data)
{
	conn->cbs = cbs;
	conn->data = data;
}

bool blx__conn_is_open(const struct blx__conn *conn)
{
	return conn->state == OPEN;
}

int blx__conn_peer_uid(struct blx__conn *conn, uint32_t *ret_uid)
{
	return conn->env->net->ops->peer_uid(conn->stream, ret_uid);
}

uint64_t blx__conn_heard_ns(const struct blx__conn *conn)
{
	return conn->heard_ns;
}
