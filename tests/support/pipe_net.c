/* SPDX-License-Identifier: Apache-2.0 */
#include "support/pipe_net.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "support/test.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct blx__stream {
	struct blx__list link;
	struct pipe_net *net;
	struct blx__stream *other; /* NULL: not there yet, or gone */
	const struct blx__stream_cbs *cbs;
	void *data;
	char address[128];
	bool dialling;
	bool closing;
	bool ended; /* the other end is gone */
	bool paused;
	const uint8_t *out; /* borrowed: being written */
	size_t out_len;
	uint8_t *in; /* owned: arrived, not read */
	size_t in_len;
	size_t in_cap;
	int status;
	const char *text;
};

struct blx__listener {
	struct blx__list link;
	struct pipe_net *net;
	char address[128];
	blx__accept_cb cb;
	void *data;
};

static struct pipe_net *net_of(struct blx__env *env)
{
	return env->impl;
}

/* ---- the env ---- */

static uint64_t on_mono_ns(struct blx__env *env)
{
	return net_of(env)->now_ns;
}

static int64_t on_wall_ms(struct blx__env *env)
{
	return (int64_t)(net_of(env)->now_ns / 1000000);
}

static uint64_t on_random_u64(struct blx__env *env)
{
	return blx__rng_u64(&net_of(env)->rng);
}

static int on_timer_start(
	struct blx__env *env, struct blx__timer *timer, uint64_t delay_ns)
{
	struct pipe_net *net = net_of(env);

	blx__heap_remove(&net->timers, &timer->item);
	return blx__heap_insert(&net->timers, &timer->item, net->now_ns + delay_ns)
		       ? 0
		       : BLX_ENOMEM;
}

static void on_timer_stop(struct blx__env *env, struct blx__timer *timer)
{
	blx__heap_remove(&net_of(env)->timers, &timer->item);
}

static void on_post(struct blx__env *env, struct blx__post *post)
{
	if (!post->queued) {
		post->queued = true;
		blx__list_push_back(&net_of(env)->posts, &post->link);
	}
}

static void on_submit(struct blx__env *env, enum blx__queue queue, struct blx__work *work)
{
	cr_assert_fail("no work is done here");
}

static const struct blx__env_ops env_ops = {
	.mono_ns = on_mono_ns,
	.wall_ms = on_wall_ms,
	.random_u64 = on_random_u64,
	.timer_start = on_timer_start,
	.timer_stop = on_timer_stop,
	.post = on_post,
	.submit = on_submit,
};

/* ---- streams ---- */

static struct blx__stream *stream_create(struct pipe_net *net, const char *address)
{
	struct blx__stream *stream = calloc(1, sizeof *stream);

	cr_assert_not_null(stream);
	stream->net = net;
	(void)snprintf(stream->address, sizeof stream->address, "%s", address);
	blx__list_push_back(&net->streams, &stream->link);
	net->streams_count++;
	return stream;
}

static void stream_end(struct blx__stream *stream, int status, const char *text)
{
	if (!stream->closing) {
		stream->closing = true;
		stream->status = status;
		stream->text = text;
	}
}

static int on_listen(struct blx__net *table, const char *address, blx__accept_cb cb,
	void *data, struct blx__listener **ret_listener, blx_error *error)
{
	struct pipe_net *net = table->impl;
	struct blx__listener *listener;
	struct blx__list *link;

	blx__list_foreach (link, &net->listeners) {
		listener = blx__container_of(link, struct blx__listener, link);
		if (strcmp(listener->address, address) == 0) {
			return blx__error_set(
				error, BLX_EINUSE, "listen at %s: taken", address);
		}
	}
	listener = calloc(1, sizeof *listener);
	cr_assert_not_null(listener);
	listener->net = net;
	listener->cb = cb;
	listener->data = data;
	(void)snprintf(listener->address, sizeof listener->address, "%s", address);
	blx__list_push_back(&net->listeners, &listener->link);
	*ret_listener = listener;
	return 0;
}

static const char *on_listener_address(struct blx__listener *listener)
{
	return listener->address;
}

static void on_listener_close(struct blx__listener *listener)
{
	blx__list_remove(&listener->link);
	free(listener);
}

static int on_connect(struct blx__net *table, const char *address,
	const struct blx__stream_cbs *cbs, void *data, struct blx__stream **ret_stream,
	blx_error *error)
{
	struct blx__stream *stream;

	if (strchr(address, ':') == NULL) {
		return blx__error_set(error, BLX_EINVAL, "%s: not an address", address);
	}
	stream = stream_create(table->impl, address);
	stream->cbs = cbs;
	stream->data = data;
	stream->dialling = true;
	*ret_stream = stream;
	return 0;
}

static void on_accept(
	struct blx__stream *stream, const struct blx__stream_cbs *cbs, void *data)
{
	stream->cbs = cbs;
	stream->data = data;
}

static void on_write(struct blx__stream *stream, const uint8_t *bytes, size_t len)
{
	cr_assert_null(stream->out, "one write at a time");
	cr_assert_gt(len, 0);
	stream->net->writes++;
	stream->out = bytes;
	stream->out_len = len;
}

static void on_read_pause(struct blx__stream *stream, bool pause)
{
	stream->paused = pause;
}

static int on_peer_uid(struct blx__stream *stream, uint32_t *ret_uid)
{
	if (strncmp(stream->address, "unix:", 5) != 0) {
		return BLX_ENOSYS;
	}
	*ret_uid = stream->net->uid;
	return 0;
}

static void on_close(struct blx__stream *stream)
{
	stream_end(stream, BLX_ECANCELED, "closed");
}

static const struct blx__net_ops net_ops = {
	.listen = on_listen,
	.listener_address = on_listener_address,
	.listener_close = on_listener_close,
	.connect = on_connect,
	.accept = on_accept,
	.write = on_write,
	.read_pause = on_read_pause,
	.peer_uid = on_peer_uid,
	.close = on_close,
};

/* ---- what moves ---- */

static size_t piece_of(struct pipe_net *net, size_t len)
{
	size_t most = net->piece_max == 0 || net->piece_max > len ? len : net->piece_max;

	return net->piece_max == 0 ? len : 1 + (size_t)blx__rng_below(&net->rng, most);
}

static void gone(struct blx__stream *stream)
{
	blx__list_remove(&stream->link);
	stream->net->streams_count--;
	if (stream->other != NULL) {
		stream->other->ended = true;
		stream->other->other = NULL;
	}
	if (stream->cbs != NULL) {
		stream->cbs->on_close(stream, stream->status, stream->text, stream->data);
	}
	free(stream->in);
	free(stream);
}

static void dial(struct blx__stream *stream)
{
	struct pipe_net *net = stream->net;
	struct blx__list *link;

	stream->dialling = false;
	blx__list_foreach (link, &net->listeners) {
		struct blx__listener *listener =
			blx__container_of(link, struct blx__listener, link);

		if (strcmp(listener->address, stream->address) == 0) {
			stream->other = stream_create(net, stream->address);
			stream->other->other = stream;
			listener->cb(listener, stream->other, listener->data);
			stream->cbs->on_connect(stream, stream->data);
			return;
		}
	}
	stream_end(stream, BLX_ECONNECT, "connect: nobody listens");
}

static void move_out(struct blx__stream *stream)
{
	struct blx__stream *to = stream->other;
	size_t len = piece_of(stream->net, stream->out_len);

	if (to != NULL && !to->closing) {
		if (to->in_len + len > to->in_cap) {
			to->in_cap = (to->in_len + len) * 2;
			to->in = realloc(to->in, to->in_cap);
			cr_assert_not_null(to->in);
		}
		memcpy(to->in + to->in_len, stream->out, len);
		to->in_len += len;
	}
	stream->out += len;
	stream->out_len -= len;
	if (stream->out_len == 0) {
		stream->out = NULL;
		stream->cbs->on_written(stream, stream->data);
	}
}

static void move_in(struct blx__stream *stream)
{
	size_t len = piece_of(stream->net, stream->in_len);
	uint8_t *piece = malloc(len); /* of its very length: reading on is noticed */

	cr_assert_not_null(piece);
	memcpy(piece, stream->in, len);
	memmove(stream->in, stream->in + len, stream->in_len - len);
	stream->in_len -= len;
	stream->cbs->on_read(stream, piece, len, stream->data);
	free(piece);
}

static bool can_read(const struct blx__stream *stream)
{
	return stream->cbs != NULL && !stream->paused && !stream->net->cut;
}

/* False: there is nothing to do for this one. */
static bool stream_step(struct blx__stream *stream)
{
	struct pipe_net *net = stream->net;

	if (stream->closing) {
		gone(stream);
	} else if (stream->dialling && !net->cut) {
		dial(stream);
	} else if (stream->out_len > 0 && !net->cut && !net->stalled) {
		move_out(stream);
	} else if (stream->in_len > 0 && can_read(stream)) {
		move_in(stream);
	} else if (stream->ended && stream->in_len == 0 && can_read(stream)) {
		stream_end(stream, BLX_OK, "closed by the peer");
	} else {
		return false;
	}
	return true;
}

/* They take turns. */
static bool streams_step(struct pipe_net *net)
{
	unsigned count = net->streams_count;

	while (count-- > 0) {
		struct blx__list *link = blx__list_pop_front(&net->streams);

		blx__list_push_back(&net->streams, link);
		if (stream_step(blx__container_of(link, struct blx__stream, link))) {
			return true;
		}
	}
	return false;
}

static bool posts_step(struct pipe_net *net)
{
	struct blx__list due;
	struct blx__list *link;

	if (blx__list_empty(&net->posts)) {
		return false;
	}
	blx__list_init(&due);
	blx__list_splice(&due, &net->posts);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct blx__post *post = blx__container_of(link, struct blx__post, link);

		post->queued = false;
		post->cb(post);
	}
	return true;
}

void pipe_net_run(struct pipe_net *net)
{
	while (posts_step(net) || streams_step(net)) {
	}
}

void pipe_net_pass(struct pipe_net *net, uint64_t ms)
{
	uint64_t until = net->now_ns + ms * 1000000;
	struct blx__heap_item *first;

	pipe_net_run(net);
	while ((first = blx__heap_min(&net->timers)) != NULL && first->key <= until) {
		struct blx__timer *timer =
			blx__container_of(first, struct blx__timer, item);

		net->now_ns = first->key > net->now_ns ? first->key : net->now_ns;
		blx__heap_remove(&net->timers, first);
		timer->cb(timer);
		pipe_net_run(net);
	}
	net->now_ns = until;
}

void pipe_net_break(struct pipe_net *net)
{
	struct blx__list *link;

	blx__list_foreach (link, &net->streams) {
		stream_end(blx__container_of(link, struct blx__stream, link),
			BLX_ECONNECT, "reset");
	}
}

/* ---- the whole ---- */

void pipe_net_init(struct pipe_net *net, uint64_t seed)
{
	*net = (struct pipe_net){.now_ns = 1000000000};
	net->net = (struct blx__net){.ops = &net_ops, .impl = net};
	net->env = (struct blx__env){.ops = &env_ops, .net = &net->net, .impl = net};
	blx__heap_init(&net->timers);
	blx__list_init(&net->posts);
	blx__list_init(&net->streams);
	blx__list_init(&net->listeners);
	blx__rng_init(&net->rng, seed);
}

void pipe_net_finish(struct pipe_net *net)
{
	pipe_net_run(net);
	cr_assert(blx__list_empty(&net->streams), "a stream is left");
	cr_assert(blx__list_empty(&net->listeners), "a listener is left");
	cr_assert_eq(net->timers.count, 0, "a timer is left");
	blx__heap_finish(&net->timers);
}

uint64_t pipe_net_seed(void)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = 0;

	if (text != NULL) {
		seed = strtoull(text, NULL, 0);
	} else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
		seed = 1;
	}
	(void)fprintf(stderr, "BLX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
