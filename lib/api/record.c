/* SPDX-License-Identifier: Apache-2.0 */
/* Records by the public calls: a table's, on values of the store. */
#include <blixard/record.h>

#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "record/fields.h"
#include "store/path.h"

#include <blixard/txn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct blx__record *record_of(int kind, blx_error *error)
{
	const struct blx__record *record = blx__record_of(kind);

	if (record == NULL) {
		(void)blx__error_set(error, BLX_EINVAL, "record: there is no kind %d", kind);
	}
	return record;
}

void blx_record_init(int kind, void *record)
{
	const struct blx__record *table = blx__record_of(kind);

	if (table != NULL && record != NULL) {
		memset(record, 0, table->size);
	}
}

void blx_record_clear(int kind, void *record)
{
	const struct blx__record *table = blx__record_of(kind);

	if (table != NULL && record != NULL) {
		blx__free(*(char **)((char *)record + table->extra_at));
		memset(record, 0, table->size);
	}
}

int blx_record_kind_of(const char *path, const char **ret_name)
{
	int kind;

	for (kind = 0; path != NULL && path[0] == '/' && kind < BLX_RECORD_KINDS; kind++) {
		const char *dir = blx__record_of(kind)->dir;
		size_t len = strlen(dir);

		if (strncmp(path + 1, dir, len) == 0 && path[1 + len] == '/' &&
			path[2 + len] != '\0' && strchr(path + 2 + len, '/') == NULL) {
			if (ret_name != NULL) {
				*ret_name = path + 2 + len;
			}
			return kind;
		}
	}
	return -1;
}

int blx_record_decode(int kind, const void *text, size_t len, void *record, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);

	if (table == NULL || record == NULL || (text == NULL && len > 0)) {
		return blx__error_set(error, BLX_EINVAL, "record: nothing to read, or nowhere to");
	}
	return blx__record_decode(table, text, len, record, error);
}

/* To be freed with free(). */
static char *encode(const struct blx__record *table, const void *record, blx_error *error)
{
	json_t *root = blx__record_write(table, record, error);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	if (root != NULL && text == NULL) {
		(void)blx__error_set(error, BLX_ENOMEM, "%s: out of memory", table->what);
	}
	json_decref(root);
	return text;
}

int blx_record_encode(int kind, const void *record, char **ret_text, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_error why = BLX_ERROR_INIT;
	char *text;

	if (table == NULL || record == NULL || ret_text == NULL) {
		return blx__error_set(error, BLX_EINVAL, "record: nothing to write, or nowhere to");
	}
	text = encode(table, record, &why);
	if (text == NULL) {
		blx__error_copy(error, &why);
		return why.code;
	}
	*ret_text = blx__strdup(text);
	free(text);
	return *ret_text != NULL
		? 0
		: blx__error_set(error, BLX_ENOMEM, "%s: out of memory", table->what);
}

static const struct blx__field *enum_of(int kind, const char *name)
{
	const struct blx__record *table = blx__record_of(kind);
	const struct blx__field *field =
		table != NULL && name != NULL ? blx__field_find(table, name) : NULL;

	return field != NULL && field->type == BLX__FIELD_ENUM ? field : NULL;
}

const char *blx_record_text(int kind, const char *name, int value)
{
	const struct blx__field *field = enum_of(kind, name);
	int i;

	for (i = 0; field != NULL && field->names[i] != NULL; i++) {
		if (i == value) {
			return field->names[i];
		}
	}
	return NULL;
}

int blx_record_value(int kind, const char *name, const char *text)
{
	const struct blx__field *field = enum_of(kind, name);
	int i;

	for (i = 0; field != NULL && text != NULL && field->names[i] != NULL; i++) {
		if (strcmp(field->names[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

/* ---- in the store ------------------------------------------------------------------------ */

static int path_of(const struct blx__record *table, const char *name,
	char ret_path[BLX__PATH_TEXT_SIZE], blx_error *error)
{
	if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL ||
		(size_t)snprintf(ret_path, BLX__PATH_TEXT_SIZE, "/%s/%s", table->dir, name) >=
			BLX__PATH_TEXT_SIZE) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s: \"%.80s\" is no name: it must be there, without \"/\"", table->what,
			name != NULL ? name : "");
	}
	return 0;
}

/* A placement may be the name of a node and nothing else. */
static int decode_value(int kind, const blx_value *value, void *record, blx_error *error)
{
	const char *bytes = blx_value_data(value);
	size_t len = blx_value_len(value);
	blx_placement *placement = record;

	if (kind == BLX_RECORD_PLACEMENT && len > 0 && len < BLX_NAME_MAX && bytes[0] != '{') {
		memset(placement, 0, sizeof *placement);
		memcpy(placement->node, bytes, len);
		return 0;
	}
	return blx__record_decode(blx__record_of(kind), bytes, len, record, error);
}

int blx_record_get(blx_client *client, int kind, const char *name, int consistent,
	uint32_t timeout_ms, void *record, uint64_t *ret_revision, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	blx_value *value;
	int rv;

	if (table == NULL || record == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "record: no such kind, or nowhere to put it");
	}
	memset(record, 0, table->size);
	rv = path_of(table, name, path, error);
	opts.timeout_ms = timeout_ms;
	if (rv == 0) {
		rv = (consistent ? blx_get_consistent : blx_get)(
			client, path, &opts, &value, NULL, error);
	}
	if (rv != 0) {
		return rv;
	}
	rv = decode_value(kind, value, record, error);
	if (rv == 0 && ret_revision != NULL) {
		*ret_revision = blx_value_revision(value);
	}
	blx_value_unref(value);
	return rv;
}

int blx_record_put(blx_client *client, int kind, const char *name, const void *record,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error why = BLX_ERROR_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	char *text;
	int rv;

	if (table == NULL || record == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"record: no such kind, or none given");
	}
	rv = path_of(table, name, path, error);
	if (rv != 0) {
		return rv;
	}
	text = encode(table, record, &why);
	if (text == NULL) {
		return blx__error_set_write(
			error, why.code, BLX_NOT_APPLIED, "%s: %s", path, why.message);
	}
	opts.timeout_ms = timeout_ms;
	rv = blx_put(client, path, text, strlen(text), &opts, ret_revision, error);
	free(text);
	return rv;
}

/* The fields that are named, as the JSON object that must be found. To be freed with free(). */
static char *expected(const struct blx__record *table, const void *expect, const char *fields,
	blx_error *error)
{
	json_t *root = json_object();
	char name[BLX_NAME_MAX];
	char *text = NULL;
	const char *at = fields;

	while (root != NULL && *at != '\0') {
		size_t len = strcspn(at, ",");
		const struct blx__field *field = NULL;

		if (len < sizeof name) {
			memcpy(name, at, len);
			name[len] = '\0';
			field = blx__field_find(table, name);
		}
		if (field == NULL) {
			(void)blx__error_set(error, BLX_EINVAL, "%s has no field \"%.60s\"",
				table->what, at);
			json_decref(root);
			return NULL;
		}
		(void)json_object_set_new(root, name, blx__field_write(field, expect));
		at += len + (at[len] == ',');
	}
	if (root != NULL) {
		text = json_dumps(root, JSON_COMPACT);
		json_decref(root);
	}
	if (text == NULL) {
		(void)blx__error_set(error, BLX_ENOMEM, "%s: out of memory", table->what);
	}
	return text;
}

static int commit(blx_client *client, const char *path, const char *guard, const char *text,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_txn_result *result;
	blx_txn *txn;
	int rv = blx_txn_create(&txn);

	if (rv != 0) {
		return blx__error_set_write(error, rv, BLX_NOT_APPLIED, "%s: out of memory", path);
	}
	(void)blx_txn_if_fields(txn, path, guard);
	(void)blx_txn_put(txn, path, text, strlen(text));
	opts.timeout_ms = timeout_ms;
	rv = blx_txn_commit(client, txn, &opts, &result, error);
	if (rv == 0) {
		if (ret_revision != NULL) {
			*ret_revision = blx_txn_result_revision(result);
		}
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

int blx_record_cas(blx_client *client, int kind, const char *name, const void *expect,
	const char *fields, const void *record, uint32_t timeout_ms, uint64_t *ret_revision,
	blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_error why = BLX_ERROR_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	char *guard;
	char *text;
	int rv;

	if (table == NULL || record == NULL || expect == NULL || fields == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"record: no such kind, or nothing to compare or write");
	}
	rv = path_of(table, name, path, error);
	if (rv != 0) {
		return rv;
	}
	guard = expected(table, expect, fields, &why);
	text = guard != NULL ? encode(table, record, &why) : NULL;
	rv = text != NULL ? commit(client, path, guard, text, timeout_ms, ret_revision, error)
			  : blx__error_set_write(error, why.code, BLX_NOT_APPLIED, "%s: %s", path,
				    why.message);
	free(guard);
	free(text);
	return rv;
}
