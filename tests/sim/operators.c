/* SPDX-License-Identifier: Apache-2.0 */
#include "operators.h"

#include "base/mem.h"
#include "machine/command.h"
#include "node/impl.h"
#include "record/fields.h"
#include "record/replace.h"

#include <blixard/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

static struct sim_operator *operator_of(struct sim_guest *guest)
{
	return (struct sim_operator *)guest;
}

/* ---- reading and writing records ------------------------------------------------ */

static size_t key_of(int kind, const char *name, uint8_t *ret_key)
{
	const char *dir = blx__record_of(kind)->dir;
	size_t len = strlen(dir);

	memcpy(ret_key, dir, len + 1);
	memcpy(ret_key + len + 1, name, strlen(name));
	return len + 1 + strlen(name);
}

/* As the member has it. 0: there is none; the record is zeroed then. */
static uint64_t read_record(
	const struct sim_member *member, int kind, const char *name, void *record)
{
	uint8_t key[128];
	size_t key_len = key_of(kind, name, key);
	struct blx__image *image = blx__machine_pin(member->node->machine);
	const struct blx__item *item = blx__tree_get(blx__image_tree(image), key, key_len);
	uint64_t revision = item != NULL ? item->mod_revision : 0;

	memset(record, 0, blx__record_of(kind)->size);
	if (item != NULL && blx__record_decode(blx__record_of(kind), blx__item_value(item),
				    item->value_len, record, NULL) != 0) {
		revision = 0;
	}
	blx__image_unref(image);
	return revision;
}

static void put_record(struct blx__txn *txn, int kind, const char *name, const void *record,
	uint64_t revision)
{
	uint8_t key[128];
	size_t key_len = key_of(kind, name, key);

	(void)blx__record_replace(
		txn, blx__record_of(kind), record, key, key_len, revision);
}

static void put_setting(struct blx__txn *txn, const char *name, const char *value)
{
	char key[64] = ":config";
	struct blx__txn_line line = {.kind = BLX__TXN_PUT,
		.key = (const uint8_t *)key,
		.key_len = 8 + strlen(name),
		.value = (const uint8_t *)value,
		.value_len = strlen(value)};

	memcpy(key + 8, name, strlen(name));
	(void)blx__txn_add(txn, &line);
}

/* ---- what is asked -------------------------------------------------------------- */

static void define(struct sim_operator *op, struct blx__txn *txn)
{
	struct blx__rng *rng = &op->guest.rng;
	blx_service *service = calloc(1, sizeof *service);
	char name[8];
	char value[16];

	(void)snprintf(name, sizeof name, "u%u", op->guest.number * 2 + op->defined % 2);
	(void)snprintf(service->unit, sizeof service->unit, "%s.service", name);
	service->state = BLX_SERVICE_STOPPED;
	service->wanted = BLX_SERVICE_RUNNING;
	service->stop_timeout = (int64_t)sim_spread(rng, 10, 200);
	service->failures_max = (int64_t)blx__rng_below(rng, 4);
	put_record(txn, BLX_RECORD_SERVICE, name, service, 0);
	(void)snprintf(value, sizeof value, "%llums", (ull)sim_spread(rng, 200, 1200));
	put_setting(txn, "host.lease", value);
	put_setting(txn, "fence.margin", "50ms");
	put_setting(txn, "health.degraded_after", "300ms");
	put_setting(txn, "health.failed_after", "900ms");
	free(service);
}

/* False: there is nothing to be changed. */
static bool change_service(struct sim_operator *op, const struct sim_member *member,
	const char *name, struct blx__txn *txn)
{
	struct blx__rng *rng = &op->guest.rng;
	blx_service *service = calloc(1, sizeof *service);
	uint64_t revision = read_record(member, BLX_RECORD_SERVICE, name, service);

	if (revision != 0) {
		switch (blx__rng_below(rng, 4)) {
		case 0:
			service->wanted = BLX_SERVICE_STOPPED;
			break;
		case 1:
			service->restart++;
			break;
		case 2:
			service->stop_timeout = (int64_t)sim_spread(rng, 10, 200);
			break;
		default:
			service->wanted = BLX_SERVICE_RUNNING;
			break;
		}
		put_record(txn, BLX_RECORD_SERVICE, name, service, revision);
	}
	free(service);
	return revision != 0;
}

static bool migrate(struct sim_operator *op, const struct sim_member *member,
	const char *name, struct blx__txn *txn)
{
	struct blx__rng *rng = &op->guest.rng;
	blx_service *service = calloc(1, sizeof *service);
	uint64_t revision = read_record(member, BLX_RECORD_SERVICE, name, service);
	blx_migration *migration = calloc(1, sizeof *migration);
	char id[32];

	if (revision != 0 && service->owner[0] != '\0') {
		(void)snprintf(migration->service, BLX_NAME_MAX, "%s", name);
		memcpy(migration->from, service->owner, BLX_NAME_MAX);
		migration->to[0] =
			(char)('A' + blx__rng_below(rng, op->guest.cluster->count));
		migration->timeout = (int64_t)sim_spread(rng, 300, 6000);
		migration->started_at = migration->state_at =
			sim_member_time_ms(
				(struct sim_member *)(uintptr_t)member) * 1000000;
		(void)snprintf(migration->reason, BLX_NAME_MAX, "operator");
		(void)snprintf(id, sizeof id, "m%u-%llu", op->guest.number,
			(ull)++op->operators->migrations);
		put_record(txn, BLX_RECORD_MIGRATION, id, migration, 0);
	} else {
		revision = 0;
	}
	free(service);
	free(migration);
	return revision != 0;
}

static bool abort_one(struct sim_operator *op, const struct sim_member *member,
	struct blx__txn *txn)
{
	blx_migration *migration = calloc(1, sizeof *migration);
	uint64_t revision;
	char id[32];

	(void)snprintf(id, sizeof id, "m%u-%llu", op->guest.number,
		(ull)op->operators->migrations);
	revision = read_record(member, BLX_RECORD_MIGRATION, id, migration);
	if (revision != 0) {
		migration->abort = 1;
		put_record(txn, BLX_RECORD_MIGRATION, id, migration, revision);
	}
	free(migration);
	return revision != 0;
}

static bool change_node(struct sim_operator *op, const struct sim_member *member,
	const char *name, bool undo, struct blx__txn *txn)
{
	struct blx__rng *rng = &op->guest.rng;
	blx_node_info *info = calloc(1, sizeof *info);
	uint64_t revision = read_record(member, BLX_RECORD_NODE, name, info);
	bool bad = !undo && blx__rng_below(rng, 2) == 0;

	if (revision == 0 || (undo && !info->draining && !info->evicted)) {
		free(info);
		return false;
	}
	info->evicted = bad && blx__rng_below(rng, 3) == 0;
	info->draining = bad && !info->evicted;
	info->drain_deadline = info->draining && blx__rng_below(rng, 2) == 0
				       ? sim_member_time_ms((struct sim_member *)(uintptr_t)
							 member) *
						 1000000
				       : 0;
	put_record(txn, BLX_RECORD_NODE, name, info, revision);
	free(info);
	return true;
}

static bool choose(struct sim_operator *op, const struct sim_member *member,
	struct blx__txn *txn)
{
	struct blx__rng *rng = &op->guest.rng;
	char service[8];
	char node[8];

	(void)snprintf(service, sizeof service, "u%u", (unsigned)blx__rng_below(rng, SIM_UNITS));
	(void)snprintf(node, sizeof node, "%c",
		(char)('A' + blx__rng_below(rng, op->guest.cluster->count)));
	switch (blx__rng_below(rng, 8)) {
	case 0:
	case 1:
		op->defined++;
		define(op, txn);
		return true;
	case 2:
		return change_service(op, member, service, txn);
	case 3:
		return change_node(op, member, node, false, txn);
	case 4:
		return abort_one(op, member, txn);
	default:
		return migrate(op, member, service, txn);
	}
}

/* Whatever keeps a service from running, one after the other. */
static bool undo(struct sim_operator *op, const struct sim_member *member,
	struct blx__txn *txn)
{
	unsigned i;
	char node[8];

	for (i = 0; i < op->guest.cluster->count; i++) {
		(void)snprintf(node, sizeof node, "%c", (char)('A' + i));
		if (change_node(op, member, node, true, txn)) {
			return true;
		}
	}
	return false;
}

static void turn(struct sim_guest *guest, struct sim_member *member)
{
	struct sim_operator *op = operator_of(guest);
	struct blx__buf body;
	struct blx__txn txn;
	bool asks;

	blx__txn_init(&txn);
	asks = op->operators->stopping ? undo(op, member, &txn) : choose(op, member, &txn);
	if (!asks) {
		blx__txn_finish(&txn);
		sim_guest_turn_after(guest, 100 * SIM_MS);
		return;
	}
	blx__buf_init(&body);
	blx__command_of_txn(&txn, &body);
	blx__txn_finish(&txn);
	op->operators->asked++;
	sim_guest_ask(guest, member, BLX__OP_WRITE, &body, 1000);
}

static void answer(struct sim_guest *guest, const struct blx__response *response)
{
	(void)response;
	sim_guest_turn_after(guest, sim_spread(&guest->rng, 1, 400) * SIM_MS);
}

/* ---- the whole ------------------------------------------------------------------ */

void sim_operators_init(struct sim_operators *operators, struct sim_guests *guests)
{
	unsigned i;

	*operators = (struct sim_operators){
		.cluster = guests->cluster, .count = guests->cluster->plan->operators};
	for (i = 0; i < operators->count; i++) {
		struct sim_operator *op = &operators->list[i];

		op->operators = operators;
		op->guest.turn = turn;
		op->guest.answer = answer;
		sim_guest_init(&op->guest, guests, "operator", i);
	}
}

void sim_operators_stop(struct sim_operators *operators)
{
	unsigned i;

	operators->stopping = true;
	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		sim_manager_calm(&operators->cluster->members[i].manager);
	}
}

void sim_operators_see(struct sim_operators *operators, const struct blx__change *change)
{
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	const uint8_t *name;
	size_t len;
	int kind = blx__record_kind_of_key(blx__item_key(item), item->key_len, &name, &len);

	if (kind == BLX_RECORD_SERVICE || kind == BLX_RECORD_MIGRATION ||
		kind == BLX_RECORD_MIGRATED) {
		sim_tell(operators->cluster->world, NULL, "  %.*s: %.*s", (int)len, name,
			change->new_item != NULL ? (int)blx__item_value_len(item) : 4,
			change->new_item != NULL ? (const char *)blx__item_value(item) : "gone");
	}
}

static bool service_done(struct sim_operators *operators, const struct sim_member *member,
	const char *name, char *why, size_t size)
{
	blx_service *service = calloc(1, sizeof *service);
	uint64_t revision = read_record(member, BLX_RECORD_SERVICE, name, service);
	unsigned running = operators->cluster->copies.running[sim_unit_number(name)];
	bool wanted = revision != 0 && service->wanted == BLX_SERVICE_RUNNING;
	bool done;

	if (wanted) {
		done = running == 1 && service->state == BLX_SERVICE_RUNNING &&
		       service->seen == BLX_SERVICE_RUNNING && service->migration[0] == '\0';
	} else {
		done = running == 0 && (revision == 0 || service->owner[0] == '\0');
	}
	if (!done) {
		(void)snprintf(why, size,
			"%s is wanted %d, state %d at %s, owner %s, seen %d at %s, migration %s, "
			"and runs %u times: %s",
			name, service->wanted, service->state, service->node, service->owner,
			service->seen, service->seen_node, service->migration, running,
			service->detail);
	}
	free(service);
	return done;
}

static bool has_migrations(const struct sim_member *member)
{
	static const char dir[] = ":migrations";
	struct blx__image *image = blx__machine_pin(member->node->machine);
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(
		&cursor, blx__image_tree(image), (const uint8_t *)dir, sizeof dir - 1);
	bool has = blx__item_begins(item, dir, sizeof dir - 1);

	blx__image_unref(image);
	return has;
}

bool sim_operators_done(struct sim_operators *operators, char *ret_why, size_t size)
{
	struct sim_member *leader = sim_cluster_leader(operators->cluster);
	char name[8];
	unsigned i;

	if (operators->count == 0) {
		return true;
	}
	if (leader == NULL) {
		sim_cluster_tell_leaderless(operators->cluster, ret_why, size);
		return false;
	}
	for (i = 0; i < operators->count; i++) {
		if (operators->list[i].guest.call != NULL) {
			(void)snprintf(ret_why, size, "an operator waits for an answer");
			return false;
		}
	}
	for (i = 0; i < SIM_UNITS; i++) {
		(void)snprintf(name, sizeof name, "u%u", i);
		if (!service_done(operators, leader, name, ret_why, size)) {
			return false;
		}
	}
	if (has_migrations(leader)) {
		(void)snprintf(ret_why, size, "a migration is left");
		return false;
	}
	return true;
}
