/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/unit_bus.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "sys/hold.h"
#include "sys/text_file.h"
#include "sys/unit_impl.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ALLOW_MAX (1024 * 1024)

/* A watch, and what it was told last. */
struct blx__watched {
	struct blx__list link;
	struct blx__unit_manager *manager;
	struct blx__unit_watch *watch; /* borrowed */
	char *path;                    /* owned; of its object */
	struct blx__unit_read read;
	bool reading;
	bool again; /* it changed while it was read */
	bool told;
	blx_unit_status status; /* that was told */
	struct blx__timer lost; /* to be told that nothing is known */
};

static struct blx__unit_bus *bus_of(struct blx__units *units)
{
	return (struct blx__unit_bus *)units;
}

/* ---- which units ---------------------------------------------------------------- */

int blx__unit_name_check(const char *unit, blx_error *error)
{
	static const char *const suffixes[] = {".service", ".socket", ".target", ".timer",
		".path", ".mount", ".automount", ".slice", ".scope", ".swap", ".device"};
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789:-_.\\@";
	const char *dot = unit != NULL ? strrchr(unit, '.') : NULL;
	size_t i;

	if (dot != NULL && dot != unit && strlen(unit) < BLX_UNIT_NAME_MAX &&
		unit[strspn(unit, chars)] == '\0') {
		for (i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
			if (strcmp(dot, suffixes[i]) == 0) {
				return 0;
			}
		}
	}
	return blx__error_set(error, BLX_EINVAL,
		"\"%.80s\": is no name of a unit, such as web.service",
		unit != NULL ? unit : "");
}

/* Again when it was changed. */
static int read_allow(struct blx__unit_bus *bus, blx_error *error)
{
	struct stat stat_now;
	bool is_there;

	if (bus->allow_file == NULL) {
		return 0;
	}
	is_there = stat(bus->allow_file, &stat_now) == 0;
	if (is_there && bus->allow != NULL &&
		stat_now.st_mtim.tv_sec == bus->allow_at.tv_sec &&
		stat_now.st_mtim.tv_nsec == bus->allow_at.tv_nsec) {
		return 0;
	}
	blx__free(bus->allow);
	bus->allow = NULL;
	if (is_there) {
		bus->allow = blx__file_read(bus->allow_file, 0, ALLOW_MAX);
		bus->allow_at = stat_now.st_mtim;
	}
	return bus->allow != NULL
		       ? 0
		       : blx__error_set(error, BLX_EPERM,
				 "%s: the list of allowed units cannot be read", bus->allow_file);
}

static bool line_allows(const char *line, size_t len, const char *unit)
{
	char pattern[BLX_UNIT_NAME_MAX];

	while (len > 0 && strchr(" \t\r", line[len - 1]) != NULL) {
		len--;
	}
	if (len == 0 || len >= sizeof pattern || line[0] == '#') {
		return false;
	}
	memcpy(pattern, line, len);
	pattern[len] = '\0';
	return fnmatch(pattern, unit, 0) == 0;
}

int blx__unit_allowed(struct blx__unit_bus *bus, const char *unit, blx_error *error)
{
	const char *line;
	int rv = blx__unit_name_check(unit, error);

	if (rv == 0) {
		rv = read_allow(bus, error);
	}
	if (rv != 0 || bus->allow_file == NULL) {
		return rv;
	}
	for (line = bus->allow; *line != '\0'; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");

		if (line_allows(line, len, unit)) {
			return 0;
		}
		line += len;
	}
	return blx__error_set(error, BLX_EPERM,
		"%s: this host does not allow it; its list is %s", unit, bus->allow_file);
}

/* ---- telling -------------------------------------------------------------------- */

static void tell(struct blx__watched *watched, const blx_unit_status *status)
{
	if (watched->told && memcmp(&watched->status, status, sizeof *status) == 0) {
		return;
	}
	watched->told = true;
	watched->status = *status;
	watched->watch->changed(watched->watch, status);
}

static void on_lost(struct blx__timer *timer)
{
	struct blx__watched *watched = timer->data;
	blx_unit_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	if (blx__bus_get(watched->manager->bus) == NULL) {
		tell(watched, &status);
	}
}

static void read_again(struct blx__watched *watched);

static void on_read(struct blx__unit_read *read, const blx_unit_status *status)
{
	struct blx__watched *watched = read->data;

	watched->reading = false;
	if (watched->again || status == NULL) {
		bool again = watched->again;

		watched->again = false;
		if (again) {
			read_again(watched);
		}
		return;
	}
	tell(watched, status);
}

static void read_again(struct blx__watched *watched)
{
	sd_bus *bus = blx__bus_get(watched->manager->bus);

	if (bus == NULL) {
		return;
	}
	if (watched->reading) {
		watched->again = true;
		return;
	}
	memset(&watched->read, 0, sizeof watched->read);
	watched->read.cb = on_read;
	watched->read.data = watched;
	watched->reading = true;
	blx__unit_read_begin(&watched->read, bus, watched->watch->unit);
}

static void read_all(struct blx__unit_manager *manager)
{
	struct blx__list *at;

	blx__list_foreach (at, &manager->watches) {
		read_again(blx__container_of(at, struct blx__watched, link));
	}
}

/* ---- signals -------------------------------------------------------------------- */

static int on_job_removed(sd_bus_message *m, void *data, sd_bus_error *error)
{
	const char *path;
	const char *unit;
	const char *result;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0) {
		blx__unit_job_removed(data, path, result);
	}
	return 0;
}

static int on_properties(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__unit_manager *manager = data;
	const char *path = sd_bus_message_get_path(m);
	struct blx__list *at;

	(void)error;
	blx__list_foreach (at, &manager->watches) {
		struct blx__watched *watched = blx__container_of(at, struct blx__watched, link);

		if (path != NULL && strcmp(watched->path, path) == 0) {
			read_again(watched);
		}
	}
	return 0;
}

/* Unit files are others, or the manager was executed anew. */
static int on_reloaded(sd_bus_message *m, void *data, sd_bus_error *error)
{
	(void)m;
	(void)error;
	read_all(data);
	return 0;
}

static int on_owner(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__unit_manager *manager = data;
	sd_bus *bus = blx__bus_get(manager->bus);
	const char *name;

	(void)error;
	if (bus != NULL && sd_bus_message_read(m, "s", &name) >= 0 &&
		strcmp(name, BLX__SD_DEST) == 0) {
		(void)sd_bus_call_method_async(bus, NULL, BLX__SD_DEST, BLX__SD_PATH,
			BLX__SD_MANAGER, "Subscribe", NULL, NULL, "");
		read_all(manager);
	}
	return 0;
}

static void match(struct blx__unit_manager *manager, sd_bus *bus, const char *path,
	const char *interface, const char *member, sd_bus_message_handler_t cb)
{
	const char *sender = blx__bus_is_direct(manager->bus) ? NULL : BLX__SD_DEST;

	(void)sd_bus_match_signal_async(
		bus, NULL, sender, path, interface, member, cb, NULL, manager);
}

/* Matches first, then Subscribe, then what is asked. */
static void on_up(sd_bus *bus, void *data)
{
	struct blx__unit_manager *manager = data;

	match(manager, bus, BLX__SD_PATH, BLX__SD_MANAGER, "JobRemoved", on_job_removed);
	match(manager, bus, BLX__SD_PATH, BLX__SD_MANAGER, "Reloading", on_reloaded);
	match(manager, bus, NULL, "org.freedesktop.DBus.Properties", "PropertiesChanged",
		on_properties);
	if (!blx__bus_is_direct(manager->bus)) {
		(void)sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged",
			on_owner, NULL, manager);
	}
	(void)sd_bus_call_method_async(bus, NULL, BLX__SD_DEST, BLX__SD_PATH,
		BLX__SD_MANAGER, "Subscribe", NULL, NULL, "");
	read_all(manager);
}

static void on_down(void *data)
{
	struct blx__unit_manager *manager = data;
	struct blx__list *at;

	blx__unit_calls_lost(manager, BLX_ECONNECT);
	blx__list_foreach (at, &manager->watches) {
		struct blx__watched *watched = blx__container_of(at, struct blx__watched, link);

		if (watched->reading) {
			blx__unit_read_drop(&watched->read);
			watched->reading = false;
			watched->again = false;
		}
		(void)blx__timer_start_ms(manager->owner->env, &watched->lost, 0);
	}
}

/* ---- managers ------------------------------------------------------------------- */

static const struct blx__bus_cbs cbs = {.up = on_up, .down = on_down};

struct blx__unit_manager *blx__unit_manager_of(
	struct blx__unit_bus *bus, const char *name, blx_error *error)
{
	struct blx__unit_manager *manager;
	struct blx__list *at;
	bool is_default;

	if (strcmp(name, "system") == 0 && bus->manager == NULL) {
		name = "";
	}
	blx__list_foreach (at, &bus->managers) {
		manager = blx__container_of(at, struct blx__unit_manager, link);
		if (strcmp(manager->name, name) == 0) {
			return manager;
		}
	}
	is_default = name[0] == '\0';
	manager = blx__calloc(1, sizeof *manager);
	if (manager == NULL || strlen(name) >= sizeof manager->name) {
		blx__free(manager);
		(void)blx__error_set(error, manager == NULL ? BLX_ENOMEM : BLX_EINVAL,
			"service manager %.40s: out of memory, or no such", name);
		return NULL;
	}
	manager->owner = bus;
	memcpy(manager->name, name, strlen(name));
	blx__list_init(&manager->watches);
	blx__list_init(&manager->calls);
	if (blx__bus_create(bus->env, is_default && bus->manager != NULL ? bus->manager : name,
		    is_default ? bus->address : NULL, &cbs, manager, &manager->bus, error) !=
		0) {
		blx__free(manager);
		return NULL;
	}
	blx__list_push_back(&bus->managers, &manager->link);
	return manager;
}

/* ---- the table ------------------------------------------------------------------ */

static void on_post(struct blx__post *post)
{
	struct blx__unit_bus *bus = post->data;
	struct blx__list *link;

	while ((link = blx__list_pop_front(&bus->told)) != NULL) {
		blx__unit_call_tell(link);
	}
}

static void op_call(struct blx__units *units, struct blx__unit_call *call)
{
	struct blx__unit_bus *bus = bus_of(units);
	struct blx__doing *doing = blx__unit_call_make(call);
	struct blx__unit_manager *manager = NULL;
	blx_error error = BLX_ERROR_INIT;

	if (doing == NULL) {
		error.code = BLX_ENOMEM; /* the one thing that is told at once */
		call->done(call, &error);
		return;
	}
	if (blx__unit_allowed(bus, call->unit, &error) == 0) {
		manager = blx__unit_manager_of(bus, call->manager, &error);
	}
	if (bus->ending) {
		blx__unit_call_refuse(bus, doing, BLX_ECANCELED, "the handle is closed");
	} else if (manager == NULL) {
		blx__unit_call_refuse(bus, doing, error.code, error.message);
	} else {
		blx__unit_call_begin(manager, call);
	}
}

/* Whoever starts it from now on asks the gate. */
static void gate(struct blx__watched *watched)
{
	struct blx__unit_manager *manager = watched->manager;
	sd_bus *bus = blx__bus_get(manager->bus);
	blx_error error = BLX_ERROR_INIT;
	bool changed;

	if (blx__unit_gate_write(manager, watched->watch->unit,
		    watched->watch->stop_timeout_ms, &changed, &error) != 0) {
		blx__log(BLX__LOG_WARN, "unit", "%s is not gated: %s", watched->watch->unit,
			error.message);
	} else if (changed && bus != NULL) {
		(void)sd_bus_call_method_async(bus, NULL, BLX__SD_DEST, BLX__SD_PATH,
			BLX__SD_MANAGER, "Reload", NULL, NULL, "");
	}
}

static int op_watch(struct blx__units *units, struct blx__unit_watch *watch, blx_error *error)
{
	struct blx__unit_bus *bus = bus_of(units);
	struct blx__unit_manager *manager;
	struct blx__watched *watched;
	int rv = watch->is_probe ? 0 : blx__unit_allowed(bus, watch->unit, error);

	if (rv != 0) {
		return rv;
	}
	manager = blx__unit_manager_of(bus, watch->manager, error);
	if (manager == NULL) {
		return BLX_EINVAL;
	}
	watched = blx__calloc(1, sizeof *watched);
	if (watched == NULL || sd_bus_path_encode(BLX__SD_PATH "/unit", watch->unit,
				       &watched->path) < 0) {
		blx__free(watched);
		return blx__error_set(error, BLX_ENOMEM, "watch %s: out of memory", watch->unit);
	}
	watched->manager = manager;
	watched->watch = watch;
	watch->impl = watched;
	blx__timer_init(&watched->lost, on_lost, watched);
	blx__list_init(&watched->link);
	blx__list_push_back(&manager->watches, &watched->link);
	if (watch->gated) {
		gate(watched);
	}
	if (blx__bus_get(manager->bus) != NULL) {
		read_again(watched);
	} else {
		(void)blx__timer_start_ms(bus->env, &watched->lost, 0);
	}
	return 0;
}

static void op_unwatch(struct blx__units *units, struct blx__unit_watch *watch)
{
	struct blx__watched *watched = watch->impl;

	if (watched == NULL) {
		return;
	}
	if (watched->reading) {
		blx__unit_read_drop(&watched->read);
	}
	blx__timer_stop(bus_of(units)->env, &watched->lost);
	blx__list_remove(&watched->link);
	free(watched->path); /* of libsystemd */
	blx__free(watched);
	watch->impl = NULL;
}

static int op_hold(
	struct blx__units *units, const struct blx__hold *hold, blx_error *error)
{
	struct blx__unit_bus *bus = bus_of(units);
	size_t i;
	int rv = 0;

	for (i = 0; rv == 0 && i < hold->count; i++) {
		rv = blx__unit_env_write(bus, &hold->units[i], error);
	}
	return rv == 0 ? blx__hold_write(bus->run_dir, hold, error) : rv;
}

/* ---- closing -------------------------------------------------------------------- */

static void on_bus_closed(void *data)
{
	struct blx__unit_bus *bus = data;

	if (--bus->closing > 0) {
		return;
	}
	if (bus->post.queued) { /* what it has to tell comes first */
		bus->closing = 1;
		(void)blx__timer_start_ms(bus->env, &bus->closed, 1);
		return;
	}
	bus->close_cb(bus->close_data);
}

static void on_closed_timer(struct blx__timer *timer)
{
	on_bus_closed(timer->data);
}

static void op_close(struct blx__units *units, void (*cb)(void *data), void *data)
{
	struct blx__unit_bus *bus = bus_of(units);
	struct blx__list *at;
	struct blx__list *tmp;

	bus->ending = true;
	bus->close_cb = cb;
	bus->close_data = data;
	bus->closing = 1; /* for the timer: cb is not called inside of this */
	blx__list_foreach_safe (at, tmp, &bus->managers) {
		struct blx__unit_manager *manager =
			blx__container_of(at, struct blx__unit_manager, link);

		blx__unit_calls_lost(manager, BLX_ECANCELED);
		while (!blx__list_empty(&manager->watches)) {
			struct blx__watched *watched = blx__container_of(
				manager->watches.next, struct blx__watched, link);

			op_unwatch(units, watched->watch);
		}
		bus->closing++;
		blx__bus_close(manager->bus, on_bus_closed, bus);
		blx__list_remove(&manager->link);
		blx__free(manager);
	}
	blx__timer_init(&bus->closed, on_closed_timer, bus);
	(void)blx__timer_start_ms(bus->env, &bus->closed, 0);
}

static const struct blx__units_ops ops = {.call = op_call,
	.watch = op_watch,
	.unwatch = op_unwatch,
	.hold = op_hold,
	.close = op_close};

/* ---- the whole ------------------------------------------------------------------ */

void blx__unit_bus_destroy(struct blx__units *units)
{
	struct blx__unit_bus *bus = bus_of(units);

	if (bus != NULL) {
		blx__free(bus->address);
		blx__free(bus->manager);
		blx__free(bus->run_dir);
		blx__free(bus->unit_dir);
		blx__free(bus->allow_file);
		blx__free(bus->guard_command);
		blx__free(bus->allow);
		blx__free(bus);
	}
}

static bool copy(char **to, const char *from)
{
	*to = from != NULL ? blx__strdup(from) : NULL;
	return from == NULL || *to != NULL;
}

static int make_dirs(struct blx__unit_bus *bus, blx_error *error)
{
	char path[4096];
	int rv;

	(void)snprintf(path, sizeof path, "%s/env", bus->run_dir);
	rv = blx__dir_make(path, error);
	return rv != 0 ? rv : read_allow(bus, error);
}

int blx__unit_bus_create(struct blx__env *env, const struct blx__unit_bus_opts *opts,
	struct blx__units **ret_units, blx_error *error)
{
	struct blx__unit_bus *bus = blx__calloc(1, sizeof *bus);
	int rv;

	if (bus == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "units: out of memory");
	}
	bus->units.ops = &ops;
	bus->env = env;
	blx__list_init(&bus->managers);
	blx__list_init(&bus->told);
	blx__post_init(&bus->post, on_post, bus);
	if (!copy(&bus->address, opts->address) || !copy(&bus->manager, opts->manager) ||
		!copy(&bus->run_dir, opts->run_dir != NULL ? opts->run_dir : BLX_RUN_DIR) ||
		!copy(&bus->unit_dir, opts->unit_dir) ||
		!copy(&bus->allow_file, opts->allow_file) ||
		!copy(&bus->guard_command, opts->guard_command)) {
		rv = blx__error_set(error, BLX_ENOMEM, "units: out of memory");
	} else {
		rv = opts->holds_nothing ? read_allow(bus, error) : make_dirs(bus, error);
	}
	if (rv == 0 && blx__unit_manager_of(bus, "", error) == NULL) {
		rv = error != NULL && error->code != 0 ? error->code : BLX_EINVAL;
	}
	if (rv != 0) {
		blx__unit_bus_destroy(&bus->units);
		return rv;
	}
	*ret_units = &bus->units;
	return 0;
}
