/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that a test makes by itself, to play the other members. They arrive at once.
 */
#ifndef BLX_TESTS_NODE_RAFT_SIM_TALK_H
#define BLX_TESTS_NODE_RAFT_SIM_TALK_H

#include "raft_sim.h"

/* A command in a log. */
struct raft_sim_command {
	raft_term term;
	uint64_t value;
};

/* args without its entries, which are the commands. */
void raft_sim_tell_entries(struct raft_sim *sim, raft_id to, raft_id from,
	const struct raft_append_entries *args, const struct raft_sim_command *commands,
	unsigned n);

void raft_sim_tell_vote(struct raft_sim *sim, raft_id to, raft_id from,
	const struct raft_request_vote *args);

void raft_sim_tell_timeout_now(struct raft_sim *sim, raft_id to, raft_id from,
	raft_term term, raft_index last_index, raft_term last_term);

/* A snapshot with the members of the founding configuration. */
void raft_sim_tell_snapshot(struct raft_sim *sim, raft_id to, raft_id from,
	raft_term term, raft_index last_index, raft_term last_term);

#endif
