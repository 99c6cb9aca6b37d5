/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "node/conf.h"
#include "node/guard_member.h"

#include <stdio.h>

static struct raft_configuration conf;
static struct blx__member_model model;

/* Voters from 1 on, then stand-bys; member 1 leads and may change. */
static void make(unsigned voters, unsigned standbys)
{
	unsigned i;

	raft_configuration_init(&conf);
	for (i = 1; i <= voters + standbys; i++) {
		char address[16];

		(void)snprintf(address, sizeof address, "n%u@h:1", i);
		cr_assert_eq(raft_configuration_add(&conf, i, address,
				     i <= voters ? RAFT_VOTER : RAFT_STANDBY),
			0);
	}
	model = (struct blx__member_model){
		.conf = &conf, .self = 1, .leader = true, .own_term_committed = true};
}

static void end(void)
{
	raft_configuration_close(&conf);
}

Test(member, what_is_safe_is_allowed, .fini = end)
{
	make(3, 1);
	cr_assert_eq(blx__member_add(&model, "n9@h:1"), BLX__MEMBER_OK);
	cr_assert_eq(blx__member_promote(&model, 4), BLX__MEMBER_OK);
	cr_assert_eq(blx__member_demote(&model, 2), BLX__MEMBER_OK);
	cr_assert_eq(blx__member_remove(&model, 3), BLX__MEMBER_OK);
	cr_assert_eq(blx__member_remove(&model, 4), BLX__MEMBER_OK);
}

Test(member, only_a_leader_that_is_ready_changes_anything, .fini = end)
{
	make(3, 1);
	model.own_term_committed = false;
	cr_assert_eq(blx__member_add(&model, "n9@h:1"), BLX__MEMBER_NOT_READY);
	model.own_term_committed = true;
	model.changing = true;
	cr_assert_eq(blx__member_promote(&model, 4), BLX__MEMBER_CHANGING);
	model.transferring = true;
	cr_assert_eq(blx__member_demote(&model, 2), BLX__MEMBER_TRANSFERRING);
	model.leader = false;
	cr_assert_eq(blx__member_remove(&model, 2), BLX__MEMBER_NOT_LEADER);
}

Test(member, the_leader_does_not_change_itself, .fini = end)
{
	make(5, 0);
	cr_assert_eq(blx__member_demote(&model, 1), BLX__MEMBER_IS_LEADER);
	cr_assert_eq(blx__member_remove(&model, 1), BLX__MEMBER_IS_LEADER);
}

Test(member, one_voter_does_not_become_two, .fini = end)
{
	make(1, 2);
	cr_assert_eq(blx__member_promote(&model, 2), BLX__MEMBER_ONE_TO_TWO);
	cr_assert_eq(blx__member_remove(&model, 2), BLX__MEMBER_OK, "that is no voter");
}

Test(member, two_voters_do_not_become_one, .fini = end)
{
	make(2, 1);
	cr_assert_eq(blx__member_demote(&model, 2), BLX__MEMBER_TWO_TO_ONE);
	cr_assert_eq(blx__member_remove(&model, 2), BLX__MEMBER_TWO_TO_ONE);
	cr_assert_eq(blx__member_promote(&model, 3), BLX__MEMBER_OK);
	cr_assert_eq(blx__member_remove(&model, 3), BLX__MEMBER_OK);
}

Test(member, what_is_not_there_and_what_is_there_already_is_told, .fini = end)
{
	make(3, 1);
	cr_assert_eq(blx__member_add(&model, "n2@h:1"), BLX__MEMBER_EXISTS);
	cr_assert_eq(blx__member_promote(&model, 9), BLX__MEMBER_UNKNOWN);
	cr_assert_eq(blx__member_demote(&model, 9), BLX__MEMBER_UNKNOWN);
	cr_assert_eq(blx__member_remove(&model, 9), BLX__MEMBER_UNKNOWN);
	cr_assert_eq(blx__member_promote(&model, 2), BLX__MEMBER_IS_VOTER);
	cr_assert_eq(blx__member_demote(&model, 4), BLX__MEMBER_NO_VOTER);
}

Test(member, there_is_an_end_to_them, .fini = end)
{
	make(3, BLX__CONF_SERVERS_MAX - 4);
	cr_assert_eq(blx__member_add(&model, "n999@h:1"), BLX__MEMBER_OK);
	raft_configuration_close(&conf);
	make(3, BLX__CONF_SERVERS_MAX - 3);
	cr_assert_eq(blx__member_add(&model, "n999@h:1"), BLX__MEMBER_TOO_MANY);
}

Test(member, an_id_is_never_used_twice, .fini = end)
{
	raft_id first;

	make(3, 0);
	first = blx__member_next_id(&conf, 10);
	cr_assert_gt(first, BLX__MEMBER_JOINED_ID_MIN);
	cr_assert_gt(blx__member_next_id(&conf, 11), first, "its entry took an index");
	cr_assert_eq(raft_configuration_add(&conf, 5000, "x@h:1", RAFT_SPARE), 0);
	cr_assert_eq(blx__member_next_id(&conf, 11), 5001);
}

Test(member, every_verdict_has_a_text_and_a_code)
{
	enum blx__member_verdict verdict;

	cr_assert_eq(blx__member_verdict_code(BLX__MEMBER_OK), 0);
	for (verdict = BLX__MEMBER_NOT_LEADER; verdict <= BLX__MEMBER_TWO_TO_ONE;
		verdict++) {
		cr_assert_lt(blx__member_verdict_code(verdict), 0);
		cr_assert_gt(strlen(blx__member_verdict_text(verdict)), 5);
	}
}
