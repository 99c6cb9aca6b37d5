/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a follower acknowledges.
 *
 * Entries never compared (35479fc; cowsql 446f8d21, 66ed6afd). A follower of
 * 0.15.0 answers an AppendEntries with all it has on disk, leftovers of an older
 * term included; the leader counts them as copies of its own entries, and what
 * it then acknowledges to a client exists once. What must hold (Raft figure 2,
 * AppendEntries, and log matching): an answer of term T names at most the
 * highest prev + n of a request of the leader of T that fitted the log, or the
 * last index of its snapshot.
 *
 * Entries not on disk (e514f78f). "I have all of that snapshot" is answered
 * while the entries are still in flight, and a crash takes them back. What must
 * hold: an answer names at most what is stored.
 *
 * Late reports (35479fc). A write asked for by the leader of an older term ends
 * in a newer one, and is answered to whoever leads now. What must hold: it is
 * not, for nothing of it was compared with that leader's log.
 *
 * Slow refusals (c1866c1d; dissertation 3.5). A follower that refuses because it
 * has another entry there names the end of its own log as where to go on. The
 * leader cannot use that, goes back by one entry, and asks again at its next
 * heartbeat: the leftovers of a thousand writes take a hundred seconds, and if
 * that vote is needed nothing commits meanwhile. What must hold: one more
 * request is enough. What is committed here is in the log of every leader, so
 * the commit index is named.
 */
#include "base/assert.h"
#include "node/guard_impl.h"

void blx__guard_ack_note(struct blx__guard *guard, raft_term term, raft_index index)
{
	if (guard->match_term != term) {
		guard->match_term = term;
		guard->match = index;
	} else if (guard->match < index) {
		guard->match = index;
	}
}

static void hint_lower(const struct blx__guard *guard, struct raft_append_entries_result *result)
{
	const struct raft *raft = guard->raft;

	if (result->term == raft->current_term &&
		result->rejected <= raft_last_index(guard->raft) &&
		result->last_log_index > raft->commit_index &&
		blx__guard_cures(guard, BLX__CURE_HINT)) {
		result->last_log_index = raft->commit_index;
	}
}

bool blx__guard_ack_lower(struct blx__guard *guard, struct raft_append_entries_result *result)
{
	raft_index match = guard->match_term == result->term ? guard->match : 0;
	raft_index answered = result->last_log_index;

	if (result->rejected != 0) {
		hint_lower(guard, result);
		return true; /* a hint where to go on, not a promise */
	}
	if (guard->stale_write && blx__guard_cures(guard, BLX__CURE_ACK_STALE)) {
		return false;
	}
	if (answered > match && blx__guard_cures(guard, BLX__CURE_ACK)) {
		answered = match;
	}
	if (answered > guard->raft->last_stored && blx__guard_cures(guard, BLX__CURE_ACK_STORED)) {
		answered = guard->raft->last_stored;
	}
	guard->stats.acks_lowered += answered != result->last_log_index;
	result->last_log_index = answered;
	return true;
}
