/* SPDX-License-Identifier: Apache-2.0 */
/* All members, the network between them, and what is known of the whole. */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include "checks.h"
#include "member.h"
#include "net.h"
#include "plan.h"
#include "world.h"

struct sim_cluster {
	struct sim_world *world;     /* borrowed */
	const struct sim_plan *plan; /* borrowed */
	struct sim_net net;
	struct sim_checks checks;
	struct sim_copies copies;
	struct sim_member members[SIM_HOSTS_MAX];
	unsigned count; /* that were ever made */
	bool over;      /* who stops now is not started again */

	/* A member's process is no more. May be NULL. */
	void (*on_end)(struct sim_member *member, void *data);
	void *data;
};

/* Founded, and started. False: that failed, and the world says how. */
bool sim_cluster_create(struct sim_cluster *cluster, struct sim_world *world,
	const struct sim_plan *plan);
void sim_cluster_finish(struct sim_cluster *cluster);

/* The one that leads in the greatest term; NULL: none. */
struct sim_member *sim_cluster_leader(struct sim_cluster *cluster);

/* Any that is up; NULL: none. */
struct sim_member *sim_cluster_any(struct sim_cluster *cluster, struct blx__rng *rng);

/* A slot for one more member; NULL: there is none left. */
struct sim_member *sim_cluster_spare(struct sim_cluster *cluster);

/* Is it, by the configuration of the leader, a member that has the whole log? */
bool sim_cluster_has(struct sim_cluster *cluster, const struct sim_member *member);
bool sim_cluster_votes(struct sim_cluster *cluster, const struct sim_member *member);

void sim_cluster_link_all(struct sim_cluster *cluster);

/* Who is what, when nobody leads. */
void sim_cluster_tell_leaderless(
	const struct sim_cluster *cluster, char *ret_why, size_t size);

/* All that are in the configuration are up, have applied the same, and nothing is left to
 * do. Else says what is missing. */
bool sim_cluster_settled(struct sim_cluster *cluster, char *ret_why, size_t size);

#endif
