/* SPDX-License-Identifier: Apache-2.0 */
#include "node/io.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "node/wire.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct blx__io *io_of(struct raft_io *raft_io)
{
	return raft_io->impl;
}

static int raft_status(int code)
{
	switch (code) {
	case 0:
		return 0;
	case BLX_ENOMEM:
		return RAFT_NOMEM;
	case BLX_ENOSPC:
		return RAFT_NOSPACE;
	case BLX_ECANCELED:
		return RAFT_CANCELED;
	case BLX_ECORRUPT:
		return RAFT_CORRUPT;
	default:
		return RAFT_IOERR;
	}
}

/* ---- time -------------------------------------------------------------- */

static raft_time io_time(struct raft_io *raft_io)
{
	return blx__mono_ms(io_of(raft_io)->node->env);
}

static int io_random(struct raft_io *raft_io, int min, int max)
{
	uint64_t span = (uint64_t)(max - min);

	return span == 0 ? min
			 : min + (int)(blx__random_u64(io_of(raft_io)->node->env) % span);
}

static void on_tick(struct blx__timer *timer)
{
	struct blx__io *io = timer->data;

	if (io->closed) {
		return;
	}
	(void)blx__timer_start_ms(io->node->env, &io->tick, io->tick_ms);
	io->tick_cb(&io->io);
}

/* ---- messages out ------------------------------------------------------ */

/* A message that left, or did not: raft is told after the call that sent it. */
struct sent {
	struct blx__list link;
	struct raft_io_send *req;
	int status;
};

static void on_sent_post(struct blx__post *post)
{
	struct blx__io *io = post->data;
	struct blx__list due;
	struct blx__list *link;

	blx__list_init(&due);
	blx__list_splice(&due, &io->sent);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct sent *sent = blx__container_of(link, struct sent, link);
		struct raft_io_send *req = sent->req;
		int status = sent->status;

		blx__free(sent);
		req->cb(req, status);
	}
}

static int send_frame(struct blx__io *io, const struct raft_message *message, unsigned first,
	unsigned count)
{
	int rv;

	blx__buf_reset(&io->scratch);
	rv = blx__wire_put(&io->scratch, message, first, count);
	if (rv != 0) {
		return rv;
	}
	return blx__peers_send(io->node->peers, message->server_id, BLX__KIND_RAFT,
		io->scratch.data, io->scratch.len);
}

/* Its own, or a free one; NULL: there are more followers than are kept. */
static struct blx__io_told *told_of(struct blx__io *io, raft_id id)
{
	size_t i;

	for (i = 0; i < sizeof io->told / sizeof io->told[0]; i++) {
		if (io->told[i].id == id || io->told[i].id == 0) {
			io->told[i].id = id;
			return &io->told[i];
		}
	}
	return NULL;
}

static void told_set(struct blx__io *io, raft_id id, raft_index commit)
{
	struct blx__io_told *told = told_of(io, id);

	if (told != NULL) {
		told->commit = commit;
	}
}

static raft_index told_get(struct blx__io *io, raft_id id)
{
	const struct blx__io_told *told = told_of(io, id);

	return told != NULL ? told->commit : 0;
}

/* libraft remembers of an offer where its log began when it asked for the snapshot, which may be
 * another index than that of the snapshot that was sent. A refusal names the latter. */
static void refusal_translate(struct blx__io *io, struct raft_message *message, raft_id from)
{
	struct raft_append_entries_result *result = &message->append_entries_result;
	const struct raft *r = &io->node->raft;
	const struct blx__io_told *told;
	unsigned i;

	if (message->type != RAFT_IO_APPEND_ENTRIES_RESULT || result->rejected == 0 ||
		!blx__node_is_leader(io->node)) {
		return;
	}
	told = told_of(io, from);
	for (i = 0; told != NULL && i < r->configuration.n; i++) {
		const struct raft_progress *progress = &r->leader_state.progress[i];

		if (r->configuration.servers[i].id == from && progress->snapshot_index != 0 &&
			result->rejected == told->offered) {
			result->rejected = progress->snapshot_index;
		}
	}
}

/* In pieces that a receiver takes one by one: each is an AppendEntries of its own. */
static int send_append_entries(struct blx__io *io, const struct raft_message *message)
{
	const struct raft_append_entries *args = &message->append_entries;
	unsigned first = 0;
	int rv;

	do {
		unsigned count = blx__wire_fit(args, first);

		rv = send_frame(io, message, first, count);
		first += count;
	} while (rv == 0 && first < args->n_entries);
	if (rv == 0) {
		told_set(io, message->server_id, args->leader_commit);
	}
	return rv;
}

/* Never fails but for memory: libraft frees entries twice when the answer to an
 * AppendEntries cannot be sent. That nobody is connected is told by the callback. */
static int io_send(struct raft_io *raft_io, struct raft_io_send *req,
	const struct raft_message *message, raft_io_send_cb cb)
{
	struct blx__io *io = io_of(raft_io);
	struct sent *sent = blx__malloc(sizeof *sent);
	int rv;

	if (sent == NULL) {
		return RAFT_NOMEM;
	}
	if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
		struct blx__io_told *told = told_of(io, message->server_id);

		if (told != NULL) {
			told->offered = message->install_snapshot.last_index;
		}
	}
	rv = message->type == RAFT_IO_APPEND_ENTRIES ? send_append_entries(io, message)
						     : send_frame(io, message, 0, 0);
	req->cb = cb;
	sent->req = req;
	sent->status = rv == 0 ? 0 : RAFT_NOCONNECTION;
	blx__list_push_back(&io->sent, &sent->link);
	blx__env_post(io->node->env, &io->sent_post);
	return 0;
}

/* An AppendEntries without entries that carries the commit index, to a follower whose log
 * is known to match up to where it says. What a heartbeat would say later. */
static void notice_one(struct blx__io *io, unsigned i)
{
	struct raft *r = &io->node->raft;
	const struct raft_server *server = &r->configuration.servers[i];
	const struct raft_progress *progress = &r->leader_state.progress[i];
	struct raft_message message = { .type = RAFT_IO_APPEND_ENTRIES };
	struct raft_append_entries *args = &message.append_entries;

	if (server->id == io->node->identity.id || server->role == RAFT_SPARE ||
		told_get(io, server->id) >= r->commit_index) {
		return;
	}
	args->prev_log_index = progress->match_index;
	args->prev_log_term = blx__guard_term_of(io->node->guard, progress->match_index);
	if (args->prev_log_index == 0 || args->prev_log_term == 0) {
		return;
	}
	args->term = r->current_term;
	args->leader_commit = r->commit_index;
	message.server_id = server->id;
	message.server_address = server->address;
	(void)send_append_entries(io, &message); /* the next heartbeat says it again */
}

static void on_notice_post(struct blx__post *post)
{
	struct blx__io *io = post->data;
	unsigned i;

	if (!blx__node_is_leader(io->node)) {
		return;
	}
	for (i = 0; i < io->node->raft.configuration.n; i++) {
		notice_one(io, i);
	}
}

void blx__io_commit_notice(struct blx__io *io)
{
	if (blx__node_is_leader(io->node)) {
		blx__env_post(io->node->env, &io->notice_post);
	}
}

/* ---- messages in -------------------------------------------------------- */

static const char *server_address(struct blx__node *node, raft_id id)
{
	unsigned i;

	for (i = 0; i < node->raft.configuration.n; i++) {
		if (node->raft.configuration.servers[i].id == id) {
			return node->raft.configuration.servers[i].address;
		}
	}
	return "?"; /* of a member we have not heard of yet: only ever copied */
}

static bool is_from_leader(const struct blx__io *io, const struct raft_message *message)
{
	raft_term term = io->node->raft.current_term;

	return (message->type == RAFT_IO_APPEND_ENTRIES && message->append_entries.term >= term) ||
		(message->type == RAFT_IO_INSTALL_SNAPSHOT &&
			message->install_snapshot.term >= term);
}

void blx__io_deliver(struct blx__io *io, struct raft_message *message, raft_id from)
{
	char address[BLX__SERVER_ADDRESS_SIZE];

	if (io->closed || !io->started || io->node->failed) {
		blx__wire_free(message);
		return;
	}
	if (is_from_leader(io, message)) {
		atomic_store(&io->node->heard_ns, blx__mono_ns(io->node->env));
		if (message->type == RAFT_IO_APPEND_ENTRIES) {
			blx__node_hear_commit(io->node, message->append_entries.leader_commit);
		}
	}
	/* Copied: raft may replace the configuration that the text is in. */
	(void)snprintf(address, sizeof address, "%s", server_address(io->node, from));
	message->server_id = from;
	message->server_address = address;
	io->recv_cb(&io->io, message);
	blx__node_poll(io->node);
}

void blx__io_on_frame(struct blx__io *io, uint64_t from, const struct blx__frame *frame)
{
	struct raft_message message;
	int rv;

	if (io->closed || !io->started) {
		return;
	}
	rv = blx__wire_get(frame->payload, frame->len, &message);
	if (rv != 0) {
		blx__log(BLX__LOG_WARN, "node", "a raft message of member %llu is malformed: %s",
			(unsigned long long)from, blx_strerror(rv));
		return;
	}
	if (message.type == RAFT_IO_INSTALL_SNAPSHOT) {
		blx__io_install_begin(io, &message, from);
		return;
	}
	refusal_translate(io, &message, from);
	blx__io_deliver(io, &message, from);
}

/* ---- the log ------------------------------------------------------------ */

struct append {
	struct blx__wal_req req;
	struct blx__io *io;
	struct raft_io_append *outer;
};

static void on_appended(struct blx__wal_req *req, int status)
{
	struct append *append = req->data;
	struct blx__io *io = append->io;
	struct raft_io_append *outer = append->outer;

	blx__free(append);
	outer->cb(outer, raft_status(status));
	blx__node_poll(io->node);
}

static int io_append(struct raft_io *raft_io, struct raft_io_append *req,
	const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
	struct blx__io *io = io_of(raft_io);
	struct append *append = blx__malloc(sizeof *append);
	struct blx__wal_entry few[16];
	struct blx__wal_entry *records = few;
	unsigned i;

	if (n > sizeof few / sizeof few[0]) {
		records = blx__calloc(n, sizeof *records);
	}
	if (append == NULL || records == NULL) {
		blx__free(append);
		return RAFT_NOMEM;
	}
	for (i = 0; i < n; i++) {
		records[i] = (struct blx__wal_entry){ .index = io->next_index + i,
			.term = entries[i].term,
			.type = (uint8_t)entries[i].type,
			.data = entries[i].buf.base,
			.len = entries[i].buf.len };
	}
	*append = (struct append){ .io = io, .outer = req };
	append->req.cb = on_appended;
	append->req.data = append;
	req->cb = cb;
	io->next_index += n;
	blx__wal_append(io->node->wal, &append->req, BLX__GROUP, records, n);
	if (records != few) {
		blx__free(records);
	}
	return 0;
}

static void on_plain_done(struct blx__wal_req *req, int status)
{
	(void)status; /* a failed log tells the node by itself */
	blx__free(req);
}

static int io_truncate(struct raft_io *raft_io, raft_index index)
{
	struct blx__io *io = io_of(raft_io);
	struct blx__wal_req *req = blx__calloc(1, sizeof *req);

	if (req == NULL) {
		return RAFT_NOMEM;
	}
	req->cb = on_plain_done;
	blx__node_log_cut(io->node, index);
	io->next_index = index;
	blx__wal_truncate(io->node->wal, req, BLX__GROUP, index);
	return 0;
}

struct hard_state {
	struct blx__wal_req req;
	struct blx__io *io;
};

static void on_hard_state(struct blx__wal_req *req, int status)
{
	struct hard_state *state = req->data;
	struct blx__io *io = state->io;

	blx__free(state);
	INVARIANT(io->hard_states > 0);
	io->hard_states--;
	if (status == 0 && io->hard_states == 0) {
		blx__peers_hold(io->node->peers, false);
	}
}

/* From here until the record is durable nothing leaves to another member. */
static int hard_state_write(struct blx__io *io)
{
	struct hard_state *state;

	if (!io->started) {
		blx_error error = BLX_ERROR_INIT;
		int rv = blx__wal_write_hard_state_sync(io->node->wal, BLX__GROUP, io->term,
			io->vote, &error);

		if (rv != 0) {
			io->load_error = error;
		}
		return raft_status(rv);
	}
	state = blx__calloc(1, sizeof *state);
	if (state == NULL) {
		return RAFT_NOMEM;
	}
	state->io = io;
	state->req.cb = on_hard_state;
	state->req.data = state;
	io->hard_states++;
	blx__peers_hold(io->node->peers, true);
	blx__wal_set_hard_state(io->node->wal, &state->req, BLX__GROUP, io->term, io->vote);
	return 0;
}

static int io_set_term(struct raft_io *raft_io, raft_term term)
{
	struct blx__io *io = io_of(raft_io);

	INVARIANT(term >= io->term);
	io->term = term;
	io->vote = 0;
	return hard_state_write(io);
}

static int io_set_vote(struct raft_io *raft_io, raft_id vote)
{
	struct blx__io *io = io_of(raft_io);

	INVARIANT(io->vote == 0 || io->vote == vote);
	io->vote = vote;
	return hard_state_write(io);
}

/* ---- life ---------------------------------------------------------------- */

static int io_init(struct raft_io *raft_io, raft_id id, const char *address)
{
	(void)raft_io;
	(void)id;
	(void)address;
	return 0;
}

/* All entries of the log as raft wants them: one array, one run of bytes. */
static int entries_to_raft(const struct blx__wal_state *state, struct raft_entry **ret_entries)
{
	struct raft_entry *entries;
	uint8_t *batch;
	size_t bytes = 0;
	size_t i;

	for (i = 0; i < state->count; i++) {
		bytes += state->entries[i].len;
	}
	entries = raft_calloc(state->count, sizeof *entries);
	batch = raft_malloc(bytes > 0 ? bytes : 1);
	if (entries == NULL || batch == NULL) {
		raft_free(entries);
		raft_free(batch);
		return RAFT_NOMEM;
	}
	bytes = 0;
	for (i = 0; i < state->count; i++) {
		const struct blx__wal_entry *record = &state->entries[i];

		entries[i] = (struct raft_entry){ .term = record->term,
			.type = record->type,
			.buf = { .base = batch + bytes, .len = record->len },
			.batch = batch };
		memcpy(batch + bytes, record->data, record->len);
		bytes += record->len;
	}
	*ret_entries = entries;
	return 0;
}

static int load_state(struct blx__io *io, const struct blx__wal_state *state,
	struct raft_snapshot **snapshot, struct raft_entry *entries[])
{
	int rv = 0;

	*snapshot = NULL;
	*entries = NULL;
	io->term = state->term;
	io->vote = state->vote;
	io->next_index = state->first_index + state->count;
	if (state->has_snapshot) {
		rv = blx__io_snapshot_restore_meta(io, state);
		if (rv == 0) {
			rv = blx__io_snapshot_to_raft(io, snapshot);
		}
	}
	return rv == 0 && state->count > 0 ? entries_to_raft(state, entries) : rv;
}

static int io_load(struct raft_io *raft_io, raft_term *term, raft_id *vote,
	struct raft_snapshot **snapshot, raft_index *start_index, struct raft_entry *entries[],
	size_t *n)
{
	struct blx__io *io = io_of(raft_io);
	struct blx__wal_state state;
	int rv = blx__wal_state_take(io->node->wal, BLX__GROUP, &state);

	if (rv != 0) {
		return raft_status(rv);
	}
	rv = load_state(io, &state, snapshot, entries);
	*term = state.term;
	*vote = state.vote;
	*start_index = state.first_index;
	*n = state.count;
	blx__wal_state_finish(&state);
	return rv;
}

static int io_start(struct raft_io *raft_io, unsigned msecs, raft_io_tick_cb tick,
	raft_io_recv_cb recv)
{
	struct blx__io *io = io_of(raft_io);

	io->tick_cb = tick;
	io->recv_cb = recv;
	io->tick_ms = msecs;
	io->started = true;
	return blx__timer_start_ms(io->node->env, &io->tick, msecs) == 0 ? 0 : RAFT_NOMEM;
}

/* The log is made when the cluster is founded, by found.c; never through raft. */
static int io_bootstrap(struct raft_io *raft_io, const struct raft_configuration *conf)
{
	(void)raft_io;
	(void)conf;
	return RAFT_CANTBOOTSTRAP;
}

static int io_recover(struct raft_io *raft_io, const struct raft_configuration *conf)
{
	(void)raft_io;
	(void)conf;
	return RAFT_INVALID;
}

static void on_close_post(struct blx__post *post)
{
	struct blx__io *io = post->data;

	on_sent_post(&io->sent_post);
	blx__io_gets_run(&io->gets_post);
	io->close_cb(&io->io);
}

static void io_close(struct raft_io *raft_io, raft_io_close_cb cb)
{
	struct blx__io *io = io_of(raft_io);

	io->closed = true;
	io->close_cb = cb;
	blx__timer_stop(io->node->env, &io->tick);
	blx__timer_stop(io->node->env, &io->refuse_timer);
	blx__env_post(io->node->env, &io->close_post);
}

int blx__io_create(struct blx__node *node, struct blx__io **ret_io)
{
	struct blx__io *io = blx__calloc(1, sizeof *io);

	if (io == NULL) {
		return BLX_ENOMEM;
	}
	io->node = node;
	io->next_index = 1;
	blx__buf_init(&io->scratch);
	blx__list_init(&io->sent);
	blx__list_init(&io->gets);
	blx_error_init(&io->load_error);
	blx__timer_init(&io->tick, on_tick, io);
	blx__timer_init(&io->refuse_timer, blx__io_install_refuse, io);
	blx__post_init(&io->sent_post, on_sent_post, io);
	blx__post_init(&io->notice_post, on_notice_post, io);
	blx__post_init(&io->gets_post, blx__io_gets_run, io);
	blx__post_init(&io->close_post, on_close_post, io);
	io->io = (struct raft_io){ .version = 1,
		.impl = io,
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
		.snapshot_put = blx__io_snapshot_put,
		.snapshot_get = blx__io_snapshot_get,
		.time = io_time,
		.random = io_random };
	*ret_io = io;
	return 0;
}

void blx__io_destroy(struct blx__io *io)
{
	struct blx__list *link;

	if (io == NULL) {
		return;
	}
	while ((link = blx__list_pop_front(&io->sent)) != NULL) {
		blx__free(blx__container_of(link, struct sent, link));
	}
	blx__io_install_destroy(io);
	blx__io_snapshot_finish(&io->snapshot);
	blx__image_unref(io->given);
	blx__image_unref(io->fetched);
	blx__buf_finish(&io->scratch);
	blx__free(io);
}

struct raft_io *blx__io_raft(struct blx__io *io)
{
	return &io->io;
}

const blx_error *blx__io_load_error(const struct blx__io *io)
{
	return &io->load_error;
}

void blx__io_cancel(struct blx__io *io)
{
	atomic_store(&io->cancel, true);
}

bool blx__io_idle(const struct blx__io *io)
{
	return io->works == 0;
}

uint64_t blx__io_snapshot_index(const struct blx__io *io)
{
	return io->snapshot.index;
}
