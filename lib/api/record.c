/* SPDX-License-Identifier: Apache-2.0 */
/* Records by the public calls: a table's, on values of the store. */
#include <blixard/record.h>

#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "record/fields.h"
#include "store/path.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* So often a record that others change in what does not matter is looked at again. */
#define CAS_TRIES_MAX 64

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

int blx_record_encode(int kind, const void *record, char **ret_text, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_error why = BLX_ERROR_INIT;
	char *text;

	if (table == NULL || record == NULL || ret_text == NULL) {
		return blx__error_set(error, BLX_EINVAL, "record: nothing to write, or nowhere to");
	}
	text = blx__record_encode(table, record, &why);
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
	if (!blx__path_child(table->dir, name, ret_path)) {
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

/* Where a record is to be written, and as what; *ret_text is to be freed with free(). */
static int prepare(const struct blx__record *table, const char *name, const void *record,
	char ret_path[BLX__PATH_TEXT_SIZE], char **ret_text, blx_error *error)
{
	blx_error why = BLX_ERROR_INIT;
	int rv = path_of(table, name, ret_path, error);

	if (rv != 0) {
		return rv;
	}
	*ret_text = blx__record_encode(table, record, &why);
	return *ret_text != NULL ? 0
				 : blx__error_set_write(error, why.code, BLX_NOT_APPLIED,
					   "%s: %s", ret_path, why.message);
}

int blx_record_put(blx_client *client, int kind, const char *name, const void *record,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	char *text;
	int rv;

	if (table == NULL || record == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"record: no such kind, or none given");
	}
	rv = prepare(table, name, record, path, &text, error);
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = timeout_ms;
	rv = blx_put(client, path, text, strlen(text), &opts, ret_revision, error);
	free(text);
	return rv;
}

/* Do the two agree in the fields that are named? 1, 0; BLX_EINVAL there is no such field;
 * BLX_ENOMEM. */
static int agree(const struct blx__record *table, const char *fields, const void *a,
	const void *b, blx_error *error)
{
	const char *at = fields;
	char name[BLX_NAME_MAX];
	int same = 1;

	while (same == 1 && *at != '\0') {
		size_t len = strcspn(at, ",");
		const struct blx__field *field = NULL;
		json_t *one;
		json_t *other;

		if (len < sizeof name) {
			memcpy(name, at, len);
			name[len] = '\0';
			field = blx__field_find(table, name);
		}
		if (field == NULL) {
			return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
				"%s has no field \"%.60s\"", table->what, at);
		}
		one = blx__field_write(field, a);
		other = blx__field_write(field, b);
		same = one != NULL && other != NULL ? json_equal(one, other) : BLX_ENOMEM;
		json_decref(one);
		json_decref(other);
		at += len + (at[len] == ',');
	}
	return same;
}

/* In place of what is there at that revision. */
static int replace(blx_client *client, const char *path, uint64_t revision, const char *text,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;

	opts.timeout_ms = timeout_ms;
	return blx_cas_revision(client, path, revision, text, strlen(text), &opts, ret_revision,
		error);
}

/* What is asked of blx_record_cas(), with all that does not change from try to try. */
struct cas {
	blx_client *client;
	int kind;
	const struct blx__record *table;
	const char *name;
	const char *path;
	const void *expect;
	const char *fields;
	const char *text;
	uint32_t timeout_ms;
};

/* BLX_ECONFLICT with *ret_again: it was changed meanwhile, perhaps in nothing that matters. */
static int cas_once(const struct cas *cas, void *there, uint64_t *ret_revision, bool *ret_again,
	blx_error *error)
{
	uint64_t revision = 0;
	int same;
	int rv = blx_record_get(cas->client, cas->kind, cas->name, 1, cas->timeout_ms, there,
		&revision, error);

	*ret_again = false;
	if (rv != 0) {
		return rv;
	}
	same = agree(cas->table, cas->fields, cas->expect, there, error);
	blx_record_clear(cas->kind, there);
	if (same < 0) {
		return same;
	}
	if (same == 0) {
		(void)blx__error_set_write(error, BLX_ECONFLICT, BLX_NOT_APPLIED,
			"%s: it differs in one of \"%.80s\"; it is of revision %llu", cas->path,
			cas->fields, (unsigned long long)revision);
		if (error != NULL) {
			error->revision = revision;
		}
		return BLX_ECONFLICT;
	}
	rv = replace(cas->client, cas->path, revision, cas->text, cas->timeout_ms, ret_revision,
		error);
	*ret_again = rv == BLX_ECONFLICT;
	return rv;
}

static int cas_run(const struct cas *cas, uint64_t *ret_revision, blx_error *error)
{
	void *there = blx__malloc(cas->table->size);
	bool again = true;
	int rv = BLX_ECONFLICT;
	int tries;

	if (there == NULL) {
		return blx__error_set_write(
			error, BLX_ENOMEM, BLX_NOT_APPLIED, "%s: out of memory", cas->path);
	}
	for (tries = 0; again && tries < CAS_TRIES_MAX; tries++) {
		rv = cas_once(cas, there, ret_revision, &again, error);
	}
	blx__free(there);
	return rv;
}

int blx_record_cas(blx_client *client, int kind, const char *name, const void *expect,
	const char *fields, const void *record, uint32_t timeout_ms, uint64_t *ret_revision,
	blx_error *error)
{
	const struct blx__record *table = record_of(kind, error);
	char path[BLX__PATH_TEXT_SIZE];
	struct cas cas = { .client = client,
		.kind = kind,
		.table = table,
		.name = name,
		.path = path,
		.expect = expect,
		.fields = fields,
		.timeout_ms = timeout_ms };
	char *text;
	int rv;

	if (table == NULL || record == NULL || expect == NULL || fields == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"record: no such kind, or nothing to compare or write");
	}
	rv = prepare(table, name, record, path, &text, error);
	if (rv != 0) {
		return rv;
	}
	cas.text = text;
	rv = cas_run(&cas, ret_revision, error);
	free(text);
	return rv;
}
