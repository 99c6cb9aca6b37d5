/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults planted on purpose, to see that the checkers find them. None of this
 * is in the library: the simulator is linked so that calls between the
 * library's own files can be led through here (ld --wrap), and so the library
 * that others link cannot be told to do wrong.
 */
#ifndef SIM_MUTATE_H
#define SIM_MUTATE_H

#include <stdbool.h>
#include <stdint.h>

enum sim_mutation {
	SIM_MUTATE_NONE,
	SIM_MUTATE_STALE_READ, /* consistent reads ask nobody */
	SIM_MUTATE_EARLY_ACK,  /* the log says that entries are durable before they are */
	SIM_MUTATE_LYING_DISK, /* the disk says so */
	SIM_MUTATE_TWICE,      /* commands that are sent again are applied again */
	SIM_MUTATE_FORGET_VOTE, /* a vote is not written down */
	SIM_MUTATE_SKIP_ENTRY,  /* a follower leaves one out */
	SIM_MUTATE_LONG_LEASE,  /* leases outlast what they rest on */
	SIM_MUTATE_OLD_AGE,     /* replicas pass for newer than they are */
	SIM_MUTATE_SKIP_EVENT,  /* a watch leaves out a transaction */
	SIM_MUTATE_FAST_LEASE,  /* the time of leases passes twice as fast */
	SIM_MUTATE_STALE_VIEW,  /* a view misses that a value was removed */
	SIM_MUTATE_NO_GUARD,    /* nobody but the member stops what its lease is over for */
	SIM_MUTATE_SHORT_FENCE, /* what a host ran is given away when its lease is over, without
				 * the time to stop it */
	SIM_MUTATE_STALE_REPORT, /* what was seen before a service was taken counts */
	SIM_MUTATE_KEEP_ALWAYS, /* hosts are kept while something is taken from them */
	SIM_MUTATE_CURE         /* of the guard's cures some are left out */
};

struct sim_mutations {
	enum sim_mutation which;
	uint32_t cures;   /* that are left out */
	const char *text; /* as given; NULL: none */
};

extern struct sim_mutations sim_mutations;

/* "stale-read" and so on, or "cure:NUMBER". */
bool sim_mutations_parse(const char *text);

struct sim_checks;

/* Whom what is applied is told, and with how many entries kept behind a snapshot. */
void sim_taps_set(struct sim_checks *checks, unsigned trailing);

#endif
