/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

/* ---- below what is compacted --------------------------------------------- */

/* Member 3 compacted its log; the leader takes it for further behind than it is, as after
 * a snapshot that was given up. */
static enum raft_sim_outcome probe_below(struct raft_sim *sim, raft_index next)
{
	struct raft_progress *progress;
	unsigned i;

	raft_sim_prepare(sim, 3, 0);
	sim->member[3].threshold = 10;
	sim->member[3].trailing = 2;
	for (i = 1; i <= 3; i++) {
		raft_sim_start(sim, i);
	}
	raft_sim_elect(sim, 1);
	for (i = 0; i < 40; i++) {
		raft_sim_propose(sim, 1, 100 + i);
		raft_sim_run(sim, 5);
	}
	raft_sim_run(sim, 300);
	progress = &sim->member[1].raft.leader_state.progress[2];
	progress->state = 0;
	progress->match_index = 0;
	progress->next_index = next;
	for (i = 0; i < 10; i++) {
		raft_sim_propose(sim, 1, 200 + i);
		raft_sim_run(sim, 50);
	}
	raft_sim_run(sim, 2000);
	return sim->member[3].raft.last_applied == sim->member[1].raft.last_applied
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

static enum raft_sim_outcome probe_from_five(struct raft_sim *sim)
{
	return probe_below(sim, 5);
}

static enum raft_sim_outcome probe_from_one(struct raft_sim *sim)
{
	return probe_below(sim, 1);
}

Test(guard_recv, a_request_from_below_what_is_compacted_is_taken)
{
	raft_sim_check_cure(probe_from_five, BLX__CURE_TRIM, 0, RAFT_SIM_CRASHED);
}

Test(guard_recv, a_request_from_the_beginning_lands_where_it_belongs)
{
	raft_sim_check_cure(probe_from_one, BLX__CURE_TRIM, 0, RAFT_SIM_CRASHED);
}

/* ---- one member; the others are played ----------------------------------- */

static void begin_alone(struct raft_sim *sim)
{
	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
}

/* A leftover of term 2 where the leader of term 3 has something else, committed. */
static enum raft_sim_outcome commit_ahead(struct raft_sim *sim)
{
	static const struct raft_sim_command leftover[] = {{2, 'A'}};
	static const struct raft_sim_command right[] = {{3, 'B'}};
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	begin_alone(sim);
	raft_sim_tell_entries(sim, 1, 2, &args, leftover, 1);
	raft_sim_run(sim, 50);
	args.term = 3;
	args.leader_commit = 2;
	raft_sim_tell_entries(sim, 1, 3, &args, NULL, 0);
	raft_sim_run(sim, 50);
	if (sim->member[1].raft.last_applied > 1) {
		raft_sim_violate(sim, "a leftover is applied");
		return RAFT_SIM_VIOLATED;
	}
	raft_sim_tell_entries(sim, 1, 3, &args, right, 1);
	raft_sim_run(sim, 50);
	return sim->value_at[2] == 'B' ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_recv, what_a_request_does_not_cover_is_not_committed_by_it)
{
	raft_sim_check_cure(commit_ahead, BLX__CURE_COMMIT_LIMIT, 0, RAFT_SIM_VIOLATED);
}

/* An entry is overwritten while it is written, and comes again from a third leader. */
static enum raft_sim_outcome there_and_back(struct raft_sim *sim)
{
	static const struct raft_sim_command a[] = {{2, 'A'}};
	static const struct raft_sim_command b[] = {{3, 'B'}};
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim_member *member = &sim->member[1];
	raft_term term;

	begin_alone(sim);
	member->disk.append_ms = 150;
	raft_sim_tell_entries(sim, 1, 2, &args, a, 1);
	raft_sim_run(sim, 20);
	for (term = 3; term < 10; term++) { /* leaders repeat what is not answered */
		args.term = term;
		raft_sim_tell_entries(
			sim, 1, 2 + term % 2, &args, term % 2 == 1 ? b : a, 1);
		raft_sim_run(sim, 20);
	}
	raft_sim_run(sim, 2000);
	args.term = 10;
	args.leader_commit = 2;
	raft_sim_tell_entries(sim, 1, 3, &args, a, 1);
	raft_sim_run(sim, 2000);
	if (member->raft.last_stored != raft_sim_disk_last(&member->disk)) {
		raft_sim_violate(sim, "raft takes %llu for stored, the disk has %llu",
			member->raft.last_stored, raft_sim_disk_last(&member->disk));
	}
	return sim->value_at[2] == 'A' ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_recv, an_entry_that_is_being_written_is_not_overwritten)
{
	enum raft_sim_outcome outcome;

	raft_sim_check_cure(there_and_back, 0, 0, RAFT_SIM_OK);
	/* Memory is freed in use: what comes of that depends on the allocator. */
	outcome = raft_sim_try(there_and_back, BLX__CURE_REWRITE);
#ifdef BLX_TEST_STANDIN
	outcome = RAFT_SIM_CRASHED; /* the thread sanitizer's keeps it readable */
#endif
	cr_assert(outcome == RAFT_SIM_VIOLATED || outcome == RAFT_SIM_CRASHED,
		"without: %d", outcome);
}

/* ---- what no correct leader sends ---------------------------------------- */

static enum raft_sim_outcome two_leaders(struct raft_sim *sim)
{
	static const struct raft_sim_command foreign[] = {{2, 'A'}};
	struct raft_append_entries args = {.prev_log_index = 1, .prev_log_term = 1};

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	args.term = sim->member[1].raft.current_term;
	raft_sim_tell_entries(sim, 1, 2, &args, foreign, 1);
	raft_sim_run(sim, 1000);
	return sim->member[1].failed ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_recv, a_leader_that_meets_another_of_its_term_ends)
{
	raft_sim_check_cure(two_leaders, BLX__CURE_CHECK, 0, RAFT_SIM_CRASHED);
}

Test(guard_recv, a_leader_that_differs_from_what_is_committed_here_ends_the_member)
{
	static const struct raft_sim_command first[] = {{2, 'A'}, {2, 'B'}};
	static const struct raft_sim_command other[] = {{3, 'X'}};
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1, .leader_commit = 3};
	struct raft_sim *sim = raft_sim_create(0, 0);

	begin_alone(sim);
	raft_sim_tell_entries(sim, 1, 2, &args, first, 2);
	raft_sim_run(sim, 50);
	cr_assert_eq(sim->member[1].raft.last_applied, 3);
	args.term = 3;
	args.prev_log_index = 3;
	args.prev_log_term = 3;
	raft_sim_tell_entries(sim, 1, 3, &args, other, 1);
	cr_assert(sim->member[1].failed);
	cr_assert(blx__guard_failed(sim->member[1].guard));
	raft_sim_destroy(sim);
}

Test(guard_recv, malformed_entries_and_nameless_senders_are_dropped)
{
	static const struct raft_sim_command backwards[] = {{5, 'A'}, {2, 'B'}};
	static const struct raft_sim_command ahead[] = {{7, 'A'}};
	struct raft_append_entries args = {
		.term = 6, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim *sim = raft_sim_create(0, 0);
	struct blx__guard_stats stats;

	begin_alone(sim);
	raft_sim_tell_entries(sim, 1, 2, &args, backwards, 2);
	raft_sim_tell_entries(sim, 1, 2, &args, ahead, 1);
	raft_sim_tell_entries(sim, 1, 0, &args, NULL, 0);
	raft_sim_run(sim, 50);
	cr_assert_eq(raft_last_index(&sim->member[1].raft), 1);
	cr_assert_not(sim->member[1].failed);
	blx__guard_stats_get(sim->member[1].guard, &stats);
	cr_assert_eq(stats.dropped, 3);
	raft_sim_destroy(sim);
}
