/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the next segment ready and puts away those not needed any more. Works
 * in steps of a millisecond or so that go between the batches on the thread
 * that writes, so that neither a commit nor a change of segment waits for a
 * segment being made.
 *
 * A segment not needed becomes the next one: its blocks were written before,
 * and to overwrite them costs no work on the file system's own log. Without
 * one a new one is made and filled with zeros, for the same reason. Some are
 * left as they are until they are wanted; more than that are removed. Always
 * the oldest first, each step durable before the next: after a crash at any
 * point the numbers of those left have no gap.
 */
#ifndef BLX_WAL_KEEPER_H
#define BLX_WAL_KEEPER_H

#include "wal/segment.h"

/* Segments not needed that are left for recycling. */
#define BLX__WAL_SPARES_MAX 8

enum blx__wal_step {
	BLX__WAL_STEP_NONE = 0,
	BLX__WAL_STEP_REMOVE,
	BLX__WAL_STEP_RECYCLE,
	BLX__WAL_STEP_MAKE,
	BLX__WAL_STEP_GROW,
	BLX__WAL_STEP_FILL
};

struct blx__wal_keeper {
	const struct blx__files *files; /* borrowed */
	const char *dir;                /* borrowed from the wal */
	size_t segment_size;
	size_t want; /* what the next one must have at least */
	struct blx__wal_segment next;
	bool ready;
	uint64_t oldest; /* of the files there are */
	uint64_t needed; /* the oldest that may not go */
	uint64_t current;
	bool making; /* next is being made, with the name it has until it is whole */
	size_t fill_at;
	size_t fill_end;
	enum blx__wal_step step;
	struct blx__wal_mem zeros;
	uint64_t recycled;
	uint64_t syncs;
};

/* Loop thread, no step under way: is there one to do? Sets it up. */
bool blx__wal_keeper_plan(struct blx__wal_keeper *keeper);

/* Does it; blocks. With a full disk what was half made is removed. */
int blx__wal_keeper_run(struct blx__wal_keeper *keeper, blx_error *error);

/* All steps there are. */
int blx__wal_keeper_settle(struct blx__wal_keeper *keeper, blx_error *error);

void blx__wal_keeper_finish(struct blx__wal_keeper *keeper);

#endif
