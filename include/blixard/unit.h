/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of systemd on this host: start, stop, observe. By itself: a program that is no
 * member of a cluster may use it. Over D-Bus, without a shell and without systemctl.
 *
 * A blx_units is a connection to one service manager with a thread of its own. It comes
 * back by itself after the bus or the manager went away. All functions are safe from
 * any thread, but not at once with blx_units_close(); callbacks run on its thread, and
 * must not call the blocking functions of the same handle.
 */
#ifndef BLIXARD_UNIT_H
#define BLIXARD_UNIT_H

#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_UNIT_NAME_MAX 256 /* with its NUL */

typedef struct blx_units blx_units;

typedef struct blx_units_opts {
	size_t size;
	const char *manager; /* NULL or "": the system's; "user": of the user this process
			      * runs as; "user:UID": of another one, for root */
	const char *address; /* of its bus, "unix:path=..."; NULL: where it is found */
	const char *allow_file; /* which units may be touched: a pattern a line as fnmatch()
				 * has them, # begins a comment; NULL: all */
} blx_units_opts;

#define BLX_UNITS_OPTS_INIT                                                              \
	{                                                                                \
		sizeof(blx_units_opts), NULL, NULL, NULL                                 \
	}
BLX_API void blx_units_opts_init(blx_units_opts *opts);

/* BLX_ECONNECT: it cannot be reached; BLX_EINVAL; BLX_EPERM: the allow file cannot be
 * read. opts is borrowed until return. */
BLX_API int blx_units_open(
	const blx_units_opts *opts, blx_units **ret_units, blx_error *error);
/* Ends what is under way with BLX_ECANCELED. Units are left as they are. NULL is allowed. */
BLX_API void blx_units_close(blx_units *units);

/* ---- doing ---------------------------------------------------------------------------- */

enum blx_unit_verb {
	BLX_UNIT_START = 1,
	BLX_UNIT_STOP = 2,
	BLX_UNIT_RESTART = 3,
	BLX_UNIT_RELOAD = 4,
	BLX_UNIT_RESET_FAILED = 5,
	BLX_UNIT_KILL = 6 /* SIGKILL to all of its processes */
};

/*
 * Does it and waits for the end of systemd's job. Of one that is as it is to be already,
 * 0. Each message says which unit.
 * BLX_EINVAL: no name of a unit, or this kind of unit cannot do that; BLX_ENOENT: there is
 * no such unit; BLX_EMASKED; BLX_EPERM: not allowed by this host's list or by the
 * manager; BLX_ECONFLICT: it goes against another job; BLX_ECANCELED: another job took
 * its place; BLX_EDEPENDENCY: a unit it needs failed; BLX_ESKIPPED: a condition of
 * the unit does not hold; BLX_EFAILED: it failed, the message has systemd's result;
 * BLX_ETIMEOUT: not done within timeout_ms, or within the job's own limit (JobTimeoutSec=);
 * BLX_ECONNECT: the bus went away meanwhile. After these two it may be done yet.
 */
BLX_API int blx_unit_start(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error);
BLX_API int blx_unit_stop(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error);
BLX_API int blx_unit_restart(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error);
BLX_API int blx_unit_reload(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error);
BLX_API int blx_unit_reset_failed(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error);

/* The same, told by cb, exactly once; never inside this call. */
typedef void (*blx_unit_cb)(const char *unit, const blx_error *error, void *data);
BLX_API int blx_unit_call(blx_units *units, int verb, const char *unit, uint32_t timeout_ms,
	blx_unit_cb cb, void *data, blx_error *error);

/* A unit from a command line, that is gone when it has ended. */
typedef struct blx_unit_command {
	size_t size;
	const char *unit;        /* "name.service" */
	const char *const *argv; /* ends with NULL; argv[0] is an absolute path */
	const char *const *env;  /* "NAME=VALUE", ends with NULL; NULL: none */
	const char *description; /* NULL: none */
	uint32_t stop_timeout_ms; /* 0: the manager's */
} blx_unit_command;

#define BLX_UNIT_COMMAND_INIT                                                            \
	{                                                                                \
		sizeof(blx_unit_command), NULL, NULL, NULL, NULL, 0                      \
	}

/* As blx_unit_start(). BLX_EEXIST: there is a unit of that name. */
BLX_API int blx_unit_run(blx_units *units, const blx_unit_command *command,
	uint32_t timeout_ms, blx_error *error);

/* ---- seeing --------------------------------------------------------------------------- */

enum blx_unit_load {
	BLX_UNIT_LOAD_UNKNOWN = 0,
	BLX_UNIT_LOADED = 1,
	BLX_UNIT_NOT_FOUND = 2,
	BLX_UNIT_MASKED = 3,
	BLX_UNIT_BAD = 4 /* its file cannot be read */
};

enum blx_unit_active {
	BLX_UNIT_LOST = 0, /* not known: the manager cannot be reached */
	BLX_UNIT_INACTIVE = 1,
	BLX_UNIT_ACTIVATING = 2, /* also while it waits to be restarted */
	BLX_UNIT_ACTIVE = 3,
	BLX_UNIT_RELOADING = 4,
	BLX_UNIT_DEACTIVATING = 5,
	BLX_UNIT_HAS_FAILED = 6,
	BLX_UNIT_MAINTENANCE = 7
};

typedef struct blx_unit_status {
	size_t size;
	int load;   /* enum blx_unit_load */
	int active; /* enum blx_unit_active */
	int job;    /* 1: systemd has a job for it */
	uint32_t main_pid; /* 0: none */
	uint32_t restarts; /* by systemd itself */
	char sub[32];      /* "running", "auto-restart" */
	char result[32];   /* of its last run: "success", "exit-code", "watchdog" */
	char text[128];    /* what the unit says of itself by sd_notify() */
} blx_unit_status;

/* One that is not loaded is no failure: load says so. */
BLX_API int blx_unit_status_get(blx_units *units, const char *unit, uint32_t timeout_ms,
	blx_unit_status *ret_status, blx_error *error);

typedef struct blx_unit_watch blx_unit_watch;
typedef void (*blx_unit_watch_cb)(
	const char *unit, const blx_unit_status *status, void *data);

/* cb with the status as it is, and with each that differs from the last told; when the bus
 * is lost with BLX_UNIT_LOST, and again when it is back. */
BLX_API int blx_unit_watch_open(blx_units *units, const char *unit, blx_unit_watch_cb cb,
	void *data, blx_unit_watch **ret_watch, blx_error *error);
/* When it returns cb is not running and will not be called again. Not from inside cb. */
BLX_API void blx_unit_watch_close(blx_unit_watch *watch); /* NULL is allowed */

/* The enums as text: "loaded", "active" and so on, as systemctl has them; NULL: no such. */
BLX_API const char *blx_unit_load_text(int load);
BLX_API const char *blx_unit_active_text(int active);

/* ---- the guard and the gate ----------------------------------------------------------- */

/*
 * What makes exclusive units safe when the member is paused, dead or cut off: a member
 * writes to a file below run_dir which of them may run here and until when, and renews
 * it while the cluster confirms its lease.
 *
 * The guard is the process of a unit of its own that exclusive units are bound to. It
 * ends when the time is over and was not renewed, and systemd then stops them; should it
 * be paused itself, systemd's watchdog kills it. Returns when that time has come: 0; or
 * earlier, when stop_fd (-1: none) becomes readable.
 */
BLX_API int blx_guard_run(const char *run_dir, int stop_fd, blx_error *error);

/* May the unit run here now? 0: yes; BLX_EPERM: no, the message says why. What the file does
 * not say is no: after a reboot there is none. manager as in blx_units_opts. *ret_epoch
 * may be NULL. */
BLX_API int blx_gate_check(const char *run_dir, const char *manager, const char *unit,
	uint64_t *ret_epoch, blx_error *error);

#define BLX_RUN_DIR "/run/blixard"

#ifdef __cplusplus
}
#endif

#endif
