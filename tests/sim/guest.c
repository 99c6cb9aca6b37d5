/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include "memory.h"

#include <stddef.h>
#include <stdlib.h>

struct sim_guest_call {
	struct blx__list link;
	struct blx__request request;
	struct blx__buf body;
	struct sim_guest *guest;
	struct sim_member *member;
};

static struct sim_world *world_of(const struct sim_guest *guest)
{
	return guest->cluster->world;
}

static void call_free(struct sim_guest_call *call)
{
	blx__list_remove(&call->link);
	blx__buf_finish(&call->body);
	free(call);
}

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct sim_guest_call *call = request->data;
	struct sim_guest *guest = call->guest;

	if (guest->call == call) {
		sim_event_cancel(world_of(guest), &guest->patience);
		guest->call = NULL;
		guest->answer(guest, response);
	}
	call_free(call);
}

static void on_patience(struct sim_event *event)
{
	struct sim_guest *guest = event->data;

	guest->call = NULL;
	guest->answer(guest, NULL);
}

static void on_next(struct sim_event *event)
{
	struct sim_guest *guest = event->data;
	struct sim_member *member = sim_cluster_any(guest->cluster, &guest->rng);

	if (member == NULL) {
		sim_guest_turn_after(guest, 50 * SIM_MS);
	} else {
		guest->turn(guest, member);
	}
}

void sim_guest_init(struct sim_guest *guest, struct sim_guests *guests, const char *name,
	unsigned number)
{
	guest->cluster = guests->cluster;
	guest->number = number;
	guest->call = NULL;
	blx__list_init(&guest->calls);
	sim_world_rng(guests->cluster->world, name, number, &guest->rng);
	sim_event_init(&guest->next, on_next, guest);
	sim_event_init(&guest->patience, on_patience, guest);
	blx__list_init(&guest->link);
	blx__list_push_back(&guests->list, &guest->link);
}

static void guest_finish(struct sim_guest *guest)
{
	blx__list_remove(&guest->link);
	sim_event_cancel(world_of(guest), &guest->next);
	sim_event_cancel(world_of(guest), &guest->patience);
	while (!blx__list_empty(&guest->calls)) {
		call_free(blx__container_of(
			guest->calls.next, struct sim_guest_call, link));
	}
}

void sim_guest_turn_after(struct sim_guest *guest, uint64_t delay_ns)
{
	sim_event_after(world_of(guest), &guest->next, delay_ns);
}

void sim_guest_ask(struct sim_guest *guest, struct sim_member *member, uint8_t op,
	struct blx__buf *body, uint32_t timeout_ms)
{
	struct sim_guest_call *call = sim_alloc(sizeof *call);

	call->guest = guest;
	call->member = member;
	call->body = *body;
	blx__buf_init(body);
	call->request = (struct blx__request){.op = op,
		.timeout_ms = timeout_ms,
		.body = call->body.data,
		.body_len = call->body.len,
		.done = on_done,
		.data = call};
	blx__list_init(&call->request.link);
	blx__list_init(&call->link);
	blx__list_push_back(&guest->calls, &call->link);
	guest->call = call;
	guest->asked_ns = world_of(guest)->now_ns;
	sim_event_after(world_of(guest), &guest->patience,
		sim_spread(&guest->rng, 100, 2 * timeout_ms) * SIM_MS);
	sim_env_enter(&member->env, false);
	blx__request_submit(member->node, &call->request);
	sim_env_leave(&member->env);
}

static void guest_on_end(struct sim_guest *guest, const struct sim_member *member)
{
	struct blx__list *link;
	struct blx__list *tmp;

	blx__list_foreach_safe (link, tmp, &guest->calls) {
		struct sim_guest_call *call =
			blx__container_of(link, struct sim_guest_call, link);

		if (call->member != member) {
			continue;
		}
		if (guest->call == call) {
			sim_event_cancel(world_of(guest), &guest->patience);
			guest->call = NULL;
			guest->answer(guest, NULL);
		}
		call_free(call);
	}
}

/* ---- all of them ---------------------------------------------------------------- */

static struct sim_guest *guest_of(struct blx__list *link)
{
	return blx__container_of(link, struct sim_guest, link);
}

void sim_guests_init(struct sim_guests *guests, struct sim_cluster *cluster)
{
	guests->cluster = cluster;
	blx__list_init(&guests->list);
}

void sim_guests_finish(struct sim_guests *guests)
{
	while (!blx__list_empty(&guests->list)) {
		guest_finish(guest_of(guests->list.next));
	}
}

void sim_guests_begin(struct sim_guests *guests)
{
	struct blx__list *link;

	blx__list_foreach (link, &guests->list) {
		sim_guest_turn_after(guest_of(link), guest_of(link)->number * 10 * SIM_MS);
	}
}

void sim_guests_on_end(struct sim_guests *guests, const struct sim_member *member)
{
	struct blx__list *link;

	blx__list_foreach (link, &guests->list) {
		guest_on_end(guest_of(link), member);
	}
}
