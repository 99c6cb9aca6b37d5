/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "node/conf.h"
#include "node/guard_member.h"
#include "raft_sim.h"
#include "raft_sim_cure.h"

#include <stdlib.h>

static struct raft_change change;

static void on_changed(struct raft_change *req, int status)
{
	(void)req;
	(void)status;
}

static void write_some(struct raft_sim *sim, raft_id id, unsigned count, uint64_t from)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		raft_sim_propose(sim, id, from + i);
		raft_sim_run(sim, 20);
	}
	raft_sim_run(sim, 300);
}

/* ---- going back ---------------------------------------------------------- */

/* Member 1 adds a fourth that nobody hears of; another leader overwrites that. */
static enum raft_sim_outcome lost_change(
	struct raft_sim *sim, unsigned threshold, bool restarts)
{
	unsigned i;

	raft_sim_prepare(sim, 3, 0);
	for (i = 1; i <= 3; i++) {
		sim->member[i].threshold = threshold;
		sim->member[i].trailing = 2;
		raft_sim_start(sim, i);
	}
	raft_sim_elect(sim, 1);
	write_some(sim, 1, 20, 100);
	raft_sim_cut_off(sim, 1, true);
	if (raft_add(&sim->member[1].raft, &change, 4, "4", on_changed) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 50);
	if (restarts) {
		raft_sim_crash(sim, 1);
	}
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 2, 1300, 1000);
	if (!raft_sim_run_until_leader(sim, 2, 8000)) {
		return RAFT_SIM_STUCK;
	}
	write_some(sim, 2, 1, 200);
	sim->member[1].election_ms = RAFT_SIM_NEVER_MS;
	if (restarts) {
		raft_sim_start(sim, 1);
	}
	raft_sim_heal(sim);
	raft_sim_run(sim, 2000);
	write_some(sim, 2, 20, 300);
	if (sim->member[1].raft.last_applied != sim->member[2].raft.last_applied) {
		return RAFT_SIM_STUCK;
	}
	if (!blx__conf_equal(&sim->member[1].raft.configuration,
		    &sim->member[2].raft.configuration)) {
		raft_sim_violate(sim, "a configuration that is in no log is in use");
	}
	return RAFT_SIM_OK;
}

static enum raft_sim_outcome lost_after_snapshot(struct raft_sim *sim)
{
	return lost_change(sim, 5, false);
}

static enum raft_sim_outcome lost_over_restart(struct raft_sim *sim)
{
	return lost_change(sim, 0, true);
}

Test(guard_conf, it_goes_back_to_one_whose_entry_was_compacted)
{
	raft_sim_check_cure(lost_after_snapshot, BLX__CURE_CONF, 0, RAFT_SIM_CRASHED);
}

Test(guard_conf, it_goes_back_after_a_restart)
{
	raft_sim_check_cure(lost_over_restart, BLX__CURE_CONF, 0, RAFT_SIM_VIOLATED);
}

/* A snapshot that is taken before the change is committed must not have it. */
static enum raft_sim_outcome snapshot_amid_change(struct raft_sim *sim)
{
	unsigned i;

	raft_sim_prepare(sim, 3, 0);
	sim->member[1].threshold = 5;
	sim->member[1].trailing = 2;
	for (i = 1; i <= 3; i++) {
		raft_sim_start(sim, i);
	}
	raft_sim_elect(sim, 1);
	/* The writes are committed by answers that come after the change was appended. */
	sim->net_ms = 50;
	for (i = 0; i < 8; i++) {
		raft_sim_propose(sim, 1, 100 + i);
	}
	raft_sim_run(sim, 60);
	if (raft_add(&sim->member[1].raft, &change, 4, "4", on_changed) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 45); /* the writes are committed, the change is not */
	raft_sim_crash(sim, 1);
	if (sim->member[1].disk.snapshot.index != 0 &&
		sim->member[1].disk.snapshot.conf.n != 3) {
		raft_sim_violate(sim, "a snapshot holds a change that is not committed");
	}
	return RAFT_SIM_OK;
}

Test(guard_conf, a_snapshot_holds_no_change_that_is_not_committed)
{
	raft_sim_check_cure(snapshot_amid_change, BLX__CURE_CONF, 0, RAFT_SIM_VIOLATED);
}

/* ---- what is known of them ----------------------------------------------- */

Test(guard_conf, it_tells_what_is_committed_and_what_is_not)
{
	struct raft_sim *sim = raft_sim_create(0, 0);
	const struct raft_configuration *conf;
	const struct blx__guard *guard;
	uint64_t index;

	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	guard = sim->member[1].guard;
	cr_assert_eq(raft_add(&sim->member[1].raft, &change, 4, "4", on_changed), 0);
	blx__guard_poll(sim->member[1].guard);

	conf = blx__guard_committed_conf(guard, &index);
	cr_assert_eq(index, 1);
	cr_assert_eq(conf->n, 3);
	conf = blx__guard_uncommitted_conf(guard, &index);
	cr_assert_eq(index, 3);
	cr_assert_eq(conf->n, 4);
	cr_assert_not(blx__guard_may_change(guard));
	cr_assert_not(blx__guard_snapshot_ok(guard));

	raft_sim_run(sim, 300);
	conf = blx__guard_committed_conf(guard, &index);
	cr_assert_eq(index, 3);
	cr_assert_eq(conf->n, 4);
	cr_assert_null(blx__guard_uncommitted_conf(guard, &index));
	cr_assert(blx__guard_may_change(guard));
	cr_assert(blx__guard_snapshot_ok(guard));
	raft_sim_destroy(sim);
}

Test(guard_conf, a_joiner_takes_over_what_a_snapshot_brings)
{
	struct raft_sim *sim = raft_sim_create(0, 0);
	const struct raft_configuration *conf;
	uint64_t index;
	raft_id id;
	unsigned i;

	raft_sim_prepare(sim, 3, 0);
	for (i = 1; i <= 3; i++) {
		sim->member[i].threshold = 5;
		sim->member[i].trailing = 2;
		raft_sim_start(sim, i);
	}
	raft_sim_elect(sim, 1);
	write_some(sim, 1, 20, 100);
	id = raft_sim_join(sim);
	cr_assert_eq(raft_sim_start(sim, id), 0);
	cr_assert_null(blx__guard_committed_conf(sim->member[id].guard, &index));
	cr_assert_eq(raft_add(&sim->member[1].raft, &change, id, "4", on_changed), 0);
	raft_sim_run(sim, 300);
	write_some(sim, 1, 10, 200);
	cr_assert_eq(
		raft_assign(&sim->member[1].raft, &change, id, RAFT_VOTER, on_changed),
		0);
	raft_sim_run(sim, 5000);

	conf = blx__guard_committed_conf(sim->member[id].guard, &index);
	cr_assert_not_null(conf);
	cr_assert_eq(blx__conf_voters(conf), 4);
	cr_assert_eq(sim->member[id].raft.last_applied, sim->member[1].raft.last_applied);
	cr_assert_str_eq(sim->violation, "");
	raft_sim_destroy(sim);
}

/* ---- changes that come too early ------------------------------------------ */

/* Two leaders begin a change each, the second before an entry of its term is committed
 * (Ongaro, raft-dev 2015). Their majorities need not meet. */
static enum raft_sim_outcome two_changes(struct raft_sim *sim, bool asks)
{
	static struct raft_change second;
	unsigned i;

	raft_sim_found(sim, 4, 1);
	raft_sim_elect(sim, 1);
	raft_sim_cut_off(sim, 1, true);
	raft_sim_cut(sim, 1, 5, false);
	if (raft_assign(&sim->member[1].raft, &change, 5, RAFT_VOTER, on_changed) != 0) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_run(sim, 50); /* members 1 and 5 have it */
	raft_sim_crash(sim, 1);

	raft_sim_expire(sim, 2, 1500, 1000);
	raft_sim_expire(sim, 3, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 4, 1000, RAFT_SIM_NEVER_MS);
	if (!raft_sim_run_until_leader(sim, 2, 8000)) {
		return RAFT_SIM_STUCK;
	}
	for (i = 4; i <= 5; i++) {
		raft_sim_cut(sim, i, 2, true);
		raft_sim_cut(sim, i, 3, true);
	}
	if (!asks || blx__member_may_remove(sim->member[2].guard, 4, NULL) == 0) {
		(void)raft_remove(&sim->member[2].raft, &second, 4, on_changed);
	}
	raft_sim_propose(sim, 2, 'A');
	raft_sim_run(sim, 300); /* with members 2 and 3, of 1, 2 and 3 */
	raft_sim_cut_off(sim, 2, true);
	raft_sim_cut_off(sim, 3, true);

	raft_sim_cut(sim, 1, 4, false);
	sim->member[1].election_ms = 2500;
	raft_sim_start(sim, 1);
	raft_sim_expire(sim, 4, 1000, RAFT_SIM_NEVER_MS);
	raft_sim_expire(sim, 5, 1000, RAFT_SIM_NEVER_MS);
	if (!raft_sim_run_until_leader(sim, 1, 20000)) {
		return RAFT_SIM_STUCK;
	}
	raft_sim_propose(sim, 1, 'B');
	raft_sim_propose(sim, 1, 'C');
	raft_sim_propose(sim, 1, 'D');
	raft_sim_run(sim, 1000); /* with members 1, 4 and 5, of five */
	return raft_sim_is_acked(sim, 'D') ? RAFT_SIM_OK : RAFT_SIM_STUCK;
}

static enum raft_sim_outcome two_changes_unasked(struct raft_sim *sim)
{
	return two_changes(sim, false);
}

static enum raft_sim_outcome two_changes_asked(struct raft_sim *sim)
{
	return two_changes(sim, true);
}

Test(guard_conf, a_change_before_an_entry_of_the_own_term_would_lose_writes)
{
	raft_sim_check_cure(two_changes_asked, 0, 0, RAFT_SIM_OK);
	cr_assert_eq(raft_sim_try(two_changes_unasked, 0), RAFT_SIM_VIOLATED);
}

/* ---- which changes may be ------------------------------------------------ */

Test(guard_member, the_guard_is_asked_before_a_change)
{
	struct raft_sim *sim = raft_sim_create(0, 0);
	blx_error error = BLX_ERROR_INIT;
	const struct blx__guard *guard;

	raft_sim_found(sim, 3, 1);
	raft_sim_expire(sim, 1, 1000, 1000);
	cr_assert(raft_sim_run_until_leader(sim, 1, 5000));
	guard = sim->member[1].guard;
	cr_assert_eq(blx__member_may_promote(guard, 4, &error), BLX_EBUSY,
		"not before its term");
	raft_sim_run(sim, 300);
	cr_assert_eq(blx__member_may_promote(guard, 4, NULL), 0);
	cr_assert_eq(blx__member_may_promote(guard, 2, NULL), BLX_EEXIST);
	cr_assert_eq(blx__member_may_add(guard, "4", NULL), BLX_EEXIST);
	cr_assert_eq(blx__member_may_add(guard, "5", NULL), 0);
	cr_assert_eq(blx__member_may_demote(guard, 1, &error), BLX_EINVAL);
	cr_assert_str_eq(error.message, blx__member_verdict_text(BLX__MEMBER_IS_LEADER));
	cr_assert_eq(blx__member_may_remove(guard, 3, NULL), 0);
	cr_assert_eq(blx__member_may_remove(guard, 9, NULL), BLX_ENOTMEMBER);
	cr_assert_eq(
		blx__member_may_add(sim->member[2].guard, "5", NULL), BLX_ENOTLEADER);
	cr_assert_gt(blx__member_new_id(guard), BLX__MEMBER_JOINED_ID_MIN);

	cr_assert_eq(raft_remove(&sim->member[1].raft, &change, 3, on_changed), 0);
	blx__guard_poll(sim->member[1].guard);
	cr_assert_eq(blx__member_may_add(guard, "5", NULL), BLX_ECHANGING);
	raft_sim_run(sim, 300);
	cr_assert_eq(blx__member_may_remove(guard, 2, NULL), BLX_EINVAL, "two to one");
	raft_sim_destroy(sim);
}
