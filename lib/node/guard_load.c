/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was on disk, on its way to raft.
 *
 * Entries that share memory (in every version; found by simulation). The entries
 * of a load are parts of one piece of memory, a batch. When one of them is let go
 * of, libraft frees the batch if no entry in its log is of it. Those that are
 * not in the log any more, for a snapshot took their place, but are still being
 * sent, it does not look for: their memory is freed in use, and once more when
 * they were sent. What must hold: what is in use is not freed. Entries that come
 * as messages are copied one by one already; these are, too, here.
 */
#include "base/assert.h"
#include "node/guard_impl.h"

#include <string.h>

static void loaded_free(const struct blx__guard_loaded *loaded)
{
	size_t i;

	for (i = 0; i < loaded->n; i++) {
		if (loaded->entries[i].batch == NULL) {
			raft_free(loaded->entries[i].buf.base);
		} else if (i == 0 || loaded->entries[i].batch != loaded->entries[i - 1].batch) {
			raft_free(loaded->entries[i].batch);
		}
	}
	raft_free(loaded->entries);
	if (loaded->snapshot != NULL) {
		raft_configuration_close(&loaded->snapshot->configuration);
		for (i = 0; i < loaded->snapshot->n_bufs; i++) {
			raft_free(loaded->snapshot->bufs[i].base);
		}
		raft_free(loaded->snapshot->bufs);
		raft_free(loaded->snapshot);
	}
}

/* Of the entries from begin to end, which are of one batch, each gets memory of its own.
 * RAFT_NOMEM; the rest is of the batch still. */
static int batch_part(struct raft_entry *entries, size_t begin, size_t end)
{
	void *batch = entries[begin].batch;
	size_t i;

	for (i = begin; i < end; i++) {
		void *copy = raft_malloc(entries[i].buf.len);

		if (copy == NULL) {
			break;
		}
		memcpy(copy, entries[i].buf.base, entries[i].buf.len);
		entries[i].buf.base = copy;
		entries[i].batch = NULL;
	}
	if (i == end) {
		raft_free(batch);
		return 0;
	}
	return RAFT_NOMEM;
}

static int entries_part(struct raft_entry *entries, size_t n)
{
	size_t begin = 0;
	size_t end;
	int rv = 0;

	while (begin < n && rv == 0) {
		for (end = begin + 1;
			end < n && entries[end].batch == entries[begin].batch; end++) {
		}
		if (entries[begin].batch != NULL) {
			rv = batch_part(entries, begin, end);
		}
		begin = end;
	}
	return rv;
}

int blx__guard_load(struct raft_io *io, raft_term *term, raft_id *vote,
	struct raft_snapshot **snapshot, raft_index *start_index, struct raft_entry *entries[],
	size_t *n)
{
	struct blx__guard *guard = blx__guard_of(io);
	struct blx__guard_loaded loaded = { .term = term, .vote = vote };
	int rv = guard->inner->load(guard->inner, term, vote, snapshot, start_index, entries, n);

	if (rv != 0) {
		memcpy(io->errmsg, guard->inner->errmsg, sizeof io->errmsg);
		return rv;
	}
	loaded.snapshot = *snapshot;
	loaded.start_index = *start_index;
	loaded.entries = *entries;
	loaded.n = *n;
	if (blx__guard_cures(guard, BLX__CURE_CHECK)) {
		rv = blx__guard_check_loaded(&loaded);
	}
	if (rv == 0 && blx__guard_cures(guard, BLX__CURE_BATCH)) {
		rv = entries_part(loaded.entries, loaded.n);
	}
	if (rv == 0) {
		rv = blx__guard_conf_load(guard, &loaded);
	}
	if (rv != 0) {
		loaded_free(&loaded);
		return rv;
	}
	guard->next_index = *start_index + *n;
	guard->last_term = *n > 0 ? (*entries)[*n - 1].term
		: *snapshot != NULL ? (*snapshot)->term
				    : 0;
	guard->seen_term = *term;
	return 0;
}
