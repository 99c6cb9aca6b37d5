/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log while the loop runs. Requests wait in a list; whenever no batch is
 * under way all that wait, as far as they fit, become the next. Each of three
 * jobs on the disk thread is under way at most once: the batch, the step of
 * the keeper, the mark.
 *
 *	            request
 *	               |
 *	pending --> batch_start --> (disk) --> on_batch --> callbacks
 *	               ^                         |
 *	               +---- next batch ---------+
 *
 * After a failure nothing is written any more (dead) and every request ends
 * with it. A disk that fills up is told earlier, when the next segment cannot
 * be made: then requests are refused, but those taken still go out, as there
 * is room in the present segment.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "wal/wal_impl.h"

#include <inttypes.h>
#include <string.h>

static void advance(struct blx__wal *wal);
static void batch_start(struct blx__wal *wal);

static void job_submit(struct blx__wal *wal, struct blx__wal_job *job,
	void (*run)(struct blx__work *work), void (*done)(struct blx__work *work))
{
	INVARIANT(!job->busy);

	job->busy = true;
	job->code = 0;
	blx_error_init(&job->error);
	job->work = (struct blx__work){.run = run, .done = done, .data = wal};
	blx__list_init(&job->work.link);
	blx__env_submit(wal->env, BLX__QUEUE_DISK, &job->work);
}

/* ---- failures ------------------------------------------------------------ */

static void tell_due(struct blx__wal *wal)
{
	if (!wal->fatal_due) {
		return;
	}
	wal->fatal_due = false;
	blx__log(BLX__LOG_ERROR, "wal", "%s", wal->fatal.message);
	if (wal->on_fatal != NULL) {
		wal->on_fatal(wal->data, &wal->fatal);
	}
}

/* Refuses from now on; once. Whoever is not inside a call tells. */
static void stop(struct blx__wal *wal, int code, const blx_error *error)
{
	if (wal->code != 0) {
		return;
	}
	wal->code = code;
	blx__error_copy(&wal->fatal, error);
	wal->fatal_due = true;
}

static void refused_end(struct blx__wal *wal)
{
	struct blx__list due;
	struct blx__list *link;

	blx__list_init(&due);
	blx__list_splice(&due, &wal->refused);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct blx__wal_req *req =
			blx__container_of(link, struct blx__wal_req, link);

		req->cb(req, wal->code != 0 ? wal->code : BLX_ECANCELED);
	}
}

static void refused_run(struct blx__post *post)
{
	struct blx__wal *wal = post->data;

	tell_due(wal);
	if (wal->batch_job.busy || !blx__list_empty(&wal->pending)) {
		return; /* their turn comes first */
	}
	refused_end(wal);
	advance(wal);
}

static void refuse(struct blx__wal *wal, struct blx__wal_req *req)
{
	blx__list_init(&req->link);
	blx__list_push_back(&wal->refused, &req->link);
	blx__env_post(wal->env, &wal->refused_post);
}

static void ops_end(struct blx__list *ops, int status)
{
	struct blx__list *link;

	while ((link = blx__list_pop_front(ops)) != NULL) {
		struct blx__wal_op *op =
			blx__container_of(link, struct blx__wal_op, link);
		struct blx__wal_req *req = op->req;

		blx__free(op);
		if (req != NULL) {
			req->cb(req, status);
		}
	}
}

static void pending_fail(struct blx__wal *wal, int code)
{
	struct blx__list due;

	blx__list_init(&due);
	blx__list_splice(&due, &wal->pending);
	ops_end(&due, code);
}

/* Nothing is written from now on. */
static void die(struct blx__wal *wal, int code, const blx_error *error)
{
	wal->dead = true;
	blx__timer_stop(wal->env, &wal->mark_timer);
	wal->mark_armed = false;
	stop(wal, code, error);
}

/* ---- the mark ------------------------------------------------------------ */

static void mark_run(struct blx__work *work)
{
	struct blx__wal *wal = work->data;

	wal->mark_job.code =
		blx__wal_mark_write(&wal->mark, wal->mark_lsn, &wal->mark_job.error);
}

static void on_mark(struct blx__work *work)
{
	struct blx__wal *wal = work->data;

	wal->mark_job.busy = false;
	if (wal->mark_job.code != 0) {
		die(wal, wal->mark_job.code, &wal->mark_job.error);
		tell_due(wal);
	} else {
		wal->stats.syncs++;
	}
	advance(wal);
}

static void mark_start(struct blx__wal *wal)
{
	if (wal->dead || wal->mark_job.busy || wal->mark_lsn == wal->confirmed_lsn) {
		return;
	}
	wal->mark_lsn = wal->confirmed_lsn;
	job_submit(wal, &wal->mark_job, mark_run, on_mark);
}

static void on_mark_timer(struct blx__timer *timer)
{
	struct blx__wal *wal = timer->data;

	wal->mark_armed = false;
	mark_start(wal);
}

/* Without a timer the mark still moves with the segments. */
static void mark_arm(struct blx__wal *wal)
{
	if (wal->mark_armed || wal->closing || wal->dead) {
		return;
	}
	wal->mark_timer.cb = on_mark_timer;
	wal->mark_timer.data = wal;
	wal->mark_armed =
		blx__timer_start_ms(wal->env, &wal->mark_timer, BLX__WAL_MARK_MS) == 0;
}

/* ---- the keeper ---------------------------------------------------------- */

static void keep_run(struct blx__work *work)
{
	struct blx__wal *wal = work->data;

	wal->keep_job.code = blx__wal_keeper_run(&wal->keeper, &wal->keep_job.error);
}

static void on_kept(struct blx__work *work)
{
	struct blx__wal *wal = work->data;
	int code = wal->keep_job.code;

	wal->keep_job.busy = false;
	wal->stats.segments_recycled = wal->keeper.recycled;
	wal->stats.syncs += wal->keeper.syncs;
	wal->keeper.syncs = 0;
	wal->oldest = wal->keeper.oldest;
	if (code == BLX_ENOSPC) {
		stop(wal, code, &wal->keep_job.error);
	} else if (code != 0) {
		die(wal, code, &wal->keep_job.error);
	}
	tell_due(wal);
	advance(wal);
}

bool blx__wal_keep_plan(struct blx__wal *wal)
{
	INVARIANT(!wal->keep_job.busy);

	wal->keeper.current = wal->current;
	wal->keeper.needed = wal->needed;
	wal->keeper.want = wal->want;
	return blx__wal_keeper_plan(&wal->keeper);
}

/* Not while the first batch of a segment is under way: were that to fail, there would be
 * two segments that are not begun. */
static void keep_start(struct blx__wal *wal)
{
	if (wal->batch_job.busy && wal->batch.next != NULL) {
		return;
	}
	if (wal->code != 0 || wal->keep_job.busy ||
		(wal->closing && blx__list_empty(&wal->pending))) {
		return;
	}
	if (blx__wal_keep_plan(wal)) {
		job_submit(wal, &wal->keep_job, keep_run, on_kept);
	}
}

/* ---- batches ------------------------------------------------------------- */

static bool next_is_ready(const struct blx__wal *wal)
{
	return (!wal->keep_job.busy || wal->keeper.step == BLX__WAL_STEP_REMOVE) &&
	       wal->keeper.ready;
}

bool blx__wal_place(struct blx__wal *wal, size_t size, bool *ret_change)
{
	size_t need = blx__wal_writer_need(&wal->writer, size, false);

	if (need <= blx__wal_writer_room(&wal->writer)) {
		*ret_change = false;
		return true;
	}
	need = blx__wal_writer_need(&wal->writer, size, true);
	if (next_is_ready(wal) && need <= wal->keeper.next.size) {
		*ret_change = true;
		return true;
	}
	wal->want = need > wal->keeper.segment_size ? need : wal->keeper.segment_size;
	return false;
}

void blx__wal_change(struct blx__wal *wal)
{
	wal->batch_next = wal->keeper.next;
	wal->batch.next = &wal->batch_next;
	wal->keeper.next.file = NULL;
	wal->keeper.ready = false;
	wal->current = wal->batch_next.seq;
	wal->want = wal->keeper.segment_size;
}

/* The first there is, and all that fit behind it. */
static void batch_fill(struct blx__wal *wal, bool change)
{
	size_t room = change ? wal->keeper.next.size : blx__wal_writer_room(&wal->writer);
	struct blx__list *link;

	while ((link = wal->pending.next) != &wal->pending) {
		struct blx__wal_op *op =
			blx__container_of(link, struct blx__wal_op, link);
		size_t size = wal->batch.size + op->size;

		if (!blx__list_empty(&wal->batch.ops) &&
			(size > BLX__WAL_BATCH_MAX || blx__wal_writer_need(&wal->writer,
							      size, change) > room)) {
			return;
		}
		blx__list_remove(link);
		blx__wal_batch_add(&wal->batch, op);
	}
}

void blx__wal_account(struct blx__wal *wal)
{
	const struct blx__wal_batch *batch = &wal->batch;

	wal->confirmed_lsn = wal->writer.lsn - 1;
	wal->needed = batch->needed;
	wal->stats.syncs++;
	wal->stats.records += batch->records;
	wal->stats.bytes_written += batch->written;
	if (batch->ns > wal->stats.write_ns_max) {
		wal->stats.write_ns_max = batch->ns;
	}
}

static void batch_run(struct blx__work *work)
{
	struct blx__wal *wal = work->data;

	blx__wal_writer_write(&wal->writer, &wal->batch);
}

/* The next batch starts before anybody hears of this one: the disk does not wait for
 * them. */
static void on_batch(struct blx__work *work)
{
	struct blx__wal *wal = work->data;
	struct blx__list ops;
	int code = wal->batch.code;
	bool changed;

	blx__list_init(&ops);
	blx__list_splice(&ops, &wal->batch.ops);
	wal->batch_job.busy = false;
	if (code != 0) {
		die(wal, code, &wal->batch.error);
		tell_due(wal);
		ops_end(&ops, wal->code);
		advance(wal);
		return;
	}
	blx__wal_account(wal);
	changed = wal->batch.next != NULL;
	batch_start(wal);
	if (changed) {
		mark_start(wal);
	}
	mark_arm(wal);
	keep_start(wal);
	ops_end(&ops, 0);
	advance(wal);
}

static void batch_start(struct blx__wal *wal)
{
	struct blx__wal_op *first;
	bool change;

	if (wal->dead || wal->batch_job.busy || blx__list_empty(&wal->pending)) {
		return;
	}
	first = blx__container_of(wal->pending.next, struct blx__wal_op, link);
	if (!blx__wal_place(wal, first->size, &change)) {
		return;
	}
	blx__wal_batch_init(&wal->batch);
	batch_fill(wal, change);
	if (change) {
		blx__wal_change(wal);
	}
	job_submit(wal, &wal->batch_job, batch_run, on_batch);
}

/* ---- life ---------------------------------------------------------------- */

static void close_run(struct blx__work *work)
{
	struct blx__wal *wal = work->data;

	if (!wal->dead && wal->mark.lsn != wal->confirmed_lsn) {
		/* Lost, the mark is behind; that is allowed. */
		(void)blx__wal_mark_write(&wal->mark, wal->confirmed_lsn, NULL);
	}
	blx__wal_segment_close(&wal->writer.current);
	blx__wal_keeper_finish(&wal->keeper);
	blx__wal_mark_finish(&wal->mark);
}

static void on_closed(struct blx__work *work)
{
	struct blx__wal *wal = work->data;
	void (*cb)(void *data) = wal->close_cb;
	void *data = wal->close_data;

	refused_end(wal);
	blx__wal_destroy(wal);
	cb(data);
}

static void close_start(struct blx__wal *wal)
{
	if (!wal->closing || wal->close_job.busy || wal->batch_job.busy ||
		wal->keep_job.busy || wal->mark_job.busy ||
		!blx__list_empty(&wal->pending) || !blx__list_empty(&wal->refused)) {
		return;
	}
	blx__timer_stop(wal->env, &wal->mark_timer);
	job_submit(wal, &wal->close_job, close_run, on_closed);
}

/* Whatever can be started is. */
static void advance(struct blx__wal *wal)
{
	batch_start(wal);
	keep_start(wal);
	if (wal->code != 0 && !wal->batch_job.busy) {
		pending_fail(wal, wal->code); /* they found no room, or the log is dead */
	}
	if (!blx__list_empty(&wal->refused)) {
		blx__env_post(wal->env, &wal->refused_post);
	}
	close_start(wal);
}

void blx__wal_refused_init(struct blx__wal *wal)
{
	blx__post_init(&wal->refused_post, refused_run, wal);
}

void blx__wal_close(struct blx__wal *wal, void (*cb)(void *data), void *data)
{
	PRE(!wal->closing);

	wal->closing = true;
	wal->close_cb = cb;
	wal->close_data = data;
	advance(wal);
}

/* ---- requests ------------------------------------------------------------ */

/* Without memory for one the order of those behind it is lost: that is the end. */
static void take(struct blx__wal *wal, struct blx__wal_req *req, struct blx__wal_op *op)
{
	blx_error error = BLX_ERROR_INIT;

	if (op == NULL && wal->code == 0) {
		(void)blx__error_set(&error, BLX_ENOMEM,
			"write to the log %s: out of memory; restart the member",
			wal->dir);
		die(wal, BLX_ENOMEM, &error);
	}
	if (wal->code != 0 || wal->closing) {
		blx__free(op);
		refuse(wal, req);
		return;
	}
	op->req = req;
	blx__wal_tail_move(wal, op);
	blx__list_push_back(&wal->pending, &op->link);
	batch_start(wal);
	keep_start(wal);
}

void blx__wal_tail_move(struct blx__wal *wal, const struct blx__wal_op *op)
{
	uint64_t *tail = &wal->tails[op->group];
	size_t i;

	switch (op->type) {
	case BLX__WAL_ENTRY:
		for (i = 0; i < op->count; i++) {
			PRE(op->entries[i].index == *tail + i);
		}
		*tail += op->count;
		break;
	case BLX__WAL_TRUNCATE:
		PRE(op->index > 0 && op->index <= *tail);
		*tail = op->index;
		break;
	case BLX__WAL_SNAPSHOT:
		if (blx__wal_snapshot_restarts(&op->snapshot)) {
			*tail = op->snapshot.keep_from;
		}
		PRE(op->snapshot.keep_from <= *tail);
		break;
	default:
		break;
	}
}

void blx__wal_append(struct blx__wal *wal, struct blx__wal_req *req, unsigned group,
	const struct blx__wal_entry *entries, size_t n)
{
	PRE(n > 0);
	PRE(group < wal->writer.groups_max);
	take(wal, req, blx__wal_op_append(group, entries, n));
}

void blx__wal_truncate(
	struct blx__wal *wal, struct blx__wal_req *req, unsigned group, uint64_t index)
{
	PRE(group < wal->writer.groups_max);
	take(wal, req, blx__wal_op_truncate(group, index));
}

void blx__wal_set_hard_state(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, uint64_t term, uint64_t vote)
{
	PRE(group < wal->writer.groups_max);
	take(wal, req, blx__wal_op_hard_state(group, term, vote));
}

void blx__wal_snapshot(struct blx__wal *wal, struct blx__wal_req *req, unsigned group,
	const struct blx__wal_snapshot *snapshot)
{
	PRE(group < wal->writer.groups_max);
	take(wal, req, blx__wal_op_snapshot(group, snapshot));
}

int blx__wal_state_take(
	struct blx__wal *wal, unsigned group, struct blx__wal_state *ret_state)
{
	PRE(group < wal->writer.groups_max);
	PRE(!wal->batch_job.busy);
	PRE(wal->loaded[group].first + wal->loaded[group].count ==
		wal->writer.groups[group].next);

	return blx__wal_loaded_take(
		&wal->loaded[group], &wal->writer.groups[group], ret_state);
}

void blx__wal_stats_get(const struct blx__wal *wal, struct blx__wal_stats *ret_stats)
{
	*ret_stats = wal->stats;
	ret_stats->segments = wal->current + 1 - wal->oldest;
}
