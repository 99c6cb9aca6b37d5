/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

/* ---- entries of older terms ---------------------------------------------- */

/* The other two are to elect that one: a follower votes after its own timer ran out. */
static bool elect_with(struct raft_sim *sim, raft_id id, raft_id voter)
{
	raft_sim_expire(sim, voter, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, id, 1300, 1000);
	return raft_sim_run_until_leader(sim, id, 20000);
}

/* Figure 8 of the Raft paper: A is on a majority, and still not committed. */
static enum raft_sim_outcome figure_8(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 300);

	raft_sim_cut_off(sim, 1, true);
	raft_sim_propose(sim, 1, 'A'); /* on member 1 alone */
	raft_sim_run(sim, 20);
	raft_sim_crash(sim, 1);
	raft_sim_heal(sim);
	if (!elect_with(sim, 3, 2)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_cut_off(sim, 3, true);
	raft_sim_run(sim, 20);
	raft_sim_propose(sim, 3, 'B'); /* on member 3 alone */
	raft_sim_run(sim, 20);
	raft_sim_crash(sim, 3);
	raft_sim_heal(sim);

	sim->member[1].election_ms = 1300;
	raft_sim_start(sim, 1);
	if (!elect_with(sim, 1, 2)) {
		return RAFT_SIM_STUCK;
	}
	while (raft_sim_disk_last(&sim->member[2].disk) < 3) {
		raft_sim_run(sim, 1); /* A goes to member 2 */
	}
	raft_sim_run(sim, 5); /* and is acknowledged by it, which it is not told */
	raft_sim_crash(sim, 1);

	sim->member[3].election_ms = 1300;
	raft_sim_start(sim, 3);
	raft_sim_expire(sim, 2, 1000, 1700);
	raft_sim_expire(sim, 3, 1300, 1000);
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) == 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, raft_sim_leader(sim), 'C');
	raft_sim_run(sim, 1000);
	return raft_sim_is_acked(sim, 'C') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_lead, an_entry_of_an_older_term_is_not_committed_by_counting)
{
	raft_sim_check_cure(figure_8, BLX__CURE_OWN_TERM, 0, RAFT_SIM_VIOLATED);
}

static enum raft_sim_outcome idle_leader(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 5); /* committed, and nobody knows but the leader */
	raft_sim_crash(sim, 1);
	if (!elect_with(sim, 2, 3)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 1000);
	return sim->member[2].raft.commit_index == raft_last_index(&sim->member[2].raft)
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_lead, a_new_leader_commits_what_was_there_without_a_write_of_a_client)
{
	raft_sim_check_cure(idle_leader, 0, 0, RAFT_SIM_OK);
}

/* ---- the quorum ---------------------------------------------------------- */

/* One write each millisecond, over links that are slower than the disks. */
static enum raft_sim_outcome steady_writes(struct raft_sim *sim)
{
	uint64_t last_ms;
	uint64_t gap_ms = 0;
	size_t acked = 0;
	unsigned i;

	raft_sim_found(sim, 3, 0);
	sim->net_ms = 5;
	raft_sim_elect(sim, 1);
	last_ms = sim->now_ms;
	for (i = 1; i <= 2000; i++) {
		raft_sim_propose(sim, 1, i);
		raft_sim_run(sim, 1);
		if (sim->acked_count > acked) {
			acked = sim->acked_count;
			last_ms = sim->now_ms;
		} else if (sim->now_ms - last_ms > gap_ms) {
			gap_ms = sim->now_ms - last_ms;
		}
	}
	return gap_ms > 100 ? RAFT_SIM_STUCK : RAFT_SIM_OK;
}

Test(guard_lead, writes_are_committed_while_others_keep_coming)
{
	raft_sim_check_cure(steady_writes, BLX__CURE_QUORUM, 0, RAFT_SIM_STUCK);
}

/* ---- the lone voter ------------------------------------------------------ */

static enum raft_sim_outcome lone_voter_restarts(struct raft_sim *sim)
{
	raft_sim_found(sim, 1, 1);
	raft_sim_run(sim, 500);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 300);

	sim->member[1].disk.append_ms = 200;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_propose(sim, 1, 'B');
	raft_sim_run(sim, 50); /* with the learner, not on the own disk */
	raft_sim_crash(sim, 1);
	sim->member[1].disk.append_ms = 1;
	raft_sim_start(sim, 1);
	raft_sim_run(sim, 300);
	raft_sim_propose(sim, 1, 'C');
	raft_sim_propose(sim, 1, 'D');
	raft_sim_propose(sim, 1, 'E');
	raft_sim_run(sim, 1000);
	return raft_sim_is_acked(sim, 'E') && sim->member[2].raft.last_applied ==
						      sim->member[1].raft.last_applied
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_lead, a_lone_voter_begins_each_life_with_a_new_term)
{
	raft_sim_check_cure(
		lone_voter_restarts, BLX__CURE_SOLE_VOTER, 0, RAFT_SIM_VIOLATED);
}

/* It gave its vote of a term away, and then leads in that very term. */
static enum raft_sim_outcome lone_voter_votes(struct raft_sim *sim)
{
	struct raft_request_vote args = {.term = 7,
		.last_log_index = 100,
		.last_log_term = 6,
		.disrupt_leader = true};

	raft_sim_found(sim, 1, 1);
	raft_sim_run(sim, 500);
	sim->member[1].election_ms = 1000;
	raft_sim_tell_vote(sim, 1, 2, &args);
	if (sim->member[1].raft.voted_for != 2) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 3000);
	return raft_sim_leader(sim) == 1 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_lead, a_lone_voter_does_not_lead_in_a_term_in_which_it_voted_for_another)
{
	raft_sim_check_cure(lone_voter_votes, BLX__CURE_SOLE_VOTER, 0, RAFT_SIM_VIOLATED);
}

/* It follows another, which tells it to stand for election: there is nobody to ask. */
static enum raft_sim_outcome lone_voter_is_told(struct raft_sim *sim)
{
	struct raft_append_entries args = {.term = 9, .prev_log_index = 2};

	raft_sim_found(sim, 1, 1);
	raft_sim_run(sim, 500);
	args.prev_log_term = sim->member[1].raft.current_term;
	sim->member[1].election_ms = 1000;
	raft_sim_tell_entries(sim, 1, 2, &args, NULL, 0);
	raft_sim_tell_timeout_now(sim, 1, 2, 9, 2, args.prev_log_term);
	if (sim->member[1].raft.state == RAFT_LEADER &&
		sim->member[1].raft.current_term == 9) {
		raft_sim_violate(sim, "member 1 leads in the term of member 2");
	}
	raft_sim_run(sim, 3000);
	return raft_sim_leader(sim) == 1 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_lead, a_lone_voter_does_not_lead_in_the_term_of_another)
{
	raft_sim_check_cure(
		lone_voter_is_told, BLX__CURE_SOLE_VOTER, 0, RAFT_SIM_VIOLATED);
}

/* ---- what rests on the own-term entry ------------------------------------ */

Test(guard_lead, reads_and_changes_wait_for_an_entry_of_the_own_term)
{
	struct raft_sim *sim = raft_sim_create(0, 0);
	const struct blx__guard *guard;
	bool ok;

	raft_sim_found(sim, 3, 0);
	raft_sim_expire(sim, 1, 1000, 1000);
	cr_assert(raft_sim_run_until_leader(sim, 1, 5000));
	guard = sim->member[1].guard;
	cr_assert_not(blx__guard_may_change(guard), "elected just now");
	cr_assert_eq(blx__guard_read_index(guard, &ok), 0);
	cr_assert_not(ok);

	raft_sim_run(sim, 300);
	cr_assert(blx__guard_may_change(guard));
	cr_assert_eq(blx__guard_read_index(guard, &ok), 2);
	cr_assert(ok);
	cr_assert_eq(blx__guard_term_of(guard, 2), sim->member[1].raft.current_term);
	cr_assert_eq(blx__guard_term_of(guard, 3), 0);
	cr_assert_eq(blx__guard_term_of(guard, 0), 0);

	blx__guard_read_index(sim->member[2].guard, &ok);
	cr_assert_not(ok, "it does not lead");
	raft_sim_destroy(sim);
}
