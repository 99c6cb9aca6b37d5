/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include "base/mem.h"
#include "node/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct blx__list link;
	struct sim_owner *owner; /* NULL: the simulator's */
	size_t size;
} __attribute__((aligned(16)));

static struct sim_owner *current;

static void *block_malloc(size_t size, void *data)
{
	struct block *block = malloc(sizeof *block + size);

	if (block == NULL) {
		return NULL;
	}
	block->owner = current;
	block->size = size;
	blx__list_init(&block->link);
	if (current != NULL) {
		blx__list_push_back(&current->blocks, &block->link);
		current->count++;
	}
	return block + 1;
}

static void block_free(void *ptr, void *data)
{
	struct block *block = ptr;

	if (block == NULL) {
		return;
	}
	block--;
	blx__list_remove(&block->link);
	if (block->owner != NULL) {
		block->owner->count--;
	}
	free(block);
}

static void *block_realloc(void *ptr, size_t size, void *data)
{
	struct block *block = ptr;
	void *moved = block_malloc(size, data);

	if (moved != NULL && block != NULL) {
		block--;
		memcpy(moved, ptr, block->size < size ? block->size : size);
		block_free(ptr, data);
	}
	return moved;
}

void sim_memory_install(void)
{
	static const struct blx__allocator allocator = {
		.malloc = block_malloc,
		.realloc = block_realloc,
		.free = block_free,
	};

	blx__allocator_set(&allocator);
	blx__raft_heap_set();
}

void sim_owner_init(struct sim_owner *owner)
{
	blx__list_init(&owner->blocks);
	owner->count = 0;
}

struct sim_owner *sim_memory_enter(struct sim_owner *owner)
{
	struct sim_owner *was = current;

	current = owner;
	return was;
}

void sim_owner_drop(struct sim_owner *owner)
{
	struct blx__list *link;

	while ((link = owner->blocks.next) != &owner->blocks) {
		block_free(blx__container_of(link, struct block, link) + 1, NULL);
	}
}

size_t sim_owner_first(const struct sim_owner *owner)
{
	if (blx__list_empty(&owner->blocks)) {
		return 0;
	}
	return blx__container_of(owner->blocks.next, struct block, link)->size;
}

void sim_memory_exhausted(void)
{
	(void)fputs("simulator: out of memory\n", stderr);
	exit(3);
}

void *sim_alloc(size_t size)
{
	void *ptr = calloc(1, size);

	if (ptr == NULL) {
		sim_memory_exhausted();
	}
	return ptr;
}

void *sim_resize(void *ptr, size_t size)
{
	void *moved = realloc(ptr, size);

	if (moved == NULL) {
		sim_memory_exhausted();
	}
	return moved;
}

char *sim_text(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		sim_memory_exhausted();
	}
	return copy;
}
