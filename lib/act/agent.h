/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host does for the services: it holds what the store wants of it against what
 * its service manager says, does what plan/agent decides, one thing at a time for each
 * unit, and writes back what it sees, relying on the record as it read it. It chooses
 * nothing and remembers nothing that matters: started anew it finds what runs.
 *
 * All that it touches comes in by tables. Loop thread only.
 */
#ifndef BLX_ACT_AGENT_H
#define BLX_ACT_AGENT_H

#include "base/list.h"
#include "machine/image.h"
#include "plan/agent.h"
#include "store/txn.h"
#include "sys/unit.h"

#include <stdbool.h>
#include <stdint.h>

/* Units it looks after at once. */
#define BLX__AGENT_UNITS_MAX 8192

struct blx__agent_ops {
	uint64_t (*mono_ns)(void *data);
	int64_t (*time_ns)(void *data); /* of the cluster */
	/* The caller's reference; NULL: no memory. */
	struct blx__image *(*pin)(void *data);
	uint64_t (*revision)(void *data);
	/* As blx__reconcile_ops has it; blx__agent_ended() with the number. */
	bool (*submit)(const struct blx__txn *txn, uint64_t number, void *data);
	/* blx__agent_look() is called soon. */
	void (*wake)(void *data);
};

struct blx__agent {
	const struct blx__agent_ops *ops;
	void *data;
	struct blx__units *units; /* borrowed */
	char node[BLX_NAME_MAX];
	struct blx__list entries; /* struct entry, by name */
	size_t count;
	uint64_t revision; /* of what it last looked at */
	uint64_t number;   /* of the last report */
	uint64_t begun_ns;
	uint64_t lease_ns;       /* how long one of this host's is */
	uint64_t lease_until_ns; /* 0: none so far */
	bool held;               /* the guard and the gate know what may run */
	bool hold_due;           /* they do not know all of it yet */
	bool ending;
	unsigned under_way; /* reports, and calls of units */
	uint64_t write_again_ns; /* no report before */
	uint64_t answering; /* number of the answer to a migration under way; 0: none */
};

void blx__agent_init(struct blx__agent *agent, const struct blx__agent_ops *ops, void *data,
	struct blx__units *units, const char *node);

/* The lease runs until then; what the store says is at least as of its confirmation. */
void blx__agent_lease(struct blx__agent *agent, uint64_t until_ns);

/* At each tick, and when woken. */
void blx__agent_look(struct blx__agent *agent);

/* A report has ended. */
void blx__agent_ended(struct blx__agent *agent, uint64_t number, int code);

/* Could the service run here, for all the service manager says? 0: yes; BLX_ENOPLACE: no, and
 * why; BLX_EBUSY: not known yet, ask again; BLX_ENOENT: there is no such service; BLX_ENOMEM. */
int blx__agent_can_run(
	struct blx__agent *agent, const char *service, char ret_why[BLX_TEXT_MAX]);

/* Nothing more is begun; calls that are under way end when the table of units is closed. */
void blx__agent_end(struct blx__agent *agent);
/* When the table is closed, and no report is under way. */
void blx__agent_finish(struct blx__agent *agent);

#endif
