/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots on their way to disk: own ones, which keep entries behind them, and
 * those of the leader, which replace everything (trailing 0).
 *
 * An own one that is given up (RAFT_CANCELED, RAFT_BUSY, RAFT_NOMEM) is taken
 * anew another time. Any other failure is the disk's, and for one of the
 * leader's every failure is: raft has emptied its log in memory already, so the
 * member ends with what is on disk.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "node/guard_impl.h"

#include <stddef.h>

struct blx__guard_put {
	struct raft_io_snapshot_put req;
	struct blx__guard *guard;             /* borrowed; NULL: closed meanwhile */
	struct raft_io_snapshot_put *outer;   /* borrowed from raft until called back */
	const struct raft_snapshot *snapshot; /* borrowed from raft until called back */
	unsigned trailing;
	bool ended;  /* the inner raft_io is done with it, or never took it */
	int refused; /* with this status, which raft is still to be told */
};

bool blx__guard_put_installs(const struct blx__guard_put *put)
{
	return put->trailing == 0;
}

bool blx__guard_put_ended(const struct blx__guard_put *put)
{
	return put->ended;
}

static bool is_fatal(const struct blx__guard_put *put, int status)
{
	if (status == 0 || !blx__guard_cures(put->guard, BLX__CURE_FAIL_STOP)) {
		return false;
	}
	return blx__guard_put_installs(put) ||
		!(status == RAFT_CANCELED || status == RAFT_BUSY || status == RAFT_NOMEM);
}

/* The leader's snapshot is on disk: raft takes it over. False: raft was not told. */
static bool install_complete(struct blx__guard *guard, struct blx__guard_put *put)
{
	raft_index index = put->snapshot->index;
	raft_term term = put->snapshot->term;
	int rv = blx__guard_conf_install(guard, put->snapshot->configuration_index,
		&put->snapshot->configuration);

	if (rv != 0) {
		blx__guard_fail(guard, rv, "install a snapshot");
		return false;
	}
	guard->installing = false;
	guard->next_index = index + 1;
	guard->last_term = term;
	put->outer->cb(put->outer, 0);
	if (guard->raft->last_applied < index) {
		blx__guard_fail(guard, RAFT_CORRUPT, "restore a snapshot");
	}
	return true;
}

static void put_complete(struct blx__guard *guard, struct blx__guard_put *put, int status)
{
	put->ended = true;
	put->refused = 0;
	if (is_fatal(put, status)) {
		blx__guard_fail(guard, status, "store a snapshot");
	}
	if (guard->failed || guard->closed) {
		return; /* raft gets it back when it is closed */
	}
	guard->put = NULL;
	if (status != 0 || !blx__guard_put_installs(put)) {
		guard->installing = false;
		put->outer->cb(put->outer, status);
	} else if (!install_complete(guard, put)) {
		guard->put = put;
		return;
	}
	blx__free(put);
	blx__guard_disk_pump(guard);
}

static void on_put(struct raft_io_snapshot_put *req, int status)
{
	struct blx__guard_put *put = blx__container_of(req, struct blx__guard_put, req);
	struct blx__guard *guard = put->guard;

	if (guard == NULL) {
		blx__free(put);
		return;
	}
	blx__guard_enter(guard);
	put_complete(guard, put, status);
	blx__guard_leave(guard);
}

void blx__guard_put_begin(struct blx__guard *guard, struct blx__guard_put *put)
{
	INVARIANT(guard->put == NULL);

	guard->put = put;
	put->refused = guard->inner->snapshot_put(guard->inner, put->trailing, &put->req,
		put->snapshot, on_put);
	put->ended = put->refused != 0;
}

void blx__guard_put_pump(struct blx__guard *guard)
{
	struct blx__guard_put *put = guard->put;

	if (put != NULL && put->refused != 0) {
		put_complete(guard, put, put->refused);
	}
}

void blx__guard_put_release(struct blx__guard *guard, struct blx__guard_put *put)
{
	/* Of one of the leader's, libraft forgets this array; the snapshot goes in the callback. */
	struct raft_buffer *bufs = blx__guard_put_installs(put) ? put->snapshot->bufs : NULL;

	put->outer->cb(put->outer, RAFT_CANCELED);
	raft_free(bufs);
	if (put == guard->put && !put->ended) {
		put->guard = NULL; /* frees itself if it is called back after all */
	} else {
		blx__free(put);
	}
}

/* Raft looks at the term only after the call that a false one was good for. */
static void true_term_set(struct blx__guard *guard, const struct raft_snapshot *snapshot)
{
	if (guard->true_term != 0) {
		((struct raft_snapshot *)snapshot)->term = guard->true_term;
		guard->raft->log.snapshot.last_term = guard->true_term;
	}
}

/* Never fails towards raft, which would lose the message it was called for. */
int blx__guard_snapshot_put(struct raft_io *io, unsigned trailing,
	struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
	raft_io_snapshot_put_cb cb)
{
	struct blx__guard *guard = blx__guard_of(io);
	struct blx__guard_put *put = blx__calloc(1, sizeof *put);
	struct blx__guard_op *op = blx__calloc(1, sizeof *op);

	req->cb = cb;
	if (put == NULL || op == NULL) {
		blx__free(put);
		blx__free(op);
		blx__guard_fail(guard, RAFT_NOMEM, "store a snapshot");
		return 0;
	}
	*put = (struct blx__guard_put){ .guard = guard,
		.outer = req,
		.snapshot = snapshot,
		.trailing = trailing,
		.ended = true };
	op->kind = BLX__GUARD_PUT;
	op->put = put;
	if (blx__guard_put_installs(put)) {
		true_term_set(guard, snapshot);
		guard->installing = true;
		blx__guard_ack_note(guard, guard->raft->current_term, snapshot->index);
	}
	blx__list_push_back(guard->failed || guard->closed ? &guard->kept : &guard->ops,
		&op->link);
	blx__guard_disk_pump(guard);
	return 0;
}
