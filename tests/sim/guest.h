/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody who asks one thing at a time of any member, with patience of its own,
 * and gets an answer or none: what a watcher and the holder of a lease are made of.
 */
#ifndef SIM_GUEST_H
#define SIM_GUEST_H

#include "base/buf.h"
#include "cluster.h"
#include "node/request.h"

struct sim_guest_call;

/* All of a run, in the order in which they came. */
struct sim_guests {
	struct sim_cluster *cluster; /* borrowed */
	struct blx__list list;
};

struct sim_guest {
	struct blx__list link;       /* of all */
	struct sim_cluster *cluster; /* borrowed */
	unsigned number;             /* among those of its name */
	struct blx__rng rng;
	struct sim_event next; /* its turn */
	struct sim_event patience;
	struct sim_guest_call *call; /* the one it waits for; NULL: none */
	struct blx__list calls;      /* all that were not answered */
	uint64_t asked_ns;           /* when it began to wait */

	/* It is its turn: it asks, or lets its turn come again. */
	void (*turn)(struct sim_guest *guest, struct sim_member *member);
	/* What came; NULL: nothing did. The next turn is its own to set. */
	void (*answer)(struct sim_guest *guest, const struct blx__response *response);
};

void sim_guests_init(struct sim_guests *guests, struct sim_cluster *cluster);
void sim_guests_finish(struct sim_guests *guests);

/* The first turn of each comes. */
void sim_guests_begin(struct sim_guests *guests);

/* The member's process ended. */
void sim_guests_on_end(struct sim_guests *guests, const struct sim_member *member);

/* One more; turn and answer are set. name and number are those of its source of chance. */
void sim_guest_init(struct sim_guest *guest, struct sim_guests *guests, const char *name,
	unsigned number);

void sim_guest_turn_after(struct sim_guest *guest, uint64_t delay_ns);

/* body is taken. */
void sim_guest_ask(struct sim_guest *guest, struct sim_member *member, uint8_t op,
	struct blx__buf *body, uint32_t timeout_ms);

#endif
