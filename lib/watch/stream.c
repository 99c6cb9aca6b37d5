/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/stream.h"

#include "base/assert.h"

#include <string.h>

#define FLAGS_KNOWN (BLX__WATCH_PREV | BLX__WATCH_NO_VALUES)

enum event_flags {
	EVENT_DELETE = 1,
	EVENT_MORE = 2,
	EVENT_VALUE = 4,
	EVENT_PREV = 8,
	EVENT_CAUSE = 16,
	EVENT_KNOWN = 31
};

int blx__watch_at_compare(const struct blx__watch_at *a, const struct blx__watch_at *b)
{
	if (a->revision != b->revision) {
		return a->revision < b->revision ? -1 : 1;
	}
	return a->skip < b->skip ? -1 : a->skip > b->skip;
}

/* ---- as bytes ------------------------------------------------------------------- */

static void at_put(struct blx__buf *buf, const struct blx__watch_at *at)
{
	blx__put_u64(buf, at->revision);
	blx__put_u32(buf, at->skip);
}

static struct blx__watch_at at_get(struct blx__reader *reader)
{
	struct blx__watch_at at = {.revision = blx__get_u64(reader)};

	at.skip = blx__get_u32(reader);
	return at;
}

void blx__watch_spec_put(struct blx__buf *buf, const struct blx__watch_spec *spec)
{
	blx__put_u8(buf, spec->flags);
	at_put(buf, &spec->from);
	blx__put_u32(buf, spec->wait_ms);
	blx__put_bytes(buf, spec->text, spec->text_len);
}

int blx__watch_spec_get(const void *data, size_t len, struct blx__watch_spec *ret_spec)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__watch_spec spec = {.flags = blx__get_u8(&reader)};

	spec.from = at_get(&reader);
	spec.wait_ms = blx__get_u32(&reader);
	spec.text = (const char *)blx__get_bytes(
		&reader, BLX__PATTERN_LEN_MAX, &spec.text_len);
	if (!blx__reader_done(&reader) || (spec.flags & ~FLAGS_KNOWN) != 0 ||
		(spec.from.revision == 0 && spec.from.skip != 0)) {
		return BLX_EPROTO;
	}
	*ret_spec = spec;
	return 0;
}

static void event_put(struct blx__buf *buf, const struct blx__watch_event *event)
{
	uint8_t flags = 0;

	flags |= event->is_delete ? EVENT_DELETE : 0;
	flags |= event->more ? EVENT_MORE : 0;
	flags |= event->value != NULL ? EVENT_VALUE : 0;
	flags |= event->prev != NULL ? EVENT_PREV : 0;
	flags |= event->cause != NULL ? EVENT_CAUSE : 0;
	blx__put_u8(buf, flags);
	blx__put_varint(buf, event->revision);
	blx__put_varint(buf, event->create_revision);
	blx__put_varint(buf, event->version);
	blx__put_varint(buf, event->prev_revision);
	blx__put_bytes(buf, event->key, event->key_len);
	if (event->value != NULL) {
		blx__put_bytes(buf, event->value, event->value_len);
	}
	if (event->prev != NULL) {
		blx__put_bytes(buf, event->prev, event->prev_len);
	}
	if (event->cause != NULL) {
		blx__put_bytes(buf, event->cause, event->cause_len);
	}
}

int blx__watch_event_get(struct blx__reader *reader, struct blx__watch_event *ret_event)
{
	struct blx__watch_event event = {0};
	uint8_t flags = blx__get_u8(reader);

	event.is_delete = (flags & EVENT_DELETE) != 0;
	event.more = (flags & EVENT_MORE) != 0;
	event.revision = blx__get_varint(reader);
	event.create_revision = blx__get_varint(reader);
	event.version = blx__get_varint(reader);
	event.prev_revision = blx__get_varint(reader);
	event.key = blx__get_bytes(reader, BLX__KEY_LEN_MAX, &event.key_len);
	if ((flags & EVENT_VALUE) != 0) {
		event.value = blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &event.value_len);
	}
	if ((flags & EVENT_PREV) != 0) {
		event.prev = blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &event.prev_len);
	}
	if ((flags & EVENT_CAUSE) != 0) {
		event.cause = blx__get_bytes(reader, BLX__KEY_LEN_MAX, &event.cause_len);
	}
	if (!blx__reader_ok(reader) || (flags & ~EVENT_KNOWN) != 0 ||
		event.revision == 0 || !blx__key_valid(event.key, event.key_len) ||
		(event.is_delete && event.value != NULL) ||
		(event.cause != NULL && !blx__key_valid(event.cause, event.cause_len))) {
		return BLX_EPROTO;
	}
	*ret_event = event;
	return 0;
}

void blx__watch_head_put(struct blx__buf *buf, const struct blx__watch_head *head)
{
	at_put(buf, &head->next);
	blx__put_u64(buf, head->revision);
	blx__put_u32(buf, head->count);
}

int blx__watch_head_get(struct blx__reader *reader, struct blx__watch_head *ret_head)
{
	struct blx__watch_head head = {.next = at_get(reader)};

	head.revision = blx__get_u64(reader);
	head.count = blx__get_u32(reader);
	if (!blx__reader_ok(reader) || head.next.revision == 0) {
		return BLX_EPROTO;
	}
	*ret_head = head;
	return 0;
}

/* ---- from the history ------------------------------------------------------------- */

/* A batch being made. */
struct batch {
	const struct blx__pattern *pattern;
	uint8_t flags;
	struct blx__buf *events;
	size_t begin; /* of the batch in events */
	uint32_t count;
	size_t seen; /* changes looked at */
};

static const struct blx__item *item_of(const struct blx__change *change)
{
	return change->new_item != NULL ? change->new_item : change->old_item;
}

static bool matches(const struct batch *batch, const struct blx__change *change)
{
	const struct blx__item *item = item_of(change);

	return blx__pattern_matches(batch->pattern, blx__item_key(item), item->key_len);
}

static bool is_full(const struct batch *batch)
{
	return batch->events->len - batch->begin >= BLX__WATCH_BATCH_BYTES ||
	       batch->seen >= BLX__WATCH_BATCH_CHANGES || !blx__buf_ok(batch->events);
}

static void add(struct batch *batch, const struct blx__change *change, uint64_t revision,
	bool more)
{
	const struct blx__item *item = item_of(change);
	const struct blx__item *old = change->old_item;
	struct blx__watch_event event = {.is_delete = change->new_item == NULL,
		.more = more,
		.revision = revision,
		.create_revision = item->create_revision,
		.version = item->version,
		.prev_revision = old != NULL ? old->mod_revision : 0,
		.key = blx__item_key(item),
		.key_len = item->key_len};

	if (!event.is_delete && (batch->flags & BLX__WATCH_NO_VALUES) == 0) {
		event.value = blx__item_value(item);
		event.value_len = item->value_len;
	}
	if (old != NULL && (batch->flags & BLX__WATCH_PREV) != 0) {
		event.prev = blx__item_value(old);
		event.prev_len = old->value_len;
	}
	if (change->cause != NULL) {
		event.cause = blx__item_key(change->cause);
		event.cause_len = change->cause->key_len;
	}
	event_put(batch->events, &event);
	batch->count++;
}

/* The first change at or behind i that matches; count: there is none. */
static size_t next_match(
	struct batch *batch, const struct blx__change *changes, size_t count, size_t i)
{
	while (i < count && !matches(batch, &changes[i])) {
		i++;
		batch->seen++;
	}
	return i;
}

/* Takes of one transaction what fits; false: not all of it. What follows an event is
 * looked for before it is written, for it tells whether there is more. */
static bool take_transaction(
	struct batch *batch, const struct blx__history *history, struct blx__watch_at *at)
{
	size_t count;
	const struct blx__change *changes =
		blx__history_at(history, at->revision, &count);
	size_t i = next_match(batch, changes, count, at->skip);

	while (i < count && !is_full(batch)) {
		size_t next = next_match(batch, changes, count, i + 1);

		batch->seen++;
		add(batch, &changes[i], at->revision, next < count);
		i = next;
	}
	if (i < count) {
		at->skip = (uint32_t)i;
		return false;
	}
	*at = (struct blx__watch_at){.revision = at->revision + 1};
	return true;
}

int blx__watch_fill(const struct blx__history *history,
	const struct blx__pattern *pattern, uint8_t flags, struct blx__watch_at *at,
	struct blx__buf *events, uint32_t *ret_count)
{
	struct batch batch = {.pattern = pattern,
		.flags = flags,
		.events = events,
		.begin = events->len};
	struct blx__watch_at next = *at;
	bool whole = true;

	if (next.revision == 0) {
		next.revision = blx__history_last(history) + 1;
	}
	if (next.revision <= blx__history_floor(history)) {
		return BLX_ECOMPACTED;
	}
	while (whole && next.revision <= blx__history_last(history) && !is_full(&batch)) {
		whole = take_transaction(&batch, history, &next);
	}
	if (!blx__buf_ok(events)) {
		return BLX_ENOMEM;
	}
	*at = next;
	*ret_count = batch.count;
	return 0;
}
