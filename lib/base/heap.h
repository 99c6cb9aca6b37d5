/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap of elements that carry their own place in it, ordered by
 * (key, order of insertion). Timers and the simulator's events live in it.
 */
#ifndef BLX_BASE_HEAP_H
#define BLX_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__heap_item {
	uint64_t key;
	uint64_t seq;
	size_t at; /* 1 + index in the heap; 0: in none */
};

struct blx__heap {
	struct blx__heap_item **items; /* owned; the elements are borrowed */
	size_t count;
	size_t cap;
	uint64_t seq;
};

void blx__heap_init(struct blx__heap *heap);
void blx__heap_finish(struct blx__heap *heap);

/* False when there is no memory. The item is in no heap before. */
bool blx__heap_insert(struct blx__heap *heap, struct blx__heap_item *item, uint64_t key);

/* Does nothing to an item that is in no heap. */
void blx__heap_remove(struct blx__heap *heap, struct blx__heap_item *item);

/* The smallest, left where it is; NULL when empty. */
struct blx__heap_item *blx__heap_min(const struct blx__heap *heap);

#endif
