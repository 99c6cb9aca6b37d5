/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

/* ---- failures ------------------------------------------------------------ */

/* As a supervisor does: what its guard ended is ended, and started again after a while.
 */
static void restart_failed(struct raft_sim *sim)
{
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		if (sim->member[i].running && sim->member[i].failed) {
			raft_sim_crash(sim, i);
			sim->member[i].disk.fail_appends = 0;
			raft_sim_start(sim, i);
		}
	}
}

/* Somebody leads again, takes a write, and all come to the same. */
static enum raft_sim_outcome settle(struct raft_sim *sim)
{
	raft_index applied = 0;
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		raft_sim_expire(sim, i, 1000 + 400 * i, 1000 + 400 * i);
	}
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) == 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, raft_sim_leader(sim), 'Z');
	raft_sim_run(sim, 1000);
	for (i = 1; i <= sim->members; i++) {
		if (applied != 0 && sim->member[i].raft.last_applied != applied) {
			return RAFT_SIM_STUCK;
		}
		applied = sim->member[i].raft.last_applied;
	}
	return raft_sim_is_acked(sim, 'Z') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

static enum raft_sim_outcome leader_cannot_write(struct raft_sim *sim, unsigned failures)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 300);
	sim->member[1].disk.append_ms = 10;
	sim->member[1].disk.fail_appends = failures;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_propose(sim, 1, 'B');
	raft_sim_propose(sim, 1, 'C');
	raft_sim_run(sim, 300);
	restart_failed(sim);
	return settle(sim);
}

static enum raft_sim_outcome first_write_fails(struct raft_sim *sim)
{
	return leader_cannot_write(sim, 1);
}

static enum raft_sim_outcome all_writes_fail(struct raft_sim *sim)
{
	return leader_cannot_write(sim, 3);
}

Test(guard_append, behind_a_write_that_failed_there_is_no_other)
{
	raft_sim_check_cure(
		first_write_fails, BLX__CURE_ONE_APPEND, 0, RAFT_SIM_VIOLATED);
}

Test(guard_append, a_leader_ends_when_a_write_fails)
{
	raft_sim_check_cure(all_writes_fail, BLX__CURE_FAIL_STOP, 0, RAFT_SIM_CRASHED);
}

/* The entry that failed is in memory, what follows is on disk in its place. */
static enum raft_sim_outcome follower_cannot_write(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 300);
	sim->member[2].disk.fail_appends = 1;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 400);
	restart_failed(sim);
	raft_sim_propose(sim, 1, 'B');
	raft_sim_propose(sim, 1, 'C');
	raft_sim_run(sim, 2000);
	raft_sim_crash(sim, 2);
	raft_sim_start(sim, 2);
	raft_sim_run(sim, 1000);
	return settle(sim);
}

Test(guard_append, a_follower_ends_when_a_write_fails)
{
	raft_sim_check_cure(
		follower_cannot_write, BLX__CURE_FAIL_STOP, 0, RAFT_SIM_VIOLATED);
}

/* It is told to stand for election, and cannot record the term. */
static enum raft_sim_outcome term_not_recorded(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	raft_sim_tell_entries(sim, 1, 2, &args, NULL, 0);
	sim->member[1].disk.fail_terms = 1;
	raft_sim_tell_timeout_now(sim, 1, 2, 2, 1, 1);
	raft_sim_run(sim, 500);
	return sim->member[1].failed ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard, a_member_that_cannot_record_its_term_ends)
{
	raft_sim_check_cure(term_not_recorded, BLX__CURE_FAIL_STOP, 0, RAFT_SIM_CRASHED);
}

static void see_vote(struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_REQUEST_VOTE_RESULT &&
		message->request_vote_result.vote_granted) {
		raft_sim_violate(member->sim, "a vote leaves that is not recorded");
	}
}

Test(guard, a_vote_that_cannot_be_recorded_is_not_given)
{
	struct raft_request_vote args = {
		.term = 5, .last_log_index = 9, .last_log_term = 4};
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	sim->on_send = see_vote;
	sim->member[1].disk.fail_votes = 1;
	raft_sim_tell_vote(sim, 1, 2, &args);
	raft_sim_run(sim, 500);
	cr_assert(sim->member[1].failed);
	cr_assert_str_eq(sim->violation, "");
	raft_sim_destroy(sim);
}

Test(guard, a_write_that_does_not_end_ends_the_member)
{
	struct raft_sim *sim = raft_sim_create(0, 0);

	sim->stall_ms = 5000;
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	sim->member[1].disk.append_ms = 1000000;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 4900);
	cr_assert_not(sim->member[1].failed);
	raft_sim_run(sim, 300);
	cr_assert(sim->member[1].failed);
	raft_sim_destroy(sim);
}

Test(guard, a_failed_member_says_and_hears_nothing_more)
{
	static const struct raft_sim_command one[] = {{2, 'A'}};
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim *sim = raft_sim_create(0, 0);
	struct blx__guard_stats before;
	struct blx__guard_stats after;

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	sim->member[1].disk.fail_appends = 1;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 10);
	cr_assert(sim->member[1].failed);
	cr_assert_not(raft_sim_is_acked(sim, 'A'), "nobody may believe it");

	blx__guard_stats_get(sim->member[1].guard, &before);
	args.term = 9;
	raft_sim_tell_entries(sim, 1, 2, &args, one, 1);
	blx__guard_stats_get(sim->member[1].guard, &after);
	cr_assert_eq(after.dropped, before.dropped + 1);
	cr_assert_neq(sim->member[1].raft.current_term, 9);
	cr_assert_eq(
		raft_sim_propose(sim, 1, 'B'), 0, "raft takes it, nothing comes of it");
	raft_sim_run(sim, 2000);
	cr_assert_eq(raft_sim_disk_last(&sim->member[1].disk), 2);
	cr_assert_neq(sim->value_at[4], 'B');
	raft_sim_destroy(sim);
}

/* ---- the end ------------------------------------------------------------- */

static enum raft_sim_outcome close_amid_writes(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	sim->member[1].disk.append_ms = 100;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 1);
	raft_sim_propose(sim, 1, 'B');
	raft_sim_propose(sim, 1, 'C');
	raft_sim_crash(sim, 1);
	raft_sim_start(sim, 1);
	return settle(sim);
}

Test(guard_append, it_may_be_closed_with_writes_in_flight)
{
	raft_sim_check_cure(close_amid_writes, BLX__CURE_DRAIN, 0, RAFT_SIM_CRASHED);
}

Test(guard_append, a_stopped_guard_drains_what_is_in_flight)
{
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	sim->member[1].disk.append_ms = 100;
	raft_sim_propose(sim, 1, 'A');
	raft_sim_propose(sim, 1, 'B');
	cr_assert_not(blx__guard_drained(sim->member[1].guard));
	cr_assert(raft_sim_close(sim, 1));
	cr_assert_eq(raft_sim_disk_last(&sim->member[1].disk), 4);
	raft_sim_destroy(sim);
}

Test(guard_append, writes_that_come_meanwhile_become_one)
{
	struct raft_sim *sim = raft_sim_create(0, 0);
	struct blx__guard_stats before;
	struct blx__guard_stats after;
	unsigned i;

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	blx__guard_stats_get(sim->member[1].guard, &before);
	sim->member[1].disk.append_ms = 20;
	for (i = 1; i <= 100; i++) {
		raft_sim_propose(sim, 1, i);
	}
	raft_sim_run(sim, 300);
	blx__guard_stats_get(sim->member[1].guard, &after);
	cr_assert_eq(after.appends - before.appends, 100);
	cr_assert_eq(after.writes - before.writes, 2);
	cr_assert_eq(sim->acked_count, 100);
	raft_sim_destroy(sim);
}

/* ---- snapshots among other work ------------------------------------------ */

static const struct raft_sim_command three[] = {{2, 'A'}, {2, 'B'}, {2, 'C'}};

static void begin_alone(struct raft_sim *sim)
{
	raft_sim_prepare(sim, 3, 0);
	sim->member[1].threshold = 3;
	sim->member[1].trailing = 1;
	raft_sim_start(sim, 1);
}

/* The leader sends its snapshot once, while this member takes one of its own. */
static enum raft_sim_outcome install_amid_own(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1, .leader_commit = 4};

	begin_alone(sim);
	sim->member[1].disk.put_ms = 50;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_run(sim, 20);
	raft_sim_tell_snapshot(sim, 1, 2, 2, 20, 2);
	raft_sim_run(sim, 2000);
	return sim->member[1].disk.snapshot.index == 20 &&
			       sim->member[1].raft.last_applied == 20
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_install, a_snapshot_waits_for_one_of_the_own)
{
	raft_sim_check_cure(install_amid_own, BLX__CURE_ORDER, 0, RAFT_SIM_STUCK);
}

/* Entries are on their way to the disk when a snapshot replaces them. */
static enum raft_sim_outcome install_amid_write(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	begin_alone(sim);
	sim->member[1].disk.append_ms = 50;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_tell_snapshot(sim, 1, 3, 3, 20, 3);
	raft_sim_run(sim, 2000);
	if (sim->member[1].disk.snapshot.index != 20) {
		return RAFT_SIM_STUCK;
	}
	if (raft_sim_disk_last(&sim->member[1].disk) != 20) {
		raft_sim_violate(sim, "entries of before are behind the snapshot");
	}
	return RAFT_SIM_OK;
}

Test(guard_install, a_snapshot_waits_for_entries_under_way)
{
	/* The check stands behind it: it ends the member. */
	raft_sim_check_cure(install_amid_write, BLX__CURE_ORDER, 0, RAFT_SIM_VIOLATED);
}

/* Leftovers of term 3, where the snapshot of a later leader has entries of term 2. */
static enum raft_sim_outcome install_over_conflict(struct raft_sim *sim)
{
	static const struct raft_sim_command leftovers[] = {{3, 'A'}, {3, 'B'}, {3, 'C'}};
	struct raft_append_entries args = {
		.term = 3, .prev_log_index = 1, .prev_log_term = 1};

	begin_alone(sim);
	raft_sim_tell_entries(sim, 1, 2, &args, leftovers, 3);
	raft_sim_run(sim, 50);
	raft_sim_tell_snapshot(sim, 1, 3, 4, 4, 2);
	raft_sim_run(sim, 500);
	if (sim->member[1].disk.snapshot.index != 4) {
		return RAFT_SIM_STUCK;
	}
	if (sim->member[1].disk.snapshot.term != 2 ||
		sim->member[1].raft.log.snapshot.last_term != 2) {
		raft_sim_violate(sim, "the snapshot is of another term");
	}
	return sim->member[1].raft.last_applied == 4 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_install, a_snapshot_is_taken_over_entries_of_a_higher_term)
{
	raft_sim_check_cure(install_over_conflict, BLX__CURE_INSTALL, 0, RAFT_SIM_STUCK);
}

Test(guard_install, a_newer_snapshot_replaces_one_that_waits)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim *sim = raft_sim_create(0, 0);

	begin_alone(sim);
	sim->member[1].disk.append_ms = 50;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_tell_snapshot(sim, 1, 2, 2, 20, 2);
	raft_sim_tell_snapshot(sim, 1, 2, 2, 30, 2);
	raft_sim_run(sim, 500);
	cr_assert_eq(sim->member[1].disk.snapshot.index, 30);
	cr_assert_eq(sim->member[1].raft.last_applied, 30);
	raft_sim_destroy(sim);
}

Test(guard_install, one_that_waits_is_forgotten_at_the_end)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim *sim = raft_sim_create(0, 0);

	begin_alone(sim);
	sim->member[1].disk.append_ms = 50;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_tell_snapshot(sim, 1, 2, 2, 20, 2);
	cr_assert(raft_sim_close(sim, 1));
	cr_assert_eq(sim->member[1].disk.snapshot.index, 0);
	raft_sim_destroy(sim);
}

Test(guard_install, one_that_cannot_be_stored_ends_the_member)
{
	struct raft_sim *sim = raft_sim_create(0, 0);

	begin_alone(sim);
	sim->member[1].disk.fail_puts = 1;
	raft_sim_tell_snapshot(sim, 1, 2, 2, 20, 2);
	raft_sim_run(sim, 50);
	cr_assert(sim->member[1].failed);
	cr_assert_eq(sim->member[1].raft.last_applied, 1);
	raft_sim_destroy(sim);
}

Test(guard_install, one_that_differs_from_what_is_committed_here_ends_the_member)
{
	static const struct raft_sim_command other[] = {{3, 'A'}, {3, 'B'}};
	struct raft_append_entries args = {
		.term = 3, .prev_log_index = 1, .prev_log_term = 1, .leader_commit = 3};
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	raft_sim_tell_entries(sim, 1, 2, &args, other, 2);
	raft_sim_run(sim, 50);
	raft_sim_tell_snapshot(sim, 1, 3, 4, 3, 2);
	cr_assert(sim->member[1].failed);
	raft_sim_destroy(sim);
}
