/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a crash, or a disk, has left of the log. Blocks; before the loop runs. */
#ifndef BLX_WAL_RECOVER_H
#define BLX_WAL_RECOVER_H

#include "wal/loaded.h"
#include "wal/writer.h"

struct blx__wal_recovery {
	struct blx__wal_writer *writer; /* its groups are empty before */
	struct blx__wal_loaded *loaded; /* as many */
	uint64_t mark; /* the last record the disk had confirmed, as far as known */
	/* The segments there are, in order; owned by the caller. */
	const uint64_t *seqs;
	size_t count;
	/* What it finds. */
	bool found;    /* a segment that was begun; without one nothing else is set */
	bool has_next; /* the newest file is one not begun */
};

/* On success the writer stands where the log ends. BLX_ECORRUPT, BLX_ECLUSTER,
 * BLX_EVERSION and whatever the disk says. */
int blx__wal_recover(struct blx__wal_recovery *recovery, blx_error *error);

#endif
