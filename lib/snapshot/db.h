/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQLite connection to one image file, and what all uses of it share: the
 * schema, the settings, and the way its failures become ours. Used by one
 * thread for the length of one call.
 */
#ifndef BLX_SNAPSHOT_DB_H
#define BLX_SNAPSHOT_DB_H

#include "base/error.h"
#include "snapshot/vfs.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The tables, sorted by name. A file has exactly these, by exactly these texts. */
struct blx__db_table {
	const char *name;
	const char *sql;
};

#define BLX__DB_TABLES_COUNT 4
extern const struct blx__db_table blx__db_tables[BLX__DB_TABLES_COUNT];

struct blx__db {
	struct blx__vfs vfs;
	sqlite3 *handle;  /* owned */
	const char *path; /* borrowed; as messages name it */
	bool writing;
};

/* Opens for reading, with all that a hostile file could use switched off; or makes the
 * file, which must not be there. Close after a failure, too. */
int blx__db_open_read(struct blx__db *db, const char *path, const struct blx__snapshot_ctl *ctl,
	blx_error *error);
int blx__db_open_write(struct blx__db *db, const char *path, const struct blx__snapshot_ctl *ctl,
	blx_error *error);

/* BLX_OK, or the failure of writing out what was left. */
int blx__db_close(struct blx__db *db, blx_error *error);

int blx__db_exec(struct blx__db *db, const char *sql, blx_error *error);
int blx__db_prepare(struct blx__db *db, const char *sql, sqlite3_stmt **ret_stmt,
	blx_error *error);

/* What SQLite's last failure means: the disk's own if there was one, cancel, no memory;
 * else the file is damaged (reading) or cannot be written. */
int blx__db_fail(struct blx__db *db, int rc, blx_error *error);

/* The file is damaged, says its content: sets BLX_ECORRUPT with what to do about it. */
__attribute__((format(printf, 3, 4))) int blx__db_corrupt(const char *path, blx_error *error,
	const char *format, ...);

/* Valid UTF-8 as of RFC 3629, without NUL. */
bool blx__db_is_text(const void *data, size_t len);

/* Frees a statement variable when it goes out of scope. */
static inline void blx__db_stmtp(sqlite3_stmt **stmt)
{
	(void)sqlite3_finalize(*stmt);
}

#define BLX__CLEANUP_STMT __attribute__((cleanup(blx__db_stmtp)))

#endif
