/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of text, read and written whole, and the directories for them. Any thread. */
#ifndef BLX_SYS_TEXT_FILE_H
#define BLX_SYS_TEXT_FILE_H

#include "base/error.h"

#include <stddef.h>

/* In place of the one that is there: who reads it has the old one or this one. Not synced. 0 or
 * a code, with the path in the error. */
int blx__file_replace(const char *path, const char *text, size_t len, blx_error *error);

/* Ends with a 0, to be freed with blx__free(). flags: O_NOFOLLOW, or 0. NULL: it cannot be
 * read, has max bytes or more, or is no text. */
char *blx__file_read(const char *path, int flags, size_t max);

/* The directory, and those above it. */
int blx__dir_make(const char *path, blx_error *error);

#endif
