/* SPDX-License-Identifier: Apache-2.0 */
#include "node/list.h"

#include "base/assert.h"
#include "base/codec.h"
#include "node/impl.h"
#include "store/path.h"

#include <string.h>

/* A cursor that was read from within this time is not taken from its asker for another. */
#define CURSOR_STEAL_MS 1000

/* A directory's key, a separator, a name, and one byte that makes it the next one. */
#define SEEK_LEN_MAX (2 * BLX__KEY_LEN_MAX + 2)

/* Behind every key that goes on from here with a separator, before every other: components
 * hold no byte 0, so a name's siblings that begin with it go on with 1 or more. */
#define BEHIND_SUBTREE 1

enum entry_flags {
	ENTRY_HAS_VALUE = 1,
	ENTRY_HAS_CHILDREN = 2,
	ENTRY_CARRIES_VALUE = 4
};

/* ---- as bytes ------------------------------------------------------------- */

void blx__list_spec_put(struct blx__buf *buf, const struct blx__list_spec *spec)
{
	blx__put_u8(buf, spec->consistent); /* first: what node.c looks at */
	blx__put_u8(buf, spec->flags);
	blx__put_u32(buf, spec->limit);
	blx__put_u64(buf, spec->cursor);
	blx__put_bytes(buf, spec->key, spec->key_len);
	blx__put_bytes(buf, spec->after, spec->after_len);
}

int blx__list_spec_get(const void *data, size_t len, struct blx__list_spec *ret_spec)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__list_spec spec = { 0 };

	spec.consistent = blx__get_u8(&reader) != 0;
	spec.flags = blx__get_u8(&reader);
	spec.limit = blx__get_u32(&reader);
	spec.cursor = blx__get_u64(&reader);
	spec.key = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &spec.key_len);
	spec.after = blx__get_bytes(&reader, BLX__KEY_LEN_MAX, &spec.after_len);
	if (!blx__reader_done(&reader) || !blx__key_valid(spec.key, spec.key_len) ||
		!blx__key_valid(spec.after, spec.after_len)) {
		return BLX_EPROTO;
	}
	*ret_spec = spec;
	return 0;
}

static void entry_put(struct blx__buf *buf, const struct blx__list_entry *entry)
{
	uint8_t flags = 0;

	if (entry->has_value) {
		flags |= ENTRY_HAS_VALUE;
	}
	if (entry->has_children) {
		flags |= ENTRY_HAS_CHILDREN;
	}
	if (entry->value != NULL) {
		flags |= ENTRY_CARRIES_VALUE;
	}
	blx__put_u8(buf, flags);
	blx__put_bytes(buf, entry->name, entry->name_len);
	if (entry->has_value) {
		blx__put_varint(buf, entry->create_revision);
		blx__put_varint(buf, entry->mod_revision);
		blx__put_varint(buf, entry->version);
	}
	if (entry->value != NULL) {
		blx__put_bytes(buf, entry->value, entry->value_len);
	}
}

int blx__list_entry_get(struct blx__reader *reader, struct blx__list_entry *ret_entry)
{
	struct blx__list_entry entry = { 0 };
	uint8_t flags = blx__get_u8(reader);

	entry.has_value = (flags & ENTRY_HAS_VALUE) != 0;
	entry.has_children = (flags & ENTRY_HAS_CHILDREN) != 0;
	entry.name = blx__get_bytes(reader, BLX__KEY_LEN_MAX, &entry.name_len);
	if (entry.has_value) {
		entry.create_revision = blx__get_varint(reader);
		entry.mod_revision = blx__get_varint(reader);
		entry.version = blx__get_varint(reader);
	}
	if ((flags & ENTRY_CARRIES_VALUE) != 0) {
		entry.value = blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &entry.value_len);
	}
	if (!blx__reader_ok(reader) || entry.name_len == 0 ||
		!blx__key_valid(entry.name, entry.name_len) ||
		(entry.value != NULL && !entry.has_value)) {
		return BLX_EPROTO;
	}
	*ret_entry = entry;
	return 0;
}

void blx__list_head_put(struct blx__buf *buf, const struct blx__list_head *head)
{
	blx__put_u64(buf, head->revision);
	blx__put_u64(buf, head->age_ms);
	blx__put_u8(buf, head->more);
	blx__put_u64(buf, head->cursor);
	blx__put_u32(buf, head->count);
}

int blx__list_head_get(struct blx__reader *reader, struct blx__list_head *ret_head)
{
	struct blx__list_head head = { 0 };

	head.revision = blx__get_u64(reader);
	head.age_ms = blx__get_u64(reader);
	head.more = blx__get_u8(reader) != 0;
	head.cursor = blx__get_u64(reader);
	head.count = blx__get_u32(reader);
	if (!blx__reader_ok(reader)) {
		return BLX_EPROTO;
	}
	*ret_head = head;
	return 0;
}

/* ---- walking -------------------------------------------------------------- */

/* One way through the directory of a spec. */
struct walk {
	const struct blx__tree *tree;
	const struct blx__list_spec *spec;
	struct blx__cursor cursor;
	struct blx__item *item; /* where it stands; NULL: at the end. Borrowed */
	size_t prefix_len;      /* of the directory's key with its separator */
	uint8_t seek[SEEK_LEN_MAX]; /* begins with the prefix, always */
};

/* To the first item behind prefix + name + byte; below the directory or not at all. */
static void walk_seek(struct walk *walk, const uint8_t *name, size_t name_len, const uint8_t *byte)
{
	size_t len = walk->prefix_len;

	PRE(name_len <= BLX__KEY_LEN_MAX);

	if (name_len > 0) {
		memcpy(walk->seek + len, name, name_len);
		len += name_len;
	}
	if (byte != NULL) {
		walk->seek[len++] = *byte;
	}
	walk->item = blx__cursor_seek(&walk->cursor, walk->tree, walk->seek, len);
}

/* Is the walk still in the directory? */
static bool walk_inside(const struct walk *walk)
{
	return walk->item != NULL && walk->item->key_len > walk->prefix_len &&
		memcmp(blx__item_key(walk->item), walk->seek, walk->prefix_len) == 0;
}

static size_t first_component(const uint8_t *name, size_t len)
{
	const uint8_t *end = len > 0 ? memchr(name, BLX__KEY_SEPARATOR, len) : NULL;

	return end != NULL ? (size_t)(end - name) : len;
}

static void walk_begin(struct walk *walk, const struct blx__tree *tree,
	const struct blx__list_spec *spec)
{
	static const uint8_t behind = BEHIND_SUBTREE;
	static const uint8_t separator = BLX__KEY_SEPARATOR;

	walk->tree = tree;
	walk->spec = spec;
	walk->prefix_len = 0;
	if (spec->key_len > 0) {
		memcpy(walk->seek, spec->key, spec->key_len);
		walk->seek[spec->key_len] = BLX__KEY_SEPARATOR;
		walk->prefix_len = spec->key_len + 1;
	}
	if (spec->after_len == 0) {
		walk_seek(walk, NULL, 0, NULL);
		if (spec->key_len == 0 && walk->item != NULL && walk->item->key_len == 0) {
			walk->item = blx__cursor_next(&walk->cursor); /* the root has no name */
		}
	} else if ((spec->flags & BLX__LIST_TREE) != 0) {
		walk_seek(walk, spec->after, spec->after_len, &separator);
	} else {
		walk_seek(walk, spec->after, first_component(spec->after, spec->after_len),
			&behind);
	}
}

static void entry_of_item(const struct walk *walk, const struct blx__item *item,
	struct blx__list_entry *entry)
{
	entry->has_value = true;
	entry->create_revision = item->create_revision;
	entry->mod_revision = item->mod_revision;
	entry->version = item->version;
	if ((walk->spec->flags & BLX__LIST_NO_VALUES) == 0) {
		entry->value = blx__item_value(item);
		entry->value_len = blx__item_value_len(item);
	}
}

static bool is_below(const struct blx__item *item, const struct blx__item *above)
{
	return item->key_len > above->key_len &&
		blx__item_key(item)[above->key_len] == BLX__KEY_SEPARATOR &&
		memcmp(blx__item_key(item), blx__item_key(above), above->key_len) == 0;
}

/* The entry where the walk stands, and on to the next one: whatever is below a child is
 * passed over by one search, not by walking through it. */
static void walk_take(struct walk *walk, struct blx__list_entry *ret_entry)
{
	static const uint8_t behind = BEHIND_SUBTREE;
	const struct blx__item *item = walk->item;
	const uint8_t *name = blx__item_key(item) + walk->prefix_len;
	size_t rest = item->key_len - walk->prefix_len;
	struct blx__list_entry entry = { .name = name, .name_len = rest };

	if ((walk->spec->flags & BLX__LIST_TREE) != 0) {
		entry_of_item(walk, item, &entry);
		walk->item = blx__cursor_next(&walk->cursor);
		*ret_entry = entry;
		return;
	}
	entry.name_len = first_component(name, rest);
	if (entry.name_len == rest) {
		entry_of_item(walk, item, &entry);
		walk->item = blx__cursor_next(&walk->cursor);
		/* What is below a key comes right behind it. */
		entry.has_children = walk->item != NULL && is_below(walk->item, item);
	} else {
		entry.has_children = true;
	}
	if (entry.has_children) {
		walk_seek(walk, entry.name, entry.name_len, &behind);
	}
	*ret_entry = entry;
}

static bool page_has_room(const struct blx__list_page *page, const struct blx__list_spec *spec,
	size_t bytes)
{
	if (spec->limit != 0 && page->count >= spec->limit) {
		return false;
	}
	if (page->entries_max != 0 && page->count >= page->entries_max) {
		return false;
	}
	return page->bytes_max == 0 || page->count == 0 || bytes < page->bytes_max;
}

int blx__list_fill(const struct blx__image *image, const struct blx__list_spec *spec,
	struct blx__list_page *page, struct blx__buf *buf)
{
	size_t begin = buf->len;
	struct walk walk;

	page->count = 0;
	walk_begin(&walk, blx__image_tree(image), spec);
	while (walk_inside(&walk) && page_has_room(page, spec, buf->len - begin)) {
		struct blx__list_entry entry;

		walk_take(&walk, &entry);
		entry_put(buf, &entry);
		page->count++;
		if (!blx__buf_ok(buf)) {
			return BLX_ENOMEM;
		}
	}
	page->more = walk_inside(&walk);
	return 0;
}

/* ---- pages ---------------------------------------------------------------- */

void blx__lists_init(struct blx__lists *lists, struct blx__node *node)
{
	memset(lists, 0, sizeof *lists);
	lists->node = node;
}

static void cursor_release(struct blx__lists *lists, size_t i)
{
	blx__image_unref(lists->cursors[i].image);
	lists->cursors[i].image = NULL;
	lists->cursors[i].id = 0;
}

void blx__lists_finish(struct blx__lists *lists)
{
	size_t i;

	for (i = 0; i < BLX__LIST_CURSORS_MAX; i++) {
		cursor_release(lists, i);
	}
}

void blx__lists_tick(struct blx__lists *lists)
{
	uint64_t now = blx__mono_ns(lists->node->env);
	size_t i;

	for (i = 0; i < BLX__LIST_CURSORS_MAX; i++) {
		if (lists->cursors[i].id != 0 &&
			now - lists->cursors[i].used_ns > BLX__LIST_CURSOR_MS * UINT64_C(1000000)) {
			cursor_release(lists, i);
		}
	}
}

static size_t cursor_find(const struct blx__lists *lists, uint64_t id)
{
	size_t i;

	for (i = 0; i < BLX__LIST_CURSORS_MAX; i++) {
		if (lists->cursors[i].id == id) {
			break;
		}
	}
	return i;
}

/* A free place, or that of the asker who has been away longest; BLX__LIST_CURSORS_MAX: all
 * are in use. */
static size_t cursor_place(struct blx__lists *lists)
{
	uint64_t now = blx__mono_ns(lists->node->env);
	size_t oldest = 0;
	size_t i = cursor_find(lists, 0);

	if (i < BLX__LIST_CURSORS_MAX) {
		return i;
	}
	for (i = 1; i < BLX__LIST_CURSORS_MAX; i++) {
		if (lists->cursors[i].used_ns < lists->cursors[oldest].used_ns) {
			oldest = i;
		}
	}
	if (now - lists->cursors[oldest].used_ns < CURSOR_STEAL_MS * UINT64_C(1000000)) {
		return BLX__LIST_CURSORS_MAX;
	}
	cursor_release(lists, oldest);
	return oldest;
}

/* Keeps the image for the asker's next page. Takes the reference on success. */
static uint64_t cursor_keep(struct blx__lists *lists, struct blx__image *image)
{
	struct blx__env *env = lists->node->env;
	size_t i = cursor_place(lists);

	if (i == BLX__LIST_CURSORS_MAX) {
		return 0;
	}
	do {
		lists->cursors[i].id = blx__random_u64(env);
	} while (lists->cursors[i].id == 0);
	lists->cursors[i].image = image;
	lists->cursors[i].used_ns = blx__mono_ns(env);
	return lists->cursors[i].id;
}

static void answer_page(struct blx__request *request, const struct blx__list_head *head,
	const struct blx__buf *entries)
{
	struct blx__response response = { .code = 0 };
	struct blx__buf body;

	blx__buf_init(&body);
	blx__list_head_put(&body, head);
	blx__buf_append(&body, entries->data, entries->len);
	if (!blx__buf_ok(&body)) {
		blx__request_fail(request, BLX_ENOMEM, "list: out of memory");
	} else {
		response.body = body.data;
		response.body_len = body.len;
		blx__request_finish(request, &response);
	}
	blx__buf_finish(&body);
}

/* The page, and the cursor that it leaves: id is 0 for a first page, whose image is taken. */
static void list_page(struct blx__lists *lists, struct blx__request *request,
	const struct blx__list_spec *spec, struct blx__image *image)
{
	struct blx__list_page page = { .bytes_max = BLX__LIST_PAGE_BYTES,
		.entries_max = BLX__LIST_PAGE_ENTRIES };
	struct blx__list_head head = { .revision = blx__image_meta(image)->revision,
		.age_ms = blx__node_leader_age_ms(lists->node),
		.cursor = spec->cursor };
	struct blx__buf entries;
	bool goes_on;
	int rv;

	blx__buf_init(&entries);
	rv = blx__list_fill(image, spec, &page, &entries);
	head.more = page.more;
	head.count = page.count;
	goes_on = page.more && (spec->limit == 0 || page.count < spec->limit);
	if (spec->cursor == 0 && rv == 0 && goes_on) {
		head.cursor = cursor_keep(lists, image);
		rv = head.cursor == 0 ? BLX_EBUSY : 0;
	}
	if (spec->cursor == 0 && head.cursor == 0) {
		blx__image_unref(image);
	}
	if (spec->cursor != 0 && !goes_on) {
		cursor_release(lists, cursor_find(lists, spec->cursor));
		head.cursor = 0;
	}
	if (rv == BLX_EBUSY) {
		blx__request_fail(request, rv, "list: %u long lists are being read; try again",
			(unsigned)BLX__LIST_CURSORS_MAX);
	} else if (rv != 0) {
		blx__request_fail(request, rv, "list: out of memory");
	} else {
		answer_page(request, &head, &entries);
	}
	blx__buf_finish(&entries);
}

void blx__lists_answer(struct blx__lists *lists, struct blx__request *request)
{
	struct blx__list_spec spec;
	struct blx__image *image;
	size_t i;

	if (blx__list_spec_get(request->body, request->body_len, &spec) != 0) {
		blx__request_fail(request, BLX_EPROTO, "list: the request is malformed");
		return;
	}
	if (spec.cursor == 0) {
		image = blx__machine_pin(lists->node->machine);
		if (image == NULL) {
			blx__request_fail(request, BLX_ENOMEM, "list: out of memory");
			return;
		}
		list_page(lists, request, &spec, image);
		return;
	}
	i = cursor_find(lists, spec.cursor);
	if (i == BLX__LIST_CURSORS_MAX) {
		blx__request_fail(request, BLX_ESESSION,
			"list: the rest of it is no longer held, its reader was away for too long; "
			"list again");
		return;
	}
	lists->cursors[i].used_ns = blx__mono_ns(lists->node->env);
	list_page(lists, request, &spec, lists->cursors[i].image);
}
