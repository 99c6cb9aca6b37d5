/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark: up to which record the disk had confirmed its writes, in a file of
 * its own. A log that ends before it has lost what it had confirmed. Two
 * blocks, written by turns, each with a checksum: one of them is always whole.
 * It is written now and then only: it is a lower bound.
 */
#ifndef BLX_WAL_MARK_H
#define BLX_WAL_MARK_H

#include "wal/segment.h"

#define BLX__WAL_MARK_NAME "wal.mark"

struct blx__wal_mark {
	struct blx__file *file; /* owned */
	uint8_t cluster_id[16];
	uint64_t member_id;
	uint64_t generation; /* of the block written last */
	uint64_t lsn;        /* the last record confirmed; 0: none */
	struct blx__wal_mem mem;
};

/* Blocks, as all here. create: made when it is not there; BLX_ENOENT otherwise. */
int blx__wal_mark_open(struct blx__wal_mark *mark, const struct blx__files *files,
	const char *dir, bool create, blx_error *error);
int blx__wal_mark_write(struct blx__wal_mark *mark, uint64_t lsn, blx_error *error);
void blx__wal_mark_finish(struct blx__wal_mark *mark);

#endif
