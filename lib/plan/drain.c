/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations that nobody asked for one by one: off drained nodes, and to where constraints
 * hold. */
#include "base/mem.h"
#include "plan/place.h"
#include "plan/service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* So many services are looked at for their constraints each time, one after the other. */
#define CHECKED_MAX 16

/* After a migration that failed. */
#define AGAIN_AFTER_NS INT64_C(30000000000)

static bool can_migrate(const struct blx__scene_service *service)
{
	return service->wanted == BLX_SERVICE_RUNNING &&
	       service->state == BLX_SERVICE_RUNNING && service->owner[0] != '\0' &&
	       service->migration[0] == '\0';
}

/* What went wrong a moment ago would again. */
static bool went_wrong(const struct blx__scene *scene, const char *service)
{
	size_t i;

	for (i = 0; i < scene->migrated_count; i++) {
		const struct blx__scene_migrated *migrated = &scene->migrated[i];

		if (migrated->failed && strcmp(migrated->service, service) == 0 &&
			scene->time_ns - migrated->ended_at < AGAIN_AFTER_NS) {
			return true;
		}
	}
	return false;
}

static bool is_migrating(const struct blx__scene *scene, const char *service)
{
	size_t i;

	for (i = 0; i < scene->migrations_count; i++) {
		if (strcmp(scene->migrations[i].record.service, service) == 0) {
			return true;
		}
	}
	return false;
}

/* The time, and what makes it the only one of it: the revision that was looked at, and the
 * place among the moves of this look. */
static void make_id(
	const struct blx__scene *scene, const struct blx__moves *moves, char ret_id[BLX_NAME_MAX])
{
	(void)snprintf(ret_id, BLX_NAME_MAX, "%012" PRIx64 "%016" PRIx64 "%04zx",
		(uint64_t)(scene->time_ns / 1000000) & UINT64_C(0xffffffffffff),
		scene->revision, moves->count);
}

static void fill(const struct blx__scene *scene, const struct blx__scene_service *service,
	const char *to, const char *reason, blx_migration *migration)
{
	*migration = (blx_migration){.state = BLX_MIGRATION_PREPARING,
		.started_at = scene->time_ns,
		.state_at = scene->time_ns};
	(void)snprintf(migration->service, BLX_NAME_MAX, "%s", service->name);
	(void)snprintf(migration->from, BLX_NAME_MAX, "%s", service->owner);
	(void)snprintf(migration->to, BLX_NAME_MAX, "%s", to);
	(void)snprintf(migration->reason, BLX_NAME_MAX, "%s", reason);
}

bool blx__plan_migration(struct blx__scene *scene, struct blx__moves *moves,
	const struct blx__scene_service *service, const char *reason)
{
	BLX__CLEANUP_FREE blx_migration *migration = blx__malloc(sizeof *migration);
	char id[BLX_NAME_MAX];
	char node[BLX_NAME_MAX];
	char why[BLX_TEXT_MAX];
	struct blx__hand hand;
	bool found;

	if (migration == NULL || blx__moves_full(moves) ||
		!blx__hand_begin(&hand, scene, service->name)) {
		return false;
	}
	found = blx__hand_choose(&hand, service->owner, node, why);
	if (!found) {
		blx__hand_drop(&hand);
		return false;
	}
	make_id(scene, moves, id);
	fill(scene, service, node, reason, migration);
	blx__hand_put(&hand, BLX_RECORD_MIGRATION, id, migration, 0);
	blx__hand_end(&hand, moves, NULL);
	return true;
}

/* ---- drained nodes -------------------------------------------------------------- */

static size_t leaving(const struct blx__scene *scene, const char *node)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < scene->migrations_count; i++) {
		count += strcmp(scene->migrations[i].record.from, node) == 0;
	}
	return count;
}

/* The next behind the last, by priority, the highest first, and then by name. */
static const struct blx__scene_service *next_to_leave(const struct blx__scene *scene,
	const char *node, const struct blx__scene_service *last)
{
	const struct blx__scene_service *next = NULL;
	size_t i;

	for (i = 0; i < scene->services_count; i++) {
		const struct blx__scene_service *service = &scene->services[i];
		bool behind = last == NULL || service->priority < last->priority ||
			      (service->priority == last->priority && service > last);

		if (behind && can_migrate(service) && strcmp(service->owner, node) == 0 &&
			!is_migrating(scene, service->name) &&
			!went_wrong(scene, service->name) &&
			(next == NULL || service->priority > next->priority)) {
			next = service;
		}
	}
	return next;
}

void blx__plan_drain(struct blx__scene *scene, struct blx__moves *moves)
{
	const struct blx__scene_service *service = NULL;
	size_t i;

	for (i = 0; i < scene->nodes_count; i++) {
		const struct blx__scene_node *node = &scene->nodes[i];
		size_t count = leaving(scene, node->name);

		if (!node->draining || node->health == BLX_HEALTH_FAILED) {
			continue;
		}
		service = NULL;
		while (count < scene->drain_parallel &&
			(service = next_to_leave(scene, node->name, service)) != NULL) {
			count += blx__plan_migration(scene, moves, service, "drain");
		}
	}
}

/* ---- constraints that do not hold ----------------------------------------------- */

/* By its own record, where it is: room and health are others' business. */
static bool is_out_of_place(
	struct blx__scene *scene, const struct blx__scene_service *service)
{
	const uint64_t others = UINT64_C(1) << BLX__REASON_STATUS |
				UINT64_C(1) << BLX__REASON_HEALTH |
				UINT64_C(1) << BLX__REASON_CPU | UINT64_C(1) << BLX__REASON_MEMORY;
	uint64_t reasons = 0;
	struct blx__hand hand;

	if (!blx__hand_begin(&hand, scene, service->name)) {
		return false;
	}
	reasons = blx__hand_reasons(&hand, service->owner);
	blx__hand_drop(&hand);
	return (reasons & ~others) != 0;
}

void blx__plan_rebalance(struct blx__scene *scene, struct blx__moves *moves)
{
	size_t left = scene->services_count < CHECKED_MAX ? scene->services_count
							  : CHECKED_MAX;

	if (scene->migrations_count > 0) {
		return;
	}
	for (; left > 0; left--) {
		const struct blx__scene_service *service =
			&scene->services[scene->next_checked++ % scene->services_count];

		if (can_migrate(service) && !blx__scene_is_lost(scene, service->owner) &&
			!went_wrong(scene, service->name) && is_out_of_place(scene, service) &&
			blx__plan_migration(scene, moves, service, "rebalance")) {
			return;
		}
	}
}
