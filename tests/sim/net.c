/* SPDX-License-Identifier: Apache-2.0 */
#include "net.h"

#include "base/assert.h"
#include "memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What a kernel takes of a writer before it makes it wait. */
#define SEND_BUFFER (256 * 1024)

#define BYTE_NS     8 /* a gigabit a second */
#define RETRY_NS    (200 * SIM_MS)

enum chunk_kind { CHUNK_DATA, CHUNK_CONNECTED, CHUNK_END, CHUNK_RESET };

struct chunk {
	struct blx__list link;
	enum chunk_kind kind;
	uint64_t due_ns;
	size_t len;
	size_t at;
	uint8_t bytes[];
};

/* What is on its way to one end of a connection. */
struct pipe {
	struct conn *conn;
	unsigned side; /* that it goes to */
	struct blx__list chunks;
	struct sim_event event;
	struct sim_event give_up;
	size_t bytes;
	uint64_t last_ns;
	bool stuck;
};

struct conn {
	struct blx__list link;
	struct sim_net *net;
	unsigned hosts[2];
	struct blx__stream *ends[2]; /* 0 dialed; NULL: gone, or not there yet */
	struct pipe pipes[2];        /* to that end */
	struct sim_event syn;
	uint64_t syn_until_ns;
	char *address; /* owned */
};

struct blx__stream {
	struct conn *conn;
	unsigned side;
	struct sim_host *host;
	const struct blx__stream_cbs *cbs; /* NULL: not accepted yet */
	void *data;
	bool connected;
	bool closing;
	bool paused;
	bool writing;
	int close_status;
	const char *close_text;
	struct sim_event close_event;
	struct sim_event written_event;
};

struct blx__listener {
	struct blx__list link;
	struct sim_host *host;
	char *address; /* owned */
	blx__accept_cb cb;
	void *data;
};

static struct sim_world *world_of(const struct conn *conn)
{
	return conn->net->world;
}

static struct sim_link *link_to(struct conn *conn, unsigned side)
{
	return &conn->net->links[conn->hosts[1 - side]][conn->hosts[side]];
}

/* ---- on the way ---- */

static uint64_t latency(struct conn *conn, unsigned side)
{
	const struct sim_link *link = link_to(conn, side);

	return link->latency_ns + blx__rng_below(&conn->net->rng, link->jitter_ns + 1);
}

static void pipe_wake(struct pipe *pipe)
{
	struct chunk *first;

	if (blx__list_empty(&pipe->chunks)) {
		return;
	}
	first = blx__container_of(pipe->chunks.next, struct chunk, link);
	sim_event_at(world_of(pipe->conn), &pipe->event, first->due_ns);
}

static void pipe_put(
	struct pipe *pipe, enum chunk_kind kind, const void *bytes, size_t len)
{
	struct sim_world *world = world_of(pipe->conn);
	struct chunk *chunk = sim_alloc(sizeof *chunk + len);
	uint64_t due = world->now_ns + latency(pipe->conn, pipe->side) + len * BYTE_NS;

	chunk->kind = kind;
	chunk->len = len;
	if (len > 0) {
		memcpy(chunk->bytes, bytes, len);
	}
	pipe->last_ns = due > pipe->last_ns ? due : pipe->last_ns;
	chunk->due_ns = pipe->last_ns;
	pipe->bytes += len;
	blx__list_push_back(&pipe->chunks, &chunk->link);
	if (!pipe->stuck && !sim_event_pending(&pipe->event)) {
		pipe_wake(pipe);
	}
}

static void pipe_drop(struct pipe *pipe, struct chunk *chunk)
{
	pipe->bytes -= chunk->len;
	blx__list_remove(&chunk->link);
	free(chunk);
}

static void pipe_clear(struct pipe *pipe)
{
	struct blx__list *link;

	while ((link = pipe->chunks.next) != &pipe->chunks) {
		pipe_drop(pipe, blx__container_of(link, struct chunk, link));
	}
	sim_event_cancel(world_of(pipe->conn), &pipe->event);
	sim_event_cancel(world_of(pipe->conn), &pipe->give_up);
	pipe->stuck = false;
}

static void conn_free_if_gone(struct conn *conn)
{
	if (conn->ends[0] != NULL || conn->ends[1] != NULL) {
		return;
	}
	pipe_clear(&conn->pipes[0]);
	pipe_clear(&conn->pipes[1]);
	sim_event_cancel(world_of(conn), &conn->syn);
	blx__list_remove(&conn->link);
	free(conn->address);
	free(conn);
}

/* ---- an end of a connection ---- */

static void stream_free(struct blx__stream *stream)
{
	struct conn *conn = stream->conn;

	sim_event_cancel(world_of(conn), &stream->close_event);
	sim_event_cancel(world_of(conn), &stream->written_event);
	conn->ends[stream->side] = NULL;
	pipe_clear(&conn->pipes[stream->side]);
	free(stream);
}

static void stream_end(struct blx__stream *stream, int status, const char *text)
{
	if (stream->closing) {
		return;
	}
	stream->closing = true;
	stream->close_status = status;
	stream->close_text = text;
	sim_event_after(world_of(stream->conn), &stream->close_event, SIM_US);
}

static void on_close_event(struct sim_event *event)
{
	struct blx__stream *stream = event->data;
	struct sim_host *host = stream->host;
	struct conn *conn = stream->conn;
	unsigned side = stream->side;

	if (!host->enter(host, event)) {
		return;
	}
	if (stream->cbs != NULL) {
		stream->cbs->on_close(
			stream, stream->close_status, stream->close_text, stream->data);
	}
	if (stream->close_status == BLX_ECANCELED && conn->ends[1 - side] != NULL) {
		pipe_put(&conn->pipes[1 - side], CHUNK_END, NULL, 0);
	}
	stream_free(stream);
	conn_free_if_gone(conn);
	host->leave(host);
}

static void on_written_event(struct sim_event *event)
{
	struct blx__stream *stream = event->data;
	struct sim_host *host = stream->host;

	if (stream->closing || !host->enter(host, event)) {
		return;
	}
	stream->writing = false;
	stream->cbs->on_written(stream, stream->data);
	host->leave(host);
}

/* A writer goes on when its kernel has room. */
static void stream_room(struct blx__stream *stream)
{
	struct pipe *out = &stream->conn->pipes[1 - stream->side];

	if (stream->writing && out->bytes < SEND_BUFFER &&
		!sim_event_pending(&stream->written_event)) {
		sim_event_after(world_of(stream->conn), &stream->written_event,
			1 + blx__rng_below(&stream->conn->net->rng, 5 * SIM_US));
	}
}

static struct blx__stream *stream_create(struct conn *conn, unsigned side)
{
	struct blx__stream *stream = sim_alloc(sizeof *stream);

	stream->conn = conn;
	stream->side = side;
	stream->host = conn->net->hosts[conn->hosts[side]];
	sim_event_init(&stream->close_event, on_close_event, stream);
	sim_event_init(&stream->written_event, on_written_event, stream);
	conn->ends[side] = stream;
	return stream;
}

/* ---- arriving ---- */

static void arrive_data(
	struct blx__stream *stream, struct pipe *pipe, struct chunk *chunk)
{
	struct sim_net *net = pipe->conn->net;
	size_t left = chunk->len - chunk->at;
	size_t n = left;

	/* TCP knows no messages: now and then they come in pieces. */
	if (left > 1 && sim_chance(&net->rng, 50)) {
		n = 1 + (size_t)blx__rng_below(&net->rng, left - 1);
	}
	sim_world_mix(net->world, ((uint64_t)stream->host->number << 32) | n,
		chunk->bytes[chunk->at + n - 1]);
	stream->cbs->on_read(stream, chunk->bytes + chunk->at, n, stream->data);
	chunk->at += n;
	if (chunk->at == chunk->len) {
		pipe_drop(pipe, chunk);
	}
}

static void arrive(struct blx__stream *stream, struct pipe *pipe, struct chunk *chunk)
{
	switch (chunk->kind) {
	case CHUNK_DATA:
		arrive_data(stream, pipe, chunk);
		break;
	case CHUNK_CONNECTED:
		pipe_drop(pipe, chunk);
		stream->connected = true;
		stream->cbs->on_connect(stream, stream->data);
		break;
	case CHUNK_END:
		pipe_drop(pipe, chunk);
		stream_end(stream, BLX_OK, "closed by the peer");
		break;
	case CHUNK_RESET:
		pipe_drop(pipe, chunk);
		stream_end(stream, BLX_ECONNECT,
			stream->connected ? "connection reset by peer"
					  : "connection refused");
		break;
	}
}

/* Does what is sent to this end get there at all? */
static bool reachable(struct conn *conn, unsigned side)
{
	return !link_to(conn, side)->cut && conn->net->hosts[conn->hosts[side]]->up;
}

/* Nobody there any more: the kernel says so to the one who sent. */
static void arrive_nowhere(struct conn *conn, unsigned side)
{
	bool data = !blx__list_empty(&conn->pipes[side].chunks);

	pipe_clear(&conn->pipes[side]);
	if (data && conn->ends[1 - side] != NULL) {
		pipe_put(&conn->pipes[1 - side], CHUNK_RESET, NULL, 0);
	}
}

static void pipe_stick(struct pipe *pipe)
{
	struct sim_net *net = pipe->conn->net;

	pipe->stuck = true;
	if (!sim_event_pending(&pipe->give_up)) {
		sim_event_after(net->world, &pipe->give_up,
			net->give_up_ns / 2 + blx__rng_below(&net->rng, net->give_up_ns));
	}
}

static void on_pipe_event(struct sim_event *event)
{
	struct pipe *pipe = event->data;
	struct conn *conn = pipe->conn;
	struct blx__stream *stream = conn->ends[pipe->side];
	struct blx__stream *writer;
	struct sim_host *host;

	if (!reachable(conn, pipe->side)) {
		pipe_stick(pipe);
		return;
	}
	if (stream == NULL) {
		arrive_nowhere(conn, pipe->side);
		return;
	}
	host = stream->host;
	if (stream->closing || stream->paused || stream->cbs == NULL ||
		!host->enter(host, event)) {
		return; /* wakes again when it goes on */
	}
	conn->net->messages++;
	arrive(stream, pipe, blx__container_of(pipe->chunks.next, struct chunk, link));
	/* Callbacks only mark what ends; both ends are still as they were. */
	pipe_wake(pipe);
	writer = conn->ends[1 - pipe->side];
	if (writer != NULL) {
		stream_room(writer);
	}
	host->leave(host);
}

static void on_give_up(struct sim_event *event)
{
	struct pipe *pipe = event->data;
	struct blx__stream *writer = pipe->conn->ends[1 - pipe->side];

	if (!pipe->stuck || reachable(pipe->conn, pipe->side)) {
		return;
	}
	pipe_clear(pipe);
	if (writer != NULL) {
		stream_end(writer, BLX_ECONNECT, "connection timed out");
	}
}

/* ---- connecting ---- */

static struct blx__listener *find_listener(struct sim_host *host, const char *address)
{
	struct blx__list *link;

	blx__list_foreach (link, &host->listeners) {
		struct blx__listener *listener =
			blx__container_of(link, struct blx__listener, link);

		if (strcmp(listener->address, address) == 0) {
			return listener;
		}
	}
	return NULL;
}

static void syn_again(struct conn *conn)
{
	struct sim_world *world = world_of(conn);

	if (world->now_ns >= conn->syn_until_ns) {
		stream_end(conn->ends[0], BLX_ECONNECT, "connection timed out");
	} else {
		sim_event_after(world, &conn->syn, RETRY_NS);
	}
}

static void on_syn(struct sim_event *event)
{
	struct conn *conn = event->data;
	struct sim_host *host = conn->net->hosts[conn->hosts[1]];
	struct blx__listener *listener;
	struct blx__stream *stream;

	if (conn->ends[0] == NULL || conn->ends[0]->closing) {
		return;
	}
	if (host == NULL || !reachable(conn, 1) || !reachable(conn, 0)) {
		syn_again(conn);
		return;
	}
	listener = find_listener(host, conn->address);
	if (listener == NULL) {
		pipe_put(&conn->pipes[0], CHUNK_RESET, NULL, 0);
		return;
	}
	if (!host->enter(host, event)) {
		return;
	}
	stream = stream_create(conn, 1);
	stream->connected = true;
	pipe_put(&conn->pipes[0], CHUNK_CONNECTED, NULL, 0);
	listener->cb(listener, stream, listener->data);
	if (stream->cbs == NULL && !stream->closing) {
		sim_fail(conn->net->world,
			"%s: a connection was neither accepted nor closed", host->name);
	}
	host->leave(host);
}

/* Hosts are at 10.0.0.1 and up. */
static bool parse_host(const char *address, unsigned *ret_number)
{
	unsigned number;
	unsigned port;

	if (sscanf(address, "10.0.0.%u:%u", &number, &port) != 2 || number == 0 ||
		number > SIM_HOSTS_MAX) {
		return false;
	}
	*ret_number = number - 1;
	return true;
}

static struct conn *conn_create(
	struct sim_net *net, unsigned from, unsigned to, const char *address)
{
	struct conn *conn = sim_alloc(sizeof *conn);
	unsigned side;

	conn->net = net;
	conn->hosts[0] = from;
	conn->hosts[1] = to;
	conn->address = sim_text(address);
	sim_event_init(&conn->syn, on_syn, conn);
	for (side = 0; side < 2; side++) {
		conn->pipes[side].conn = conn;
		conn->pipes[side].side = side;
		blx__list_init(&conn->pipes[side].chunks);
		sim_event_init(
			&conn->pipes[side].event, on_pipe_event, &conn->pipes[side]);
		sim_event_init(
			&conn->pipes[side].give_up, on_give_up, &conn->pipes[side]);
	}
	blx__list_push_back(&net->conns, &conn->link);
	return conn;
}

/* ---- the table ---- */

static struct sim_host *host_of(struct blx__net *table)
{
	return table->impl;
}

static int on_listen(struct blx__net *table, const char *address, blx__accept_cb cb,
	void *data, struct blx__listener **ret_listener, blx_error *error)
{
	struct sim_host *host = host_of(table);
	struct blx__listener *listener;

	if (find_listener(host, address) != NULL) {
		return blx__error_set(
			error, BLX_EINUSE, "listen at %s: address in use", address);
	}
	listener = sim_alloc(sizeof *listener);
	listener->host = host;
	listener->address = sim_text(address);
	listener->cb = cb;
	listener->data = data;
	blx__list_push_back(&host->listeners, &listener->link);
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
	free(listener->address);
	free(listener);
}

static int on_connect(struct blx__net *table, const char *address,
	const struct blx__stream_cbs *cbs, void *data, struct blx__stream **ret_stream,
	blx_error *error)
{
	struct sim_host *host = host_of(table);
	struct conn *conn;
	unsigned to;

	if (!parse_host(address, &to)) {
		return blx__error_set(
			error, BLX_EINVAL, "connect to %s: no such address", address);
	}
	conn = conn_create(host->net, host->number, to, address);
	*ret_stream = stream_create(conn, 0);
	(*ret_stream)->cbs = cbs;
	(*ret_stream)->data = data;
	conn->syn_until_ns = host->net->world->now_ns + host->net->give_up_ns;
	sim_event_after(host->net->world, &conn->syn, latency(conn, 1));
	return 0;
}

static void on_accept(
	struct blx__stream *stream, const struct blx__stream_cbs *cbs, void *data)
{
	stream->cbs = cbs;
	stream->data = data;
	pipe_wake(&stream->conn->pipes[stream->side]);
}

static void on_write(struct blx__stream *stream, const uint8_t *bytes, size_t len)
{
	struct conn *conn = stream->conn;

	if (stream->closing) {
		return;
	}
	if (stream->writing || !stream->connected || len == 0) {
		sim_fail(conn->net->world, "%s: a write of %zu bytes to a stream that %s",
			stream->host->name, len,
			stream->writing ? "has one under way" : "is not connected");
		return;
	}
	conn->net->bytes += len;
	stream->writing = true;
	pipe_put(&conn->pipes[1 - stream->side], CHUNK_DATA, bytes, len);
	stream_room(stream);
}

static void on_read_pause(struct blx__stream *stream, bool pause)
{
	stream->paused = pause;
	if (!pause && !stream->closing) {
		pipe_wake(&stream->conn->pipes[stream->side]);
	}
}

static int on_peer_uid(struct blx__stream *stream, uint32_t *ret_uid)
{
	return BLX_ENOSYS;
}

static void on_stream_close(struct blx__stream *stream)
{
	stream_end(stream, BLX_ECANCELED, "closed");
}

static const struct blx__net_ops ops = {
	.listen = on_listen,
	.listener_address = on_listener_address,
	.listener_close = on_listener_close,
	.connect = on_connect,
	.accept = on_accept,
	.write = on_write,
	.read_pause = on_read_pause,
	.peer_uid = on_peer_uid,
	.close = on_stream_close,
};

/* ---- hosts and links ---- */

void sim_host_init(
	struct sim_host *host, struct sim_net *net, unsigned number, const char *name)
{
	host->table = (struct blx__net){.ops = &ops, .impl = host};
	host->net = net;
	host->number = number;
	host->name = name;
	host->up = true;
	blx__list_init(&host->listeners);
	net->hosts[number] = host;
}

/* Of what was on its way from a process that ended, some last part is lost. */
static void cut_short(struct sim_net *net, struct pipe *pipe)
{
	while (!blx__list_empty(&pipe->chunks) && sim_chance(&net->rng, 500)) {
		pipe_drop(pipe, blx__container_of(pipe->chunks.prev, struct chunk, link));
	}
}

static void conn_end(struct conn *conn, unsigned side, bool polite)
{
	if (conn->ends[side] == NULL) {
		return;
	}
	stream_free(conn->ends[side]);
	if (conn->ends[1 - side] != NULL) {
		cut_short(conn->net, &conn->pipes[1 - side]);
		if (polite) {
			pipe_put(&conn->pipes[1 - side], CHUNK_RESET, NULL, 0);
		}
	}
	conn_free_if_gone(conn);
}

void sim_host_end(struct sim_host *host, bool polite)
{
	struct sim_net *net = host->net;
	struct blx__list *link;
	struct blx__list *tmp;

	blx__list_foreach_safe (link, tmp, &host->listeners) {
		on_listener_close(blx__container_of(link, struct blx__listener, link));
	}
	blx__list_foreach_safe (link, tmp, &net->conns) {
		struct conn *conn = blx__container_of(link, struct conn, link);

		if (conn->hosts[0] == host->number) {
			conn_end(conn, 0, polite);
		} else if (conn->hosts[1] == host->number) {
			conn_end(conn, 1, polite);
		}
	}
	host->up = polite;
}

void sim_host_up(struct sim_host *host)
{
	unsigned from;

	host->up = true;
	for (from = 0; from < SIM_HOSTS_MAX; from++) {
		if (!host->net->links[from][host->number].cut) {
			sim_net_cut(host->net, from, host->number, false);
		}
	}
}

bool sim_host_idle(const struct sim_host *host)
{
	struct blx__list *link;

	blx__list_foreach (link, &host->net->conns) {
		const struct conn *conn = blx__container_of(link, struct conn, link);
		unsigned side;

		for (side = 0; side < 2; side++) {
			if (conn->hosts[side] == host->number &&
				conn->ends[side] != NULL) {
				return false;
			}
		}
	}
	return blx__list_empty(&host->listeners);
}

void sim_net_init(struct sim_net *net, struct sim_world *world)
{
	*net = (struct sim_net){.world = world};
	sim_world_rng(world, "net", 0, &net->rng);
	blx__list_init(&net->conns);
}

void sim_net_finish(struct sim_net *net)
{
	unsigned i;

	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		if (net->hosts[i] != NULL) {
			sim_host_end(net->hosts[i], false);
		}
	}
	INVARIANT(blx__list_empty(&net->conns));
}

void sim_net_cut(struct sim_net *net, unsigned from, unsigned to, bool cut)
{
	struct blx__list *link;

	net->links[from][to].cut = cut;
	if (cut) {
		return;
	}
	/* What waits is sent again, each when its timer says so. */
	blx__list_foreach (link, &net->conns) {
		struct conn *conn = blx__container_of(link, struct conn, link);
		unsigned side;

		for (side = 0; side < 2; side++) {
			struct pipe *pipe = &conn->pipes[side];

			if (conn->hosts[side] == to && conn->hosts[1 - side] == from &&
				pipe->stuck) {
				pipe->stuck = false;
				sim_event_cancel(net->world, &pipe->give_up);
				sim_event_after(net->world, &pipe->event,
					blx__rng_below(&net->rng, RETRY_NS));
			}
		}
	}
}

void sim_net_reset(struct sim_net *net, unsigned a, unsigned b)
{
	struct blx__list *link;

	blx__list_foreach (link, &net->conns) {
		struct conn *conn = blx__container_of(link, struct conn, link);
		unsigned side;

		if (!((conn->hosts[0] == a && conn->hosts[1] == b) ||
			    (conn->hosts[0] == b && conn->hosts[1] == a))) {
			continue;
		}
		net->resets++;
		for (side = 0; side < 2; side++) {
			if (conn->ends[side] != NULL) {
				cut_short(net, &conn->pipes[side]);
				stream_end(conn->ends[side], BLX_ECONNECT,
					"connection reset by peer");
			}
		}
	}
}
