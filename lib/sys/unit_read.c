/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "sys/unit_impl.h"

#include <stdio.h>
#include <string.h>

static void end(struct blx__unit_read *read, bool ok)
{
	read->slot = sd_bus_slot_unref(read->slot);
	blx__free(read->path);
	read->path = NULL;
	read->cb(read, ok ? &read->status : NULL);
}

void blx__unit_read_drop(struct blx__unit_read *read)
{
	read->slot = sd_bus_slot_unref(read->slot);
	blx__free(read->path);
	read->path = NULL;
}

/* ---- what it says --------------------------------------------------------------- */

static int index_of(const char *const *texts, const char *text)
{
	int i;

	for (i = 0; texts[i] != NULL; i++) {
		if (strcmp(texts[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

static void set_text(blx_unit_status *status, const char *key, const char *value)
{
	static const char *const loads[] = {
		"", "loaded", "not-found", "masked", "bad-setting", "error", NULL};
	static const char *const actives[] = {"", "inactive", "activating", "active",
		"reloading", "deactivating", "failed", "maintenance", NULL};
	int i;

	if (strcmp(key, "LoadState") == 0) {
		i = index_of(loads, value);
		status->load = i > BLX_UNIT_BAD ? BLX_UNIT_BAD : i > 0 ? i : 0;
	} else if (strcmp(key, "ActiveState") == 0) {
		i = index_of(actives, value);
		status->active = i > 0 ? i : BLX_UNIT_LOST;
	} else if (strcmp(key, "SubState") == 0) {
		(void)snprintf(status->sub, sizeof status->sub, "%s", value);
	} else if (strcmp(key, "Result") == 0) {
		(void)snprintf(status->result, sizeof status->result, "%s", value);
	} else if (strcmp(key, "StatusText") == 0) {
		(void)snprintf(status->text, sizeof status->text, "%s", value);
	}
}

/* One property: text, u, b, or the job. */
static int take_value(
	struct blx__unit_read *read, sd_bus_message *m, const char *key, const char *type)
{
	const char *text;
	const char *path;
	uint32_t number;
	int flag;
	int rv;

	if (strcmp(type, "s") == 0) {
		rv = sd_bus_message_read(m, "v", "s", &text);
		if (rv >= 0) {
			set_text(&read->status, key, text);
		}
		return rv;
	}
	if (strcmp(key, "Job") == 0 && strcmp(type, "(uo)") == 0) {
		rv = sd_bus_message_read(m, "v", "(uo)", &number, &path);
		read->status.job = rv >= 0 && number != 0;
		return rv;
	}
	if (strcmp(type, "u") == 0 &&
		(strcmp(key, "MainPID") == 0 || strcmp(key, "NRestarts") == 0)) {
		rv = sd_bus_message_read(m, "v", "u", &number);
		*(key[0] == 'M' ? &read->status.main_pid : &read->status.restarts) =
			rv >= 0 ? number : 0;
		return rv;
	}
	if (strcmp(type, "b") == 0 && strcmp(key, "ConditionResult") == 0) {
		rv = sd_bus_message_read(m, "v", "b", &flag);
		read->condition = rv >= 0 ? flag : 1;
		return rv;
	}
	return sd_bus_message_skip(m, "v");
}

static bool take_all(struct blx__unit_read *read, sd_bus_message *m)
{
	const char *key;
	const char *type;
	int rv = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (rv >= 0 && (rv = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		rv = sd_bus_message_read(m, "s", &key);
		if (rv >= 0) {
			rv = sd_bus_message_peek_type(m, NULL, &type);
		}
		if (rv >= 0) {
			rv = take_value(read, m, key, type);
		}
		if (rv >= 0) {
			rv = sd_bus_message_exit_container(m);
		}
	}
	return rv >= 0;
}

/* ---- the three questions -------------------------------------------------------- */

static bool ask(struct blx__unit_read *read, const char *interface,
	sd_bus_message_handler_t cb)
{
	read->slot = sd_bus_slot_unref(read->slot);
	return sd_bus_call_method_async(read->bus, &read->slot, BLX__SD_DEST, read->path,
		       "org.freedesktop.DBus.Properties", "GetAll", cb, read, "s",
		       interface) >= 0;
}

static int on_service(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__unit_read *read = data;

	(void)error;
	/* Other kinds of units have none: what is known of it is enough. */
	if (!sd_bus_message_is_method_error(m, NULL)) {
		(void)take_all(read, m);
	}
	end(read, true);
	return 0;
}

static int on_unit(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__unit_read *read = data;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL) || !take_all(read, m) ||
		read->status.active == BLX_UNIT_LOST ||
		!ask(read, BLX__SD_SERVICE, on_service)) {
		end(read, false);
	}
	return 0;
}

static int on_loaded(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__unit_read *read = data;
	const char *path;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL) ||
		sd_bus_message_read(m, "o", &path) < 0 ||
		(read->path = blx__strdup(path)) == NULL ||
		!ask(read, BLX__SD_UNIT, on_unit)) {
		end(read, false);
	}
	return 0;
}

void blx__unit_read_begin(struct blx__unit_read *read, sd_bus *bus, const char *unit)
{
	read->bus = bus;
	read->condition = 1;
	read->status = (blx_unit_status){.size = sizeof read->status};
	if (sd_bus_call_method_async(bus, &read->slot, BLX__SD_DEST, BLX__SD_PATH,
		    BLX__SD_MANAGER, "LoadUnit", on_loaded, read, "s", unit) < 0) {
		read->slot = NULL; /* it is being lost: its user is told by that */
	}
}
