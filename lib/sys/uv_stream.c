/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/uv_stream.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is not acknowledged for so long: the peer is gone. */
#define USER_TIMEOUT_MS 10000
#define KEEPALIVE_S     5

void blx__uv_socket_tune(int fd)
{
	int on = 1;
	int idle = KEEPALIVE_S;
	int interval = 2;
	int count = 3;
	unsigned timeout = USER_TIMEOUT_MS;

	/* None of them is needed for it to work. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

/* ---- the end ---------------------------------------------------------------------- */

static void stream_gone(struct blx__stream *stream)
{
	struct blx__uv *uv = stream->uv;

	if (stream->fd >= 0) {
		(void)close(stream->fd);
	}
	uv_freeaddrinfo(stream->found);
	uv->streams--;
	if (stream->cbs != NULL && stream->cbs->on_close != NULL) {
		stream->cbs->on_close(stream, stream->status, stream->text, stream->data);
	}
	blx__free(stream);
}

static void on_poll_closed(uv_handle_t *handle)
{
	stream_gone(handle->data);
}

static void on_gone_post(struct blx__post *post)
{
	stream_gone(post->data);
}

/* on_written must not come any more: one that is posted finds the state and does nothing;
 * it must have run before the stream is freed, which the order of posts sees to. */
static void stream_end(struct blx__stream *stream, int status)
{
	if (stream->state == STREAM_CLOSED) {
		return;
	}
	stream->state = STREAM_CLOSED;
	stream->status = status;
	stream->out = NULL;
	if (stream->looking_up) {
		(void)uv_cancel(
			(uv_req_t *)&stream->lookup); /* its callback goes on from here */
		return;
	}
	if (stream->has_poll) {
		(void)uv_poll_stop(&stream->poll);
	}
	blx__env_post(&stream->uv->env, &stream->gone_post);
}

/* Behind a written_post that may be queued. */
static void on_ended(struct blx__post *post)
{
	struct blx__stream *stream = post->data;

	if (stream->has_poll) {
		uv_close((uv_handle_t *)&stream->poll, on_poll_closed);
	} else {
		on_gone_post(post);
	}
}

static void stream_fail(struct blx__stream *stream, const char *what, int errnum)
{
	char text[96];

	(void)snprintf(stream->text, sizeof stream->text, "%s %s: %s", what, stream->peer,
		strerror_r(errnum, text, sizeof text));
	stream_end(
		stream, errnum == EACCES || errnum == EPERM ? BLX_EPERM : BLX_ECONNECT);
}

void blx__uv_close(struct blx__stream *stream)
{
	if (stream->state != STREAM_CLOSED) {
		(void)snprintf(
			stream->text, sizeof stream->text, "%s: closed", stream->peer);
	}
	stream_end(stream, BLX_ECANCELED);
}

/* ---- watching ------------------------------------------------------------------------
 */

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct blx__stream *stream)
{
	int events = 0;

	if (stream->state == STREAM_CLOSED || !stream->has_poll) {
		return;
	}
	if (stream->state == STREAM_CONNECTING || stream->out_len > 0) {
		events |= UV_WRITABLE;
	}
	if (stream->state == STREAM_OPEN && stream->cbs != NULL && !stream->paused) {
		events |= UV_READABLE;
	}
	if (events == 0) {
		(void)uv_poll_stop(&stream->poll);
	} else {
		(void)uv_poll_start(&stream->poll, events, on_poll);
	}
}

static void on_written_post(struct blx__post *post)
{
	struct blx__stream *stream = post->data;

	if (stream->state == STREAM_OPEN && stream->out_told) {
		stream->out_told = false;
		stream->out = NULL;
		stream->cbs->on_written(stream, stream->data);
	}
}

static void out_send(struct blx__stream *stream)
{
	bool waited = stream->out_len > 0;

	while (stream->out_len > 0) {
		ssize_t n = send(stream->fd, stream->out, stream->out_len,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			break;
		}
		if (n < 0) {
			stream_fail(stream, "send to", errno);
			return;
		}
		stream->out += n;
		stream->out_len -= (size_t)n;
	}
	if (waited && stream->out_len == 0) {
		stream->out_told = true;
		blx__env_post(&stream->uv->env, &stream->written_post);
	}
}

void blx__uv_write(struct blx__stream *stream, const uint8_t *bytes, size_t len)
{
	PRE(stream->out == NULL && len > 0);

	if (stream->state != STREAM_OPEN) {
		return; /* on_close is on its way */
	}
	stream->out = bytes;
	stream->out_len = len;
	out_send(stream);
	if (stream->out_len > 0) {
		watch(stream);
	}
}

/* False: there was nothing. */
static bool in_read(struct blx__stream *stream)
{
	ssize_t n;

	do {
		n = recv(stream->fd, stream->uv->read_buf, BLX__UV_READ_SIZE,
			MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		stream->cbs->on_read(
			stream, stream->uv->read_buf, (size_t)n, stream->data);
	} else if (n == 0) {
		(void)snprintf(stream->text, sizeof stream->text,
			"%s: closed by the peer", stream->peer);
		stream_end(stream, BLX_OK);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK) {
		stream_fail(stream, "receive from", errno);
	} else {
		return false;
	}
	return true;
}

static void connect_next(struct blx__stream *stream, int errnum);

static void on_connected(struct blx__stream *stream)
{
	int errnum = 0;
	socklen_t len = sizeof errnum;

	(void)getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
	if (errnum != 0) {
		connect_next(stream, errnum);
		return;
	}
	stream->state = STREAM_OPEN;
	watch(stream);
	stream->cbs->on_connect(stream, stream->data);
}

/* libuv has stopped watching, and its status says nothing of the cause. What the peer
 * sent before, as the reason why it leaves, is read first; the system then tells the
 * cause. */
static void on_error(struct blx__stream *stream, int errnum)
{
	if (stream->out_len > 0 && stream->paused) {
		out_send(stream);
	} else if (!stream->paused && stream->cbs != NULL && in_read(stream)) {
		/* There may be more. */
	} else if (stream->state == STREAM_OPEN) {
		stream_fail(stream, "watch", errnum);
	}
	watch(stream);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct blx__stream *stream = poll->data;

	if (stream->state == STREAM_CONNECTING) {
		on_connected(stream);
		return;
	}
	if (status < 0) {
		on_error(stream, -status);
		return;
	}
	if ((events & UV_WRITABLE) != 0 && stream->out_len > 0) {
		out_send(stream);
		watch(stream);
	}
	if ((events & UV_READABLE) != 0 && stream->state == STREAM_OPEN &&
		!stream->paused) {
		(void)in_read(stream);
	}
}

/* ---- making
 * ----------------------------------------------------------------------------- */

static struct blx__stream *stream_create(struct blx__uv *uv)
{
	struct blx__stream *stream = blx__calloc(1, sizeof *stream);

	if (stream == NULL) {
		return NULL;
	}
	stream->uv = uv;
	stream->fd = -1;
	blx__post_init(&stream->written_post, on_written_post, stream);
	blx__post_init(&stream->gone_post, on_ended, stream);
	uv->streams++;
	return stream;
}

static int poll_init(struct blx__stream *stream)
{
	int rv = uv_poll_init(&stream->uv->loop, &stream->poll, stream->fd);

	stream->has_poll = rv == 0;
	stream->poll.data = stream;
	return rv;
}

struct blx__stream *blx__uv_stream_accepted(struct blx__uv *uv, int fd)
{
	struct blx__stream *stream = stream_create(uv);

	if (stream == NULL) {
		(void)close(fd);
		return NULL;
	}
	stream->fd = fd;
	stream->state = STREAM_OPEN;
	(void)snprintf(stream->peer, sizeof stream->peer, "a client");
	if (poll_init(stream) != 0) {
		uv->streams--;
		(void)close(fd);
		blx__free(stream);
		return NULL;
	}
	return stream;
}

void blx__uv_accept(
	struct blx__stream *stream, const struct blx__stream_cbs *cbs, void *data)
{
	PRE(stream->cbs == NULL);

	stream->cbs = cbs;
	stream->data = data;
	watch(stream);
}

/* In the place of the socket of an attempt that failed, if there was one: it takes the
 * number over, by which libuv knows what it watches. 0 or an errno. */
static int socket_make(struct blx__stream *stream, int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int errnum = 0;

	if (fd < 0) {
		return errno;
	}
	if (stream->fd < 0) {
		stream->fd = fd;
		return 0;
	}
	if (stream->has_poll) {
		(void)uv_poll_stop(&stream->poll);
	}
	if (dup3(fd, stream->fd, O_CLOEXEC) < 0) {
		errnum = errno;
	}
	(void)close(fd);
	return errnum;
}

/* 0: it is under way. Else an errno. */
static int connect_try(
	struct blx__stream *stream, const struct sockaddr *address, socklen_t len)
{
	int rv = socket_make(stream, address->sa_family);

	if (rv != 0) {
		return rv;
	}
	if (address->sa_family != AF_UNIX) {
		blx__uv_socket_tune(stream->fd);
	}
	if (connect(stream->fd, address, len) != 0 && errno != EINPROGRESS) {
		return errno;
	}
	stream->state = STREAM_CONNECTING;
	if (!stream->has_poll) {
		rv = poll_init(stream);
	}
	watch(stream);
	return -rv;
}

/* What a name stands for is tried one after the other, as a host that has addresses of
 * two kinds may listen at those of one. The last one's failure is told. */
static void connect_next(struct blx__stream *stream, int errnum)
{
	while (errnum != 0 && stream->found_next != NULL) {
		const struct addrinfo *found = stream->found_next;

		stream->found_next = found->ai_next;
		errnum = connect_try(stream, found->ai_addr, found->ai_addrlen);
	}
	if (errnum != 0) {
		stream_fail(stream, "connect", errnum);
	}
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
	struct blx__stream *stream = lookup->data;

	stream->looking_up = false;
	if (stream->state == STREAM_CLOSED) {
		uv_freeaddrinfo(found);
		stream_gone(stream);
		return;
	}
	if (status != 0) {
		(void)snprintf(stream->text, sizeof stream->text, "look up %s: %s",
			stream->peer, uv_strerror(status));
		stream_end(stream, BLX_ECONNECT);
		return;
	}
	stream->found = found;
	stream->found_next = found;
	connect_next(stream, EADDRNOTAVAIL);
}

static void look_up(struct blx__stream *stream)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	sigset_t all;
	sigset_t before;
	int rv;

	stream->lookup.data = stream;
	/* The first one starts threads of libuv's: no signal of the host's is for them.
	 */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rv = uv_getaddrinfo(&stream->uv->loop, &stream->lookup, on_looked_up,
		stream->address.host, stream->address.port, &hints);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rv != 0) {
		stream_fail(stream, "look up", -rv);
		return;
	}
	stream->looking_up = true;
}

int blx__uv_connect(struct blx__net *net, const char *address,
	const struct blx__stream_cbs *cbs, void *data, struct blx__stream **ret_stream,
	blx_error *error)
{
	struct blx__address parsed;
	struct blx__stream *stream;
	int rv = blx__address_parse(address, &parsed, error);

	if (rv != 0) {
		return rv;
	}
	stream = stream_create(net->impl);
	if (stream == NULL) {
		return blx__error_set(
			error, BLX_ENOMEM, "connect %s: out of memory", address);
	}
	stream->cbs = cbs;
	stream->data = data;
	stream->address = parsed;
	(void)snprintf(stream->peer, sizeof stream->peer, "%s", address);
	*ret_stream = stream;
	if (parsed.len == 0) {
		look_up(stream);
		return 0;
	}
	rv = connect_try(
		stream, (const struct sockaddr *)&stream->address.storage, parsed.len);
	if (rv != 0) {
		/* Told by on_close, as what takes longer to fail is. */
		stream_fail(stream, "connect", rv);
	}
	return 0;
}

void blx__uv_read_pause(struct blx__stream *stream, bool pause)
{
	stream->paused = pause;
	watch(stream);
}

int blx__uv_peer_uid(struct blx__stream *stream, uint32_t *ret_uid)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	struct sockaddr_storage own;
	socklen_t own_len = sizeof own;

	if (getsockname(stream->fd, (struct sockaddr *)&own, &own_len) != 0 ||
		own.ss_family != AF_UNIX ||
		getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
		return BLX_ENOSYS;
	}
	*ret_uid = cred.uid;
	return 0;
}
