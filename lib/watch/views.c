/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/views.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>

/* Of an entry, beside its item's bytes. */
#define ENTRY_OVERHEAD 16

/* A declared view. */
struct kept {
	struct blx__list link;
	struct blx__view *view; /* owned; NULL: it could not be kept */
	int code;               /* why not */
	size_t name_len;
	uint8_t name[];
};

struct change {
	struct blx__item *old_item; /* owned reference; may be NULL */
	struct blx__item *new_item;
};

struct blx__views {
	pthread_mutex_t lock;
	struct blx__list kept; /* under lock, as what follows */
	size_t count;
	uint64_t revision;

	/* The transaction being applied; the applying thread's. */
	struct change *changes; /* owned */
	size_t changes_count;
	size_t changes_room;
	bool lost; /* some could not be noted */
};

static struct kept *kept_of(struct blx__list *link)
{
	return blx__container_of(link, struct kept, link);
}

/* ---- noting --------------------------------------------------------------------- */

static bool make_room(struct blx__views *views)
{
	size_t room = views->changes_room == 0 ? 16 : 2 * views->changes_room;
	struct change *grown;

	if (views->changes_count < views->changes_room) {
		return true;
	}
	grown = blx__realloc(views->changes, room * sizeof *grown);
	if (grown == NULL) {
		return false;
	}
	views->changes = grown;
	views->changes_room = room;
	return true;
}

static bool is_declaration(const struct blx__item *item)
{
	const uint8_t *name;
	size_t name_len;

	return blx__view_key_is(blx__item_key(item), item->key_len, &name, &name_len);
}

static bool on_changed(
	void *data, uint64_t revision, const struct blx__machine_change *change)
{
	struct blx__views *views = data;

	(void)revision;
	if (views->count == 0 && !is_declaration(change->new_item != NULL ? change->new_item
									  : change->old_item)) {
		return true; /* nobody is interested: declarations are looked at later */
	}
	if (!make_room(views)) {
		views->lost = true;
		return false; /* all is made anew from the tree */
	}
	if (change->old_item != NULL) {
		blx__item_ref(change->old_item);
	}
	if (change->new_item != NULL) {
		blx__item_ref(change->new_item);
	}
	views->changes[views->changes_count++] = (struct change){
		.old_item = change->old_item, .new_item = change->new_item};
	return true;
}

static void changes_drop(struct blx__views *views)
{
	size_t i;

	for (i = 0; i < views->changes_count; i++) {
		if (views->changes[i].old_item != NULL) {
			blx__item_unref(views->changes[i].old_item);
		}
		if (views->changes[i].new_item != NULL) {
			blx__item_unref(views->changes[i].new_item);
		}
	}
	views->changes_count = 0;
	views->lost = false;
}

/* ---- declarations --------------------------------------------------------------- */

static struct kept *kept_find(
	const struct blx__views *views, const uint8_t *name, size_t name_len)
{
	struct blx__list *link;

	blx__list_foreach (link, (struct blx__list *)&views->kept) {
		if (kept_of(link)->name_len == name_len &&
			memcmp(kept_of(link)->name, name, name_len) == 0) {
			return kept_of(link);
		}
	}
	return NULL;
}

static void kept_drop(struct blx__views *views, struct kept *kept)
{
	blx__list_remove(&kept->link);
	blx__view_destroy(kept->view);
	blx__free(kept);
	views->count--;
}

/* Made anew from the tree; what cannot be is told to who reads it. */
static void view_make(struct blx__views *views, struct kept *kept,
	const struct blx__item *record, const struct blx__tree *tree)
{
	struct blx__view_spec spec;

	kept->view = NULL;
	kept->code = views->count > BLX_VIEWS_MAX ? BLX_EQUOTA : 0;
	if (kept->code == 0) {
		kept->code = blx__view_spec_parse(
			blx__item_value(record), record->value_len, &spec, NULL);
	}
	if (kept->code == 0) {
		kept->code = blx__view_create(&spec, &kept->view);
	}
	if (kept->code == 0) {
		kept->code = blx__view_fill(kept->view, tree);
		if (kept->code != 0) {
			blx__view_destroy(kept->view);
			kept->view = NULL;
		}
	}
}

static void declare(struct blx__views *views, const struct blx__item *record,
	const uint8_t *name, size_t name_len, const struct blx__tree *tree)
{
	struct kept *kept = kept_find(views, name, name_len);

	if (kept != NULL) {
		kept_drop(views, kept);
	}
	kept = blx__calloc(1, sizeof *kept + name_len);
	if (kept == NULL) {
		return; /* as if it was not there, until it is declared again */
	}
	kept->name_len = name_len;
	memcpy(kept->name, name, name_len);
	blx__list_init(&kept->link);
	blx__list_push_back(&views->kept, &kept->link);
	views->count++;
	view_make(views, kept, record, tree);
}

static void declare_all(struct blx__views *views, const struct blx__tree *tree)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(
		&cursor, tree, (const uint8_t *)BLX__VIEWS_DIR, BLX__VIEWS_DIR_LEN);
	const uint8_t *name;
	size_t name_len;

	while (!blx__list_empty(&views->kept)) {
		kept_drop(views, kept_of(views->kept.next));
	}
	for (; blx__item_begins(item, BLX__VIEWS_DIR, BLX__VIEWS_DIR_LEN);
		item = blx__cursor_next(&cursor)) {
		if (blx__view_key_is(blx__item_key(item), item->key_len, &name, &name_len)) {
			declare(views, item, name, name_len, tree);
		}
	}
}

/* ---- taking in ------------------------------------------------------------------ */

static void take_change(struct blx__views *views, const struct change *change)
{
	struct blx__list *link;

	blx__list_foreach (link, &views->kept) {
		struct kept *kept = kept_of(link);

		if (kept->view != NULL) {
			kept->code = blx__view_change(
				kept->view, change->old_item, change->new_item);
			if (kept->code != 0) {
				blx__view_destroy(kept->view);
				kept->view = NULL;
			}
		}
	}
}

/* Behind all changes: a view that is made anew has them from the tree. */
static void take_declaration(struct blx__views *views, const struct change *change,
	const struct blx__tree *tree)
{
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	struct kept *kept;
	const uint8_t *name;
	size_t name_len;

	if (!blx__view_key_is(blx__item_key(item), item->key_len, &name, &name_len)) {
		return;
	}
	if (change->new_item != NULL) {
		declare(views, item, name, name_len, tree);
		return;
	}
	kept = kept_find(views, name, name_len);
	if (kept != NULL) {
		kept_drop(views, kept);
	}
}

/* With more views than are kept, what is declared or goes may make room for another. */
static bool is_anew(const struct blx__views *views)
{
	size_t i;

	for (i = 0; views->count > BLX_VIEWS_MAX && i < views->changes_count; i++) {
		const struct change *change = &views->changes[i];

		if (is_declaration(change->new_item != NULL ? change->new_item
							    : change->old_item)) {
			return true;
		}
	}
	return views->lost;
}

static void take_changes(struct blx__views *views, const struct blx__tree *tree)
{
	size_t i;

	for (i = 0; i < views->changes_count; i++) {
		take_change(views, &views->changes[i]);
	}
	for (i = 0; i < views->changes_count; i++) {
		take_declaration(views, &views->changes[i], tree);
	}
}

static void on_committed(void *data, uint64_t revision, const struct blx__tree *tree)
{
	struct blx__views *views = data;

	(void)pthread_mutex_lock(&views->lock);
	if (is_anew(views)) {
		declare_all(views, tree);
	} else {
		take_changes(views, tree);
	}
	views->revision = revision;
	(void)pthread_mutex_unlock(&views->lock);
	changes_drop(views);
}

static void on_replaced(void *data, uint64_t revision, const struct blx__tree *tree)
{
	struct blx__views *views = data;

	changes_drop(views);
	(void)pthread_mutex_lock(&views->lock);
	declare_all(views, tree);
	views->revision = revision;
	(void)pthread_mutex_unlock(&views->lock);
}

struct blx__machine_observer blx__views_observer(struct blx__views *views)
{
	return (struct blx__machine_observer){.changed = on_changed,
		.committed = on_committed,
		.replaced = on_replaced,
		.data = views};
}

/* ---- the whole ------------------------------------------------------------------ */

int blx__views_create(struct blx__views **ret_views)
{
	struct blx__views *views = blx__calloc(1, sizeof *views);

	if (views == NULL) {
		return BLX_ENOMEM;
	}
	(void)pthread_mutex_init(&views->lock, NULL);
	blx__list_init(&views->kept);
	*ret_views = views;
	return 0;
}

void blx__views_destroy(struct blx__views *views)
{
	if (views == NULL) {
		return;
	}
	while (!blx__list_empty(&views->kept)) {
		kept_drop(views, kept_of(views->kept.next));
	}
	changes_drop(views);
	blx__free(views->changes);
	(void)pthread_mutex_destroy(&views->lock);
	blx__free(views);
}

size_t blx__views_count(struct blx__views *views)
{
	size_t count;

	(void)pthread_mutex_lock(&views->lock);
	count = views->count;
	(void)pthread_mutex_unlock(&views->lock);
	return count;
}

static bool is_right(const struct kept *kept, const struct blx__tree *tree)
{
	struct blx__view *fresh;
	bool right;

	if (kept->view == NULL || blx__view_create(&kept->view->spec, &fresh) != 0) {
		return kept->code != 0;
	}
	right = blx__view_fill(fresh, tree) == 0 &&
		blx__view_hash(fresh) == blx__view_hash(kept->view) &&
		fresh->values == kept->view->values;
	blx__view_destroy(fresh);
	return right;
}

bool blx__views_are_right(struct blx__views *views, const struct blx__tree *tree)
{
	struct blx__list *link;
	bool right = true;

	(void)pthread_mutex_lock(&views->lock);
	blx__list_foreach (link, &views->kept) {
		right = right && is_right(kept_of(link), tree);
	}
	(void)pthread_mutex_unlock(&views->lock);
	return right;
}

/* ---- reading -------------------------------------------------------------------- */

/* What is read, pinned. */
struct pinned {
	struct blx__tree *tree; /* owned reference; NULL: nothing */
	struct blx__views_head head;
};

static int pin(struct blx__views *views, const struct blx__views_spec *spec,
	struct pinned *pinned)
{
	struct blx__view_totals totals = {0};
	const struct kept *kept = kept_find(views, spec->name, spec->name_len);

	*pinned = (struct pinned){.head = {.revision = views->revision}};
	if (kept == NULL) {
		return BLX_ENOENT;
	}
	if (kept->view == NULL) {
		return kept->code;
	}
	pinned->head.sums_count = (uint8_t)kept->view->spec.sums_count;
	if ((spec->flags & BLX__VIEWS_GROUP) != 0) {
		pinned->tree = blx__view_group(
			kept->view, spec->group, spec->group_len, &totals);
		pinned->head.total = totals.count;
	} else {
		pinned->tree = blx__tree_ref(kept->view->groups);
		pinned->head.total = blx__tree_count(pinned->tree);
	}
	memcpy(pinned->head.sums, totals.sums, sizeof totals.sums);
	return 0;
}

static void totals_put(
	struct blx__buf *buf, const struct blx__view_totals *totals, unsigned sums_count)
{
	unsigned i;

	blx__put_varint(buf, totals->count);
	for (i = 0; i < sums_count; i++) {
		blx__put_u64(buf, (uint64_t)totals->sums[i]);
	}
}

static void entry_put(struct blx__buf *buf, const struct blx__views_spec *spec,
	const struct blx__views_head *head, const struct blx__item *item)
{
	struct blx__view_totals totals;

	blx__put_bytes(buf, blx__item_key(item), item->key_len);
	if ((spec->flags & BLX__VIEWS_GROUP) == 0) {
		blx__view_totals_get(item, head->sums_count, &totals);
		totals_put(buf, &totals, head->sums_count);
		return;
	}
	blx__put_varint(buf, item->mod_revision);
	blx__put_varint(buf, item->create_revision);
	blx__put_varint(buf, item->version);
	blx__put_u8(buf, (spec->flags & BLX__VIEWS_NO_VALUES) == 0);
	if ((spec->flags & BLX__VIEWS_NO_VALUES) == 0) {
		blx__put_bytes(buf, blx__item_value(item), item->value_len);
	}
}

/* About what the entries take, so that most of them fit at once. */
static size_t room_of(const struct pinned *pinned, const struct blx__views_spec *spec)
{
	uint64_t count = blx__tree_count(pinned->tree);
	uint64_t room = blx__tree_bytes(pinned->tree) + count * ENTRY_OVERHEAD;

	if (spec->limit != 0 && spec->limit < count) {
		room = room / count * spec->limit;
	}
	return room < BLX_VIEW_BYTES_MAX ? (size_t)room : BLX_VIEW_BYTES_MAX;
}

static void fill(struct pinned *pinned, const struct blx__views_spec *spec, struct blx__buf *buf)
{
	struct blx__views_head *head = &pinned->head;
	size_t begin = buf->len;
	struct blx__cursor cursor;
	struct blx__item *item =
		blx__cursor_seek(&cursor, pinned->tree, spec->after, spec->after_len);

	if (item != NULL && spec->after != NULL && item->key_len == spec->after_len &&
		memcmp(blx__item_key(item), spec->after, spec->after_len) == 0) {
		item = blx__cursor_next(&cursor);
	}
	(void)blx__buf_reserve(buf, room_of(pinned, spec));
	for (; item != NULL; item = blx__cursor_next(&cursor)) {
		if ((spec->limit != 0 && head->count == spec->limit) ||
			buf->len - begin + blx__item_bytes(item) > BLX_VIEW_BYTES_MAX) {
			head->more = true;
			return;
		}
		entry_put(buf, spec, head, item);
		head->count++;
	}
}

int blx__views_read(struct blx__views *views, const struct blx__views_spec *spec,
	struct blx__views_head *ret_head, struct blx__buf *buf)
{
	struct pinned pinned;
	int rv;

	(void)pthread_mutex_lock(&views->lock);
	rv = pin(views, spec, &pinned);
	(void)pthread_mutex_unlock(&views->lock);
	if (rv == 0 && pinned.tree != NULL) {
		fill(&pinned, spec, buf);
		blx__tree_unref(pinned.tree);
	}
	*ret_head = pinned.head;
	return rv != 0 ? rv : blx__buf_ok(buf) ? 0 : BLX_ENOMEM;
}

/* ---- as bytes ------------------------------------------------------------------- */

void blx__views_spec_put(struct blx__buf *buf, const struct blx__views_spec *spec)
{
	blx__put_u8(buf, spec->consistent);
	blx__put_u8(buf, spec->flags);
	blx__put_u32(buf, spec->limit);
	blx__put_bytes(buf, spec->name, spec->name_len);
	blx__put_bytes(buf, spec->group, spec->group_len);
	blx__put_u8(buf, spec->after != NULL);
	blx__put_bytes(buf, spec->after, spec->after_len);
}

int blx__views_spec_get(const void *data, size_t len, struct blx__views_spec *ret_spec)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__views_spec spec = {.consistent = blx__get_u8(&reader) != 0};
	bool has_after;

	spec.flags = blx__get_u8(&reader);
	spec.limit = blx__get_u32(&reader);
	spec.name = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &spec.name_len);
	spec.group = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &spec.group_len);
	has_after = blx__get_u8(&reader) != 0;
	spec.after = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &spec.after_len);
	if (!blx__reader_done(&reader) ||
		(spec.flags & ~(BLX__VIEWS_GROUP | BLX__VIEWS_NO_VALUES)) != 0) {
		return BLX_EPROTO;
	}
	if (!has_after) {
		spec.after = NULL;
		spec.after_len = 0;
	}
	*ret_spec = spec;
	return 0;
}

void blx__views_head_put(struct blx__buf *buf, const struct blx__views_head *head)
{
	unsigned i;

	blx__put_u64(buf, head->revision);
	blx__put_u64(buf, head->age_ms);
	blx__put_u64(buf, head->total);
	blx__put_u8(buf, head->sums_count);
	for (i = 0; i < head->sums_count; i++) {
		blx__put_u64(buf, (uint64_t)head->sums[i]);
	}
	blx__put_u8(buf, head->more);
	blx__put_u32(buf, head->count);
}

int blx__views_head_get(struct blx__reader *reader, struct blx__views_head *ret_head)
{
	struct blx__views_head head = {.revision = blx__get_u64(reader)};
	unsigned i;

	head.age_ms = blx__get_u64(reader);
	head.total = blx__get_u64(reader);
	head.sums_count = blx__get_u8(reader);
	if (head.sums_count > BLX_VIEW_SUMS_MAX) {
		return BLX_EPROTO;
	}
	for (i = 0; i < head.sums_count; i++) {
		head.sums[i] = (int64_t)blx__get_u64(reader);
	}
	head.more = blx__get_u8(reader) != 0;
	head.count = blx__get_u32(reader);
	if (!blx__reader_ok(reader)) {
		return BLX_EPROTO;
	}
	*ret_head = head;
	return 0;
}

int blx__views_entry_get(struct blx__reader *reader, const struct blx__views_head *head,
	bool of_group, struct blx__views_entry *ret_entry)
{
	struct blx__views_entry entry = {0};
	unsigned i;

	entry.name = blx__get_bytes(reader, BLX__KEY_LEN_MAX, &entry.name_len);
	if (of_group) {
		entry.totals.count = 1;
		entry.mod_revision = blx__get_varint(reader);
		entry.create_revision = blx__get_varint(reader);
		entry.version = blx__get_varint(reader);
		if (blx__get_u8(reader) != 0) {
			entry.value =
				blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &entry.value_len);
		}
	} else {
		entry.totals.count = blx__get_varint(reader);
		for (i = 0; i < head->sums_count; i++) {
			entry.totals.sums[i] = (int64_t)blx__get_u64(reader);
		}
	}
	if (!blx__reader_ok(reader) ||
		(of_group && !blx__key_valid(entry.name, entry.name_len))) {
		return BLX_EPROTO;
	}
	*ret_entry = entry;
	return 0;
}
