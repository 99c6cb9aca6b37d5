/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/view_record.h"

#include "store/path.h"

#include <jansson.h>
#include <string.h>

bool blx__view_key_is(const uint8_t *key, size_t key_len, const uint8_t **ret_name,
	size_t *ret_name_len)
{
	size_t dir = BLX__VIEWS_DIR_LEN;

	if (key_len < dir + 2 || memcmp(key, BLX__VIEWS_DIR, dir) != 0 ||
		key[dir] != BLX__KEY_SEPARATOR ||
		memchr(key + dir + 1, BLX__KEY_SEPARATOR, key_len - dir - 1) != NULL) {
		return false;
	}
	*ret_name = key + dir + 1;
	*ret_name_len = key_len - dir - 1;
	return true;
}

static bool field_take(const json_t *json, char ret_field[BLX_VIEW_FIELD_LEN_MAX + 1])
{
	const char *text = json_string_value(json);

	if (text == NULL || text[0] == '\0' || strlen(text) > BLX_VIEW_FIELD_LEN_MAX) {
		return false;
	}
	memcpy(ret_field, text, strlen(text) + 1);
	return true;
}

static bool fields_take(const json_t *root, struct blx__view_spec *spec)
{
	const json_t *by = json_object_get(root, "by");
	const json_t *sum = json_object_get(root, "sum");
	size_t i;

	if ((by != NULL && !field_take(by, spec->by)) ||
		(sum != NULL &&
			(!json_is_array(sum) || json_array_size(sum) > BLX_VIEW_SUMS_MAX))) {
		return false;
	}
	for (i = 0; i < json_array_size(sum); i++) {
		if (!field_take(json_array_get(sum, i), spec->sums[i])) {
			return false;
		}
	}
	spec->sums_count = (unsigned)json_array_size(sum);
	return true;
}

static int spec_take(const json_t *root, struct blx__view_spec *spec, blx_error *error)
{
	const char *pattern = json_string_value(json_object_get(root, "pattern"));

	*spec = (struct blx__view_spec){0};
	if (pattern == NULL || !fields_take(root, spec)) {
		return blx__error_set(error, BLX_EINVAL,
			"a view is a JSON object with \"pattern\", and perhaps \"by\", a field, "
			"and \"sum\", a list of at most %d fields, of at most %d bytes each",
			BLX_VIEW_SUMS_MAX, BLX_VIEW_FIELD_LEN_MAX);
	}
	return blx__pattern_parse(pattern, strlen(pattern), &spec->pattern, error);
}

int blx__view_spec_parse(
	const void *value, size_t len, struct blx__view_spec *ret_spec, blx_error *error)
{
	json_error_t why;
	json_t *root = json_loadb(value, len, JSON_REJECT_DUPLICATES, &why);
	int rv;

	if (root == NULL && json_error_code(&why) == json_error_out_of_memory) {
		return blx__error_set(error, BLX_ENOMEM, "a view: out of memory");
	}
	rv = spec_take(root, ret_spec, error);
	json_decref(root);
	return rv;
}

int blx__view_put_check(const struct blx__txn_line *put, blx_error *error)
{
	struct blx__view_spec spec;
	const uint8_t *name;
	size_t name_len;

	return blx__view_key_is(put->key, put->key_len, &name, &name_len)
		       ? blx__view_spec_parse(put->value, put->value_len, &spec, error)
		       : 0;
}
