/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/group.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"

#include <string.h>

void blx__wal_group_init(struct blx__wal_group *group)
{
	*group = (struct blx__wal_group){.first = 1, .next = 1};
}

void blx__wal_group_finish(struct blx__wal_group *group)
{
	blx__free(group->meta);
	blx__free(group->runs);
	*group = (struct blx__wal_group){0};
}

int blx__wal_group_append(struct blx__wal_group *group, uint64_t index, uint64_t seq)
{
	size_t count = group->runs_count;

	PRE(index == group->next);

	if (count == 0 || group->runs[count - 1].seq != seq) {
		if (count == group->runs_cap) {
			size_t cap = count == 0 ? 8 : 2 * count;
			struct blx__wal_run *runs =
				blx__realloc(group->runs, cap * sizeof *runs);

			if (runs == NULL) {
				return BLX_ENOMEM;
			}
			group->runs = runs;
			group->runs_cap = cap;
		}
		INVARIANT(count == 0 || group->runs[count - 1].seq < seq);
		group->runs[count] = (struct blx__wal_run){.index = index, .seq = seq};
		group->runs_count = count + 1;
	}
	group->next = index + 1;
	return 0;
}

void blx__wal_group_truncate(struct blx__wal_group *group, uint64_t index)
{
	PRE(index <= group->next);

	while (group->runs_count > 0 &&
		group->runs[group->runs_count - 1].index >= index) {
		group->runs_count--;
	}
	group->next = index;
	if (group->first > index) {
		group->first = index;
	}
}

void blx__wal_group_hard_state(struct blx__wal_group *group, uint64_t term, uint64_t vote)
{
	group->term = term;
	group->vote = vote;
}

/* Drops the runs that have nothing at or behind first. */
static void trim_runs(struct blx__wal_group *group)
{
	size_t gone = 0;

	while (gone + 1 < group->runs_count &&
		group->runs[gone + 1].index <= group->first) {
		gone++;
	}
	if (group->first >= group->next) {
		gone = group->runs_count;
	}
	if (gone > 0) {
		group->runs_count -= gone;
		memmove(group->runs, group->runs + gone,
			group->runs_count * sizeof *group->runs);
	}
}

int blx__wal_group_snapshot(
	struct blx__wal_group *group, const struct blx__wal_snapshot *snapshot)
{
	void *meta = blx__memdup(snapshot->meta, snapshot->meta_len);

	if (meta == NULL) {
		return BLX_ENOMEM;
	}
	blx__free(group->meta);
	group->meta = meta;
	group->meta_len = snapshot->meta_len;
	group->has_snapshot = true;
	group->snapshot_index = snapshot->index;
	group->snapshot_term = snapshot->term;
	if (blx__wal_snapshot_restarts(snapshot)) {
		group->first = snapshot->keep_from;
		group->next = snapshot->keep_from;
	} else if (snapshot->keep_from > group->first) {
		group->first = snapshot->keep_from;
	}
	trim_runs(group);
	return 0;
}

uint64_t blx__wal_group_oldest(const struct blx__wal_group *group, uint64_t otherwise)
{
	return group->runs_count > 0 ? group->runs[0].seq : otherwise;
}

size_t blx__wal_group_checkpoint_size(const struct blx__wal_group *group)
{
	return blx__wal_record_size(BLX__WAL_CHECKPOINT_LEN + group->meta_len);
}

void blx__wal_group_checkpoint_put(const struct blx__wal_group *group, unsigned number,
	struct blx__wal_encoder *encoder)
{
	uint8_t fixed[BLX__WAL_CHECKPOINT_LEN];

	blx__store_u64(fixed, group->term);
	blx__store_u64(fixed + 8, group->vote);
	blx__store_u64(fixed + 16, group->first);
	blx__store_u64(fixed + 24, group->next);
	blx__store_u64(fixed + 32, group->has_snapshot);
	blx__store_u64(fixed + 40, group->snapshot_index);
	blx__store_u64(fixed + 48, group->snapshot_term);
	blx__wal_put_record(encoder, BLX__WAL_CHECKPOINT, number,
		(struct blx__wal_part){fixed, sizeof fixed},
		(struct blx__wal_part){group->meta, group->meta_len});
}

int blx__wal_group_checkpoint_get(
	struct blx__wal_group *group, const uint8_t *data, size_t len)
{
	void *meta;

	if (len < BLX__WAL_CHECKPOINT_LEN ||
		blx__load_u64(data + 16) > blx__load_u64(data + 24) ||
		blx__load_u64(data + 32) > 1) {
		return BLX_ECORRUPT;
	}
	meta = blx__memdup(data + BLX__WAL_CHECKPOINT_LEN, len - BLX__WAL_CHECKPOINT_LEN);
	if (meta == NULL) {
		return BLX_ENOMEM;
	}
	blx__free(group->meta);
	group->meta = meta;
	group->meta_len = len - BLX__WAL_CHECKPOINT_LEN;
	group->term = blx__load_u64(data);
	group->vote = blx__load_u64(data + 8);
	group->first = blx__load_u64(data + 16);
	group->next = blx__load_u64(data + 24);
	group->has_snapshot = blx__load_u64(data + 32) == 1;
	group->snapshot_index = blx__load_u64(data + 40);
	group->snapshot_term = blx__load_u64(data + 48);
	return 0;
}

bool blx__wal_group_equal(const struct blx__wal_group *a, const struct blx__wal_group *b)
{
	return a->term == b->term && a->vote == b->vote && a->first == b->first &&
	       a->next == b->next && a->has_snapshot == b->has_snapshot &&
	       a->snapshot_index == b->snapshot_index &&
	       a->snapshot_term == b->snapshot_term && a->meta_len == b->meta_len &&
	       (a->meta_len == 0 || memcmp(a->meta, b->meta, a->meta_len) == 0);
}
