/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a leader commits.
 *
 * Entries of older terms (524f735, 29bb302; Raft 5.4.2 and figure 8). 0.15.0
 * commits them by counting copies, and a later leader may still overwrite them.
 * What must hold: the commit index moves to an index only if the entry there is
 * of the leader's own term. So that it moves at all without new writes, and so
 * that reads and membership changes have something to wait for (dissertation
 * 6.4; Ongaro 2015), a new leader appends a barrier at once.
 *
 * A quorum that is never seen (1996d32). 0.15.0 asks on each answer whether a
 * majority has everything that the leader has stored. While new entries keep
 * coming that is never so, and nothing commits until they stop. What must hold:
 * after each answer, what a majority has is committed. libraft asks for the
 * index r->last_stored, so that holds what we want asked while it looks.
 *
 * A lone voter (in every version; found by simulation). The only voter makes
 * itself leader in the term it has. After a crash it writes other entries at
 * the same index and term as those that learners got before, and nobody
 * notices. What must hold: one term, one leadership. Its term is raised when
 * it is loaded, and before it elects itself again.
 */
#include "base/assert.h"
#include "node/conf.h"
#include "node/guard_impl.h"

/* ---- the own-term entry -------------------------------------------------- */

static void on_barrier(struct raft_barrier *req, int status)
{
	struct blx__guard *guard = req->data;

	(void)status;
	guard->barrier_out = false;
}

void blx__guard_lead_poll(struct blx__guard *guard)
{
	struct raft *raft = guard->raft;
	raft_index index;

	if (!guard->started || guard->failed || guard->stopping || guard->closed ||
		raft->state != RAFT_LEADER || guard->lead_term == raft->current_term ||
		!blx__guard_cures(guard, BLX__CURE_OWN_TERM)) {
		return;
	}
	INVARIANT(!guard->barrier_out);

	index = raft_last_index(raft) + 1;
	guard->barrier.data = guard;
	guard->barrier_out = true;
	if (raft_barrier(raft, &guard->barrier, on_barrier) != 0) {
		guard->barrier_out = false; /* a transfer of before, or no memory: the next time */
		return;
	}
	guard->lead_term = raft->current_term;
	guard->lead_index = index;
}

bool blx__guard_own_term_committed(const struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;

	return raft->state == RAFT_LEADER && !guard->failed &&
		guard->lead_term == raft->current_term && raft->commit_index >= guard->lead_index;
}

bool blx__guard_may_change(const struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;

	return blx__guard_own_term_committed(guard) && raft->transfer == NULL &&
		raft->configuration_uncommitted_index == 0 && raft->leader_state.promotee_id == 0 &&
		raft->leader_state.change == NULL;
}

uint64_t blx__guard_read_index(const struct blx__guard *guard, bool *ret_ok)
{
	*ret_ok = blx__guard_own_term_committed(guard);
	return *ret_ok ? guard->raft->commit_index : 0;
}

/* ---- the quorum ---------------------------------------------------------- */

/* How far the i-th server's log is known to match, given this answer. */
static raft_index match_of(const struct raft *raft, unsigned i, raft_id from, raft_index answer)
{
	const struct raft_server *server = &raft->configuration.servers[i];
	raft_index match = raft->leader_state.progress[i].match_index;

	if (server->id == raft->id) {
		return raft->last_stored;
	}
	return server->id == from && answer > match ? answer : match;
}

static unsigned count_at(const struct raft *raft, raft_index index, raft_id from,
	raft_index answer)
{
	unsigned count = 0;
	unsigned i;

	for (i = 0; i < raft->configuration.n; i++) {
		count += raft->configuration.servers[i].role == RAFT_VOTER &&
			match_of(raft, i, from, answer) >= index;
	}
	return count;
}

/* The highest index that a majority of the voters has. */
static raft_index majority_index(const struct raft *raft, raft_id from, raft_index answer)
{
	unsigned half = blx__conf_voters(&raft->configuration) / 2;
	raft_index highest = 0;
	unsigned i;

	for (i = 0; i < raft->configuration.n; i++) {
		raft_index match = match_of(raft, i, from, answer);

		if (raft->configuration.servers[i].role == RAFT_VOTER && match > highest &&
			count_at(raft, match, from, answer) > half) {
			highest = match;
		}
	}
	return highest;
}

/* The index that libraft is to ask a quorum for; the commit index: none. */
static raft_index index_to_ask(struct blx__guard *guard, raft_id from, raft_index answer)
{
	struct raft *raft = guard->raft;
	raft_index last = raft_last_index(raft);
	raft_index index = raft->last_stored;

	if (blx__guard_cures(guard, BLX__CURE_QUORUM)) {
		raft_index agreed = majority_index(raft, from, answer < last ? answer : last);

		index = agreed < index ? agreed : index;
	}
	if (index > raft->commit_index && blx__guard_cures(guard, BLX__CURE_OWN_TERM) &&
		blx__guard_term_of(guard, index) != raft->current_term) {
		guard->stats.commits_held++;
		return raft->commit_index;
	}
	return index > raft->commit_index ? index : raft->commit_index;
}

void blx__guard_lead_result(struct blx__guard *guard, struct raft_message *message)
{
	struct raft *raft = guard->raft;
	const struct raft_append_entries_result *result = &message->append_entries_result;
	raft_index stored = raft->last_stored;
	raft_index asked;

	if (raft->state != RAFT_LEADER || result->term != raft->current_term ||
		result->rejected != 0) {
		blx__guard_deliver(guard, message);
		return;
	}
	asked = index_to_ask(guard, message->server_id, result->last_log_index);
	raft->last_stored = asked;
	blx__guard_deliver(guard, message);
	if (raft->last_stored == asked) {
		raft->last_stored = stored;
	}
}

/* ---- the lone voter ------------------------------------------------------ */

void blx__guard_lead_tick(struct blx__guard *guard)
{
	struct raft *raft = guard->raft;
	raft_time waited = guard->inner->time(guard->inner) - raft->election_timer_start;

	if (raft->state != RAFT_FOLLOWER ||
		waited < raft->follower_state.randomized_election_timeout ||
		!blx__guard_cures(guard, BLX__CURE_SOLE_VOTER) ||
		!blx__conf_sole_voter(&raft->configuration, raft->id)) {
		return;
	}
	(void)guard->io.set_term(&guard->io, raft->current_term + 1); /* fails the guard only */
	raft->current_term++;
	raft->voted_for = 0;
}
