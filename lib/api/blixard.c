/* SPDX-License-Identifier: Apache-2.0 */
#include <blixard/blixard.h>

#include "base/log.h"
#include "base/mem.h"
#include "node/heap.h"

#include <stddef.h>

const char *blx_version(void)
{
	return BLX_VERSION_STRING;
}

void blx_log_set(blx_log_cb cb, int level_max, void *data)
{
	blx__log_set(cb, level_max, data);
}

int blx_set_allocator(const blx_allocator *allocator)
{
	struct blx__allocator inner;

	if (allocator == NULL) {
		blx__allocator_set(NULL);
		blx__raft_heap_set();
		return 0;
	}
	if (allocator->size < sizeof *allocator || allocator->malloc_fn == NULL ||
		allocator->realloc_fn == NULL || allocator->free_fn == NULL) {
		return BLX_EINVAL;
	}
	inner.malloc = allocator->malloc_fn;
	inner.realloc = allocator->realloc_fn;
	inner.free = allocator->free_fn;
	inner.data = allocator->data;
	blx__allocator_set(&inner);
	blx__raft_heap_set();
	return 0;
}
