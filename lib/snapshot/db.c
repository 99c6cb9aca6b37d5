/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/db.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Virtual machine steps between two looks at the cancel flag: well under 10 ms. */
#define STEPS_PER_CHECK 10000

/* A row of kv is at most a path and a value; a session holds some replies. A longer
 * string or blob than this in a file is damage, and not worth the memory. */
#define LENGTH_MAX (64 * 1024 * 1024)

const struct blx__db_table blx__db_tables[BLX__DB_TABLES_COUNT] = {
	{ "kv",
		"CREATE TABLE kv(path TEXT PRIMARY KEY, value BLOB, create_revision INTEGER, "
		"mod_revision INTEGER, version INTEGER, keep BLOB) WITHOUT ROWID" },
	{ "member",
		"CREATE TABLE member(id INTEGER PRIMARY KEY, name TEXT, address TEXT, role TEXT)" },
	{ "meta", "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID" },
	{ "session", "CREATE TABLE session(id INTEGER PRIMARY KEY, state BLOB)" },
};

/*
 * The page size was measured with 10^6 rows of 256 bytes: 16 KiB writes and
 * checks in about half the time of 4 KiB, 64 KiB gains little more. The cache
 * bounds what an image costs in memory while it is written; nothing is synced
 * by SQLite, as the file counts only once it is complete and has its name.
 */
static const char settings_write[] = "PRAGMA page_size=16384;"
				     "PRAGMA encoding='UTF-8';"
				     "PRAGMA cache_size=-16384;"
				     "PRAGMA locking_mode=EXCLUSIVE;"
				     "PRAGMA journal_mode=OFF;"
				     "PRAGMA synchronous=OFF;"
				     "PRAGMA temp_store=MEMORY;";

static const char settings_read[] = "PRAGMA cache_size=-16384;"
				    "PRAGMA locking_mode=EXCLUSIVE;"
				    "PRAGMA temp_store=MEMORY;"
				    "PRAGMA cell_size_check=ON;"
				    "PRAGMA trusted_schema=OFF;"
				    "PRAGMA query_only=ON;";

static int on_steps(void *data)
{
	return blx__vfs_cancelled(data) ? 1 : 0;
}

/* For files of others. Not for writing: it would refuse to be without a journal. */
static void harden(struct blx__db *db)
{
	(void)sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	(void)sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static int db_open(struct blx__db *db, const struct blx__snapshot_ctl *ctl, int flags,
	blx_error *error)
{
	int rv = blx__vfs_init(&db->vfs, ctl, error);
	int rc;

	if (rv != BLX_OK) {
		return rv;
	}
	if (strlen(db->path) >= BLX__VFS_PATH_MAX) {
		return blx__error_set(error, BLX_EINVAL, "snapshot: the path is longer than %d",
			BLX__VFS_PATH_MAX);
	}
	rc = sqlite3_open_v2(db->path, &db->handle,
		flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, db->vfs.name);
	if (rc != SQLITE_OK) {
		return blx__db_fail(db, rc, error);
	}
	(void)sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_progress_handler(db->handle, STEPS_PER_CHECK, on_steps, &db->vfs);
	return BLX_OK;
}

int blx__db_open_read(struct blx__db *db, const char *path, const struct blx__snapshot_ctl *ctl,
	blx_error *error)
{
	int rv;

	*db = (struct blx__db){ .path = path };
	rv = db_open(db, ctl, SQLITE_OPEN_READONLY, error);
	if (rv != BLX_OK) {
		return rv;
	}
	harden(db);
	return blx__db_exec(db, settings_read, error);
}

int blx__db_open_write(struct blx__db *db, const char *path, const struct blx__snapshot_ctl *ctl,
	blx_error *error)
{
	int rv;

	*db = (struct blx__db){ .path = path, .writing = true };
	rv = db_open(db, ctl, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
	return rv != BLX_OK ? rv : blx__db_exec(db, settings_write, error);
}

int blx__db_close(struct blx__db *db, blx_error *error)
{
	int rv = BLX_OK;
	int rc = sqlite3_close(db->handle);

	INVARIANT(rc == SQLITE_OK); /* no statement of ours outlives its function */
	db->handle = NULL;
	if (db->vfs.error.code != BLX_OK) {
		rv = blx__db_fail(db, SQLITE_IOERR, error);
	}
	blx__vfs_finish(&db->vfs);
	return rv;
}

int blx__db_exec(struct blx__db *db, const char *sql, blx_error *error)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? BLX_OK : blx__db_fail(db, rc, error);
}

int blx__db_prepare(struct blx__db *db, const char *sql, sqlite3_stmt **ret_stmt,
	blx_error *error)
{
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, ret_stmt, NULL);

	return rc == SQLITE_OK ? BLX_OK : blx__db_fail(db, rc, error);
}

int blx__db_fail(struct blx__db *db, int rc, blx_error *error)
{
	PRE(rc != SQLITE_OK);
	if (db->vfs.error.code != BLX_OK) {
		blx__error_copy(error, &db->vfs.error);
		return db->vfs.error.code;
	}
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return blx__error_set(error, BLX_ENOMEM, "snapshot %s: out of memory", db->path);
	case SQLITE_INTERRUPT:
		return blx__error_set(error, BLX_ECANCELED, "snapshot %s: canceled", db->path);
	default:
		break;
	}
	if (db->writing) {
		return blx__error_set(error, (rc & 0xff) == SQLITE_FULL ? BLX_ENOSPC : BLX_EIO,
			"writing snapshot %s: %s", db->path,
			db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
	}
	return blx__db_corrupt(db->path, error, "%s",
		db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
}

int blx__db_corrupt(const char *path, blx_error *error, const char *format, ...)
{
	char what[BLX_ERROR_MESSAGE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof what, format, args);
	va_end(args);
	/* What to do comes before what is wrong, which may be cut short. */
	return blx__error_set(error, BLX_ECORRUPT,
		"snapshot %s is damaged (use another copy or remove it): %s", path, what);
}

/* Length of the well-formed sequence at p, 0 if there is none. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first;
		uint8_t last;
		uint8_t len;
		uint8_t second_min;
		uint8_t second_max;
	} kinds[] = {
		{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
	};
	size_t i;
	size_t k;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (p[0] < kinds[i].first || p[0] > kinds[i].last) {
			continue;
		}
		if (left < kinds[i].len || p[1] < kinds[i].second_min ||
			p[1] > kinds[i].second_max) {
			return 0;
		}
		for (k = 2; k < kinds[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80) {
				return 0;
			}
		}
		return kinds[i].len;
	}
	return 0;
}

bool blx__db_is_text(const void *data, size_t len)
{
	const uint8_t *p = data;
	const uint8_t *end = p + len;

	while (p < end) {
		size_t step = *p != 0 && *p < 0x80 ? 1 : sequence_len(p, (size_t)(end - p));

		if (step == 0) {
			return false;
		}
		p += step;
	}
	return true;
}
