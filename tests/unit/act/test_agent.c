/* SPDX-License-Identifier: Apache-2.0 */
/* The agent over a store of its own and a table of units that only notes what it is told. */
#include "act/agent.h"
#include "feed.h"
#include "record/fields.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct feed feed;
static struct blx__agent agent;
static uint64_t now;

/* ---- the units ------------------------------------------------------------------ */

static struct {
	struct blx__units units;
	struct blx__unit_watch *watch;
	unsigned holds;
	size_t held; /* units in the last one */
	struct blx__unit_call *call;
} fake;

static void fake_call(struct blx__units *units, struct blx__unit_call *call)
{
	(void)units;
	cr_assert_null(fake.call);
	fake.call = call;
}

static int fake_watch(
	struct blx__units *units, struct blx__unit_watch *watch, blx_error *error)
{
	(void)units;
	(void)error;
	cr_assert_null(fake.watch);
	fake.watch = watch;
	return 0;
}

static void fake_unwatch(struct blx__units *units, struct blx__unit_watch *watch)
{
	(void)units;
	cr_assert_eq(fake.watch, watch);
	fake.watch = NULL;
}

static int fake_hold(
	struct blx__units *units, const struct blx__hold *hold, blx_error *error)
{
	(void)units;
	(void)error;
	fake.holds++;
	fake.held = hold->count;
	return 0;
}

static const struct blx__units_ops fake_ops = {.call = fake_call,
	.watch = fake_watch,
	.unwatch = fake_unwatch,
	.hold = fake_hold};

static void tell(int active)
{
	blx_unit_status status = {
		.size = sizeof status, .load = BLX_UNIT_LOADED, .active = active};

	cr_assert_not_null(fake.watch);
	fake.watch->changed(fake.watch, &status);
}

static struct {
	bool taken;
	unsigned count;
	uint64_t number;
} submitted;

/* ---- the agent's own ------------------------------------------------------------ */

static uint64_t op_mono_ns(void *data)
{
	(void)data;
	return now;
}

static int64_t op_time_ns(void *data)
{
	(void)data;
	return (int64_t)now;
}

static struct blx__image *op_pin(void *data)
{
	(void)data;
	return blx__machine_pin(feed.machine);
}

static uint64_t op_revision(void *data)
{
	(void)data;
	return blx__machine_revision(feed.machine);
}

/* Nothing it reports is ever applied. */
static bool op_submit(const struct blx__txn *txn, uint64_t number, void *data)
{
	(void)txn;
	(void)data;
	submitted.count++;
	submitted.number = number;
	return submitted.taken;
}

static void op_wake(void *data)
{
	(void)data;
}

static const struct blx__agent_ops ops = {.mono_ns = op_mono_ns,
	.time_ns = op_time_ns,
	.pin = op_pin,
	.revision = op_revision,
	.submit = op_submit,
	.wake = op_wake};

static void begin(void)
{
	now = 100 * S;
	memset(&fake, 0, sizeof fake);
	memset(&submitted, 0, sizeof submitted);
	fake.units.ops = &fake_ops;
	feed_init(&feed, 1 << 20);
	blx__agent_init(&agent, &ops, NULL, &fake.units, "A");
}

static void end(void)
{
	blx_error canceled = {.code = BLX_ECANCELED};

	blx__agent_end(&agent);
	if (fake.call != NULL) {
		fake.call->done(fake.call, &canceled);
	}
	blx__agent_finish(&agent);
	feed_finish(&feed);
}

/* Web is to run on that node. */
static void put_web(const char *owner)
{
	blx_service *service = calloc(1, sizeof *service);
	char *text;

	cr_assert_not_null(service);
	strcpy(service->unit, "web.service");
	strcpy(service->node, owner);
	strcpy(service->owner, owner);
	service->state = BLX_SERVICE_STARTING;
	service->wanted = BLX_SERVICE_RUNNING;
	service->epoch = 1;
	text = blx__record_encode(blx__record_of(BLX_RECORD_SERVICE), service, NULL);
	cr_assert_not_null(text);
	feed_put(&feed, "/:services/web", text);
	free(text);
	free(service);
}

/* A look with a lease for ten seconds more. */
static void look(void)
{
	blx__agent_lease(&agent, now + 10 * S);
	blx__agent_look(&agent);
}

/* ---- tests ---------------------------------------------------------------------- */

Test(agent_acts, what_is_to_run_here_is_watched_and_held, .init = begin, .fini = end)
{
	put_web("A");
	look();
	cr_assert_not_null(fake.watch);
	cr_assert_str_eq(fake.watch->unit, "web.service");
	cr_assert(fake.watch->gated);
	cr_assert_eq(fake.held, 1);
}

/* The gate binds it to the guard, which is not there yet: one that runs would be stopped. */
Test(agent_acts, what_may_run_here_is_not_gated_before_it_is_started, .init = begin, .fini = end)
{
	look();
	put_web("A");
	look();
	cr_assert_not(fake.watch->gated);
	put_web("B");
	look();
	cr_assert(fake.watch->gated);
}

Test(agent_acts, what_is_to_run_elsewhere_is_not_held, .init = begin, .fini = end)
{
	put_web("B");
	look();
	cr_assert_eq(fake.held, 0);
}

Test(agent_acts, one_that_is_asked_about_is_let_go_in_time, .init = begin, .fini = end)
{
	char why[BLX_TEXT_MAX];

	feed_put(&feed, "/:services/web", "{\"shared\":true,\"name\":\"web\"}");
	look();
	cr_assert_null(fake.watch);
	cr_assert_eq(blx__agent_can_run(&agent, "nothing", why), BLX_ENOENT);
	cr_assert_eq(blx__agent_can_run(&agent, "web", why), BLX_EBUSY);
	tell(BLX_UNIT_INACTIVE);
	cr_assert_eq(blx__agent_can_run(&agent, "web", why), 0);
	now += 40 * S;
	look();
	cr_assert_null(fake.watch);
}

/* Given here just before somebody asks about it, between two looks: what the question took
 * of the record must not hide from the next look that it is to run here. */
Test(agent_acts, one_that_is_asked_about_as_it_comes_here_stays, .init = begin, .fini = end)
{
	char why[BLX_TEXT_MAX];

	look();
	cr_assert_eq(fake.held, 0);
	put_web("A");
	cr_assert_eq(blx__agent_can_run(&agent, "web", why), BLX_EBUSY);
	tell(BLX_UNIT_ACTIVE);
	blx__agent_look(&agent); /* no new lease */
	cr_assert_eq(fake.held, 1);
	now += 40 * S;
	look();
	now += S;
	look();
	cr_assert_not_null(fake.watch);
	cr_assert_eq(fake.held, 1);
}

/* One that fails at once would keep a processor busy. */
Test(agent_acts, a_report_that_fails_is_not_made_again_at_once, .init = begin, .fini = end)
{
	unsigned i;

	submitted.taken = true;
	put_web("A");
	look();
	tell(BLX_UNIT_ACTIVE);
	look(); /* it is started to be set up, under this epoch */
	cr_assert_not_null(fake.call);
	fake.call->done(fake.call, &(blx_error)BLX_ERROR_INIT);
	fake.call = NULL;
	for (i = 0; i < 10; i++) {
		tell(BLX_UNIT_ACTIVE);
		look();
		cr_assert_eq(submitted.count, 1);
		if (i == 0) {
			blx__agent_ended(&agent, submitted.number, BLX_EBUSY);
		}
		now += S / 200;
	}
	now += S / 10;
	look();
	cr_assert_eq(submitted.count, 2);
	blx__agent_ended(&agent, submitted.number, BLX_ECONFLICT);
	look();
	cr_assert_eq(submitted.count, 3);
	blx__agent_ended(&agent, submitted.number, 0);
}
