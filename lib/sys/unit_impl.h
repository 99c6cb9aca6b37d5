/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of sys/unit_bus.h: unit_bus.c has managers, watches and the table,
 * unit_call.c what is done to a unit, unit_read.c how one is read, unit_setup.c the files
 * that bind one to the guard.
 */
#ifndef BLX_SYS_UNIT_IMPL_H
#define BLX_SYS_UNIT_IMPL_H

#include "base/list.h"
#include "sys/bus.h"
#include "sys/unit_bus.h"

#include <time.h>

#define BLX__SD_DEST    "org.freedesktop.systemd1"
#define BLX__SD_PATH    "/org/freedesktop/systemd1"
#define BLX__SD_MANAGER BLX__SD_DEST ".Manager"
#define BLX__SD_UNIT    BLX__SD_DEST ".Unit"
#define BLX__SD_SERVICE BLX__SD_DEST ".Service"

#define BLX__GUARD_UNIT "blixard-guard.service"

struct blx__unit_bus {
	struct blx__units units; /* first */
	struct blx__env *env;    /* borrowed */
	char *address;           /* owned, these; may be NULL */
	char *manager;
	char *run_dir;
	char *unit_dir;
	char *allow_file;
	char *guard_command;
	char *allow; /* what is in the file */
	struct timespec allow_at;
	struct blx__list managers; /* struct blx__unit_manager */
	unsigned closing;          /* buses */
	bool ending;
	struct blx__post post; /* what is to be told soon */
	struct blx__list told; /* calls that have ended */
	struct blx__timer closed;
	void (*close_cb)(void *data);
	void *close_data;
};

struct blx__unit_manager {
	struct blx__list link;
	struct blx__unit_bus *owner; /* borrowed */
	char name[BLX__MANAGER_SIZE];
	struct blx__bus *bus;
	struct blx__list watches; /* struct blx__watched */
	struct blx__list calls;   /* struct blx__doing */
};

/* ---- unit_setup.c ---- */

/* Writes the drop-in; *ret_changed: the manager has to be told. */
int blx__unit_gate_write(struct blx__unit_manager *manager, const char *unit,
	uint32_t stop_timeout_ms, bool *ret_changed, blx_error *error);
/* Its token, where the gate and the drop-in look for it. */
int blx__unit_env_write(struct blx__unit_bus *bus, const struct blx__hold_unit *unit,
	blx_error *error);
/* Where env files are. */
void blx__unit_env_path(
	const struct blx__unit_bus *bus, const char *unit, char *ret_path, size_t size);

/* The messages that start what is not installed. NULL: no memory. */
sd_bus_message *blx__unit_guard_message(struct blx__unit_manager *manager, sd_bus *bus);
sd_bus_message *blx__unit_transient_message(struct blx__unit_manager *manager, sd_bus *bus,
	const char *unit, const struct blx__unit_setup *setup);

/* ---- unit_read.c ---- */

/* Reads one, in three questions; ends with cb, once: NULL: it could not be read. Dropped
 * with blx__unit_read_drop(), cb is not called then. */
struct blx__unit_read {
	sd_bus_slot *slot;
	sd_bus *bus;
	char *path; /* owned */
	blx_unit_status status;
	int condition; /* of its last start: 0: it did not hold */
	void (*cb)(struct blx__unit_read *read, const blx_unit_status *status);
	void *data;
};

void blx__unit_read_begin(struct blx__unit_read *read, sd_bus *bus, const char *unit);
void blx__unit_read_drop(struct blx__unit_read *read);

/* ---- unit_call.c ---- */

struct blx__doing;

/* What a call becomes; NULL: no memory. It begins, or is refused, once, and ends with the
 * call's done(), never inside of that. */
struct blx__doing *blx__unit_call_make(struct blx__unit_call *call);
void blx__unit_call_refuse(struct blx__unit_bus *bus, struct blx__doing *doing, int code,
	const char *text);
/* Of one that has ended: frees it. */
void blx__unit_call_tell(struct blx__list *link);

void blx__unit_call_begin(struct blx__unit_manager *manager, struct blx__unit_call *call);
/* The manager is there no more; what is under way is told so. */
void blx__unit_calls_lost(struct blx__unit_manager *manager, int code);
/* A job has ended. */
void blx__unit_job_removed(
	struct blx__unit_manager *manager, const char *path, const char *result);

/* The code of an error of the bus, and its text with what was done to which unit. */
int blx__unit_error(const char *what, const char *unit, const sd_bus_error *from, int errnum,
	blx_error *error);

/* ---- unit_bus.c ---- */

/* NULL: no memory, or no such manager. */
struct blx__unit_manager *blx__unit_manager_of(
	struct blx__unit_bus *bus, const char *name, blx_error *error);
int blx__unit_allowed(struct blx__unit_bus *bus, const char *unit, blx_error *error);

#endif
