/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units of service managers, as a table: production fills it with sd-bus
 * (sys/unit_bus.h), the simulator with a fake one. A manager is named by text: "" is
 * the system's, "user" that of the user this process runs as, "user:UID" another's.
 *
 * Nothing here is remembered over a restart of this process but what the manager itself
 * and the guard know. Loop thread only; callbacks never inside the call that asked.
 */
#ifndef BLX_SYS_UNIT_H
#define BLX_SYS_UNIT_H

#include "base/error.h"
#include "base/list.h"

#include <blixard/unit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__MANAGER_SIZE 24

struct blx__units;

/* How a unit is to run when the cluster starts it. All borrowed until done. */
struct blx__unit_setup {
	const char *service;     /* the name of the service, for its environment */
	const char *node;        /* of this host; NULL: of no cluster's concern */
	const char *const *env;  /* more of its environment, if transient; may be NULL */
	uint64_t epoch;          /* the fencing token: as in struct blx__hold_unit */
	const char *const *argv; /* ends with NULL: run as a transient unit; NULL: it is
				  * installed */
	uint32_t stop_timeout_ms; /* how long it may take to stop before it is killed */
	bool exclusive; /* bound to the guard, and gated at each start of it */
};

/* One thing to be done to a unit; its memory is the asker's until done. One is under way
 * for each unit, and one to stop it beside one to start it. */
struct blx__unit_call {
	int verb; /* enum blx_unit_verb */
	const char *manager;
	const char *unit;
	const struct blx__unit_setup *setup; /* for START and RESTART; NULL: as it is
					      * installed, neither gated nor bound */
	uint32_t timeout_ms;
	/* One to stop it takes the place of one to start it, which is told BLX_ECANCELED.
	 * error->code 0: the job is done, which does not say that the unit is active.
	 * Otherwise as blx_unit_start() has it; after BLX_ECONNECT and BLX_ETIMEOUT it may
	 * have been done, or be done yet. */
	void (*done)(struct blx__unit_call *call, const blx_error *error);
	void *data;
	struct blx__list link; /* the table's */
	void *impl;            /* likewise */
};

/* Who wants to know how a unit is; memory of the one who watches. */
struct blx__unit_watch {
	const char *manager;
	const char *unit;
	bool gated; /* it is exclusive: it starts here only if the gate says so, whoever
		     * starts it, from the watch on and for good */
	bool is_probe; /* whether the manager answers is the question: no list forbids that */
	uint32_t stop_timeout_ms; /* and then takes so long to be stopped at most, twice */
	/* Soon after watch(), and whenever something of it is another. status->active is
	 * BLX_UNIT_LOST while the manager cannot be reached. Borrowed until return. */
	void (*changed)(struct blx__unit_watch *watch, const blx_unit_status *status);
	void *data;
	struct blx__list link; /* the table's */
	void *impl;
};

/* What the guard and the gate go by: which units may run here, with which token, and
 * until when by the monotonic clock of this host. It replaces what was said before. A unit
 * that is started from then on has the token in its environment. */
struct blx__hold_unit {
	const char *manager;
	const char *unit;
	uint64_t epoch;
};

struct blx__hold {
	uint64_t until_ns;
	const struct blx__hold_unit *units;
	size_t count;
};

struct blx__units_ops {
	void (*call)(struct blx__units *units, struct blx__unit_call *call);
	/* BLX_ENOMEM; BLX_EPERM: this host's own list does not allow the unit; BLX_EINVAL: it is
	 * no name of a unit, or no manager. Then changed() is not called. */
	int (*watch)(struct blx__units *units, struct blx__unit_watch *watch, blx_error *error);
	void (*unwatch)(struct blx__units *units, struct blx__unit_watch *watch);
	/* At once. Exclusive units run while the guard does; it ends, and they are stopped,
	 * when the time is over and no later one was said, whatever became of this process. */
	int (*hold)(struct blx__units *units, const struct blx__hold *hold, blx_error *error);
	/* Ends: calls under way are told BLX_ECANCELED, watches nothing more. What runs goes
	 * on. cb when nothing of it is left on the loop. */
	void (*close)(struct blx__units *units, void (*cb)(void *data), void *data);
};

struct blx__units {
	const struct blx__units_ops *ops;
};

#endif
