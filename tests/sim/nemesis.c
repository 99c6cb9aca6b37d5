/* SPDX-License-Identifier: Apache-2.0 */
#include "nemesis.h"

#include "base/assert.h"
#include "node/protocol.h"

#include <stddef.h>

typedef unsigned long long ull;

static struct sim_member *pick(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	struct sim_member *leader = sim_cluster_leader(cluster);

	if (leader != NULL && sim_chance(&nemesis->rng, cluster->plan->leader_bias)) {
		return leader;
	}
	return &cluster->members[blx__rng_below(&nemesis->rng, cluster->count)];
}

static uint64_t some_time(struct sim_nemesis *nemesis)
{
	return sim_spread(&nemesis->rng, 50 * SIM_MS, 3 * SIM_S);
}

/* ---- the network ---- */

static void cut(struct sim_nemesis *nemesis, unsigned from, unsigned to)
{
	if (from != to) {
		sim_net_cut(&nemesis->cluster->net, from, to, true);
	}
}

static void mend_later(struct sim_nemesis *nemesis)
{
	sim_event_after(nemesis->cluster->world, &nemesis->mend, some_time(nemesis));
}

static void on_mend(struct sim_event *event)
{
	struct sim_nemesis *nemesis = event->data;

	sim_cluster_link_all(nemesis->cluster);
	sim_tell(nemesis->cluster->world, NULL, "the network is whole again");
}

static void partition(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	uint64_t sides = blx__rng_u64(&nemesis->rng);
	char left[SIM_HOSTS_MAX + 1] = "";
	unsigned i;
	unsigned k;

	for (i = 0; i < cluster->count; i++) {
		left[i] = (sides >> i) & 1 ? cluster->members[i].name[0] : '-';
		for (k = 0; k < cluster->count; k++) {
			if (((sides >> i) & 1) != ((sides >> k) & 1)) {
				cut(nemesis, i, k);
			}
		}
	}
	sim_tell(cluster->world, NULL, "the network falls in two: %s and the rest", left);
	mend_later(nemesis);
}

static void one_way(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	unsigned i;
	unsigned k;

	for (i = 0; i < cluster->count; i++) {
		for (k = 0; k < cluster->count; k++) {
			if (i != k && sim_chance(&nemesis->rng, 300)) {
				cut(nemesis, i, k);
				sim_tell(cluster->world, cluster->members[k].name,
					"hears nothing from %s",
					cluster->members[i].name);
			}
		}
	}
	mend_later(nemesis);
}

static void isolate(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);
	bool deaf = sim_chance(&nemesis->rng, 700);
	bool mute = !deaf || sim_chance(&nemesis->rng, 700);
	unsigned i;

	for (i = 0; i < nemesis->cluster->count; i++) {
		if (mute) {
			cut(nemesis, victim->number, i);
		}
		if (deaf) {
			cut(nemesis, i, victim->number);
		}
	}
	sim_tell(nemesis->cluster->world, victim->name, "is cut off: %s",
		deaf && mute ? "both ways"
		: deaf       ? "it hears nobody"
			     : "nobody hears it");
	mend_later(nemesis);
}

static void slow(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	struct sim_member *victim = pick(nemesis);
	uint64_t latency = sim_spread(&nemesis->rng, 5 * SIM_MS, 300 * SIM_MS);
	unsigned i;

	for (i = 0; i < cluster->count; i++) {
		struct sim_link *to = &cluster->net.links[i][victim->number];
		struct sim_link *from = &cluster->net.links[victim->number][i];

		to->latency_ns = latency;
		to->jitter_ns = latency;
		if (sim_chance(&nemesis->rng, 500)) {
			from->latency_ns = latency;
		}
	}
	sim_tell(cluster->world, victim->name, "has slow links, %llu ms",
		(ull)(latency / SIM_MS));
	mend_later(nemesis);
}

static void reset(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);
	unsigned i;

	for (i = 0; i < nemesis->cluster->count; i++) {
		if (sim_chance(&nemesis->rng, 600)) {
			sim_net_reset(&nemesis->cluster->net, victim->number, i);
		}
	}
	sim_tell(nemesis->cluster->world, victim->name, "has its connections reset");
}

/* ---- processes and hosts ---- */

static void end_one(
	struct sim_nemesis *nemesis, struct sim_member *victim, enum sim_end how)
{
	if (victim->state != SIM_MEMBER_UP && victim->state != SIM_MEMBER_STOPPING) {
		return;
	}
	sim_member_end(victim, how);
	if (sim_chance(&nemesis->rng, 100)) {
		victim->start_budget = 1 + blx__rng_below(&nemesis->rng, 60);
		victim->start_end =
			sim_chance(&nemesis->rng, 500) ? SIM_END_KILL : SIM_END_POWER;
	}
	sim_member_start_after(victim, sim_spread(&nemesis->rng, 10 * SIM_MS, 2 * SIM_S));
}

static void end(struct sim_nemesis *nemesis, enum sim_end how)
{
	unsigned all = sim_chance(&nemesis->rng, 100) ? 1000 : 0;
	unsigned i;

	if (all == 0) {
		end_one(nemesis, pick(nemesis), how);
		return;
	}
	for (i = 0; i < nemesis->cluster->count; i++) {
		end_one(nemesis, &nemesis->cluster->members[i], how);
	}
}

static void pause_one(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);
	uint64_t time = some_time(nemesis);

	if (victim->state == SIM_MEMBER_UP) {
		sim_tell(nemesis->cluster->world, victim->name, "is paused for %llu ms",
			(ull)(time / SIM_MS));
		sim_env_pause(&victim->env, time);
	}
}

static void clock_change(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);
	int64_t jump;

	if (sim_chance(&nemesis->rng, 500)) {
		uint64_t rate = sim_between(&nemesis->rng, 900000, 1100000);

		sim_env_drift(&victim->env, rate);
		sim_tell(nemesis->cluster->world, victim->name,
			"has a clock that runs at %.1f %%", (double)rate / 1e4);
		return;
	}
	jump = (int64_t)sim_spread(&nemesis->rng, 10, 3 * 3600 * 1000);
	jump = sim_chance(&nemesis->rng, 500) ? jump : -jump;
	victim->env.wall_offset_ms += jump;
	sim_tell(nemesis->cluster->world, victim->name,
		"has its wall clock set by %lld ms", (long long)jump);
}

/* ---- disks ---- */

static void stall(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);
	uint64_t time = some_time(nemesis);

	sim_tell(nemesis->cluster->world, victim->name,
		"has a disk that stalls for %llu ms", (ull)(time / SIM_MS));
	sim_env_stall(&victim->env, time);
}

static void disk_error(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);

	victim->hurt = true;
	victim->env.disk.faults |= sim_chance(&nemesis->rng, 700) ? SIM_DISK_WRITE_ERROR
								  : SIM_DISK_READ_ERROR;
}

static void full(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = pick(nemesis);

	victim->hurt = true;
	victim->env.disk.faults |= SIM_DISK_FULL;
	sim_tell(nemesis->cluster->world, victim->name, "has a full disk");
	sim_event_after(nemesis->cluster->world, &nemesis->room, some_time(nemesis));
}

static void on_room(struct sim_event *event)
{
	struct sim_nemesis *nemesis = event->data;
	unsigned i;

	for (i = 0; i < SIM_HOSTS_MAX; i++) {
		nemesis->cluster->members[i].env.disk.faults &= ~(unsigned)SIM_DISK_FULL;
	}
	sim_tell(nemesis->cluster->world, NULL, "the disks have room");
}

/* Of the founders a minority may lose what it had, and of a single one none. */
static struct sim_member *lose(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	struct sim_member *victim = pick(nemesis);

	if (nemesis->lost >= (cluster->plan->members - 1) / 2 ||
		victim->state == SIM_MEMBER_NONE || victim->state == SIM_MEMBER_GONE ||
		victim->damaged) {
		return NULL;
	}
	nemesis->lost++;
	sim_member_end(victim, SIM_END_POWER);
	victim->damaged = true;
	victim->env.disk.faults = 0;
	sim_event_cancel(cluster->world, &victim->restart);
	return victim;
}

static void wipe(struct sim_nemesis *nemesis)
{
	struct sim_member *victim = lose(nemesis);

	if (victim == NULL) {
		return;
	}
	if (sim_chance(&nemesis->rng, 400) && sim_disk_rot(&victim->env.disk)) {
		sim_tell(nemesis->cluster->world, victim->name,
			"has a bit of its disk turned");
		sim_member_start_after(victim, some_time(nemesis));
		return;
	}
	sim_disk_wipe(&victim->env.disk);
	sim_tell(nemesis->cluster->world, victim->name, "has lost its disk");
	victim->state = SIM_MEMBER_GONE;
}

/* Whom nobody has met gave no vote, and is a founder as others. Else so many must remember it
 * that the others are no majority with it: where fewer do, nobody can tell that it is not the
 * one that it was, and that is not for the cluster to mend. */
static bool can_be_told(const struct sim_cluster *cluster, const struct sim_member *victim)
{
	unsigned founders = cluster->plan->members;
	unsigned majority = founders / 2 + 1;
	unsigned met = (unsigned)__builtin_popcount(victim->met);

	return met == 0 || met > founders - majority;
}

/* What an operator should not do: it has forgotten its votes and what it acknowledged. */
static void make_ghost(struct sim_nemesis *nemesis)
{
	struct sim_cluster *cluster = nemesis->cluster;
	struct sim_member *victim = lose(nemesis);
	unsigned i;

	if (victim == NULL) {
		return;
	}
	for (i = 0; i < cluster->count; i++) {
		sim_member_note_met(&cluster->members[i]);
		cluster->members[i].met &= ~(1u << victim->number); /* it has forgotten whom */
	}
	sim_disk_wipe(&victim->env.disk);
	victim->state = SIM_MEMBER_GONE;
	victim->ghost = victim->met != 0;
	if (victim->number < cluster->plan->members && can_be_told(cluster, victim) &&
		sim_member_found(victim, cluster->plan->members)) {
		sim_tell(cluster->world, victim->name,
			"has lost its disk, and is made anew under its old identity");
		sim_member_start_after(victim, some_time(nemesis));
	}
}

/* ---- the operator ---- */

static void join(struct sim_nemesis *nemesis, struct sim_member *via)
{
	struct sim_member *target = sim_cluster_spare(nemesis->cluster);

	if (target != NULL && sim_admin_ask(nemesis->admin, via, BLX__OP_JOIN, target)) {
		nemesis->cluster->count++;
		sim_tell(nemesis->cluster->world, target->name, "asks %s to be let in",
			via->name);
	}
}

/* With disks lost, a good operator lets nobody go but those who lost them. */
static bool may_go(const struct sim_nemesis *nemesis, const struct sim_member *target)
{
	bool losses = (nemesis->cluster->plan->faults &
			      (SIM_FAULT_WIPE | SIM_FAULT_GHOST)) != 0;

	return !losses || (target->state == SIM_MEMBER_GONE && target->damaged) ||
	       target->ghost;
}

static void members(struct sim_nemesis *nemesis)
{
	static const uint8_t ops[] = {
		BLX__OP_PROMOTE, BLX__OP_PROMOTE, BLX__OP_DEMOTE, BLX__OP_REMOVE};
	struct sim_member *via = sim_cluster_any(nemesis->cluster, &nemesis->rng);
	struct sim_member *target = pick(nemesis);
	uint8_t op = ops[blx__rng_below(&nemesis->rng, sizeof ops)];

	if (via == NULL || via->ghost || sim_admin_busy(nemesis->admin)) {
		return;
	}
	if (sim_chance(&nemesis->rng, 350)) {
		join(nemesis, via);
	} else if (target->state != SIM_MEMBER_NONE &&
		   (op == BLX__OP_PROMOTE || may_go(nemesis, target))) {
		(void)sim_admin_ask(nemesis->admin, via, op, target);
	}
}

static void transfer(struct sim_nemesis *nemesis)
{
	struct sim_member *via = sim_cluster_any(nemesis->cluster, &nemesis->rng);
	struct sim_member *target = &nemesis->cluster->members[blx__rng_below(
		&nemesis->rng, nemesis->cluster->count)];

	if (via != NULL && !via->ghost && target->state != SIM_MEMBER_NONE) {
		(void)sim_admin_ask(nemesis->admin, via, BLX__OP_TRANSFER, target);
	}
}

/* ---- the whole ---- */

static void inflict(struct sim_nemesis *nemesis, enum sim_fault fault)
{
	switch (fault) {
	case SIM_FAULT_PARTITION:
		partition(nemesis);
		break;
	case SIM_FAULT_ONE_WAY:
		one_way(nemesis);
		break;
	case SIM_FAULT_ISOLATE:
		isolate(nemesis);
		break;
	case SIM_FAULT_SLOW:
		slow(nemesis);
		break;
	case SIM_FAULT_RESET:
		reset(nemesis);
		break;
	case SIM_FAULT_KILL:
		end(nemesis, SIM_END_KILL);
		break;
	case SIM_FAULT_POWER:
		end(nemesis, SIM_END_POWER);
		break;
	case SIM_FAULT_STOP:
		sim_member_stop(pick(nemesis));
		break;
	case SIM_FAULT_PAUSE:
		pause_one(nemesis);
		break;
	case SIM_FAULT_STALL:
		stall(nemesis);
		break;
	case SIM_FAULT_DISK:
		disk_error(nemesis);
		break;
	case SIM_FAULT_FULL:
		full(nemesis);
		break;
	case SIM_FAULT_CLOCK:
		clock_change(nemesis);
		break;
	case SIM_FAULT_MEMBERS:
		members(nemesis);
		break;
	case SIM_FAULT_TRANSFER:
		transfer(nemesis);
		break;
	case SIM_FAULT_WIPE:
		wipe(nemesis);
		break;
	case SIM_FAULT_GHOST:
		make_ghost(nemesis);
		break;
	case SIM_FAULT_ALL:
		break;
	}
}

static void again(struct sim_nemesis *nemesis)
{
	uint64_t mean = nemesis->cluster->plan->fault_ns;

	sim_event_after(nemesis->cluster->world, &nemesis->next,
		sim_between(&nemesis->rng, mean / 8, mean * 15 / 8));
}

static void on_next(struct sim_event *event)
{
	struct sim_nemesis *nemesis = event->data;
	unsigned faults = nemesis->cluster->plan->faults;
	unsigned i = (unsigned)blx__rng_below(&nemesis->rng, SIM_FAULTS);

	if (faults == 0) {
		return;
	}
	while ((faults & (1u << i)) == 0) {
		i = (i + 1) % SIM_FAULTS;
	}
	nemesis->count[i]++;
	inflict(nemesis, (enum sim_fault)(1u << i));
	again(nemesis);
}

void sim_nemesis_init(
	struct sim_nemesis *nemesis, struct sim_cluster *cluster, struct sim_admin *admin)
{
	*nemesis = (struct sim_nemesis){.cluster = cluster, .admin = admin};
	sim_world_rng(cluster->world, "nemesis", 0, &nemesis->rng);
	sim_event_init(&nemesis->next, on_next, nemesis);
	sim_event_init(&nemesis->mend, on_mend, nemesis);
	sim_event_init(&nemesis->room, on_room, nemesis);
}

void sim_nemesis_begin(struct sim_nemesis *nemesis)
{
	again(nemesis);
}

static void mend_member(struct sim_nemesis *nemesis, struct sim_member *member)
{
	struct sim_world *world = nemesis->cluster->world;

	member->env.disk.faults = 0;
	member->start_budget = 0;
	if (member->env.rate_ppm != 1000000) {
		sim_env_drift(&member->env, 1000000);
	}
	if (member->state == SIM_MEMBER_DOWN && member->node == NULL) {
		sim_member_start_after(
			member, sim_between(&nemesis->rng, 1, 500) * SIM_MS);
	}
	sim_world_mix(world, member->number, member->state);
}

void sim_nemesis_end(struct sim_nemesis *nemesis)
{
	struct sim_world *world = nemesis->cluster->world;
	unsigned i;

	sim_event_cancel(world, &nemesis->next);
	sim_event_cancel(world, &nemesis->mend);
	sim_event_cancel(world, &nemesis->room);
	sim_tell(world, NULL, "no more faults");
	sim_cluster_link_all(nemesis->cluster);
	for (i = 0; i < nemesis->cluster->count; i++) {
		mend_member(nemesis, &nemesis->cluster->members[i]);
	}
}
