/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include "answers.h"
#include "base/assert.h"
#include "memory.h"
#include "node/request.h"
#include "wish.h"

#include <stddef.h>
#include <stdlib.h>

/* How often one operation is tried. */
#define ATTEMPTS 8

/* An attempt with one member. */
struct sim_call {
	struct blx__list link;
	struct blx__request request;
	struct blx__buf body;
	struct sim_client *client; /* borrowed; NULL: given up */
	struct sim_member *member; /* borrowed */
	unsigned incarnation;
};

static struct sim_world *world_of(const struct sim_client *client)
{
	return client->workload->cluster->world;
}

static void client_next(struct sim_client *client, uint64_t delay_ns)
{
	sim_event_after(world_of(client), &client->next, delay_ns);
}

static void call_free(struct sim_call *call)
{
	blx__list_remove(&call->link);
	blx__buf_finish(&call->body);
	free(call);
}

/* ---- the end of an operation ---- */

static void wish_end(struct sim_client *client)
{
	unsigned think = client->workload->cluster->plan->think_ms;

	free(client->wish);
	client->wish = NULL;
	client->attempts = 0;
	client->maybe = false;
	client_next(client, sim_between(&client->rng, 1, think) * SIM_MS);
}

static void give_up(struct sim_client *client)
{
	if (sim_wish_is_write(client->wish)) {
		sim_answers_none(client, client->maybe);
	}
	wish_end(client);
}

static void try_again(struct sim_client *client)
{
	if (client->attempts >= ATTEMPTS) {
		give_up(client);
		return;
	}
	client->workload->retries++;
	client_next(client, sim_between(&client->rng, 1, 100) * SIM_MS);
}

static void session_open(struct sim_client *client, struct sim_member *member)
{
	client->session = blx__rng_u64(&client->rng) | 1;
	client->born_ms = sim_member_time_ms(member);
	client->seq = 0;
	client->acked = 0;
}

static void write_failed(struct sim_client *client, const struct blx__response *response)
{
	if (response->outcome == BLX_OUTCOME_NONE) {
		sim_fail(world_of(client),
			"client %u: a write failed with %s and no outcome: %.*s",
			client->number, blx_err_name(response->code),
			(int)response->message_len, response->message);
	}
	client->maybe = client->maybe || response->outcome == BLX_UNKNOWN;
	if (response->code == BLX_ESESSION) {
		client->attempts = ATTEMPTS;
		try_again(client);
		client->session = 0;
		return;
	}
	try_again(client);
}

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct sim_call *call = request->data;
	struct sim_client *client = call->client;
	struct sim_member *member = call->member;

	if (client != NULL) {
		sim_event_cancel(world_of(client), &client->patience);
		client->call = NULL;
		if (sim_answers_take(client, member, response)) {
			wish_end(client);
		} else if (sim_wish_is_write(client->wish)) {
			write_failed(client, response);
		} else {
			try_again(client);
		}
	}
	call_free(call);
}

/* ---- an attempt ---- */

static void submit(struct sim_client *client, struct sim_member *member)
{
	struct sim_session session = {.id = client->session,
		.born_ms = client->born_ms,
		.seq = client->seq,
		.acked = client->acked};
	struct sim_call *call = sim_alloc(sizeof *call);

	call->client = client;
	call->member = member;
	call->incarnation = member->incarnation;
	blx__buf_init(&call->body);
	call->request.op = sim_wish_encode(client->wish, &session, &call->body);
	call->request.timeout_ms = (uint32_t)sim_spread(&client->rng, 200, 3000);
	call->request.body = call->body.data;
	call->request.body_len = call->body.len;
	call->request.done = on_done;
	call->request.data = call;
	blx__list_push_back(&client->workload->calls, &call->link);
	blx__list_init(&call->request.link);
	client->call = call;
	client->attempts++;
	sim_event_after(world_of(client), &client->patience,
		sim_spread(&client->rng, 100, 4000) * SIM_MS);
	sim_env_enter(&member->env, false);
	blx__request_submit(member->node, &call->request);
	sim_env_leave(&member->env);
}

static void on_patience(struct sim_event *event)
{
	struct sim_client *client = event->data;

	INVARIANT(client->call != NULL);
	client->call->client = NULL;
	client->call = NULL;
	client->maybe = true;
	try_again(client);
}

/* ---- what to do ---- */

static enum sim_wish_kind pick_read(struct blx__rng *rng)
{
	static const enum sim_wish_kind kinds[] = {SIM_WISH_GET, SIM_WISH_GET,
		SIM_WISH_GET, SIM_WISH_GET_LOCAL, SIM_WISH_GET_LOCAL, SIM_WISH_LIST,
		SIM_WISH_LIST_LOCAL};

	return kinds[blx__rng_below(rng, sizeof kinds / sizeof kinds[0])];
}

static enum sim_wish_kind pick_write(struct blx__rng *rng, unsigned keys)
{
	static const enum sim_wish_kind kinds[] = {SIM_WISH_PUT, SIM_WISH_PUT,
		SIM_WISH_PUT, SIM_WISH_PUT_IF_ABSENT, SIM_WISH_CAS_VALUE,
		SIM_WISH_CAS_REVISION, SIM_WISH_CAS_REVISION, SIM_WISH_DELETE,
		SIM_WISH_TXN};

	return kinds[blx__rng_below(
		rng, sizeof kinds / sizeof kinds[0] - (keys > 1 ? 0 : 1))];
}

static void wish_expect(struct sim_wish *wish, const struct sim_seen *seen)
{
	if (wish->kind == SIM_WISH_PUT_IF_ABSENT) {
		return;
	}
	wish->expected = seen->value;
	wish->expected_revision = seen->revision;
	if (seen->revision == 0 && wish->kind == SIM_WISH_CAS_REVISION) {
		wish->kind = SIM_WISH_CAS_VALUE;
	}
}

static void wish_make(struct sim_client *client)
{
	struct sim_workload *workload = client->workload;
	const struct sim_plan *plan = workload->cluster->plan;
	struct sim_wish *wish = sim_alloc(sizeof *wish);

	wish->kind = sim_chance(&client->rng, plan->read_part)
			     ? pick_read(&client->rng)
			     : pick_write(&client->rng, workload->keys);
	wish->key = (unsigned)blx__rng_below(&client->rng, workload->keys);
	wish->other = (wish->key + 1) % workload->keys;
	wish->size_max = plan->value_max;
	if (plan->leases && wish->kind == SIM_WISH_GET_LOCAL && sim_chance(&client->rng, 700)) {
		wish->kind = SIM_WISH_GET_AGED;
		wish->max_age_ms = (uint32_t)sim_spread(&client->rng, 1, 3000);
	}
	wish->call_ns = world_of(client)->now_ns;
	if (sim_wish_is_write(wish)) {
		wish->value = ++workload->value;
		wish->other_value = wish->kind == SIM_WISH_TXN ? ++workload->value : 0;
		wish_expect(wish, &client->seen[wish->key]);
	}
	client->wish = wish;
}

static void on_next(struct sim_event *event)
{
	struct sim_client *client = event->data;
	struct sim_member *member =
		sim_cluster_any(client->workload->cluster, &client->rng);

	if (client->wish == NULL && client->workload->stopping) {
		return;
	}
	if (member == NULL) {
		client_next(client, 50 * SIM_MS);
		return;
	}
	if (client->wish == NULL) {
		wish_make(client);
		if (client->session == 0 || sim_chance(&client->rng, 10)) {
			session_open(client, member);
		}
		if (sim_wish_is_write(client->wish)) {
			client->seq++;
			client->acked = client->seq;
		}
	}
	submit(client, member);
}

/* ---- the whole ---- */

void sim_workload_init(struct sim_workload *workload, struct sim_cluster *cluster)
{
	unsigned i;

	*workload = (struct sim_workload){.cluster = cluster,
		.clients_count = cluster->plan->clients,
		.keys = cluster->plan->keys};
	blx__list_init(&workload->calls);
	for (i = 0; i < workload->clients_count; i++) {
		struct sim_client *client = &workload->clients[i];

		client->workload = workload;
		client->number = i;
		sim_world_rng(cluster->world, "client", i, &client->rng);
		sim_event_init(&client->next, on_next, client);
		sim_event_init(&client->patience, on_patience, client);
	}
}

void sim_workload_finish(struct sim_workload *workload)
{
	struct blx__list *link;
	unsigned i;

	for (i = 0; i < workload->clients_count; i++) {
		struct sim_client *client = &workload->clients[i];

		sim_event_cancel(workload->cluster->world, &client->next);
		sim_event_cancel(workload->cluster->world, &client->patience);
		free(client->wish);
	}
	while ((link = workload->calls.next) != &workload->calls) {
		call_free(blx__container_of(link, struct sim_call, link));
	}
	for (i = 0; i < SIM_KEYS_MAX; i++) {
		sim_history_finish(&workload->histories[i]);
		free(workload->changes[i].list);
	}
	free(workload->looks);
	sim_acks_finish(&workload->acks);
}

void sim_workload_begin(struct sim_workload *workload)
{
	unsigned i;

	for (i = 0; i < workload->clients_count; i++) {
		struct sim_client *client = &workload->clients[i];

		client_next(client, blx__rng_below(&client->rng, 300 * SIM_MS));
	}
}

void sim_workload_stop(struct sim_workload *workload)
{
	workload->stopping = true;
}

bool sim_workload_idle(const struct sim_workload *workload)
{
	unsigned i;

	for (i = 0; i < workload->clients_count; i++) {
		if (workload->clients[i].wish != NULL) {
			return false;
		}
	}
	return true;
}

void sim_workload_on_end(struct sim_workload *workload, const struct sim_member *member)
{
	struct blx__list *link;
	struct blx__list *tmp;

	blx__list_foreach_safe (link, tmp, &workload->calls) {
		struct sim_call *call = blx__container_of(link, struct sim_call, link);
		struct sim_client *client = call->client;

		if (call->member != member) {
			continue;
		}
		if (client != NULL) {
			sim_event_cancel(world_of(client), &client->patience);
			client->call = NULL;
			client->maybe = true;
			try_again(client);
		}
		call_free(call);
	}
}
