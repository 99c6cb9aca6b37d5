/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "admin.h"
#include "base/assert.h"
#include "base/log.h"
#include "cluster.h"
#include "memory.h"
#include "mutate.h"
#include "nemesis.h"
#include "node/impl.h"
#include "operators.h"
#include "starters.h"
#include "tenants.h"
#include "watchers.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>

/* Without faults the cluster must be of use again within this. */
#define LIVE_NS (30 * SIM_S)

struct run {
	struct sim_world world;
	struct sim_cluster cluster;
	struct sim_workload workload;
	struct sim_admin admin;
	struct sim_nemesis nemesis;
	struct sim_guests guests;
	struct sim_watchers watchers;
	struct sim_tenants tenants;
	struct sim_starters starters;
	struct sim_operators operators;
	uint64_t snapshots;
	uint64_t installs;
};

static void count_member(struct run *run, const struct sim_member *member)
{
	run->snapshots += member->node->counters.snapshots_taken;
	run->installs += member->node->counters.snapshots_installed;
}

static void on_end(struct sim_member *member, void *data)
{
	struct run *run = data;

	sim_workload_on_end(&run->workload, member);
	sim_admin_on_end(&run->admin, member);
	sim_guests_on_end(&run->guests, member);
}

static void on_change(const struct blx__change *change, void *data)
{
	struct run *run = data;

	sim_tenants_see(&run->tenants, change);
	sim_starters_see(&run->starters, change);
	sim_operators_see(&run->operators, change);
}

/* What the library says of itself is part of the story. */
static void on_log(int level, const char *component, const char *message, void *data)
{
	struct sim_env *env = sim_env_current();

	sim_tell(data, NULL, "  [%s] %s", env != NULL ? env->host.name : "-", message);
}

static void run_until(struct run *run, uint64_t at_ns, uint64_t steps_max)
{
	while (sim_world_step(&run->world, at_ns)) {
		if (steps_max != 0 && run->world.steps >= steps_max) {
			return;
		}
	}
}

/* Each client is served again. */
static void run_load(struct run *run, const struct sim_plan *plan)
{
	uint64_t wanted = run->workload.oks + 2 * plan->clients;
	uint64_t began = run->world.now_ns;

	run_until(run, began + plan->load_ns, 0);
	while (!run->world.failed && run->workload.oks < wanted) {
		if (run->world.now_ns > began + LIVE_NS) {
			sim_fail(&run->world,
				"liveness: %llu operations in %u s without faults, %llu "
				"expected",
				(unsigned long long)(run->workload.oks +
						     2 * plan->clients - wanted),
				(unsigned)(LIVE_NS / SIM_S),
				2 * (unsigned long long)plan->clients);
			return;
		}
		run_until(run, run->world.now_ns + 100 * SIM_MS, 0);
	}
}

/* Nothing is under way, and all replicas are the same. */
static void run_quiet(struct run *run)
{
	uint64_t began = run->world.now_ns;
	char why[256];

	sim_workload_stop(&run->workload);
	sim_tenants_stop(&run->tenants);
	sim_starters_stop(&run->starters);
	sim_operators_stop(&run->operators);
	while (!run->world.failed) {
		run_until(run, run->world.now_ns + 100 * SIM_MS, 0);
		if (!sim_workload_idle(&run->workload)) {
			(void)snprintf(why, sizeof why, "a client waits for an answer");
		} else if (!sim_tenants_done(&run->tenants)) {
			(void)snprintf(why, sizeof why, "a lease has not ended");
		} else if (!sim_starters_done(&run->starters)) {
			(void)snprintf(why, sizeof why, "something is reserved for nobody");
		} else if (!sim_watchers_done(&run->watchers)) {
			(void)snprintf(why, sizeof why, "a watcher was not told all");
		} else if (sim_operators_done(&run->operators, why, sizeof why) &&
			   sim_cluster_settled(&run->cluster, why, sizeof why)) {
			return;
		}
		if (run->world.now_ns > began + LIVE_NS) {
			sim_fail(&run->world,
				"liveness: %u s without faults and load, and %s",
				(unsigned)(LIVE_NS / SIM_S), why);
		}
	}
}

static bool all_down(const struct run *run)
{
	unsigned i;

	for (i = 0; i < run->cluster.count; i++) {
		if (run->cluster.members[i].node != NULL) {
			return false;
		}
	}
	return true;
}

/* All end in good order, and leave nothing. Each is held to its time by itself. */
static void run_down(struct run *run)
{
	unsigned i;

	run->cluster.over = true;
	for (i = 0; i < run->cluster.count; i++) {
		struct sim_member *member = &run->cluster.members[i];

		sim_event_cancel(&run->world, &member->restart);
		if (member->state == SIM_MEMBER_UP) {
			count_member(run, member);
			sim_member_stop(member);
		}
	}
	while (!run->world.failed && !all_down(run)) {
		run_until(run, run->world.now_ns + 100 * SIM_MS, 0);
	}
}

static void run_all(struct run *run, const struct sim_plan *plan)
{
	if (!sim_cluster_create(&run->cluster, &run->world, plan)) {
		return;
	}
	run->cluster.checks.on_change = on_change;
	run->cluster.checks.data = run;
	sim_workload_begin(&run->workload);
	sim_guests_begin(&run->guests);
	sim_nemesis_begin(&run->nemesis);
	run_until(run, plan->chaos_ns, plan->steps_max);
	if (!run->world.failed) {
		sim_nemesis_end(&run->nemesis);
		run_load(run, plan);
	}
	if (!run->world.failed) {
		run_quiet(run);
	}
	if (!run->world.failed) {
		sim_workload_check(&run->workload);
		sim_checks_finally(&run->cluster.checks);
	}
	if (!run->world.failed) {
		run_down(run);
	}
}

static void outcome_of(const struct run *run, struct sim_outcome *ret)
{
	unsigned i;

	*ret = (struct sim_outcome){.seed = run->world.seed,
		.failed = run->world.failed,
		.hash = run->world.hash,
		.steps = run->world.steps,
		.virtual_ns = run->world.now_ns,
		.oks = run->workload.oks,
		.conflicts = run->workload.conflicts,
		.unknowns = run->workload.unknowns,
		.retries = run->workload.retries,
		.too_hard = run->workload.too_hard,
		.terms = run->cluster.checks.terms,
		.applied = run->cluster.checks.last_index,
		.messages = run->cluster.net.messages,
		.snapshots = run->snapshots,
		.installs = run->installs,
		.changes = run->admin.done,
		.events = run->watchers.events,
		.compacted = run->watchers.compacted,
		.leases_kept = run->tenants.kept,
		.leases_ended = run->tenants.ended,
		.reserved = run->starters.made,
		.reserved_lost = run->starters.lost,
		.operated = run->operators.asked,
		.started = run->cluster.copies.starts,
		.guarded = run->cluster.copies.guarded,
		.gated = run->cluster.copies.denied,
		.hung = run->cluster.copies.hung};
	memcpy(ret->failure, run->world.failure, sizeof ret->failure);
	memcpy(ret->faults, run->nemesis.count, sizeof ret->faults);
	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		const struct sim_disk *disk = &run->cluster.members[i].env.disk;

		ret->disk_writes += disk->writes;
		ret->sectors_lost += disk->sectors_lost;
		ret->names_lost += disk->names_lost;
	}
}

void sim_run(const struct sim_plan *plan, FILE *story, struct sim_outcome *ret_outcome)
{
	struct run *run = sim_alloc(sizeof *run);
	char text[512];

	sim_world_init(&run->world, plan->seed, story);
	if (story != NULL) {
		blx__log_set(on_log, BLX__LOG_INFO, &run->world);
		sim_plan_format(plan, text, sizeof text);
		sim_tell(&run->world, NULL, "seed %llu: %s",
			(unsigned long long)plan->seed, text);
	}
	sim_taps_set(&run->cluster.checks, plan->trailing);
	run->cluster.on_end = on_end;
	run->cluster.data = run;
	run->cluster.plan = plan;
	run->cluster.world = &run->world;
	sim_workload_init(&run->workload, &run->cluster);
	sim_admin_init(&run->admin, &run->cluster);
	sim_guests_init(&run->guests, &run->cluster);
	sim_watchers_init(&run->watchers, &run->guests, &run->cluster.checks.feed);
	sim_tenants_init(&run->tenants, &run->guests);
	sim_starters_init(&run->starters, &run->guests);
	sim_operators_init(&run->operators, &run->guests);
	sim_nemesis_init(&run->nemesis, &run->cluster, &run->admin);
	run_all(run, plan);
	outcome_of(run, ret_outcome);
	sim_workload_finish(&run->workload);
	sim_guests_finish(&run->guests);
	sim_admin_finish(&run->admin);
	sim_cluster_finish(&run->cluster);
	sim_world_finish(&run->world);
	blx__log_set(NULL, 0, NULL);
	free(run);
}
