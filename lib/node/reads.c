/* SPDX-License-Identifier: Apache-2.0 */
#include "node/reads.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"

#include <stddef.h>

/* An unanswered question is asked anew after this. */
#define RETRY_MS 200

void blx__reads_init(struct blx__reads *reads, struct blx__node *node)
{
	*reads = (struct blx__reads){ .node = node };
	blx__list_init(&reads->wanted);
	blx__list_init(&reads->round);
}

static struct blx__request *request_of(struct blx__list *link)
{
	return blx__container_of(link, struct blx__request, link);
}

/* The leader's lease says that what is committed here is all there is. */
static bool answered_by_lease(struct blx__reads *reads, struct blx__request *request)
{
	struct blx__node *node = reads->node;
	bool ok;
	uint64_t index;

	if (!blx__read_lease_holds(&node->read_lease)) {
		return false;
	}
	index = blx__guard_read_index(node->guard, &ok);
	if (!ok || index > node->raft.last_applied) {
		return false;
	}
	request->index = index;
	node->read_lease.reads++;
	blx__node_answer_local(node, request);
	return true;
}

void blx__reads_add(struct blx__reads *reads, struct blx__request *request)
{
	if (answered_by_lease(reads, request)) {
		return;
	}
	blx__request_move(request, BLX__REQUEST_READING, &reads->wanted);
	blx__reads_pump(reads);
}

/* The round's index is confirmed: its reads wait for it to be applied here. */
static void round_end(struct blx__reads *reads, uint64_t index)
{
	struct blx__node *node = reads->node;
	struct blx__list *link;

	reads->probing = false;
	reads->asking = false;
	if (reads->ended_noted_ns == 0) {
		reads->ended_index = index;
		reads->ended_noted_ns = reads->noted_ns;
	}
	blx__reads_applied(reads, node->raft.last_applied);
	while ((link = blx__list_pop_front(&reads->round)) != NULL) {
		struct blx__request *request = request_of(link);

		request->index = index;
		blx__request_move(request, BLX__REQUEST_APPLYING, &node->applying);
	}
	blx__node_wake_applying(node);
	blx__reads_pump(reads);
}

/* The round came to nothing: its reads go in front of those that wait. */
static void round_void(struct blx__reads *reads)
{
	struct blx__list again;

	blx__list_init(&again);
	blx__list_splice(&again, &reads->round);
	blx__list_splice(&again, &reads->wanted);
	blx__list_splice(&reads->wanted, &again);
	reads->probing = false;
	reads->asking = false;
}

static bool is_among(const struct blx__reads *reads, uint64_t id, bool promised)
{
	unsigned k;

	for (k = 0; k < reads->answered_count; k++) {
		if (reads->answered[k] == id) {
			return reads->promised[k] || !promised;
		}
	}
	return false;
}

/* Voters that confirmed so far, or promised as well, counted in the configuration as it is
 * now. */
static bool majority_answered(const struct blx__reads *reads, bool promised)
{
	const struct blx__node *node = reads->node;
	const struct raft_configuration *conf = &node->raft.configuration;
	unsigned voters = 0;
	unsigned votes = 0;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		const struct raft_server *server = &conf->servers[i];

		if (server->role != RAFT_VOTER) {
			continue;
		}
		voters++;
		votes += server->id == node->identity.id ||
			 is_among(reads, server->id, promised);
	}
	return votes > voters / 2;
}

/* A round of our own is confirmed. */
static void round_confirmed(struct blx__reads *reads)
{
	struct blx__read_round round = {.term = reads->term,
		.index = reads->index,
		.conf_index = reads->conf_index,
		.noted_ns = reads->noted_ns};

	if (reads->promise_ms != 0 && majority_answered(reads, true)) {
		blx__read_lease_take(&reads->node->read_lease, &round);
	}
	round_end(reads, reads->index);
}

static void probe_send(struct blx__reads *reads)
{
	struct blx__node *node = reads->node;
	const struct raft_configuration *conf = &node->raft.configuration;
	uint8_t payload[12];
	unsigned i;

	blx__store_u64(payload, reads->nonce);
	blx__store_u32(payload + 8, reads->promise_ms);
	for (i = 0; i < conf->n; i++) {
		const struct raft_server *server = &conf->servers[i];

		if (server->role == RAFT_VOTER && server->id != node->identity.id) {
			/* One that is not connected does not answer; a majority may. */
			(void)blx__peers_send(node->peers, server->id, BLX__KIND_PROBE, payload,
				sizeof payload);
		}
	}
}

static void round_begin_as_leader(struct blx__reads *reads)
{
	struct blx__node *node = reads->node;
	bool ok;
	uint64_t index = blx__guard_read_index(node->guard, &ok);

	if (!ok) {
		return; /* an entry of our own term is not committed yet: the next poll */
	}
	blx__list_splice(&reads->round, &reads->wanted);
	reads->probing = true;
	reads->nonce++;
	reads->rounds++;
	reads->term = node->raft.current_term;
	reads->index = index;
	reads->conf_index = blx__node_conf_index(node);
	reads->answered_count = 0;
	reads->began_ns = blx__mono_ns(node->env);
	reads->noted_ns = reads->began_ns;
	reads->promise_ms = blx__read_lease_promise_ms(&node->read_lease);
	(void)blx__read_lease_promise(&node->read_lease, reads->promise_ms);
	if (majority_answered(reads, false)) {
		round_confirmed(reads); /* the only voter */
		return;
	}
	probe_send(reads);
}

/* A question to the leader; its nonce tells whether the round it was for still stands. */
struct ask {
	struct blx__reads *reads; /* borrowed */
	uint64_t nonce;
};

static void on_index(int code, const struct blx__response *response, void *data)
{
	struct ask *ask = data;
	struct blx__reads *reads = ask->reads;
	uint64_t nonce = ask->nonce;
	struct blx__reader reader;
	uint64_t index;

	blx__free(ask);
	if (!reads->asking || nonce != reads->nonce) {
		return; /* the round was given up meanwhile: its index may be too old */
	}
	if (code != 0 || response->code != 0) {
		round_void(reads); /* the tick or a change begins it anew */
		return;
	}
	reader = blx__reader_of(response->body, response->body_len);
	index = blx__get_u64(&reader);
	if (!blx__reader_done(&reader)) {
		round_void(reads);
		return;
	}
	round_end(reads, index);
}

static void round_begin_at_leader(struct blx__reads *reads, raft_id leader)
{
	struct blx__node *node = reads->node;
	struct blx__call_head head = {
		.op = BLX__OP_READ_INDEX,
		.flags = BLX__CALL_FORWARDED,
		.timeout_ms = 2 * node->opts.election_timeout_ms,
	};
	struct ask *ask = blx__malloc(sizeof *ask);
	uint64_t began_ns = blx__mono_ns(node->env);

	if (ask == NULL) {
		return;
	}
	*ask = (struct ask){ .reads = reads, .nonce = reads->nonce + 1 };
	if (blx__peers_call(node->peers, leader, &head, NULL, 0, on_index, ask) != 0) {
		blx__free(ask); /* not connected now: the tick tries again */
		return;
	}
	blx__list_splice(&reads->round, &reads->wanted);
	reads->asking = true;
	reads->nonce++;
	reads->rounds++;
	reads->began_ns = began_ns;
	reads->noted_ns = began_ns;
}

void blx__reads_pump(struct blx__reads *reads)
{
	struct blx__node *node = reads->node;
	raft_id leader;

	if (reads->probing || reads->asking || blx__list_empty(&reads->wanted) || node->failed) {
		return;
	}
	if (blx__node_is_leader(node)) {
		round_begin_as_leader(reads);
		return;
	}
	leader = blx__node_leader(node);
	if (leader != 0) {
		round_begin_at_leader(reads, leader);
	}
}

void blx__reads_on_probe_reply(struct blx__reads *reads, uint64_t from,
	const struct blx__probe_reply *reply)
{
	struct blx__node *node = reads->node;

	if (!reads->probing || reply->nonce != reads->nonce || reply->term > reads->term ||
		!blx__node_is_leader(node) || node->raft.current_term != reads->term) {
		return; /* a greater term: raft's own messages will depose us */
	}
	if (is_among(reads, from, false) || reads->answered_count == BLX__READS_VOTERS_MAX) {
		return;
	}
	reads->promised[reads->answered_count] = reply->promised;
	reads->answered[reads->answered_count++] = from;
	if (blx__node_conf_index(node) != reads->conf_index) {
		blx__reads_on_change(reads);
		return;
	}
	if (majority_answered(reads, false)) {
		round_confirmed(reads);
	}
}

void blx__reads_applied(struct blx__reads *reads, uint64_t applied)
{
	if (reads->ended_noted_ns != 0 && reads->ended_index <= applied) {
		atomic_store(&reads->current_ns, reads->ended_noted_ns);
		reads->ended_noted_ns = 0;
	}
	blx__read_lease_applied(&reads->node->read_lease, applied);
}

bool blx__reads_current_within(struct blx__reads *reads, uint64_t max_age_ms)
{
	uint64_t current_ns = atomic_load(&reads->current_ns);
	uint64_t age_ns = blx__mono_ns(reads->node->env) - current_ns;

	return current_ns != 0 && age_ns / 1000000 < max_age_ms;
}

void blx__reads_on_change(struct blx__reads *reads)
{
	struct blx__node *node = reads->node;

	blx__read_lease_on_change(&node->read_lease);
	if (reads->probing &&
		(!blx__node_is_leader(node) || node->raft.current_term != reads->term ||
			blx__node_conf_index(node) != reads->conf_index)) {
		round_void(reads);
	}
	if (reads->asking && blx__node_is_leader(node)) {
		round_void(reads);
	}
	blx__reads_pump(reads);
}

void blx__reads_tick(struct blx__reads *reads)
{
	struct blx__node *node = reads->node;

	if (reads->probing &&
		blx__mono_ns(node->env) - reads->began_ns > RETRY_MS * UINT64_C(1000000)) {
		/* A lost probe is asked again; the nonce stays, for both were sent after the
		 * round began. */
		reads->began_ns = blx__mono_ns(node->env);
		probe_send(reads);
	}
	blx__reads_pump(reads);
}
