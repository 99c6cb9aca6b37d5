/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the disk's work.
 *
 * One append at a time (a5cef60, 0cac59c, 857e17e). libraft hands out an append
 * for each raft_apply() and each message, without waiting. If one fails while
 * later ones go on, the log on disk has a hole, or all that follows is written
 * at shifted places, and both are acknowledged. What must hold: behind a write
 * that failed there is no other. So all that comes while a write is in flight
 * waits, and becomes one write together, which is also what makes many small
 * entries cheap.
 *
 * The end at the first failure (0cac59c, 857e17e, 8be539d, 0f46098a, d9ad91a9).
 * libraft's leader truncates its memory and goes on leading, its follower keeps
 * the entries in memory and answers with later ones. What must hold: raft is
 * not told of a failed write, nor of anything after it.
 *
 * Close with writes in flight (0cac59c, 8b9c95c). raft_close() cancels them,
 * and libraft truncates its log at the index of each, in order: the second one
 * runs off the end. What must hold: there are none (blx__guard_drained()), or
 * raft is told 0 after it became unavailable, which only lets go of memory.
 *
 * Truncations and snapshots wait for the append in flight, and appends for an
 * install, so that the inner raft_io need not order them (5319cd9, ad11428,
 * 50d72f2: raft_uv's barrier takes one of them and forgets the others).
 */
#include "base/assert.h"
#include "base/mem.h"
#include "node/guard_impl.h"

#include <stddef.h>
#include <string.h>

/* One append of the inner raft_io, for one or more of raft's. */
struct write {
	struct raft_io_append req;
	struct blx__list link;      /* in guard->writes */
	struct blx__guard *guard;   /* borrowed; NULL: closed meanwhile */
	struct blx__list ops;       /* of these */
	struct raft_entry *entries; /* owned */
	raft_time began_ms;
};

static struct blx__guard_op *op_first(const struct blx__guard *guard)
{
	struct blx__list *link = guard->ops.next;

	return link == &guard->ops ? NULL : blx__container_of(link, struct blx__guard_op, link);
}

static struct blx__guard_op *op_pop(struct blx__list *ops)
{
	struct blx__list *link = blx__list_pop_front(ops);

	return link == NULL ? NULL : blx__container_of(link, struct blx__guard_op, link);
}

static void write_free(struct write *write)
{
	blx__free(write->entries);
	blx__free(write);
}

static void op_complete(struct blx__guard *guard, struct blx__guard_op *op, int status)
{
	struct raft_io_append *append = op->append;

	INVARIANT(guard->appends > 0);
	guard->appends--;
	guard->stale_write = op->term != guard->raft->current_term;
	blx__free(op);
	append->cb(append, status);
	guard->stale_write = false;
}

static void on_written(struct raft_io_append *req, int status)
{
	struct write *write = blx__container_of(req, struct write, req);
	struct blx__guard *guard = write->guard;
	struct blx__guard_op *op;

	if (guard == NULL) {
		write_free(write);
		return;
	}
	blx__guard_enter(guard);
	blx__list_remove(&write->link);
	if (status != 0 && blx__guard_cures(guard, BLX__CURE_FAIL_STOP)) {
		blx__guard_fail(guard, status, "write to the log");
	}
	blx__guard_disk_pump(guard); /* the disk first, then the news */
	while (!guard->failed && !guard->closed && (op = op_pop(&write->ops)) != NULL) {
		op_complete(guard, op, status);
	}
	blx__list_splice(&guard->kept, &write->ops);
	write_free(write);
	blx__guard_leave(guard);
}

/* The entries of all appends at the head of the queue, one after the other. */
static int write_fill(struct blx__guard *guard, struct write *write, unsigned *ret_n)
{
	struct blx__list *link;
	unsigned n = 0;

	blx__list_foreach(link, &guard->ops) {
		struct blx__guard_op *op = blx__container_of(link, struct blx__guard_op, link);

		if (op->kind != BLX__GUARD_APPEND) {
			break;
		}
		n += op->n;
		if (!blx__guard_cures(guard, BLX__CURE_ONE_APPEND)) {
			break;
		}
	}
	write->entries = blx__calloc(n, sizeof *write->entries);
	if (write->entries == NULL) {
		return RAFT_NOMEM;
	}
	*ret_n = n;
	return 0;
}

static void write_take(struct blx__guard *guard, struct write *write, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		struct blx__guard_op *op = op_pop(&guard->ops);

		memcpy(write->entries + done, op->entries, op->n * sizeof *op->entries);
		done += op->n;
		blx__list_push_back(&write->ops, &op->link);
	}
	POST(done == n);
}

static void write_begin(struct blx__guard *guard)
{
	struct write *write = blx__calloc(1, sizeof *write);
	unsigned n;
	int rv = RAFT_NOMEM;

	if (write == NULL || write_fill(guard, write, &n) != 0) {
		blx__free(write);
		blx__guard_fail(guard, rv, "write to the log");
		return;
	}
	write->guard = guard;
	write->began_ms = guard->inner->time(guard->inner);
	blx__list_init(&write->ops);
	write_take(guard, write, n);
	blx__list_push_back(&guard->writes, &write->link);
	guard->stats.writes++;
	rv = guard->inner->append(guard->inner, &write->req, write->entries, n, on_written);
	if (rv != 0) {
		blx__list_remove(&write->link);
		blx__list_splice(&guard->kept, &write->ops);
		write_free(write);
		blx__guard_fail(guard, rv, "write to the log");
	}
}

static void truncate_begin(struct blx__guard *guard)
{
	struct blx__guard_op *op = op_pop(&guard->ops);
	int rv = guard->inner->truncate(guard->inner, op->index);

	blx__free(op);
	if (rv != 0) {
		blx__guard_fail(guard, rv, "truncate the log");
	}
}

static bool install_begun(const struct blx__guard *guard)
{
	return guard->put != NULL && blx__guard_put_installs(guard->put);
}

static bool may_begin(const struct blx__guard *guard, const struct blx__guard_op *op)
{
	bool busy = !blx__list_empty(&guard->writes);

	if (op->kind == BLX__GUARD_APPEND) {
		return !(busy && blx__guard_cures(guard, BLX__CURE_ONE_APPEND)) &&
			!(install_begun(guard) && blx__guard_cures(guard, BLX__CURE_ORDER));
	}
	if (!blx__guard_cures(guard, BLX__CURE_ORDER)) {
		return true;
	}
	return !busy && !(op->kind == BLX__GUARD_PUT ? guard->put != NULL : install_begun(guard));
}

void blx__guard_disk_pump(struct blx__guard *guard)
{
	struct blx__guard_op *op;

	while (!guard->failed && !guard->closed && (op = op_first(guard)) != NULL &&
		may_begin(guard, op)) {
		switch (op->kind) {
		case BLX__GUARD_APPEND:
			write_begin(guard);
			break;
		case BLX__GUARD_TRUNCATE:
			truncate_begin(guard);
			break;
		case BLX__GUARD_PUT:
			blx__list_remove(&op->link);
			blx__guard_put_begin(guard, op->put);
			blx__free(op);
			break;
		}
	}
}

/* Never fails towards raft: raft_add() would close a configuration that is in use by then. */
int blx__guard_append(struct raft_io *io, struct raft_io_append *req,
	const struct raft_entry entries[], unsigned n, raft_io_append_cb cb)
{
	struct blx__guard *guard = blx__guard_of(io);
	struct blx__guard_op *op = blx__calloc(1, sizeof *op);

	req->cb = cb;
	if (op == NULL) {
		blx__guard_fail(guard, RAFT_NOMEM, "write to the log");
		return 0; /* libraft's request is lost with it */
	}
	op->kind = BLX__GUARD_APPEND;
	op->append = req;
	op->entries = entries;
	op->n = n;
	op->term = guard->raft->current_term;
	guard->appends++;
	guard->stats.appends++;
	if (!guard->failed) {
		blx__guard_check_append(guard, entries, n);
		blx__guard_conf_append(guard, entries, n);
	}
	if (guard->failed || guard->closed) {
		blx__list_push_back(&guard->kept, &op->link);
		return 0;
	}
	blx__list_push_back(&guard->ops, &op->link);
	blx__guard_disk_pump(guard);
	return 0;
}

int blx__guard_truncate(struct raft_io *io, raft_index index)
{
	struct blx__guard *guard = blx__guard_of(io);
	struct blx__guard_op *op;

	if (guard->failed) {
		return 0;
	}
	blx__guard_check_truncate(guard, index);
	op = blx__calloc(1, sizeof *op);
	if (op == NULL) {
		blx__guard_fail(guard, RAFT_NOMEM, "truncate the log");
		return 0;
	}
	op->kind = BLX__GUARD_TRUNCATE;
	op->index = index;
	blx__list_push_back(&guard->ops, &op->link);
	blx__guard_disk_pump(guard);
	return 0;
}

bool blx__guard_disk_idle(const struct blx__guard *guard)
{
	if (!blx__list_empty(&guard->writes)) {
		return false;
	}
	if (guard->failed) {
		return guard->put == NULL || blx__guard_put_ended(guard->put);
	}
	return guard->put == NULL && blx__list_empty(&guard->ops);
}

bool blx__guard_stalled(const struct blx__guard *guard)
{
	struct blx__list *link = guard->writes.next;
	struct write *oldest = blx__container_of(link, struct write, link);

	return guard->opts.stall_ms > 0 && link != &guard->writes &&
		guard->inner->time(guard->inner) - oldest->began_ms > guard->opts.stall_ms;
}

static void op_release(struct blx__guard *guard, struct blx__guard_op *op)
{
	if (op->kind == BLX__GUARD_APPEND) {
		op_complete(guard, op,
			blx__guard_cures(guard, BLX__CURE_DRAIN) ? 0 : RAFT_CANCELED);
		return;
	}
	if (op->kind == BLX__GUARD_PUT) {
		blx__guard_put_release(guard, op->put);
	}
	blx__free(op);
}

static void ops_release(struct blx__guard *guard, struct blx__list *ops)
{
	struct blx__guard_op *op;

	while ((op = op_pop(ops)) != NULL) {
		op_release(guard, op);
	}
}

void blx__guard_disk_release(struct blx__guard *guard)
{
	struct blx__list *link;

	PRE(guard->closed && guard->raft->state == RAFT_UNAVAILABLE);

	while ((link = blx__list_pop_front(&guard->writes)) != NULL) {
		struct write *write = blx__container_of(link, struct write, link);

		write->guard = NULL; /* frees itself if it is called back after all */
		ops_release(guard, &write->ops);
	}
	ops_release(guard, &guard->kept);
	ops_release(guard, &guard->ops);
	if (guard->put != NULL) {
		blx__guard_put_release(guard, guard->put);
		guard->put = NULL;
	}
}
