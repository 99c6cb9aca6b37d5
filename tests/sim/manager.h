/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager of a simulated host, behind the table of sys/unit.h: units take
 * their time to start and to stop, fail, hang, crash, are stopped by hand; the bus is lost at
 * times; and the guard stops what is exclusive when the lease is over by the clock of the
 * host, whatever became of the member. What it was asked is done even if who asked is
 * dead by then. It ends with the host's power only.
 *
 * Who runs where is known to all of them: of an exclusive unit there may be one at a
 * time, and none with a token older than one that was seen.
 */
#ifndef SIM_MANAGER_H
#define SIM_MANAGER_H

#include "env.h"
#include "sys/unit.h"
#include "world.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_UNITS 4

/* Of each unit, over all hosts. */
struct sim_copies {
	struct sim_world *world; /* borrowed */
	unsigned running[SIM_UNITS];
	unsigned where[SIM_UNITS]; /* the last that started */
	uint64_t epoch[SIM_UNITS]; /* the greatest */
	uint64_t starts;           /* counters */
	uint64_t guarded;          /* stopped by the guard */
	uint64_t denied;           /* by the gate */
	uint64_t behind;           /* done behind the cluster's back */
	uint64_t hung;             /* starts that went on until the manager gave up */
};

struct sim_manager;

struct sim_unit {
	struct sim_manager *manager;
	unsigned number;
	int active; /* enum blx_unit_active */
	uint64_t epoch;             /* it was started with */
	uint64_t env_epoch;         /* it will be */
	uint64_t stop_ns;           /* how long it may take */
	int ends;                   /* what its start comes to: 0 or BLX_E... */
	bool again;                 /* to be started when it has stopped */
	struct sim_event next;      /* end of starting or stopping */
	struct sim_message *waits;  /* owned; for that end; NULL: nobody */
	struct blx__unit_watch *watch; /* the process's; NULL: none */
	struct sim_event tell;
};

struct sim_manager {
	struct blx__units units; /* first */
	struct sim_env *env;     /* borrowed */
	struct sim_copies *copies;
	struct blx__rng rng;
	struct blx__rng hangs; /* which starts do */
	struct sim_unit list[SIM_UNITS];
	struct blx__list messages; /* on their way */
	uint64_t hold_until;       /* by the clock of the host; 0: nothing may run */
	bool held[SIM_UNITS];
	struct sim_event guard;
	struct sim_event chance; /* the next that happens by itself */
	uint64_t lost_until_ns;  /* the bus */
	struct sim_event back;
	struct sim_event closed;
	void (*close_cb)(void *data);
	void *close_data;
	bool calm; /* nothing happens by itself any more */
};

void sim_copies_init(struct sim_copies *copies, struct sim_world *world);

void sim_manager_init(struct sim_manager *manager, struct sim_env *env,
	struct sim_copies *copies, unsigned number);
void sim_manager_finish(struct sim_manager *manager);

/* The process ended; the host did, and with it all units. */
void sim_manager_on_end(struct sim_manager *manager, bool power);

void sim_manager_calm(struct sim_manager *manager);

/* "u0.service" and so on. -1: none of ours. */
int sim_unit_number(const char *unit);

#endif
