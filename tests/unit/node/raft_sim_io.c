/* SPDX-License-Identifier: Apache-2.0 */
/* The raft_io under the guards: a disk and a network that exist in memory only. */
#include "raft_sim.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "node/conf.h"
#include "node/wire.h"

#include <stdio.h>
#include <string.h>

enum event_kind { TICK, MESSAGE, SENT, APPEND, PUT, GET };

struct event {
	struct blx__heap_item item;
	struct blx__list link; /* in member->pending, if raft waits for it */
	enum event_kind kind;
	struct raft_sim_member *member;
	unsigned generation;
	int status;
	void *req; /* struct raft_io_append, _send, _snapshot_put or _snapshot_get */
	const struct raft_entry *entries; /* of an append, borrowed from raft */
	unsigned n;
	const struct raft_snapshot *snapshot; /* of a put, borrowed from raft */
	unsigned trailing;
	raft_id from;  /* of a message */
	uint8_t *data; /* of a message, owned */
	size_t len;
};

static struct raft_sim_member *member_of(struct raft_io *io)
{
	return io->impl;
}

static void *alloc(size_t size)
{
	void *ptr = raft_calloc(1, size > 0 ? size : 1);

	INVARIANT(ptr != NULL);
	return ptr;
}

static struct event *event_new(
	struct raft_sim_member *member, enum event_kind kind, uint64_t at_ms)
{
	struct event *event = blx__calloc(1, sizeof *event);

	INVARIANT(event != NULL);
	event->kind = kind;
	event->member = member;
	event->generation = member->generation;
	blx__list_init(&event->link);
	INVARIANT(blx__heap_insert(&member->sim->events, &event->item, at_ms));
	return event;
}

/* One that raft waits for. */
static struct event *request_new(
	struct raft_sim_member *member, enum event_kind kind, void *req, uint64_t at_ms)
{
	struct event *event = event_new(member, kind, at_ms);

	event->req = req;
	blx__list_push_back(&member->pending, &event->link);
	return event;
}

static void event_free(struct event *event)
{
	blx__list_remove(&event->link);
	blx__free(event->data);
	blx__free(event);
}

/* ---- the disk ---------------------------------------------------------- */

static struct raft_snapshot *snapshot_load(const struct raft_sim_snapshot *stored)
{
	struct raft_snapshot *snapshot = alloc(sizeof *snapshot);

	snapshot->index = stored->index;
	snapshot->term = stored->term;
	snapshot->configuration_index = stored->conf_index;
	INVARIANT(blx__conf_copy(&stored->conf, &snapshot->configuration) == 0);
	snapshot->n_bufs = 1;
	snapshot->bufs = alloc(sizeof *snapshot->bufs);
	snapshot->bufs[0].len = sizeof stored->state;
	snapshot->bufs[0].base = alloc(sizeof stored->state);
	memcpy(snapshot->bufs[0].base, &stored->state, sizeof stored->state);
	return snapshot;
}

static struct raft_entry *entries_load(const struct raft_sim_disk *disk)
{
	struct raft_entry *entries;
	uint8_t *batch;
	size_t bytes = 0;
	size_t i;

	for (i = 0; i < disk->count; i++) {
		bytes += disk->entries[i].len;
	}
	entries = alloc(disk->count * sizeof *entries);
	batch = alloc(bytes);
	for (i = 0, bytes = 0; i < disk->count; i++) {
		const struct raft_sim_entry *stored = &disk->entries[i];

		entries[i] = (struct raft_entry){.term = stored->term,
			.type = stored->type,
			.buf = {.base = batch + bytes, .len = stored->len},
			.batch = batch};
		memcpy(batch + bytes, stored->data, stored->len);
		bytes += stored->len;
	}
	return entries;
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *vote,
	struct raft_snapshot **snapshot, raft_index *start_index,
	struct raft_entry *entries[], size_t *n)
{
	const struct raft_sim_disk *disk = &member_of(io)->disk;

	*term = disk->term;
	*vote = disk->vote;
	*snapshot = disk->snapshot.index != 0 ? snapshot_load(&disk->snapshot) : NULL;
	*start_index = disk->start;
	*n = disk->count;
	*entries = disk->count > 0 ? entries_load(disk) : NULL;
	return 0;
}

/* When a write that is asked for now ends: all that is asked for while one is under way
 * is written together after it. */
static uint64_t write_end(struct raft_sim_member *member, unsigned ms)
{
	struct raft_sim_disk *disk = &member->disk;
	uint64_t now = member->sim->now_ms;

	if (now >= disk->busy_ms) {
		disk->write_end_ms = disk->busy_ms = now + ms;
		return disk->busy_ms;
	}
	if (now >= disk->write_end_ms) {
		disk->write_end_ms = disk->busy_ms;
	}
	if (disk->write_end_ms + ms > disk->busy_ms) {
		disk->busy_ms = disk->write_end_ms + ms;
	}
	return disk->busy_ms;
}

static bool fails(unsigned *count)
{
	if (*count == 0) {
		return false;
	}
	*count -= 1;
	return true;
}

static int io_append(struct raft_io *io, struct raft_io_append *req,
	const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
	struct raft_sim_member *member = member_of(io);
	struct event *event = request_new(
		member, APPEND, req, write_end(member, member->disk.append_ms));

	INVARIANT(n > 0);
	req->cb = cb;
	event->entries = entries;
	event->n = n;
	event->status = fails(&member->disk.fail_appends) ? RAFT_NOSPACE : 0;
	return 0;
}

static void append_end(struct event *event)
{
	struct raft_io_append *req = event->req;
	unsigned i;

	for (i = 0; event->status == 0 && i < event->n; i++) {
		raft_sim_disk_add(&event->member->disk, &event->entries[i]);
	}
	req->cb(req, event->status);
}

static int io_truncate(struct raft_io *io, raft_index index)
{
	struct raft_sim_disk *disk = &member_of(io)->disk;

	raft_sim_disk_drop_last(
		disk, index > disk->start ? (size_t)(index - disk->start) : 0);
	return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing,
	struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
	raft_io_snapshot_put_cb cb)
{
	struct raft_sim_member *member = member_of(io);
	struct event *event =
		request_new(member, PUT, req, member->sim->now_ms + member->disk.put_ms);

	req->cb = cb;
	event->snapshot = snapshot;
	event->trailing = trailing;
	event->status = fails(&member->disk.fail_puts) ? RAFT_IOERR : 0;
	return 0;
}

static void put_end(struct event *event)
{
	struct raft_io_snapshot_put *req = event->req;
	struct raft_sim_disk *disk = &event->member->disk;

	if (event->status == 0) {
		raft_index index = event->snapshot->index;

		raft_sim_disk_store(disk, event->snapshot);
		if (event->trailing == 0) {
			raft_sim_disk_drop_last(disk, 0);
			disk->start = index + 1;
		} else if (index > event->trailing &&
			   index - event->trailing + 1 > disk->start) {
			raft_sim_disk_drop_first(disk,
				(size_t)(index - event->trailing + 1 - disk->start));
		}
	}
	req->cb(req, event->status);
}

static int io_snapshot_get(
	struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
	struct raft_sim_member *member = member_of(io);

	req->cb = cb;
	(void)request_new(member, GET, req, member->sim->now_ms + 1);
	return 0;
}

static void get_end(struct event *event)
{
	struct raft_io_snapshot_get *req = event->req;
	struct raft_snapshot *snapshot =
		event->status == 0 ? snapshot_load(&event->member->disk.snapshot) : NULL;

	req->cb(req, snapshot, event->status);
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
	(void)io;
	(void)conf;
	return RAFT_CANTBOOTSTRAP; /* the disks are prepared */
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
	(void)io;
	(void)conf;
	return RAFT_INVALID;
}

static int io_set_term(struct raft_io *io, raft_term term)
{
	struct raft_sim_disk *disk = &member_of(io)->disk;

	if (fails(&disk->fail_terms)) {
		return RAFT_IOERR;
	}
	disk->term = term;
	disk->vote = 0;
	return 0;
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
	struct raft_sim_disk *disk = &member_of(io)->disk;

	if (fails(&disk->fail_votes)) {
		return RAFT_IOERR;
	}
	disk->vote = id;
	return 0;
}

/* ---- the network ------------------------------------------------------- */

/* A link delivers in order, as one connection does. */
static uint64_t arrival(struct raft_sim *sim, raft_id from, raft_id to)
{
	uint64_t ms = sim->net_ms;
	uint64_t at;

	if (sim->seed != 0) {
		ms = 1 + blx__rng_below(&sim->rng, sim->net_ms);
	}
	at = sim->now_ms + ms;
	if (at < sim->arrived_ms[from][to]) {
		at = sim->arrived_ms[from][to];
	}
	sim->arrived_ms[from][to] = at;
	return at;
}

static void transmit(struct raft_sim_member *member, const struct raft_message *message,
	unsigned first, unsigned count)
{
	struct raft_sim *sim = member->sim;
	struct raft_sim_member *to = &sim->member[message->server_id];
	struct blx__buf buf;
	struct event *event;

	if (sim->seed != 0 && sim->loss > 0 &&
		blx__rng_below(&sim->rng, 1000) < sim->loss) {
		return;
	}
	blx__buf_init(&buf);
	INVARIANT(blx__wire_put(&buf, message, first, count) == 0);
	event = event_new(to, MESSAGE, arrival(sim, member->id, to->id));
	event->from = member->id;
	event->data = blx__buf_take(&buf, &event->len);
}

/* The entries of an AppendEntries as several messages, as the real sender does. */
static void transmit_pieces(
	struct raft_sim_member *member, const struct raft_message *message)
{
	unsigned n = message->type == RAFT_IO_APPEND_ENTRIES
			     ? message->append_entries.n_entries
			     : 0;
	unsigned max = member->sim->piece_max > 0 ? member->sim->piece_max : n;
	unsigned first = 0;

	do {
		unsigned count = n - first < max ? n - first : max;

		transmit(member, message, first, count);
		first += count;
	} while (first < n);
}

static int io_send(struct raft_io *io, struct raft_io_send *req,
	const struct raft_message *message, raft_io_send_cb cb)
{
	struct raft_sim_member *member = member_of(io);
	struct raft_sim *sim = member->sim;
	raft_id to = message->server_id;
	struct event *event;

	INVARIANT(to >= 1 && to <= RAFT_SIM_MEMBERS_MAX);
	if (fails(&member->fail_sends)) {
		return RAFT_NOCONNECTION;
	}
	req->cb = cb;
	event = request_new(member, SENT, req, sim->now_ms + member->sent_ms);
	raft_sim_on_message(member, message);
	if (!sim->member[to].running || sim->cut[member->id][to]) {
		event->status = RAFT_NOCONNECTION;
	} else {
		transmit_pieces(member, message);
	}
	return 0;
}

static void sent_end(struct event *event)
{
	struct raft_io_send *req = event->req;

	if (req->cb != NULL) {
		req->cb(req, event->status);
	}
}

static void message_arrives(struct event *event)
{
	struct raft_sim_member *member = event->member;
	struct raft_message message;

	if (member->sim->cut[event->from][member->id]) {
		return;
	}
	INVARIANT(blx__wire_get(event->data, event->len, &message) == 0);
	raft_sim_deliver(member->sim, member->id, event->from, &message);
}

void raft_sim_deliver(
	struct raft_sim *sim, raft_id to, raft_id from, struct raft_message *message)
{
	struct raft_sim_member *member = &sim->member[to];
	char address[16];

	INVARIANT(member->running);
	/* It lives as long as the call only. */
	(void)snprintf(address, sizeof address, "%llu", from);
	message->server_id = from;
	message->server_address = address;
	member->recv_cb(&member->io, message);
	memset(address, 'x', sizeof address - 1);
}

/* ---- time -------------------------------------------------------------- */

static int io_start(
	struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
	struct raft_sim_member *member = member_of(io);

	INVARIANT(msecs == RAFT_SIM_HEARTBEAT_MS);
	member->tick_cb = tick;
	member->recv_cb = recv;
	(void)event_new(member, TICK, member->sim->now_ms + msecs);
	return 0;
}

static raft_time io_time(struct raft_io *io)
{
	return member_of(io)->sim->now_ms;
}

static int io_random(struct raft_io *io, int min, int max)
{
	struct raft_sim *sim = member_of(io)->sim;

	if (sim->seed == 0) {
		return (int)member_of(io)->election_ms;
	}
	return min + (int)blx__rng_below(&sim->rng, (uint64_t)(max - min));
}

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
	INVARIANT(
		member_of(io)->id == id && strcmp(member_of(io)->address, address) == 0);
	return 0;
}

/* What is under way is called back before the end in every other life, and after it in
 * the others: guards take both. */
static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct raft_sim_member *member = member_of(io);

	if (member->generation % 2 == 0) {
		raft_sim_io_cancel(member);
	}
	cb(io);
}

void raft_sim_io_init(struct raft_sim_member *member)
{
	member->io = (struct raft_io){.version = 1,
		.impl = member,
		.init = io_init,
		.close = io_close,
		.load = io_load,
		.start = io_start,
		.bootstrap = io_bootstrap,
		.recover = io_recover,
		.set_term = io_set_term,
		.set_vote = io_set_vote,
		.send = io_send,
		.append = io_append,
		.truncate = io_truncate,
		.snapshot_put = io_snapshot_put,
		.snapshot_get = io_snapshot_get,
		.time = io_time,
		.random = io_random};
}

static void event_end(struct event *event)
{
	switch (event->kind) {
	case TICK:
		(void)event_new(event->member, TICK,
			event->member->sim->now_ms + RAFT_SIM_HEARTBEAT_MS);
		event->member->tick_cb(&event->member->io);
		break;
	case MESSAGE:
		message_arrives(event);
		break;
	case SENT:
		sent_end(event);
		break;
	case APPEND:
		append_end(event);
		break;
	case PUT:
		put_end(event);
		break;
	case GET:
		get_end(event);
		break;
	}
}

bool raft_sim_step(struct raft_sim *sim, uint64_t until_ms)
{
	struct blx__heap_item *item = blx__heap_min(&sim->events);
	struct event *event;

	if (item == NULL || item->key > until_ms) {
		return false;
	}
	event = blx__container_of(item, struct event, item);
	blx__heap_remove(&sim->events, item);
	blx__list_remove(&event->link);
	sim->now_ms = item->key;
	/* A message is for whoever runs under that id when it comes. */
	if (event->member->running &&
		(event->kind == MESSAGE ||
			event->generation == event->member->generation)) {
		event_end(event);
	}
	event_free(event);
	return true;
}

/* Nothing of what is under way comes to an end any more. */
void raft_sim_io_detach(struct raft_sim_member *member)
{
	struct blx__list *link;

	blx__list_foreach (link, &member->pending) {
		struct event *event = blx__container_of(link, struct event, link);

		blx__heap_remove(&member->sim->events, &event->item);
		event->status = RAFT_CANCELED;
	}
}

void raft_sim_io_cancel(struct raft_sim_member *member)
{
	struct blx__list *link;

	while ((link = blx__list_pop_front(&member->pending)) != NULL) {
		struct event *event = blx__container_of(link, struct event, link);

		event_end(event);
		event_free(event);
	}
}
