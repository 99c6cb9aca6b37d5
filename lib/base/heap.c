/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/assert.h"
#include "base/mem.h"

void blx__heap_init(struct blx__heap *heap)
{
	*heap = (struct blx__heap){ 0 };
}

void blx__heap_finish(struct blx__heap *heap)
{
	blx__free(heap->items);
	*heap = (struct blx__heap){ 0 };
}

static bool before(const struct blx__heap_item *a, const struct blx__heap_item *b)
{
	return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct blx__heap *heap, size_t at, struct blx__heap_item *item)
{
	heap->items[at] = item;
	item->at = at + 1;
}

static void sift_up(struct blx__heap *heap, size_t at)
{
	struct blx__heap_item *item = heap->items[at];

	while (at > 0 && before(item, heap->items[(at - 1) / 2])) {
		place(heap, at, heap->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(heap, at, item);
}

static void sift_down(struct blx__heap *heap, size_t at)
{
	struct blx__heap_item *item = heap->items[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= heap->count) {
			break;
		}
		if (child + 1 < heap->count &&
			before(heap->items[child + 1], heap->items[child])) {
			child++;
		}
		if (!before(heap->items[child], item)) {
			break;
		}
		place(heap, at, heap->items[child]);
		at = child;
	}
	place(heap, at, item);
}

bool blx__heap_insert(struct blx__heap *heap, struct blx__heap_item *item, uint64_t key)
{
	PRE(item->at == 0);

	if (heap->count == heap->cap) {
		size_t cap = heap->cap > 0 ? heap->cap * 2 : 16;
		void *items = blx__realloc(heap->items, cap * sizeof *heap->items);

		if (items == NULL) {
			return false;
		}
		heap->items = items;
		heap->cap = cap;
	}
	item->key = key;
	item->seq = heap->seq++;
	place(heap, heap->count++, item);
	sift_up(heap, heap->count - 1);
	return true;
}

void blx__heap_remove(struct blx__heap *heap, struct blx__heap_item *item)
{
	size_t at = item->at;
	struct blx__heap_item *last;

	if (at == 0) {
		return;
	}
	at--;
	INVARIANT(at < heap->count && heap->items[at] == item);
	last = heap->items[--heap->count];
	item->at = 0;
	if (last != item) {
		place(heap, at, last);
		sift_up(heap, at);
		sift_down(heap, last->at - 1);
	}
}

struct blx__heap_item *blx__heap_min(const struct blx__heap *heap)
{
	return heap->count > 0 ? heap->items[0] : NULL;
}
