/* SPDX-License-Identifier: Apache-2.0 */
#include "raft_sim_talk.h"

#include "base/assert.h"

#include <string.h>

void raft_sim_tell_entries(struct raft_sim *sim, raft_id to, raft_id from,
	const struct raft_append_entries *args, const struct raft_sim_command *commands,
	unsigned n)
{
	struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES};
	struct raft_append_entries *out = &message.append_entries;
	uint64_t *batch = n > 0 ? raft_malloc(n * sizeof *batch) : NULL;
	unsigned i;

	*out = *args;
	out->n_entries = n;
	out->entries = n > 0 ? raft_calloc(n, sizeof *out->entries) : NULL;
	for (i = 0; i < n; i++) {
		batch[i] = commands[i].value;
		out->entries[i] = (struct raft_entry){.term = commands[i].term,
			.type = RAFT_COMMAND,
			.buf = {.base = &batch[i], .len = sizeof batch[i]},
			.batch = batch};
	}
	raft_sim_deliver(sim, to, from, &message);
}

void raft_sim_tell_vote(struct raft_sim *sim, raft_id to, raft_id from,
	const struct raft_request_vote *args)
{
	struct raft_message message = {
		.type = RAFT_IO_REQUEST_VOTE, .request_vote = *args};

	message.request_vote.candidate_id = from;
	raft_sim_deliver(sim, to, from, &message);
}

void raft_sim_tell_timeout_now(struct raft_sim *sim, raft_id to, raft_id from,
	raft_term term, raft_index last_index, raft_term last_term)
{
	struct raft_message message = {.type = RAFT_IO_TIMEOUT_NOW,
		.timeout_now = {.term = term,
			.last_log_index = last_index,
			.last_log_term = last_term}};

	raft_sim_deliver(sim, to, from, &message);
}

void raft_sim_tell_snapshot(struct raft_sim *sim, raft_id to, raft_id from,
	raft_term term, raft_index last_index, raft_term last_term)
{
	struct raft_message message = {.type = RAFT_IO_INSTALL_SNAPSHOT};
	struct raft_install_snapshot *args = &message.install_snapshot;
	struct raft_sim_state *state = raft_calloc(1, sizeof *state);
	unsigned i;

	args->term = term;
	args->last_index = last_index;
	args->last_term = last_term;
	args->conf_index = 1;
	raft_configuration_init(&args->conf);
	for (i = 1; i <= sim->members; i++) {
		INVARIANT(raft_configuration_add(&args->conf, i, sim->member[i].address,
				  RAFT_VOTER) == 0);
	}
	args->data.base = state;
	args->data.len = sizeof *state;
	raft_sim_deliver(sim, to, from, &message);
}
