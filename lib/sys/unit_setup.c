/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "sys/text_file.h"
#include "sys/unit_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DROP_IN "50-blixard.conf"
#define TEXT_SIZE 4096

/* ---- files ---------------------------------------------------------------------- */

void blx__unit_env_path(
	const struct blx__unit_bus *bus, const char *unit, char *ret_path, size_t size)
{
	(void)snprintf(ret_path, size, "%s/env/%s", bus->run_dir, unit);
}

int blx__unit_env_write(struct blx__unit_bus *bus, const struct blx__hold_unit *unit,
	blx_error *error)
{
	char path[TEXT_SIZE];
	char text[128];

	blx__unit_env_path(bus, unit->unit, path, sizeof path);
	(void)snprintf(text, sizeof text, "BLIXARD_EPOCH=%" PRIu64 "\n", unit->epoch);
	return blx__file_replace(path, text, strlen(text), error);
}

static bool is_default(const struct blx__unit_manager *manager)
{
	return manager->name[0] == '\0';
}

/* Where the manager looks for what an administrator says. */
static void unit_dir_of(
	const struct blx__unit_manager *manager, char *ret_dir, size_t size)
{
	const struct blx__unit_bus *bus = manager->owner;
	const char *name = is_default(manager) && bus->manager != NULL ? bus->manager
								       : manager->name;
	const char *config = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");

	if (is_default(manager) && bus->unit_dir != NULL) {
		(void)snprintf(ret_dir, size, "%s", bus->unit_dir);
	} else if (strncmp(name, "user:", 5) == 0) {
		(void)snprintf(ret_dir, size, "/run/user/%s/systemd/user", name + 5);
	} else if (strcmp(name, "user") == 0 && config != NULL) {
		(void)snprintf(ret_dir, size, "%s/systemd/user", config);
	} else if (strcmp(name, "user") == 0) {
		(void)snprintf(ret_dir, size, "%s/.config/systemd/user",
			home != NULL ? home : "/nonexistent");
	} else {
		(void)snprintf(ret_dir, size, "%s",
			access("/etc/systemd/system", W_OK) == 0 ? "/etc/systemd/system"
								 : "/run/systemd/system");
	}
}

static void drop_in_text(const struct blx__unit_manager *manager, const char *unit,
	uint32_t stop_timeout_ms, char *ret_text, size_t size)
{
	const struct blx__unit_bus *bus = manager->owner;
	char env[TEXT_SIZE];

	blx__unit_env_path(bus, unit, env, sizeof env);
	(void)snprintf(ret_text, size,
		"# Written by blixard: this unit runs where the cluster says, and nowhere else.\n"
		"[Unit]\n"
		"BindsTo=" BLX__GUARD_UNIT "\n"
		"After=" BLX__GUARD_UNIT "\n"
		"[Service]\n"
		"ExecCondition=%s gate --run-dir %s%s%s %%n\n"
		"EnvironmentFile=-%s\n"
		"TimeoutStopSec=%ums\n"
		"SendSIGKILL=yes\n",
		bus->guard_command, bus->run_dir, is_default(manager) ? "" : " --manager ",
		manager->name, env, (unsigned)stop_timeout_ms);
}

/* Is that what is there? */
static bool file_is(const char *path, const char *text)
{
	BLX__CLEANUP_FREE char *there = blx__file_read(path, 0, 2 * TEXT_SIZE);

	return there != NULL && strcmp(there, text) == 0;
}

int blx__unit_gate_write(struct blx__unit_manager *manager, const char *unit,
	uint32_t stop_timeout_ms, bool *ret_changed, blx_error *error)
{
	char text[2 * TEXT_SIZE];
	char dir[TEXT_SIZE];
	char path[2 * TEXT_SIZE];
	int rv;

	*ret_changed = false;
	if (manager->owner->guard_command == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"%s is exclusive: it is not run without a guard; give the member the path "
			"of the blixard command",
			unit);
	}
	unit_dir_of(manager, dir, sizeof dir);
	(void)snprintf(path, sizeof path, "%s/%s.d", dir, unit);
	drop_in_text(manager, unit, stop_timeout_ms, text, sizeof text);
	rv = blx__dir_make(path, error);
	(void)snprintf(path, sizeof path, "%s/%s.d/" DROP_IN, dir, unit);
	if (rv != 0 || file_is(path, text)) {
		return rv;
	}
	*ret_changed = true;
	return blx__file_replace(path, text, strlen(text), error);
}

/* ---- messages ------------------------------------------------------------------- */

/* "Exec…": one command line. */
static int add_exec(sd_bus_message *m, const char *name, const char *const *argv)
{
	int rv = sd_bus_message_open_container(m, 'r', "sv");
	size_t i;

	rv = rv < 0 ? rv : sd_bus_message_append(m, "s", name);
	rv = rv < 0 ? rv : sd_bus_message_open_container(m, 'v', "a(sasb)");
	rv = rv < 0 ? rv : sd_bus_message_open_container(m, 'a', "(sasb)");
	rv = rv < 0 ? rv : sd_bus_message_open_container(m, 'r', "sasb");
	rv = rv < 0 ? rv : sd_bus_message_append(m, "s", argv[0]);
	rv = rv < 0 ? rv : sd_bus_message_open_container(m, 'a', "s");
	for (i = 0; rv >= 0 && argv[i] != NULL; i++) {
		rv = sd_bus_message_append(m, "s", argv[i]);
	}
	rv = rv < 0 ? rv : sd_bus_message_close_container(m);
	rv = rv < 0 ? rv : sd_bus_message_append(m, "b", 0);
	for (i = 0; rv >= 0 && i < 4; i++) {
		rv = sd_bus_message_close_container(m);
	}
	return rv;
}

static int begin(sd_bus *bus, const char *unit, const char *description, sd_bus_message **m)
{
	int rv = sd_bus_message_new_method_call(
		bus, m, BLX__SD_DEST, BLX__SD_PATH, BLX__SD_MANAGER, "StartTransientUnit");

	rv = rv < 0 ? rv : sd_bus_message_append(*m, "ss", unit, "replace");
	rv = rv < 0 ? rv : sd_bus_message_open_container(*m, 'a', "(sv)");
	rv = rv < 0 ? rv
		    : sd_bus_message_append(*m, "(sv)", "Description", "s", description);
	return rv < 0 ? rv
		      : sd_bus_message_append(*m, "(sv)", "CollectMode", "s",
				"inactive-or-failed");
}

static sd_bus_message *end(sd_bus_message *m, int rv)
{
	rv = rv < 0 ? rv : sd_bus_message_close_container(m);
	rv = rv < 0 ? rv : sd_bus_message_append(m, "a(sa(sv))", 0);
	return rv < 0 ? sd_bus_message_unref(m) : m;
}

sd_bus_message *blx__unit_guard_message(struct blx__unit_manager *manager, sd_bus *bus)
{
	const struct blx__unit_bus *owner = manager->owner;
	const char *argv[] = {owner->guard_command, "guard", "--run-dir", owner->run_dir, NULL};
	sd_bus_message *m = NULL;
	int rv = begin(bus, BLX__GUARD_UNIT, "Ends when the lease of this host does", &m);

	rv = rv < 0 ? rv : add_exec(m, "ExecStart", argv);
	rv = rv < 0 ? rv : sd_bus_message_append(m, "(sv)", "Type", "s", "notify");
	rv = rv < 0 ? rv : sd_bus_message_append(m, "(sv)", "NotifyAccess", "s", "main");
	rv = rv < 0 ? rv
		    : sd_bus_message_append(
			      m, "(sv)", "WatchdogUSec", "t", (uint64_t)60000000);
	rv = rv < 0 ? rv : sd_bus_message_append(m, "(sv)", "WatchdogSignal", "i", 9);
	/* It is told apart from what it guards, and outlives them at a shutdown. */
	rv = rv < 0 ? rv
		    : sd_bus_message_append(m, "(sv)", "TimeoutStopUSec", "t",
			      (uint64_t)1000000);
	return end(m, rv);
}

static int add_setup(struct blx__unit_manager *manager, sd_bus_message *m, const char *unit,
	const struct blx__unit_setup *setup)
{
	const struct blx__unit_bus *owner = manager->owner;
	const char *gate[] = {owner->guard_command, "gate", "--run-dir", owner->run_dir,
		"--manager", manager->name, unit, NULL};
	char epoch[64];
	char node[TEXT_SIZE];
	char service[TEXT_SIZE];
	int rv;

	(void)snprintf(epoch, sizeof epoch, "BLIXARD_EPOCH=%" PRIu64, setup->epoch);
	(void)snprintf(node, sizeof node, "BLIXARD_NODE=%s", setup->node);
	(void)snprintf(service, sizeof service, "BLIXARD_SERVICE=%s", setup->service);
	rv = sd_bus_message_append(
		m, "(sv)", "Environment", "as", 3, epoch, node, service);
	if (rv < 0 || !setup->exclusive) {
		return rv;
	}
	rv = add_exec(m, "ExecCondition", gate);
	rv = rv < 0 ? rv
		    : sd_bus_message_append(m, "(sv)", "BindsTo", "as", 1, BLX__GUARD_UNIT);
	return rv < 0 ? rv : sd_bus_message_append(m, "(sv)", "After", "as", 1, BLX__GUARD_UNIT);
}

sd_bus_message *blx__unit_transient_message(struct blx__unit_manager *manager, sd_bus *bus,
	const char *unit, const struct blx__unit_setup *setup)
{
	sd_bus_message *m = NULL;
	int rv = begin(bus, unit, setup->service, &m);

	rv = rv < 0 ? rv : add_exec(m, "ExecStart", setup->argv);
	if (rv >= 0 && setup->stop_timeout_ms > 0) {
		rv = sd_bus_message_append(m, "(sv)", "TimeoutStopUSec", "t",
			(uint64_t)setup->stop_timeout_ms * 1000);
	}
	if (rv >= 0 && setup->env != NULL) {
		rv = sd_bus_message_open_container(m, 'r', "sv");
		rv = rv < 0 ? rv : sd_bus_message_append(m, "s", "Environment");
		rv = rv < 0 ? rv : sd_bus_message_open_container(m, 'v', "as");
		rv = rv < 0 ? rv
			    : sd_bus_message_append_strv(m, (char **)(uintptr_t)setup->env);
		rv = rv < 0 ? rv : sd_bus_message_close_container(m);
		rv = rv < 0 ? rv : sd_bus_message_close_container(m);
	}
	if (rv >= 0 && setup->node != NULL) {
		rv = add_setup(manager, m, unit, setup);
	}
	return end(m, rv);
}
