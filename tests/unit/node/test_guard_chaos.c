/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random histories: crashes, partitions, one-way cuts, lost messages, slow and
 * failing disks, snapshots, transfers and membership changes. After each, the
 * faults end, and the cluster must come together again.
 *
 * BLX_SEED is the first seed and BLX_SEEDS how many; a history is the same for
 * the same seed. The kind of a history is seed % 6.
 */
#include "support/test.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/conf.h"
#include "node/guard_member.h"
#include "raft_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORM_MS 20000
/* Without pre-votes, members that disagree on who votes may disturb each other for long.
 */
#define HEAL_MS 180000
#define SEEDS   200

struct history {
	struct raft_sim *sim;
	unsigned load;    /* of 20: writes proposed at each step */
	uint64_t value;   /* the last one proposed */
	uint64_t next_ms; /* of the next fault */
	bool disk_faults;
	bool changes;
	bool injected[RAFT_SIM_MEMBERS_MAX +
		      1]; /* its disk was made to fail in this life */
	bool removed[RAFT_SIM_MEMBERS_MAX + 1];
	unsigned changed;
};

static unsigned pick(struct history *history, unsigned bound)
{
	return (unsigned)blx__rng_below(&history->sim->rng, bound);
}

/* ---- members ------------------------------------------------------------- */

static void up(struct history *history, raft_id id)
{
	history->injected[id] = false;
	INVARIANT(raft_sim_start(history->sim, id) == 0);
}

static void down(struct history *history, raft_id id)
{
	struct raft_sim_disk *disk = &history->sim->member[id].disk;

	raft_sim_crash(history->sim, id);
	disk->fail_appends = disk->fail_terms = disk->fail_votes = disk->fail_puts = 0;
}

static void end_failed(struct history *history)
{
	struct raft_sim *sim = history->sim;
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		if (!sim->member[i].running || !sim->member[i].failed) {
			continue;
		}
		if (!history->injected[i]) {
			raft_sim_violate(
				sim, "member %u was ended, and its disk is sound", i);
		}
		down(history, i);
	}
}

static void start_one(struct history *history)
{
	struct raft_sim *sim = history->sim;
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		if (!sim->member[i].running) {
			up(history, i);
			return;
		}
	}
}

/* ---- changes ------------------------------------------------------------- */

static void on_changed(struct raft_change *req, int status)
{
	(void)status;
	blx__free(req);
}

static int begin_change(
	struct history *history, struct raft *raft, raft_id id, struct raft_change *req)
{
	const struct blx__guard *guard = history->sim->member[raft->id].guard;
	const struct raft_server *server = blx__conf_find(&raft->configuration, id);

	if (server == NULL) {
		return blx__member_may_add(
			       guard, history->sim->member[id].address, NULL) == 0
			       ? raft_add(raft, req, id, history->sim->member[id].address,
					 on_changed)
			       : -1;
	}
	if (server->role != RAFT_VOTER) {
		return blx__member_may_promote(guard, id, NULL) == 0
			       ? raft_assign(raft, req, id, RAFT_VOTER, on_changed)
			       : -1;
	}
	if (pick(history, 2) == 0) {
		return blx__member_may_demote(guard, id, NULL) == 0
			       ? raft_assign(raft, req, id, RAFT_STANDBY, on_changed)
			       : -1;
	}
	if (blx__member_may_remove(guard, id, NULL) != 0) {
		return -1;
	}
	history->removed[id] = true; /* perhaps: it is not added again */
	return raft_remove(raft, req, id, on_changed);
}

static void change(struct history *history)
{
	struct raft_sim *sim = history->sim;
	raft_id leader = raft_sim_leader(sim);
	struct raft_change *req;
	raft_id id;

	if (leader == 0) {
		return;
	}
	if (sim->members < RAFT_SIM_MEMBERS_MAX && pick(history, 4) == 0) {
		id = raft_sim_join(sim);
		sim->member[id].threshold = sim->member[1].threshold;
		sim->member[id].trailing = sim->member[1].trailing;
		up(history, id);
	}
	id = 1 + pick(history, sim->members);
	if (history->removed[id] &&
		blx__conf_find(&sim->member[leader].raft.configuration, id) == NULL) {
		return;
	}
	req = blx__calloc(1, sizeof *req);
	if (begin_change(history, &sim->member[leader].raft, id, req) != 0) {
		blx__free(req);
		return;
	}
	history->changed++;
	blx__guard_poll(sim->member[leader].guard);
}

static struct raft_transfer transfers[RAFT_SIM_MEMBERS_MAX + 1];

static void on_transferred(struct raft_transfer *req)
{
	memset(req, 0xa5, sizeof *req);
}

static void transfer(struct history *history)
{
	struct raft_sim *sim = history->sim;
	raft_id leader = raft_sim_leader(sim);

	if (leader != 0 && sim->member[leader].raft.transfer == NULL) {
		(void)raft_transfer(
			&sim->member[leader].raft, &transfers[leader], 0, on_transferred);
		blx__guard_poll(sim->member[leader].guard);
	}
}

/* ---- faults -------------------------------------------------------------- */

static void damage_disk(struct history *history, raft_id id)
{
	struct raft_sim_disk *disk = &history->sim->member[id].disk;

	if (!history->disk_faults || !history->sim->member[id].running) {
		return;
	}
	history->injected[id] = true;
	switch (pick(history, 4)) {
	case 0:
		disk->fail_terms = 1;
		break;
	case 1:
		disk->fail_votes = 1;
		break;
	case 2:
		disk->fail_puts = 1;
		break;
	default:
		disk->fail_appends = 1 + pick(history, 3);
		break;
	}
}

static void slow_down(struct history *history, raft_id id)
{
	struct raft_sim *sim = history->sim;

	sim->member[id].disk.append_ms = 1 + pick(history, pick(history, 4) ? 30 : 400);
	sim->member[id].disk.put_ms = 1 + pick(history, pick(history, 4) ? 30 : 2000);
	sim->member[id].sent_ms = pick(history, pick(history, 4) ? 5 : 300);
	sim->net_ms = 1 + pick(history, pick(history, 4) ? 20 : 150);
}

static void fault(struct history *history)
{
	struct raft_sim *sim = history->sim;
	raft_id a = 1 + pick(history, sim->members);
	raft_id b = 1 + pick(history, sim->members);

	switch (pick(history, 11)) {
	case 0:
		if (sim->member[a].running) {
			down(history, a);
		}
		break;
	case 1:
	case 2:
		start_one(history);
		break;
	case 3:
		raft_sim_cut(sim, a, b, a != b);
		break;
	case 4:
		raft_sim_cut_off(sim, a, true);
		break;
	case 5:
		sim->cut[a][b] = a != b;
		break;
	case 6:
	case 7:
		raft_sim_heal(sim);
		break;
	case 8:
		slow_down(history, a);
		break;
	case 9:
		damage_disk(history, a);
		break;
	default:
		transfer(history);
		break;
	}
}

static void propose(struct history *history)
{
	struct raft_sim *sim = history->sim;
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		struct raft_sim_member *member = &sim->member[i];

		if (member->running && !member->failed &&
			member->raft.state == RAFT_LEADER &&
			pick(history, 20) < history->load && history->value < 9000) {
			(void)raft_sim_propose(sim, i, ++history->value);
		}
	}
}

static void storm(struct history *history)
{
	struct raft_sim *sim = history->sim;

	while (sim->now_ms < STORM_MS && sim->violation[0] == '\0') {
		propose(history);
		raft_sim_run(sim, 1 + pick(history, 10));
		end_failed(history);
		if (history->changes && pick(history, 60) == 0) {
			change(history);
		}
		if (sim->now_ms >= history->next_ms) {
			history->next_ms = sim->now_ms + 20 +
					   pick(history, pick(history, 3) ? 400 : 3000);
			fault(history);
		}
	}
}

/* ---- afterwards ---------------------------------------------------------- */

static void heal(struct history *history)
{
	struct raft_sim *sim = history->sim;
	unsigned i;

	raft_sim_heal(sim);
	sim->loss = 0;
	sim->net_ms = 2;
	for (i = 1; i <= sim->members; i++) {
		struct raft_sim_member *member = &sim->member[i];
		struct raft_sim_disk *disk = &member->disk;

		disk->fail_appends = disk->fail_terms = disk->fail_votes =
			disk->fail_puts = 0;
		disk->append_ms = disk->put_ms = 2;
		member->sent_ms = 0;
		if (!member->running) {
			up(history, i);
		}
	}
}

/* Everybody whom the leader counts as a voter or a stand-by has all of its log. */
static bool together(const struct raft_sim *sim, raft_id leader)
{
	const struct raft *raft = &sim->member[leader].raft;
	unsigned i;

	for (i = 0; i < raft->configuration.n; i++) {
		const struct raft_server *server = &raft->configuration.servers[i];

		if (server->role != RAFT_SPARE &&
			sim->member[server->id].raft.last_applied != raft->last_applied) {
			return false;
		}
	}
	return raft->last_applied == raft->commit_index;
}

static bool comes_together(struct history *history)
{
	struct raft_sim *sim = history->sim;
	uint64_t end_ms = sim->now_ms + HEAL_MS;
	uint64_t last = 0; /* written after all faults */

	while (sim->now_ms < end_ms && sim->violation[0] == '\0') {
		raft_id leader;

		raft_sim_run(sim, 250);
		end_failed(history); /* a write that was to fail may end only now */
		start_one(history);
		leader = raft_sim_leader(sim);
		if (leader == 0) {
			continue;
		}
		if (last != 0 && raft_sim_is_acked(sim, last) && together(sim, leader)) {
			return true;
		}
		if (last == 0 || !raft_sim_is_acked(sim, last)) {
			last = ++history->value;
			if (raft_sim_propose(sim, leader, last) != 0) {
				last = 0;
			}
		}
	}
	return false;
}

/* Nothing that was acknowledged is beyond what the last leader has. */
static void check_survival(struct history *history)
{
	struct raft_sim *sim = history->sim;
	raft_id leader = raft_sim_leader(sim);
	raft_index index;

	for (index = sim->member[leader].raft.last_applied + 1;
		index < RAFT_SIM_INDEX_MAX; index++) {
		if (sim->value_at[index] != 0) {
			raft_sim_violate(sim, "what was applied at %llu is gone", index);
		}
	}
}

static void describe(struct history *history, uint64_t seed, uint32_t without)
{
	struct raft_sim *sim = raft_sim_create(seed + 1, without);
	unsigned kind = (unsigned)(seed % 6);
	unsigned n = kind == 1 || kind == 4 ? 5 : 3;
	unsigned threshold;
	unsigned trailing;
	unsigned i;

	*history = (struct history){.sim = sim,
		.disk_faults = kind == 2 || kind == 4 || kind == 5,
		.changes = kind == 3 || kind == 5};
	history->load = 1 + pick(history, 20);
	history->next_ms = 500 + pick(history, 3000);
	sim->pre_vote = pick(history, 2) == 0;
	sim->net_ms = 1 + pick(history, 30);
	sim->loss = pick(history, 3) == 0 ? 20 : 0;
	sim->piece_max = pick(history, 2) == 0 ? 1 + pick(history, 8) : 0;
	sim->vote_guard_ms = pick(history, 4) == 0 ? 1000 : 0;
	threshold = 20 + pick(history, 60);
	trailing = 1 + pick(history, 40);
	raft_sim_prepare(sim, n, 0);
	for (i = 1; i <= n; i++) {
		sim->member[i].threshold = threshold;
		sim->member[i].trailing = trailing;
		sim->member[i].disk.append_ms = 1 + pick(history, 30);
		up(history, i);
	}
}

/* What is written where the parent sees it, should this process not come to an end. */
struct report {
	uint64_t seed;
	bool bad;
	bool stuck;
	uint64_t acked;
	uint64_t changed;
	char text[256];
};

static void run_one(struct report *report, uint64_t seed, uint32_t without)
{
	struct history history;

	report->seed = seed;
	describe(&history, seed, without);
	storm(&history);
	heal(&history);
	report->stuck = !comes_together(&history);
	if (!report->stuck) {
		check_survival(&history);
	}
	report->bad = raft_sim_violated(history.sim);
	report->acked += history.sim->acked_count;
	report->changed += history.changed;
	memcpy(report->text, history.sim->violation, sizeof report->text);
	raft_sim_destroy(history.sim);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

Test(guard_chaos, no_history_breaks_what_raft_promises, .timeout = 36000)
{
	uint64_t first = number_of("BLX_SEED", 1);
	uint64_t count = number_of("BLX_SEEDS", SEEDS);
	struct report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = -1;
	pid_t pid;

	cr_assert(report != MAP_FAILED);
	cr_log_info("seeds %llu to %llu", (unsigned long long)first,
		(unsigned long long)(first + count - 1));
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		uint64_t seed;

		for (seed = first; seed < first + count && !report->bad && !report->stuck;
			seed++) {
			run_one(report, seed, (uint32_t)number_of("BLX_WITHOUT", 0));
		}
		exit(0); /* through the leak check */
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_log_info("%llu writes acknowledged, %llu changes of membership begun",
		(unsigned long long)report->acked, (unsigned long long)report->changed);
	cr_assert_not(report->bad, "seed %llu: %s", (unsigned long long)report->seed,
		report->text);
	cr_assert_not(report->stuck, "seed %llu does not come together again %s",
		(unsigned long long)report->seed, report->text);
	cr_assert_eq(status, 0, "seed %llu: wait status %#x",
		(unsigned long long)report->seed, (unsigned)status);
	cr_assert_gt(report->acked, 0);
	(void)munmap(report, sizeof *report);
}
