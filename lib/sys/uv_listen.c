/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/uv_stream.h"

#include "base/assert.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

/* Connections taken at one go, so that a flood of them does not hold the loop. */
#define ACCEPT_MAX 64

/* Without descriptors left listening rests for so long. */
#define REST_MS 200

struct blx__listener {
	struct blx__uv *uv;
	blx__accept_cb cb;
	void *data;
	int fd;
	uv_poll_t poll;
	struct blx__timer rest;
	char address[BLX__ADDRESS_TEXT_SIZE];
	char *path; /* owned: of a unix socket, removed at the end */
};

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_rested(struct blx__timer *timer)
{
	struct blx__listener *listener = timer->data;

	(void)uv_poll_start(&listener->poll, UV_READABLE, on_connection);
}

static void rest(struct blx__listener *listener)
{
	(void)uv_poll_stop(&listener->poll);
	(void)blx__timer_start_ms(&listener->uv->env, &listener->rest, REST_MS);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct blx__listener *listener = poll->data;
	unsigned i;

	(void)status;
	(void)events;
	/* The callback may close the listener. */
	for (i = 0; i < ACCEPT_MAX && !uv_is_closing((uv_handle_t *)poll); i++) {
		struct blx__stream *stream;
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
				      errno == ENOBUFS)) {
			rest(listener);
			return;
		}
		if (fd < 0) {
			return; /* none is left, or one that gave up meanwhile */
		}
		if (listener->path == NULL) {
			blx__uv_socket_tune(fd);
		}
		stream = blx__uv_stream_accepted(listener->uv, fd);
		if (stream != NULL) {
			listener->cb(listener, stream, listener->data);
		}
	}
}

/* Does somebody answer at the unix socket? What nobody answers at was left by a process
 * that is dead. */
static bool is_answered(const struct blx__address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rv;

	if (fd < 0) {
		return true;
	}
	rv = connect(fd, (const struct sockaddr *)&address->storage, address->len);
	(void)close(fd);
	return rv == 0 || errno != ECONNREFUSED;
}

static int bind_unix(
	int fd, const struct blx__address *address, const char *text, blx_error *error)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
	struct stat info;

	if (lstat(un->sun_path, &info) == 0) {
		if (!S_ISSOCK(info.st_mode)) {
			return blx__error_set(error, BLX_EINUSE,
				"listen at %s: there is something else", text);
		}
		if (is_answered(address)) {
			return blx__error_set(error, BLX_EINUSE,
				"listen at %s: another process listens there", text);
		}
		(void)unlink(un->sun_path);
	}
	if (bind(fd, (const struct sockaddr *)un, address->len) != 0 ||
		/* Who may is decided by the user at the other end; the group may try. */
		chmod(un->sun_path, 0660) != 0) {
		int code = blx__code_of_errno(errno);

		return blx__error_set(
			error, code, "listen at %s: %s", text, strerror(errno));
	}
	return 0;
}

static int bind_tcp(
	int fd, const struct blx__address *address, const char *text, blx_error *error)
{
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0) {
		return 0;
	}
	if (errno == EADDRINUSE) {
		return blx__error_set(error, BLX_EINUSE,
			"listen at %s: the address is taken by another process", text);
	}
	return blx__error_set(error, errno == EACCES ? BLX_EPERM : BLX_EINVAL,
		"listen at %s: %s", text, strerror(errno));
}

/* A name, before the loop runs: may wait. */
static int look_up(struct blx__address *address, const char *text, blx_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found;
	int rv = getaddrinfo(address->host, address->port, &hints, &found);

	if (rv != 0) {
		return blx__error_set(
			error, BLX_EINVAL, "listen at %s: %s", text, gai_strerror(rv));
	}
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int listen_fd(struct blx__listener *listener, struct blx__address *address,
	const char *text, blx_error *error)
{
	int rv = address->len == 0 ? look_up(address, text, error) : 0;

	if (rv != 0) {
		return rv;
	}
	listener->fd = socket(address->storage.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0) {
		return blx__error_set(
			error, BLX_EBUSY, "listen at %s: %s", text, strerror(errno));
	}
	rv = address->is_unix ? bind_unix(listener->fd, address, text, error)
			      : bind_tcp(listener->fd, address, text, error);
	if (rv != 0) {
		return rv;
	}
	if (address->is_unix) {
		listener->path = blx__strdup(text + strlen("unix:"));
		if (listener->path == NULL) {
			return blx__error_set(
				error, BLX_ENOMEM, "listen at %s: out of memory", text);
		}
	}
	if (listen(listener->fd, BACKLOG) != 0) {
		return blx__error_set(
			error, BLX_EINUSE, "listen at %s: %s", text, strerror(errno));
	}
	blx__address_of_socket(listener->fd, listener->address);
	return 0;
}

static void listener_free(struct blx__listener *listener)
{
	if (listener->fd >= 0) {
		(void)close(listener->fd);
	}
	blx__free(listener->path);
	blx__free(listener);
}

static int uv_net_listen(struct blx__net *net, const char *text, blx__accept_cb cb,
	void *data, struct blx__listener **ret_listener, blx_error *error)
{
	struct blx__listener *listener = blx__calloc(1, sizeof *listener);
	struct blx__address address;
	int rv = blx__address_parse(text, &address, error);

	if (rv != 0 || listener == NULL) {
		blx__free(listener);
		return rv != 0 ? rv
			       : blx__error_set(error, BLX_ENOMEM,
					 "listen at %s: out of memory", text);
	}
	*listener =
		(struct blx__listener){.uv = net->impl, .cb = cb, .data = data, .fd = -1};
	blx__timer_init(&listener->rest, on_rested, listener);
	rv = listen_fd(listener, &address, text, error);
	if (rv == 0 &&
		uv_poll_init(&listener->uv->loop, &listener->poll, listener->fd) != 0) {
		rv = blx__error_set(
			error, BLX_EBUSY, "listen at %s: cannot be watched", text);
	}
	if (rv != 0) {
		listener_free(listener);
		return rv;
	}
	listener->poll.data = listener;
	listener->uv->streams++;
	(void)uv_poll_start(&listener->poll, UV_READABLE, on_connection);
	*ret_listener = listener;
	return 0;
}

static const char *uv_listener_address(struct blx__listener *listener)
{
	return listener->address;
}

static void on_listener_closed(uv_handle_t *handle)
{
	listener_free(handle->data);
}

static void uv_listener_close(struct blx__listener *listener)
{
	if (listener->path != NULL) {
		(void)unlink(listener->path);
	}
	blx__timer_stop(&listener->uv->env, &listener->rest);
	listener->uv->streams--;
	uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
}

const struct blx__net_ops blx__uv_net_ops = {
	.listen = uv_net_listen,
	.listener_address = uv_listener_address,
	.listener_close = uv_listener_close,
	.connect = blx__uv_connect,
	.accept = blx__uv_accept,
	.write = blx__uv_write,
	.read_pause = blx__uv_read_pause,
	.peer_uid = blx__uv_peer_uid,
	.close = blx__uv_close,
};
