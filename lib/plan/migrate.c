/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/migrate.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

/* One migration with its service, while a step of it is made. */
struct step {
	struct blx__scene *scene;
	const struct blx__scene_migration *seen;
	const struct blx__scene_service *service; /* as the scene has it */
	struct blx__moves *moves;
	struct blx__hand hand;
	blx_migration *record; /* owned; to be changed */
	uint64_t revision;
};

/* ---- a step --------------------------------------------------------------------- */

/* False: no memory, or something is gone. */
static bool begin(struct step *step)
{
	step->record = blx__malloc(sizeof *step->record);
	if (step->record == NULL) {
		return false;
	}
	if (blx__scene_read(step->scene, BLX_RECORD_MIGRATION, step->seen->id, step->record,
		    &step->revision) != 0 ||
		step->revision == 0) {
		blx__free(step->record);
		return false;
	}
	if (step->service == NULL) {
		blx__hand_begin_bare(&step->hand, step->scene);
	} else if (!blx__hand_begin(&step->hand, step->scene, step->service->name)) {
		blx__free(step->record->extra);
		blx__free(step->record);
		return false;
	}
	return true;
}

static void drop(struct step *step)
{
	blx__hand_drop(&step->hand);
	blx__free(step->record->extra);
	blx__free(step->record);
}

static void finish(struct step *step, const char *from)
{
	blx__hand_end(&step->hand, step->moves, from);
	blx__free(step->record->extra);
	blx__free(step->record);
}

static void enter(struct step *step, int state)
{
	step->record->state = state;
	step->record->state_at = step->scene->time_ns;
	blx__hand_put(&step->hand, BLX_RECORD_MIGRATION, step->seen->id, step->record,
		step->revision);
}

/* The record goes to those that have ended, of which the oldest goes. */
static void end(struct step *step)
{
	const struct blx__scene *scene = step->scene;

	step->record->ended_at = scene->time_ns;
	blx__hand_delete(&step->hand, BLX_RECORD_MIGRATION, step->seen->id);
	blx__hand_put(&step->hand, BLX_RECORD_MIGRATED, step->seen->id, step->record, 0);
	if (scene->migrated_count >= BLX__MIGRATED_MAX) {
		blx__hand_delete(
			&step->hand, BLX_RECORD_MIGRATED, scene->migrated[0].id);
	}
}

__attribute__((format(printf, 2, 3))) static void set_error(
	struct step *step, const char *format, ...)
{
	va_list args;

	if (step->record->error[0] == '\0') { /* the first is why */
		va_start(args, format);
		(void)vsnprintf(
			step->record->error, sizeof step->record->error, format, args);
		va_end(args);
	}
}

static void set_migration(struct step *step, const char *id)
{
	char *to = step->hand.service->migration;

	memset(to, 0, BLX_NAME_MAX);
	memcpy(to, id, strlen(id));
}

/* ---- what is so ----------------------------------------------------------------- */

static bool is_late(const struct step *step)
{
	const blx_migration *record = &step->seen->record;
	int64_t timeout_ms =
		record->timeout > 0 ? record->timeout : BLX__MIGRATION_TIMEOUT_MS;

	return step->scene->time_ns - record->state_at >= timeout_ms * NS_PER_MS;
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* It is the migration that the service is in. */
static bool is_ours(const struct step *step)
{
	return is(step->service->migration, step->seen->id);
}

static bool runs_at(const struct step *step, const char *node)
{
	return is(step->service->owner, node) && is(step->service->seen_node, node) &&
	       step->service->seen == BLX_SERVICE_RUNNING;
}

static bool failed_at(const struct step *step, const char *node)
{
	return is(step->service->owner, node) && is(step->service->seen_node, node) &&
	       step->service->seen == BLX_SERVICE_FAILED;
}

/* ---- Preparing ------------------------------------------------------------------ */

/* The reservation of what it takes is of the name of the service. */
static bool reserve(struct step *step)
{
	const blx_service *service = step->hand.service;
	blx_reservation reservation;
	uint64_t revision;
	int rv = blx__scene_read(step->scene, BLX_RECORD_RESERVATION, step->hand.name,
		&reservation, &revision);

	blx__free(reservation.extra);
	if (rv != 0 || revision != 0) {
		return false;
	}
	reservation = (blx_reservation){.cpu = service->cpu,
		.memory = service->memory,
		.state = BLX_RESERVATION_BOUND,
		.timestamp = step->scene->time_ns};
	memcpy(reservation.node, step->record->to, sizeof reservation.node);
	memcpy(reservation.group, service->group, sizeof reservation.group);
	blx__hand_put(&step->hand, BLX_RECORD_RESERVATION, step->hand.name, &reservation, 0);
	return true;
}

/* The target says yes: is there room, and may it be there? */
static void leave_source(struct step *step)
{
	struct blx__scene_node *to;
	char why[BLX_TEXT_MAX];

	if (!begin(step)) {
		return;
	}
	to = blx__scene_node_of(step->scene, step->record->to);
	if (to != NULL && to->taken) {
		drop(step); /* the next look has what this one puts there */
		return;
	}
	if (!blx__hand_fits(&step->hand, step->record->to, why)) {
		set_error(step, "Migration failed: Target node cannot accept service: %s", why);
		end(step);
	} else if (!reserve(step)) {
		set_error(step, "Migration failed: Resource reservation failed: there is one "
				"of the service's name already");
		end(step);
	} else {
		blx__hand_occupy(&step->hand, step->record->to);
		set_migration(step, step->seen->id);
		blx__service_revoke(step->hand.service);
		blx__service_set(step->hand.service, BLX_SERVICE_MIGRATING,
			step->hand.service->node, step->scene->time_ns);
		blx__hand_place(&step->hand);
		enter(step, BLX_MIGRATION_STOPPING);
	}
	finish(step, NULL);
}

/* As it was when the migration was wanted: it runs at the source, and is in no other. */
static bool is_unchanged(const struct step *step)
{
	return step->service->migration[0] == '\0' &&
	       step->service->state == BLX_SERVICE_RUNNING &&
	       step->service->wanted == BLX_SERVICE_RUNNING &&
	       runs_at(step, step->seen->record.from);
}

/* The service stays as it is. */
static void give_up(struct step *step, const char *why, const char *detail)
{
	if (begin(step)) {
		set_error(step, "%s%s", why, detail);
		end(step);
		finish(step, NULL);
	}
}

static void look_at_preparing(struct step *step)
{
	const blx_migration *record = &step->seen->record;

	if (record->abort) {
		give_up(step, "Migration failed: aborted by an operator", "");
	} else if (!is_unchanged(step)) {
		give_up(step, "Service state changed during migration", "");
	} else if (is(record->answer, "yes")) {
		leave_source(step);
	} else if (record->answer[0] != '\0') {
		give_up(step, "Migration failed: Target node cannot accept service: ",
			record->answer);
	} else if (is_late(step) || blx__scene_is_lost(step->scene, record->to)) {
		give_up(step, "Migration failed: Target node cannot accept service: ",
			"it does not answer");
	}
}

/* ---- Stopping ------------------------------------------------------------------- */

static void roll_back(struct step *step, const char *why, const char *detail)
{
	if (begin(step)) {
		set_error(step, "Migration failed: %s%s", why, detail);
		if (is(step->hand.service->owner, step->record->to)) {
			blx__service_revoke(step->hand.service);
		}
		enter(step, BLX_MIGRATION_ROLLING_BACK);
		finish(step, NULL);
	}
}

static void look_at_stopping(struct step *step)
{
	const blx_migration *record = &step->seen->record;

	if (record->abort || step->service->wanted != BLX_SERVICE_RUNNING) {
		roll_back(step, "aborted by an operator", "");
	} else if (blx__scene_is_clear(step->scene, step->service)) {
		if (blx__scene_is_lost(step->scene, record->to)) {
			roll_back(step, "Failed to start on target: ", "it is lost");
		} else if (begin(step)) {
			blx__service_give(step->hand.service, record->to);
			enter(step, BLX_MIGRATION_STARTING);
			finish(step, step->service->seen_node);
		}
	} else if (is_late(step)) {
		roll_back(step, "Failed to stop on source: ", "it did not stop in time");
	}
}

/* ---- Starting ------------------------------------------------------------------- */

static void arrive(struct step *step)
{
	if (begin(step)) {
		blx__service_set(step->hand.service, BLX_SERVICE_RUNNING, step->record->to,
			step->scene->time_ns);
		blx__hand_place(&step->hand);
		blx__hand_delete(&step->hand, BLX_RECORD_RESERVATION, step->hand.name);
		enter(step, BLX_MIGRATION_FINALIZING);
		finish(step, NULL);
	}
}

static void look_at_starting(struct step *step)
{
	const blx_migration *record = &step->seen->record;
	BLX__CLEANUP_FREE blx_service *service = NULL;
	uint64_t revision;

	if (runs_at(step, record->to)) {
		arrive(step);
	} else if (record->abort || step->service->wanted != BLX_SERVICE_RUNNING) {
		roll_back(step, "aborted by an operator", "");
	} else if (failed_at(step, record->to)) {
		service = blx__malloc(sizeof *service);
		if (service != NULL && blx__scene_read(step->scene, BLX_RECORD_SERVICE,
					       record->service, service, &revision) == 0) {
			roll_back(step, "Failed to start on target: ", service->detail);
			blx__free(service->extra);
		}
	} else if (blx__scene_is_lost(step->scene, record->to)) {
		roll_back(step, "Failed to start on target: ", "it is lost");
	} else if (is_late(step)) {
		roll_back(step, "Failed to start on target: ", "it did not run in time");
	}
}

/* ---- Finalizing ----------------------------------------------------------------- */

static void look_at_finalizing(struct step *step)
{
	if (begin(step)) {
		set_migration(step, "");
		blx__hand_place(&step->hand);
		end(step);
		finish(step, NULL);
	}
}

/* ---- RollingBack ---------------------------------------------------------------- */

/* Over: it is at the source again, or is on no node and gets one as any. */
static void end_back(struct step *step, bool at_source)
{
	blx_service *service;

	if (!begin(step)) {
		return;
	}
	service = step->hand.service;
	set_migration(step, "");
	if (at_source) {
		int state = step->service->seen == BLX_SERVICE_RUNNING ? BLX_SERVICE_RUNNING
								       : BLX_SERVICE_FAILED;

		blx__service_set(service, state, step->record->from, step->scene->time_ns);
	} else {
		blx__service_set(service, BLX_SERVICE_UNKNOWN, "", step->scene->time_ns);
	}
	blx__hand_place(&step->hand);
	blx__hand_delete(&step->hand, BLX_RECORD_RESERVATION, step->hand.name);
	end(step);
	finish(step, NULL);
}

static void give_back(struct step *step)
{
	if (!begin(step)) {
		return;
	}
	if (blx__scene_is_clear(step->scene, step->service)) {
		blx__service_give(step->hand.service, step->record->from);
	} else {
		blx__service_return(step->hand.service);
	}
	enter(step, BLX_MIGRATION_ROLLING_BACK);
	finish(step, step->service->seen_node);
}

static void look_at_rolling_back(struct step *step)
{
	const blx_migration *record = &step->seen->record;
	bool wanted = step->service->wanted == BLX_SERVICE_RUNNING;
	bool lost = blx__scene_is_lost(step->scene, record->from);

	if (is(step->service->owner, record->from)) {
		/* Whatever becomes of it there is not the migration's any more. */
		if (runs_at(step, record->from) || failed_at(step, record->from) || lost ||
			!wanted || is_late(step)) {
			end_back(step, true);
		}
	} else if (step->service->owner[0] == '\0' && (lost || !wanted)) {
		end_back(step, false);
	} else if (blx__scene_is_clear(step->scene, step->service) ||
		   is(step->service->seen_node, record->from)) {
		give_back(step); /* it may never have stopped there */
	}
}

/* ---- all ------------------------------------------------------------------------ */

static void look_at(struct step *step)
{
	int state = step->seen->record.state;

	if (step->service == NULL) {
		give_up(step, "Service not found", "");
		return;
	}
	if (state != BLX_MIGRATION_PREPARING && !is_ours(step)) {
		give_up(step, "Service state changed during migration", "");
		return;
	}
	switch (state) {
	case BLX_MIGRATION_PREPARING:
		look_at_preparing(step);
		break;
	case BLX_MIGRATION_STOPPING:
		look_at_stopping(step);
		break;
	case BLX_MIGRATION_STARTING:
		look_at_starting(step);
		break;
	case BLX_MIGRATION_FINALIZING:
		look_at_finalizing(step);
		break;
	default:
		look_at_rolling_back(step);
		break;
	}
}

void blx__plan_migrations(struct blx__scene *scene, struct blx__moves *moves)
{
	size_t i;

	for (i = 0; i < scene->migrations_count && !blx__moves_full(moves); i++) {
		struct step step = {.scene = scene,
			.seen = &scene->migrations[i],
			.service = blx__scene_service_of(
				scene, scene->migrations[i].record.service),
			.moves = moves};

		look_at(&step);
	}
}
