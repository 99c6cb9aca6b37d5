/* SPDX-License-Identifier: Apache-2.0 */
/* Units as systemd has them, over sd-bus: the table of sys/unit.h in production. */
#ifndef BLX_SYS_UNIT_BUS_H
#define BLX_SYS_UNIT_BUS_H

#include "sys/env.h"
#include "sys/unit.h"

struct blx__unit_bus_opts {
	const char *address;   /* of the default manager's bus; NULL: where it is found */
	const char *manager;   /* that "" stands for; NULL: the system's */
	const char *run_dir;   /* NULL: BLX_RUN_DIR */
	const char *unit_dir;  /* for drop-ins of the default manager; NULL: the manager's own */
	const char *allow_file; /* NULL: every unit may be touched */
	/* The command that is the guard and the gate: a path. NULL: there is none, and what is
	 * exclusive is not run here. */
	const char *guard_command;
	bool holds_nothing; /* it is of no cluster's concern: there is no run directory */
};

/* All is copied. BLX_EPERM: the allow file cannot be read, or the run directory not be made. */
int blx__unit_bus_create(struct blx__env *env, const struct blx__unit_bus_opts *opts,
	struct blx__units **ret_units, blx_error *error);

/* After close()'s cb. */
void blx__unit_bus_destroy(struct blx__units *units);

/* Is it the name of a unit? BLX_EINVAL. */
int blx__unit_name_check(const char *unit, blx_error *error);

#endif
