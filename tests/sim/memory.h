/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's memory, by the member it belongs to: a crash takes all of a
 * member's at once, and one that ended in good order must have given back
 * everything.
 */
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include "base/list.h"

#include <stddef.h>

struct sim_owner {
	struct blx__list blocks;
	size_t count;
};

/* Makes it the library's allocator, libraft's too. Once in a process. */
void sim_memory_install(void);

void sim_owner_init(struct sim_owner *owner);

/* Whose what is allocated from here on is; NULL: the simulator's. Returns who it was. */
struct sim_owner *sim_memory_enter(struct sim_owner *owner);

/* Frees all of it. */
void sim_owner_drop(struct sim_owner *owner);

/* The size of the first block that is left, and how many there are; for a report of a
 * leak. */
size_t sim_owner_first(const struct sim_owner *owner);

/* The simulator's own allocations, which do not fail. */
void *sim_alloc(size_t size); /* zeros */
void *sim_resize(void *ptr, size_t size);
char *sim_text(const char *text);
__attribute__((noreturn)) void sim_memory_exhausted(void);

#endif
