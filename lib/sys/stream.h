/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams as a table: what TLS will be put under, and what the simulator
 * replaces. Loop thread only. An address is "HOST:PORT" (TCP, HOST an IPv4
 * or IPv6 literal in brackets or a name) or "unix:PATH".
 */
#ifndef BLX_SYS_STREAM_H
#define BLX_SYS_STREAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__net;
struct blx__stream;
struct blx__listener;

/* What happens to a stream. on_close comes once, last, also after stream_close(), and
 * never inside a call; after it the stream is gone. */
struct blx__stream_cbs {
	void (*on_connect)(struct blx__stream *stream, void *data);
	/* Bytes came in; borrowed until return. */
	void (*on_read)(
		struct blx__stream *stream, const uint8_t *bytes, size_t len, void *data);
	/* The buffer given to write() may be used again. */
	void (*on_written)(struct blx__stream *stream, void *data);
	/* status: BLX_OK the peer closed; BLX_ECANCELED we did; else a failure. */
	void (*on_close)(
		struct blx__stream *stream, int status, const char *text, void *data);
};

/* Somebody connected: set the stream's callbacks with accept() inside this call, or
 * close it. */
typedef void (*blx__accept_cb)(
	struct blx__listener *listener, struct blx__stream *stream, void *data);

struct blx__net_ops {
	/* BLX_EINUSE when the address is taken. A unix path left by a dead process is
	 * replaced, one that answers is not. */
	int (*listen)(struct blx__net *net, const char *address, blx__accept_cb cb,
		void *data, struct blx__listener **ret_listener, blx_error *error);
	/* The address it listens at, with the port that was given for port 0. */
	const char *(*listener_address)(struct blx__listener *listener);
	/* No callback of it after this returned. */
	void (*listener_close)(struct blx__listener *listener);
	/* Fails at once only for a malformed address; all else comes by on_close. */
	int (*connect)(struct blx__net *net, const char *address,
		const struct blx__stream_cbs *cbs, void *data,
		struct blx__stream **ret_stream, blx_error *error);
	void (*accept)(struct blx__stream *stream, const struct blx__stream_cbs *cbs,
		void *data);
	/* One write at a time: the bytes are borrowed until on_written or on_close. */
	void (*write)(struct blx__stream *stream, const uint8_t *bytes, size_t len);
	/* Stops and resumes on_read, to bound what a fast peer can make us hold. */
	void (*read_pause)(struct blx__stream *stream, bool pause);
	/* The user at the other end of a unix stream; BLX_ENOSYS for others. */
	int (*peer_uid)(struct blx__stream *stream, uint32_t *ret_uid);
	/* Starts closing; on_close follows. May be called twice. */
	void (*close)(struct blx__stream *stream);
};

struct blx__net {
	const struct blx__net_ops *ops;
	void *impl;
};

#endif
