/* SPDX-License-Identifier: Apache-2.0 */
#include "tenants.h"

#include "machine/command.h"
#include "machine/lease_record.h"
#include "node/protocol.h"
#include "store/keep.h"
#include "store/txn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

static struct sim_tenant *tenant_of(struct sim_guest *guest)
{
	return (struct sim_tenant *)guest;
}

static struct sim_world *world_of(const struct sim_tenant *tenant)
{
	return tenant->guest.cluster->world;
}

static void fail_early(struct sim_tenant *tenant, uint64_t at_ns)
{
	sim_fail(world_of(tenant),
		"tenant %u: lease %016" PRIx64 " ended %llu ms before its time",
		tenant->guest.number, tenant->id, (ull)(tenant->until_ns - at_ns) / 1000000);
}

/* ---- what is asked ---- */

static void add(struct blx__txn *txn, uint8_t kind, const uint8_t *key, size_t key_len,
	const char *value, const struct blx__buf *keep)
{
	struct blx__txn_line line = {.kind = kind,
		.key = key,
		.key_len = key_len,
		.value = (const uint8_t *)value,
		.value_len = strlen(value),
		.keep = keep != NULL ? keep->data : NULL,
		.keep_len = keep != NULL ? keep->len : 0};

	(void)blx__txn_add(txn, &line);
}

/* Now and then a view is declared along with it, changed or dropped. */
static void view_add(struct blx__txn *txn, uint64_t id)
{
	static const char *const views[] = {
		"{\"pattern\": \"/:leases/*\", \"by\": \"ttl_ms\", \"sum\": [\"ttl_ms\"]}",
		"{\"pattern\": \"/**\"}", "{\"pattern\": \"/:leases/*\", \"sum\": [\"ttl_ms\"]}"};
	static const uint8_t keys[][8] = {":views\0a", ":views\0b"};
	unsigned which = (unsigned)(id >> 8 & 7);

	if (which < 3) {
		add(txn, BLX__TXN_PUT, keys[id >> 16 & 1], sizeof keys[0], views[which], NULL);
	} else if (which == 3) {
		add(txn, BLX__TXN_DELETE, keys[id >> 16 & 1], sizeof keys[0], "", NULL);
	}
}

void sim_lease_encode(
	uint64_t id, uint64_t ttl_ms, const char *bound, struct blx__buf *body)
{
	uint8_t key[BLX__LEASE_KEY_LEN];
	struct blx__txn conditions;
	struct blx__buf keep;
	struct blx__txn txn;
	char value[64];

	blx__txn_init(&txn);
	blx__txn_init(&conditions);
	blx__buf_init(&keep);
	blx__lease_key(id, key);
	(void)snprintf(value, sizeof value, "{\"ttl_ms\": %llu}", (ull)ttl_ms);
	add(&conditions, BLX__TXN_IF_EXISTS, key, sizeof key, "", NULL);
	blx__keep_encode(&conditions, &keep);
	add(&txn, BLX__TXN_PUT, key, sizeof key, value, NULL);
	if (bound != NULL) {
		add(&txn, BLX__TXN_PUT_WHILE, (const uint8_t *)bound, strlen(bound), "here",
			&keep);
	}
	view_add(&txn, id);
	blx__command_of_txn(&txn, body);
	blx__buf_finish(&keep);
	blx__txn_finish(&conditions);
	blx__txn_finish(&txn);
}

static void new_lease(struct sim_tenant *tenant)
{
	struct blx__rng *rng = &tenant->guest.rng;

	tenant->id = blx__rng_u64(rng) | 1;
	tenant->ttl_ns = sim_spread(rng, 100, 2000) * SIM_MS;
	tenant->until_ns = 0;
	tenant->removed_ns = 0;
	tenant->quit_ns = world_of(tenant)->now_ns + sim_spread(rng, 100, 6000) * SIM_MS;
	tenant->asked = true;
}

static void turn(struct sim_guest *guest, struct sim_member *member)
{
	struct sim_tenant *tenant = tenant_of(guest);
	struct blx__buf body;
	char own[32];

	if (tenant->removed_ns != 0 && tenant->id != 0) {
		tenant->id = 0;
	}
	if (tenant->id != 0 && world_of(tenant)->now_ns >= tenant->quit_ns) {
		/* One that was never promised anything may never have been made. */
		if (tenant->until_ns == 0) {
			tenant->id = 0;
		}
		sim_guest_turn_after(guest, 100 * SIM_MS);
		return;
	}
	if (tenant->id == 0 && tenant->tenants->stopping) {
		return;
	}
	blx__buf_init(&body);
	if (tenant->id == 0) {
		new_lease(tenant);
		(void)snprintf(own, sizeof own, "tenant-%u", tenant->guest.number);
		sim_lease_encode(tenant->id, tenant->ttl_ns / SIM_MS, own, &body);
		sim_guest_ask(guest, member, BLX__OP_WRITE, &body, 1000);
		return;
	}
	tenant->asked = false;
	blx__put_u64(&body, tenant->id);
	sim_guest_ask(guest, member, BLX__OP_LEASE_KEEP, &body,
		(uint32_t)sim_spread(&guest->rng, 50, 2000));
}

/* ---- what comes of it ---- */

static void promised(struct sim_tenant *tenant)
{
	uint64_t until_ns = tenant->guest.asked_ns + tenant->ttl_ns;

	tenant->until_ns = until_ns > tenant->until_ns ? until_ns : tenant->until_ns;
	tenant->tenants->kept++;
	if (tenant->removed_ns != 0 && tenant->removed_ns < tenant->until_ns) {
		fail_early(tenant, tenant->removed_ns);
	}
}

static void answer(struct sim_guest *guest, const struct blx__response *response)
{
	struct sim_tenant *tenant = tenant_of(guest);
	uint64_t wait_ns = tenant->ttl_ns / 3;

	if (response != NULL && response->code == 0) {
		promised(tenant);
	} else if (response != NULL && response->code == BLX_ENOENT && tenant->until_ns != 0 &&
		   world_of(tenant)->now_ns < tenant->until_ns) {
		fail_early(tenant, world_of(tenant)->now_ns);
	} else {
		wait_ns = 20 * SIM_MS;
	}
	sim_guest_turn_after(guest, wait_ns);
}

void sim_tenants_see(struct sim_tenants *tenants, const struct blx__change *change)
{
	uint64_t id;
	unsigned i;

	if (change->new_item != NULL || !blx__lease_key_is(blx__item_key(change->old_item),
						change->old_item->key_len, &id)) {
		return;
	}
	tenants->ended++;
	for (i = 0; i < tenants->count; i++) {
		struct sim_tenant *tenant = &tenants->list[i];

		if (tenant->id == id) {
			tenant->removed_ns = world_of(tenant)->now_ns;
			if (tenant->removed_ns < tenant->until_ns) {
				fail_early(tenant, tenant->removed_ns);
			}
		}
	}
}

/* ---- the whole ---- */

void sim_tenants_init(struct sim_tenants *tenants, struct sim_guests *guests)
{
	unsigned i;

	*tenants = (struct sim_tenants){
		.cluster = guests->cluster, .count = guests->cluster->plan->tenants};
	for (i = 0; i < tenants->count; i++) {
		struct sim_tenant *tenant = &tenants->list[i];

		tenant->tenants = tenants;
		tenant->guest.turn = turn;
		tenant->guest.answer = answer;
		sim_guest_init(&tenant->guest, guests, "tenant", i);
	}
}

void sim_tenants_stop(struct sim_tenants *tenants)
{
	unsigned i;

	tenants->stopping = true;
	for (i = 0; i < tenants->count; i++) {
		tenants->list[i].quit_ns = 0;
	}
}

bool sim_tenants_done(const struct sim_tenants *tenants)
{
	unsigned i;

	for (i = 0; i < tenants->count; i++) {
		const struct sim_tenant *tenant = &tenants->list[i];

		if (tenant->guest.call != NULL || (tenant->id != 0 && tenant->removed_ns == 0)) {
			return false;
		}
	}
	return true;
}
