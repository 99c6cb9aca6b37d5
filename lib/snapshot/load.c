/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/snapshot.h"

#include "base/assert.h"
#include "snapshot/db.h"
#include "snapshot/meta.h"
#include "snapshot/pieces.h"
#include "store/path.h"

#include <inttypes.h>
#include <string.h>

/* Rows between two looks at the cancel flag; SQLite's own looks see to the rest. */
#define ROWS_PER_CHECK 256

/* Rows between two reports of progress. */
#define ROWS_PER_PROGRESS 16384

/* Where the header of an SQLite file has what (numbers are big endian). */
enum header_at {
	HEADER_PAGE_SIZE = 16,
	HEADER_WRITE_VERSION = 18,
	HEADER_READ_VERSION = 19,
	HEADER_PAGES = 28,
	HEADER_ENCODING = 56,
	HEADER_USER_VERSION = 60,
	HEADER_APPLICATION_ID = 68,
	HEADER_LEN = 100
};

static const char header_magic[16] = "SQLite format 3";

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One file being read. */
struct loader {
	const struct blx__snapshot_ctl *ctl;
	const char *path;
	struct blx__snapshot_info info;
	struct blx__db db;
	struct blx__image_builder *builder; /* owned */
	blx_error *error;
};

/* Is it a database of ours, in a format we know, and as long as it says? */
static int check_header(const uint8_t *header, uint64_t size, const char *path,
	blx_error *error)
{
	uint32_t page_size = (uint32_t)header[HEADER_PAGE_SIZE] << 8 | header[HEADER_PAGE_SIZE + 1];
	uint32_t format = load_be32(header + HEADER_USER_VERSION);

	if (memcmp(header, header_magic, sizeof header_magic) != 0 ||
		load_be32(header + HEADER_APPLICATION_ID) != BLX__SNAPSHOT_APPLICATION_ID) {
		return blx__db_corrupt(path, error, "it is not a snapshot");
	}
	if (format > BLX__SNAPSHOT_FORMAT && format <= INT32_MAX) {
		return blx__error_set(error, BLX_EVERSION,
			"snapshot %s has format %" PRIu32 ", this program reads up to %d: upgrade it",
			path, format, BLX__SNAPSHOT_FORMAT);
	}
	if (format != BLX__SNAPSHOT_FORMAT) {
		return blx__db_corrupt(path, error, "its format is %" PRIu32, format);
	}
	page_size = page_size == 1 ? 65536 : page_size;
	if ((uint64_t)page_size * load_be32(header + HEADER_PAGES) != size) {
		return blx__db_corrupt(path, error, "it has %" PRIu64 " bytes instead of %" PRIu64,
			size, (uint64_t)page_size * load_be32(header + HEADER_PAGES));
	}
	if (header[HEADER_WRITE_VERSION] != 1 || header[HEADER_READ_VERSION] != 1 ||
		load_be32(header + HEADER_ENCODING) != 1) {
		return blx__db_corrupt(path, error, "its header is not that of a snapshot");
	}
	return BLX_OK;
}

static int read_header(struct loader *loader)
{
	const struct blx__files *files = loader->ctl->files;
	uint8_t header[HEADER_LEN];
	struct blx__file *file;
	size_t len = 0;
	int rv = files->ops->open(files, loader->path, BLX__OPEN_READ, &file, loader->error);

	if (rv != BLX_OK) {
		return rv;
	}
	rv = files->ops->size(file, &loader->info.size, loader->error);
	if (rv == BLX_OK) {
		rv = files->ops->read(file, header, sizeof header, 0, &len, loader->error);
	}
	files->ops->close(file);
	if (rv != BLX_OK) {
		return rv;
	}
	if (len < sizeof header) {
		return blx__db_corrupt(loader->path, loader->error, "it is too short for a snapshot");
	}
	return check_header(header, loader->info.size, loader->path, loader->error);
}

/* Nothing but our tables, defined as we do: no view, trigger or generated column that
 * would have SQLite compute what the file wants. */
static int check_schema(struct loader *loader)
{
	struct blx__db *db = &loader->db;
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rv = blx__db_prepare(db, "SELECT name, sql FROM sqlite_master ORDER BY name", &stmt,
		loader->error);
	size_t count = 0;
	int rc;

	if (rv != BLX_OK) {
		return rv;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *sql = (const char *)sqlite3_column_text(stmt, 1);

		if (count == BLX__DB_TABLES_COUNT || name == NULL || sql == NULL ||
			strcmp(name, blx__db_tables[count].name) != 0 ||
			strcmp(sql, blx__db_tables[count].sql) != 0) {
			return blx__db_corrupt(loader->path, loader->error,
				"its tables are not those of a snapshot");
		}
		count++;
	}
	if (rc != SQLITE_DONE) {
		return blx__db_fail(db, rc, loader->error);
	}
	if (count != BLX__DB_TABLES_COUNT) {
		return blx__db_corrupt(loader->path, loader->error, "a table is missing");
	}
	return BLX_OK;
}

/* SQLite's own check of its trees and pages. */
static int check_integrity(struct loader *loader)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rv = blx__db_prepare(&loader->db, "PRAGMA integrity_check(1)", &stmt, loader->error);
	const char *text;
	int rc;

	if (rv != BLX_OK) {
		return rv;
	}
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		return blx__db_fail(&loader->db, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc,
			loader->error);
	}
	/* It reports a failing disk, and a cancel, as damage: those were noted below it. */
	if (loader->db.vfs.error.code != BLX_OK) {
		return blx__db_fail(&loader->db, SQLITE_IOERR, loader->error);
	}
	text = (const char *)sqlite3_column_text(stmt, 0);
	if (text == NULL || strcmp(text, "ok") != 0) {
		return blx__db_corrupt(loader->path, loader->error, "%s",
			text != NULL ? text : "SQLite's check gave nothing");
	}
	return BLX_OK;
}

/* Looks at the cancel flag and tells the progress now and then. */
static int count_row(struct loader *loader, uint64_t rows)
{
	const struct blx__snapshot_ctl *ctl = loader->ctl;

	if (rows % ROWS_PER_CHECK == 0 && blx__vfs_cancelled(&loader->db.vfs)) {
		return blx__db_fail(&loader->db, SQLITE_INTERRUPT, loader->error);
	}
	if (rows % ROWS_PER_PROGRESS == 0 && ctl->progress != NULL) {
		ctl->progress(rows, loader->info.items, ctl->data);
	}
	return BLX_OK;
}

/* The bytes of a TEXT or BLOB column; NULL if it is neither. Borrowed until the next step. */
static const void *column_bytes(sqlite3_stmt *stmt, int column, size_t *ret_len)
{
	int type = sqlite3_column_type(stmt, column);
	const void *data;

	if (type != SQLITE_TEXT && type != SQLITE_BLOB) {
		return NULL;
	}
	/* Of TEXT, too, the stored bytes: the encoding is UTF-8, nothing is converted. */
	data = sqlite3_column_blob(stmt, column);
	*ret_len = (size_t)sqlite3_column_bytes(stmt, column);
	return data == NULL && *ret_len == 0 ? "" : data;
}
