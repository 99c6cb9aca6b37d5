/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/agent.h"

#include "plan/hand.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

/* One failure is forgotten after so long. */
#define FORGET_NS (300 * NS_PER_S)

#define BACKOFF_SHIFT_MAX 6

void blx__agent_wish_of(
	const blx_service *service, const char *node, struct blx__agent_wish *ret_wish)
{
	*ret_wish = (struct blx__agent_wish){
		.owned = strcmp(service->owner, node) == 0,
		.here = strcmp(service->seen_node, node) == 0,
		.shared = service->shared != 0,
		.transient = service->command_count > 0,
		.wanted = service->wanted,
		.seen = service->seen,
		.epoch = service->epoch,
		.restart = service->restart,
		.restarted = service->restarted,
		.failures = service->failures,
		.stop_ms = service->stop_agreed > 0 ? service->stop_agreed
						    : BLX__STOP_TIMEOUT_MS,
		.said_silent = strcmp(service->detail, BLX__AGENT_SILENT) == 0};
}

bool blx__agent_wish_is_to_run(const struct blx__agent_wish *wish)
{
	return wish->owned && wish->wanted == BLX_SERVICE_RUNNING;
}

/* ---- what the unit does --------------------------------------------------------- */

static bool is_known(const blx_unit_status *status)
{
	return status != NULL && status->active != BLX_UNIT_LOST;
}

static bool is_up(const blx_unit_status *status)
{
	return status->active == BLX_UNIT_ACTIVE || status->active == BLX_UNIT_RELOADING;
}

static bool is_down(const blx_unit_status *status)
{
	return !status->job && (status->active == BLX_UNIT_INACTIVE ||
				       status->active == BLX_UNIT_HAS_FAILED);
}

/* ---- when it should run --------------------------------------------------------- */

static void tell(struct blx__agent_step *step, int seen, const char *detail)
{
	step->seen = seen;
	(void)snprintf(step->detail, sizeof step->detail, "%s", detail);
}

/* It ran, and does not any more, which nobody here wanted. */
static void tell_lost(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	char text[BLX_TEXT_MAX];

	if (view->status->active == BLX_UNIT_HAS_FAILED) {
		(void)snprintf(text, sizeof text, "failed: %s", view->status->result);
		tell(step, BLX_SERVICE_FAILED, text);
	} else {
		tell(step, BLX_SERVICE_STOPPED, "was stopped, but not by the cluster");
	}
	step->is_failure = true;
}

/* What was tried went wrong. */
static void tell_failed(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	tell(step, BLX_SERVICE_FAILED, view->failed->message);
	step->is_failure = true;
	step->was_restarted = true;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void keep_up(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	const struct blx__agent_wish *wish = view->wish;
	bool is_set_up = view->set_up == wish->epoch;

	if (!is_set_up || wish->restart > larger(wish->restarted, view->restarted)) {
		/* One that runs is bound to the guard by being started. */
		step->verb = !view->may_try ? 0 : is_set_up ? BLX_UNIT_RESTART : BLX_UNIT_START;
	} else if (wish->seen != BLX_SERVICE_RUNNING || wish->restart > wish->restarted) {
		tell(step, BLX_SERVICE_RUNNING, "");
		step->was_restarted = true;
	}
}

static void run(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	const struct blx__agent_wish *wish = view->wish;

	if (view->calling != 0) {
		return;
	}
	if (view->failed != NULL) {
		tell_failed(view, step);
	} else if (is_up(view->status)) {
		keep_up(view, step);
	} else if (is_down(view->status)) {
		if (wish->seen == BLX_SERVICE_RUNNING) {
			if (view->settled) {
				tell_lost(view, step);
			}
		} else if (view->may_try) {
			step->verb = BLX_UNIT_START;
		}
	}
}

/* ---- when it should not --------------------------------------------------------- */

static bool must_stop(const struct blx__agent_view *view)
{
	const struct blx__agent_wish *wish = view->wish;
	bool sure = view->confirmed || view->alone;

	if (wish->owned) {
		/* It was stopped, or the lease is over. */
		return wish->wanted == BLX_SERVICE_STOPPED ||
		       (wish->wanted == BLX_SERVICE_RUNNING && sure);
	}
	return sure && wish->epoch > 0 && (!wish->shared || wish->here);
}

static void rest(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	const struct blx__agent_wish *wish = view->wish;
	bool told = wish->seen == BLX_SERVICE_STOPPED || wish->seen == BLX_SERVICE_FAILED;
	bool waits = view->calling == 0 || view->calling == BLX_UNIT_START ||
		     view->calling == BLX_UNIT_RESTART;

	if (!is_down(view->status)) {
		if (waits && view->may_stop && must_stop(view)) {
			step->verb = view->stop_failed ? BLX_UNIT_KILL : BLX_UNIT_STOP;
		}
	} else if (view->calling == 0 && view->licensed && wish->here && !told &&
		   !blx__agent_wish_is_to_run(wish)) {
		tell(step, BLX_SERVICE_STOPPED, "");
	}
}

/* ---- when nothing is known ------------------------------------------------------ */

/* An operator who waits for it should read why. */
static void note_silence(const struct blx__agent_view *view, struct blx__agent_step *step)
{
	const struct blx__agent_wish *wish = view->wish;
	bool known = is_known(view->status);
	bool told = wish->seen == BLX_SERVICE_STOPPED || wish->seen == BLX_SERVICE_FAILED;
	bool waits;

	/* Of what the host does not tell, it says nothing of the kind. */
	if (wish->said_silent != known || !(wish->owned || wish->here)) {
		return;
	}
	waits = blx__agent_wish_is_to_run(wish) || (wish->here && !told);
	step->is_note = known || (view->silent && waits);
	(void)snprintf(step->detail, sizeof step->detail, "%s",
		known ? "" : BLX__AGENT_SILENT);
}

void blx__plan_agent(const struct blx__agent_view *view, struct blx__agent_step *ret_step)
{
	const struct blx__agent_wish *wish = view->wish;

	*ret_step = (struct blx__agent_step){.verb = 0};
	if (!is_known(view->status)) {
		note_silence(view, ret_step);
		return;
	}
	if (blx__agent_wish_is_to_run(wish) && (wish->shared || view->licensed)) {
		run(view, ret_step);
	} else {
		rest(view, ret_step);
	}
	if (ret_step->seen == BLX_SERVICE_UNKNOWN) {
		note_silence(view, ret_step);
	}
}

/* ---- telling of it -------------------------------------------------------------- */

static void count_failure(int64_t time_ns, blx_service *service)
{
	int64_t forgotten = service->failed_at > 0 && time_ns > service->failed_at
				    ? (time_ns - service->failed_at) / FORGET_NS
				    : 0;

	service->failures =
		service->failures > forgotten ? service->failures - forgotten + 1 : 1;
	service->failed_at = time_ns;
}

void blx__agent_report(const struct blx__agent_step *step, int64_t time_ns,
	blx_service *service)
{
	char node[BLX_NAME_MAX];

	if (step->is_note) {
		memcpy(service->detail, step->detail, sizeof service->detail);
		return;
	}
	memcpy(node, service->node, sizeof node);
	service->seen = step->seen;
	service->seen_at = time_ns;
	if (step->is_failure) {
		count_failure(time_ns, service);
	}
	if (step->was_restarted) {
		service->restarted = service->restart;
	}
	/* Why it was taken from a node is told until it has another. */
	if (step->detail[0] != '\0' || service->owner[0] != '\0') {
		memcpy(service->detail, step->detail, sizeof service->detail);
	}
	if (service->state != BLX_SERVICE_MIGRATING) {
		blx__service_set(service, step->seen, node, time_ns);
	}
}

uint64_t blx__agent_backoff_ns(int64_t failures)
{
	int64_t shift = failures < 1 ? 0 : failures - 1;
	uint64_t wait_s = UINT64_C(1)
			  << (shift < BACKOFF_SHIFT_MAX ? shift : BACKOFF_SHIFT_MAX);

	return (wait_s < 60 ? wait_s : 60) * (uint64_t)NS_PER_S;
}
