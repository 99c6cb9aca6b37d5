/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a member does as a host: it has its lease kept by the leader (node/hosts.h), runs
 * act/agent with it, and answers what others want to know of its units. Loop thread only.
 *
 * The length of the lease is in the host's own record: a longer one is written there
 * before it is used, a shorter one is used before it is written, and written when what was
 * confirmed for longer is over. So whoever leads knows how long to wait.
 */
#ifndef BLX_NODE_STEWARD_H
#define BLX_NODE_STEWARD_H

#include "act/agent.h"
#include "base/buf.h"
#include "machine/machine.h"
#include "node/request.h"

#include <stdbool.h>
#include <stdint.h>

struct blx__node;

struct blx__steward {
	struct blx__node *node;   /* borrowed */
	struct blx__units *units; /* owned from begin to end; NULL: this member is no host */
	struct blx__agent agent;
	struct blx__post wake;

	/* The lease. */
	uint64_t set_ns;  /* how long it is to be, by the settings */
	uint64_t told_ns; /* and is, by the own record, which is how others know it; 0: not yet */
	struct blx__request keep;
	struct blx__buf body; /* of keep */
	bool keeping;         /* it is under way */
	uint64_t sent_ns;
	uint64_t sent_lease_ns;
	bool confirmed;             /* but the replica is not there yet */
	uint64_t confirmed_revision;
	uint64_t granted_ns;        /* how long the last one was, and until when */
	uint64_t granted_until_ns;
	uint64_t longer_until_ns;   /* one that was longer than what is set now */
	bool lowered; /* what was told when this run began is over */

	/* What is applied concerns services, nodes or migrations: since they were looked at. */
	bool agent_due;
	bool leader_due;
	bool lease_due; /* set_ns and told_ns are to be read again */
};

void blx__steward_init(struct blx__steward *steward, struct blx__node *node);
/* Before the machine is fed. */
void blx__steward_begin(struct blx__steward *steward);
/* This member is a host from here on; the table is taken. */
void blx__steward_units(struct blx__steward *steward, struct blx__units *units);

/* At each tick, and after something was applied. */
void blx__steward_tick(struct blx__steward *steward);
void blx__steward_poll(struct blx__steward *steward);

/* How long this host's lease is to be said to be, in ms; 0: it is no host. */
int64_t blx__steward_lease_ms(struct blx__steward *steward);

/* Answers BLX__OP_CAN_RUN, or hands it on to the member that it is for. */
void blx__steward_can_run(struct blx__steward *steward, struct blx__request *request);

/* Nothing more is begun, and the table of units is closed; cb then. What runs goes on. */
void blx__steward_end(
	struct blx__steward *steward, void (*cb)(void *data), void *data);
void blx__steward_finish(struct blx__steward *steward);

#endif
