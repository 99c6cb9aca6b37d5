/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a query: its table, and where it puts things aside. */
#ifndef BLX_SNAPSHOT_QUERY_IMPL_H
#define BLX_SNAPSHOT_QUERY_IMPL_H

#include "machine/image.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- query_table.c ---- */

/* The table "kv" of the image, which is borrowed as long as the connection is open. */
int blx__query_table(sqlite3 *db, const struct blx__image *image);

/* How the bytes that the text of a path begins with limit its key: the longest that every
 * such key begins with. Returns its length; *ret_none: no path begins so. */
size_t blx__query_prefix(const char *text, size_t len, uint8_t *ret_key, bool *ret_none);

/* ---- query_temp.c ---- */

/* Files in memory, which are counted together. */
struct blx__query_temp {
	sqlite3_vfs base;
	char name[40];
	size_t bytes;
	size_t max;
};

/* Makes it known to SQLite under temp->name. An SQLite code. */
int blx__query_temp_init(struct blx__query_temp *temp, size_t max);

/* No connection is open on it any more. */
void blx__query_temp_finish(struct blx__query_temp *temp);

#endif
