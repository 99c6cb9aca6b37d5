/* SPDX-License-Identifier: Apache-2.0 */
/* The log before the loop runs: made or recovered, and written to by calls that block. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "wal/recover.h"
#include "wal/wal_impl.h"

#include <string.h>

/* Segments smaller than this would be changed all the time. */
#define SEGMENT_SIZE_MIN 65536

/* ---- what is there ------------------------------------------------------- */

struct names {
	uint64_t *seqs; /* owned */
	size_t count;
	size_t cap;
	bool has_mark;
	bool has_tmp;
	bool failed; /* no memory */
};

static void on_name(const char *name, void *data)
{
	struct names *names = data;
	uint64_t seq;

	names->has_mark = names->has_mark || strcmp(name, BLX__WAL_MARK_NAME) == 0;
	names->has_tmp = names->has_tmp || strcmp(name, BLX__WAL_TMP_NAME) == 0;
	if (names->failed || !blx__wal_segment_parse(name, &seq)) {
		return;
	}
	if (names->count == names->cap) {
		size_t cap = names->cap == 0 ? 64 : 2 * names->cap;
		uint64_t *seqs = blx__realloc(names->seqs, cap * sizeof *seqs);

		if (seqs == NULL) {
			names->failed = true;
			return;
		}
		names->seqs = seqs;
		names->cap = cap;
	}
	names->seqs[names->count++] = seq; /* names come in order, so numbers do */
}

static int no_memory(const char *dir, blx_error *error)
{
	return blx__error_set(error, BLX_ENOMEM, "open the log %s: out of memory", dir);
}

static int list_names(struct blx__wal *wal, struct names *names, blx_error *error)
{
	const struct blx__files *files = wal->env->files;
	int rv = files->ops->list(files, wal->dir, on_name, names, error);

	if (rv == BLX_ENOENT) {
		return blx__error_set(
			error, rv, "open the log %s: there is none", wal->dir);
	}
	return rv == 0 && names->failed ? no_memory(wal->dir, error) : rv;
}

static int remove_name(struct blx__wal *wal, const char *name, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_path(wal->dir, name);

	if (path == NULL) {
		return no_memory(wal->dir, error);
	}
	return wal->env->files->ops->remove(wal->env->files, path, error);
}

/* ---- blocking forms ------------------------------------------------------ */

/* Steps of the keeper until there is none, or until the op has a place. */
static int keep_settle(struct blx__wal *wal, blx_error *error)
{
	int rv = 0;

	while (rv == 0 && blx__wal_keep_plan(wal)) {
		rv = blx__wal_keeper_run(&wal->keeper, error);
		wal->oldest = wal->keeper.oldest;
		wal->stats.segments_recycled = wal->keeper.recycled;
	}
	wal->stats.syncs += wal->keeper.syncs;
	wal->keeper.syncs = 0;
	return rv;
}

static int write_sync(struct blx__wal *wal, struct blx__wal_op *op, blx_error *error)
{
	size_t size = op != NULL ? op->size : 0;
	bool change;
	int rv = 0;

	blx__wal_batch_init(&wal->batch);
	if (op != NULL) {
		blx__wal_batch_add(&wal->batch, op);
	}
	while (!blx__wal_place(wal, size, &change)) {
		rv = keep_settle(wal, error);
		if (rv != 0) {
			return rv;
		}
	}
	if (change) {
		blx__wal_change(wal);
	}
	blx__wal_writer_write(&wal->writer, &wal->batch);
	if (wal->batch.code != 0) {
		blx__error_copy(error, &wal->batch.error);
		return wal->batch.code;
	}
	blx__wal_account(wal);
	return keep_settle(wal, error);
}

/* The op is freed. What fails here has failed for good, as it does with the loop. */
static int run_sync(struct blx__wal *wal, struct blx__wal_op *op, blx_error *error)
{
	int rv;

	PRE(!wal->batch_job.busy && !wal->keep_job.busy && !wal->mark_job.busy);
	PRE(blx__list_empty(&wal->pending));

	if (op == NULL) {
		return blx__error_set(error, BLX_ENOMEM,
			"write to the log %s: out of memory", wal->dir);
	}
	if (wal->code != 0) {
		blx__free(op);
		return blx__error_set(error, wal->code,
			"write to the log %s: it failed before: %s", wal->dir,
			blx_strerror(wal->code));
	}
	blx__wal_tail_move(wal, op);
	rv = write_sync(wal, op, error);
	blx__free(op);
	if (rv != 0) {
		wal->code = rv;
		wal->dead = true;
	}
	return rv;
}

int blx__wal_append_sync(struct blx__wal *wal, unsigned group,
	const struct blx__wal_entry *entries, size_t n, blx_error *error)
{
	PRE(n > 0);
	PRE(group < wal->writer.groups_max);
	return run_sync(wal, blx__wal_op_append(group, entries, n), error);
}

int blx__wal_write_hard_state_sync(struct blx__wal *wal, unsigned group, uint64_t term,
	uint64_t vote, blx_error *error)
{
	PRE(group < wal->writer.groups_max);
	return run_sync(wal, blx__wal_op_hard_state(group, term, vote), error);
}

int blx__wal_snapshot_sync(struct blx__wal *wal, unsigned group,
	const struct blx__wal_snapshot *snapshot, blx_error *error)
{
	PRE(group < wal->writer.groups_max);
	return run_sync(wal, blx__wal_op_snapshot(group, snapshot), error);
}

/* ---- made ---------------------------------------------------------------- */

static int is_begun(struct blx__wal *wal, uint64_t seq, bool *ret_begun, blx_error *error)
{
	const struct blx__files *files = wal->env->files;
	BLX__CLEANUP_FREE char *path = blx__wal_segment_path(wal->dir, seq);
	struct blx__wal_header header;
	struct blx__file *file;
	uint32_t chain;
	size_t len;
	int rv;

	if (path == NULL || blx__wal_mem_reserve(&wal->writer.mem, BLX__WAL_BLOCK) != 0) {
		return no_memory(wal->dir, error);
	}
	rv = files->ops->open(
		files, path, BLX__OPEN_READ | BLX__OPEN_DIRECT, &file, error);
	if (rv != 0) {
		return rv;
	}
	rv = files->ops->read(file, wal->writer.mem.data, BLX__WAL_BLOCK, 0, &len, error);
	files->ops->close(file);
	if (rv == 0) {
		*ret_begun = len == BLX__WAL_BLOCK &&
			     blx__wal_header_get(wal->writer.mem.data, &header, &chain) !=
				     BLX_ECORRUPT;
	}
	return rv;
}

/* Is there one? Files of one that was being made when something failed are removed. */
static int clear_unfinished(
	struct blx__wal *wal, const struct names *names, blx_error *error)
{
	size_t i;

	for (i = 0; i < names->count; i++) {
		char name[BLX__WAL_NAME_SIZE];
		bool begun = false;
		int rv = is_begun(wal, names->seqs[i], &begun, error);

		if (rv == 0 && begun) {
			rv = blx__error_set(error, BLX_EINUSE,
				"make the log %s: there is one already; use another "
				"directory",
				wal->dir);
		}
		if (rv == 0) {
			blx__wal_segment_name(names->seqs[i], name);
			rv = remove_name(wal, name, error);
		}
		if (rv != 0) {
			return rv;
		}
	}
	return 0;
}

/* One that could not be made leaves nothing in the way of another try. */
static void unmake(struct blx__wal *wal)
{
	char name[BLX__WAL_NAME_SIZE];
	uint64_t seq;

	blx__wal_segment_close(&wal->writer.current);
	blx__wal_segment_close(&wal->batch_next);
	blx__wal_keeper_finish(&wal->keeper);
	blx__wal_mark_finish(&wal->mark);
	for (seq = 1; seq <= 2; seq++) {
		blx__wal_segment_name(seq, name);
		(void)remove_name(wal, name, NULL); /* perhaps it is not there */
	}
	(void)remove_name(wal, BLX__WAL_MARK_NAME, NULL);
}

/* A mark of records says that there was a log here, whatever became of its segments. One
 * that cannot be read was being made. */
static int check_unmarked(
	struct blx__wal *wal, const struct names *names, blx_error *error)
{
	int rv = names->has_mark ? blx__wal_mark_open(&wal->mark, wal->env->files,
					   wal->dir, false, error)
				 : 0;

	if (rv == 0 && wal->mark.lsn > 0) {
		rv = blx__error_set(error, BLX_EINUSE,
			"make the log %s: there was one, of %llu records; use another "
			"directory",
			wal->dir, (unsigned long long)wal->mark.lsn);
	}
	if (wal->mark.file != NULL) {
		wal->env->files->ops->close(wal->mark.file);
		wal->mark.file = NULL;
	}
	return rv == BLX_ECORRUPT ? 0 : rv;
}

/* The mark is there before the first segment is begun, which makes it a log. */
static int create(struct blx__wal *wal, const struct names *names, blx_error *error)
{
	int rv = check_unmarked(wal, names, error);

	if (rv == 0) {
		rv = clear_unfinished(wal, names, error);
	}
	if (rv != 0) {
		return rv;
	}
	wal->mark.generation = 0;
	rv = blx__wal_mark_open(&wal->mark, wal->env->files, wal->dir, true, error);
	wal->current = 0;
	wal->needed = 1;
	wal->oldest = 1;
	wal->keeper.oldest = 1;
	if (rv == 0) {
		rv = write_sync(wal, NULL, error);
	}
	if (rv == 0) {
		wal->mark_lsn = wal->confirmed_lsn;
		rv = blx__wal_mark_write(&wal->mark, wal->mark_lsn, error);
	}
	if (rv != 0) {
		unmake(wal);
	}
	return rv;
}

/* ---- recovered ----------------------------------------------------------- */

static int open_mark(struct blx__wal *wal, const struct names *names, blx_error *error)
{
	if (names->has_mark) {
		return blx__wal_mark_open(
			&wal->mark, wal->env->files, wal->dir, false, error);
	}
	if (names->count == 0) {
		return blx__error_set(
			error, BLX_ENOENT, "open the log %s: there is none", wal->dir);
	}
	return blx__error_set(error, BLX_ECORRUPT,
		"open the log %s: the file " BLX__WAL_MARK_NAME
		" is missing, so nobody can tell "
		"whether the log is whole; put it back, or remove this member and join "
		"anew with "
		"an empty directory",
		wal->dir);
}

static int not_found(const struct blx__wal *wal, blx_error *error)
{
	if (wal->mark.lsn == 0) {
		return blx__error_set(
			error, BLX_ENOENT, "open the log %s: there is none", wal->dir);
	}
	return blx__error_set(error, BLX_ECORRUPT,
		"open the log %s: its segments are missing, and the disk had confirmed "
		"%llu records; "
		"the member must not vote: remove it and join anew with an empty "
		"directory",
		wal->dir, (unsigned long long)wal->mark.lsn);
}

static int take_next(struct blx__wal *wal, blx_error *error)
{
	int rv = blx__wal_segment_open(
		wal->env->files, wal->dir, wal->current + 1, &wal->keeper.next, error);

	wal->keeper.ready = rv == 0;
	return rv;
}

static int recover(struct blx__wal *wal, const struct names *names, blx_error *error)
{
	struct blx__wal_recovery recovery = {.writer = &wal->writer,
		.loaded = wal->loaded,
		.seqs = names->seqs,
		.count = names->count};
	unsigned i;
	int rv = open_mark(wal, names, error);

	if (rv != 0) {
		return rv;
	}
	recovery.mark = wal->mark.lsn;
	rv = blx__wal_recover(&recovery, error);
	if (rv != 0 || !recovery.found) {
		return rv != 0 ? rv : not_found(wal, error);
	}
	for (i = 0; i < wal->writer.groups_max; i++) {
		wal->tails[i] = wal->writer.groups[i].next;
	}
	wal->confirmed_lsn = wal->writer.lsn - 1;
	wal->mark_lsn = wal->mark.lsn;
	wal->current = wal->writer.current.seq;
	wal->needed = blx__wal_writer_needed(&wal->writer);
	wal->oldest = names->seqs[0];
	wal->keeper.oldest = names->seqs[0];
	rv = recovery.has_next ? take_next(wal, error) : 0;
	return rv == 0 ? keep_settle(wal, error) : rv;
}

/* ---- life ---------------------------------------------------------------- */

static int prepare(struct blx__wal *wal, const struct blx__wal_opts *opts)
{
	size_t size = blx__wal_round(opts->segment_size);
	unsigned i;

	wal->env = opts->env;
	wal->on_fatal = opts->on_fatal;
	wal->data = opts->data;
	blx_error_init(&wal->fatal);
	blx__list_init(&wal->pending);
	blx__list_init(&wal->refused);
	blx__wal_refused_init(wal);
	blx__wal_batch_init(&wal->batch);
	blx__timer_init(&wal->mark_timer, NULL, wal);
	wal->dir = blx__strdup(opts->dir);
	wal->tails = blx__calloc(opts->groups_max, sizeof *wal->tails);
	wal->loaded = blx__calloc(opts->groups_max, sizeof *wal->loaded);
	wal->writer = (struct blx__wal_writer){.env = opts->env,
		.dir = wal->dir,
		.member_id = opts->member_id,
		.groups = blx__calloc(opts->groups_max, sizeof *wal->writer.groups),
		.groups_max = opts->groups_max,
		.lsn = 1};
	memcpy(wal->writer.cluster_id, opts->cluster_id, sizeof wal->writer.cluster_id);
	memcpy(wal->mark.cluster_id, opts->cluster_id, sizeof wal->mark.cluster_id);
	wal->mark.member_id = opts->member_id;
	wal->keeper = (struct blx__wal_keeper){.files = opts->env->files,
		.dir = wal->dir,
		.segment_size = size > SEGMENT_SIZE_MIN ? size : SEGMENT_SIZE_MIN};
	wal->want = wal->keeper.segment_size;
	if (wal->dir == NULL || wal->tails == NULL || wal->loaded == NULL ||
		wal->writer.groups == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < opts->groups_max; i++) {
		blx__wal_group_init(&wal->writer.groups[i]);
		blx__wal_loaded_restart(&wal->loaded[i], 1);
		wal->tails[i] = 1;
	}
	return 0;
}

void blx__wal_destroy(struct blx__wal *wal)
{
	unsigned i;

	for (i = 0; wal->loaded != NULL && i < wal->writer.groups_max; i++) {
		blx__wal_loaded_finish(&wal->loaded[i]);
	}
	blx__free(wal->loaded);
	blx__free(wal->tails);
	blx__wal_writer_finish(&wal->writer);
	blx__wal_segment_close(&wal->batch_next);
	blx__wal_keeper_finish(&wal->keeper);
	blx__wal_mark_finish(&wal->mark);
	blx__free(wal->dir);
	blx__free(wal);
}

static int open_dir(struct blx__wal *wal, bool creates, blx_error *error)
{
	struct names names = {0};
	int rv = 0;

	if (creates) {
		rv = wal->env->files->ops->make_dir(wal->env->files, wal->dir, error);
	}
	if (rv == 0) {
		rv = list_names(wal, &names, error);
	}
	if (rv == 0 && names.has_tmp) {
		rv = remove_name(wal, BLX__WAL_TMP_NAME, error);
	}
	if (rv == 0) {
		rv = creates ? create(wal, &names, error) : recover(wal, &names, error);
	}
	blx__free(names.seqs);
	return rv;
}

int blx__wal_open(
	const struct blx__wal_opts *opts, struct blx__wal **ret_wal, blx_error *error)
{
	struct blx__wal *wal = blx__calloc(1, sizeof *wal);
	int rv;

	PRE(opts->groups_max > 0 && opts->groups_max <= UINT16_MAX);

	if (wal == NULL || prepare(wal, opts) != 0) {
		rv = no_memory(opts->dir, error);
	} else {
		rv = open_dir(wal, opts->create, error);
	}
	if (rv != 0) {
		if (wal != NULL) {
			blx__wal_destroy(wal);
		}
		return rv;
	}
	blx__log(BLX__LOG_INFO, "wal", "%s: open at record %llu in segment %llu",
		wal->dir, (unsigned long long)wal->writer.lsn,
		(unsigned long long)wal->current);
	*ret_wal = wal;
	return 0;
}

void blx__wal_close_sync(struct blx__wal *wal)
{
	if (wal == NULL) {
		return;
	}
	PRE(!wal->batch_job.busy && !wal->keep_job.busy && !wal->mark_job.busy);
	PRE(blx__list_empty(&wal->pending) && blx__list_empty(&wal->refused));

	if (wal->mark_armed) {
		blx__timer_stop(wal->env, &wal->mark_timer);
	}
	if (!wal->dead && wal->mark.lsn != wal->confirmed_lsn) {
		(void)blx__wal_mark_write(
			&wal->mark, wal->confirmed_lsn, NULL); /* may lag */
	}
	blx__wal_destroy(wal);
}
