/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/snapshot.h"

#include "base/assert.h"
#include "base/mem.h"
#include "snapshot/db.h"
#include "snapshot/dir.h"
#include "snapshot/meta.h"
#include "snapshot/pieces.h"
#include "store/path.h"

#include <stdio.h>
#include <string.h>

/* Rows between two looks at the cancel flag; SQLite's own looks see to the rest. */
#define ROWS_PER_CHECK 256

/* Rows between two reports of progress. */
#define ROWS_PER_PROGRESS 16384

struct writer {
	const struct blx__snapshot_write_opts *opts;
	struct blx__snapshot_info info; /* borrows the members of opts */
	struct blx__db db;
	sqlite3_stmt *stmt; /* owned; the insert under way */
	blx_error *error;
};

/* Runs the bound insert. */
static int insert(struct writer *writer, uint64_t rows)
{
	const struct blx__snapshot_ctl *ctl = &writer->opts->ctl;
	int rc = sqlite3_step(writer->stmt);

	(void)sqlite3_reset(writer->stmt);
	if (rc != SQLITE_DONE) {
		return blx__db_fail(&writer->db, rc, writer->error);
	}
	if (rows % ROWS_PER_CHECK == 0 && blx__vfs_cancelled(&writer->db.vfs)) {
		return blx__db_fail(&writer->db, SQLITE_INTERRUPT, writer->error);
	}
	if (rows % ROWS_PER_PROGRESS == 0 && ctl->progress != NULL) {
		ctl->progress(rows, 0, ctl->data);
	}
	return BLX_OK;
}

/* TEXT where that is the same bytes, so that SQL's text functions work on it. */
static void bind_value(sqlite3_stmt *stmt, int column, const void *data, size_t len)
{
	if (len == 0) {
		(void)sqlite3_bind_text(stmt, column, "", 0, SQLITE_STATIC);
	} else if (blx__db_is_text(data, len)) {
		(void)sqlite3_bind_text64(stmt, column, data, len, SQLITE_STATIC, SQLITE_UTF8);
	} else {
		(void)sqlite3_bind_blob64(stmt, column, data, len, SQLITE_STATIC);
	}
}

static int on_item(const struct blx__item *item, void *data)
{
	struct writer *writer = data;
	char path[BLX__PATH_TEXT_SIZE];
	size_t len = blx__path_format(blx__item_key(item), item->key_len, path);

	(void)sqlite3_bind_text(writer->stmt, 1, path, (int)len, SQLITE_STATIC);
	bind_value(writer->stmt, 2, blx__item_value(item), blx__item_value_len(item));
	(void)sqlite3_bind_int64(writer->stmt, 3, (sqlite3_int64)item->create_revision);
	(void)sqlite3_bind_int64(writer->stmt, 4, (sqlite3_int64)item->mod_revision);
	(void)sqlite3_bind_int64(writer->stmt, 5, (sqlite3_int64)item->version);
	if (item->keep_len == 0) {
		(void)sqlite3_bind_null(writer->stmt, 6);
	} else {
		(void)sqlite3_bind_blob64(writer->stmt, 6, blx__item_keep(item), item->keep_len,
			SQLITE_STATIC);
	}
	return insert(writer, ++writer->info.items);
}

static int on_session(uint64_t id, const void *bytes, size_t len, void *data)
{
	struct writer *writer = data;

	(void)sqlite3_bind_int64(writer->stmt, 1, (sqlite3_int64)id);
	(void)sqlite3_bind_blob64(writer->stmt, 2, len > 0 ? bytes : "", len, SQLITE_STATIC);
	return insert(writer, ++writer->info.sessions);
}

/* Makes the tables and says whose file this is. */
static int write_schema(struct writer *writer)
{
	char sql[128];
	size_t i;
	int rv;

	(void)snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d; BEGIN",
		BLX__SNAPSHOT_APPLICATION_ID, BLX__SNAPSHOT_FORMAT);
	rv = blx__db_exec(&writer->db, sql, writer->error);
	for (i = 0; rv == BLX_OK && i < BLX__DB_TABLES_COUNT; i++) {
		rv = blx__db_exec(&writer->db, blx__db_tables[i].sql, writer->error);
	}
	return rv;
}

static int write_items(struct writer *writer)
{
	int rv = blx__db_prepare(&writer->db, "INSERT INTO kv VALUES(?, ?, ?, ?, ?, ?)",
		&writer->stmt, writer->error);

	if (rv == BLX_OK) {
		rv = blx__image_each_item(writer->opts->image, on_item, writer);
	}
	(void)sqlite3_finalize(writer->stmt);
	writer->stmt = NULL;
	return rv;
}

static int write_sessions(struct writer *writer)
{
	int rv = blx__db_prepare(&writer->db, "INSERT INTO session VALUES(?, ?)", &writer->stmt,
		writer->error);

	if (rv == BLX_OK) {
		rv = blx__image_each_session(writer->opts->image, on_session, writer);
	}
	(void)sqlite3_finalize(writer->stmt);
	writer->stmt = NULL;
	return rv;
}

static int write_tables(struct writer *writer)
{
	int rv = write_schema(writer);

	if (rv == BLX_OK) {
		rv = write_items(writer);
	}
	if (rv == BLX_OK) {
		rv = write_sessions(writer);
	}
	if (rv == BLX_OK) {
		writer->info.hash = blx__image_hash(writer->opts->image);
		rv = blx__snapshot_meta_write(&writer->db, &writer->info, writer->error);
	}
	return rv != BLX_OK ? rv : blx__db_exec(&writer->db, "COMMIT", writer->error);
}

static int write_db(struct writer *writer, const char *path)
{
	blx_error closing = BLX_ERROR_INIT;
	int rv = blx__db_open_write(&writer->db, path, &writer->opts->ctl, writer->error);
	int rc;

	if (rv == BLX_OK) {
		rv = write_tables(writer);
	}
	rc = blx__db_close(&writer->db, &closing);
	if (rv == BLX_OK && rc != BLX_OK) {
		blx__error_copy(writer->error, &closing);
		rv = rc;
	}
	return rv;
}

/* Makes the content durable. */
static int sync_file(const struct blx__files *files, const char *path, blx_error *error)
{
	struct blx__file *file;
	int rv = files->ops->open(files, path, BLX__OPEN_WRITE, &file, error);

	if (rv != BLX_OK) {
		return rv;
	}
	rv = files->ops->sync(file, error);
	files->ops->close(file);
	return rv;
}

/* The directory of a path, to be freed; NULL when there is no memory. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL) {
		return blx__strdup(".");
	}
	return slash == path ? blx__strdup("/") : blx__strndup(path, (size_t)(slash - path));
}

/* From here on the file is there, complete, after whatever happens. */
static int publish(const struct blx__files *files, const char *from, const char *to,
	blx_error *error)
{
	BLX__CLEANUP_FREE char *dir = directory_of(to);
	int rv;

	if (dir == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "writing snapshot %s: out of memory", to);
	}
	rv = files->ops->rename(files, from, to, error);
	return rv != BLX_OK ? rv : files->ops->sync_dir(files, dir, error);
}

static int write_file(struct writer *writer, const char *tmp)
{
	const struct blx__snapshot_write_opts *opts = writer->opts;
	int rv = write_db(writer, tmp);

	if (rv == BLX_OK) {
		rv = sync_file(opts->ctl.files, tmp, writer->error);
	}
	if (rv == BLX_OK) {
		rv = blx__snapshot_crc(tmp, &opts->ctl, &writer->info.size, &writer->info.crc,
			writer->error);
	}
	return rv != BLX_OK ? rv : publish(opts->ctl.files, tmp, opts->path, writer->error);
}

static bool text_fits(const char *text)
{
	return strlen(text) <= BLX__SNAPSHOT_TEXT_MAX && blx__db_is_text(text, strlen(text));
}

/* What could be written but not be read again is refused. */
static int check_opts(const struct blx__snapshot_write_opts *opts, blx_error *error)
{
	size_t i;

	if (opts->members_count > BLX__SNAPSHOT_MEMBERS_MAX) {
		return blx__error_set(error, BLX_EINVAL, "snapshot %s: more than %d members",
			opts->path, BLX__SNAPSHOT_MEMBERS_MAX);
	}
	if (opts->product != NULL && !text_fits(opts->product)) {
		return blx__error_set(error, BLX_EINVAL, "snapshot %s: product is malformed",
			opts->path);
	}
	for (i = 0; i < opts->members_count; i++) {
		const struct blx__snapshot_member *member = &opts->members[i];

		if (!text_fits(member->name) || !text_fits(member->address) ||
			!text_fits(member->role)) {
			return blx__error_set(error, BLX_EINVAL,
				"snapshot %s: member %zu is malformed", opts->path, i);
		}
	}
	return BLX_OK;
}

/* An earlier try that was cut off may have left one. */
static int remove_tmp(const struct blx__files *files, const char *tmp, blx_error *error)
{
	blx_error failure = BLX_ERROR_INIT;
	int rv = files->ops->remove(files, tmp, &failure);

	if (rv == BLX_OK || rv == BLX_ENOENT) {
		return BLX_OK;
	}
	blx__error_copy(error, &failure);
	return rv;
}

static void init_info(struct blx__snapshot_info *info, const struct blx__snapshot_write_opts *opts)
{
	*info = (struct blx__snapshot_info){
		.meta = *blx__image_meta(opts->image),
		.format = BLX__SNAPSHOT_FORMAT,
		/* Read only while it is written, and not given away. */
		.members = (struct blx__snapshot_member *)(uintptr_t)opts->members,
		.members_count = opts->members_count,
	};
	if (opts->product != NULL) {
		memcpy(info->product, opts->product, strlen(opts->product) + 1);
	}
}

int blx__snapshot_write(const struct blx__snapshot_write_opts *opts,
	struct blx__snapshot_info *ret_info, blx_error *error)
{
	blx_error ignored = BLX_ERROR_INIT;
	struct writer writer = { .opts = opts, .error = error != NULL ? error : &ignored };
	BLX__CLEANUP_FREE char *tmp = NULL;
	int rv = check_opts(opts, error);

	if (rv != BLX_OK) {
		return rv;
	}
	tmp = blx__malloc(strlen(opts->path) + sizeof BLX__SNAPSHOT_TMP_SUFFIX);
	if (tmp == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "snapshot %s: out of memory", opts->path);
	}
	(void)stpcpy(stpcpy(tmp, opts->path), BLX__SNAPSHOT_TMP_SUFFIX);
	rv = remove_tmp(opts->ctl.files, tmp, error);
	if (rv != BLX_OK) {
		return rv;
	}
	init_info(&writer.info, opts);
	rv = write_file(&writer, tmp);
	if (rv != BLX_OK) {
		(void)remove_tmp(opts->ctl.files, tmp, NULL); /* the failure is told already */
		return rv;
	}
	if (ret_info != NULL) {
		*ret_info = writer.info;
		ret_info->members = NULL;
		ret_info->members_count = 0;
	}
	return BLX_OK;
}
