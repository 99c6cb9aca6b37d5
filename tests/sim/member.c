/* SPDX-License-Identifier: Apache-2.0 */
#include "member.h"

#include "base/assert.h"
#include "cluster.h"
#include "node/found.h"
#include "node/impl.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define DIR "/blixard"

/* What a program lets its member take to hand over leadership when it ends. */
#define STOP_MS 500

/* One that was asked to stop and is not hindered has stopped by then. */
#define STOP_LATE_NS (20 * SIM_S)

static void on_restart(struct sim_event *event);
static void on_late(struct sim_event *event);
static void on_after(struct sim_env *env, void *data);

void sim_member_init(
	struct sim_member *member, struct sim_cluster *cluster, unsigned number)
{
	const struct sim_plan *plan = cluster->plan;
	unsigned i;

	member->cluster = cluster;
	member->number = number;
	member->state = SIM_MEMBER_NONE;
	(void)snprintf(member->name, sizeof member->name, "%c", (char)('A' + number));
	(void)snprintf(
		member->address, sizeof member->address, "10.0.0.%u:7000", number + 1);
	sim_env_init(&member->env, &cluster->net, number, member->name);
	sim_manager_init(&member->manager, &member->env, &cluster->copies, number);
	member->env.after = on_after;
	member->env.data = member;
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		member->env.queues[i].pace =
			i == BLX__QUEUE_DISK ? plan->disk : plan->work;
	}
	sim_event_init(&member->restart, on_restart, member);
	sim_event_init(&member->late, on_late, member);
}

void sim_member_finish(struct sim_member *member)
{
	sim_event_cancel(member->env.world, &member->restart);
	sim_event_cancel(member->env.world, &member->late);
	sim_manager_finish(&member->manager);
	sim_env_finish(&member->env);
}

/* ---- making one ---- */

bool sim_member_found(struct sim_member *member, unsigned founders)
{
	struct blx__founder list[SIM_HOSTS_MAX];
	struct blx__found_opts opts = {.env = &member->env.env,
		.dir = DIR,
		.cluster = "sim",
		.name = member->name,
		.founders = list,
		.count = founders};
	blx_error error = BLX_ERROR_INIT;
	unsigned i;
	int rv;

	for (i = 0; i < founders; i++) {
		list[i].name = member->cluster->members[i].name;
		list[i].address = member->cluster->members[i].address;
	}
	sim_env_enter(&member->env, true);
	rv = blx__found(&opts, &error);
	sim_env_leave(&member->env);
	if (rv != 0) {
		sim_fail(member->env.world, "%s cannot be founded: %s", member->name,
			error.message);
		return false;
	}
	member->state = SIM_MEMBER_DOWN;
	return true;
}

bool sim_member_join(struct sim_member *member, const struct blx__identity *identity)
{
	blx_error error = BLX_ERROR_INIT;
	int rv;

	sim_env_enter(&member->env, true);
	rv = blx__found_joined(&member->env.env, DIR, identity, &error);
	sim_env_leave(&member->env);
	if (rv != 0 && !member->hurt) {
		sim_fail(member->env.world, "%s cannot be made: %s", member->name,
			error.message);
	}
	member->state = rv == 0 ? SIM_MEMBER_DOWN : SIM_MEMBER_GONE;
	return rv == 0;
}

/* ---- watching it ---- */

static void on_change(void *data)
{
	struct sim_member *member = data;

	member->changed = true;
}

static void on_failed(struct sim_member *member)
{
	blx_error error = BLX_ERROR_INIT;
	int code;

	if (member->told_failed) {
		return;
	}
	member->told_failed = true;
	code = blx__node_failed(member->node, &error);
	sim_tell(member->env.world, member->name, "stops by itself: %s", error.message);
	if (!member->hurt) {
		sim_fail(member->env.world,
			"%s stops by itself with nothing wrong: %s (%s)", member->name,
			error.message, blx_err_name(code));
	}
	if (member->state == SIM_MEMBER_UP) {
		/* What supervises the process ends it and starts another. */
		sim_member_start_after(member, 300 * SIM_MS);
	}
}

static void on_after(struct sim_env *env, void *data)
{
	struct sim_member *member = data;
	struct blx__node_view view;

	if (!member->changed || member->node == NULL) {
		return;
	}
	member->changed = false;
	blx__node_view(member->node, &view);
	if (view.is_failed) {
		on_failed(member);
	}
	if (view.is_leader && !member->leads) {
		sim_checks_leads(&member->cluster->checks, member->number, member->name,
			view.term);
	} else if (!view.is_leader && member->leads) {
		sim_tell(env->world, member->name, "no longer leads, in term %llu",
			(unsigned long long)view.term);
	}
	member->leads = view.is_leader;
}

/* ---- its life ---- */

static int open_and_begin(struct sim_member *member, blx_error *error)
{
	/* Of no capacity: nothing is placed there, but its health is watched. */
	static const blx_node_info host = {
		.capabilities_count = 1, .capabilities = {"simulated"}};
	const struct sim_plan *plan = member->cluster->plan;
	struct blx__node_opts opts = {.env = &member->env.env,
		.data_dir = DIR,
		.insecure_transport = true,
		.lease_reads = plan->leases,
		.host = plan->services ? &host : NULL,
		.election_timeout_ms = plan->election_ms,
		.heartbeat_ms = plan->heartbeat_ms,
		.snapshot_bytes = plan->snapshot_bytes,
		.snapshot_entries = plan->snapshot_entries,
		.segment_bytes = plan->segment_bytes,
		.on_change = on_change,
		.data = member};
	int rv = blx__node_open(&opts, &member->node, error);

	if (rv != 0) {
		member->node = NULL;
		return rv;
	}
	if (plan->operators > 0) {
		blx__node_units(member->node, &member->manager.units);
	}
	return blx__node_begin(member->node, error);
}

void sim_member_note_met(const struct sim_member *member)
{
	const struct blx__known *known = member->node != NULL ? member->node->known : NULL;
	struct sim_cluster *cluster = member->cluster;
	unsigned i;

	if (known == NULL || member->number >= cluster->plan->members) {
		return;
	}
	for (i = 0; i < cluster->plan->members; i++) {
		/* Founders have their ids in their order. */
		if (i != member->number && blx__known_instance(known, i + 1) != 0) {
			cluster->members[i].met |= 1u << member->number;
		}
	}
}

static void end_process(struct sim_member *member, enum sim_end how)
{
	sim_manager_on_end(&member->manager, how == SIM_END_POWER);
	sim_env_end(&member->env, how);
}

static void refused(struct sim_member *member, int code, const blx_error *error)
{
	sim_tell(member->env.world, member->name, "does not start: %s", error->message);
	member->node = NULL;
	end_process(member, SIM_END_KILL);
	member->state = SIM_MEMBER_DOWN;
	if (code == BLX_EIO || code == BLX_ENOSPC) {
		if (!member->hurt) {
			sim_fail(member->env.world, "%s does not start: %s", member->name,
				error->message);
		}
		sim_member_start_after(member, 300 * SIM_MS);
		return;
	}
	if (!member->damaged) {
		sim_fail(member->env.world,
			"%s does not start with nothing wrong: %s (%s)", member->name,
			error->message, blx_err_name(code));
	}
	member->state = SIM_MEMBER_GONE;
}

/* The process or the host ended while it started. */
static bool ended_at_start(struct sim_member *member)
{
	if (member->start_budget == 0) {
		return false;
	}
	member->start_budget = 0;
	if (member->env.disk.budget > 0) {
		member->env.disk.budget = UINT64_MAX;
		return false;
	}
	sim_tell(member->env.world, member->name, "%s while it starts",
		member->start_end == SIM_END_KILL ? "is killed" : "loses power");
	member->node = NULL;
	member->state = SIM_MEMBER_DOWN;
	end_process(member, member->start_end);
	sim_member_start_after(member, 200 * SIM_MS);
	return true;
}

static void run_init(struct sim_member *member)
{
	member->incarnation++;
	member->changed = false;
	member->leads = false;
	member->told_failed = false;
	member->revision_read = 0;
	member->hurt = member->env.disk.faults != 0;
	if (member->start_budget > 0) {
		member->env.disk.budget = member->start_budget;
	}
}

bool sim_member_start(struct sim_member *member)
{
	blx_error error = BLX_ERROR_INIT;
	int rv;

	PRE(member->state == SIM_MEMBER_DOWN);
	sim_host_up(&member->env.host);
	run_init(member);
	sim_env_enter(&member->env, true);
	rv = open_and_begin(member, &error);
	member->state = rv == 0 ? SIM_MEMBER_UP : SIM_MEMBER_DOWN;
	sim_env_leave(&member->env);
	if (ended_at_start(member)) {
		return false;
	}
	if (rv != 0) {
		refused(member, rv, &error);
		return false;
	}
	sim_tell(member->env.world, member->name, "starts");
	return true;
}

void sim_member_start_after(struct sim_member *member, uint64_t delay_ns)
{
	sim_event_after(member->env.world, &member->restart, delay_ns);
}

static void on_restart(struct sim_event *event)
{
	struct sim_member *member = event->data;

	if (member->state == SIM_MEMBER_UP && member->told_failed) {
		sim_member_end(member, SIM_END_KILL);
	}
	if (member->state == SIM_MEMBER_DOWN) {
		(void)sim_member_start(member);
	}
}

static void ended(struct sim_member *member)
{
	sim_event_cancel(member->env.world, &member->late);
	member->node = NULL;
	member->leads = false;
	member->state = SIM_MEMBER_DOWN;
	if (member->cluster->on_end != NULL) {
		member->cluster->on_end(member, member->cluster->data);
	}
}

void sim_member_end(struct sim_member *member, enum sim_end how)
{
	if (member->state != SIM_MEMBER_UP && member->state != SIM_MEMBER_STOPPING) {
		return;
	}
	sim_tell(member->env.world, member->name,
		how == SIM_END_KILL ? "is killed" : "loses power");
	sim_member_note_met(member);
	end_process(member, how);
	ended(member);
}

/* In good order: nothing may be left of it. */
static void on_stopped(void *data)
{
	struct sim_member *member = data;

	/* Inside of its last callback: what is left to do is done by the restart event.
	 */
	member->state = SIM_MEMBER_DOWN;
	sim_event_after(member->env.world, &member->late, 0);
}

static void clean_up(struct sim_member *member)
{
	const char *left;

	sim_member_note_met(member);
	sim_env_enter(&member->env, true);
	blx__node_free(member->node);
	member->node = NULL;
	sim_env_leave(&member->env);
	left = sim_env_left(&member->env);
	if (left != NULL) {
		sim_fail(member->env.world,
			"%s has stopped in good order and leaves %s behind (%zu blocks "
			"of memory, "
			"the first of %zu bytes)",
			member->name, left, member->env.owner.count,
			sim_owner_first(&member->env.owner));
	}
	sim_tell(member->env.world, member->name, "has stopped");
	end_process(member, SIM_END_KILL);
	ended(member);
	if (!member->cluster->over) {
		sim_member_start_after(member, 200 * SIM_MS);
	}
}

static void on_late(struct sim_event *event)
{
	struct sim_member *member = event->data;

	if (member->state == SIM_MEMBER_DOWN && member->node != NULL) {
		clean_up(member);
	} else if (member->state == SIM_MEMBER_STOPPING) {
		sim_fail(member->env.world, "%s was asked to stop %u s ago and has not",
			member->name, (unsigned)(STOP_LATE_NS / SIM_S));
	}
}

void sim_member_stop(struct sim_member *member)
{
	if (member->state != SIM_MEMBER_UP) {
		return;
	}
	sim_tell(member->env.world, member->name, "is asked to stop");
	member->state = SIM_MEMBER_STOPPING;
	sim_event_after(member->env.world, &member->late, STOP_LATE_NS);
	sim_env_enter(&member->env, false);
	blx__node_shut(member->node, STOP_MS, on_stopped, member);
	sim_env_leave(&member->env);
}

int64_t sim_member_time_ms(struct sim_member *member)
{
	int64_t wall = blx__wall_ms(&member->env.env);
	int64_t cluster = blx__machine_time_ms(blx__node_machine(member->node));

	return wall > cluster ? wall : cluster;
}
