/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of the snapshot files: their names, which there are, and which
 * to remove. It may hold other files; they are left alone. All calls block:
 * before the loop or in a worker only.
 *
 *	snapshot-<index, 20 digits>-<term, 20 digits>.db       complete
 *	snapshot-….db.tmp                                      being written
 *	incoming-<index>-<term>-<crc, 8 hex digits>.part       being fetched
 */
#ifndef BLX_SNAPSHOT_DIR_H
#define BLX_SNAPSHOT_DIR_H

#include "base/error.h"
#include "sys/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every name above fits, with its NUL. */
#define BLX__SNAPSHOT_NAME_SIZE 72

/* Appended to a name while the file is written. */
#define BLX__SNAPSHOT_TMP_SUFFIX ".tmp"

struct blx__snapshot_entry {
	uint64_t index;
	uint64_t term;
	char name[BLX__SNAPSHOT_NAME_SIZE];
};

struct blx__snapshot_dir {
	struct blx__snapshot_entry *entries; /* owned; newest first: by index, then term */
	size_t count;
};

void blx__snapshot_name(uint64_t index, uint64_t term, char ret_name[BLX__SNAPSHOT_NAME_SIZE]);

/* False if it is not exactly the name of a complete snapshot. The outputs may be NULL. */
bool blx__snapshot_name_parse(const char *name, uint64_t *ret_index, uint64_t *ret_term);

/* The name of the file while it is fetched. */
void blx__snapshot_part_name(uint64_t index, uint64_t term, uint32_t crc,
	char ret_name[BLX__SNAPSHOT_NAME_SIZE]);

/* "dir/name", to be freed with blx__free(); NULL when there is no memory. */
char *blx__snapshot_join(const char *dir, const char *name);

/* The complete ones. A directory that is not there: BLX_ENOENT. */
int blx__snapshot_dir_list(const struct blx__files *files, const char *dir,
	struct blx__snapshot_dir *ret_dir, blx_error *error);
void blx__snapshot_dir_finish(struct blx__snapshot_dir *dir);

/*
 * Removes what an interrupted run left: *.tmp of ours, and *.part of snapshots
 * not newer than the newest complete one (others can be resumed). At start
 * only, when nobody writes there.
 */
int blx__snapshot_dir_clean(const struct blx__files *files, const char *dir, blx_error *error);

#endif
