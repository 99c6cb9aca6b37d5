/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All allocation of the library goes through here, so that the host can bring
 * its own allocator and a test can make the k-th allocation fail. Safe from
 * any thread. Every result is checked by the caller.
 */
#ifndef BLX_BASE_MEM_H
#define BLX_BASE_MEM_H

#include <stddef.h>

struct blx__allocator {
	void *(*malloc)(size_t size, void *data);
	void *(*realloc)(void *ptr, size_t size, void *data);
	void (*free)(void *ptr, void *data);
	void *data;
};

/* Replaces the allocator; NULL restores libc's. Only before anything is allocated. */
void blx__allocator_set(const struct blx__allocator *allocator);

void *blx__malloc(size_t size);
void *blx__calloc(size_t count, size_t size); /* NULL on overflow, too */
void *blx__realloc(void *ptr, size_t size);
void blx__free(void *ptr);
char *blx__strdup(const char *text);
char *blx__strndup(const char *text, size_t len);
void *blx__memdup(const void *data, size_t len); /* len 0 gives a valid pointer */

static inline void blx__freep(void *ptr)
{
	blx__free(*(void **)ptr);
}

/* Frees the variable when it goes out of scope. */
#define BLX__CLEANUP_FREE __attribute__((cleanup(blx__freep)))

#endif
