/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/hand.h"

#include "base/assert.h"
#include "base/mem.h"
#include "plan/place.h"
#include "plan/reserve.h"
#include "record/fields.h"
#include "record/replace.h"
#include "store/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void blx__moves_finish(struct blx__moves *moves)
{
	size_t i;

	for (i = 0; i < moves->count; i++) {
		blx__txn_finish(&moves->list[i].txn);
	}
	moves->count = 0;
}

/* ---- steps on a record ---------------------------------------------------------- */

static void set_name(char to[BLX_NAME_MAX], const char *from)
{
	size_t len = strlen(from);

	PRE(len < BLX_NAME_MAX);

	memmove(to, from, len);
	memset(to + len, 0, BLX_NAME_MAX - len);
}

void blx__service_set(blx_service *service, int state, const char *node, int64_t time_ns)
{
	if (service->state != state || strcmp(service->node, node) != 0) {
		service->state = state;
		set_name(service->node, node);
		service->timestamp = time_ns;
	}
}

void blx__service_give(blx_service *service, const char *node)
{
	PRE(service->owner[0] == '\0' || strcmp(service->owner, node) != 0);

	set_name(service->owner, node);
	set_name(service->seen_node, node);
	set_name(service->prefer, "");
	service->seen = BLX_SERVICE_UNKNOWN;
	service->epoch++;
	service->stop_agreed =
		service->stop_timeout > 0 ? service->stop_timeout : BLX__STOP_TIMEOUT_MS;
	service->restarted = service->restart;
	service->failures = 0;
	service->detail[0] = '\0';
}

void blx__service_return(blx_service *service)
{
	PRE(service->owner[0] == '\0' && service->seen_node[0] != '\0');

	set_name(service->owner, service->seen_node);
	service->seen = BLX_SERVICE_UNKNOWN;
}

void blx__service_revoke(blx_service *service)
{
	set_name(service->owner, "");
	service->seen = BLX_SERVICE_UNKNOWN;
}

/* ---- a step as a transaction ---------------------------------------------------- */

static void note(struct blx__hand *hand, int code)
{
	hand->code = hand->code != 0 ? hand->code : code;
}

void blx__hand_begin_bare(struct blx__hand *hand, struct blx__scene *scene)
{
	*hand = (struct blx__hand){.scene = scene};
	blx__txn_init(&hand->txn);
}

bool blx__hand_begin(struct blx__hand *hand, struct blx__scene *scene, const char *name)
{
	*hand = (struct blx__hand){.scene = scene};
	set_name(hand->name, name);
	hand->service = blx__malloc(sizeof *hand->service);
	if (hand->service == NULL) {
		return false;
	}
	if (blx__scene_read(scene, BLX_RECORD_SERVICE, name, hand->service, &hand->revision) !=
			0 ||
		hand->revision == 0) {
		blx__free(hand->service);
		return false;
	}
	blx__txn_init(&hand->txn);
	return true;
}

void blx__hand_occupy(struct blx__hand *hand, const char *name)
{
	blx_place_model *model = blx__scene_model(hand->scene);
	struct blx__scene_node *seen = blx__scene_node_of(hand->scene, name);
	const struct blx__plan_node *node =
		model != NULL ? blx__model_node(model, name) : NULL;

	if (node == NULL || seen == NULL) {
		note(hand, BLX_ENOMEM);
		return;
	}
	seen->taken = true;
	note(hand, blx__reserve_claim(node, name, &hand->txn));
}

void blx__hand_put(struct blx__hand *hand, int kind, const char *name, const void *record,
	uint64_t revision)
{
	const struct blx__record *of = blx__record_of(kind);
	struct blx__key key;
	int rv = blx__key_child(of->what, of->dir, name, &key, NULL);

	note(hand, rv != 0 ? rv
			   : blx__record_replace(&hand->txn, of, record, key.bytes, key.len,
				     revision));
}

void blx__hand_delete(struct blx__hand *hand, int kind, const char *name)
{
	const struct blx__record *of = blx__record_of(kind);
	struct blx__key key;
	int rv = blx__key_child(of->what, of->dir, name, &key, NULL);
	struct blx__txn_line line = {
		.kind = BLX__TXN_DELETE, .key = key.bytes, .key_len = key.len};

	note(hand, rv != 0 ? rv : blx__txn_add(&hand->txn, &line));
}

void blx__hand_place(struct blx__hand *hand)
{
	const blx_service *service = hand->service;
	blx_placement placement;
	uint64_t revision;

	if (service->node[0] == '\0') {
		blx__hand_delete(hand, BLX_RECORD_PLACEMENT, hand->name);
		return;
	}
	/* What an operator put there that is no record gives way. */
	if (blx__scene_read(hand->scene, BLX_RECORD_PLACEMENT, hand->name, &placement,
		    &revision) != 0) {
		memset(&placement, 0, sizeof placement);
	}
	if (strcmp(placement.node, service->node) != 0 || placement.epoch != service->epoch) {
		placement.timestamp = hand->scene->time_ns;
	}
	set_name(placement.node, service->node);
	set_name(placement.migration, service->migration);
	placement.epoch = service->epoch;
	blx__hand_put(hand, BLX_RECORD_PLACEMENT, hand->name, &placement, revision);
	blx__free(placement.extra);
}

void blx__hand_drop(struct blx__hand *hand)
{
	blx__txn_finish(&hand->txn);
	if (hand->service != NULL) {
		blx__free(hand->service->extra);
		blx__free(hand->service);
	}
}

void blx__hand_end(struct blx__hand *hand, struct blx__moves *moves, const char *from)
{
	struct blx__move *move;

	if (hand->service != NULL) {
		blx__hand_put(hand, BLX_RECORD_SERVICE, hand->name, hand->service,
			hand->revision);
	}
	if (hand->code == 0 && !blx__moves_full(moves)) {
		move = &moves->list[moves->count++];
		move->txn = hand->txn;
		blx__txn_init(&hand->txn);
		set_name(move->from, from != NULL ? from : "");
	}
	blx__hand_drop(hand);
}

/* ---- a place -------------------------------------------------------------------- */

/* The request that the record is. */
static blx_place_plan *plan_of(const struct blx__hand *hand)
{
	const blx_place_model *model = blx__scene_model(hand->scene);
	blx_place_request request = blx__place_request_of(hand->name, hand->service);
	blx_place_plan *plan = NULL;

	if (model != NULL) {
		(void)blx_place(model, &request, &plan, NULL);
	}
	return plan;
}

/* All reasons, as far as they have room. */
static void reasons_of(const blx_place_plan *plan, size_t i, size_t count, char *ret_why,
	size_t at)
{
	char reason[BLX_PLACE_REASON_SIZE];
	size_t k;

	for (k = 0; k < count && at < BLX_TEXT_MAX; k++) {
		if (blx_place_plan_reason(plan, i, k, reason) == 0) {
			at += (size_t)snprintf(ret_why + at, BLX_TEXT_MAX - at, "%s%s",
				k > 0 ? "; " : "", reason);
		}
	}
}

static void why_nowhere(const blx_place_plan *plan, char ret_why[BLX_TEXT_MAX])
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	int64_t nearest = blx_place_plan_nearest(plan);
	size_t at = (size_t)snprintf(ret_why, BLX_TEXT_MAX, "No suitable nodes available");

	if (blx_place_plan_node(plan) != NULL) {
		(void)snprintf(ret_why + at, BLX_TEXT_MAX - at,
			": those that would do run no services, or are not heard");
	} else if (nearest >= 0 && blx_place_plan_at(plan, (size_t)nearest, &verdict) == 0) {
		at += (size_t)snprintf(
			ret_why + at, BLX_TEXT_MAX - at, ": %s ", verdict.node);
		reasons_of(plan, (size_t)nearest, verdict.reasons, ret_why, at);
	}
}

/* Somebody is there who would run it. */
static bool is_manned(struct blx__scene *scene, const char *node)
{
	return blx__scene_is_host(scene, node) && !blx__scene_is_lost(scene, node);
}

/* The best, but for the one to be avoided; of equal ones the first. */
static bool best_of(struct blx__scene *scene, const blx_place_plan *plan, const char *avoid,
	char ret_node[BLX_NAME_MAX])
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	int64_t score = 0;
	bool found = false;
	size_t i;

	for (i = 0; blx_place_plan_at(plan, i, &verdict) == 0; i++) {
		if (verdict.fits && (!found || verdict.score > score) &&
			(avoid == NULL || strcmp(verdict.node, avoid) != 0) &&
			is_manned(scene, verdict.node)) {
			set_name(ret_node, verdict.node);
			score = verdict.score;
			found = true;
		}
	}
	return found;
}

bool blx__hand_choose(const struct blx__hand *hand, const char *avoid,
	char ret_node[BLX_NAME_MAX], char ret_why[BLX_TEXT_MAX])
{
	blx_place_plan *plan;
	bool found;

	if (hand->service->prefer[0] != '\0') {
		set_name(ret_node, hand->service->prefer);
		return blx__hand_fits(hand, ret_node, ret_why);
	}
	plan = plan_of(hand);
	if (plan == NULL) {
		(void)snprintf(ret_why, BLX_TEXT_MAX, "out of memory");
		return false;
	}
	found = best_of(hand->scene, plan, avoid, ret_node);
	if (!found) {
		why_nowhere(plan, ret_why);
	}
	blx_place_plan_free(plan);
	return found;
}

uint64_t blx__hand_reasons(const struct blx__hand *hand, const char *node)
{
	blx_place_plan *plan = plan_of(hand);
	blx_place_verdict verdict = {.size = sizeof verdict};
	uint64_t reasons = UINT64_MAX;
	size_t i;

	for (i = 0; plan != NULL && blx_place_plan_at(plan, i, &verdict) == 0; i++) {
		if (strcmp(verdict.node, node) == 0) {
			reasons = plan->verdicts[i].reasons;
		}
	}
	blx_place_plan_free(plan);
	return reasons;
}

bool blx__hand_fits(
	const struct blx__hand *hand, const char *node, char ret_why[BLX_TEXT_MAX])
{
	blx_place_plan *plan = plan_of(hand);
	blx_place_verdict verdict = {.size = sizeof verdict};
	bool there = false;
	bool fits = false;
	size_t i;

	(void)snprintf(ret_why, BLX_TEXT_MAX, plan != NULL ? "there is no node %s" :
		"out of memory", node);
	for (i = 0; plan != NULL && !there && blx_place_plan_at(plan, i, &verdict) == 0; i++) {
		there = strcmp(verdict.node, node) == 0;
		fits = there && verdict.fits;
		if (there && !fits) {
			size_t at = (size_t)snprintf(ret_why, BLX_TEXT_MAX, "%s ", node);

			reasons_of(plan, i, verdict.reasons, ret_why, at);
		}
	}
	blx_place_plan_free(plan);
	if (fits && !is_manned(hand->scene, node)) {
		(void)snprintf(
			ret_why, BLX_TEXT_MAX, "%s runs no services, or is not heard", node);
		fits = false;
	}
	return fits;
}
