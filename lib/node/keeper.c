/* SPDX-License-Identifier: Apache-2.0 */
#include "node/keeper.h"

#include "base/assert.h"
#include "base/log.h"
#include "machine/lease_record.h"
#include "node/impl.h"
#include "node/own_write.h"

#include <inttypes.h>

#define NS_PER_MS UINT64_C(1000000)

void blx__keeper_init(struct blx__keeper *keeper, struct blx__node *node)
{
	*keeper = (struct blx__keeper){.node = node};
}

void blx__keeper_finish(struct blx__keeper *keeper)
{
	PRE(keeper->ending == 0);

	blx__leases_finish(&keeper->leases);
}

/* ---- which leases there are ----------------------------------------------------- */

static int begin(struct blx__keeper *keeper)
{
	struct blx__image *image = blx__machine_pin(keeper->node->machine);
	int rv = BLX_ENOMEM;

	if (image != NULL) {
		rv = blx__leases_begin(&keeper->leases, blx__image_tree(image),
			blx__image_meta(image)->revision);
		blx__image_unref(image);
	}
	return rv;
}

/* What has passed since it last looked, as far as it counts. */
static void advance(struct blx__keeper *keeper)
{
	struct blx__node *node = keeper->node;
	uint64_t now = blx__mono_ns(node->env);
	uint64_t step = now - keeper->ticked_ns;
	uint64_t step_max = 2 * (uint64_t)node->opts.heartbeat_ms * NS_PER_MS;

	keeper->ticked_ns = now;
	if (blx__node_has_contact(node)) {
		blx__leases_pass(&keeper->leases, step < step_max ? step : step_max);
	}
}

/* Knows what is applied here and what time it is, if this member leads. False: it does
 * not, or not yet. */
static bool follow(struct blx__keeper *keeper)
{
	struct blx__node *node = keeper->node;
	int rv = 0;

	if (!blx__node_is_leader(node)) {
		if (keeper->term != 0) {
			blx__leases_finish(&keeper->leases);
			keeper->term = 0;
		}
		return false;
	}
	if (keeper->term == node->raft.current_term) {
		advance(keeper);
		rv = blx__leases_follow(&keeper->leases, node->watches.history);
	}
	if (keeper->term != node->raft.current_term || rv != 0) {
		rv = begin(keeper);
		keeper->term = rv == 0 ? node->raft.current_term : 0;
		keeper->ticked_ns = blx__mono_ns(node->env);
	}
	return rv == 0;
}

/* ---- ending them ---------------------------------------------------------------- */

static void on_ended(int code, void *data, uint64_t id)
{
	struct blx__keeper *keeper = data;

	INVARIANT(keeper->ending > 0);
	keeper->ending--;
	if (code == 0) {
		keeper->ended++;
		blx__log(BLX__LOG_INFO, "lease", "%s: lease %016" PRIx64 " has ended",
			keeper->node->identity.name, id);
	} else {
		blx__leases_again(&keeper->leases, id);
	}
}

/* If it is still as it was, it is removed. */
static void end_one(struct blx__keeper *keeper, const struct blx__lease_due *due)
{
	struct blx__own_write_opts opts = {
		.here_only = true, .cb = on_ended, .data = keeper, .number = due->id};
	uint8_t key[BLX__LEASE_KEY_LEN];
	struct blx__txn_line line = {.kind = BLX__TXN_IF_REVISION,
		.key = key,
		.key_len = sizeof key,
		.revision = due->revision};
	struct blx__txn txn;
	int rv;

	blx__lease_key(due->id, key);
	blx__txn_init(&txn);
	rv = blx__txn_add(&txn, &line);
	line.kind = BLX__TXN_DELETE;
	if (rv == 0) {
		rv = blx__txn_add(&txn, &line);
	}
	if (rv == 0) {
		rv = blx__own_write(keeper->node, &txn, &opts);
	}
	if (rv == 0) {
		keeper->ending++;
	} else {
		blx__leases_again(&keeper->leases, due->id);
	}
	blx__txn_finish(&txn);
}

void blx__keeper_tick(struct blx__keeper *keeper)
{
	struct blx__lease_due due[BLX__KEEPER_ENDING_MAX];
	size_t count;
	size_t i;

	if (keeper->node->stopping || !follow(keeper) ||
		!blx__node_has_contact(keeper->node)) {
		return;
	}
	count = blx__leases_due(
		&keeper->leases, due, BLX__KEEPER_ENDING_MAX - keeper->ending);
	for (i = 0; i < count; i++) {
		end_one(keeper, &due[i]);
	}
}

/* ---- keeping them --------------------------------------------------------------- */

static bool id_of(const struct blx__request *request, uint64_t *ret_id)
{
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);

	*ret_id = blx__get_u64(&reader);
	return blx__reader_done(&reader);
}

void blx__keeper_hear(struct blx__keeper *keeper, struct blx__request *request)
{
	uint64_t id;

	if (!id_of(request, &id)) {
		blx__request_fail(request, BLX_EPROTO, "keep a lease: the request is malformed");
		return;
	}
	if (follow(keeper)) {
		(void)blx__leases_keep(&keeper->leases, id);
	}
	blx__reads_add(&keeper->node->reads, request);
}

void blx__keeper_answer(struct blx__keeper *keeper, struct blx__request *request)
{
	struct blx__response response = {
		.revision = blx__machine_revision(keeper->node->machine)};
	uint64_t id;

	if (!id_of(request, &id) || !follow(keeper)) {
		blx__request_fail(request, BLX_ENOTLEADER,
			"keep a lease: %s does not lead any more", keeper->node->identity.name);
	} else if (!blx__leases_keep(&keeper->leases, id)) {
		blx__request_fail(request, BLX_ENOENT, "lease %016" PRIx64 " has ended", id);
	} else {
		keeper->kept++;
		blx__request_finish(request, &response);
	}
}
