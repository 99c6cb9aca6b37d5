/* SPDX-License-Identifier: Apache-2.0 */
#include "node/overseer.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"
#include "node/own_write.h"
#include "plan/health.h"
#include "record/fields.h"
#include "record/replace.h"
#include "store/path.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between two looks at the own record. */
#define LOOK_NS UINT64_C(1000000000)

/* ---- what reconcile wants to know ----------------------------------------------- */

static uint64_t op_mono_ns(void *data)
{
	struct blx__overseer *overseer = data;

	return blx__mono_ns(overseer->node->env);
}

static int64_t op_wall_ns(void *data)
{
	struct blx__overseer *overseer = data;

	return blx__node_time_ms(overseer->node) * 1000000;
}

static struct blx__image *op_pin(void *data)
{
	struct blx__overseer *overseer = data;

	return blx__machine_pin(overseer->node->machine);
}

static uint64_t member_heard_ns(struct blx__node *node, raft_id id)
{
	return id == node->identity.id ? blx__mono_ns(node->env)
				       : blx__peers_heard_ns(node->peers, id);
}

static bool op_heard_ns(const char *name, uint64_t *ret_ns, void *data)
{
	struct blx__overseer *overseer = data;
	raft_id id = blx__node_member_id(overseer->node, name);

	if (id != 0) {
		*ret_ns = member_heard_ns(overseer->node, id);
	}
	return id != 0;
}

static uint64_t op_kept_ns(const char *name, void *data)
{
	struct blx__overseer *overseer = data;

	return blx__hosts_kept_ns(&overseer->node->hosts, name);
}

static void on_reconciled(int code, void *data, uint64_t number)
{
	struct blx__overseer *overseer = data;

	(void)number;
	blx__reconcile_ended(&overseer->reconcile, code);
}

/* One that takes something from a host, until it has ended. */
struct taking {
	struct blx__overseer *overseer;
	char from[BLX_NAME_MAX];
};

static void on_taken(int code, void *data, uint64_t number)
{
	struct taking *taking = data;
	struct blx__overseer *overseer = taking->overseer;

	(void)number;
	blx__hosts_taken(&overseer->node->hosts, taking->from, code);
	blx__free(taking);
	blx__reconcile_ended(&overseer->reconcile, code);
}

static bool submit_taking(
	struct blx__overseer *overseer, const struct blx__txn *txn, const char *from)
{
	struct blx__own_write_opts opts = {.here_only = true, .cb = on_taken};
	struct taking *taking = blx__calloc(1, sizeof *taking);

	if (taking == NULL || !blx__hosts_take(&overseer->node->hosts, from)) {
		blx__free(taking);
		return false;
	}
	taking->overseer = overseer;
	(void)snprintf(taking->from, sizeof taking->from, "%s", from);
	opts.data = taking;
	if (blx__own_write(overseer->node, txn, &opts) != 0) {
		blx__hosts_taken(&overseer->node->hosts, from, 0);
		blx__free(taking);
		return false;
	}
	return true;
}

static bool op_submit(const struct blx__txn *txn, const char *from, void *data)
{
	struct blx__overseer *overseer = data;
	struct blx__own_write_opts opts = {
		.here_only = true, .cb = on_reconciled, .data = overseer};

	return from[0] != '\0' ? submit_taking(overseer, txn, from)
			       : blx__own_write(overseer->node, txn, &opts) == 0;
}

static const struct blx__reconcile_ops ops = {
	.mono_ns = op_mono_ns,
	.wall_ns = op_wall_ns,
	.pin = op_pin,
	.heard_ns = op_heard_ns,
	.kept_ns = op_kept_ns,
	.submit = op_submit,
};

/* ---- the own record ------------------------------------------------------------- */

static bool same_capabilities(const blx_node_info *a, const blx_node_info *b)
{
	return a->capabilities_count == b->capabilities_count &&
	       memcmp(a->capabilities, b->capabilities, sizeof a->capabilities) == 0;
}

static bool is_fixed(const blx_node_info *record, const char *field)
{
	size_t i;

	for (i = 0; i < record->fixed_count; i++) {
		if (strcmp(record->fixed[i], field) == 0) {
			return true;
		}
	}
	return false;
}

/* What the host says counts for what it can see of itself, unless an operator fixed it;
 * the rest is the operator's. True: something is another now. */
static bool merge(const blx_node_info *host, blx_node_info *record)
{
	bool cpu = record->cpu != host->cpu && !is_fixed(record, "cpu");
	bool memory = record->memory != host->memory && !is_fixed(record, "memory");
	bool capabilities =
		!same_capabilities(record, host) && !is_fixed(record, "capabilities");
	bool address = strcmp(record->address, host->address) != 0;
	bool lease = record->lease != host->lease;

	if (cpu) {
		record->cpu = host->cpu;
	}
	if (memory) {
		record->memory = host->memory;
	}
	if (capabilities) {
		record->capabilities_count = host->capabilities_count;
		memcpy(record->capabilities, host->capabilities, sizeof record->capabilities);
	}
	if (address) {
		memcpy(record->address, host->address, sizeof record->address);
	}
	record->lease = host->lease;
	return cpu || memory || capabilities || address || lease;
}

static void on_written(int code, void *data, uint64_t number)
{
	struct blx__overseer *overseer = data;

	(void)code;
	(void)number;
	overseer->writing = false; /* the next look tells whether it is as it should be */
}

static void write_record(
	struct blx__overseer *overseer, const blx_node_info *record, uint64_t revision)
{
	struct blx__own_write_opts opts = {.cb = on_written, .data = overseer};
	const struct blx__record *of = blx__record_of(BLX_RECORD_NODE);
	struct blx__key key;
	struct blx__txn txn;

	if (blx__key_child(of->what, of->dir, overseer->node->identity.name, &key, NULL) != 0) {
		return;
	}
	blx__txn_init(&txn);
	overseer->writing =
		blx__record_replace(&txn, of, record, key.bytes, key.len, revision) == 0 &&
		blx__own_write(overseer->node, &txn, &opts) == 0;
	blx__txn_finish(&txn);
}

bool blx__node_record(struct blx__node *node, const char *name, blx_node_info *ret_info,
	uint64_t *ret_revision)
{
	const struct blx__record *of = blx__record_of(BLX_RECORD_NODE);
	struct blx__item *item;
	struct blx__key key;
	uint64_t revision;
	bool ok;

	memset(ret_info, 0, sizeof *ret_info);
	*ret_revision = 0;
	if (blx__key_child(of->what, of->dir, name, &key, NULL) != 0 ||
		blx__machine_get(node->machine, key.bytes, key.len, &item, &revision) != 0) {
		return false;
	}
	*ret_revision = item->mod_revision;
	ok = blx__record_decode(
		     of, blx__item_value(item), item->value_len, ret_info, NULL) == 0;
	blx__item_unref(item);
	return ok;
}

static void look_at_own(struct blx__overseer *overseer)
{
	struct blx__node *node = overseer->node;
	BLX__CLEANUP_FREE blx_node_info *record = blx__malloc(sizeof *record);
	uint64_t revision;

	if (record == NULL) {
		return;
	}
	overseer->host->lease = blx__steward_lease_ms(&node->steward);
	(void)blx__node_record(node, node->identity.name, record, &revision);
	if (merge(overseer->host, record) || revision == 0) {
		write_record(overseer, record, revision);
	}
	blx__free(record->extra);
}

/* ---- health --------------------------------------------------------------------- */

static const char *health_text(int health)
{
	static const char *const texts[] = {"Healthy", "Degraded", "Failed"};

	return texts[health];
}

/* Of one member, as this leader hears it. */
static json_t *member_json(struct blx__overseer *overseer,
	const struct raft_server *server, const struct blx__health_limits *limits, int *ret_health)
{
	struct blx__node *node = overseer->node;
	char name[BLX__NAME_LEN_MAX + 32];
	int64_t age_ns = blx__reconcile_age_ns(
		&overseer->reconcile, member_heard_ns(node, server->id));

	(void)blx__node_member_name(node, server->id, name, sizeof name);
	*ret_health = blx__health_of(limits, age_ns);
	return json_pack("{s:s, s:s, s:b, s:I}", "name", name, "health",
		health_text(*ret_health), "voter", server->role == RAFT_VOTER, "heard_ms_ago",
		(json_int_t)(age_ns / 1000000));
}

/* The members, the worst of the voters, and how many voters may fail still. */
static json_t *health_json(struct blx__overseer *overseer, const struct blx__health_limits *limits)
{
	const struct raft_configuration *conf = &overseer->node->raft.configuration;
	json_t *members = json_array();
	int worst = BLX_HEALTH_HEALTHY;
	int voters = 0;
	int heard = 0;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		int health;

		(void)json_array_append_new(
			members, member_json(overseer, &conf->servers[i], limits, &health));
		if (conf->servers[i].role == RAFT_VOTER) {
			voters++;
			heard += health == BLX_HEALTH_HEALTHY;
			worst = health > worst ? health : worst;
		}
	}
	return json_pack("{s:s, s:s, s:i, s:o}", "leader", overseer->node->identity.name, "health",
		health_text(worst), "quorum_margin", heard - (voters / 2 + 1), "members", members);
}

void blx__overseer_answer(struct blx__overseer *overseer, struct blx__request *request)
{
	struct blx__image *image = blx__machine_pin(overseer->node->machine);
	struct blx__response response = {.code = 0};
	struct blx__health_limits limits;
	json_t *root = NULL;
	char *text;

	if (image != NULL) {
		limits = blx__health_limits_of(blx__image_tree(image));
		blx__image_unref(image);
		root = health_json(overseer, &limits);
	}
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (text == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	response.body = (const uint8_t *)text;
	response.body_len = strlen(text);
	blx__request_finish(request, &response);
	free(text);
}

/* ---- the whole ------------------------------------------------------------------ */

void blx__overseer_init(struct blx__overseer *overseer, struct blx__node *node)
{
	*overseer = (struct blx__overseer){.node = node};
	blx__reconcile_init(&overseer->reconcile, &ops, overseer);
}

int blx__overseer_host(struct blx__overseer *overseer, const blx_node_info *host)
{
	overseer->host = blx__memdup(host, sizeof *host);
	return overseer->host != NULL ? 0 : BLX_ENOMEM;
}

void blx__overseer_finish(struct blx__overseer *overseer)
{
	PRE(overseer->reconcile.under_way == 0 && !overseer->writing);

	blx__reconcile_finish(&overseer->reconcile);
	blx__free(overseer->host);
}

static void reconcile(struct blx__overseer *overseer)
{
	struct blx__node *node = overseer->node;
	bool leads = blx__node_is_leader(node) && blx__node_has_contact(node);

	if (node->steward.leader_due) {
		node->steward.leader_due = false;
		blx__reconcile_stir(&overseer->reconcile);
	}
	blx__reconcile_tick(&overseer->reconcile, leads ? node->raft.current_term : 0);
}

void blx__overseer_poll(struct blx__overseer *overseer)
{
	if (overseer->node->steward.leader_due && !overseer->node->stopping) {
		reconcile(overseer);
	}
}

void blx__overseer_tick(struct blx__overseer *overseer)
{
	struct blx__node *node = overseer->node;
	uint64_t now = blx__mono_ns(node->env);

	if (node->stopping) {
		return;
	}
	reconcile(overseer);
	if (overseer->host != NULL && node->caught_up && node->leader != 0 &&
		!overseer->writing && now - overseer->looked_ns >= LOOK_NS) {
		overseer->looked_ns = now;
		look_at_own(overseer);
	}
}
