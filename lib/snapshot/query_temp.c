/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "snapshot/query_impl.h"

#include <stdio.h>
#include <string.h>

/* The least that one grows by. */
#define GROW_MIN 65536

#define SECTOR   4096

struct temp_file {
	sqlite3_file base;
	struct blx__query_temp *temp; /* borrowed */
	uint8_t *data;                /* owned */
	size_t len;
	size_t room;
};

static struct temp_file *file_of(sqlite3_file *file)
{
	return (struct temp_file *)file;
}

static int file_close(sqlite3_file *base)
{
	struct temp_file *file = file_of(base);

	file->temp->bytes -= file->room;
	blx__free(file->data);
	file->data = NULL;
	file->room = 0;
	return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *to, int amount, sqlite3_int64 offset)
{
	const struct temp_file *file = file_of(base);
	size_t at = (size_t)offset;
	size_t there = at < file->len ? file->len - at : 0;

	if (there >= (size_t)amount) {
		memcpy(to, file->data + at, (size_t)amount);
		return SQLITE_OK;
	}
	memset(to, 0, (size_t)amount);
	if (there > 0) {
		memcpy(to, file->data + at, there);
	}
	return SQLITE_IOERR_SHORT_READ;
}

static int file_grow(struct temp_file *file, size_t len)
{
	struct blx__query_temp *temp = file->temp;
	size_t room = 2 * file->room;
	uint8_t *grown;

	room = room > len ? room : len;
	room = room > GROW_MIN ? room : GROW_MIN;
	if (temp->bytes - file->room + room > temp->max) {
		room = len; /* as little as will do */
	}
	if (temp->bytes - file->room + room > temp->max) {
		return SQLITE_FULL;
	}
	grown = blx__realloc(file->data, room);
	if (grown == NULL) {
		return SQLITE_IOERR_NOMEM;
	}
	memset(grown + file->room, 0, room - file->room);
	temp->bytes += room - file->room;
	file->data = grown;
	file->room = room;
	return SQLITE_OK;
}

static int file_write(
	sqlite3_file *base, const void *from, int amount, sqlite3_int64 offset)
{
	struct temp_file *file = file_of(base);
	size_t end = (size_t)offset + (size_t)amount;
	int rc = end > file->room ? file_grow(file, end) : SQLITE_OK;

	if (rc == SQLITE_OK) {
		memcpy(file->data + offset, from, (size_t)amount);
		file->len = end > file->len ? end : file->len;
	}
	return rc;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct temp_file *file = file_of(base);

	if ((size_t)size < file->len) {
		memset(file->data + size, 0, file->len - (size_t)size);
		file->len = (size_t)size;
	}
	return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
	(void)base;
	(void)flags;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
	*ret_size = (sqlite3_int64)file_of(base)->len;
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
	(void)base;
	(void)level;
	return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *ret_locked)
{
	(void)base;
	*ret_locked = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
	(void)base;
	return SECTOR;
}

static int file_characteristics(sqlite3_file *base)
{
	(void)base;
	return 0;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_characteristics,
};

/* ---- the file system ------------------------------------------------------------ */

/* Only what has no name, and goes when it is closed. */
static int on_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
	struct temp_file *file = file_of(base);

	*file = (struct temp_file){.temp = vfs->pAppData};
	if (name != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
		return SQLITE_CANTOPEN;
	}
	file->base.pMethods = &methods;
	if (ret_flags != NULL) {
		*ret_flags = flags;
	}
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	(void)name;
	(void)sync_dir;
	return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_is)
{
	(void)vfs;
	(void)name;
	(void)flags;
	*ret_is = 0;
	return SQLITE_OK;
}

static int on_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *ret_path)
{
	(void)vfs;
	(void)sqlite3_snprintf(size, ret_path, "%s", name);
	return SQLITE_OK;
}

int blx__query_temp_init(struct blx__query_temp *temp, size_t max)
{
	/* The rest (time, randomness, sleep) is the system's. */
	const sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	if (system == NULL) {
		return SQLITE_ERROR;
	}
	*temp = (struct blx__query_temp){.max = max};
	(void)snprintf(temp->name, sizeof temp->name, "blixard-query-%p", (void *)temp);
	temp->base = *system;
	temp->base.iVersion = 1;
	temp->base.szOsFile = sizeof(struct temp_file);
	temp->base.pNext = NULL;
	temp->base.zName = temp->name;
	temp->base.pAppData = temp;
	temp->base.xOpen = on_open;
	temp->base.xDelete = on_delete;
	temp->base.xAccess = on_access;
	temp->base.xFullPathname = on_full_pathname;
	return sqlite3_vfs_register(&temp->base, 0);
}

void blx__query_temp_finish(struct blx__query_temp *temp)
{
	INVARIANT(temp->bytes == 0);
	(void)sqlite3_vfs_unregister(&temp->base);
}
