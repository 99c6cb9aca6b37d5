/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/agent.h"
#include "support/test.h"

#include <string.h>

#define S INT64_C(1000000000)

static struct blx__agent_wish wish;
static struct blx__agent_view view;
static blx_unit_status status;
static blx_error failure;
static struct blx__agent_step step;

/* An exclusive service of this host's that is wanted, with a lease; its unit as told. */
static void given(int active)
{
	wish = (struct blx__agent_wish){.owned = true,
		.here = true,
		.wanted = BLX_SERVICE_RUNNING,
		.epoch = 3,
		.stop_ms = 500};
	status = (blx_unit_status){
		.size = sizeof status, .load = BLX_UNIT_LOADED, .active = active};
	failure = (blx_error)BLX_ERROR_INIT;
	view = (struct blx__agent_view){.wish = &wish,
		.status = &status,
		.licensed = true,
		.confirmed = true,
		.settled = true,
		.may_try = true,
		.may_stop = true,
		.set_up = active == BLX_UNIT_ACTIVE ? 3 : 0};
}

static void when_decided(void)
{
	blx__plan_agent(&view, &step);
}

static void then(int verb, int seen)
{
	cr_assert_eq(step.verb, verb);
	cr_assert_eq(step.seen, seen);
}

Test(agent, one_that_should_run_is_started)
{
	given(BLX_UNIT_INACTIVE);
	when_decided();
	then(BLX_UNIT_START, 0);
}

Test(agent, without_a_lease_nothing_exclusive_is_started)
{
	given(BLX_UNIT_INACTIVE);
	view.licensed = false;
	when_decided();
	then(0, 0);
	wish.shared = true;
	when_decided();
	then(BLX_UNIT_START, 0);
}

Test(agent, what_runs_when_the_lease_is_over_is_stopped)
{
	given(BLX_UNIT_ACTIVE);
	view.licensed = false;
	when_decided();
	then(BLX_UNIT_STOP, 0);
}

Test(agent, a_run_that_never_had_a_lease_leaves_it_to_the_guard_until_one_would_be_over)
{
	given(BLX_UNIT_ACTIVE);
	view.licensed = false;
	view.confirmed = false;
	when_decided();
	then(0, 0);
	view.alone = true;
	when_decided();
	then(BLX_UNIT_STOP, 0);
}

Test(agent, one_that_runs_is_bound_first_and_then_told)
{
	given(BLX_UNIT_ACTIVE);
	view.set_up = 2;
	when_decided();
	then(BLX_UNIT_START, 0);
	view.set_up = 3;
	when_decided();
	then(0, BLX_SERVICE_RUNNING);
	wish.seen = BLX_SERVICE_RUNNING;
	when_decided();
	then(0, 0);
}

Test(agent, a_restart_is_done_once_and_told)
{
	given(BLX_UNIT_ACTIVE);
	wish.seen = BLX_SERVICE_RUNNING;
	wish.restart = 2;
	wish.restarted = 1;
	when_decided();
	then(BLX_UNIT_RESTART, 0);
	view.restarted = 2;
	when_decided();
	then(0, BLX_SERVICE_RUNNING);
	cr_assert(step.was_restarted);
}

Test(agent, one_that_went_down_is_told_before_it_is_started_again)
{
	given(BLX_UNIT_HAS_FAILED);
	wish.seen = BLX_SERVICE_RUNNING;
	view.settled = false;
	when_decided();
	then(0, 0);
	view.settled = true;
	when_decided();
	then(0, BLX_SERVICE_FAILED);
	cr_assert(step.is_failure);
	status.active = BLX_UNIT_INACTIVE;
	when_decided();
	then(0, BLX_SERVICE_STOPPED);
	cr_assert_str_eq(step.detail, "was stopped, but not by the cluster");
}

Test(agent, what_a_start_came_to_is_told)
{
	given(BLX_UNIT_INACTIVE);
	failure.code = BLX_EMASKED;
	strcpy(failure.message, "start web.service: it is masked");
	view.failed = &failure;
	when_decided();
	then(0, BLX_SERVICE_FAILED);
	cr_assert_str_eq(step.detail, failure.message);
}

Test(agent, it_is_not_tried_again_too_soon)
{
	given(BLX_UNIT_INACTIVE);
	view.may_try = false;
	when_decided();
	then(0, 0);
}

Test(agent, what_was_taken_is_stopped_and_that_is_told)
{
	given(BLX_UNIT_ACTIVE);
	wish.owned = false;
	when_decided();
	then(BLX_UNIT_STOP, 0);
	status.active = BLX_UNIT_DEACTIVATING;
	view.calling = BLX_UNIT_STOP;
	when_decided();
	then(0, 0);
	status.active = BLX_UNIT_INACTIVE;
	when_decided();
	then(0, 0); /* the call is under way still */
	view.calling = 0;
	when_decided();
	then(0, BLX_SERVICE_STOPPED);
}

Test(agent, that_it_has_stopped_is_told_under_a_lease_only)
{
	given(BLX_UNIT_INACTIVE);
	wish.owned = false;
	view.licensed = false; /* then the gate may not know yet that it is not to run */
	when_decided();
	then(0, 0);
}

Test(agent, one_that_waits_to_be_restarted_by_systemd_has_not_stopped)
{
	given(BLX_UNIT_ACTIVATING);
	wish.owned = false;
	when_decided();
	then(BLX_UNIT_STOP, 0);
	status.active = BLX_UNIT_INACTIVE;
	status.job = 1;
	when_decided();
	then(BLX_UNIT_STOP, 0);
}

Test(agent, a_stop_that_did_not_do_it_becomes_a_kill)
{
	given(BLX_UNIT_ACTIVE);
	wish.wanted = BLX_SERVICE_STOPPED;
	view.stop_failed = true;
	when_decided();
	then(BLX_UNIT_KILL, 0);
}

Test(agent, a_start_under_way_gives_way_to_a_stop)
{
	given(BLX_UNIT_ACTIVATING);
	wish.owned = false;
	view.calling = BLX_UNIT_START;
	when_decided();
	then(BLX_UNIT_STOP, 0);
}

Test(agent, a_copy_that_is_nobodys_is_stopped)
{
	given(BLX_UNIT_ACTIVE);
	wish.owned = false;
	wish.here = false;
	when_decided();
	then(BLX_UNIT_STOP, 0);
	wish.epoch = 0; /* the cluster never ran it */
	when_decided();
	then(0, 0);
}

Test(agent, of_a_manager_that_is_lost_nothing_is_known)
{
	given(BLX_UNIT_LOST);
	wish.owned = false;
	when_decided();
	then(0, 0);
}

Test(agent, a_manager_that_is_silent_for_long_is_told_of_once_and_until_it_answers)
{
	blx_service service;

	given(BLX_UNIT_LOST);
	when_decided();
	cr_assert(!step.is_note);
	view.silent = true;
	when_decided();
	cr_assert(step.is_note);
	then(0, 0);
	memset(&service, 0, sizeof service);
	service.seen = BLX_SERVICE_RUNNING;
	blx__agent_report(&step, S, &service);
	cr_assert_str_eq(service.detail, "its service manager does not answer");
	cr_assert_eq(service.seen, BLX_SERVICE_RUNNING);
	wish.said_silent = true;
	when_decided();
	cr_assert(!step.is_note);
	status.active = BLX_UNIT_ACTIVE;
	view.silent = false;
	wish.owned = wish.here = false; /* it is not for others to take that back */
	when_decided();
	cr_assert(!step.is_note);
	wish.owned = wish.here = true;
	when_decided();
	cr_assert(step.is_note);
	blx__agent_report(&step, S, &service);
	cr_assert_str_eq(service.detail, "");
}

/* Whether that can be written down or not. */
Test(agent, what_has_to_stop_is_stopped_first)
{
	given(BLX_UNIT_ACTIVE);
	wish.said_silent = true;
	view.licensed = false;
	when_decided();
	then(BLX_UNIT_STOP, 0);
	cr_assert(step.is_note);
}

Test(agent, failures_are_forgotten_one_after_the_other)
{
	blx_service service;

	memset(&service, 0, sizeof service);
	step = (struct blx__agent_step){.seen = BLX_SERVICE_FAILED, .is_failure = true};
	blx__agent_report(&step, 1000 * S, &service);
	blx__agent_report(&step, 1001 * S, &service);
	blx__agent_report(&step, 1002 * S, &service);
	cr_assert_eq(service.failures, 3);
	blx__agent_report(&step, 1002 * S + 600 * S, &service);
	cr_assert_eq(service.failures, 2);
	blx__agent_report(&step, 9999 * S, &service);
	cr_assert_eq(service.failures, 1);
}

Test(agent, the_state_stays_while_it_is_moved)
{
	blx_service service;

	memset(&service, 0, sizeof service);
	service.state = BLX_SERVICE_MIGRATING;
	service.timestamp = 5;
	step = (struct blx__agent_step){.seen = BLX_SERVICE_STOPPED};
	blx__agent_report(&step, 7, &service);
	cr_assert_eq(service.state, BLX_SERVICE_MIGRATING);
	cr_assert_eq(service.timestamp, 5);
	cr_assert_eq(service.seen, BLX_SERVICE_STOPPED);
	service.state = BLX_SERVICE_RUNNING;
	blx__agent_report(&step, 8, &service);
	cr_assert_eq(service.state, BLX_SERVICE_STOPPED);
	cr_assert_eq(service.timestamp, 8);
}

Test(agent, the_wait_doubles_up_to_a_minute)
{
	cr_assert_eq(blx__agent_backoff_ns(0), (uint64_t)(1 * S));
	cr_assert_eq(blx__agent_backoff_ns(1), (uint64_t)(1 * S));
	cr_assert_eq(blx__agent_backoff_ns(4), (uint64_t)(8 * S));
	cr_assert_eq(blx__agent_backoff_ns(100), (uint64_t)(60 * S));
}
