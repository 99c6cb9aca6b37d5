/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/service.h"

#include <stdio.h>
#include <string.h>

/* So many are looked at for a place that have none, each time. */
#define UNPLACED_MAX 64

static void set_detail(blx_service *service, const char *text)
{
	(void)snprintf(service->detail, sizeof service->detail, "%s", text);
}

/* ---- none ----------------------------------------------------------------------- */

/* It has stopped, as was wanted: it is on no node any more, and takes nothing there. */
static void retire(struct blx__scene *scene, const struct blx__scene_service *service,
	struct blx__moves *moves)
{
	struct blx__hand hand;

	if (blx__hand_begin(&hand, scene, service->name)) {
		blx__service_set(hand.service, BLX_SERVICE_STOPPED, "", scene->time_ns);
		blx__hand_place(&hand);
		blx__hand_end(&hand, moves, NULL);
	}
}

/* ---- one ------------------------------------------------------------------------ */

/* It stays without one, takes nothing on the one it was on, and says why, once. */
static void say_nowhere(struct blx__hand *hand, struct blx__moves *moves, const char *why,
	const char *from)
{
	blx_service *service = hand->service;

	if (from == NULL && service->node[0] == '\0' && strcmp(service->detail, why) == 0) {
		blx__hand_drop(hand); /* it says so already */
		return;
	}
	if (from != NULL) {
		blx__service_revoke(service);
	}
	blx__service_set(service, from != NULL ? BLX_SERVICE_UNKNOWN : service->state, "",
		hand->scene->time_ns);
	blx__hand_place(hand);
	set_detail(service, why);
	blx__hand_end(hand, moves, from);
}

static bool node_is_taken(struct blx__scene *scene, const char *name)
{
	const struct blx__scene_node *node = blx__scene_node_of(scene, name);

	return node == NULL || node->taken;
}

/* from: it is taken from that node, which is lost; NULL: it is on none. avoid: not there. */
static void give(struct blx__scene *scene, const struct blx__scene_service *service,
	struct blx__moves *moves, const char *from, const char *avoid)
{
	char node[BLX_NAME_MAX];
	char why[BLX_TEXT_MAX];
	struct blx__hand hand;

	if (!blx__hand_begin(&hand, scene, service->name)) {
		return;
	}
	if (!blx__hand_choose(&hand, avoid, node, why)) {
		say_nowhere(&hand, moves, why, from);
		return;
	}
	if (node_is_taken(scene, node)) {
		blx__hand_drop(&hand); /* the next look has what this one puts there */
		return;
	}
	blx__service_give(hand.service, node);
	blx__service_set(hand.service, BLX_SERVICE_STARTING, node, scene->time_ns);
	blx__hand_occupy(&hand, node);
	blx__hand_place(&hand);
	/* It may be that it is free only because that one was not heard. */
	blx__hand_end(&hand, moves, service->seen_node);
}

/* Nobody may run it until it is known to have stopped; then it gets a place as any. */
static void revoke(struct blx__scene *scene, const struct blx__scene_service *service,
	struct blx__moves *moves, const char *detail)
{
	struct blx__hand hand;

	if (blx__hand_begin(&hand, scene, service->name)) {
		blx__service_revoke(hand.service);
		set_detail(hand.service, detail);
		blx__hand_end(&hand, moves, NULL);
	}
}

/* ---- which ---------------------------------------------------------------------- */

static bool is_down(const struct blx__scene_service *service)
{
	return service->seen == BLX_SERVICE_STOPPED || service->seen == BLX_SERVICE_FAILED;
}

static bool fails_too_often(const struct blx__scene_service *service)
{
	return service->failures_max > 0 && service->failures >= service->failures_max &&
	       service->seen == BLX_SERVICE_FAILED;
}

/* Could it go elsewhere? */
static bool has_another_place(
	struct blx__scene *scene, const struct blx__scene_service *service)
{
	char node[BLX_NAME_MAX];
	char why[BLX_TEXT_MAX];
	struct blx__hand hand;
	bool found;

	if (!blx__hand_begin(&hand, scene, service->name)) {
		return false;
	}
	found = blx__hand_choose(&hand, service->owner, node, why);
	blx__hand_drop(&hand);
	return found;
}

static void look_at_owned(struct blx__scene *scene, const struct blx__scene_service *service,
	struct blx__moves *moves)
{
	const struct blx__scene_node *node = blx__scene_node_of(scene, service->owner);
	bool wanted = service->wanted == BLX_SERVICE_RUNNING;

	if (!wanted) {
		/* Also if it is down: its node may just be starting it again. */
		revoke(scene, service, moves, "");
	} else if (blx__scene_is_lost(scene, service->owner)) {
		if (blx__scene_is_fenced(scene, service, service->owner)) {
			give(scene, service, moves, service->owner, service->owner);
		}
	} else if (fails_too_often(service) && has_another_place(scene, service)) {
		revoke(scene, service, moves, "failed too often: is moved to another node");
	} else if (node->draining && is_down(service) &&
		   has_another_place(scene, service)) {
		revoke(scene, service, moves, "its node is drained");
	} else if (node->draining && node->drain_deadline != 0 &&
		   scene->time_ns >= node->drain_deadline) {
		revoke(scene, service, moves,
			"its node was to be empty: stopped, and waits for a place");
	}
}

static void look_at(struct blx__scene *scene, const struct blx__scene_service *service,
	struct blx__moves *moves, unsigned *unplaced)
{
	if (service->migration[0] != '\0' ||
		(service->wanted != BLX_SERVICE_RUNNING &&
			service->wanted != BLX_SERVICE_STOPPED)) {
		return; /* it is being moved, or nobody said what it is to do */
	}
	if (service->owner[0] != '\0') {
		look_at_owned(scene, service, moves);
	} else if (!blx__scene_is_clear(scene, service)) {
		return;
	} else if (service->wanted == BLX_SERVICE_STOPPED) {
		if (service->node[0] != '\0' || service->state != BLX_SERVICE_STOPPED) {
			retire(scene, service, moves);
		}
	} else if ((*unplaced)++ < UNPLACED_MAX) {
		give(scene, service, moves, NULL,
			fails_too_often(service) ? service->seen_node : NULL);
	}
}

void blx__plan_services(struct blx__scene *scene, struct blx__moves *moves)
{
	unsigned unplaced = 0;
	size_t i;

	for (i = 0; i < scene->services_count && !blx__moves_full(moves); i++) {
		look_at(scene, &scene->services[i], moves, &unplaced);
	}
}
