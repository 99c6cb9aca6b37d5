/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *libc_malloc(size_t size, void *data)
{
	(void)data;
	return malloc(size);
}

static void *libc_realloc(void *ptr, size_t size, void *data)
{
	(void)data;
	return realloc(ptr, size);
}

static void libc_free(void *ptr, void *data)
{
	(void)data;
	free(ptr);
}

static const struct blx__allocator libc_allocator = {
	.malloc = libc_malloc,
	.realloc = libc_realloc,
	.free = libc_free,
};

static struct blx__allocator current = {
	.malloc = libc_malloc,
	.realloc = libc_realloc,
	.free = libc_free,
};

void blx__allocator_set(const struct blx__allocator *allocator)
{
	current = allocator != NULL ? *allocator : libc_allocator;
}

void *blx__malloc(size_t size)
{
	return current.malloc(size > 0 ? size : 1, current.data);
}

void *blx__calloc(size_t count, size_t size)
{
	void *ptr;

	if (size != 0 && count > SIZE_MAX / size) {
		return NULL;
	}
	ptr = blx__malloc(count * size);
	if (ptr != NULL) {
		memset(ptr, 0, count * size);
	}
	return ptr;
}

void *blx__realloc(void *ptr, size_t size)
{
	return current.realloc(ptr, size > 0 ? size : 1, current.data);
}

void blx__free(void *ptr)
{
	if (ptr != NULL) {
		current.free(ptr, current.data);
	}
}

char *blx__strdup(const char *text)
{
	return blx__strndup(text, strlen(text));
}

char *blx__strndup(const char *text, size_t len)
{
	char *copy = blx__malloc(len + 1);

	if (copy != NULL) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

void *blx__memdup(const void *data, size_t len)
{
	void *copy = blx__malloc(len);

	if (copy != NULL && len > 0) {
		memcpy(copy, data, len);
	}
	return copy;
}
