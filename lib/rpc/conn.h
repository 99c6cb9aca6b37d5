/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: frames over a stream, each checked, behind a handshake with a
 * deadline. Loop thread only. What a header announces is believed only up to
 * a length, and a connection that breaks a rule is closed with BLX_EPROTO, or
 * with BLX_ECORRUPT when a checksum of the content does not fit.
 *
 *	the one that dials:   connect, hello ->, <- welcome: on_open
 *	the one that listens: <- hello: on_hello, blx__conn_welcome() ->: open
 *
 * Before that no frame may be longer than BLX__FRAME_LEN_HELLO_MAX. Frames
 * sent while a write is under way, or within one turn of the loop, leave
 * together. An open connection that is silent is asked now and then, and closed
 * when no answer comes.
 */
#ifndef BLX_RPC_CONN_H
#define BLX_RPC_CONN_H

#include "base/error.h"
#include "rpc/frame.h"
#include "rpc/hello.h"
#include "sys/env.h"
#include "sys/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__conn;

/* From the start of the stream to the end of the handshake. */
#define BLX__CONN_HANDSHAKE_MS 2000

/* Silent for so long: asked; for three times as long: closed. */
#define BLX__CONN_PING_MS 5000

/* What is left to be sent when we leave has so long. */
#define BLX__CONN_LEAVE_MS 1000

/* What may wait to be sent, in bytes. One that does not read must not make us hold
 * everything: a member may lag by several AppendEntries of the greatest size, a client by
 * two answers. */
#define BLX__CONN_QUEUE_MAX        ((size_t)64 * 1024 * 1024)
#define BLX__CONN_QUEUE_CLIENT_MAX ((size_t)16 * 1024 * 1024)

struct blx__conn_cbs {
	/* Listening side: answer with blx__conn_welcome() or _refuse(), now or later. */
	void (*on_hello)(
		struct blx__conn *conn, const struct blx__hello *hello, void *data);
	/* Dialling side: welcome. */
	void (*on_open)(
		struct blx__conn *conn, const struct blx__hello *peer, void *data);
	/* kind is BLX__FRAME_KIND_FIRST or greater; the payload is borrowed until return.
	 */
	void (*on_frame)(
		struct blx__conn *conn, const struct blx__frame *frame, void *data);
	/* Once, last; the conn is gone after it. why is never NULL; its code is BLX_OK if
	 * the peer closed, BLX_ECANCELED if we did, or what it was refused with. */
	void (*on_close)(struct blx__conn *conn, const blx_error *why, void *data);
};

/* Dials. The hello is copied. Fails at once only for a malformed address or for memory.
 */
int blx__conn_connect(struct blx__env *env, const char *address,
	const struct blx__hello *hello, const struct blx__conn_cbs *cbs, void *data,
	struct blx__conn **ret_conn, blx_error *error);

/* Takes a stream that was accepted; on failure the stream is closed. */
int blx__conn_accept(struct blx__env *env, struct blx__stream *stream,
	const struct blx__conn_cbs *cbs, void *data, struct blx__conn **ret_conn);

void blx__conn_welcome(struct blx__conn *conn, const struct blx__hello *own);
/* Says why and closes once that is sent. */
void blx__conn_refuse(
	struct blx__conn *conn, const struct blx__hello *own, const blx_error *why);

/* Others get the events from now on; not from within on_frame of the former ones. */
void blx__conn_set_cbs(
	struct blx__conn *conn, const struct blx__conn_cbs *cbs, void *data);

bool blx__conn_is_open(const struct blx__conn *conn);

/* Copied. BLX_ECONNECT: not open; BLX_EBUSY: too much waits; BLX_ETOOBIG; BLX_ENOMEM. */
int blx__conn_send(struct blx__conn *conn, const struct blx__frame *frame);

/* A frame in two pieces, to save a copy: the payload is head and then body. */
int blx__conn_send2(struct blx__conn *conn, uint16_t kind, uint64_t id, const void *head,
	size_t head_len, const void *body, size_t body_len);

/* Another bound than BLX__CONN_QUEUE_MAX. A frame of the greatest length must fit. */
void blx__conn_limit(struct blx__conn *conn, size_t queue_max);

/* While held nothing of an open connection is given to the stream. */
void blx__conn_hold(struct blx__conn *conn, bool hold);

/* Stops taking frames in, and goes on. */
void blx__conn_pause(struct blx__conn *conn, bool pause);

int blx__conn_peer_uid(struct blx__conn *conn, uint32_t *ret_uid);

/* When something last came in; 0: never. */
uint64_t blx__conn_heard_ns(const struct blx__conn *conn);

/* Closes when all that was queued is sent, or after BLX__CONN_LEAVE_MS; what comes in
 * meanwhile is dropped. on_close follows, with BLX_ECANCELED. */
void blx__conn_leave(struct blx__conn *conn);

/* Starts closing, what is queued is lost; on_close follows. May be called twice. */
void blx__conn_close(struct blx__conn *conn);

#endif
