/* SPDX-License-Identifier: Apache-2.0 */
#include "raft_sim.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NO_SNAPSHOTS (1u << 30)

/* ---- the machine ------------------------------------------------------- */

static struct raft_sim_member *member_of_fsm(struct raft_fsm *fsm)
{
	return fsm->data;
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	uint64_t value;

	INVARIANT(buf->len == sizeof value);
	memcpy(&value, buf->base, sizeof value);
	raft_sim_on_apply(member_of_fsm(fsm), value);
	*result = NULL;
	return 0;
}

static int fsm_snapshot(
	struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
	struct raft_sim_member *member = member_of_fsm(fsm);

	if (!blx__guard_snapshot_ok(member->guard)) {
		return RAFT_BUSY;
	}
	*bufs = raft_malloc(sizeof **bufs);
	(*bufs)[0].len = sizeof member->state;
	(*bufs)[0].base = raft_malloc(sizeof member->state);
	memcpy((*bufs)[0].base, &member->state, sizeof member->state);
	*n_bufs = 1;
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	struct raft_sim_member *member = member_of_fsm(fsm);

	INVARIANT(buf->len == sizeof member->state);
	memcpy(&member->state, buf->base, sizeof member->state);
	raft_free(buf->base);
	raft_sim_on_restore(member, member->state.index);
	return 0;
}

/* ---- members ----------------------------------------------------------- */

static void on_fail(void *data, int status, const char *what)
{
	struct raft_sim_member *member = data;

	INVARIANT(status != 0 && what != NULL);
	INVARIANT(!member->failed);
	member->failed = true;
}

static void on_change(void *data)
{
	raft_sim_on_change(data);
}

static void member_init(struct raft_sim *sim, raft_id id)
{
	struct raft_sim_member *member = &sim->member[id];

	*member = (struct raft_sim_member){.sim = sim,
		.id = id,
		.election_ms = RAFT_SIM_NEVER_MS,
		.disk = {.start = 1, .append_ms = 1, .put_ms = 1}};
	(void)snprintf(member->address, sizeof member->address, "%llu", id);
	blx__list_init(&member->pending);
}

static int guard_up(struct raft_sim_member *member)
{
	struct blx__guard_opts opts = {.raft = &member->raft,
		.inner = &member->io,
		.election_timeout_ms = RAFT_SIM_ELECTION_MS,
		.vote_guard_ms = member->sim->vote_guard_ms,
		.stall_ms = member->sim->stall_ms,
		.on_fail = on_fail,
		.on_change = on_change,
		.data = member,
		.without = member->sim->without};

	raft_sim_io_init(member);
	return blx__guard_create(&opts, &member->guard);
}

int raft_sim_start(struct raft_sim *sim, raft_id id)
{
	struct raft_sim_member *member = &sim->member[id];
	struct raft *raft = &member->raft;
	int rv;

	INVARIANT(!member->running);
	member->generation++;
	member->failed = false;
	member->state = (struct raft_sim_state){0};
	member->disk.busy_ms = member->disk.write_end_ms = 0;
	member->fsm = (struct raft_fsm){.version = 1,
		.data = member,
		.apply = fsm_apply,
		.snapshot = fsm_snapshot,
		.restore = fsm_restore};
	memset(raft, 0, sizeof *raft);
	INVARIANT(guard_up(member) == 0);
	INVARIANT(raft_init(raft, blx__guard_io(member->guard), &member->fsm, id,
			  member->address) == 0);
	raft_set_election_timeout(raft, RAFT_SIM_ELECTION_MS);
	raft_set_heartbeat_timeout(raft, RAFT_SIM_HEARTBEAT_MS);
	raft_set_install_snapshot_timeout(raft, 3000);
	raft_set_pre_vote(raft, sim->pre_vote);
	raft_set_snapshot_threshold(
		raft, member->threshold > 0 ? member->threshold : NO_SNAPSHOTS);
	raft_set_snapshot_trailing(raft, member->trailing);
	member->running = true;
	rv = raft_start(raft);
	if (rv != 0) {
		raft_sim_crash(sim, id);
		return rv;
	}
	blx__guard_poll(member->guard);
	return 0;
}

static void on_closed(struct raft *raft)
{
	raft->data = NULL;
}

static void member_close(struct raft_sim_member *member)
{
	member->running = false;
	member->raft.data = member;
	raft_close(&member->raft, on_closed);
	INVARIANT(member->raft.data == NULL);
}

void raft_sim_crash(struct raft_sim *sim, raft_id id)
{
	struct raft_sim_member *member = &sim->member[id];

	INVARIANT(member->running);
	raft_sim_io_detach(member);
	member_close(member);
	raft_sim_io_cancel(member);
	blx__guard_destroy(member->guard);
	member->guard = NULL;
	member->failed = false;
}

bool raft_sim_close(struct raft_sim *sim, raft_id id)
{
	struct raft_sim_member *member = &sim->member[id];
	unsigned i;

	blx__guard_stop(member->guard);
	for (i = 0; i < 10000 && !blx__guard_drained(member->guard); i++) {
		raft_sim_run(sim, 1);
	}
	if (!blx__guard_drained(member->guard)) {
		return false;
	}
	raft_sim_crash(sim, id);
	return true;
}

/* ---- the cluster ------------------------------------------------------- */

struct raft_sim *raft_sim_create(uint64_t seed, uint32_t without)
{
	struct raft_sim *sim = blx__calloc(1, sizeof *sim);

	INVARIANT(sim != NULL);
	sim->seed = seed;
	sim->without = without;
	sim->net_ms = 1;
	blx__rng_init(&sim->rng, seed);
	blx__heap_init(&sim->events);
	return sim;
}

void raft_sim_destroy(struct raft_sim *sim)
{
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		if (sim->member[i].running) {
			raft_sim_crash(sim, i);
		}
		sim->member[i].running = false;
		raft_sim_disk_finish(&sim->member[i].disk);
	}
	while (raft_sim_step(sim, UINT64_MAX)) {
	}
	blx__heap_finish(&sim->events);
	blx__free(sim->leader_of);
	blx__free(sim->acked);
	blx__free(sim);
}

void raft_sim_prepare(struct raft_sim *sim, unsigned voters, unsigned standbys)
{
	struct raft_entry entry = {.term = 1, .type = RAFT_CHANGE};
	struct raft_configuration conf;
	unsigned i;

	raft_configuration_init(&conf);
	sim->members = voters + standbys;
	INVARIANT(sim->members <= RAFT_SIM_MEMBERS_MAX);
	for (i = 1; i <= sim->members; i++) {
		member_init(sim, i);
		INVARIANT(raft_configuration_add(&conf, i, sim->member[i].address,
				  i <= voters ? RAFT_VOTER : RAFT_STANDBY) == 0);
	}
	INVARIANT(raft_configuration_encode(&conf, &entry.buf) == 0);
	for (i = 1; i <= sim->members; i++) {
		sim->member[i].disk.term = 1;
		raft_sim_disk_add(&sim->member[i].disk, &entry);
	}
	raft_free(entry.buf.base);
	raft_configuration_close(&conf);
}

void raft_sim_found(struct raft_sim *sim, unsigned voters, unsigned standbys)
{
	unsigned i;

	raft_sim_prepare(sim, voters, standbys);
	for (i = 1; i <= sim->members; i++) {
		INVARIANT(raft_sim_start(sim, i) == 0);
	}
}

raft_id raft_sim_join(struct raft_sim *sim)
{
	INVARIANT(sim->members < RAFT_SIM_MEMBERS_MAX);
	sim->members++;
	member_init(sim, sim->members);
	return sim->members;
}

void raft_sim_run(struct raft_sim *sim, uint64_t ms)
{
	uint64_t end = sim->now_ms + ms;

	while (raft_sim_step(sim, end)) {
	}
	sim->now_ms = end;
}

bool raft_sim_run_until_leader(struct raft_sim *sim, raft_id id, uint64_t ms)
{
	const struct raft_sim_member *member = &sim->member[id];
	uint64_t end = sim->now_ms + ms;

	do {
		if (member->running && member->raft.state == RAFT_LEADER) {
			return true;
		}
	} while (raft_sim_step(sim, end));
	return false;
}

raft_id raft_sim_leader(const struct raft_sim *sim)
{
	raft_id leader = 0;
	raft_term term = 0;
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		const struct raft_sim_member *member = &sim->member[i];

		if (member->running && !member->failed &&
			member->raft.state == RAFT_LEADER &&
			member->raft.current_term >= term) {
			leader = i;
			term = member->raft.current_term;
		}
	}
	return leader;
}

void raft_sim_cut(struct raft_sim *sim, raft_id a, raft_id b, bool cut)
{
	sim->cut[a][b] = cut;
	sim->cut[b][a] = cut;
}

void raft_sim_cut_off(struct raft_sim *sim, raft_id id, bool cut)
{
	unsigned i;

	for (i = 1; i <= sim->members; i++) {
		if (i != id) {
			raft_sim_cut(sim, id, i, cut);
		}
	}
}

void raft_sim_heal(struct raft_sim *sim)
{
	memset(sim->cut, 0, sizeof sim->cut);
}

/* A follower refuses its vote until its own timer ran out, so both candidates' and
 * voters' timers are set. */
void raft_sim_expire(struct raft_sim *sim, raft_id id, unsigned ms, unsigned again_ms)
{
	struct raft_sim_member *member = &sim->member[id];

	member->election_ms = again_ms;
	if (member->running && member->raft.state == RAFT_FOLLOWER) {
		member->raft.follower_state.randomized_election_timeout = ms;
	}
}

/* ---- writes ------------------------------------------------------------ */

struct proposal {
	struct raft_apply apply;
	struct raft_sim_member *member;
	uint64_t value;
};

static void on_applied(struct raft_apply *apply, int status, void *result)
{
	struct proposal *proposal = blx__container_of(apply, struct proposal, apply);

	(void)result;
	if (status == 0) {
		raft_sim_on_acked(proposal->member, proposal->value);
	} else {
		proposal->member->sim->refused++;
	}
	blx__free(proposal);
}

int raft_sim_propose(struct raft_sim *sim, raft_id id, uint64_t value)
{
	struct raft_sim_member *member = &sim->member[id];
	struct proposal *proposal = blx__calloc(1, sizeof *proposal);
	struct raft_buffer buf = {.base = raft_malloc(sizeof value), .len = sizeof value};
	int rv;

	INVARIANT(proposal != NULL && buf.base != NULL && value != 0);
	memcpy(buf.base, &value, sizeof value);
	proposal->member = member;
	proposal->value = value;
	rv = raft_apply(&member->raft, &proposal->apply, &buf, 1, on_applied);
	if (rv != 0) {
		raft_free(buf.base);
		blx__free(proposal);
		return rv;
	}
	blx__guard_poll(member->guard);
	return 0;
}
