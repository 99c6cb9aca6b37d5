/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log on disk: one append-only log for all groups of a member. Records of
 * entries, truncations, terms and votes, and snapshots, each with a checksum
 * and chained to the one before, in segments of fixed size that are recycled
 * when nothing in them is needed any more.
 *
 * Requests take effect in the order they are made. Everything that waits while
 * a write is under way goes out with the next one: one write and one sync for
 * all of it, on the env's disk queue. No call here waits for the disk but
 * those that say so. Loop thread only.
 *
 * What recovery makes of damage: an incomplete end of the log, as a crash
 * leaves it, is cut off. Damage before the end, a missing segment, or an end
 * before the mark up to which the disk had confirmed its writes, is
 * BLX_ECORRUPT: acknowledged entries may be lost, so the member must not take
 * part. A failed write or sync is never repeated (fsync forgets): on_fatal,
 * and every request after it ends with the failure.
 */
#ifndef BLX_WAL_WAL_H
#define BLX_WAL_WAL_H

#include "base/error.h"
#include "base/list.h"
#include "sys/env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__wal;

struct blx__wal_opts {
	struct blx__env *env; /* borrowed */
	const char *dir;      /* copied */
	uint8_t cluster_id[16];
	uint64_t member_id;
	size_t segment_size; /* of new segments; a multiple of 4096 is made of it */
	unsigned groups_max;
	bool create; /* make a new log, and its directory: BLX_EINUSE if there is one or
		      * its mark says there was. Without it a log that is not there is
		      * BLX_ENOENT, never made anew */
	/* The log can no longer be written; once. Not inside a call. */
	void (*on_fatal)(void *data, const blx_error *error);
	void *data;
};

/* Blocks: recovers what is there. BLX_ECORRUPT, BLX_ECLUSTER (of another cluster or
 * member), BLX_EVERSION, BLX_ENOSPC, BLX_EIO; the message has the file and what to do. */
int blx__wal_open(
	const struct blx__wal_opts *opts, struct blx__wal **ret_wal, blx_error *error);

/* What is pending comes to its end, then the log is gone and cb is called. */
void blx__wal_close(struct blx__wal *wal, void (*cb)(void *data), void *data);

/* Closes one with nothing pending, without the loop: blocks. NULL is allowed. */
void blx__wal_close_sync(struct blx__wal *wal);

/* What recovery found of one group. */
struct blx__wal_entry {
	uint64_t index;
	uint64_t term;
	uint8_t type;
	const void *data; /* borrowed */
	size_t len;
};

struct blx__wal_state {
	uint64_t term;
	uint64_t vote;
	bool has_snapshot;
	uint64_t snapshot_index;
	uint64_t snapshot_term;
	void *snapshot_meta; /* owned */
	size_t snapshot_meta_len;
	uint64_t
		first_index; /* of entries[0]; where the next one goes if there is none */
	size_t count;
	struct blx__wal_entry *entries; /* owned, with the data */
	void *arena;                    /* owned by the wal's code */
};

/* Once for each group after open, before any entries are appended. BLX_ENOMEM. */
int blx__wal_state_take(
	struct blx__wal *wal, unsigned group, struct blx__wal_state *ret_state);
void blx__wal_state_finish(struct blx__wal_state *state);

/* A pending request: memory of the caller's until its cb. status is 0 or a BLX_E... code;
 * cb is called on the loop, in order, never inside a call. */
struct blx__wal_req {
	struct blx__list link;
	void (*cb)(struct blx__wal_req *req, int status);
	void *data;
	uint64_t lsn; /* the wal's */
};

/* Entries that go on where the group's log ends. All data is copied before return, or
 * with the bytes kept until cb: the caller keeps them until cb either way. */
void blx__wal_append(struct blx__wal *wal, struct blx__wal_req *req, unsigned group,
	const struct blx__wal_entry *entries, size_t n);

/* The entries from the index on are gone. */
void blx__wal_truncate(
	struct blx__wal *wal, struct blx__wal_req *req, unsigned group, uint64_t index);

void blx__wal_set_hard_state(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, uint64_t term, uint64_t vote);

struct blx__wal_snapshot {
	uint64_t index;
	uint64_t term;
	const void *meta; /* borrowed until return */
	size_t meta_len;
	/* Entries before it are no longer needed. index + 1: the whole log is replaced by
	 * the snapshot, as when one is installed, and goes on behind it: entries behind
	 * the index go, too. Never more than index + 1, nor beyond the log's end but for
	 * that. */
	uint64_t keep_from;
};
void blx__wal_snapshot(struct blx__wal *wal, struct blx__wal_req *req, unsigned group,
	const struct blx__wal_snapshot *snapshot);

/* Blocking forms, for before the loop runs; nothing may be pending. */
int blx__wal_append_sync(struct blx__wal *wal, unsigned group,
	const struct blx__wal_entry *entries, size_t n, blx_error *error);
int blx__wal_write_hard_state_sync(struct blx__wal *wal, unsigned group, uint64_t term,
	uint64_t vote, blx_error *error);
int blx__wal_snapshot_sync(struct blx__wal *wal, unsigned group,
	const struct blx__wal_snapshot *snapshot, blx_error *error);

struct blx__wal_stats {
	uint64_t bytes_written;
	uint64_t syncs; /* writes to the disk that were made durable */
	uint64_t records;
	uint64_t segments;
	uint64_t segments_recycled;
	uint64_t write_ns_max; /* the longest write with its sync */
};
void blx__wal_stats_get(const struct blx__wal *wal, struct blx__wal_stats *ret_stats);

#endif
