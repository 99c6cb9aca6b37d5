/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The segments are read in order, and in each the batches, as long as each is
 * the one that the chain leads to. Where the chain ends:
 *
 *	a batch with a higher number stands further on in the segment: what is
 *	between was whole once, for batches are written one at a time: damage;
 *
 *	the next segment says in its header what the chain has come to when it
 *	was begun: anything else is damage;
 *
 *	it is the newest segment: this is the end of the log. A batch that is not
 *	whole there was never acknowledged, unless the mark says that the disk
 *	had confirmed more records than there are: damage.
 *
 * What is left was perhaps read from a disk's cache: it is synced before it
 * counts. And the first block behind the end is cleared, so that what was cut
 * once is not there to be found another time.
 */
#include "wal/recover.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define ADVICE                                                                           \
	"restore the directory from this member's own disk, or remove this member and "  \
	"join "                                                                          \
	"anew with an empty directory"

/* One segment being read. */
struct reader {
	struct blx__wal_recovery *recovery;
	char *path; /* owned */
	uint64_t seq;
	struct blx__wal_mem mem;
	size_t size;
	struct blx__wal_header header;
	struct blx__wal_decoder at;
	uint32_t number; /* the next batch's */
	blx_error *error;
};

static int damaged(
	const struct reader *reader, const char *path, size_t offset, const char *what)
{
	return blx__error_set(reader->error, BLX_ECORRUPT,
		"%s: damaged at offset %zu (%s); " ADVICE, path, offset, what);
}

static int no_memory(const struct reader *reader)
{
	return blx__error_set(reader->error, BLX_ENOMEM, "read the log %s: out of memory",
		reader->recovery->writer->dir);
}

/* ---- records ------------------------------------------------------------- */

static int load_entry(struct blx__wal_group *group, struct blx__wal_loaded *loaded,
	const struct blx__wal_record *record, uint64_t seq)
{
	struct blx__wal_entry entry;
	int rv;

	if (record->len < BLX__WAL_ENTRY_LEN) {
		return BLX_ECORRUPT;
	}
	entry = (struct blx__wal_entry){.index = blx__load_u64(record->payload),
		.term = blx__load_u64(record->payload + 8),
		.type = record->payload[16],
		.data = record->payload + BLX__WAL_ENTRY_LEN,
		.len = record->len - BLX__WAL_ENTRY_LEN};
	if (entry.index != group->next) {
		return BLX_ECORRUPT;
	}
	rv = blx__wal_group_append(group, entry.index, seq);
	return rv == 0 ? blx__wal_loaded_append(loaded, &entry) : rv;
}

static int load_truncate(struct blx__wal_group *group, struct blx__wal_loaded *loaded,
	const struct blx__wal_record *record)
{
	uint64_t index;

	if (record->len != BLX__WAL_TRUNCATE_LEN) {
		return BLX_ECORRUPT;
	}
	index = blx__load_u64(record->payload);
	if (index == 0 || index > group->next) {
		return BLX_ECORRUPT;
	}
	blx__wal_group_truncate(group, index);
	blx__wal_loaded_truncate(loaded, index);
	return 0;
}

static int load_snapshot(struct blx__wal_group *group, struct blx__wal_loaded *loaded,
	const struct blx__wal_record *record)
{
	struct blx__wal_snapshot snapshot;
	int rv;

	if (record->len < BLX__WAL_SNAPSHOT_LEN) {
		return BLX_ECORRUPT;
	}
	snapshot = (struct blx__wal_snapshot){.index = blx__load_u64(record->payload),
		.term = blx__load_u64(record->payload + 8),
		.keep_from = blx__load_u64(record->payload + 16),
		.meta = record->payload + BLX__WAL_SNAPSHOT_LEN,
		.meta_len = record->len - BLX__WAL_SNAPSHOT_LEN};
	if (!blx__wal_snapshot_restarts(&snapshot) && snapshot.keep_from > group->next) {
		return BLX_ECORRUPT;
	}
	rv = blx__wal_group_snapshot(group, &snapshot);
	if (rv != 0) {
		return rv;
	}
	if (blx__wal_snapshot_restarts(&snapshot)) {
		blx__wal_loaded_restart(loaded, group->next);
	} else {
		blx__wal_loaded_drop_before(loaded, group->first);
	}
	return 0;
}

/* In the oldest segment it is all that is known of the group; later it tells nothing new.
 */
static int load_checkpoint(struct blx__wal_group *group, struct blx__wal_loaded *loaded,
	const struct blx__wal_record *record, bool oldest)
{
	struct blx__wal_group said;
	int rv;

	if (oldest) {
		rv = blx__wal_group_checkpoint_get(group, record->payload, record->len);
		if (rv == 0) {
			blx__wal_loaded_restart(loaded, group->next);
		}
		return rv;
	}
	blx__wal_group_init(&said);
	rv = blx__wal_group_checkpoint_get(&said, record->payload, record->len);
	if (rv == 0 && !blx__wal_group_equal(group, &said)) {
		rv = BLX_ECORRUPT;
	}
	blx__wal_group_finish(&said);
	return rv;
}

static int load_record(struct reader *reader, const struct blx__wal_record *record)
{
	struct blx__wal_recovery *recovery = reader->recovery;
	struct blx__wal_group *group = &recovery->writer->groups[record->group];
	struct blx__wal_loaded *loaded = &recovery->loaded[record->group];

	switch (record->type) {
	case BLX__WAL_CHECKPOINT:
		return load_checkpoint(
			group, loaded, record, reader->seq == recovery->seqs[0]);
	case BLX__WAL_ENTRY:
		return load_entry(group, loaded, record, reader->seq);
	case BLX__WAL_TRUNCATE:
		return load_truncate(group, loaded, record);
	case BLX__WAL_SNAPSHOT:
		return load_snapshot(group, loaded, record);
	case BLX__WAL_HARD_STATE:
		if (record->len != BLX__WAL_HARD_STATE_LEN) {
			return BLX_ECORRUPT;
		}
		blx__wal_group_hard_state(group, blx__load_u64(record->payload),
			blx__load_u64(record->payload + 8));
		return 0;
	default:
		return BLX_EVERSION;
	}
}

static int load_batch(struct reader *reader, struct blx__wal_decoder *first,
	const struct blx__wal_batch_head *head)
{
	struct blx__wal_record record;
	uint32_t i;
	int rv;

	for (i = 0; i < head->records; i++) {
		size_t offset = first->at;

		if (!blx__wal_get_record(first, &record)) {
			IMPOSSIBLE("a record that was valid just now is not");
		}
		if (record.group >= reader->recovery->writer->groups_max) {
			return blx__error_set(reader->error, BLX_EINVAL,
				"%s: has records of group %u, but only %u groups are "
				"allowed",
				reader->path, record.group,
				reader->recovery->writer->groups_max);
		}
		rv = load_record(reader, &record);
		if (rv == BLX_ENOMEM) {
			return no_memory(reader);
		}
		if (rv == BLX_EVERSION) {
			return blx__error_set(reader->error, BLX_EVERSION,
				"%s: has records of type %u, which this version does not "
				"know",
				reader->path, record.type);
		}
		if (rv != 0) {
			return damaged(reader, reader->path, offset,
				"a record that does not follow");
		}
	}
	return 0;
}

/* ---- segments ------------------------------------------------------------ */

static int read_segment(struct reader *reader)
{
	const struct blx__files *files = reader->recovery->writer->env->files;
	struct blx__file *file;
	uint64_t size = 0;
	size_t len = 0;
	int rv = files->ops->open(files, reader->path, BLX__OPEN_READ | BLX__OPEN_DIRECT,
		&file, reader->error);

	if (rv != 0) {
		return rv;
	}
	rv = files->ops->size(file, &size, reader->error);
	if (rv == 0 &&
		blx__wal_mem_reserve(&reader->mem, blx__wal_round((size_t)size)) != 0) {
		rv = no_memory(reader);
	}
	if (rv == 0 && size > 0) {
		rv = files->ops->read(file, reader->mem.data,
			blx__wal_round((size_t)size), 0, &len, reader->error);
	}
	files->ops->close(file);
	reader->size = len / BLX__WAL_BLOCK * BLX__WAL_BLOCK;
	return rv;
}

static int check_owner(const struct reader *reader)
{
	const struct blx__wal_writer *writer = reader->recovery->writer;

	if (memcmp(reader->header.cluster_id, writer->cluster_id,
		    sizeof writer->cluster_id) != 0) {
		return blx__error_set(reader->error, BLX_ECLUSTER,
			"%s: belongs to another cluster; use the directory of this one",
			reader->path);
	}
	if (reader->header.member_id != writer->member_id) {
		return blx__error_set(reader->error, BLX_ECLUSTER,
			"%s: belongs to member %llu, not to %llu; use this member's own "
			"directory",
			reader->path, (unsigned long long)reader->header.member_id,
			(unsigned long long)writer->member_id);
	}
	return 0;
}

/* Is there a batch of that number or a later one of this segment behind the offset?
 * Without a salt, as the header is not whole, any will do. */
static bool has_later_batch(
	const struct reader *reader, size_t offset, uint32_t number, const uint64_t *salt)
{
	struct blx__wal_batch_head head;

	for (; offset < reader->size; offset += BLX__WAL_BLOCK) {
		if (blx__wal_find_batch(
			    reader->mem.data + offset, reader->size - offset, &head) &&
			head.seq == reader->seq && head.number >= number &&
			(salt == NULL || head.salt == *salt)) {
			return true;
		}
	}
	return false;
}

/* Sets up the chain if the segment was begun: header and first batch are whole. */
static int begin(struct reader *reader, bool newest, bool *ret_begun)
{
	struct blx__wal_decoder at = {
		.data = reader->mem.data, .len = reader->size, .at = BLX__WAL_BLOCK};
	struct blx__wal_decoder end;
	struct blx__wal_batch_head head;
	const uint64_t *salt = NULL;
	bool valid = false;
	int rv = BLX_ECORRUPT;

	if (reader->size >= BLX__WAL_BLOCK) {
		rv = blx__wal_header_get(reader->mem.data, &reader->header, &at.chain);
	}
	if (rv == BLX_EVERSION) {
		return blx__error_set(reader->error, rv,
			"%s: is of a format that this version cannot read", reader->path);
	}
	if (rv == 0 && reader->header.seq == reader->seq) {
		rv = check_owner(reader);
		if (rv != 0) {
			return rv;
		}
		salt = &reader->header.salt;
		at.lsn = reader->header.first_lsn;
		reader->at = at;
		valid = blx__wal_check_batch(&at, &reader->header, &head, &end);
	}
	*ret_begun = valid;
	if (!valid && (!newest || has_later_batch(reader, BLX__WAL_BLOCK, 1, salt))) {
		return damaged(reader, reader->path, 0, "the header or the first batch");
	}
	return 0;
}

/* All batches that follow each other; the reader stands behind the last. */
static int replay(struct reader *reader)
{
	struct blx__wal_decoder first = reader->at;
	struct blx__wal_batch_head head;
	struct blx__wal_decoder end;

	while (blx__wal_check_batch(&first, &reader->header, &head, &end)) {
		int rv;

		if (head.number != reader->number) {
			return damaged(reader, reader->path, reader->at.at,
				"a batch is missing");
		}
		rv = load_batch(reader, &first, &head);
		if (rv != 0) {
			return rv;
		}
		end.at = end.len;
		end.len = reader->size;
		reader->at = end;
		reader->number++;
		first = end;
	}
	if (has_later_batch(
		    reader, reader->at.at, reader->number + 1, &reader->header.salt)) {
		return damaged(
			reader, reader->path, reader->at.at, "valid records follow");
	}
	if (has_later_batch(
		    reader, reader->at.at, reader->number, &reader->header.salt)) {
		blx__log(BLX__LOG_WARN, "wal",
			"%s: the write at offset %zu was under way when the member "
			"stopped, and is "
			"cut off",
			reader->path, reader->at.at);
	}
	return 0;
}

static void take_position(const struct reader *reader)
{
	struct blx__wal_writer *writer = reader->recovery->writer;

	writer->current.seq = reader->seq;
	writer->current.size = reader->size;
	writer->salt = reader->header.salt;
	writer->offset = reader->at.at;
	writer->number = reader->number;
	writer->chain = reader->at.chain;
	writer->lsn = reader->at.lsn;
}

static int check_follows(const struct reader *reader)
{
	const struct blx__wal_writer *writer = reader->recovery->writer;
	BLX__CLEANUP_FREE char *previous =
		blx__wal_segment_path(writer->dir, writer->current.seq);

	if (reader->header.first_lsn == writer->lsn &&
		reader->header.prev_chain == writer->chain) {
		return 0;
	}
	return damaged(reader, previous != NULL ? previous : writer->dir, writer->offset,
		"the next segment goes on from more");
}

static int load_segment(struct reader *reader, bool newest)
{
	struct blx__wal_recovery *recovery = reader->recovery;
	bool begun = false;
	int rv = read_segment(reader);

	if (rv == 0) {
		rv = begin(reader, newest, &begun);
	}
	if (rv != 0) {
		return rv;
	}
	if (!begun) {
		recovery->has_next = true;
		return 0;
	}
	rv = recovery->found ? check_follows(reader) : 0;
	if (rv == 0) {
		rv = replay(reader);
	}
	if (rv == 0) {
		recovery->found = true;
		take_position(reader);
	}
	return rv;
}

static int load_all(struct blx__wal_recovery *recovery, blx_error *error)
{
	struct reader reader = {.recovery = recovery, .error = error};
	struct blx__wal_mem mem = {0};
	size_t i;
	int rv = 0;

	for (i = 0; i < recovery->count && rv == 0; i++) {
		reader = (struct reader){.recovery = recovery,
			.error = error,
			.seq = recovery->seqs[i],
			.path = blx__wal_segment_path(
				recovery->writer->dir, recovery->seqs[i]),
			.mem = mem};
		if (reader.path == NULL) {
			rv = no_memory(&reader);
		} else if (i > 0 && reader.seq != recovery->seqs[i - 1] + 1) {
			rv = blx__error_set(error, BLX_ECORRUPT,
				"%s: the segment before it is missing; " ADVICE,
				reader.path);
		} else {
			rv = load_segment(&reader, i + 1 == recovery->count);
		}
		mem = reader.mem;
		blx__free(reader.path);
	}
	blx__wal_mem_finish(&mem);
	return rv;
}

/* ---- what came of it ----------------------------------------------------- */

static int check_whole(const struct blx__wal_recovery *recovery, blx_error *error)
{
	const struct blx__wal_writer *writer = recovery->writer;
	unsigned i;

	if (recovery->mark >= writer->lsn) {
		return blx__error_set(error, BLX_ECORRUPT,
			"%s: this disk lost writes it had confirmed: the log ends at "
			"record %llu, not "
			"%llu; the member must not vote: remove it and join anew with an "
			"empty "
			"directory",
			writer->dir, (unsigned long long)(writer->lsn - 1),
			(unsigned long long)recovery->mark);
	}
	for (i = 0; i < writer->groups_max; i++) {
		const struct blx__wal_group *group = &writer->groups[i];
		const struct blx__wal_loaded *loaded = &recovery->loaded[i];

		if (group->first < group->next && loaded->first > group->first) {
			return blx__error_set(error, BLX_ECORRUPT,
				"%s: the segments with the entries %llu to %llu of group "
				"%u are "
				"missing; " ADVICE,
				writer->dir, (unsigned long long)group->first,
				(unsigned long long)loaded->first - 1, i);
		}
	}
	return 0;
}

static int settle_end(struct blx__wal_writer *writer, blx_error *error)
{
	const struct blx__files *files = writer->env->files;
	struct blx__wal_segment current;
	int rv = blx__wal_segment_open(
		files, writer->dir, writer->current.seq, &current, error);

	if (rv != 0) {
		return rv;
	}
	writer->current = current;
	rv = files->ops->sync(current.file, error);
	if (rv == 0) {
		rv = files->ops->sync_dir(files, writer->dir, error);
	}
	if (rv != 0 || blx__wal_writer_room(writer) == 0) {
		return rv;
	}
	if (blx__wal_mem_reserve(&writer->mem, BLX__WAL_BLOCK) != 0) {
		return blx__error_set(
			error, BLX_ENOMEM, "open %s: out of memory", writer->dir);
	}
	memset(writer->mem.data, 0, BLX__WAL_BLOCK);
	return files->ops->write(
		current.file, writer->mem.data, BLX__WAL_BLOCK, writer->offset, error);
}

int blx__wal_recover(struct blx__wal_recovery *recovery, blx_error *error)
{
	int rv = load_all(recovery, error);

	if (rv != 0 || !recovery->found) {
		return rv;
	}
	rv = check_whole(recovery, error);
	return rv == 0 ? settle_end(recovery->writer, error) : rv;
}
