/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/keeps.h"

#include "base/assert.h"
#include "base/mem.h"
#include "store/keep.h"
#include "store/path.h"

#include <stdlib.h>
#include <string.h>

struct keep;

/* One key that a keep asks about. */
struct edge {
	struct blx__table_link link;
	struct keep *keep;
	const uint8_t *key; /* in the item */
	size_t key_len;
	bool children;
};

struct keep {
	struct blx__table_link link;
	struct blx__list due;   /* in that of the keeps, or in no list */
	struct blx__item *item; /* owned reference */
	size_t edges_count;
	struct edge edges[];
};

static struct keep *keep_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct keep, link);
}

static struct edge *edge_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct edge, link);
}

int blx__keeps_init(struct blx__keeps *keeps)
{
	*keeps = (struct blx__keeps){0};
	blx__list_init(&keeps->due);
	return blx__tree_create(&keeps->kept);
}

/* ---- one of them ---------------------------------------------------------------- */

static int count_edge(const uint8_t *key, size_t key_len, bool children, void *data)
{
	(void)key;
	(void)key_len;
	(void)children;
	++*(size_t *)data;
	return 0;
}

static int fill_edge(const uint8_t *key, size_t key_len, bool children, void *data)
{
	struct keep *keep = data;

	keep->edges[keep->edges_count++] = (struct edge){
		.keep = keep, .key = key, .key_len = key_len, .children = children};
	return 0;
}

static struct keep *keep_create(struct blx__item *item)
{
	const uint8_t *bytes = blx__item_keep(item);
	size_t count = 0;
	struct keep *keep;

	(void)blx__keep_each(bytes, item->keep_len, count_edge, &count);
	keep = blx__calloc(1, sizeof *keep + count * sizeof keep->edges[0]);
	if (keep != NULL) {
		blx__list_init(&keep->due);
		(void)blx__keep_each(bytes, item->keep_len, fill_edge, keep);
		blx__item_ref(item);
		keep->item = item;
	}
	return keep;
}

/* Takes it out of where it is in, which may be a part, and frees it. */
static void keep_drop(struct blx__keeps *keeps, struct keep *keep)
{
	size_t i;

	for (i = 0; i < keep->edges_count; i++) {
		if (keep->edges[i].link.at != NULL) {
			blx__table_remove(&keeps->edges, &keep->edges[i].link);
			keeps->children -= keep->edges[i].children;
		}
	}
	if (keep->link.at != NULL) {
		blx__table_remove(&keeps->keeps, &keep->link);
	}
	blx__list_remove(&keep->due);
	blx__item_unref(keep->item);
	blx__free(keep);
}

static struct keep *keep_find(const struct blx__keeps *keeps, const struct blx__item *item)
{
	struct blx__table_link *link = blx__table_find(
		&keeps->keeps, blx__table_hash(blx__item_key(item), item->key_len));

	for (; link != NULL; link = blx__table_find_next(link)) {
		const struct blx__item *other = keep_of(link)->item;

		if (other->key_len == item->key_len &&
			memcmp(blx__item_key(other), blx__item_key(item), item->key_len) ==
				0) {
			return keep_of(link);
		}
	}
	return NULL;
}

static int keep_link(struct blx__keeps *keeps, struct keep *keep)
{
	const struct blx__item *item = keep->item;
	int rv = blx__table_add(&keeps->keeps, &keep->link,
		blx__table_hash(blx__item_key(item), item->key_len));
	size_t i;

	for (i = 0; rv == 0 && i < keep->edges_count; i++) {
		struct edge *edge = &keep->edges[i];

		rv = blx__table_add(&keeps->edges, &edge->link,
			blx__table_hash(edge->key, edge->key_len));
		keeps->children += rv == 0 && edge->children;
	}
	return rv;
}

/* The index of an item that has conditions. */
static struct keep *keep_add(struct blx__keeps *keeps, struct blx__item *item)
{
	struct keep *keep = keep_create(item);

	if (keep != NULL && keep_link(keeps, keep) != 0) {
		keep_drop(keeps, keep);
		keep = NULL;
	}
	return keep;
}

/* ---- changes -------------------------------------------------------------------- */

static void due_at(struct blx__keeps *keeps, const uint8_t *key, size_t key_len, bool below)
{
	struct blx__table_link *link =
		blx__table_find(&keeps->edges, blx__table_hash(key, key_len));

	for (; link != NULL; link = blx__table_find_next(link)) {
		struct edge *edge = edge_of(link);

		if (edge->children == below && edge->key_len == key_len &&
			memcmp(edge->key, key, key_len) == 0 &&
			blx__list_empty(&edge->keep->due)) {
			blx__list_push_back(&keeps->due, &edge->keep->due);
		}
	}
}

/* Whoever asks about the children of what is above the key. */
static void due_above(struct blx__keeps *keeps, const uint8_t *key, size_t key_len)
{
	size_t len = key_len;

	while (len > 0) {
		for (len--; len > 0 && key[len] != BLX__KEY_SEPARATOR; len--) {
		}
		due_at(keeps, key, len, true);
	}
}

static int take_in(struct blx__keeps *keeps, struct blx__item *item)
{
	struct keep *keep = keep_add(keeps, item);
	int rv = keep != NULL ? 0 : BLX_ENOMEM;

	if (rv == 0) {
		blx__item_ref(item);
		rv = blx__tree_put(&keeps->kept, item);
		if (rv != 0) {
			blx__item_unref(item);
		}
		blx__list_push_back(&keeps->due, &keep->due);
	}
	return rv;
}

static int take_out(struct blx__keeps *keeps, const struct blx__item *item, bool replaced)
{
	struct keep *keep = keep_find(keeps, item);
	bool found;

	INVARIANT(keep != NULL);
	keep_drop(keeps, keep);
	return replaced ? 0
			: blx__tree_delete(&keeps->kept, blx__item_key(item), item->key_len,
				  &found);
}

void blx__keeps_changed(struct blx__keeps *keeps, struct blx__item *old_item,
	struct blx__item *new_item)
{
	const struct blx__item *item = new_item != NULL ? new_item : old_item;
	bool keeps_new = new_item != NULL && new_item->keep_len > 0;
	int rv = 0;

	if (keeps->nomem) {
		return;
	}
	if (old_item != NULL && old_item->keep_len > 0) {
		rv = take_out(keeps, old_item, keeps_new);
	}
	if (rv == 0 && keeps_new) {
		rv = take_in(keeps, new_item);
	}
	keeps->nomem = rv != 0;
	if (rv != 0 || keeps->edges.count == 0) {
		return;
	}
	due_at(keeps, blx__item_key(item), item->key_len, false);
	if (keeps->children > 0 && (old_item == NULL || new_item == NULL)) {
		due_above(keeps, blx__item_key(item), item->key_len);
	}
}

/* ---- looking at what is due ----------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const struct blx__item *x = (*(struct keep *const *)a)->item;
	const struct blx__item *y = (*(struct keep *const *)b)->item;

	return blx__key_compare(
		blx__item_key(x), x->key_len, blx__item_key(y), y->key_len);
}

static int look(struct keep *keep, struct blx__tree *const *tree, blx__keeps_remove remove,
	void *data)
{
	struct blx__item *item = keep->item;
	const uint8_t *cause;
	size_t cause_len;
	bool holds;
	int rv = blx__keep_holds(*tree, blx__item_keep(item), item->keep_len, &holds, &cause,
		&cause_len);

	if (rv == 0 && !holds) {
		blx__item_ref(item); /* its keep goes with it */
		rv = remove(item, cause, cause_len, data);
		blx__item_unref(item);
	}
	return rv;
}

/* All that is due now, taken from the list, in the order of the keys. To be freed. */
static struct keep **round_take(struct blx__keeps *keeps, size_t *ret_count)
{
	struct blx__list *link;
	struct keep **round;
	size_t count = 0;

	blx__list_foreach (link, &keeps->due) {
		count++;
	}
	round = blx__malloc(count * sizeof(struct keep *));
	if (round == NULL) {
		return NULL;
	}
	*ret_count = 0;
	while ((link = blx__list_pop_front(&keeps->due)) != NULL) {
		round[(*ret_count)++] = blx__container_of(link, struct keep, due);
	}
	qsort(round, count, sizeof(struct keep *), by_key);
	return round;
}

int blx__keeps_settle(struct blx__keeps *keeps, struct blx__tree *const *tree,
	blx__keeps_remove remove, void *data)
{
	int rv = keeps->nomem ? BLX_ENOMEM : 0;

	while (rv == 0 && !blx__list_empty(&keeps->due)) {
		size_t count;
		struct keep **round = round_take(keeps, &count);
		size_t i;

		rv = round != NULL ? 0 : BLX_ENOMEM;
		/* Removing one frees that one only, so the others of the round stay. */
		for (i = 0; rv == 0 && i < count; i++) {
			rv = look(round[i], tree, remove, data);
		}
		blx__free(round);
		rv = keeps->nomem ? BLX_ENOMEM : rv;
	}
	return rv;
}

/* ---- the whole ------------------------------------------------------------------ */

void blx__keeps_finish(struct blx__keeps *keeps)
{
	struct blx__table_link *link;
	size_t at = 0;

	while ((link = blx__table_first(&keeps->keeps, &at)) != NULL) {
		keep_drop(keeps, keep_of(link));
	}
	blx__table_finish(&keeps->keeps);
	blx__table_finish(&keeps->edges);
	blx__tree_unref(keeps->kept);
	keeps->kept = NULL;
}

int blx__keeps_of(struct blx__tree *kept, struct blx__keeps *ret_keeps)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, kept, NULL, 0);

	*ret_keeps = (struct blx__keeps){.kept = blx__tree_ref(kept)};
	blx__list_init(&ret_keeps->due);
	for (; item != NULL; item = blx__cursor_next(&cursor)) {
		if (keep_add(ret_keeps, item) == NULL) {
			blx__keeps_finish(ret_keeps);
			return BLX_ENOMEM;
		}
	}
	return 0;
}

void blx__keeps_become(struct blx__keeps *keeps, struct blx__keeps *other)
{
	PRE(blx__list_empty(&other->due));

	blx__keeps_finish(keeps);
	*keeps = *other;
	blx__list_init(&keeps->due); /* the list's head is in the struct itself */
}
