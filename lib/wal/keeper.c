/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/keeper.h"

#include "base/assert.h"
#include "base/mem.h"
#include "wal/record.h"

#include <string.h>

/* Written at a time when a segment is filled: what a commit may have to wait for. */
#define SLICE ((size_t)256 * 1024)

static int no_memory(const struct blx__wal_keeper *keeper, blx_error *error)
{
	return blx__error_set(error, BLX_ENOMEM,
		"prepare a segment of the log %s: out of memory", keeper->dir);
}

static int sync_names(struct blx__wal_keeper *keeper, blx_error *error)
{
	keeper->syncs++;
	return keeper->files->ops->sync_dir(keeper->files, keeper->dir, error);
}

static int remove_oldest(struct blx__wal_keeper *keeper, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_segment_path(keeper->dir, keeper->oldest);
	int rv;

	PRE(keeper->oldest < keeper->needed);
	if (path == NULL) {
		return no_memory(keeper, error);
	}
	rv = keeper->files->ops->remove(keeper->files, path, error);
	if (rv == 0) {
		keeper->oldest++;
		rv = sync_names(keeper, error);
	}
	return rv;
}

static int open_next(struct blx__wal_keeper *keeper, blx_error *error)
{
	struct blx__wal_segment next;
	int rv = blx__wal_segment_open(
		keeper->files, keeper->dir, keeper->current + 1, &next, error);

	if (rv == 0) {
		keeper->next = next;
		keeper->ready = true;
	}
	return rv;
}

static int oldest_size(struct blx__wal_keeper *keeper, size_t *ret_size, blx_error *error)
{
	struct blx__wal_segment old;
	int rv = blx__wal_segment_open(
		keeper->files, keeper->dir, keeper->oldest, &old, error);

	if (rv == 0) {
		*ret_size = old.size;
		blx__wal_segment_close(&old);
	}
	return rv;
}

static int recycle(struct blx__wal_keeper *keeper, blx_error *error)
{
	BLX__CLEANUP_FREE char *from = blx__wal_segment_path(keeper->dir, keeper->oldest);
	BLX__CLEANUP_FREE char *to =
		blx__wal_segment_path(keeper->dir, keeper->current + 1);
	size_t size = 0;
	int rv;

	PRE(keeper->oldest < keeper->needed);
	if (from == NULL || to == NULL) {
		return no_memory(keeper, error);
	}
	rv = oldest_size(keeper, &size, error);
	if (rv != 0) {
		return rv;
	}
	if (size > keeper->want) { /* was made for a large entry: that is not the rule */
		return remove_oldest(keeper, error);
	}
	rv = keeper->files->ops->rename(keeper->files, from, to, error);
	if (rv != 0) {
		return rv;
	}
	keeper->oldest++;
	keeper->recycled++;
	rv = sync_names(keeper, error);
	return rv != 0 ? rv : open_next(keeper, error);
}

static int fill_begin(struct blx__wal_keeper *keeper, size_t from, blx_error *error)
{
	int rv = keeper->files->ops->allocate(keeper->next.file, keeper->want, error);

	if (rv == 0) {
		keeper->fill_at = from;
		keeper->fill_end = keeper->want;
	}
	return rv;
}

static int make(struct blx__wal_keeper *keeper, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_path(keeper->dir, BLX__WAL_TMP_NAME);
	int rv;

	if (path == NULL || blx__wal_mem_reserve(&keeper->zeros, SLICE) != 0) {
		return no_memory(keeper, error);
	}
	memset(keeper->zeros.data, 0, SLICE);
	rv = keeper->files->ops->open(keeper->files, path,
		BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_DIRECT, &keeper->next.file,
		error);
	if (rv != 0) {
		return rv;
	}
	keeper->making = true;
	return fill_begin(keeper, 0, error);
}

static int grow(struct blx__wal_keeper *keeper, blx_error *error)
{
	keeper->ready = false;
	if (blx__wal_mem_reserve(&keeper->zeros, SLICE) != 0) {
		return no_memory(keeper, error);
	}
	memset(keeper->zeros.data, 0, SLICE);
	return fill_begin(keeper, keeper->next.size, error);
}

static int fill_end(struct blx__wal_keeper *keeper, blx_error *error)
{
	BLX__CLEANUP_FREE char *from = blx__wal_path(keeper->dir, BLX__WAL_TMP_NAME);
	BLX__CLEANUP_FREE char *to =
		blx__wal_segment_path(keeper->dir, keeper->current + 1);
	int rv;

	if (from == NULL || to == NULL) {
		return no_memory(keeper, error);
	}
	keeper->syncs++;
	rv = keeper->files->ops->sync(keeper->next.file, error);
	if (rv != 0) {
		return rv;
	}
	blx__wal_segment_close(&keeper->next);
	if (keeper->making) {
		rv = keeper->files->ops->rename(keeper->files, from, to, error);
		if (rv == 0) {
			keeper->making = false;
			rv = sync_names(keeper, error);
		}
	}
	return rv != 0 ? rv : open_next(keeper, error);
}

static int fill(struct blx__wal_keeper *keeper, blx_error *error)
{
	size_t left = keeper->fill_end - keeper->fill_at;
	size_t len = left < SLICE ? left : SLICE;
	int rv = keeper->files->ops->write(
		keeper->next.file, keeper->zeros.data, len, keeper->fill_at, error);

	if (rv != 0) {
		return rv;
	}
	keeper->fill_at += len;
	if (keeper->fill_at < keeper->fill_end) {
		return 0;
	}
	keeper->fill_at = 0;
	keeper->fill_end = 0;
	blx__wal_mem_finish(&keeper->zeros);
	return fill_end(keeper, error);
}

static enum blx__wal_step next_step(const struct blx__wal_keeper *keeper)
{
	if (keeper->fill_at < keeper->fill_end) {
		return BLX__WAL_STEP_FILL;
	}
	if (!keeper->ready) {
		return keeper->oldest < keeper->needed ? BLX__WAL_STEP_RECYCLE
						       : BLX__WAL_STEP_MAKE;
	}
	if (keeper->next.size < keeper->want) {
		return BLX__WAL_STEP_GROW;
	}
	return keeper->needed - keeper->oldest > BLX__WAL_SPARES_MAX
		       ? BLX__WAL_STEP_REMOVE
		       : BLX__WAL_STEP_NONE;
}

bool blx__wal_keeper_plan(struct blx__wal_keeper *keeper)
{
	INVARIANT(keeper->oldest <= keeper->needed);

	keeper->step = next_step(keeper);
	if (keeper->step == BLX__WAL_STEP_GROW) {
		keeper->ready = false; /* nobody may take it meanwhile */
	}
	return keeper->step != BLX__WAL_STEP_NONE;
}

static int run_step(struct blx__wal_keeper *keeper, blx_error *error)
{
	switch (keeper->step) {
	case BLX__WAL_STEP_REMOVE:
		return remove_oldest(keeper, error);
	case BLX__WAL_STEP_RECYCLE:
		return recycle(keeper, error);
	case BLX__WAL_STEP_MAKE:
		return make(keeper, error);
	case BLX__WAL_STEP_GROW:
		return grow(keeper, error);
	case BLX__WAL_STEP_FILL:
		return fill(keeper, error);
	case BLX__WAL_STEP_NONE:
		break;
	}
	return 0;
}

/* Says how much is free, and gives back what the try took. */
static int disk_full(struct blx__wal_keeper *keeper, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_path(keeper->dir, BLX__WAL_TMP_NAME);
	uint64_t free_bytes = 0;

	if (keeper->making && path != NULL) {
		blx__wal_segment_close(&keeper->next);
		keeper->making = false;
		(void)keeper->files->ops->remove(
			keeper->files, path, NULL); /* next start does */
	}
	(void)keeper->files->ops->free_space(
		keeper->files, keeper->dir, &free_bytes, NULL);
	return blx__error_set(error, BLX_ENOSPC,
		"%s: the disk is full: the log needs %zu bytes for its next segment, "
		"%llu are "
		"free; free some space and start the member again",
		keeper->dir, keeper->want, (unsigned long long)free_bytes);
}

int blx__wal_keeper_run(struct blx__wal_keeper *keeper, blx_error *error)
{
	int rv = run_step(keeper, error);

	return rv == BLX_ENOSPC ? disk_full(keeper, error) : rv;
}

int blx__wal_keeper_settle(struct blx__wal_keeper *keeper, blx_error *error)
{
	while (blx__wal_keeper_plan(keeper)) {
		int rv = blx__wal_keeper_run(keeper, error);

		if (rv != 0) {
			return rv;
		}
	}
	return 0;
}

void blx__wal_keeper_finish(struct blx__wal_keeper *keeper)
{
	blx__wal_segment_close(&keeper->next);
	blx__wal_mem_finish(&keeper->zeros);
}
