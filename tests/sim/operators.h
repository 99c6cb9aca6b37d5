/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who say what is to run: they define services, start and stop them, have them
 * moved, drain nodes, say that some are dead, and take it back, each by a replica that
 * may be old. When all is quiet again each service that is wanted runs once, no other
 * does, and no migration is left.
 */
#ifndef SIM_OPERATORS_H
#define SIM_OPERATORS_H

#include "guest.h"
#include "manager.h"
#include "watch/history.h"

#include <stdbool.h>

#define SIM_OPERATORS_MAX 2

struct sim_operator {
	struct sim_guest guest; /* first */
	struct sim_operators *operators;
	unsigned defined; /* so many services */
};

struct sim_operators {
	struct sim_cluster *cluster; /* borrowed */
	unsigned count;
	struct sim_operator list[SIM_OPERATORS_MAX];
	uint64_t asked; /* counter */
	uint64_t migrations;
	bool stopping;
	bool undone; /* what would keep services from running is taken back */
};

void sim_operators_init(struct sim_operators *operators, struct sim_guests *guests);
void sim_operators_stop(struct sim_operators *operators);

/* Some member was the first to apply this: services and migrations are part of the story. */
void sim_operators_see(struct sim_operators *operators, const struct blx__change *change);

/* All is as it should be. Else says what is not. */
bool sim_operators_done(struct sim_operators *operators, char *ret_why, size_t size);

#endif
