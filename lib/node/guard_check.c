/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libraft states its invariants as assertions, and the distribution compiles
 * them out: what they would have caught goes to the disk and to other members.
 * These are the ones that matter, checked where the guard sees what libraft
 * does. A violation ends this member, not the host program.
 *
 *  1. Terms, the commit index and the applied index never go back.
 *  2. Nothing is committed that is not stored, nor applied that is not committed.
 *  3. Entries are appended one after the other, with terms that never fall and
 *     are not beyond raft's own.
 *  4. What is committed is never truncated.
 *  5. An entry is of a known type and a multiple of 8 bytes long (cd3bd28: others
 *     are read wrongly from the wire and the disk).
 *  6. raft does not give up by itself: it does so after errors that must not be.
 */
#include "base/assert.h"
#include "node/conf.h"
#include "node/guard_impl.h"

#define ALIGNMENT 8

static bool conf_valid(const struct raft_buffer *buf)
{
	struct raft_configuration conf;

	if (blx__conf_decode(buf->base, buf->len, &conf) != 0) {
		return false;
	}
	raft_configuration_close(&conf);
	return true;
}

static bool entry_valid(const struct raft_entry *entry)
{
	if (entry->type != RAFT_COMMAND && entry->type != RAFT_BARRIER &&
		entry->type != RAFT_CHANGE) {
		return false;
	}
	if (entry->term == 0 || entry->buf.len == 0 || entry->buf.len % ALIGNMENT != 0) {
		return false;
	}
	return entry->type != RAFT_CHANGE || conf_valid(&entry->buf);
}

bool blx__guard_check_entries(const struct raft_entry *entries, size_t n, raft_term term_max)
{
	raft_term term = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!entry_valid(&entries[i]) || entries[i].term < term ||
			entries[i].term > term_max) {
			return false;
		}
		term = entries[i].term;
	}
	return true;
}

int blx__guard_check_loaded(const struct blx__guard_loaded *loaded)
{
	const struct raft_snapshot *snapshot = loaded->snapshot;

	if (!blx__guard_check_entries(loaded->entries, loaded->n, *loaded->term)) {
		return RAFT_CORRUPT;
	}
	if (snapshot == NULL) {
		/* The founding configuration comes first, or there is nothing at all. */
		return loaded->start_index != 1 ||
				(loaded->n > 0 && loaded->entries[0].type != RAFT_CHANGE)
			? RAFT_CORRUPT
			: 0;
	}
	if (snapshot->index == 0 || snapshot->term == 0 || snapshot->term > *loaded->term ||
		snapshot->configuration_index == 0 ||
		snapshot->configuration_index > snapshot->index || loaded->start_index == 0 ||
		loaded->start_index > snapshot->index + 1 ||
		loaded->start_index + loaded->n < snapshot->index + 1) {
		return RAFT_CORRUPT;
	}
	return 0;
}

void blx__guard_check_append(struct blx__guard *guard, const struct raft_entry *entries,
	unsigned n)
{
	raft_index first = raft_last_index(guard->raft) - n + 1;
	unsigned i;

	if (blx__guard_cures(guard, BLX__CURE_CHECK)) {
		if (first != guard->next_index || entries[0].term < guard->last_term ||
			!blx__guard_check_entries(entries, n, guard->raft->current_term)) {
			blx__guard_fail(guard, RAFT_INVALID, "entries out of order or malformed");
			return;
		}
		if (guard->installing) {
			blx__guard_fail(guard, RAFT_INVALID, "entries amid an install");
			return;
		}
	}
	for (i = 0; i < n; i++) {
		guard->last_term = entries[i].term;
	}
	guard->next_index = first + n;
}

void blx__guard_check_truncate(struct blx__guard *guard, raft_index index)
{
	if (blx__guard_cures(guard, BLX__CURE_CHECK) &&
		(index <= guard->raft->commit_index || index > guard->next_index ||
			guard->raft->state != RAFT_FOLLOWER)) {
		blx__guard_fail(guard, RAFT_INVALID, "a truncation of what is committed");
		return;
	}
	guard->next_index = index;
	/* raft still has the entry before: it truncates its own log after this call. */
	guard->last_term = index > 1 ? blx__guard_term_of(guard, index - 1) : 0;
}

static bool went_back(const struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;

	return raft->current_term < guard->seen_term || raft->commit_index < guard->seen_commit ||
		raft->last_applied < guard->seen_applied;
}

void blx__guard_check_state(struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;

	if (!guard->started || guard->failed || guard->stopping || guard->closed ||
		!blx__guard_cures(guard, BLX__CURE_CHECK)) {
		return;
	}
	if (raft->state == RAFT_UNAVAILABLE) {
		blx__guard_fail(guard, RAFT_SHUTDOWN, "raft gave up");
	} else if (went_back(guard)) {
		blx__guard_fail(guard, RAFT_INVALID, "a term or an index went back");
	} else if (raft->last_applied > raft->commit_index ||
		(raft->commit_index > raft->last_stored && !guard->installing)) {
		blx__guard_fail(guard, RAFT_INVALID, "a commit of what is not stored");
	}
	guard->seen_term = raft->current_term;
	guard->seen_commit = raft->commit_index;
	guard->seen_applied = raft->last_applied;
}
