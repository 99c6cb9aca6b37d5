/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

#include <string.h>

static const struct raft_sim_command three[] = {{2, 'A'}, {2, 'B'}, {2, 'C'}};

/* The answer to entries that it has already cannot be sent. */
static enum raft_sim_outcome answer_refused(struct raft_sim *sim)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_run(sim, 50);
	sim->member[1].fail_sends = 1;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	raft_sim_run(sim, 50);
	return sim->member[1].raft.state == RAFT_FOLLOWER &&
			       sim->member[1].fail_sends == 0
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_send, an_answer_that_cannot_be_sent_does_no_harm)
{
	raft_sim_check_cure(answer_refused, BLX__CURE_SEND, 0, RAFT_SIM_CRASHED);
}

static struct raft_transfer transfer;

/* Its owner has other uses for the memory now. */
static void on_transferred(struct raft_transfer *req)
{
	memset(req, 0xa5, sizeof *req);
}

/* The TimeoutNow leaves late, long after the transfer was given up. */
static enum raft_sim_outcome transfer_outlived(struct raft_sim *sim)
{
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	sim->member[1].sent_ms = 3000;
	raft_sim_cut(sim, 1, 2, true);
	if (raft_transfer(&sim->member[1].raft, &transfer, 2, on_transferred) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 10000);
	return transfer.id == UINT64_C(0xa5a5a5a5a5a5a5a5) ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

Test(guard_send, a_transfer_may_be_freed_when_it_was_called_back)
{
	raft_sim_check_cure(transfer_outlived, BLX__CURE_TRANSFER, 0, RAFT_SIM_CRASHED);
}

/* A leader sends parts of what it loaded to two members that lack different ones. Before
 * they have left, a snapshot takes the place of all of it. */
static enum raft_sim_outcome sent_and_compacted(struct raft_sim *sim)
{
	unsigned i;

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	for (i = 0; i < 7; i++) {
		if (i == 0) {
			raft_sim_cut(sim, 1, 2, true);
		} else if (i == 3) {
			raft_sim_cut(sim, 1, 3, true);
		}
		raft_sim_propose(sim, 1, 100 + i);
		raft_sim_run(sim, 20);
	}
	raft_sim_crash(sim, 1);
	sim->member[1].threshold = 5;
	sim->member[1].trailing = 1;
	sim->member[1].election_ms = 1300;
	sim->member[1].sent_ms = 2000;
	raft_sim_heal(sim);
	raft_sim_start(sim, 1);
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	if (!raft_sim_run_until_leader(sim, 1, 8000)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 1000);
	if (sim->member[1].disk.snapshot.index == 0 ||
		sim->member[1].raft.log.offset < 9) {
		return RAFT_SIM_STUCK; /* nothing was compacted */
	}
	raft_sim_run(sim, 5000);
	return sim->member[2].raft.last_applied == 10 &&
			       sim->member[3].raft.last_applied == 10
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_load, what_was_loaded_may_be_compacted_while_it_is_sent)
{
	raft_sim_check_cure(sent_and_compacted, BLX__CURE_BATCH, 0, RAFT_SIM_CRASHED);
}

static void see_snapshot(
	struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_INSTALL_SNAPSHOT) {
		raft_sim_violate(member->sim, "a snapshot for %llu, which lacks little",
			message->server_id);
	}
}

/* A leader crashes, and comes back as a follower of another, whose log goes far enough
 * back. */
static enum raft_sim_outcome leader_comes_back(struct raft_sim *sim)
{
	unsigned i;

	raft_sim_prepare(sim, 3, 0);
	for (i = 1; i <= 3; i++) {
		sim->member[i].threshold = 20;
		sim->member[i].trailing = 20;
		raft_sim_start(sim, i);
	}
	sim->on_send = see_snapshot;
	raft_sim_elect(sim, 1);
	for (i = 1; i <= 60; i++) {
		raft_sim_propose(sim, 1, i);
		raft_sim_run(sim, 5);
	}
	raft_sim_run(sim, 300);
	raft_sim_crash(sim, 1);
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 2, 1300, 1000);
	if (!raft_sim_run_until_leader(sim, 2, 8000)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, 2, 100);
	raft_sim_run(sim, 1000);
	sim->member[1].election_ms = RAFT_SIM_NEVER_MS;
	raft_sim_start(sim, 1);
	raft_sim_run(sim, 1000);
	return sim->member[1].raft.last_applied == sim->member[2].raft.last_applied
		       ? RAFT_SIM_OK
		       : RAFT_SIM_STUCK;
}

Test(guard_send, who_was_away_at_an_election_gets_what_it_lacks)
{
	raft_sim_check_cure(leader_comes_back, BLX__CURE_AWAY, 0, RAFT_SIM_VIOLATED);
}

static unsigned nameless;

static void see_nameless(
	struct raft_sim_member *member, const struct raft_message *message)
{
	(void)member;
	nameless += message->server_id == 0;
}

/* It waits for a write, its timer runs out and another takes over, who is not known yet.
 */
Test(guard_send, nothing_is_sent_to_nobody)
{
	struct raft_append_entries args = {
		.term = 2, .prev_log_index = 1, .prev_log_term = 1};
	struct raft_request_vote vote = {.term = 3,
		.last_log_index = 9,
		.last_log_term = 2,
		.disrupt_leader = true};
	struct raft_sim *sim = raft_sim_create(0, 0);

	raft_sim_prepare(sim, 3, 0);
	raft_sim_start(sim, 1);
	sim->on_send = see_nameless;
	sim->member[1].disk.append_ms = 100;
	raft_sim_tell_entries(sim, 1, 2, &args, three, 3);
	sim->member[1].raft.follower_state.current_leader.id =
		0; /* as after a step down */
	raft_sim_tell_vote(sim, 1, 3, &vote);
	raft_sim_run(sim, 500);
	cr_assert_eq(nameless, 0);
	cr_assert_eq(sim->member[1].raft.last_stored, 4);
	raft_sim_destroy(sim);
}
