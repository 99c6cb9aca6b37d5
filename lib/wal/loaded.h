/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of one group that recovery found, with their bytes, until they are taken.
 */
#ifndef BLX_WAL_LOADED_H
#define BLX_WAL_LOADED_H

#include "wal/group.h"
#include "wal/wal.h"

struct blx__wal_chunk;

struct blx__wal_loaded {
	struct blx__wal_entry *entries; /* owned */
	size_t gone;                    /* at the front of the array, needed no more */
	size_t count;                   /* behind those */
	size_t cap;
	uint64_t first;                /* index of the first, or of where one would go */
	struct blx__wal_chunk *chunks; /* owned; the bytes */
};

/* Forgets all; entries go on from the index. */
void blx__wal_loaded_restart(struct blx__wal_loaded *loaded, uint64_t index);
/* Copies the bytes. BLX_ENOMEM. */
int blx__wal_loaded_append(
	struct blx__wal_loaded *loaded, const struct blx__wal_entry *entry);
void blx__wal_loaded_truncate(struct blx__wal_loaded *loaded, uint64_t index);
void blx__wal_loaded_drop_before(struct blx__wal_loaded *loaded, uint64_t index);
void blx__wal_loaded_finish(struct blx__wal_loaded *loaded);

/* Gives entries and bytes away; nothing is loaded after it. BLX_ENOMEM changes nothing.
 */
int blx__wal_loaded_take(struct blx__wal_loaded *loaded,
	const struct blx__wal_group *group, struct blx__wal_state *ret_state);

#endif
