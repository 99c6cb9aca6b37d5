/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member on its host: the library's own node in a simulated process that
 * can be started, stopped in good order, killed, cut from power, and wiped.
 */
#ifndef SIM_MEMBER_H
#define SIM_MEMBER_H

#include "env.h"
#include "manager.h"
#include "node/node.h"
#include "plan.h"

struct sim_cluster;

enum sim_member_state {
	SIM_MEMBER_NONE, /* there is no such member yet */
	SIM_MEMBER_DOWN,
	SIM_MEMBER_UP,
	SIM_MEMBER_STOPPING,
	SIM_MEMBER_GONE /* for good: removed, or its disk is lost */
};

struct sim_member {
	struct sim_env env;          /* first: its memory and disk are this member's */
	struct sim_manager manager;
	struct sim_cluster *cluster; /* borrowed */
	unsigned number;
	char name[8];
	char address[32];
	enum sim_member_state state;
	struct blx__node *node;
	unsigned incarnation;
	unsigned met; /* bits: who of the founders remembers its data directory */
	bool ghost;   /* made anew under the identity of one whose disk was lost */
	bool hurt;    /* its disk has been at fault: it may stop by itself */
	bool damaged; /* what its disk holds was damaged: it may refuse to start */
	bool changed; /* role, leader or failure changed since last looked at */
	bool leads;
	bool told_failed;
	uint64_t seen_leader;
	uint64_t revision_read; /* the newest that this run has told anybody */
	uint64_t start_budget;  /* the next start gets so far, in file calls; 0: all the
				   way */
	enum sim_end start_end;
	struct sim_event restart;
	struct sim_event late; /* it was to stop, and has not yet */
};

/* Whom this one remembers is marked, before it can be asked no more. */
void sim_member_note_met(const struct sim_member *member);

void sim_member_init(
	struct sim_member *member, struct sim_cluster *cluster, unsigned number);
void sim_member_finish(struct sim_member *member);

/* Makes its directory as that of a founder. */
bool sim_member_found(struct sim_member *member, unsigned founders);

/* Makes its directory as what the cluster answered to a join. */
bool sim_member_join(struct sim_member *member, const struct blx__identity *identity);

/* True: it is up. Else it will be tried again, or it is gone. */
bool sim_member_start(struct sim_member *member);
void sim_member_start_after(struct sim_member *member, uint64_t delay_ns);

void sim_member_end(struct sim_member *member, enum sim_end how);
void sim_member_stop(struct sim_member *member);

/* What a client here takes for the time when it opens a session. */
int64_t sim_member_time_ms(struct sim_member *member);

/* Its process is there, and not on its way out. */
static inline bool sim_member_is_up(const struct sim_member *member)
{
	return member->state == SIM_MEMBER_UP && !member->told_failed;
}

#endif
