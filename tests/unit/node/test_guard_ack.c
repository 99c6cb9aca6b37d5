/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

/* Member 1 has entries of its own lost term where the new leader has others. */
static enum raft_sim_outcome leftovers(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'x');
	raft_sim_run(sim, 300);
	raft_sim_cut_off(sim, 1, true);
	raft_sim_propose(sim, 1, 'A');
	raft_sim_propose(sim, 1, 'B');
	raft_sim_propose(sim, 1, 'C');
	raft_sim_run(sim, 20);

	sim->cut[2][1] = false; /* it hears member 2, and is not heard */
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 2, 1300, 1000);
	sim->member[1].election_ms = RAFT_SIM_NEVER_MS;
	if (!raft_sim_run_until_leader(sim, 2, 8000)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_heal(sim);
	raft_sim_cut_off(sim, 3, true);
	raft_sim_propose(sim, 2, 'N');
	raft_sim_propose(sim, 2, 'O');
	raft_sim_run(sim, 8); /* one heartbeat goes to member 1 and back */

	raft_sim_crash(sim, 2);
	raft_sim_heal(sim);
	raft_sim_expire(sim, 1, 1000, 1700);
	raft_sim_expire(sim, 3, 1300, 1000);
	raft_sim_run(sim, 20000);
	if (raft_sim_leader(sim) == 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, raft_sim_leader(sim), 'P');
	raft_sim_run(sim, 1000);
	return raft_sim_is_acked(sim, 'P') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_ack, entries_that_were_not_compared_are_not_acknowledged)
{
	raft_sim_check_cure(leftovers, BLX__CURE_ACK, 0, RAFT_SIM_VIOLATED);
}

/* Member 1 has hundreds of them, where a leader of later has more of another. */
static enum raft_sim_outcome many_leftovers(struct raft_sim *sim)
{
	unsigned i;

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_cut_off(sim, 1, true);
	for (i = 1; i <= 300; i++) {
		raft_sim_propose(sim, 1, i);
	}
	raft_sim_run(sim, 20);
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 2, 1300, 1000);
	if (!raft_sim_run_until_leader(sim, 2, 8000)) {
		return RAFT_SIM_STUCK;
	}
	for (i = 1; i <= 400; i++) {
		raft_sim_propose(sim, 2, 1000 + i);
	}
	raft_sim_run(sim, 300);
	raft_sim_expire(sim, 1, RAFT_SIM_NEVER_MS, RAFT_SIM_NEVER_MS);
	raft_sim_crash(sim, 2);
	raft_sim_heal(sim);
	sim->member[2].election_ms = RAFT_SIM_NEVER_MS;
	raft_sim_start(sim, 2);
	raft_sim_expire(sim, 3, 1000, 1000); /* it has all of member 2's */
	if (!raft_sim_run_until_leader(sim, 3, 8000)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 1000);
	return sim->member[1].raft.last_applied == sim->member[3].raft.last_applied
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_ack, logs_that_differ_come_together_at_once)
{
	raft_sim_check_cure(many_leftovers, BLX__CURE_HINT, 0, RAFT_SIM_STUCK);
}

/* ---- one member; the others are played ----------------------------------- */

static const struct raft_sim_command three[] = {{2, 'A'}, {2, 'B'}, {2, 'C'}};

static void begin_alone(struct raft_sim *sim)
{
	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
}

/* The snapshot is covered by entries that are still on their way to the disk. */
static enum raft_sim_outcome covered_snapshot(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	begin_alone(sim);
	sim->member[1].disk.append_ms = 500;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_tell_snapshot(sim, 1, 2, 2, 4, 2);
	raft_sim_run(sim, 2000);
	return raft_sim_disk_last(&sim->member[1].disk) == 4 ? RAFT_SIM_OK
							     : RAFT_SIM_STUCK;
}

Test(guard_ack, entries_that_are_not_on_disk_are_not_acknowledged)
{
	raft_sim_check_cure(covered_snapshot, BLX__CURE_ACK_STORED, BLX__CURE_ORDER,
		RAFT_SIM_VIOLATED);
}

static void see_false_ack(
	struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_APPEND_ENTRIES_RESULT && message->server_id == 3 &&
		message->append_entries_result.rejected == 0 &&
		message->append_entries_result.last_log_index > 1) {
		raft_sim_violate(
			member->sim, "what member 2 sent is acknowledged to member 3");
	}
}

/* The write is for the leader of term 2; when it ends another leads. */
static enum raft_sim_outcome late_write(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	begin_alone(sim);
	sim->on_send = see_false_ack;
	sim->member[1].disk.append_ms = 50;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	args.term = 3;
	raft_sim_tell_entries(sim, 1, 3, &args, NULL, 0);
	raft_sim_run(sim, 500);
	return sim->member[1].raft.last_stored == 4 ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_ack, a_write_for_an_older_leader_is_not_reported_to_the_next)
{
	raft_sim_check_cure(
		late_write, BLX__CURE_ACK_STALE, BLX__CURE_ACK, RAFT_SIM_VIOLATED);
}

static raft_index acked_index;

static void note_ack(struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_APPEND_ENTRIES_RESULT &&
		message->append_entries_result.rejected == 0) {
		acked_index = message->append_entries_result.last_log_index;
	}
}

Test(guard_ack, what_was_compared_and_stored_is_acknowledged)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_sim *sim = raft_sim_create(0, 0);
	struct blx__guard_stats stats;

	begin_alone(sim);
	sim->on_send = note_ack;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_run(sim, 50);
	cr_assert_eq(acked_index, 4);
	blx__guard_stats_get(sim->member[1].guard, &stats);
	cr_assert_eq(stats.acks_lowered, 0);

	args.term = 3;
	raft_sim_tell_entries(sim, 1, 3, &args, NULL, 0);
	cr_assert_eq(acked_index, 1, "the next leader asked for no more");
	raft_sim_tell_entries(sim, 1, 3, &args, three, 2);
	cr_assert_eq(acked_index, 3, "it has those, and the last may differ");
	blx__guard_stats_get(sim->member[1].guard, &stats);
	cr_assert_eq(stats.acks_lowered, 2);
	raft_sim_destroy(sim);
}
