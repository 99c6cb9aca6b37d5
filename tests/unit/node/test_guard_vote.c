/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

static const struct raft_sim_command three[] = {{2, 'A'}, {2, 'B'}, {2, 'C'}};

/* Member 1 runs; it follows member 2, which sent it entries that are not on disk yet. */
static void begin_behind(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	raft_sim_prepare(sim, 3, 0);
	sim->member[1].election_ms = 1000;
	raft_sim_start(sim, 1);
	sim->member[1].disk.append_ms = 3000;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
}

static enum raft_sim_outcome timer_amid_write(struct raft_sim *sim)
{
	begin_behind(sim);
	raft_sim_run(sim, 2500);
	if (sim->member[1].raft.state != RAFT_FOLLOWER) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 700);
	return sim->member[1].raft.state == RAFT_CANDIDATE ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_vote, nobody_stands_for_election_before_its_log_is_on_disk)
{
	raft_sim_check_cure(timer_amid_write, BLX__CURE_CANDIDACY, 0, RAFT_SIM_VIOLATED);
}

static enum raft_sim_outcome timeout_now_amid_write(struct raft_sim *sim)
{
	begin_behind(sim);
	raft_sim_tell_timeout_now(sim, 1, 2, 2, 4, 2);
	raft_sim_run(sim, 500);
	return RAFT_SIM_OK;
}

Test(guard_vote, a_timeout_now_waits_for_nobody_and_is_dropped_amid_writes)
{
	raft_sim_check_cure(
		timeout_now_amid_write, BLX__CURE_CANDIDACY, 0, RAFT_SIM_VIOLATED);
}

static void see_vote(struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_REQUEST_VOTE_RESULT &&
		message->request_vote_result.vote_granted) {
		raft_sim_violate(member->sim, "a vote amid an install");
	}
}

/* The candidate has less than this member, whose log is empty in memory just now. */
static enum raft_sim_outcome vote_amid_install(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1, .leader_commit = 4};
	struct raft_request_vote vote = {.term = 3,
		.last_log_index = 4,
		.last_log_term = 2,
		.disrupt_leader = true};

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	sim->on_send = see_vote;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_run(sim, 50);
	sim->member[1].disk.put_ms = 500;
	raft_sim_tell_snapshot(sim, 1, 2, 2, 4 + 16, 2);
	vote.last_log_index = 20;
	raft_sim_run(sim, 10);
	raft_sim_tell_vote(sim, 1, 3, &vote);
	raft_sim_run(sim, 1000);
	return sim->member[1].raft.last_applied == 20 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_vote, no_vote_is_given_amid_an_install)
{
	raft_sim_check_cure(vote_amid_install, BLX__CURE_CANDIDACY, 0, RAFT_SIM_VIOLATED);
}

/* ---- two votes in one term ----------------------------------------------- */

static struct raft_transfer transfer;

static enum raft_sim_outcome transfer_amid_election(struct raft_sim *sim)
{
	struct raft_request_vote args = {.last_log_index = 50, .disrupt_leader = true};

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_cut_off(sim, 1, true);
	if (raft_transfer(&sim->member[1].raft, &transfer, 2, NULL) != 0) {
		return RAFT_SIM_STUCK;
	}
	args.last_log_term = sim->member[1].raft.current_term;
	args.term = args.last_log_term + 1;
	raft_sim_tell_vote(sim, 1, 3, &args);
	raft_sim_tell_vote(sim, 1, 2, &args);
	return sim->member[1].raft.voted_for == 3 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_vote, a_leader_that_hands_over_votes_once_a_term)
{
	raft_sim_check_cure(
		transfer_amid_election, BLX__CURE_TRANSFEREE, 0, RAFT_SIM_VIOLATED);
}

/* ---- voters that do not know it ------------------------------------------ */

static struct raft_change change;

static void on_changed(struct raft_change *req, int status)
{
	(void)req;
	(void)status;
}

/* From one voter to two; the leader crashes before the second has heard of it. */
static enum raft_sim_outcome promotion_unheard(struct raft_sim *sim)
{
	raft_sim_found(sim, 1, 1);
	raft_sim_run(sim, 500);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 500);
	raft_sim_cut(sim, 1, 2, true);
	if (raft_assign(&sim->member[1].raft, &change, 2, RAFT_VOTER, on_changed) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 50);
	raft_sim_crash(sim, 1);
	raft_sim_heal(sim);
	sim->member[1].election_ms = 1500;
	raft_sim_start(sim, 1);
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) != 1) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 1000);
	return raft_sim_is_acked(sim, 'A') && sim->member[2].raft.configuration_index > 1
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_vote, who_votes_is_what_the_candidate_knows)
{
	raft_sim_check_cure(promotion_unheard, BLX__CURE_NON_VOTER, 0, RAFT_SIM_STUCK);
}

/* The same of three voters and a fourth, with one of the three away. */
static enum raft_sim_outcome promotion_unheard_of_four(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 1);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 500);
	raft_sim_crash(sim, 3);
	raft_sim_cut(sim, 1, 4, true);
	if (raft_assign(&sim->member[1].raft, &change, 4, RAFT_VOTER, on_changed) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 50); /* members 1 and 2 have it: three of four are needed */
	raft_sim_crash(sim, 1);
	raft_sim_heal(sim);
	sim->member[1].election_ms = 1500;
	raft_sim_start(sim, 1);
	raft_sim_expire(sim, 2, 1200, 1900);
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) == 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, raft_sim_leader(sim), 'A');
	raft_sim_run(sim, 1000);
	return raft_sim_is_acked(sim, 'A') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_vote, a_fourth_voter_is_counted_on_before_it_knows)
{
	raft_sim_check_cure(
		promotion_unheard_of_four, BLX__CURE_NON_VOTER, 0, RAFT_SIM_STUCK);
}

Test(guard_vote, a_learner_with_a_leader_does_not_vote_against_it)
{
	struct raft_request_vote args = {
		.term = 9, .last_log_index = 50, .last_log_term = 8};
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_found(sim, 2, 1);
	raft_sim_elect(sim, 1);
	sim->on_send = see_vote;
	raft_sim_tell_vote(sim, 3, 2, &args);
	cr_assert_str_eq(sim->violation, "");
	cr_assert_neq(sim->member[3].raft.current_term, 9);
	cr_assert_eq(sim->member[3].raft.configuration.servers[2].role, RAFT_STANDBY);
	raft_sim_destroy(sim);
}

/* ---- pre-votes ----------------------------------------------------------- */

/* Member 2 has the longest log, member 3 a newer term, and member 1 is away. */
static enum raft_sim_outcome newer_term_shorter_log(struct raft_sim *sim)
{
	sim->pre_vote = true;
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_cut_off(sim, 3, true);
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 300);
	raft_sim_crash(sim, 3);
	sim->member[3].disk.term = 9; /* it stood for election, and was alone with it */
	sim->member[3].disk.vote = 3;
	sim->member[3].election_ms = 1000;
	raft_sim_start(sim, 3);
	raft_sim_crash(sim, 1);
	raft_sim_heal(sim);
	raft_sim_expire(sim, 2, 1300, 1300);
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) != 2) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, 2, 'B');
	raft_sim_run(sim, 500);
	return raft_sim_is_acked(sim, 'B') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_vote, a_candidate_learns_a_newer_term_in_a_pre_vote)
{
	raft_sim_check_cure(
		newer_term_shorter_log, BLX__CURE_PRE_VOTE, 0, RAFT_SIM_STUCK);
}

/* ---- votes after a restart ----------------------------------------------- */

Test(guard_vote, a_member_that_may_have_promised_silence_keeps_it_over_a_restart)
{
	struct raft_request_vote args = {
		.term = 9, .last_log_index = 50, .last_log_term = 8};
	struct raft_sim *sim = raft_sim_create(0, 0);

	sim->vote_guard_ms = 1000;
	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	raft_sim_run(sim, 999);
	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 0);
	raft_sim_run(sim, 1);
	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 2);
	raft_sim_destroy(sim);
}

/* ---- promised silence ---------------------------------------------------- */

static struct raft_sim *begin_silent(void)
{
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_prepare(sim, 3, 0);
	sim->member[1].election_ms = 100000;
	raft_sim_start(sim, 1);
	raft_sim_run(sim, 10);
	blx__guard_be_silent(sim->member[1].guard, 500);
	return sim;
}

Test(guard_vote, whoever_promised_silence_votes_for_nobody_until_it_is_over)
{
	struct raft_request_vote args = {
		.term = 9, .last_log_index = 50, .last_log_term = 8};
	struct raft_sim *sim = begin_silent();

	raft_sim_run(sim, 499);
	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 0);
	cr_assert_lt(sim->member[1].raft.current_term, 9);
	raft_sim_run(sim, 2);
	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 2);
	raft_sim_destroy(sim);
}

Test(guard_vote, a_shorter_promise_does_not_end_a_longer_one)
{
	struct raft_request_vote args = {
		.term = 9, .last_log_index = 50, .last_log_term = 8};
	struct raft_sim *sim = begin_silent();

	blx__guard_be_silent(sim->member[1].guard, 10);
	raft_sim_run(sim, 400);
	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 0);
	raft_sim_destroy(sim);
}

Test(guard_vote, a_successor_that_the_leader_named_gets_the_vote_all_the_same)
{
	struct raft_request_vote args = {.term = 9,
		.last_log_index = 50,
		.last_log_term = 8,
		.disrupt_leader = true};
	struct raft_sim *sim = begin_silent();

	raft_sim_tell_vote(sim, 1, 2, &args);
	cr_assert_eq(sim->member[1].raft.voted_for, 2);
	raft_sim_destroy(sim);
}

/* Votes that a member asked for, and how many said that a leader told it to. */
struct asked {
	unsigned count;
	unsigned disrupting;
};

static void count_asked(struct raft_sim_member *member, const struct raft_message *message)
{
	struct asked *asked = member->sim->data;

	if (message->type == RAFT_IO_REQUEST_VOTE) {
		asked->count++;
		asked->disrupting += message->request_vote.disrupt_leader;
	}
}

Test(guard_vote, whoever_promised_silence_asks_for_no_votes)
{
	struct asked asked = {0};
	struct raft_sim *sim = begin_silent();

	sim->on_send = count_asked;
	sim->data = &asked;
	raft_sim_expire(sim, 1, 100, 100);
	raft_sim_run(sim, 450);
	cr_assert_eq(asked.count, 0);
	raft_sim_run(sim, 500);
	cr_assert_gt(asked.count, 0);
	raft_sim_destroy(sim);
}

/* What a leader told it to do is one election, not all that follow if that is lost. */
Test(guard_vote, only_the_election_that_a_leader_ordered_says_so)
{
	struct asked asked = {0};
	struct raft_sim *sim = raft_sim_create(0, 0);

	sim->on_send = count_asked;
	sim->data = &asked;
	raft_sim_found(sim, 3, 0);
	raft_sim_expire(sim, 1, 100, 100000);
	cr_assert(raft_sim_run_until_leader(sim, 1, 20000));
	raft_sim_run(sim, 1000);

	asked = (struct asked){0};
	raft_sim_cut_off(sim, 2, true);
	raft_sim_expire(sim, 2, 100000, 200);
	raft_sim_tell_timeout_now(sim, 2, 1, sim->member[2].raft.current_term,
		sim->member[2].raft.last_stored, sim->member[2].raft.current_term);
	raft_sim_run(sim, 3000);

	cr_assert_eq(asked.disrupting, 2, "%u of %u", asked.disrupting, asked.count);
	cr_assert_gt(asked.count, 2);
	raft_sim_destroy(sim);
}
