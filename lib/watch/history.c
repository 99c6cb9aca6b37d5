/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/history.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

/* Places at the start; they double when they are used up. A power of two. */
#define PLACES_MIN 64

struct entry {
	struct blx__change *changes; /* owned */
	size_t count;
	size_t bytes;
};

struct blx__history {
	size_t bytes_max;
	size_t bytes; /* of all entries; never above bytes_max */
	uint64_t last;

	/* A ring: the transaction of revision last is at first + count - 1. */
	struct entry *places; /* owned */
	size_t places_count;  /* 0 or a power of two */
	size_t first;
	size_t count;

	/* The transaction being applied. */
	struct entry open; /* its changes have room for open_room */
	size_t open_room;
	bool open_lost; /* it is too large, or there was no memory */
};

/* ---- one transaction ---------------------------------------------------------- */

static void change_drop(struct blx__change *change)
{
	if (change->old_item != NULL) {
		blx__item_unref(change->old_item);
	}
	if (change->new_item != NULL) {
		blx__item_unref(change->new_item);
	}
	if (change->cause != NULL) {
		blx__item_unref(change->cause);
	}
}

static void entry_finish(struct entry *entry)
{
	size_t i;

	for (i = 0; i < entry->count; i++) {
		change_drop(&entry->changes[i]);
	}
	blx__free(entry->changes);
	*entry = (struct entry){0};
}

static size_t item_bytes(const struct blx__item *item)
{
	return item != NULL ? sizeof *item + (size_t)blx__item_bytes(item) : 0;
}

static void open_finish(struct blx__history *history)
{
	entry_finish(&history->open);
	history->open_room = 0;
	history->open_lost = false;
}

static bool open_make_room(struct blx__history *history)
{
	size_t room = history->open_room == 0 ? 1 : 2 * history->open_room;
	struct blx__change *grown;

	if (history->open.count < history->open_room) {
		return true;
	}
	grown = blx__realloc(history->open.changes, room * sizeof *grown);
	if (grown == NULL) {
		return false;
	}
	history->open.changes = grown;
	history->open_room = room;
	return true;
}

/* ---- the ring ------------------------------------------------------------------ */

static struct entry *place(const struct blx__history *history, size_t i)
{
	return &history->places[(history->first + i) & (history->places_count - 1)];
}

static void forget_first(struct blx__history *history)
{
	struct entry *entry = place(history, 0);

	INVARIANT(history->count > 0);
	INVARIANT(entry->bytes <= history->bytes);

	history->bytes -= entry->bytes;
	entry_finish(entry);
	history->first = (history->first + 1) & (history->places_count - 1);
	history->count--;
}

static void forget_all(struct blx__history *history)
{
	while (history->count > 0) {
		forget_first(history);
	}
	POST(history->bytes == 0);
}

static bool ring_make_room(struct blx__history *history)
{
	size_t more = history->places_count == 0 ? PLACES_MIN : 2 * history->places_count;
	struct entry *places;
	size_t i;

	if (history->count < history->places_count) {
		return true;
	}
	places = blx__calloc(more, sizeof *places);
	if (places == NULL) {
		return false;
	}
	for (i = 0; i < history->count; i++) {
		places[i] = *place(history, i);
	}
	blx__free(history->places);
	history->places = places;
	history->places_count = more;
	history->first = 0;
	return true;
}

/* Takes in the open transaction, all of it. */
static void ring_push(struct blx__history *history)
{
	while (history->bytes + history->open.bytes > history->bytes_max) {
		forget_first(history);
	}
	*place(history, history->count) = history->open;
	history->count++;
	history->bytes += history->open.bytes;
	history->open = (struct entry){0};
	open_finish(history);
}

/* ---- as the observer of a machine ------------------------------------------------ */

/* Many go for one cause, in a row. */
static struct blx__item *cause_of(
	const struct entry *open, const struct blx__machine_change *change)
{
	struct blx__item *last =
		open->count > 0 ? open->changes[open->count - 1].cause : NULL;

	if (last != NULL && last->key_len == change->cause_len &&
		memcmp(blx__item_key(last), change->cause, change->cause_len) == 0) {
		blx__item_ref(last);
		return last;
	}
	return blx__item_create(change->cause, change->cause_len, NULL, 0);
}

/* With references of its own. False: no memory. */
static bool change_keep(
	const struct entry *open, const struct blx__machine_change *from, struct blx__change *to)
{
	*to = (struct blx__change){.old_item = from->old_item, .new_item = from->new_item};
	if (from->cause != NULL) {
		to->cause = cause_of(open, from);
		if (to->cause == NULL) {
			return false;
		}
	}
	if (to->old_item != NULL) {
		blx__item_ref(to->old_item);
	}
	if (to->new_item != NULL) {
		blx__item_ref(to->new_item);
	}
	return true;
}

static bool on_changed(
	void *data, uint64_t revision, const struct blx__machine_change *change)
{
	struct blx__history *history = data;
	struct entry *open = &history->open;
	size_t bytes = sizeof *open->changes + item_bytes(change->old_item) +
		       item_bytes(change->new_item) + change->cause_len;

	PRE(revision == history->last + 1);
	PRE(change->old_item != NULL || change->new_item != NULL);

	if (open->count == 0) {
		open->bytes = sizeof *open;
	}
	if (history->open_lost || open->bytes + bytes > history->bytes_max ||
		!open_make_room(history) ||
		!change_keep(open, change, &open->changes[open->count])) {
		open_finish(history);
		history->open_lost = true;
		return false;
	}
	open->count++;
	open->bytes += bytes;
	return true;
}

static void on_committed(void *data, uint64_t revision, const struct blx__tree *tree)
{
	struct blx__history *history = data;

	(void)tree;
	PRE(revision == history->last + 1);

	history->last = revision;
	if (history->open_lost || !ring_make_room(history)) {
		forget_all(history);
		open_finish(history);
		return;
	}
	ring_push(history);
}

static void on_replaced(void *data, uint64_t revision, const struct blx__tree *tree)
{
	struct blx__history *history = data;

	(void)tree;
	forget_all(history);
	open_finish(history);
	history->last = revision;
}

struct blx__machine_observer blx__history_observer(struct blx__history *history)
{
	return (struct blx__machine_observer){.changed = on_changed,
		.committed = on_committed,
		.replaced = on_replaced,
		.data = history};
}

/* ---- the whole ----------------------------------------------------------------------
 */

int blx__history_create(size_t bytes_max, struct blx__history **ret_history)
{
	struct blx__history *history = blx__calloc(1, sizeof *history);

	if (history == NULL) {
		return BLX_ENOMEM;
	}
	history->bytes_max = bytes_max;
	*ret_history = history;
	return 0;
}

void blx__history_destroy(struct blx__history *history)
{
	if (history == NULL) {
		return;
	}
	forget_all(history);
	open_finish(history);
	blx__free(history->places);
	blx__free(history);
}

uint64_t blx__history_floor(const struct blx__history *history)
{
	return history->last - history->count;
}

uint64_t blx__history_last(const struct blx__history *history)
{
	return history->last;
}

size_t blx__history_bytes(const struct blx__history *history)
{
	return history->bytes;
}

const struct blx__change *blx__history_at(
	const struct blx__history *history, uint64_t revision, size_t *ret_count)
{
	const struct entry *entry;

	PRE(revision > blx__history_floor(history));
	PRE(revision <= history->last);

	entry = place(history, (size_t)(revision - blx__history_floor(history) - 1));
	*ret_count = entry->count;
	return entry->changes;
}
