/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/meta.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 8 hex digits. */
#define CRC_TEXT_SIZE 9

/* The numbers of meta, in the order of number_names. */
enum number {
	NUMBER_FORMAT,
	NUMBER_INDEX,
	NUMBER_ITEMS,
	NUMBER_MEMBERS,
	NUMBER_REVISION,
	NUMBER_SESSIONS,
	NUMBER_TERM,
	NUMBER_TIME_MS,
	NUMBER_COUNT
};

static const char *const number_names[NUMBER_COUNT] = {
	"format", "index", "items", "members", "revision", "sessions", "term", "time_ms",
};

/* The texts, likewise. */
enum text { TEXT_CLUSTER_ID, TEXT_HASH, TEXT_META_CRC, TEXT_PRODUCT, TEXT_COUNT };

static const char *const text_names[TEXT_COUNT] = { "cluster_id", "hash", "meta_crc", "product" };

/* Meta as it is in the table. */
struct rows {
	uint64_t numbers[NUMBER_COUNT];
	char texts[TEXT_COUNT][BLX__SNAPSHOT_TEXT_MAX + 1];
	unsigned numbers_seen; /* bit set */
	unsigned texts_seen;
};

static void format_hex(const uint8_t *bytes, size_t len, char *ret_text)
{
	size_t i;

	for (i = 0; i < len; i++) {
		(void)snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Exactly 2 * len digits. */
static bool parse_hex(const char *text, uint8_t *ret_bytes, size_t len)
{
	size_t i;

	if (strlen(text) != 2 * len) {
		return false;
	}
	for (i = 0; i < len; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static uint32_t crc_number(uint32_t crc, uint64_t number)
{
	uint8_t bytes[8];

	blx__store_u64(bytes, number);
	return blx__crc32c(crc, bytes, sizeof bytes);
}

/* With the NUL, so that texts do not run into each other. */
static uint32_t crc_text(uint32_t crc, const char *text)
{
	return blx__crc32c(crc, text, strlen(text) + 1);
}

/* Over all of meta but itself, and member: what the hash of the content does not cover.
 * The members' parts are added up, as their order in the table is not the caller's. */
static uint32_t crc_of(const struct rows *rows, const struct blx__snapshot_info *info)
{
	uint32_t crc = 0;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < NUMBER_COUNT; i++) {
		crc = crc_number(crc, rows->numbers[i]);
	}
	for (i = 0; i < TEXT_COUNT; i++) {
		crc = i == TEXT_META_CRC ? crc : crc_text(crc, rows->texts[i]);
	}
	for (i = 0; i < info->members_count; i++) {
		uint32_t part = crc_number(0, info->members[i].id);

		part = crc_text(part, info->members[i].name);
		part = crc_text(part, info->members[i].address);
		sum += crc_text(part, info->members[i].role);
	}
	return crc + sum;
}

static void format_crc(uint32_t crc, char ret_text[CRC_TEXT_SIZE])
{
	(void)snprintf(ret_text, CRC_TEXT_SIZE, "%08" PRIx32, crc);
}

static void rows_of_info(struct rows *rows, const struct blx__snapshot_info *info)
{
	*rows = (struct rows){ 0 };
	rows->numbers[NUMBER_FORMAT] = BLX__SNAPSHOT_FORMAT;
	rows->numbers[NUMBER_INDEX] = info->meta.index;
	rows->numbers[NUMBER_ITEMS] = info->items;
	rows->numbers[NUMBER_MEMBERS] = info->members_count;
	rows->numbers[NUMBER_REVISION] = info->meta.revision;
	rows->numbers[NUMBER_SESSIONS] = info->sessions;
	rows->numbers[NUMBER_TERM] = info->meta.term;
	rows->numbers[NUMBER_TIME_MS] = (uint64_t)info->meta.time_ms;
	format_hex(info->meta.cluster_id, sizeof info->meta.cluster_id,
		rows->texts[TEXT_CLUSTER_ID]);
	(void)snprintf(rows->texts[TEXT_HASH], sizeof rows->texts[TEXT_HASH], "%016" PRIx64,
		info->hash);
	memcpy(rows->texts[TEXT_PRODUCT], info->product, sizeof info->product);
	format_crc(crc_of(rows, info), rows->texts[TEXT_META_CRC]);
}

/* Runs a bound statement that gives no rows, and readies it for the next. */
static int step_done(struct blx__db *db, sqlite3_stmt *stmt, blx_error *error)
{
	int rc = sqlite3_step(stmt);

	(void)sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? BLX_OK : blx__db_fail(db, rc, error);
}

static int write_rows(struct blx__db *db, const struct rows *rows, blx_error *error)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rv = blx__db_prepare(db, "INSERT INTO meta VALUES(?, ?)", &stmt, error);
	unsigned i;

	for (i = 0; rv == BLX_OK && i < NUMBER_COUNT; i++) {
		(void)sqlite3_bind_text(stmt, 1, number_names[i], -1, SQLITE_STATIC);
		(void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)rows->numbers[i]);
		rv = step_done(db, stmt, error);
	}
	for (i = 0; rv == BLX_OK && i < TEXT_COUNT; i++) {
		(void)sqlite3_bind_text(stmt, 1, text_names[i], -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 2, rows->texts[i], -1, SQLITE_STATIC);
		rv = step_done(db, stmt, error);
	}
	return rv;
}

static int write_members(struct blx__db *db, const struct blx__snapshot_info *info,
	blx_error *error)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rv = blx__db_prepare(db, "INSERT INTO member VALUES(?, ?, ?, ?)", &stmt, error);
	size_t i;

	for (i = 0; rv == BLX_OK && i < info->members_count; i++) {
		const struct blx__snapshot_member *member = &info->members[i];

		(void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)member->id);
		(void)sqlite3_bind_text(stmt, 2, member->name, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 3, member->address, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 4, member->role, -1, SQLITE_STATIC);
		rv = step_done(db, stmt, error);
	}
	return rv;
}

int blx__snapshot_meta_write(struct blx__db *db, const struct blx__snapshot_info *info,
	blx_error *error)
{
	struct rows rows;
	int rv;

	rows_of_info(&rows, info);
	rv = write_rows(db, &rows, error);
	return rv != BLX_OK ? rv : write_members(db, info, error);
}

/* The text in a column; NULL if it is none, too long, or not what a C string can hold. */
static const char *column_text(sqlite3_stmt *stmt, int column)
{
	const char *text;
	int len;

	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT) {
		return NULL;
	}
	text = (const char *)sqlite3_column_text(stmt, column);
	len = sqlite3_column_bytes(stmt, column);
	if (text == NULL || len > BLX__SNAPSHOT_TEXT_MAX || !blx__db_is_text(text, (size_t)len)) {
		return NULL;
	}
	return text;
}

/* A row is not as it must be, unless SQLite had no memory to give it. */
static int malformed(struct blx__db *db, const char *table, blx_error *error)
{
	if (sqlite3_errcode(db->handle) == SQLITE_NOMEM) {
		return blx__db_fail(db, SQLITE_NOMEM, error);
	}
	return blx__db_corrupt(db->path, error, "a row of %s is malformed", table);
}

/* Takes in a row; one that this version does not know is left alone. */
static bool rows_take(struct rows *rows, sqlite3_stmt *stmt)
{
	const char *key = column_text(stmt, 0);
	unsigned i;

	for (i = 0; key != NULL && i < NUMBER_COUNT; i++) {
		if (strcmp(key, number_names[i]) == 0) {
			rows->numbers[i] = (uint64_t)sqlite3_column_int64(stmt, 1);
			rows->numbers_seen |= 1u << i;
			return sqlite3_column_type(stmt, 1) == SQLITE_INTEGER;
		}
	}
	for (i = 0; key != NULL && i < TEXT_COUNT; i++) {
		if (strcmp(key, text_names[i]) == 0) {
			const char *text = column_text(stmt, 1);

			if (text == NULL) {
				return false;
			}
			memcpy(rows->texts[i], text, strlen(text) + 1);
			rows->texts_seen |= 1u << i;
			return true;
		}
	}
	return key != NULL;
}

static int read_rows(struct blx__db *db, struct rows *ret_rows, blx_error *error)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	struct rows rows = { 0 };
	int rv = blx__db_prepare(db, "SELECT key, value FROM meta", &stmt, error);
	int rc;

	if (rv != BLX_OK) {
		return rv;
	}
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!rows_take(&rows, stmt)) {
			return malformed(db, "meta", error);
		}
	}
	if (rc != SQLITE_DONE) {
		return blx__db_fail(db, rc, error);
	}
	if (rows.numbers_seen != (1u << NUMBER_COUNT) - 1 ||
		rows.texts_seen != (1u << TEXT_COUNT) - 1) {
		return blx__db_corrupt(db->path, error, "a row of meta is missing");
	}
	*ret_rows = rows;
	return BLX_OK;
}

static int info_of_rows(struct blx__snapshot_info *info, const struct rows *rows,
	const char *path, blx_error *error)
{
	uint8_t hash[8];
	unsigned i;

	if (rows->numbers[NUMBER_FORMAT] != BLX__SNAPSHOT_FORMAT) {
		return blx__db_corrupt(path, error, "meta tells another format than the header");
	}
	if (!parse_hex(rows->texts[TEXT_CLUSTER_ID], info->meta.cluster_id,
		sizeof info->meta.cluster_id)) {
		return blx__db_corrupt(path, error, "cluster_id is not 32 hex digits");
	}
	if (!parse_hex(rows->texts[TEXT_HASH], hash, sizeof hash)) {
		return blx__db_corrupt(path, error, "hash is not 16 hex digits");
	}
	info->format = BLX__SNAPSHOT_FORMAT;
	info->meta.index = rows->numbers[NUMBER_INDEX];
	info->meta.term = rows->numbers[NUMBER_TERM];
	info->meta.revision = rows->numbers[NUMBER_REVISION];
	info->meta.time_ms = (int64_t)rows->numbers[NUMBER_TIME_MS];
	info->items = rows->numbers[NUMBER_ITEMS];
	info->sessions = rows->numbers[NUMBER_SESSIONS];
	for (i = 0; i < sizeof hash; i++) {
		info->hash = info->hash << 8 | hash[i];
	}
	memcpy(info->product, rows->texts[TEXT_PRODUCT], sizeof info->product);
	return BLX_OK;
}

/* Copies a column's text; *ret_text is NULL if it is malformed or there is no memory. */
static int copy_text(struct blx__db *db, sqlite3_stmt *stmt, int column, const char **ret_text,
	blx_error *error)
{
	const char *text = column_text(stmt, column);

	if (text == NULL) {
		return malformed(db, "member", error);
	}
	*ret_text = blx__strdup(text);
	if (*ret_text == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "snapshot %s: out of memory", db->path);
	}
	return BLX_OK;
}

static int read_member(struct blx__db *db, sqlite3_stmt *stmt,
	struct blx__snapshot_member *member, blx_error *error)
{
	int rv;

	*member = (struct blx__snapshot_member){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
	};
	rv = copy_text(db, stmt, 1, &member->name, error);
	if (rv == BLX_OK) {
		rv = copy_text(db, stmt, 2, &member->address, error);
	}
	return rv != BLX_OK ? rv : copy_text(db, stmt, 3, &member->role, error);
}

static int read_members(struct blx__db *db, struct blx__snapshot_info *info, size_t count,
	blx_error *error)
{
	BLX__CLEANUP_STMT sqlite3_stmt *stmt = NULL;
	int rv = blx__db_prepare(db, "SELECT id, name, address, role FROM member ORDER BY id",
		&stmt, error);
	int rc = SQLITE_DONE;

	if (rv == BLX_OK && count > 0) {
		info->members = blx__calloc(count, sizeof *info->members);
		if (info->members == NULL) {
			return blx__error_set(error, BLX_ENOMEM, "snapshot %s: out of memory",
				db->path);
		}
	}
	while (rv == BLX_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (info->members_count == count) {
			return blx__db_corrupt(db->path, error, "there are more than %zu members",
				count);
		}
		rv = read_member(db, stmt, &info->members[info->members_count++], error);
	}
	if (rv != BLX_OK) {
		return rv;
	}
	if (rc != SQLITE_DONE) {
		return blx__db_fail(db, rc, error);
	}
	if (info->members_count != count) {
		return blx__db_corrupt(db->path, error, "there are %zu members instead of %zu",
			info->members_count, count);
	}
	return BLX_OK;
}

int blx__snapshot_meta_read(struct blx__db *db, struct blx__snapshot_info *info,
	blx_error *error)
{
	char crc[CRC_TEXT_SIZE];
	struct rows rows;
	int rv = read_rows(db, &rows, error);

	if (rv == BLX_OK) {
		rv = info_of_rows(info, &rows, db->path, error);
	}
	if (rv != BLX_OK) {
		return rv;
	}
	if (rows.numbers[NUMBER_MEMBERS] > BLX__SNAPSHOT_MEMBERS_MAX) {
		return blx__db_corrupt(db->path, error, "it tells of too many members");
	}
	rv = read_members(db, info, (size_t)rows.numbers[NUMBER_MEMBERS], error);
	if (rv != BLX_OK) {
		return rv;
	}
	format_crc(crc_of(&rows, info), crc);
	if (strcmp(crc, rows.texts[TEXT_META_CRC]) != 0) {
		return blx__db_corrupt(db->path, error, "meta_crc is %s instead of %s",
			rows.texts[TEXT_META_CRC], crc);
	}
	return BLX_OK;
}

void blx__snapshot_info_finish(struct blx__snapshot_info *info)
{
	size_t i;

	for (i = 0; i < info->members_count; i++) {
		blx__free((void *)(uintptr_t)info->members[i].name);
		blx__free((void *)(uintptr_t)info->members[i].address);
		blx__free((void *)(uintptr_t)info->members[i].role);
	}
	blx__free(info->members);
	*info = (struct blx__snapshot_info){ 0 };
}
