/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option structs as callers of any version compiled them: the first field is
 * the size, what lies beyond it is zero. One macro copies them into the
 * present form.
 */
#ifndef BLX_API_OPTS_H
#define BLX_API_OPTS_H

#include <stddef.h>
#include <string.h>

/* to is zeroed; from may be NULL. */
static inline void blx__opts_copy(void *to, size_t to_size, const void *from)
{
	memset(to, 0, to_size);
	if (from != NULL) {
		size_t size;

		memcpy(&size, from, sizeof size);
		memcpy(to, from, size < to_size ? size : to_size);
	}
	memcpy(to, &to_size, sizeof to_size);
}

#define BLX__OPTS(to, from) blx__opts_copy((to), sizeof *(to), (from))

/* An out struct: fills what the caller has room for. */
static inline void blx__out_copy(void *to, const void *from, size_t from_size)
{
	size_t size;

	memcpy(&size, to, sizeof size);
	if (size > sizeof size) {
		memcpy((char *)to + sizeof size, (const char *)from + sizeof size,
			(size < from_size ? size : from_size) - sizeof size);
	}
}

#define BLX__OUT(to, from) blx__out_copy((to), (from), sizeof *(from))

#endif
