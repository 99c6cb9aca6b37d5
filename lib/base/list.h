/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A doubly linked list whose links are inside its elements. The head is a
 * struct blx__list too. A link that is in no list points at itself, so that
 * removing it twice does no harm.
 */
#ifndef BLX_BASE_LIST_H
#define BLX_BASE_LIST_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>

struct blx__list {
	struct blx__list *next;
	struct blx__list *prev;
};

static inline void blx__list_init(struct blx__list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool blx__list_empty(const struct blx__list *list)
{
	return list->next == list;
}

static inline void blx__list_insert_before(struct blx__list *at, struct blx__list *item)
{
	item->next = at;
	item->prev = at->prev;
	at->prev->next = item;
	at->prev = item;
}

static inline void blx__list_push_back(struct blx__list *head, struct blx__list *item)
{
	blx__list_insert_before(head, item);
}

static inline void blx__list_push_front(struct blx__list *head, struct blx__list *item)
{
	blx__list_insert_before(head->next, item);
}

static inline void blx__list_remove(struct blx__list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	blx__list_init(item);
}

/* Takes the first element out; NULL when there is none. */
static inline struct blx__list *blx__list_pop_front(struct blx__list *head)
{
	struct blx__list *first = head->next;

	if (first == head) {
		return NULL;
	}
	blx__list_remove(first);
	return first;
}

/* Moves all of from to the end of to. */
static inline void blx__list_splice(struct blx__list *to, struct blx__list *from)
{
	if (blx__list_empty(from)) {
		return;
	}
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	blx__list_init(from);
}

#define blx__list_foreach(pos, head)                                                     \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* As above; pos may be removed inside. */
#define blx__list_foreach_safe(pos, tmp, head)                                           \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                 \
		(pos) = (tmp), (tmp) = (pos)->next)

#endif
