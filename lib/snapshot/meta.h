/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two small tables of an image: what it says of itself, and the members.
 * Part of one call's work on an open database.
 */
#ifndef BLX_SNAPSHOT_META_H
#define BLX_SNAPSHOT_META_H

#include "base/error.h"
#include "snapshot/db.h"
#include "snapshot/snapshot.h"

#include <stddef.h>

/* Writes meta and, from info->members, member. */
int blx__snapshot_meta_write(struct blx__db *db, const struct blx__snapshot_info *info,
	blx_error *error);

/* Fills in all that the two tables tell, but neither size nor crc. Whatever the outcome
 * the caller finishes the info, which was zeroed or finished before. */
int blx__snapshot_meta_read(struct blx__db *db, struct blx__snapshot_info *info,
	blx_error *error);

#endif
