/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/vfs.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/*
 * So much is written between two syncs. Without them the one at the end would
 * take as long as the disk needs for the whole image, could not be cancelled,
 * and the log's own syncs would wait behind it.
 */
#define SYNC_BYTES (16 * 1024 * 1024)

struct vfs_file {
	sqlite3_file base;
	struct blx__vfs *vfs;
	struct blx__file *file; /* owned */
};

static struct vfs_file *file_of(sqlite3_file *base)
{
	return (struct vfs_file *)(void *)base;
}

/* Keeps the first failure and turns it into SQLite's code. */
static int fail(struct blx__vfs *vfs, const blx_error *error, int code)
{
	if (vfs->error.code == BLX_OK) {
		blx__error_copy(&vfs->error, error);
	}
	switch (error->code) {
	case BLX_ENOSPC:
		return SQLITE_FULL;
	case BLX_ENOMEM:
		return SQLITE_NOMEM;
	default:
		return code;
	}
}

bool blx__vfs_cancelled(struct blx__vfs *vfs)
{
	if (vfs->ctl->cancel == NULL || !atomic_load(vfs->ctl->cancel)) {
		return false;
	}
	if (vfs->error.code == BLX_OK) {
		(void)blx__error_set(&vfs->error, BLX_ECANCELED, "snapshot: canceled");
	}
	return true;
}

static int on_close(sqlite3_file *base)
{
	struct vfs_file *file = file_of(base);

	file->file->files->ops->close(file->file);
	file->file = NULL;
	return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *data, int len, sqlite3_int64 offset)
{
	struct vfs_file *file = file_of(base);
	blx_error error = BLX_ERROR_INIT;
	size_t got;

	if (blx__vfs_cancelled(file->vfs)) {
		return SQLITE_IOERR_READ;
	}
	if (file->file->files->ops->read(file->file, data, (size_t)len, (uint64_t)offset, &got,
		&error) != BLX_OK) {
		return fail(file->vfs, &error, SQLITE_IOERR_READ);
	}
	if (got < (size_t)len) {
		memset((uint8_t *)data + got, 0, (size_t)len - got);
		return SQLITE_IOERR_SHORT_READ;
	}
	return SQLITE_OK;
}

static int on_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
	struct vfs_file *file = file_of(base);
	struct blx__vfs *vfs = file->vfs;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (blx__vfs_cancelled(vfs)) {
		return SQLITE_IOERR_WRITE;
	}
	rv = file->file->files->ops->write(file->file, data, (size_t)len, (uint64_t)offset, &error);
	vfs->unsynced += (uint64_t)len;
	if (rv == BLX_OK && vfs->unsynced >= SYNC_BYTES) {
		vfs->unsynced = 0;
		rv = file->file->files->ops->sync(file->file, &error);
	}
	return rv == BLX_OK ? SQLITE_OK : fail(vfs, &error, SQLITE_IOERR_WRITE);
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct vfs_file *file = file_of(base);
	blx_error error = BLX_ERROR_INIT;

	if (file->file->files->ops->truncate(file->file, (uint64_t)size, &error) != BLX_OK) {
		return fail(file->vfs, &error, SQLITE_IOERR_TRUNCATE);
	}
	return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
	struct vfs_file *file = file_of(base);
	blx_error error = BLX_ERROR_INIT;

	if (file->file->files->ops->sync(file->file, &error) != BLX_OK) {
		return fail(file->vfs, &error, SQLITE_IOERR_FSYNC);
	}
	return SQLITE_OK;
}

static int on_file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
	struct vfs_file *file = file_of(base);
	blx_error error = BLX_ERROR_INIT;
	uint64_t size;

	if (file->file->files->ops->size(file->file, &size, &error) != BLX_OK) {
		return fail(file->vfs, &error, SQLITE_IOERR_FSTAT);
	}
	*ret_size = (sqlite3_int64)size;
	return SQLITE_OK;
}

static int on_lock(sqlite3_file *base, int lock)
{
	return SQLITE_OK;
}

static int on_check_reserved_lock(sqlite3_file *base, int *ret_locked)
{
	*ret_locked = 0;
	return SQLITE_OK;
}

static int on_file_control(sqlite3_file *base, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

/* 0: SQLite's own default, which the page size then covers. */
static int on_sector_size(sqlite3_file *base)
{
	return 0;
}

static int on_device_characteristics(sqlite3_file *base)
{
	return SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
}

static const sqlite3_io_methods io_methods = {
	.iVersion = 1, /* no shared memory, no mapping */
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_file_size,
	.xLock = on_lock,
	.xUnlock = on_lock,
	.xCheckReservedLock = on_check_reserved_lock,
	.xFileControl = on_file_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_device_characteristics,
};

static int on_open(sqlite3_vfs *base, const char *name, sqlite3_file *base_file, int flags,
	int *ret_flags)
{
	struct blx__vfs *vfs = base->pAppData;
	struct vfs_file *file = file_of(base_file);
	blx_error error = BLX_ERROR_INIT;
	unsigned open_flags = BLX__OPEN_READ;

	*file = (struct vfs_file){ .vfs = vfs };
	/* The database itself only; anything else it could want was switched off. */
	if (name == NULL || (flags & SQLITE_OPEN_MAIN_DB) == 0) {
		return SQLITE_CANTOPEN;
	}
	if ((flags & SQLITE_OPEN_READWRITE) != 0) {
		open_flags = BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_EXCLUSIVE;
	}
	if (vfs->ctl->files->ops->open(vfs->ctl->files, name, open_flags, &file->file, &error) !=
		BLX_OK) {
		return fail(vfs, &error, SQLITE_CANTOPEN);
	}
	file->base.pMethods = &io_methods;
	if (ret_flags != NULL) {
		*ret_flags = flags;
	}
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *base, const char *name, int sync_dir)
{
	return SQLITE_OK;
}

/* Asked for journals only: there are none, and one that lies about is not ours. */
static int on_access(sqlite3_vfs *base, const char *name, int flags, int *ret_there)
{
	*ret_there = 0;
	return SQLITE_OK;
}

static int on_full_pathname(sqlite3_vfs *base, const char *name, int size, char *ret_path)
{
	size_t len = strlen(name);

	if (len >= (size_t)size) {
		return SQLITE_CANTOPEN;
	}
	memcpy(ret_path, name, len + 1);
	return SQLITE_OK;
}

/* No clock and no chance: the same image gives the same bytes. */
static int on_randomness(sqlite3_vfs *base, int len, char *data)
{
	memset(data, 0, (size_t)len);
	return len;
}

static int on_sleep(sqlite3_vfs *base, int usec)
{
	return usec;
}

static int on_current_time(sqlite3_vfs *base, double *ret_time)
{
	*ret_time = 0;
	return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *base, int len, char *data)
{
	return 0;
}

int blx__vfs_init(struct blx__vfs *vfs, const struct blx__snapshot_ctl *ctl, blx_error *error)
{
	int rc;

	PRE(ctl != NULL && ctl->files != NULL);
	*vfs = (struct blx__vfs){
		.base = {
			.iVersion = 1,
			.szOsFile = sizeof(struct vfs_file),
			.mxPathname = BLX__VFS_PATH_MAX,
			.pAppData = vfs,
			.xOpen = on_open,
			.xDelete = on_delete,
			.xAccess = on_access,
			.xFullPathname = on_full_pathname,
			.xRandomness = on_randomness,
			.xSleep = on_sleep,
			.xCurrentTime = on_current_time,
			.xGetLastError = on_last_error,
		},
		.ctl = ctl,
		.error = BLX_ERROR_INIT,
	};
	/* Its address tells it from those of other calls under way. */
	(void)snprintf(vfs->name, sizeof vfs->name, "blixard-%p", (void *)vfs);
	vfs->base.zName = vfs->name;
	rc = sqlite3_vfs_register(&vfs->base, 0);
	if (rc != SQLITE_OK) {
		return blx__error_set(error, rc == SQLITE_NOMEM ? BLX_ENOMEM : BLX_EIO,
			"snapshot: SQLite does not start: %s", sqlite3_errstr(rc));
	}
	return BLX_OK;
}

void blx__vfs_finish(struct blx__vfs *vfs)
{
	(void)sqlite3_vfs_unregister(&vfs->base);
}
