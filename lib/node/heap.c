/* SPDX-License-Identifier: Apache-2.0 */
#include "node/heap.h"

#include "base/mem.h"

#include <pthread.h>
#include <raft.h>
#include <stdlib.h>

/* libraft does not fill the ends of encoded configurations and barriers, and they go to the disk
 * and to others as they are: small pieces begin as zeros, so that nothing of ours leaks. */
#define ZEROED_MAX 16384

static void *heap_malloc(void *data, size_t size)
{
	(void)data;
	return size <= ZEROED_MAX ? blx__calloc(1, size) : blx__malloc(size);
}

static void heap_free(void *data, void *ptr)
{
	(void)data;
	blx__free(ptr);
}

static void *heap_calloc(void *data, size_t count, size_t size)
{
	(void)data;
	return blx__calloc(count, size);
}

static void *heap_realloc(void *data, void *ptr, size_t size)
{
	(void)data;
	return blx__realloc(ptr, size);
}

/* Only raft_uv asks for aligned memory, and it is not used. */
static void *heap_aligned_alloc(void *data, size_t alignment, size_t size)
{
	(void)data;
	return aligned_alloc(alignment, size);
}

static void heap_aligned_free(void *data, size_t alignment, void *ptr)
{
	(void)data;
	(void)alignment;
	free(ptr);
}

static void heap_set(void)
{
	static struct raft_heap heap = {
		.malloc = heap_malloc,
		.free = heap_free,
		.calloc = heap_calloc,
		.realloc = heap_realloc,
		.aligned_alloc = heap_aligned_alloc,
		.aligned_free = heap_aligned_free,
	};

	raft_heap_set(&heap);
}

void blx__raft_heap_set(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, heap_set);
}
