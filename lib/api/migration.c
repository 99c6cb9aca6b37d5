/* SPDX-License-Identifier: Apache-2.0 */
#include "api/change.h"
#include "api/opts.h"
#include "api/service.h"
#include "base/error.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void blx_migration_id(char ret_id[BLX_MIGRATION_ID_SIZE])
{
	static _Atomic uint32_t count;
	uint64_t chance = 0;
	uint64_t ms = (uint64_t)blx__wall_ns() / 1000000;

	if (ret_id == NULL) {
		return;
	}
	if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance) {
		chance = ms * UINT64_C(0x9e3779b97f4a7c15); /* the count tells them apart */
	}
	(void)snprintf(ret_id, BLX_MIGRATION_ID_SIZE, "%012" PRIx64 "%04x%016" PRIx64,
		ms & UINT64_C(0xffffffffffff), (unsigned)(atomic_fetch_add(&count, 1) & 0xffff),
		chance);
}

/* ---- beginning one -------------------------------------------------------------- */

static int check(const blx_service *service, const char *name, const char *to,
	blx_client *client, uint64_t until_ns, blx_error *error)
{
	BLX__CLEANUP_FREE blx_node_info *info = blx__calloc(1, sizeof *info);
	int rv;

	if (info == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "out of memory");
	}
	if (strcmp(service->owner, to) == 0) {
		return blx__error_set(error, BLX_EINVAL, "%s is on %s", name, to);
	}
	if (service->owner[0] == '\0' || service->state != BLX_SERVICE_RUNNING) {
		return blx__error_set(error, BLX_ECONFLICT, "%s is not running, but %s", name,
			blx_record_text(BLX_RECORD_SERVICE, "state", service->state));
	}
	rv = blx_record_get(client, BLX_RECORD_NODE, to, 1, blx__left_ms(until_ns), info, NULL,
		error);
	blx_record_clear(BLX_RECORD_NODE, info);
	return rv == BLX_ENOENT ? blx__error_set(error, rv, "there is no node %s", to) : rv;
}

static int put(blx_client *client, const char *id, const char *name, const char *from,
	const char *to, uint64_t until_ns, blx_error *error)
{
	BLX__CLEANUP_FREE blx_migration *migration = blx__calloc(1, sizeof *migration);

	if (migration == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "out of memory");
	}
	(void)snprintf(migration->service, BLX_NAME_MAX, "%s", name);
	(void)snprintf(migration->from, BLX_NAME_MAX, "%s", from);
	(void)snprintf(migration->to, BLX_NAME_MAX, "%s", to);
	(void)snprintf(migration->reason, BLX_NAME_MAX, "operator");
	migration->started_at = blx__wall_ns();
	migration->state_at = migration->started_at;
	return blx_record_put(client, BLX_RECORD_MIGRATION, id, migration,
		blx__left_ms(until_ns), NULL, error);
}

static int begin(blx_client *client, const char *id, const char *name, const char *to,
	uint64_t until_ns, blx_error *error)
{
	BLX__CLEANUP_FREE blx_service *service = blx__calloc(1, sizeof *service);
	int rv;

	if (service == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "out of memory");
	}
	rv = blx_record_get(client, BLX_RECORD_SERVICE, name, 1, blx__left_ms(until_ns),
		service, NULL, error);
	if (rv == BLX_ENOENT) {
		return blx__service_absent(error, name);
	}
	if (rv == 0) {
		rv = check(service, name, to, client, until_ns, error);
	}
	if (rv == 0) {
		rv = put(client, id, name, service->owner, to, until_ns, error);
	}
	blx_record_clear(BLX_RECORD_SERVICE, service);
	return rv;
}

int blx_service_migrate(blx_client *client, const char *name, const char *to,
	const blx_service_opts *user_opts, char ret_id[BLX_MIGRATION_ID_SIZE],
	blx_error *error)
{
	struct blx__service_wait wait = {.name = name, .end = BLX__SERVICE_MOVED};
	char id[BLX_MIGRATION_ID_SIZE];
	blx_error why = BLX_ERROR_INIT;
	blx_service_opts opts;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (client == NULL || name == NULL || to == NULL || strlen(name) >= BLX_NAME_MAX ||
		strlen(to) >= BLX_NAME_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"Failed to initiate migration: no client, no name, or no node");
	}
	blx_migration_id(id);
	wait.until_ns = blx__until_ns(opts.timeout_ms);
	rv = begin(client, id, name, to, wait.until_ns, &why);
	if (rv != 0) {
		if (rv != BLX_ENOENT || strncmp(why.message, "Service not found", 17) != 0) {
			(void)blx__error_prefix(&why, "Failed to initiate migration: ");
		}
		blx__error_copy(error, &why);
		return rv;
	}
	if (ret_id != NULL) {
		memcpy(ret_id, id, sizeof id);
	}
	wait.id = id;
	wait.opts = &opts;
	return opts.wait ? blx__service_wait(client, &wait, error) : 0;
}

/* ---- one that is under way ------------------------------------------------------ */

static int change_abort(void *record, int exists, void *data, blx_error *error)
{
	blx_migration *migration = record;

	if (!exists) {
		return blx__error_set(error, BLX_ENOENT,
			"migration %.64s: there is none, or it has ended", (const char *)data);
	}
	if (migration->abort) {
		return 1;
	}
	migration->abort = 1;
	return 0;
}

int blx_migration_abort(
	blx_client *client, const char *id, uint32_t timeout_ms, blx_error *error)
{
	return blx__record_change(client, BLX_RECORD_MIGRATION, id, blx__until_ns(timeout_ms),
		change_abort, (void *)(uintptr_t)id, error);
}

int blx_migration_wait(blx_client *client, const char *id, const blx_service_opts *user_opts,
	blx_error *error)
{
	struct blx__service_wait wait = {.id = id, .end = BLX__SERVICE_MOVED};
	blx_service_opts opts;

	if (client == NULL || id == NULL) {
		return blx__error_set(error, BLX_EINVAL, "wait for a migration: no client or id");
	}
	BLX__OPTS(&opts, user_opts);
	wait.until_ns = blx__until_ns(opts.timeout_ms);
	wait.opts = &opts;
	return blx__service_wait(client, &wait, error);
}
