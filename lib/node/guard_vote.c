/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who stands for election, and who is voted for.
 *
 * Candidates with entries not on disk (a54636b, 634cb11, f65b6e7, 4fbd3c0,
 * 05746af). 0.15.0 stands for election, or obeys a TimeoutNow, with writes in
 * flight or a snapshot half installed. It advertises entries that a crash takes
 * back, and an install that ends in a candidate reads the leader from a union
 * that holds votes. What must hold: a candidate's log is on disk.
 *
 * Votes while a snapshot is installed (2a38d3d). The log in memory is not the
 * one on disk then. What must hold: no vote, not even for one that the leader
 * sent (disrupt_leader); others are refused by raft, for it has a leader.
 *
 * Two votes in one term (cowsql ad19f79a). A leader that hands over votes for
 * its successor even if it voted for another in that term: two leaders of one
 * term. What must hold: one vote a term.
 *
 * A voter that does not know it yet (in every version; dissertation 4.2.2). A
 * member refuses its vote unless its own log says that it is a voter. If the
 * leader crashes before the entry that promotes it arrives, a candidate that
 * has the entry may need that very vote, for ever. What must hold: who votes is
 * decided by the candidate's configuration; a member that never hears of a
 * leader forgets it.
 *
 * Old terms in a pre-vote (in every version; found by simulation). Whoever is
 * asked in a pre-vote answers with the term that was asked for, also when it
 * refuses because that is older than its own. So the candidate never learns the
 * newer term, and asks for the old one for ever: if it alone has the longest log,
 * and the other's vote is needed, nobody is ever elected. What must hold (Raft
 * 5.1): terms are exchanged whenever servers communicate.
 *
 * Votes after a restart (dissertation 6.4.1). Who leads is not on disk: a
 * restarted member votes at once, though the leader counts on its silence for a
 * lease. What must hold, where leases are in use: no vote for a while.
 *
 * An election that nobody asked for (in every version; dissertation 6.4.1). A
 * member that was told to begin one, and lost it, says in all later ones, too,
 * that it was told to; voters then vote though they hear a leader, who never
 * handed over. What must hold: only the election that follows the leader's word
 * overrides the silence that leaders rest on.
 */
#include "base/assert.h"
#include "node/conf.h"
#include "node/guard_impl.h"

static bool disk_behind(const struct blx__guard *guard)
{
	return guard->appends > 0 || guard->installing;
}

void blx__guard_vote_tick(struct blx__guard *guard)
{
	struct raft *raft = guard->raft;
	raft_time now = guard->inner->time(guard->inner);
	raft_time timeout;

	if (raft->state != RAFT_FOLLOWER || !disk_behind(guard) ||
		!blx__guard_cures(guard, BLX__CURE_CANDIDACY)) {
		return;
	}
	timeout = raft->follower_state.randomized_election_timeout;
	if (now - raft->election_timer_start >= timeout) {
		/* Expired by the next tick, whatever the disk does meanwhile. */
		raft->election_timer_start = now - timeout + 1;
	}
}

void blx__guard_vote_result_raise(struct blx__guard *guard,
	struct raft_request_vote_result *result)
{
	if (!result->vote_granted && result->term < guard->raft->current_term &&
		blx__guard_cures(guard, BLX__CURE_PRE_VOTE)) {
		result->term = guard->raft->current_term;
	}
}

bool blx__guard_vote_timeout_now_ok(const struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;

	if (disk_behind(guard) && blx__guard_cures(guard, BLX__CURE_CANDIDACY)) {
		return false;
	}
	/* A lone voter would lead at once, in the term of the one who told it to. */
	return !blx__conf_sole_voter(&raft->configuration, raft->id) ||
		!blx__guard_cures(guard, BLX__CURE_SOLE_VOTER);
}

static bool too_soon(const struct blx__guard *guard)
{
	return guard->inner->time(guard->inner) - guard->started_ms < guard->opts.vote_guard_ms;
}

void blx__guard_be_silent(struct blx__guard *guard, unsigned for_ms)
{
	/* The clock is in whole milliseconds, rounded down. */
	raft_time until = guard->inner->time(guard->inner) + for_ms + 1;

	if (until > guard->silent_until_ms) {
		guard->silent_until_ms = until;
	}
}

static bool is_silent(const struct blx__guard *guard)
{
	return guard->silent_until_ms != 0 &&
		guard->inner->time(guard->inner) < guard->silent_until_ms;
}

bool blx__guard_vote_ask(const struct blx__guard *guard, struct raft_request_vote *args)
{
	if (args->disrupt_leader && args->term != guard->told_term + 1) {
		args->disrupt_leader = false;
	}
	return args->disrupt_leader || !is_silent(guard);
}

static bool is_second_vote(const struct raft *raft, const struct raft_request_vote *args)
{
	return !args->pre_vote && raft->transfer != NULL &&
		raft->transfer->id == args->candidate_id && args->term == raft->current_term &&
		raft->voted_for != 0 && raft->voted_for != args->candidate_id;
}

static struct raft_server *own_server(struct raft *raft)
{
	unsigned i;

	for (i = 0; i < raft->configuration.n; i++) {
		if (raft->configuration.servers[i].id == raft->id) {
			return &raft->configuration.servers[i];
		}
	}
	return NULL;
}

/* A voter's election timer makes it a candidate, without a leader; another's does nothing. */
static void forget_silent_leader(struct blx__guard *guard)
{
	struct raft *raft = guard->raft;
	raft_time waited = guard->inner->time(guard->inner) - raft->election_timer_start;

	if (raft->state == RAFT_FOLLOWER && waited >= raft->election_timeout) {
		raft->follower_state.current_leader.id = 0;
	}
}

static void deliver_as_voter(struct blx__guard *guard, struct raft_message *message)
{
	struct raft_server *self = own_server(guard->raft);
	int role;

	if (self == NULL || self->role == RAFT_VOTER ||
		!blx__guard_cures(guard, BLX__CURE_NON_VOTER)) {
		blx__guard_deliver(guard, message);
		return;
	}
	forget_silent_leader(guard);
	role = self->role;
	self->role = RAFT_VOTER; /* a vote request changes no configuration: self stays valid */
	blx__guard_deliver(guard, message);
	self->role = role;
}

void blx__guard_vote_request(struct blx__guard *guard, struct raft_message *message)
{
	const struct raft_request_vote *args = &message->request_vote;

	if ((guard->installing && args->disrupt_leader &&
		    blx__guard_cures(guard, BLX__CURE_CANDIDACY)) ||
		(is_second_vote(guard->raft, args) &&
			blx__guard_cures(guard, BLX__CURE_TRANSFEREE)) ||
		(is_silent(guard) && !args->disrupt_leader) || too_soon(guard)) {
		blx__guard_drop(guard, message);
		return;
	}
	deliver_as_voter(guard, message);
}
