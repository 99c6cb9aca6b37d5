/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/mem.h"
#include "node/heap.h"

#include <raft.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static size_t live;
static bool refuse;

static void *count_malloc(size_t size, void *data)
{
	cr_assert_eq(data, &live);
	if (refuse) {
		return NULL;
	}
	live++;
	return malloc(size);
}

static void *count_realloc(void *ptr, size_t size, void *data)
{
	(void)data;
	if (refuse) {
		return NULL;
	}
	live += ptr == NULL;
	return realloc(ptr, size);
}

static void count_free(void *ptr, void *data)
{
	(void)data;
	live--;
	free(ptr);
}

static void begin(void)
{
	static const struct blx__allocator counting = {.malloc = count_malloc,
		.realloc = count_realloc,
		.free = count_free,
		.data = &live};

	blx__allocator_set(&counting);
	blx__raft_heap_set();
}

static void end(void)
{
	raft_heap_set_default();
	blx__allocator_set(NULL);
}

Test(heap, libraft_allocates_through_the_allocator_of_the_host, .init = begin,
	.fini = end)
{
	struct raft_configuration conf;
	uint8_t *ptr = raft_calloc(3, 5);

	cr_assert_eq(live, 1);
	cr_assert_eq(ptr[14], 0);
	ptr = raft_realloc(ptr, 100);
	cr_assert_eq(live, 1);
	raft_free(ptr);
	raft_free(NULL);
	cr_assert_eq(live, 0);

	raft_configuration_init(&conf);
	cr_assert_eq(raft_configuration_add(&conf, 1, "a", RAFT_VOTER), 0);
	cr_assert_gt(live, 0);
	raft_configuration_close(&conf);
	cr_assert_eq(live, 0);
}

Test(heap, libraft_is_told_when_there_is_no_memory, .init = begin, .fini = end)
{
	struct raft_configuration conf;

	raft_configuration_init(&conf);
	refuse = true;
	cr_assert_null(raft_malloc(8));
	cr_assert_null(raft_calloc(SIZE_MAX / 2, 4), "an overflow, too");
	cr_assert_eq(raft_configuration_add(&conf, 1, "a", RAFT_VOTER), RAFT_NOMEM);
	raft_configuration_close(&conf);
	cr_assert_eq(live, 0);
}

Test(heap, aligned_memory_is_aligned, .init = begin, .fini = end)
{
	void *ptr = raft_aligned_alloc(4096, 8192);

	cr_assert_eq((uintptr_t)ptr % 4096, 0);
	raft_aligned_free(4096, ptr);
}
