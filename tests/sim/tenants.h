/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who hold a lease each, with a value that is bound to it, and keep it
 * through any member, for a while: none may end before its time is over by the
 * clock of the world, and each that is not kept must end.
 */
#ifndef SIM_TENANTS_H
#define SIM_TENANTS_H

#include "guest.h"
#include "watch/history.h"

#include <stdbool.h>

#define SIM_TENANTS_MAX 4

/* The command that makes a lease, and a value of that name bound to it (NULL: none). */
void sim_lease_encode(
	uint64_t id, uint64_t ttl_ms, const char *bound, struct blx__buf *body);

struct sim_tenant {
	struct sim_guest guest; /* first */
	struct sim_tenants *tenants;
	uint64_t id;         /* of the lease; 0: it has none */
	uint64_t ttl_ns;
	uint64_t until_ns;   /* it was promised; 0: it was promised nothing yet */
	uint64_t removed_ns; /* when the lease was ended; 0: it is not */
	uint64_t quit_ns;    /* when it keeps it no longer */
	bool asked;          /* for the lease */
};

struct sim_tenants {
	struct sim_cluster *cluster; /* borrowed */
	unsigned count;
	struct sim_tenant list[SIM_TENANTS_MAX];
	uint64_t kept; /* counters */
	uint64_t ended;
	bool stopping;
};

void sim_tenants_init(struct sim_tenants *tenants, struct sim_guests *guests);

/* Nobody keeps anything any more. */
void sim_tenants_stop(struct sim_tenants *tenants);

/* Some member was the first to apply this. */
void sim_tenants_see(struct sim_tenants *tenants, const struct blx__change *change);

/* Has every lease ended, and nothing is under way? */
bool sim_tenants_done(const struct sim_tenants *tenants);

#endif
