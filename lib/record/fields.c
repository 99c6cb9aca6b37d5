/* SPDX-License-Identifier: Apache-2.0 */
#include "record/fields.h"

#include "base/assert.h"
#include "base/mem.h"

#include <blixard/record.h>
#include <stdlib.h>
#include <string.h>

static void *at(const void *base, size_t offset)
{
	return (char *)(uintptr_t)base + offset;
}

const struct blx__field *blx__field_find(const struct blx__record *record, const char *name)
{
	size_t i;

	for (i = 0; i < record->count; i++) {
		if (strcmp(record->fields[i].name, name) == 0) {
			return &record->fields[i];
		}
	}
	return NULL;
}

/* ---- reading -------------------------------------------------------------------- */

/* One being read; the field names what is wrong. */
struct read {
	const struct blx__record *record;
	const struct blx__field *field;
	blx_error *error;
};

static int fail(const struct read *read, const char *must_be)
{
	return blx__error_set(read->error, BLX_EINVAL, "%s: \"%s\" must be %s",
		read->record->what, read->field->name, must_be);
}

/* False: it is no text, or too long for size, or has a NUL. */
static bool text_take(const json_t *json, char *to, size_t size)
{
	size_t len = json_string_length(json);
	const char *text = json_string_value(json);

	if (text == NULL || len >= size || strlen(text) != len) {
		return false;
	}
	memcpy(to, text, len + 1);
	return true;
}

static int read_enum(const struct read *read, const json_t *json, int *to)
{
	const char *text = json_string_value(json);
	const char *const *names = read->field->names;
	char must_be[200] = "one of";
	int i;

	for (i = 0; names[i] != NULL; i++) {
		if (text != NULL && strcmp(names[i], text) == 0) {
			*to = i;
			return 0;
		}
		if (names[i][0] != '\0') {
			(void)strncat(must_be, " ", sizeof must_be - strlen(must_be) - 1);
			(void)strncat(must_be, names[i], sizeof must_be - strlen(must_be) - 1);
		}
	}
	return fail(read, must_be);
}

static int read_integer(const struct read *read, const json_t *json, int64_t *to)
{
	if (!json_is_integer(json) || json_integer_value(json) < read->field->min ||
		json_integer_value(json) > read->field->max) {
		return blx__error_set(read->error, BLX_EINVAL,
			"%s: \"%s\" must be an integer from %lld to %lld", read->record->what,
			read->field->name, (long long)read->field->min,
			(long long)read->field->max);
	}
	*to = json_integer_value(json);
	return 0;
}

static int read_texts(const struct read *read, const json_t *json, char *to, size_t *count)
{
	size_t i;

	if (!json_is_array(json) || json_array_size(json) > (size_t)read->field->max) {
		return fail(read, "a list of texts, not too long");
	}
	for (i = 0; i < json_array_size(json); i++) {
		if (!text_take(json_array_get(json, i), to + i * read->field->size,
			    read->field->size)) {
			return fail(read, "a list of texts, none of them too long");
		}
	}
	*count = json_array_size(json);
	return 0;
}

static int read_map(const struct read *read, const json_t *json, blx_label *to, size_t *count)
{
	const char *key;
	json_t *value;
	size_t i = 0;

	if (!json_is_object(json) || json_object_size(json) > (size_t)read->field->max) {
		return fail(read, "an object of texts, of not too many");
	}
	json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
		if (strlen(key) >= sizeof to->key ||
			!text_take(value, to[i].value, sizeof to->value)) {
			return fail(read, "an object of texts, none of them too long");
		}
		memcpy(to[i].key, key, strlen(key) + 1);
		i++;
	}
	*count = i;
	return 0;
}

static int read_objects(const struct read *read, const json_t *json, char *to, size_t *count)
{
	const struct blx__field *field = read->field;
	size_t i;

	if (!json_is_array(json) || json_array_size(json) > (size_t)field->max) {
		return fail(read, "a list of objects, not too long");
	}
	for (i = 0; i < json_array_size(json); i++) {
		int rv = blx__record_read(field->of, json_array_get(json, i),
			to + i * field->size, read->error);

		if (rv != 0) {
			return rv;
		}
	}
	*count = json_array_size(json);
	return 0;
}

static int read_field(const struct read *read, const json_t *json, void *base)
{
	const struct blx__field *field = read->field;
	void *to = at(base, field->at);
	size_t *count = at(base, field->count_at);

	switch (field->type) {
	case BLX__FIELD_TEXT:
		return text_take(json, to, field->size) ? 0 : fail(read, "a text, not too long");
	case BLX__FIELD_ENUM:
		return read_enum(read, json, to);
	case BLX__FIELD_BOOL:
		*(int *)to = json_is_true(json);
		return json_is_boolean(json) ? 0 : fail(read, "true or false");
	case BLX__FIELD_INTEGER:
		return read_integer(read, json, to);
	case BLX__FIELD_TIME:
		return json_is_string(json) && blx__time_parse(json_string_value(json), to)
			       ? 0
			       : fail(read, "a time in UTC, like 2026-01-31T12:00:00.000Z");
	case BLX__FIELD_TEXTS:
		return read_texts(read, json, to, count);
	case BLX__FIELD_MAP:
		return read_map(read, json, to, count);
	case BLX__FIELD_OBJECTS:
		return read_objects(read, json, to, count);
	}
	IMPOSSIBLE("a field of no known type");
}

/* What is left when all that is known is taken. */
static int keep_unknown(
	const struct blx__record *record, const json_t *root, void *to, blx_error *error)
{
	json_t *rest = json_copy((json_t *)(uintptr_t)root);
	char *text = NULL;
	size_t i;

	for (i = 0; i < record->count; i++) {
		(void)json_object_del(rest, record->fields[i].name);
	}
	if (rest != NULL && json_object_size(rest) > 0 && record->extra_at == 0) {
		(void)blx__error_set(error, BLX_EINVAL, "%s: \"%s\" is not known", record->what,
			json_object_iter_key(json_object_iter(rest)));
		json_decref(rest);
		return BLX_EINVAL;
	}
	if (rest != NULL && json_object_size(rest) > 0) {
		text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
		*(char **)at(to, record->extra_at) = text != NULL ? blx__strdup(text) : NULL;
	}
	if (rest == NULL ||
		(json_object_size(rest) > 0 && *(char **)at(to, record->extra_at) == NULL)) {
		json_decref(rest);
		free(text);
		return blx__error_set(error, BLX_ENOMEM, "%s: out of memory", record->what);
	}
	json_decref(rest);
	free(text);
	return 0;
}

int blx__record_read(
	const struct blx__record *record, const json_t *root, void *to, blx_error *error)
{
	struct read read = {.record = record, .error = error};
	int rv = 0;
	size_t i;

	memset(to, 0, record->size);
	if (!json_is_object(root)) {
		return blx__error_set(
			error, BLX_EINVAL, "%s: must be a JSON object", record->what);
	}
	for (i = 0; rv == 0 && i < record->count; i++) {
		const json_t *json = json_object_get(root, record->fields[i].name);

		read.field = &record->fields[i];
		if (json != NULL) {
			rv = read_field(&read, json, to);
		}
	}
	if (rv == 0) {
		rv = keep_unknown(record, root, to, error);
	}
	if (rv != 0) {
		memset(to, 0, record->size);
	}
	return rv;
}

int blx__record_decode(const struct blx__record *record, const void *text, size_t len,
	void *to, blx_error *error)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	int rv;

	if (root == NULL && json_error_code(&why) == json_error_out_of_memory) {
		memset(to, 0, record->size);
		return blx__error_set(error, BLX_ENOMEM, "%s: out of memory", record->what);
	}
	rv = blx__record_read(record, root, to, error);
	json_decref(root);
	return rv;
}

/* ---- writing -------------------------------------------------------------------- */

static json_t *write_texts(const char *from, size_t size, size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count; i++) {
		if (json_array_append_new(list, json_string(from + i * size)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *write_map(const blx_label *from, size_t count)
{
	json_t *map = json_object();
	size_t i;

	for (i = 0; i < count; i++) {
		if (json_object_set_new(map, from[i].key, json_string(from[i].value)) != 0) {
			json_decref(map);
			return NULL;
		}
	}
	return map;
}

static json_t *write_objects(const struct blx__field *field, const char *from, size_t count)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < count; i++) {
		if (json_array_append_new(list,
			    blx__record_write(field->of, from + i * field->size, NULL)) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *write_time(int64_t ns)
{
	char text[BLX__TIME_SIZE];

	blx__time_format(ns, text);
	return json_string(text);
}

json_t *blx__field_write(const struct blx__field *field, const void *base)
{
	const void *from = at(base, field->at);
	size_t count = field->count_at != 0 ? *(const size_t *)at(base, field->count_at) : 0;

	switch (field->type) {
	case BLX__FIELD_TEXT:
		return json_string(from);
	case BLX__FIELD_ENUM:
		return json_string(field->names[*(const int *)from]);
	case BLX__FIELD_BOOL:
		return json_boolean(*(const int *)from);
	case BLX__FIELD_INTEGER:
		return json_integer(*(const int64_t *)from);
	case BLX__FIELD_TIME:
		return write_time(*(const int64_t *)from);
	case BLX__FIELD_TEXTS:
		return write_texts(from, field->size, count);
	case BLX__FIELD_MAP:
		return write_map(from, count);
	case BLX__FIELD_OBJECTS:
		return write_objects(field, from, count);
	}
	IMPOSSIBLE("a field of no known type");
}

static bool has_default(const struct blx__field *field, const void *base)
{
	switch (field->type) {
	case BLX__FIELD_TEXT:
		return *(const char *)at(base, field->at) == '\0';
	case BLX__FIELD_ENUM:
	case BLX__FIELD_BOOL:
		return *(const int *)at(base, field->at) == 0;
	case BLX__FIELD_INTEGER:
	case BLX__FIELD_TIME:
		return *(const int64_t *)at(base, field->at) == 0;
	default:
		return *(const size_t *)at(base, field->count_at) == 0;
	}
}

static int names_count(const char *const *names)
{
	int count = 0;

	while (names[count] != NULL) {
		count++;
	}
	return count;
}

/* Is what a program put into the struct something that could be read again? */
static int check_field(const struct blx__record *record, const struct blx__field *field,
	const void *base, blx_error *error)
{
	const void *from = at(base, field->at);
	bool ok = true;

	switch (field->type) {
	case BLX__FIELD_TEXT:
		ok = memchr(from, 0, field->size) != NULL;
		break;
	case BLX__FIELD_ENUM:
		ok = *(const int *)from >= 0 && *(const int *)from < names_count(field->names);
		break;
	case BLX__FIELD_INTEGER:
		ok = *(const int64_t *)from >= field->min && *(const int64_t *)from <= field->max;
		break;
	case BLX__FIELD_TEXTS:
	case BLX__FIELD_MAP:
	case BLX__FIELD_OBJECTS:
		ok = *(const size_t *)at(base, field->count_at) <= (size_t)field->max;
		break;
	default:
		break;
	}
	return ok ? 0
		  : blx__error_set(error, BLX_EINVAL, "%s: \"%s\" is not what it may be",
			    record->what, field->name);
}

/* Unknown fields, as they were read. Never in place of a known one. */
static int add_unknown(const struct blx__record *record, const void *from, json_t *root)
{
	const char *extra = record->extra_at != 0
				    ? *(char *const *)at(from, record->extra_at)
				    : NULL;
	json_t *rest;
	int rv;

	if (extra == NULL) {
		return 0;
	}
	rest = json_loads(extra, 0, NULL);
	rv = json_is_object(rest) ? json_object_update_missing(root, rest) : -1;
	json_decref(rest);
	return rv;
}

json_t *blx__record_write(const struct blx__record *record, const void *from, blx_error *error)
{
	json_t *root = json_object();
	int rv = root != NULL ? 0 : BLX_ENOMEM;
	size_t i;

	for (i = 0; rv == 0 && i < record->count; i++) {
		const struct blx__field *field = &record->fields[i];

		rv = check_field(record, field, from, error);
		if (rv == 0 && (field->always || !has_default(field, from)) &&
			json_object_set_new(root, field->name, blx__field_write(field, from)) !=
				0) {
			rv = blx__error_set(error, BLX_EINVAL,
				"%s: \"%s\" is no UTF-8, or there is no memory", record->what,
				field->name);
		}
	}
	if (rv == 0 && add_unknown(record, from, root) != 0) {
		rv = blx__error_set(error, BLX_EINVAL, "%s: \"extra\" must be a JSON object",
			record->what);
	}
	if (rv != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

char *blx__record_encode(const struct blx__record *record, const void *from, blx_error *error)
{
	json_t *root = blx__record_write(record, from, error);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	if (root != NULL && text == NULL) {
		(void)blx__error_set(error, BLX_ENOMEM, "%s: out of memory", record->what);
	}
	json_decref(root);
	return text;
}
