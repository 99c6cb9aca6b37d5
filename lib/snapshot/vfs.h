/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's file system, made of a blx__files: so the image goes through the
 * same table as all else (a simulated disk, one that fails), every failure
 * keeps its own code and text, and a cancel is seen at each page. One call of
 * this layer owns one vfs, in one thread, for one database file.
 *
 * It has no locks, journals, shared memory or temporary files: a file of ours
 * has one user while it is written and does not change after.
 */
#ifndef BLX_SNAPSHOT_VFS_H
#define BLX_SNAPSHOT_VFS_H

#include "base/error.h"
#include "snapshot/snapshot.h"
#include "sys/files.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Longer paths are refused; Linux' own limit. */
#define BLX__VFS_PATH_MAX 4096

struct blx__vfs {
	sqlite3_vfs base;
	char name[32];
	const struct blx__snapshot_ctl *ctl; /* borrowed */
	blx_error error;   /* the first failure of the disk, or the cancel; code 0: none */
	uint64_t unsynced; /* bytes written since the last sync */
};

/* Makes it known to SQLite under vfs->name. BLX_ENOMEM. */
int blx__vfs_init(struct blx__vfs *vfs, const struct blx__snapshot_ctl *ctl, blx_error *error);

/* No database is open on it any more. */
void blx__vfs_finish(struct blx__vfs *vfs);

/* Has the caller's cancel been set? Remembers it in vfs->error. */
bool blx__vfs_cancelled(struct blx__vfs *vfs);

#endif
