/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of production, shared by uv_stream.c and uv_listen.c: a non-blocking
 * socket that libuv watches. Reading and writing are our own, because libuv
 * writes without MSG_NOSIGNAL, and a peer that is gone must not send SIGPIPE to
 * a host program that did not think of it.
 *
 *	RESOLVING -> CONNECTING -> OPEN -> CLOSED
 *	             accepted ------^
 *
 * RESOLVING: a name is looked up. CONNECTING: the system connects, to one address
 * of a name after the other until one answers. OPEN: callbacks of reading and
 * writing come. CLOSED: on_close comes next and is last.
 */
#ifndef BLX_SYS_UV_STREAM_H
#define BLX_SYS_UV_STREAM_H

#include "sys/address.h"
#include "sys/uv_impl.h"

enum blx__uv_stream_state {
	STREAM_RESOLVING,
	STREAM_CONNECTING,
	STREAM_OPEN,
	STREAM_CLOSED
};

struct blx__stream {
	struct blx__uv *uv;
	enum blx__uv_stream_state state;
	const struct blx__stream_cbs
		*cbs; /* borrowed; NULL: accepted and not yet taken */
	void *data;
	int fd; /* -1: none yet */
	uv_poll_t poll;
	bool has_poll;
	bool paused;
	const uint8_t *out; /* borrowed: being written */
	size_t out_len;
	bool out_told; /* all is written, on_written is posted */
	struct blx__post written_post;
	struct blx__post gone_post; /* CLOSED without a handle of libuv's */
	uv_getaddrinfo_t lookup;
	bool looking_up;
	struct addrinfo *found;      /* owned, libc's; NULL: not a name */
	struct addrinfo *found_next; /* borrowed from found: not tried yet */
	struct blx__address address;
	char peer[BLX__ADDRESS_TEXT_SIZE]; /* as it was given */
	int status;                        /* for on_close */
	char text[BLX__ADDRESS_TEXT_SIZE + 96];
};

/* Of a socket that is connected; taken, closed on failure. */
struct blx__stream *blx__uv_stream_accepted(struct blx__uv *uv, int fd);

int blx__uv_connect(struct blx__net *net, const char *address,
	const struct blx__stream_cbs *cbs, void *data, struct blx__stream **ret_stream,
	blx_error *error);
void blx__uv_accept(
	struct blx__stream *stream, const struct blx__stream_cbs *cbs, void *data);
void blx__uv_write(struct blx__stream *stream, const uint8_t *bytes, size_t len);
void blx__uv_read_pause(struct blx__stream *stream, bool pause);
int blx__uv_peer_uid(struct blx__stream *stream, uint32_t *ret_uid);
void blx__uv_close(struct blx__stream *stream);

/* TCP: small frames leave at once, and a peer that is gone is noticed. */
void blx__uv_socket_tune(int fd);

#endif
