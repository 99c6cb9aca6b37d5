/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log knows of one group but the entries themselves: term and vote,
 * the snapshot, which entries live, and in which segments. The writer holds
 * one as of the last batch, recovery builds it from the records; both by the
 * same functions. The thread that writes, or the loop while nobody writes.
 */
#ifndef BLX_WAL_GROUP_H
#define BLX_WAL_GROUP_H

#include "wal/record.h"
#include "wal/wal.h"

/* Entries from the index up to the next run's lie in that segment. */
struct blx__wal_run {
	uint64_t index;
	uint64_t seq;
};

struct blx__wal_group {
	uint64_t term;
	uint64_t vote;
	uint64_t first; /* the oldest entry that is needed */
	uint64_t next;  /* where the next entry goes */
	bool has_snapshot;
	uint64_t snapshot_index;
	uint64_t snapshot_term;
	void *meta; /* owned; of the snapshot */
	size_t meta_len;
	struct blx__wal_run *runs; /* owned; both numbers ascend */
	size_t runs_count;
	size_t runs_cap;
};

void blx__wal_group_init(struct blx__wal_group *group);
void blx__wal_group_finish(struct blx__wal_group *group);

/* An entry of that index was written to that segment. BLX_ENOMEM. */
int blx__wal_group_append(struct blx__wal_group *group, uint64_t index, uint64_t seq);
void blx__wal_group_truncate(struct blx__wal_group *group, uint64_t index);
void blx__wal_group_hard_state(
	struct blx__wal_group *group, uint64_t term, uint64_t vote);
/* Copies the meta data. BLX_ENOMEM. */
int blx__wal_group_snapshot(
	struct blx__wal_group *group, const struct blx__wal_snapshot *snapshot);

/* Is the log what the snapshot leaves of it, replaced as a whole? */
static inline bool blx__wal_snapshot_restarts(const struct blx__wal_snapshot *snapshot)
{
	return snapshot->keep_from == snapshot->index + 1;
}

/* The oldest segment with an entry that is needed; none (the log is empty): otherwise. */
uint64_t blx__wal_group_oldest(const struct blx__wal_group *group, uint64_t otherwise);

size_t blx__wal_group_checkpoint_size(const struct blx__wal_group *group);
void blx__wal_group_checkpoint_put(const struct blx__wal_group *group, unsigned number,
	struct blx__wal_encoder *encoder);
/* Sets all but the runs. BLX_ECORRUPT, BLX_ENOMEM. */
int blx__wal_group_checkpoint_get(
	struct blx__wal_group *group, const uint8_t *data, size_t len);
/* Does a checkpoint say what is known already? */
bool blx__wal_group_equal(const struct blx__wal_group *a, const struct blx__wal_group *b);

#endif
