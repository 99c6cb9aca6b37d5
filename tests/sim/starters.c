/* SPDX-License-Identifier: Apache-2.0 */
#include "starters.h"

#include "base/mem.h"
#include "machine/command.h"
#include "node/impl.h"
#include "plan/reserve.h"
#include "record/fields.h"
#include "tenants.h"

#include <blixard/record.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

/* Leases last so long, in ms, and are used for half of it. */
#define TTL_MS 1500

static struct sim_starter *starter_of(struct sim_guest *guest)
{
	return (struct sim_starter *)guest;
}

static struct sim_world *world_of(const struct sim_starters *starters)
{
	return starters->cluster->world;
}

/* ---- what is asked -------------------------------------------------------------- */

/* So short that members are Degraded and Failed in a run, and Healthy again. */
static void limits_add(struct blx__txn *txn)
{
	static const char keys[2][32] = {
		":config\0health.degraded_after", ":config\0health.failed_after"};
	static const size_t lens[2] = {29, 27};
	static const char *const values[2] = {"300ms", "800ms"};
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct blx__txn_line line = {.kind = BLX__TXN_PUT,
			.key = (const uint8_t *)keys[i],
			.key_len = lens[i],
			.value = (const uint8_t *)values[i],
			.value_len = strlen(values[i])};

		(void)blx__txn_add(txn, &line);
	}
}

/* A node gets another capacity, or goes. */
static void node_encode(struct blx__rng *rng, struct blx__buf *body)
{
	char key[] = ":nodes\0n0";
	char value[64];
	struct blx__txn_line line = {
		.kind = BLX__TXN_PUT, .key = (const uint8_t *)key, .key_len = sizeof key - 1};
	struct blx__txn txn;

	key[sizeof key - 2] = (char)('0' + blx__rng_below(rng, SIM_NODES));
	line.value_len = (size_t)snprintf(value, sizeof value,
		"{\"status\":\"Active\",\"cpu\":%llu,\"memory\":1000}",
		(ull)(200 + 100 * blx__rng_below(rng, 8)));
	line.value = (const uint8_t *)value;
	if (blx__rng_below(rng, 5) == 0) {
		line.kind = BLX__TXN_DELETE;
	}
	blx__txn_init(&txn);
	(void)blx__txn_add(&txn, &line);
	if (blx__rng_below(rng, 10) == 0) {
		limits_add(&txn);
	}
	blx__command_of_txn(&txn, body);
	blx__txn_finish(&txn);
}

/* False: nothing will do. */
static bool reserve_encode(
	struct sim_starter *starter, const struct sim_member *member, struct blx__buf *body)
{
	blx_place_request request = BLX_PLACE_REQUEST_INIT;
	struct blx__image *image = blx__machine_pin(member->node->machine);
	blx_place_model *model = NULL;
	blx_place_plan *plan = NULL;
	struct blx__txn txn;
	char name[32];
	bool fits;

	(void)snprintf(name, sizeof name, "v%u-%llu", starter->guest.number,
		(ull)++starter->started);
	request.name = name;
	request.cpu = (int64_t)(50 + 50 * blx__rng_below(&starter->guest.rng, 4));
	request.memory = 1;
	request.strategy = (int)blx__rng_below(&starter->guest.rng, 3);
	(void)blx__model_of(blx__image_tree(image), 1, &model);
	fits = blx_place(model, &request, &plan, NULL) == 0;
	if (fits) {
		fits = blx__reserve_txn(model, blx_place_plan_node(plan), &request,
			starter->lease, 1,
			       &txn, NULL) == 0;
		blx__command_of_txn(&txn, body);
		blx__txn_finish(&txn);
	}
	blx_place_plan_free(plan);
	blx_place_model_destroy(model);
	blx__image_unref(image);
	return fits;
}

static void turn(struct sim_guest *guest, struct sim_member *member)
{
	struct sim_starter *starter = starter_of(guest);
	uint64_t now = world_of(starter->starters)->now_ns;
	struct blx__buf body;

	if (starter->starters->stopping) {
		return;
	}
	blx__buf_init(&body);
	if (blx__rng_below(&guest->rng, 8) == 0) {
		node_encode(&guest->rng, &body);
	} else if (starter->lease == 0 || now - starter->since_ns > TTL_MS / 2 * SIM_MS) {
		starter->lease = blx__rng_u64(&guest->rng) | 1;
		starter->since_ns = now;
		sim_lease_encode(starter->lease, TTL_MS, NULL, &body);
	} else if (!reserve_encode(starter, member, &body)) {
		blx__buf_finish(&body);
		sim_guest_turn_after(guest, 50 * SIM_MS);
		return;
	}
	sim_guest_ask(guest, member, BLX__OP_WRITE, &body, 1000);
}

static void answer(struct sim_guest *guest, const struct blx__response *response)
{
	struct sim_starters *starters = starter_of(guest)->starters;

	if (response != NULL) {
		starters->made += response->code == 0;
		starters->lost += response->code == BLX_ECONFLICT;
	}
	sim_guest_turn_after(guest, sim_spread(&guest->rng, 1, 60) * SIM_MS);
}

/* ---- what becomes of it --------------------------------------------------------- */

static void count_reservation(
	struct sim_starters *starters, const struct blx__item *item, int sign)
{
	blx_reservation record;
	unsigned node;

	if (blx__record_decode(blx__record_of(BLX_RECORD_RESERVATION), blx__item_value(item),
		    item->value_len, &record, NULL) != 0) {
		return;
	}
	if (record.node[0] != 'n') {
		return; /* of a migration, on a member */
	}
	node = (unsigned)(record.node[1] - '0');
	starters->reserved[node] += sign * record.cpu;
	if (sign > 0 && starters->reserved[node] > starters->capacity[node]) {
		sim_fail(world_of(starters),
			"starters: %lld reserved on n%u, which has %lld",
			(long long)starters->reserved[node], node,
			(long long)starters->capacity[node]);
	}
}

static void take_node(struct sim_starters *starters, const struct blx__change *change,
	const uint8_t *name)
{
	blx_node_info *info = NULL;
	unsigned node = (unsigned)(name[1] - '0');

	starters->capacity[node] = -1;
	if (change->new_item != NULL) {
		info = blx__malloc(sizeof *info);
		if (blx__record_decode(blx__record_of(BLX_RECORD_NODE),
			    blx__item_value(change->new_item), change->new_item->value_len, info,
			    NULL) == 0) {
			starters->capacity[node] = info->cpu;
		}
		blx__free(info);
	}
}

void sim_starters_see(struct sim_starters *starters, const struct blx__change *change)
{
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	const uint8_t *name;
	size_t name_len;
	int kind = blx__record_kind_of_key(
		blx__item_key(item), item->key_len, &name, &name_len);

	if (kind == BLX_RECORD_NODE && name_len == 2 && name[0] == 'n') {
		take_node(starters, change, name);
	} else if (kind == BLX_RECORD_RESERVATION) {
		if (change->old_item != NULL) {
			count_reservation(starters, change->old_item, -1);
		}
		if (change->new_item != NULL) {
			count_reservation(starters, change->new_item, 1);
		}
	}
}

/* ---- the whole ------------------------------------------------------------------ */

void sim_starters_init(struct sim_starters *starters, struct sim_guests *guests)
{
	unsigned i;

	*starters = (struct sim_starters){
		.cluster = guests->cluster, .count = guests->cluster->plan->starters};
	for (i = 0; i < SIM_NODES; i++) {
		starters->capacity[i] = -1;
	}
	for (i = 0; i < starters->count; i++) {
		struct sim_starter *starter = &starters->list[i];

		starter->starters = starters;
		starter->guest.turn = turn;
		starter->guest.answer = answer;
		sim_guest_init(&starter->guest, guests, "starter", i);
	}
}

void sim_starters_stop(struct sim_starters *starters)
{
	starters->stopping = true;
}

bool sim_starters_done(const struct sim_starters *starters)
{
	unsigned i;

	for (i = 0; i < starters->count; i++) {
		if (starters->list[i].guest.call != NULL) {
			return false;
		}
	}
	for (i = 0; i < SIM_NODES; i++) {
		if (starters->reserved[i] != 0) {
			return false;
		}
	}
	return true;
}
