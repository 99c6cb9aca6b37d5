/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What guards ask, and whether it is so. The cost of one has a bound that
 * blx__txn_check() holds it to: apply is on everybody's way.
 */
#include "base/assert.h"
#include "store/txn_impl.h"

#include <jansson.h>
#include <string.h>

/* ---- fields of a JSON value ---------------------------------------------------------- */

/* Names that stand twice, and what is behind the end, make it no JSON: what is compared must
 * not depend on which of them a parser takes. */
#define JSON_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/* NULL: it is none; or no memory, told by *ret_nomem. */
static json_t *object_of(const void *text, size_t len, bool *ret_nomem)
{
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_FLAGS, &error);

	*ret_nomem = json == NULL && json_error_code(&error) == json_error_out_of_memory;
	if (json != NULL && !json_is_object(json)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static unsigned depth_of(const json_t *object)
{
	unsigned deepest = 0;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		unsigned depth = json_is_object(value) ? depth_of(value) : 0;

		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + 1;
}

/* Each field that is asked for is there and equal; an object in it is asked the same way, an
 * array is compared as a whole. As deep as what is asked, which has a limit. */
static bool has_fields(const json_t *object, const json_t *wanted)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)wanted, key, value) {
		const json_t *there = json_object_get(object, key);

		if (there == NULL) {
			return false;
		}
		if (json_is_object(value) ? !json_is_object(there) || !has_fields(there, value)
					  : !json_equal(there, value)) {
			return false;
		}
	}
	return true;
}

static int fields_hold(
	const struct blx__txn_line *guard, const struct blx__item *item, bool *ret_holds)
{
	bool nomem = false;
	json_t *wanted;
	json_t *object;

	*ret_holds = false;
	if (item == NULL || item->value_len > BLX_TXN_FIELDS_VALUE_MAX) {
		return 0;
	}
	object = object_of(blx__item_value(item), blx__item_value_len(item), &nomem);
	if (object == NULL) {
		return nomem ? BLX_ENOMEM : 0;
	}
	wanted = object_of(guard->value, guard->value_len, &nomem);
	*ret_holds = wanted != NULL && has_fields(object, wanted);
	json_decref(wanted);
	json_decref(object);
	return nomem ? BLX_ENOMEM : 0;
}

static int fields_check(const struct blx__txn_line *guard, blx_error *error)
{
	bool nomem;
	json_t *wanted = guard->value_len > BLX_TXN_FIELDS_VALUE_MAX
				 ? NULL
				 : object_of(guard->value, guard->value_len, &nomem);
	bool ok = wanted != NULL && depth_of(wanted) <= BLX_TXN_FIELDS_DEPTH_MAX;

	json_decref(wanted);
	if (!ok) {
		return blx__error_set(error, BLX_EINVAL,
			"a guard on fields needs a JSON object of at most %d bytes and %d levels",
			BLX_TXN_FIELDS_VALUE_MAX, BLX_TXN_FIELDS_DEPTH_MAX);
	}
	return 0;
}

/* ---- children ------------------------------------------------------------------------ */

/* Counts them up to the limit: what begins with the key and a separator, by its next
 * component. */
static uint64_t children_count(const struct blx__tree *tree,
	const struct blx__txn_line *guard, uint64_t limit)
{
	uint8_t at[BLX__KEY_LEN_MAX + 2];
	size_t prefix = guard->key_len > 0 ? guard->key_len + 1 : 0;
	size_t len = prefix;
	struct blx__cursor cursor;
	struct blx__item *item;
	uint64_t count = 0;

	memcpy(at, guard->key, guard->key_len);
	at[guard->key_len] = BLX__KEY_SEPARATOR;
	while (count < limit && (item = blx__cursor_seek(&cursor, tree, at, len)) != NULL) {
		const uint8_t *key = blx__item_key(item);
		const uint8_t *end;

		if (item->key_len < prefix || memcmp(key, at, prefix) != 0 ||
			item->key_len == 0) {
			break;
		}
		count++;
		end = memchr(key + prefix, BLX__KEY_SEPARATOR, item->key_len - prefix);
		len = end != NULL ? (size_t)(end - key) : item->key_len;
		memcpy(at, key, len);
		at[len++] = BLX__KEY_SEPARATOR + 1; /* behind all that is below it */
	}
	return count;
}

static bool children_hold(const struct blx__tree *tree, const struct blx__txn_line *guard)
{
	uint64_t count = children_count(tree, guard, guard->revision + 1);

	switch (guard->kind) {
	case BLX__TXN_IF_CHILDREN:
		return count == guard->revision;
	case BLX__TXN_IF_FEWER:
		return count < guard->revision;
	default:
		return count > guard->revision;
	}
}

/* ---- all of them ---------------------------------------------------------------------- */

bool blx__txn_has_number(uint8_t kind)
{
	return kind == BLX__TXN_IF_REVISION || kind == BLX__TXN_IF_VERSION ||
	       kind == BLX__TXN_IF_CHILDREN || kind == BLX__TXN_IF_FEWER ||
	       kind == BLX__TXN_IF_MORE;
}

static bool counts_children(uint8_t kind)
{
	return kind >= BLX__TXN_IF_CHILDREN && kind <= BLX__TXN_IF_MORE;
}

int blx__txn_guard_check(const struct blx__txn_line *guard, struct blx__txn_cost *cost,
	blx_error *error)
{
	if (counts_children(guard->kind)) {
		/* One by one, so that no sum overflows. */
		if (guard->revision > BLX_TXN_CHILDREN_MAX ||
			(cost->children += guard->revision) > BLX_TXN_CHILDREN_MAX) {
			return blx__error_set(error, BLX_EINVAL,
				"guards on children may count to %d in one transaction",
				BLX_TXN_CHILDREN_MAX);
		}
	} else if (guard->kind == BLX__TXN_IF_FIELDS) {
		if (++cost->fields > BLX_TXN_FIELDS_MAX) {
			return blx__error_set(error, BLX_EINVAL,
				"a transaction may have %d guards on fields",
				BLX_TXN_FIELDS_MAX);
		}
		return fields_check(guard, error);
	}
	return 0;
}

int blx__txn_guard_holds(const struct blx__txn_line *guard, const struct blx__tree *tree,
	const struct blx__item *item, bool *ret_holds)
{
	switch (guard->kind) {
	case BLX__TXN_IF_ABSENT:
		*ret_holds = item == NULL;
		return 0;
	case BLX__TXN_IF_EXISTS:
		*ret_holds = item != NULL;
		return 0;
	case BLX__TXN_IF_VALUE:
		*ret_holds = item != NULL && item->value_len == guard->value_len &&
			     memcmp(blx__item_value(item), guard->value,
				     guard->value_len) == 0;
		return 0;
	case BLX__TXN_IF_REVISION:
		*ret_holds = (item != NULL ? item->mod_revision : 0) == guard->revision;
		return 0;
	case BLX__TXN_IF_VERSION:
		*ret_holds = (item != NULL ? item->version : 0) == guard->revision;
		return 0;
	case BLX__TXN_IF_FIELDS:
		return fields_hold(guard, item, ret_holds);
	case BLX__TXN_IF_CHILDREN:
	case BLX__TXN_IF_FEWER:
	case BLX__TXN_IF_MORE:
		*ret_holds = children_hold(tree, guard);
		return 0;
	default:
		IMPOSSIBLE("a guard of no known kind");
	}
}
