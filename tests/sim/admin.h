/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operator: changes of the membership and handing over of leadership, one at
 * a time, asked of any member; and what a good one does about the answers.
 */
#ifndef SIM_ADMIN_H
#define SIM_ADMIN_H

#include "base/buf.h"
#include "cluster.h"
#include "node/request.h"

struct sim_admin_call;

struct sim_admin {
	struct sim_cluster *cluster; /* borrowed */
	struct sim_admin_call *call; /* owned; NULL: none under way */
	int code;                    /* what the last one came to */
	uint64_t done;               /* counters */
	uint64_t refused;
};

void sim_admin_init(struct sim_admin *admin, struct sim_cluster *cluster);
void sim_admin_finish(struct sim_admin *admin);

/* Asks via a member for an op of enum blx__op on another one. False: one is under way. */
bool sim_admin_ask(struct sim_admin *admin, struct sim_member *via, uint8_t op,
	struct sim_member *target);

bool sim_admin_busy(const struct sim_admin *admin);

/* The member's process ended: nobody will answer. */
void sim_admin_on_end(struct sim_admin *admin, const struct sim_member *member);

#endif
