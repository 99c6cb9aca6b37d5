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

bool blx__txn_counts_children(uint8_t kind)
{
	return kind >= BLX__TXN_IF_CHILDREN && kind <= BLX__TXN_IF_MORE;
}

bool blx__txn_is_group(uint8_t kind)
{
	return kind >= BLX__TXN_ALL && kind <= BLX__TXN_END;
}

static int group_check(const struct blx__txn_line *line, struct blx__txn_cost *cost,
	blx_error *error)
{
	if (line->key_len != 0) {
		return blx__error_set(
			error, BLX_EINVAL, "a transaction: a group of guards has no path");
	}
	if (line->kind == BLX__TXN_END && cost->depth == 0) {
		return blx__error_set(error, BLX_EINVAL,
			"a transaction: a group of guards ends that did not begin");
	}
	if (line->kind == BLX__TXN_END) {
		cost->depth--;
	} else if (++cost->depth > BLX_TXN_GROUPS_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"a transaction: groups of guards stand in each other %d deep at most",
			BLX_TXN_GROUPS_MAX);
	}
	return 0;
}

int blx__txn_guard_check(const struct blx__txn_line *guard, struct blx__txn_cost *cost,
	blx_error *error)
{
	if (blx__txn_is_group(guard->kind)) {
		return group_check(guard, cost, error);
	}
	if (blx__txn_counts_children(guard->kind)) {
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

static int guard_holds(const struct blx__txn_line *guard, const struct blx__tree *tree,
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

/* ---- groups --------------------------------------------------------------------------- */

/* One that is open. Decided: nothing more in it can matter. */
struct group {
	uint8_t kind;
	bool holds;
	bool decided;
};

struct groups {
	struct group open[BLX_TXN_GROUPS_MAX + 1]; /* the first: all that there is */
	unsigned depth;
	unsigned idle; /* groups from the first decided one on; 0: none is */
};

static void group_open(struct groups *groups, uint8_t kind)
{
	INVARIANT(groups->depth < BLX_TXN_GROUPS_MAX); /* was looked at */
	groups->open[++groups->depth] =
		(struct group){.kind = kind, .holds = kind != BLX__TXN_ANY};
	groups->idle += groups->idle > 0;
}

static void group_take(struct groups *groups, bool holds)
{
	struct group *group = &groups->open[groups->depth];

	if (holds == (group->kind == BLX__TXN_ALL)) {
		return; /* it takes another one to decide */
	}
	group->holds = group->kind == BLX__TXN_ANY;
	group->decided = true;
	groups->idle = 1;
}

static void group_close(struct groups *groups)
{
	bool holds = groups->open[groups->depth].holds;

	INVARIANT(groups->depth > 0);
	groups->depth--;
	groups->idle -= groups->idle > 0;
	if (groups->idle == 0) {
		group_take(groups, holds);
	}
}

static int guard_take(struct groups *groups, const struct blx__tree *tree,
	const struct blx__txn_line *guard, struct blx__txn_verdict *verdict)
{
	const struct blx__item *item = blx__tree_get(tree, guard->key, guard->key_len);
	bool holds;
	int rv = guard_holds(guard, tree, item, &holds);

	if (rv != 0) {
		return rv;
	}
	if (!holds && groups->depth == 0) {
		verdict->conflict_revision = item != NULL ? item->mod_revision : 0;
	}
	verdict->key = guard->key;
	verdict->key_len = guard->key_len;
	group_take(groups, holds);
	return 0;
}

int blx__txn_guards_hold(const struct blx__tree *tree, struct blx__reader *reader,
	uint32_t count, struct blx__txn_verdict *ret_verdict)
{
	struct groups groups = {.open = {{.kind = BLX__TXN_ALL, .holds = true}}};
	int rv = 0;

	*ret_verdict = (struct blx__txn_verdict){0};
	while (rv == 0 && count-- > 0 && !groups.open[0].decided) {
		struct blx__txn_line line;
		int got = blx__txn_line_get(reader, &line);

		INVARIANT(got == 0); /* was looked at */
		if (line.kind == BLX__TXN_END) {
			group_close(&groups);
		} else if (blx__txn_is_group(line.kind)) {
			group_open(&groups, line.kind);
		} else if (groups.idle == 0) {
			rv = guard_take(&groups, tree, &line, ret_verdict);
		}
	}
	ret_verdict->held = groups.open[0].holds;
	return rv;
}
