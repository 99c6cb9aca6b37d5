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
			"snapshot %s has format %" PRIu32
			", this program reads up to %d: upgrade it",
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
		return blx__db_corrupt(loader->path, loader->error,
			"it is too short for a snapshot");
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

static int add_failed(struct loader *loader, int rv, const char *table, uint64_t row)
{
	if (rv == BLX_ENOMEM) {
		return blx__error_set(loader->error, BLX_ENOMEM,
			"loading snapshot %s: out of memory", loader->path);
	}
	return blx__db_corrupt(loader->path, loader->error, "row %" PRIu64 " of %s is malformed",
		row, table);
}

/* A row of kv as an item; false if it is malformed. */
static bool item_of_row(const struct loader *loader, sqlite3_stmt *stmt,
	uint8_t key[BLX__KEY_LEN_MAX], struct blx__image_item *ret_item)
{
	/* Asked first: reading it as text would make it one. */
	bool is_text = sqlite3_column_type(stmt, 0) == SQLITE_TEXT;
	const char *path = (const char *)sqlite3_column_text(stmt, 0);
	size_t path_len = (size_t)sqlite3_column_bytes(stmt, 0);
	struct blx__image_item item = { .key = key };
	char canonical[BLX__PATH_TEXT_SIZE];
	int i;

	if (path == NULL || !is_text ||
		blx__path_parse(path, path_len, key, &item.key_len, NULL, NULL) != BLX_OK ||
		blx__path_format(key, item.key_len, canonical) != path_len ||
		memcmp(canonical, path, path_len) != 0) {
		return false;
	}
	item.value = column_bytes(stmt, 1, &item.value_len);
	for (i = 2; i <= 4; i++) {
		if (sqlite3_column_type(stmt, i) != SQLITE_INTEGER) {
			return false;
		}
	}
	item.create_revision = (uint64_t)sqlite3_column_int64(stmt, 2);
	item.mod_revision = (uint64_t)sqlite3_column_int64(stmt, 3);
	item.version = (uint64_t)sqlite3_column_int64(stmt, 4);
	if (sqlite3_column_type(stmt, 5) != SQLITE_NULL) {
		item.keep = column_bytes(stmt, 5, &item.keep_len);
		if (item.keep == NULL || item.keep_len == 0) {
			return false;
		}
	}
	*ret_item = item;
	return item.value != NULL && item.value_len <= BLX_VALUE_LEN_MAX &&
		item.create_revision >= 1 && item.create_revision <= item.mod_revision &&
		item.mod_revision <= loader->info.meta.revision && item.version >= 1;
}

/* The rows ended as they should, and as many as meta tells of. */
static int check_count(struct loader *loader, int rc, const char *table, uint64_t seen,
	uint64_t told)
{
	if (rc != SQLITE_DONE) {
		return blx__db_fail(&loader->db, rc, loader->error);
	}
	if (seen != told) {
		return blx__db_corrupt(loader->path, loader->error,
			"%s has %" PRIu64 " rows instead of %" PRIu64, table, seen, told);
	}
	return BLX_OK;
}

static int load_items(struct loader *loader)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__image_item item;
	uint64_t count = 0;
	int rc = SQLITE_DONE;
	int rv = blx__db_prepare(&loader->db,
		"SELECT path, value, create_revision, mod_revision, version, keep FROM kv "
		"ORDER BY path",
		&stmt, loader->error);

	while (rv == BLX_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		count++;
		if (!item_of_row(loader, stmt, key, &item)) {
			return add_failed(loader, BLX_EINVAL, "kv", count);
		}
		rv = blx__image_builder_add_item(loader->builder, &item);
		rv = rv != BLX_OK ? add_failed(loader, rv, "kv", count) : count_row(loader, count);
	}
	return rv != BLX_OK ? rv : check_count(loader, rc, "kv", count,
					  loader->info.items);
}

/* Ids have no sign but SQLite's integers do: those with the highest bit come second. */
static int load_sessions_of(struct loader *loader, const char *sql, uint64_t *count)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_DONE;
	int rv = blx__db_prepare(&loader->db, sql, &stmt, loader->error);

	while (rv == BLX_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);
		size_t len = 0;
		const void *state = column_bytes(stmt, 1, &len);

		++*count;
		if (state == NULL) {
			return add_failed(loader, BLX_EINVAL, "session", *count);
		}
		rv = blx__image_builder_add_session(loader->builder, id, state, len);
		rv = rv != BLX_OK ? add_failed(loader, rv, "session", *count)
				  : count_row(loader, *count);
	}
	return rv != BLX_OK ? rv : check_count(loader, rc, "session", 0, 0);
}

static int load_sessions(struct loader *loader)
{
	uint64_t count = 0;
	int rv = load_sessions_of(loader,
		"SELECT id, state FROM session WHERE id >= 0 ORDER BY id", &count);

	if (rv == BLX_OK) {
		rv = load_sessions_of(loader,
			"SELECT id, state FROM session WHERE id < 0 ORDER BY id", &count);
	}
	return rv != BLX_OK ? rv : check_count(loader, SQLITE_DONE, "session", count,
					  loader->info.sessions);
}

/* Gives the image if its content has the hash that the file tells. */
static int finish_image(struct loader *loader, struct blx__image **ret_image)
{
	struct blx__image *image;
	uint64_t hash;
	int rv = blx__image_builder_finish(loader->builder, &image);

	if (rv != BLX_OK) {
		return add_failed(loader, rv, "session", 0);
	}
	hash = blx__image_hash(image);
	if (hash != loader->info.hash) {
		blx__image_unref(image);
		return blx__db_corrupt(loader->path, loader->error,
			"its content has the hash %016" PRIx64 " instead of %016" PRIx64, hash,
			loader->info.hash);
	}
	*ret_image = image;
	return BLX_OK;
}

static int load_content(struct loader *loader, struct blx__image **ret_image)
{
	int rv = blx__image_builder_create(&loader->info.meta, &loader->builder);

	if (rv != BLX_OK) {
		loader->builder = NULL;
		return add_failed(loader, rv, "meta", 0);
	}
	rv = load_items(loader);
	if (rv == BLX_OK) {
		rv = load_sessions(loader);
	}
	return rv != BLX_OK ? rv : finish_image(loader, ret_image);
}

/* What the file says of itself, from a database that is open. */
static int load_meta(struct loader *loader)
{
	int rv = check_schema(loader);

	if (rv != BLX_OK) {
		return rv;
	}
	return blx__snapshot_meta_read(&loader->db, &loader->info, loader->error);
}

static int load_db(struct loader *loader, struct blx__image **ret_image)
{
	int rv = load_meta(loader);

	if (rv == BLX_OK) {
		rv = check_integrity(loader);
	}
	return rv != BLX_OK ? rv : load_content(loader, ret_image);
}

static int load_file(struct loader *loader, struct blx__image **ret_image)
{
	uint64_t size;
	int rv = read_header(loader);

	if (rv == BLX_OK) {
		rv = blx__snapshot_crc(loader->path, loader->ctl, &size, &loader->info.crc,
			loader->error);
	}
	if (rv != BLX_OK) {
		return rv;
	}
	rv = blx__db_open_read(&loader->db, loader->path, loader->ctl, loader->error);
	if (rv == BLX_OK) {
		rv = load_db(loader, ret_image);
	}
	blx__image_builder_destroy(loader->builder);
	(void)blx__db_close(&loader->db, NULL); /* nothing is written; reading was judged */
	return rv;
}

/* Hands the info over, or frees it. */
static int finish_info(struct loader *loader, int rv, struct blx__snapshot_info *ret_info)
{
	if (rv == BLX_OK && ret_info != NULL) {
		*ret_info = loader->info;
	} else {
		blx__snapshot_info_finish(&loader->info);
	}
	return rv;
}

int blx__snapshot_load(const char *path, const struct blx__snapshot_ctl *ctl,
	struct blx__image **ret_image, struct blx__snapshot_info *ret_info, blx_error *error)
{
	struct loader loader = { .ctl = ctl, .path = path, .error = error };

	return finish_info(&loader, load_file(&loader, ret_image), ret_info);
}

int blx__snapshot_verify(const char *path, const struct blx__snapshot_ctl *ctl,
	struct blx__snapshot_info *ret_info, blx_error *error)
{
	struct blx__image *image;
	int rv = blx__snapshot_load(path, ctl, &image, ret_info, error);

	if (rv == BLX_OK) {
		blx__image_unref(image);
	}
	return rv;
}

int blx__snapshot_inspect(const struct blx__files *files, const char *path,
	struct blx__snapshot_info *ret_info, blx_error *error)
{
	struct blx__snapshot_ctl ctl = { .files = files };
	struct loader loader = { .ctl = &ctl, .path = path, .error = error };
	int rv = read_header(&loader);

	if (rv != BLX_OK) {
		return rv;
	}
	rv = blx__db_open_read(&loader.db, path, &ctl, error);
	if (rv == BLX_OK) {
		rv = load_meta(&loader);
	}
	(void)blx__db_close(&loader.db, NULL); /* nothing is written; reading was judged */
	return finish_info(&loader, rv, ret_info);
}
