/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the log ends, and how a batch gets there: one write, durable when it
 * returns. The thread that writes has it from the moment a batch is handed
 * over until it is done; the loop has it in between.
 */
#ifndef BLX_WAL_WRITER_H
#define BLX_WAL_WRITER_H

#include "sys/env.h"
#include "wal/group.h"
#include "wal/segment.h"

/* A request on its way, with what is written for it. */
struct blx__wal_op {
	struct blx__list link;
	struct blx__wal_req *req; /* borrowed; NULL: nobody is told */
	enum blx__wal_type type;
	unsigned group;
	size_t size; /* of its records */
	uint32_t records;
	uint64_t index; /* of a truncation */
	uint64_t term;
	uint64_t vote;
	struct blx__wal_snapshot snapshot; /* meta is behind this struct */
	size_t count;
	struct blx__wal_entry entries[]; /* data borrowed until the request's cb */
};

/* NULL without memory. Free with blx__free(). */
struct blx__wal_op *blx__wal_op_append(
	unsigned group, const struct blx__wal_entry *entries, size_t n);
struct blx__wal_op *blx__wal_op_truncate(unsigned group, uint64_t index);
struct blx__wal_op *blx__wal_op_hard_state(unsigned group, uint64_t term, uint64_t vote);
struct blx__wal_op *blx__wal_op_snapshot(
	unsigned group, const struct blx__wal_snapshot *snapshot);

struct blx__wal_batch {
	struct blx__list ops;
	size_t size; /* of the ops' records */
	uint32_t records;
	/* The segment to go on in; its file is taken. NULL: the present one. */
	struct blx__wal_segment *next;
	/* What it came to. */
	int code;
	blx_error error;
	size_t written;
	uint64_t ns;
	uint64_t needed; /* the oldest segment with something that is needed */
};

struct blx__wal_writer {
	struct blx__env *env; /* borrowed */
	const char *dir;      /* borrowed from the wal */
	uint8_t cluster_id[16];
	uint64_t member_id;
	struct blx__wal_group *groups; /* owned; as of the last batch */
	unsigned groups_max;
	struct blx__wal_segment current;
	struct blx__wal_mem mem;
	uint64_t salt;
	size_t offset;   /* where the next batch goes */
	uint32_t number; /* the next batch's */
	uint32_t chain;
	uint64_t lsn; /* the next record's */
};

void blx__wal_batch_init(struct blx__wal_batch *batch);
void blx__wal_batch_add(struct blx__wal_batch *batch, struct blx__wal_op *op);

/* The bytes that so many bytes of records need in the present segment, or in a new one.
 */
size_t blx__wal_writer_need(
	const struct blx__wal_writer *writer, size_t size, bool begins);
static inline size_t blx__wal_writer_room(const struct blx__wal_writer *writer)
{
	return writer->current.size - writer->offset;
}

/* Blocks. The outcome is in the batch; after a failure the writer is of no use. */
void blx__wal_writer_write(struct blx__wal_writer *writer, struct blx__wal_batch *batch);

/* The oldest segment with something that is needed. */
uint64_t blx__wal_writer_needed(const struct blx__wal_writer *writer);

void blx__wal_writer_finish(struct blx__wal_writer *writer);

#endif
