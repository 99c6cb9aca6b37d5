/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include "mutate.h"
#include "node/impl.h"

#include <stdio.h>

void sim_cluster_link_all(struct sim_cluster *cluster)
{
	unsigned from;
	unsigned to;

	for (from = 0; from < SIM_HOSTS_MAX; from++) {
		for (to = 0; to < SIM_HOSTS_MAX; to++) {
			struct sim_link *link = &cluster->net.links[from][to];

			link->latency_ns = cluster->plan->latency_ns;
			link->jitter_ns = cluster->plan->jitter_ns;
			sim_net_cut(&cluster->net, from, to, false);
		}
	}
}

bool sim_cluster_create(
	struct sim_cluster *cluster, struct sim_world *world, const struct sim_plan *plan)
{
	unsigned i;

	cluster->world = world;
	cluster->plan = plan;
	cluster->count = plan->members;
	sim_net_init(&cluster->net, world);
	cluster->net.give_up_ns = plan->give_up_ns;
	sim_checks_init(&cluster->checks, world);
	sim_copies_init(&cluster->copies, world);
	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		sim_member_init(&cluster->members[i], cluster, i);
	}
	sim_cluster_link_all(cluster);
	for (i = 0; i < plan->members; i++) {
		if (!sim_member_found(&cluster->members[i], plan->members)) {
			return false;
		}
		cluster->members[i].env.disk.lying =
			sim_mutations.which == SIM_MUTATE_LYING_DISK;
		if (!sim_member_start(&cluster->members[i])) {
			return false;
		}
	}
	return true;
}

void sim_cluster_finish(struct sim_cluster *cluster)
{
	unsigned i;

	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		sim_member_finish(&cluster->members[i]);
	}
	sim_net_finish(&cluster->net);
	sim_checks_finish(&cluster->checks);
}

struct sim_member *sim_cluster_leader(struct sim_cluster *cluster)
{
	struct sim_member *leader = NULL;
	uint64_t term = 0;
	unsigned i;

	for (i = 0; i < cluster->count; i++) {
		struct sim_member *member = &cluster->members[i];

		if (sim_member_is_up(member) && !member->ghost &&
			blx__node_is_leader(member->node) &&
			member->node->raft.current_term > term) {
			leader = member;
			term = member->node->raft.current_term;
		}
	}
	return leader;
}

struct sim_member *sim_cluster_any(struct sim_cluster *cluster, struct blx__rng *rng)
{
	unsigned first = (unsigned)blx__rng_below(rng, cluster->count);
	unsigned i;

	for (i = 0; i < cluster->count; i++) {
		struct sim_member *member =
			&cluster->members[(first + i) % cluster->count];

		if (sim_member_is_up(member)) {
			return member;
		}
	}
	return NULL;
}

struct sim_member *sim_cluster_spare(struct sim_cluster *cluster)
{
	return cluster->count < SIM_HOSTS_MAX ? &cluster->members[cluster->count] : NULL;
}

static const struct raft_server *server_of(
	struct sim_cluster *cluster, const struct sim_member *member)
{
	struct sim_member *leader = sim_cluster_leader(cluster);
	const struct raft_configuration *conf;
	unsigned i;

	if (leader == NULL || member->node == NULL) {
		return NULL;
	}
	conf = &leader->node->raft.configuration;
	for (i = 0; i < conf->n; i++) {
		if (conf->servers[i].id == member->node->identity.id) {
			return &conf->servers[i];
		}
	}
	return NULL;
}

bool sim_cluster_has(struct sim_cluster *cluster, const struct sim_member *member)
{
	const struct raft_server *server = server_of(cluster, member);

	return server != NULL && server->role != RAFT_SPARE;
}

bool sim_cluster_votes(struct sim_cluster *cluster, const struct sim_member *member)
{
	const struct raft_server *server = server_of(cluster, member);

	return server != NULL && server->role == RAFT_VOTER;
}

static bool member_settled(struct sim_cluster *cluster, const struct sim_member *member,
	const struct raft *lead, char *why, size_t size)
{
	const struct raft *raft;

	if (member->state == SIM_MEMBER_GONE || member->state == SIM_MEMBER_NONE ||
		member->ghost) {
		return true;
	}
	if (!sim_member_is_up(member)) {
		(void)snprintf(why, size, "%s is not up", member->name);
		return false;
	}
	if (!sim_cluster_has(cluster, member)) {
		return true; /* removed, or not in yet */
	}
	raft = &member->node->raft;
	if (raft->last_applied != lead->last_applied ||
		raft->last_applied != lead->commit_index) {
		(void)snprintf(why, size,
			"%s has applied up to index %llu, the leader up to %llu of %llu",
			member->name, (unsigned long long)raft->last_applied,
			(unsigned long long)lead->last_applied,
			(unsigned long long)lead->commit_index);
		return false;
	}
	return true;
}

void sim_cluster_tell_leaderless(const struct sim_cluster *cluster, char *ret_why, size_t size)
{
	size_t len = (size_t)snprintf(ret_why, size, "nobody leads:");
	unsigned i;

	for (i = 0; i < cluster->count && len < size; i++) {
		const struct sim_member *member = &cluster->members[i];

		if (sim_member_is_up(member)) {
			len += (size_t)snprintf(ret_why + len, size - len,
				" %s is %d in term %llu%s", member->name,
				(int)member->node->raft.state,
				(unsigned long long)member->node->raft.current_term,
				member->ghost ? ", made anew" : "");
		} else {
			len += (size_t)snprintf(ret_why + len, size - len, " %s is not up (%d)",
				member->name, (int)member->state);
		}
	}
}

bool sim_cluster_settled(struct sim_cluster *cluster, char *ret_why, size_t size)
{
	struct sim_member *leader = sim_cluster_leader(cluster);
	const struct raft *lead;
	unsigned i;

	if (leader == NULL) {
		sim_cluster_tell_leaderless(cluster, ret_why, size);
		return false;
	}
	lead = &leader->node->raft;
	if (lead->commit_index < cluster->checks.last_index ||
		lead->log.snapshot.last_index > lead->commit_index) {
		(void)snprintf(ret_why, size,
			"the leader has committed up to %llu of %llu",
			(unsigned long long)lead->commit_index,
			(unsigned long long)cluster->checks.last_index);
		return false;
	}
	for (i = 0; i < cluster->count; i++) {
		if (!member_settled(cluster, &cluster->members[i], lead, ret_why, size)) {
			return false;
		}
	}
	return true;
}
