/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/writer.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"

#include <string.h>

/* Memory kept from one batch to the next; a larger one is given back. */
#define MEM_KEPT ((size_t)5 * 1024 * 1024)

/* ---- requests ------------------------------------------------------------ */

static struct blx__wal_op *op_new(enum blx__wal_type type, unsigned group, size_t extra)
{
	struct blx__wal_op *op = blx__malloc(sizeof *op + extra);

	if (op != NULL) {
		*op = (struct blx__wal_op){.type = type, .group = group, .records = 1};
		blx__list_init(&op->link);
	}
	return op;
}

struct blx__wal_op *blx__wal_op_append(
	unsigned group, const struct blx__wal_entry *entries, size_t n)
{
	struct blx__wal_op *op = op_new(BLX__WAL_ENTRY, group, n * sizeof *entries);
	size_t i;

	if (op == NULL) {
		return NULL;
	}
	for (i = 0; i < n; i++) {
		op->size += blx__wal_record_size(BLX__WAL_ENTRY_LEN + entries[i].len);
		op->entries[i] = entries[i];
	}
	op->count = n;
	op->records = (uint32_t)n;
	return op;
}

struct blx__wal_op *blx__wal_op_truncate(unsigned group, uint64_t index)
{
	struct blx__wal_op *op = op_new(BLX__WAL_TRUNCATE, group, 0);

	if (op != NULL) {
		op->size = blx__wal_record_size(BLX__WAL_TRUNCATE_LEN);
		op->index = index;
	}
	return op;
}

struct blx__wal_op *blx__wal_op_hard_state(unsigned group, uint64_t term, uint64_t vote)
{
	struct blx__wal_op *op = op_new(BLX__WAL_HARD_STATE, group, 0);

	if (op != NULL) {
		op->size = blx__wal_record_size(BLX__WAL_HARD_STATE_LEN);
		op->term = term;
		op->vote = vote;
	}
	return op;
}

struct blx__wal_op *blx__wal_op_snapshot(
	unsigned group, const struct blx__wal_snapshot *snapshot)
{
	struct blx__wal_op *op = op_new(BLX__WAL_SNAPSHOT, group, snapshot->meta_len);

	if (op != NULL) {
		op->size =
			blx__wal_record_size(BLX__WAL_SNAPSHOT_LEN + snapshot->meta_len);
		op->snapshot = *snapshot;
		if (snapshot->meta_len > 0) {
			memcpy(op->entries, snapshot->meta, snapshot->meta_len);
		}
		op->snapshot.meta = op->entries;
	}
	return op;
}

void blx__wal_batch_init(struct blx__wal_batch *batch)
{
	*batch = (struct blx__wal_batch){.error = BLX_ERROR_INIT};
	blx__list_init(&batch->ops);
}

void blx__wal_batch_add(struct blx__wal_batch *batch, struct blx__wal_op *op)
{
	blx__list_push_back(&batch->ops, &op->link);
	batch->size += op->size;
	batch->records += op->records;
}

/* ---- records ------------------------------------------------------------- */

static void put_entries(struct blx__wal_encoder *encoder, const struct blx__wal_op *op)
{
	size_t i;

	for (i = 0; i < op->count; i++) {
		const struct blx__wal_entry *entry = &op->entries[i];
		uint8_t fixed[BLX__WAL_ENTRY_LEN] = {0};

		blx__store_u64(fixed, entry->index);
		blx__store_u64(fixed + 8, entry->term);
		fixed[16] = entry->type;
		blx__wal_put_record(encoder, BLX__WAL_ENTRY, op->group,
			(struct blx__wal_part){fixed, sizeof fixed},
			(struct blx__wal_part){entry->data, entry->len});
	}
}

static void put_snapshot(struct blx__wal_encoder *encoder, const struct blx__wal_op *op)
{
	uint8_t fixed[BLX__WAL_SNAPSHOT_LEN];

	blx__store_u64(fixed, op->snapshot.index);
	blx__store_u64(fixed + 8, op->snapshot.term);
	blx__store_u64(fixed + 16, op->snapshot.keep_from);
	blx__wal_put_record(encoder, BLX__WAL_SNAPSHOT, op->group,
		(struct blx__wal_part){fixed, sizeof fixed},
		(struct blx__wal_part){op->snapshot.meta, op->snapshot.meta_len});
}

static void put_numbers(struct blx__wal_encoder *encoder, const struct blx__wal_op *op)
{
	uint8_t fixed[BLX__WAL_HARD_STATE_LEN];
	size_t len = BLX__WAL_TRUNCATE_LEN;

	if (op->type == BLX__WAL_TRUNCATE) {
		blx__store_u64(fixed, op->index);
	} else {
		blx__store_u64(fixed, op->term);
		blx__store_u64(fixed + 8, op->vote);
		len = BLX__WAL_HARD_STATE_LEN;
	}
	blx__wal_put_record(encoder, op->type, op->group,
		(struct blx__wal_part){fixed, len}, (struct blx__wal_part){NULL, 0});
}

static void put_op(struct blx__wal_encoder *encoder, const struct blx__wal_op *op)
{
	switch (op->type) {
	case BLX__WAL_ENTRY:
		put_entries(encoder, op);
		break;
	case BLX__WAL_SNAPSHOT:
		put_snapshot(encoder, op);
		break;
	case BLX__WAL_TRUNCATE:
	case BLX__WAL_HARD_STATE:
		put_numbers(encoder, op);
		break;
	default:
		IMPOSSIBLE("a request of no known type");
	}
}

static int apply_op(struct blx__wal_writer *writer, const struct blx__wal_op *op)
{
	struct blx__wal_group *group = &writer->groups[op->group];
	int rv = 0;
	size_t i;

	switch (op->type) {
	case BLX__WAL_ENTRY:
		for (i = 0; i < op->count && rv == 0; i++) {
			rv = blx__wal_group_append(
				group, op->entries[i].index, writer->current.seq);
		}
		break;
	case BLX__WAL_TRUNCATE:
		blx__wal_group_truncate(group, op->index);
		break;
	case BLX__WAL_HARD_STATE:
		blx__wal_group_hard_state(group, op->term, op->vote);
		break;
	case BLX__WAL_SNAPSHOT:
		rv = blx__wal_group_snapshot(group, &op->snapshot);
		break;
	default:
		IMPOSSIBLE("a request of no known type");
	}
	return rv;
}

/* ---- batches ------------------------------------------------------------- */

static size_t checkpoint_size(const struct blx__wal_writer *writer)
{
	size_t size = 0;
	unsigned i;

	for (i = 0; i < writer->groups_max; i++) {
		size += blx__wal_group_checkpoint_size(&writer->groups[i]);
	}
	return size;
}

size_t blx__wal_writer_need(
	const struct blx__wal_writer *writer, size_t size, bool begins)
{
	if (!begins) {
		return blx__wal_round(BLX__WAL_BATCH_HEAD + size);
	}
	return BLX__WAL_BLOCK +
	       blx__wal_round(BLX__WAL_BATCH_HEAD + checkpoint_size(writer) + size);
}

uint64_t blx__wal_writer_needed(const struct blx__wal_writer *writer)
{
	uint64_t needed = writer->current.seq;
	unsigned i;

	for (i = 0; i < writer->groups_max; i++) {
		uint64_t oldest = blx__wal_group_oldest(&writer->groups[i], needed);

		needed = oldest < needed ? oldest : needed;
	}
	return needed;
}

/* The header goes out with the segment's first batch, in the same write: until that is
 * whole the segment is not begun. */
static void begin_segment(struct blx__wal_writer *writer, struct blx__wal_segment *next)
{
	struct blx__wal_header header = {.member_id = writer->member_id,
		.seq = next->seq,
		.first_lsn = writer->lsn,
		.salt = blx__random_u64(writer->env),
		.prev_chain = writer->chain};

	INVARIANT(next->seq == writer->current.seq + 1);

	memcpy(header.cluster_id, writer->cluster_id, sizeof header.cluster_id);
	blx__wal_segment_close(&writer->current);
	writer->current = *next;
	next->file = NULL;
	writer->offset = 0;
	writer->number = 0;
	writer->salt = header.salt;
	blx__wal_header_put(&header, writer->mem.data, &writer->chain);
}

static size_t encode(
	struct blx__wal_writer *writer, const struct blx__wal_batch *batch, size_t size)
{
	size_t header = batch->next != NULL ? BLX__WAL_BLOCK : 0;
	struct blx__wal_encoder encoder = {.data = writer->mem.data,
		.cap = size,
		.len = header,
		.chain = writer->chain,
		.lsn = writer->lsn};
	struct blx__wal_batch_head head = {.size = (uint32_t)(size - header),
		.number = writer->number,
		.seq = writer->current.seq,
		.salt = writer->salt,
		.records =
			batch->records + (batch->next != NULL ? writer->groups_max : 0),
		.lsn = writer->lsn};
	struct blx__list *link;
	unsigned i;

	blx__wal_put_batch(&encoder, &head);
	for (i = 0; batch->next != NULL && i < writer->groups_max; i++) {
		blx__wal_group_checkpoint_put(&writer->groups[i], i, &encoder);
	}
	blx__list_foreach (link, &batch->ops) {
		put_op(&encoder, blx__container_of(link, struct blx__wal_op, link));
	}
	memset(encoder.data + encoder.len, 0, size - encoder.len);
	POST(encoder.lsn - writer->lsn == head.records);
	writer->chain = encoder.chain;
	writer->lsn = encoder.lsn;
	return size;
}

static int apply_ops(struct blx__wal_writer *writer, const struct blx__wal_batch *batch)
{
	struct blx__list *link;
	int rv = 0;

	blx__list_foreach (link, &batch->ops) {
		rv = rv != 0 ? rv
			     : apply_op(writer,
				       blx__container_of(link, struct blx__wal_op, link));
	}
	return rv;
}

static int write_batch(
	struct blx__wal_writer *writer, struct blx__wal_batch *batch, size_t size)
{
	const struct blx__files_ops *ops = writer->env->files->ops;
	uint64_t before;
	int rv;

	if (blx__wal_mem_reserve(&writer->mem, size) != 0) {
		return blx__error_set(&batch->error, BLX_ENOMEM,
			"write %zu bytes to the log %s: out of memory", size,
			writer->dir);
	}
	if (batch->next != NULL) {
		begin_segment(writer, batch->next);
	}
	PRE(size <= blx__wal_writer_room(writer));
	batch->written = encode(writer, batch, size);
	before = blx__mono_ns(writer->env);
	rv = ops->write(writer->current.file, writer->mem.data, size, writer->offset,
		&batch->error);
	batch->ns = blx__mono_ns(writer->env) - before;
	if (rv != 0) {
		return rv;
	}
	writer->offset += size;
	writer->number++;
	if (apply_ops(writer, batch) != 0) {
		return blx__error_set(&batch->error, BLX_ENOMEM,
			"keep account of the log %s: out of memory", writer->dir);
	}
	batch->needed = blx__wal_writer_needed(writer);
	return 0;
}

void blx__wal_writer_write(struct blx__wal_writer *writer, struct blx__wal_batch *batch)
{
	batch->code = write_batch(writer, batch,
		blx__wal_writer_need(writer, batch->size, batch->next != NULL));
	if (writer->mem.cap > MEM_KEPT) {
		blx__wal_mem_finish(&writer->mem);
	}
}

void blx__wal_writer_finish(struct blx__wal_writer *writer)
{
	unsigned i;

	for (i = 0; writer->groups != NULL && i < writer->groups_max; i++) {
		blx__wal_group_finish(&writer->groups[i]);
	}
	blx__free(writer->groups);
	blx__wal_mem_finish(&writer->mem);
	blx__wal_segment_close(&writer->current);
}
