/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/view.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/list.h"
#include "base/mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* As it is added up: exact whatever the order, cut to 64 bits where it is told. */
typedef __int128 wide;

struct group {
	struct blx__table_link link;
	struct blx__tree *items; /* owned reference */
	wide sums[BLX_VIEW_SUMS_MAX];
	size_t name_len;
	uint8_t name[];
};

/* What one value is in a view. */
struct place {
	uint8_t name[BLX__KEY_LEN_MAX];
	size_t name_len;
	int64_t numbers[BLX_VIEW_SUMS_MAX];
};

static struct group *group_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct group, link);
}

int blx__view_create(const struct blx__view_spec *spec, struct blx__view **ret_view)
{
	struct blx__view *view = blx__calloc(1, sizeof *view);

	if (view == NULL || blx__tree_create(&view->groups) != 0) {
		blx__free(view);
		return BLX_ENOMEM;
	}
	view->spec = *spec;
	*ret_view = view;
	return 0;
}

static void group_free(struct group *group)
{
	blx__tree_unref(group->items);
	blx__free(group);
}

void blx__view_destroy(struct blx__view *view)
{
	struct blx__table_link *link;
	size_t at = 0;

	if (view == NULL) {
		return;
	}
	while ((link = blx__table_first(&view->table, &at)) != NULL) {
		blx__table_remove(&view->table, link);
		group_free(group_of(link));
	}
	blx__table_finish(&view->table);
	blx__tree_unref(view->groups);
	blx__free(view);
}

/* ---- where a value belongs ------------------------------------------------------ */

static const json_t *field_of(const json_t *root, const char *field)
{
	char name[BLX_VIEW_FIELD_LEN_MAX + 1];
	const char *dot;

	while ((dot = strchr(field, '.')) != NULL) {
		memcpy(name, field, (size_t)(dot - field));
		name[dot - field] = '\0';
		root = json_object_get(root, name);
		field = dot + 1;
	}
	return json_object_get(root, field);
}

/* The text of a field as the name of a group. False: it has none. */
static bool name_take(const json_t *field, struct place *place)
{
	char number[64];
	const char *text = number;

	if (json_is_string(field)) {
		text = json_string_value(field);
		place->name_len = json_string_length(field);
	} else if (json_is_integer(field)) {
		place->name_len = (size_t)snprintf(
			number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(field));
	} else if (json_is_real(field)) {
		place->name_len =
			(size_t)snprintf(number, sizeof number, "%.17g", json_real_value(field));
	} else if (json_is_boolean(field)) {
		text = json_is_true(field) ? "true" : "false";
		place->name_len = strlen(text);
	} else {
		return false;
	}
	if (place->name_len > sizeof place->name) {
		return false;
	}
	memcpy(place->name, text, place->name_len);
	return true;
}

static void numbers_take(
	const struct blx__view_spec *spec, const json_t *root, struct place *place)
{
	unsigned i;

	for (i = 0; i < spec->sums_count; i++) {
		place->numbers[i] = json_integer_value(field_of(root, spec->sums[i]));
	}
}

/* True: the value is in a group. BLX_ENOMEM by *ret_code. */
static bool place_of(const struct blx__view_spec *spec, const struct blx__item *item,
	struct place *ret_place, int *ret_code)
{
	json_error_t why;
	json_t *root;
	bool placed;

	ret_place->name_len = 0;
	memset(ret_place->numbers, 0, sizeof ret_place->numbers);
	if (spec->by[0] == '\0' && spec->sums_count == 0) {
		return true;
	}
	if (item->value_len > BLX_VIEW_VALUE_MAX) {
		return spec->by[0] == '\0';
	}
	root = json_loadb((const char *)blx__item_value(item), item->value_len, 0, &why);
	if (root == NULL && json_error_code(&why) == json_error_out_of_memory) {
		*ret_code = BLX_ENOMEM;
		return false;
	}
	placed = spec->by[0] == '\0' || name_take(field_of(root, spec->by), ret_place);
	numbers_take(spec, root, ret_place);
	json_decref(root);
	return placed;
}

/* ---- groups --------------------------------------------------------------------- */

static struct group *group_find(
	const struct blx__view *view, const void *name, size_t name_len)
{
	struct blx__table_link *link =
		blx__table_find(&view->table, blx__table_hash(name, name_len));

	while (link != NULL && (group_of(link)->name_len != name_len ||
				       memcmp(group_of(link)->name, name, name_len) != 0)) {
		link = blx__table_find_next(link);
	}
	return link != NULL ? group_of(link) : NULL;
}

static struct group *group_make(struct blx__view *view, const struct place *place)
{
	struct group *group = group_find(view, place->name, place->name_len);

	if (group != NULL) {
		return group;
	}
	group = blx__calloc(1, sizeof *group + place->name_len);
	if (group == NULL) {
		return NULL;
	}
	group->name_len = place->name_len;
	memcpy(group->name, place->name, place->name_len);
	if (blx__tree_create(&group->items) != 0 ||
		blx__table_add(&view->table, &group->link,
			blx__table_hash(group->name, group->name_len)) != 0) {
		group_free(group);
		return NULL;
	}
	return group;
}

static int64_t narrow(wide sum)
{
	return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

static void totals_of(const struct blx__view *view, const struct group *group,
	struct blx__view_totals *ret_totals)
{
	unsigned i;

	*ret_totals = (struct blx__view_totals){.count = blx__tree_count(group->items)};
	for (i = 0; i < view->spec.sums_count; i++) {
		ret_totals->sums[i] = narrow(group->sums[i]);
	}
}

/* What is told of the group is as it is now. */
static int group_tell(struct blx__view *view, struct group *group)
{
	struct blx__view_totals totals;
	uint8_t value[8 * (1 + BLX_VIEW_SUMS_MAX)];
	struct blx__item *item;
	bool found;
	unsigned i;
	int rv;

	totals_of(view, group, &totals);
	if (totals.count == 0) {
		rv = blx__tree_delete(&view->groups, group->name, group->name_len, &found);
		blx__table_remove(&view->table, &group->link);
		group_free(group);
		return rv;
	}
	blx__store_u64(value, totals.count);
	for (i = 0; i < view->spec.sums_count; i++) {
		blx__store_u64(value + 8 * (1 + i), (uint64_t)totals.sums[i]);
	}
	item = blx__item_create(
		group->name, group->name_len, value, 8 * (1 + view->spec.sums_count));
	rv = item != NULL ? blx__tree_put(&view->groups, item) : BLX_ENOMEM;
	if (rv != 0 && item != NULL) {
		blx__item_unref(item);
	}
	return rv;
}

static void add_up(const struct blx__view *view, struct group *group,
	const struct place *place, int sign)
{
	unsigned i;

	for (i = 0; i < view->spec.sums_count; i++) {
		group->sums[i] += sign * (wide)place->numbers[i];
	}
}

static int take_out(struct blx__view *view, const struct blx__item *item)
{
	struct place place;
	struct group *group;
	bool found = false;
	int rv = 0;

	if (!place_of(&view->spec, item, &place, &rv)) {
		return rv;
	}
	group = group_find(view, place.name, place.name_len);
	INVARIANT(group != NULL);
	rv = blx__tree_delete(&group->items, blx__item_key(item), item->key_len, &found);
	if (rv == 0) {
		INVARIANT(found);
		view->values--;
		add_up(view, group, &place, -1);
		rv = group_tell(view, group);
	}
	return rv;
}

/* *ret_group: where it went, NULL: nowhere. What is told of the group is as it was before. */
static int take_in(struct blx__view *view, struct blx__item *item, struct group **ret_group)
{
	struct place place;
	struct group *group;
	int rv = 0;

	*ret_group = NULL;
	if (!place_of(&view->spec, item, &place, &rv)) {
		return rv;
	}
	group = group_make(view, &place);
	if (group == NULL) {
		return BLX_ENOMEM;
	}
	blx__item_ref(item);
	rv = blx__tree_put(&group->items, item);
	if (rv != 0) {
		blx__item_unref(item);
		return rv;
	}
	view->values++;
	add_up(view, group, &place, 1);
	*ret_group = group;
	return 0;
}

int blx__view_change(
	struct blx__view *view, struct blx__item *old_item, struct blx__item *new_item)
{
	const struct blx__item *item = new_item != NULL ? new_item : old_item;
	struct group *group = NULL;
	int rv = 0;

	if (!blx__pattern_matches(&view->spec.pattern, blx__item_key(item), item->key_len)) {
		return 0;
	}
	if (old_item != NULL) {
		rv = take_out(view, old_item);
	}
	if (rv == 0 && new_item != NULL) {
		rv = take_in(view, new_item, &group);
	}
	return rv == 0 && group != NULL ? group_tell(view, group) : rv;
}

/* Of each group, which all have something. */
static int tell_all(struct blx__view *view)
{
	struct blx__table_link *link;
	size_t at = 0;
	int rv = 0;

	for (; rv == 0 && (link = blx__table_first(&view->table, &at)) != NULL; at++) {
		for (; rv == 0 && link != NULL; link = link->next) {
			rv = group_tell(view, group_of(link));
		}
	}
	return rv;
}

int blx__view_fill(struct blx__view *view, const struct blx__tree *tree)
{
	const struct blx__pattern *pattern = &view->spec.pattern;
	size_t fixed = pattern->fixed_len;
	struct blx__cursor cursor;
	struct blx__item *item;
	struct group *group;
	int rv = 0;

	if (fixed > 0 && pattern->key[fixed - 1] == BLX__KEY_SEPARATOR) {
		fixed--;
	}
	item = blx__cursor_seek(&cursor, tree, pattern->key, fixed);
	for (; rv == 0 && blx__item_begins(item, pattern->key, fixed);
		item = blx__cursor_next(&cursor)) {
		if (blx__pattern_matches(pattern, blx__item_key(item), item->key_len)) {
			rv = take_in(view, item, &group);
		}
	}
	return rv == 0 ? tell_all(view) : rv;
}

/* ---- reading -------------------------------------------------------------------- */

struct blx__tree *blx__view_group(const struct blx__view *view, const void *name, size_t len,
	struct blx__view_totals *ret_totals)
{
	const struct group *group = group_find(view, name, len);

	*ret_totals = (struct blx__view_totals){0};
	if (group == NULL) {
		return NULL;
	}
	totals_of(view, group, ret_totals);
	return blx__tree_ref(group->items);
}

void blx__view_totals_get(const struct blx__item *group, unsigned sums_count,
	struct blx__view_totals *ret_totals)
{
	const uint8_t *value = blx__item_value(group);
	unsigned i;

	*ret_totals = (struct blx__view_totals){.count = blx__load_u64(value)};
	for (i = 0; i < sums_count; i++) {
		ret_totals->sums[i] = (int64_t)blx__load_u64(value + 8 * (1 + i));
	}
}

uint64_t blx__view_hash(const struct blx__view *view)
{
	struct blx__table_link *link;
	uint64_t hash = blx__tree_hash(view->groups);
	size_t at = 0;

	for (; (link = blx__table_first(&view->table, &at)) != NULL; at++) {
		for (; link != NULL; link = link->next) {
			const struct group *group = group_of(link);

			hash += (blx__table_hash(group->name, group->name_len) |
					1) *
				(blx__tree_hash(group->items) + 1);
		}
	}
	return hash;
}
