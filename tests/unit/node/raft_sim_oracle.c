/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never be seen:
 *  - two members apply different commands at one index, or come to different
 *    states there;
 *  - a command that a client was told is done, and that no member applied;
 *  - two leaders of one term, or two votes of one member in one term;
 *  - an answer, or a request for votes, that names entries that a crash of the
 *    sender would take back.
 */
#include "raft_sim.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void raft_sim_violate(struct raft_sim *sim, const char *format, ...)
{
	va_list args;
	int len;

	if (sim->violation[0] != '\0') {
		return; /* the first one is the cause */
	}
	len = snprintf(sim->violation, sizeof sim->violation,
		"at %llu ms: ", (unsigned long long)sim->now_ms);
	va_start(args, format);
	(void)vsnprintf(
		sim->violation + len, sizeof sim->violation - (size_t)len, format, args);
	va_end(args);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

void raft_sim_on_apply(struct raft_sim_member *member, uint64_t value)
{
	struct raft_sim *sim = member->sim;
	/* libraft counts an entry as applied after this callback. */
	raft_index index = raft_last_applied(&member->raft) + 1;

	INVARIANT(index < RAFT_SIM_INDEX_MAX);
	member->state.index = index;
	member->state.hash = mix(member->state.hash, value);
	if (sim->value_at[index] == 0) {
		sim->value_at[index] = value;
		sim->hash_at[index] = member->state.hash;
	} else if (sim->value_at[index] != value) {
		raft_sim_violate(sim,
			"member %llu applies %llu at %llu, where %llu was applied",
			member->id, (unsigned long long)value, index,
			(unsigned long long)sim->value_at[index]);
	} else if (sim->hash_at[index] != member->state.hash) {
		raft_sim_violate(sim, "member %llu comes to another state at %llu",
			member->id, index);
	}
}

void raft_sim_on_restore(struct raft_sim_member *member, raft_index index)
{
	if (index != 0 && member->sim->hash_at[index] != member->state.hash) {
		raft_sim_violate(member->sim,
			"member %llu restores another state at %llu", member->id, index);
	}
}

static void check_result(
	struct raft_sim_member *member, const struct raft_message *message)
{
	const struct raft_append_entries_result *result = &message->append_entries_result;

	if (result->rejected == 0 &&
		result->last_log_index > raft_sim_disk_last(&member->disk)) {
		raft_sim_violate(member->sim,
			"member %llu acknowledges up to %llu, its disk ends at %llu",
			member->id, result->last_log_index,
			raft_sim_disk_last(&member->disk));
	}
}

static void check_candidate(
	struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->request_vote.last_log_index > raft_sim_disk_last(&member->disk)) {
		raft_sim_violate(member->sim,
			"member %llu stands for election with %llu, its disk ends at "
			"%llu",
			member->id, message->request_vote.last_log_index,
			raft_sim_disk_last(&member->disk));
	}
}

static void check_vote(struct raft_sim_member *member, const struct raft_message *message)
{
	const struct raft_request_vote_result *result = &message->request_vote_result;
	struct raft_sim *sim = member->sim;

	if (!result->vote_granted || result->pre_vote == raft_tribool_true) {
		return;
	}
	if (sim->granted[member->id].term == result->term &&
		sim->granted[member->id].candidate != message->server_id) {
		raft_sim_violate(sim, "member %llu votes for %llu and %llu in term %llu",
			member->id, sim->granted[member->id].candidate,
			message->server_id, result->term);
	}
	if (member->disk.term < result->term || member->disk.vote != message->server_id) {
		raft_sim_violate(sim, "member %llu gives a vote that is not on its disk",
			member->id);
	}
	sim->granted[member->id].term = result->term;
	sim->granted[member->id].candidate = message->server_id;
}

void raft_sim_on_message(
	struct raft_sim_member *member, const struct raft_message *message)
{
	if (message->type == RAFT_IO_APPEND_ENTRIES_RESULT) {
		check_result(member, message);
	} else if (message->type == RAFT_IO_REQUEST_VOTE) {
		check_candidate(member, message);
	} else if (message->type == RAFT_IO_REQUEST_VOTE_RESULT) {
		check_vote(member, message);
	}
	if (member->sim->on_send != NULL) {
		member->sim->on_send(member, message);
	}
}

static void leaders_reserve(struct raft_sim *sim, raft_term term)
{
	raft_term size = sim->leaders == 0 ? 64 : sim->leaders;

	while (size <= term) {
		size *= 2;
	}
	if (size > sim->leaders) {
		sim->leader_of =
			blx__realloc(sim->leader_of, size * sizeof *sim->leader_of);
		INVARIANT(sim->leader_of != NULL);
		memset(sim->leader_of + sim->leaders, 0,
			(size - sim->leaders) * sizeof *sim->leader_of);
		sim->leaders = size;
	}
}

void raft_sim_on_change(struct raft_sim_member *member)
{
	struct raft_sim *sim = member->sim;
	raft_term term = member->raft.current_term;

	if (member->raft.state != RAFT_LEADER) {
		return;
	}
	INVARIANT(term < 1000000);
	leaders_reserve(sim, term);
	if (sim->leader_of[term] == 0) {
		sim->leader_of[term] = member->id;
	} else if (sim->leader_of[term] != member->id) {
		raft_sim_violate(sim, "%llu and %llu lead in term %llu",
			sim->leader_of[term], member->id, term);
	}
	if (member->raft.voted_for != 0 && member->raft.voted_for != member->id) {
		raft_sim_violate(sim, "%llu leads in term %llu and voted for %llu",
			member->id, term, member->raft.voted_for);
	}
}

void raft_sim_on_acked(struct raft_sim_member *member, uint64_t value)
{
	struct raft_sim *sim = member->sim;

	if (sim->acked_count == sim->acked_cap) {
		sim->acked_cap = sim->acked_cap == 0 ? 64 : 2 * sim->acked_cap;
		sim->acked =
			blx__realloc(sim->acked, sim->acked_cap * sizeof *sim->acked);
		INVARIANT(sim->acked != NULL);
	}
	sim->acked[sim->acked_count++] = (struct raft_sim_acked){
		.value = value, .term = member->raft.current_term};
}

bool raft_sim_is_acked(const struct raft_sim *sim, uint64_t value)
{
	size_t i;

	for (i = 0; i < sim->acked_count; i++) {
		if (sim->acked[i].value == value) {
			return true;
		}
	}
	return false;
}

static bool was_applied(const struct raft_sim *sim, uint64_t value, raft_index *from)
{
	raft_index index;

	/* Mostly they are acknowledged in the order of the log. */
	for (index = *from; index < RAFT_SIM_INDEX_MAX; index++) {
		if (sim->value_at[index] == value) {
			*from = index;
			return true;
		}
	}
	for (index = 1; index < *from; index++) {
		if (sim->value_at[index] == value) {
			return true;
		}
	}
	return false;
}

bool raft_sim_violated(struct raft_sim *sim)
{
	raft_index from = 1;
	size_t i;

	for (i = 0; i < sim->acked_count; i++) {
		if (!was_applied(sim, sim->acked[i].value, &from)) {
			raft_sim_violate(sim,
				"%llu was acknowledged and is applied nowhere",
				(unsigned long long)sim->acked[i].value);
		}
	}
	return sim->violation[0] != '\0';
}
