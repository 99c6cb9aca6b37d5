/* SPDX-License-Identifier: Apache-2.0 */
#include "api/change.h"
#include "api/service.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"

#include <string.h>
#include <time.h>

/* Between two looks: a local read, or one over a socket. */
#define LOOK_MIN_MS 20
#define LOOK_MAX_MS 200

#define NO_PLACE "No suitable nodes available"

/* What is looked at; revisions tell whether something is another. */
struct look {
	blx_service service;
	blx_migration migration;
	uint64_t service_revision;
	uint64_t migration_revision;
};

static void pause_ms(unsigned ms)
{
	struct timespec pause = {.tv_nsec = (long)ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* ---- a service ------------------------------------------------------------------ */

/* 1: not yet. */
static int judge_runs(
	const struct blx__service_wait *wait, const blx_service *service, blx_error *error)
{
	bool restarted = service->restarted >= wait->restart;

	if (wait->from != NULL && strcmp(service->owner, wait->from) == 0) {
		return 1; /* this replica does not have it yet */
	}
	if (service->state == BLX_SERVICE_RUNNING && service->seen == BLX_SERVICE_RUNNING &&
		restarted) {
		return 0;
	}
	if (service->owner[0] != '\0' && service->seen == BLX_SERVICE_FAILED && restarted) {
		return blx__error_set(error, BLX_EFAILED, "%s on %s: %s", wait->name,
			service->owner, service->detail);
	}
	if (service->owner[0] == '\0' &&
		(strncmp(service->detail, NO_PLACE, strlen(NO_PLACE)) == 0 ||
			(service->prefer[0] != '\0' && service->detail[0] != '\0'))) {
		return blx__error_set(
			error, BLX_ENOPLACE, "%s: %s", wait->name, service->detail);
	}
	return 1;
}

static int judge_rests(const blx_service *service)
{
	return service->owner[0] == '\0' && service->state == BLX_SERVICE_STOPPED ? 0 : 1;
}

/* ---- a migration ---------------------------------------------------------------- */

static int judge_ended(const blx_migration *ended, blx_error *error)
{
	static const char changed[] = "Service state changed";

	if (ended->error[0] == '\0') {
		return 0;
	}
	return blx__error_set(error,
		strncmp(ended->error, changed, sizeof changed - 1) == 0 ? BLX_ECONFLICT
									: BLX_EMIGRATION,
		"%s", ended->error);
}

static int judge_moved(blx_client *client, const struct blx__service_wait *wait,
	struct look *look, blx_error *error)
{
	BLX__CLEANUP_FREE blx_migration *ended = NULL;
	int rv;

	if (look->migration_revision != 0) {
		return 1;
	}
	ended = blx__calloc(1, sizeof *ended);
	if (ended == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "migration %s: out of memory", wait->id);
	}
	rv = blx_record_get(client, BLX_RECORD_MIGRATED, wait->id, 0,
		blx__left_ms(wait->until_ns), ended, NULL, NULL);
	if (rv == BLX_ENOENT) {
		/* Neither is in this replica, or it was long ago: the others know. */
		rv = blx_record_get(client, BLX_RECORD_MIGRATED, wait->id, 1,
			blx__left_ms(wait->until_ns), ended, NULL, error);
		if (rv == BLX_ENOENT) {
			rv = blx_record_get(client, BLX_RECORD_MIGRATION, wait->id, 1,
				blx__left_ms(wait->until_ns), &look->migration,
				&look->migration_revision, error);
			blx_record_clear(BLX_RECORD_MIGRATION, &look->migration);
			return rv == 0 ? 1 : rv;
		}
	}
	if (rv == 0) {
		rv = judge_ended(ended, error);
		blx_record_clear(BLX_RECORD_MIGRATED, ended);
	}
	return rv;
}

/* ---- looking -------------------------------------------------------------------- */

static void clear(struct look *look)
{
	blx_record_clear(BLX_RECORD_SERVICE, &look->service);
	blx_record_clear(BLX_RECORD_MIGRATION, &look->migration);
}

static int read_all(blx_client *client, const struct blx__service_wait *wait,
	struct look *look, blx_error *error)
{
	const char *id = wait->id;
	const char *name = wait->name;
	blx_error why = BLX_ERROR_INIT;
	int rv;

	look->service_revision = 0;
	look->migration_revision = 0;
	if (id != NULL) {
		rv = blx_record_get(client, BLX_RECORD_MIGRATION, id, 0,
			blx__left_ms(wait->until_ns), &look->migration,
			&look->migration_revision, &why);
		if (rv != 0 && rv != BLX_ENOENT) {
			blx__error_copy(error, &why);
			return rv;
		}
		name = rv == 0 ? look->migration.service : name;
	}
	if (name == NULL) {
		return 0;
	}
	rv = blx_record_get(client, BLX_RECORD_SERVICE, name, 0, blx__left_ms(wait->until_ns),
		&look->service, &look->service_revision, &why);
	if (rv == 0 || (rv == BLX_ENOENT && id != NULL)) {
		return 0;
	}
	blx__error_copy(error, &why);
	return rv;
}

static int judge(blx_client *client, const struct blx__service_wait *wait, struct look *look,
	blx_error *error)
{
	switch (wait->end) {
	case BLX__SERVICE_RUNS:
		return judge_runs(wait, &look->service, error);
	case BLX__SERVICE_RESTS:
		return judge_rests(&look->service);
	default:
		return judge_moved(client, wait, look, error);
	}
}

static void tell(const struct blx__service_wait *wait, const struct look *look)
{
	const blx_migration *migration =
		look->migration_revision != 0 ? &look->migration : NULL;

	if (wait->opts->progress != NULL && look->service_revision != 0) {
		wait->opts->progress(migration != NULL ? migration->service : wait->name,
			&look->service, migration, wait->opts->data);
	}
}

/* With what its node says of it, if that says anything. */
static int set_late(
	const struct blx__service_wait *wait, const struct look *look, blx_error *error)
{
	const char *detail = look->service_revision != 0 ? look->service.detail : "";

	return blx__error_set(error, BLX_ETIMEOUT, "%s: not yet%s%s; it goes on",
		wait->id != NULL ? wait->id : wait->name, detail[0] != '\0' ? ": " : "", detail);
}

int blx__service_wait(
	blx_client *client, const struct blx__service_wait *wait, blx_error *error)
{
	BLX__CLEANUP_FREE struct look *look = blx__calloc(1, sizeof *look);
	unsigned ms = LOOK_MIN_MS;
	uint64_t seen = 0;
	int rv = 1;

	if (look == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "wait: out of memory");
	}
	while (rv == 1) {
		rv = read_all(client, wait, look, error);
		if (rv == 0) {
			if (look->service_revision + look->migration_revision != seen) {
				seen = look->service_revision + look->migration_revision;
				ms = LOOK_MIN_MS;
				tell(wait, look);
			}
			rv = judge(client, wait, look, error);
		}
		if (rv == 1 && blx__client_now_ns() >= wait->until_ns) {
			rv = set_late(wait, look, error);
		}
		clear(look);
		if (rv == 1) {
			pause_ms(ms);
			ms = ms * 2 < LOOK_MAX_MS ? ms * 2 : LOOK_MAX_MS;
		}
	}
	return rv;
}
