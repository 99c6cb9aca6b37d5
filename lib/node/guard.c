/* SPDX-License-Identifier: Apache-2.0 */
#include "node/guard.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/guard_impl.h"

#include <blixard/error.h>
#include <stddef.h>
#include <string.h>

#ifdef RAFT_VERSION_NUMBER
#error "the guard is written for libraft 0.15; this raft.h is of a later one"
#endif

/* ---- in and out -------------------------------------------------------- */

void blx__guard_fail(struct blx__guard *guard, int status, const char *what)
{
	PRE(status != 0);

	if (guard->failed) {
		return;
	}
	blx__log(BLX__LOG_ERROR, "guard", "member %llu ends: %s: %s", guard->raft->id, what,
		raft_strerror(status));
	guard->failed = true;
	guard->fail_status = status;
	guard->fail_what = what;
}

void blx__guard_enter(struct blx__guard *guard)
{
	guard->depth++;
}

static void notify(struct blx__guard *guard)
{
	if (guard->notifying || guard->closed) {
		return;
	}
	guard->notifying = true;
	if (guard->failed && !guard->failure_told) {
		guard->failure_told = true;
		if (guard->opts.on_fail != NULL) {
			guard->opts.on_fail(guard->opts.data, guard->fail_status,
				guard->fail_what);
		}
	} else if (!guard->failed && guard->opts.on_change != NULL) {
		guard->opts.on_change(guard->opts.data);
	}
	guard->notifying = false;
}

void blx__guard_leave(struct blx__guard *guard)
{
	INVARIANT(guard->depth > 0);

	if (guard->depth > 1) {
		guard->depth--;
		return;
	}
	blx__guard_check_state(guard);
	blx__guard_lead_poll(guard);
	blx__guard_install_pump(guard);
	blx__guard_put_pump(guard);
	blx__guard_unsent_pump(guard);
	guard->depth = 0;
	notify(guard);
}

void blx__guard_message_free(struct raft_message *message)
{
	if (message->type == RAFT_IO_APPEND_ENTRIES && message->append_entries.entries != NULL) {
		if (message->append_entries.n_entries > 0) {
			raft_free(message->append_entries.entries[0].batch);
		}
		raft_free(message->append_entries.entries);
	} else if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
		raft_configuration_close(&message->install_snapshot.conf);
		raft_free(message->install_snapshot.data.base);
	}
}

void blx__guard_deliver(struct blx__guard *guard, struct raft_message *message)
{
	guard->recv_cb(&guard->io, message);
}

void blx__guard_drop(struct blx__guard *guard, struct raft_message *message)
{
	guard->stats.dropped++;
	blx__guard_message_free(message);
}

static void on_recv(struct raft_io *inner, struct raft_message *message)
{
	struct blx__guard *guard = inner->data;

	blx__guard_enter(guard);
	if (guard->failed || guard->stopping || guard->closed) {
		blx__guard_drop(guard, message);
	} else {
		blx__guard_recv(guard, message);
	}
	blx__guard_leave(guard);
}

static void on_tick(struct raft_io *inner)
{
	struct blx__guard *guard = inner->data;

	blx__guard_enter(guard);
	if (blx__guard_stalled(guard)) {
		blx__guard_fail(guard, RAFT_IOERR, "a write to the log does not end");
	}
	if (!guard->failed && !guard->stopping && !guard->closed) {
		blx__guard_vote_tick(guard);
		blx__guard_lead_tick(guard);
		guard->tick_cb(&guard->io);
	}
	blx__guard_leave(guard);
}

/* ---- the raft_io for raft ---------------------------------------------- */

static int guard_init(struct raft_io *io, raft_id id, const char *address)
{
	struct blx__guard *guard = blx__guard_of(io);
	int rv;

	guard->inner->data = guard;
	rv = guard->inner->init(guard->inner, id, address);
	if (rv != 0) {
		memcpy(io->errmsg, guard->inner->errmsg, sizeof io->errmsg);
	}
	return rv;
}

/* raft_start() calls this after it took in what was loaded. */
static int guard_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
	raft_io_recv_cb recv)
{
	struct blx__guard *guard = blx__guard_of(io);

	guard->tick_cb = tick;
	guard->recv_cb = recv;
	guard->started = true;
	guard->started_ms = guard->inner->time(guard->inner);
	guard->seen_commit = guard->raft->commit_index;
	guard->seen_applied = guard->raft->last_applied;
	blx__guard_conf_start(guard);
	return guard->inner->start(guard->inner, msecs, on_tick, on_recv);
}

static void on_inner_closed(struct raft_io *inner)
{
	struct blx__guard *guard = inner->data;

	blx__guard_install_forget(guard);
	blx__guard_disk_release(guard);
	blx__guard_sends_orphan(guard);
	guard->close_cb(&guard->io);
}

static void guard_close(struct raft_io *io, raft_io_close_cb cb)
{
	struct blx__guard *guard = blx__guard_of(io);

	guard->closed = true;
	guard->close_cb = cb;
	guard->inner->close(guard->inner, on_inner_closed);
}

static int guard_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
	struct blx__guard *guard = blx__guard_of(io);

	return guard->inner->bootstrap(guard->inner, conf);
}

/* libraft writes the entry with term 1, whatever came before (c62180d0). */
static int guard_recover(struct raft_io *io, const struct raft_configuration *conf)
{
	(void)io;
	(void)conf;
	return RAFT_INVALID;
}

/* An error would make libraft free a union as what it is not (dqlite 7aaad88b): the member
 * ends instead, and as nothing leaves it any more, nobody learns of a vote not recorded. */
static int hard_state_status(struct blx__guard *guard, int status, const char *what)
{
	if (status == 0 || !blx__guard_cures(guard, BLX__CURE_FAIL_STOP)) {
		return status;
	}
	blx__guard_fail(guard, status, what);
	return 0;
}

static int guard_set_term(struct raft_io *io, raft_term term)
{
	struct blx__guard *guard = blx__guard_of(io);

	if (guard->failed) {
		return 0;
	}
	return hard_state_status(guard, guard->inner->set_term(guard->inner, term),
		"record the term");
}

static int guard_set_vote(struct raft_io *io, raft_id id)
{
	struct blx__guard *guard = blx__guard_of(io);

	if (guard->failed) {
		return 0;
	}
	return hard_state_status(guard, guard->inner->set_vote(guard->inner, id),
		"record the vote");
}

static int guard_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req,
	raft_io_snapshot_get_cb cb)
{
	struct blx__guard *guard = blx__guard_of(io);

	return guard->inner->snapshot_get(guard->inner, req, cb);
}

static raft_time guard_time(struct raft_io *io)
{
	struct blx__guard *guard = blx__guard_of(io);

	return guard->inner->time(guard->inner);
}

static int guard_random(struct raft_io *io, int min, int max)
{
	struct blx__guard *guard = blx__guard_of(io);

	return guard->inner->random(guard->inner, min, max);
}

static void io_init(struct blx__guard *guard)
{
	/* Version 1: without async_work, so without fsm->snapshot_async, which this libraft
	 * gets wrong (269e541). */
	guard->io = (struct raft_io){ .version = 1,
		.impl = guard,
		.init = guard_init,
		.close = guard_close,
		.load = blx__guard_load,
		.start = guard_start,
		.bootstrap = guard_bootstrap,
		.recover = guard_recover,
		.set_term = guard_set_term,
		.set_vote = guard_set_vote,
		.send = blx__guard_send,
		.append = blx__guard_append,
		.truncate = blx__guard_truncate,
		.snapshot_put = blx__guard_snapshot_put,
		.snapshot_get = guard_snapshot_get,
		.time = guard_time,
		.random = guard_random };
}

/* ---- public ------------------------------------------------------------ */

int blx__guard_create(const struct blx__guard_opts *opts, struct blx__guard **ret_guard)
{
	struct blx__guard *guard = blx__calloc(1, sizeof *guard);

	PRE(opts->raft != NULL && opts->inner != NULL);

	if (guard == NULL) {
		return BLX_ENOMEM;
	}
	guard->opts = *opts;
	guard->raft = opts->raft;
	guard->inner = opts->inner;
	guard->next_index = 1;
	blx__list_init(&guard->ops);
	blx__list_init(&guard->kept);
	blx__list_init(&guard->writes);
	blx__list_init(&guard->sends);
	blx__list_init(&guard->unsent);
	blx__conf_history_init(&guard->history);
	io_init(guard);
	guard->inner->data = guard;
	*ret_guard = guard;
	return 0;
}

void blx__guard_destroy(struct blx__guard *guard)
{
	if (guard == NULL) {
		return;
	}
	PRE(guard->depth == 0 && !guard->notifying);

	blx__guard_install_forget(guard);
	blx__guard_sends_orphan(guard);
	blx__conf_history_finish(&guard->history);
	blx__free(guard);
}

struct raft_io *blx__guard_io(struct blx__guard *guard)
{
	return &guard->io;
}

void blx__guard_poll(struct blx__guard *guard)
{
	blx__guard_enter(guard);
	blx__guard_leave(guard);
}

void blx__guard_stop(struct blx__guard *guard)
{
	guard->stopping = true;
	blx__guard_install_forget(guard);
}

bool blx__guard_drained(const struct blx__guard *guard)
{
	return blx__guard_disk_idle(guard) && blx__list_empty(&guard->unsent);
}

bool blx__guard_failed(const struct blx__guard *guard)
{
	return guard->failed;
}

bool blx__guard_snapshot_ok(const struct blx__guard *guard)
{
	return !guard->failed && (guard->raft->configuration_uncommitted_index == 0 ||
		!blx__guard_cures(guard, BLX__CURE_CONF));
}

uint64_t blx__guard_term_of(const struct blx__guard *guard, uint64_t index)
{
	const struct raft_log *log = &guard->raft->log;
	size_t n = log->front <= log->back ? log->back - log->front
					   : log->size - log->front + log->back;

	if (index == 0 || index > log->offset + n) {
		return 0;
	}
	if (index == log->snapshot.last_index) {
		return log->snapshot.last_term;
	}
	if (index <= log->offset) {
		return 0;
	}
	return log->entries[(log->front + (size_t)(index - 1 - log->offset)) % log->size].term;
}

void blx__guard_stats_get(const struct blx__guard *guard, struct blx__guard_stats *ret_stats)
{
	*ret_stats = guard->stats;
}
