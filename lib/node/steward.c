/* SPDX-License-Identifier: Apache-2.0 */
#include "node/steward.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/impl.h"
#include "node/own_write.h"
#include "plan/scene.h"
#include "record/settings.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

/* So many election timeouts at least: what runs outlasts that a leader is lost. */
#define LEASE_ELECTIONS 2

/* A lease is asked for so many times while one runs. */
#define ASKS_A_LEASE 4

/* ---- what the agent wants to know ----------------------------------------------- */

static uint64_t op_mono_ns(void *data)
{
	struct blx__steward *steward = data;

	return blx__mono_ns(steward->node->env);
}

static int64_t op_time_ns(void *data)
{
	struct blx__steward *steward = data;

	return blx__node_time_ms(steward->node) * (int64_t)NS_PER_MS;
}

static struct blx__image *op_pin(void *data)
{
	struct blx__steward *steward = data;

	return blx__machine_pin(steward->node->machine);
}

static uint64_t op_revision(void *data)
{
	struct blx__steward *steward = data;

	return blx__machine_revision(steward->node->machine);
}

static void on_submitted(int code, void *data, uint64_t number)
{
	struct blx__steward *steward = data;

	blx__agent_ended(&steward->agent, number, code);
}

static bool op_submit(const struct blx__txn *txn, uint64_t number, void *data)
{
	struct blx__steward *steward = data;
	struct blx__own_write_opts opts = {
		.cb = on_submitted, .data = steward, .number = number};

	return blx__own_write(steward->node, txn, &opts) == 0;
}

static void op_wake(void *data)
{
	struct blx__steward *steward = data;

	steward->agent_due = true;
	blx__env_post(steward->node->env, &steward->wake);
}

static const struct blx__agent_ops ops = {
	.mono_ns = op_mono_ns,
	.time_ns = op_time_ns,
	.pin = op_pin,
	.revision = op_revision,
	.submit = op_submit,
	.wake = op_wake,
};

/* ---- what is applied ------------------------------------------------------------ */

static bool on_change(
	void *data, uint64_t revision, const struct blx__machine_change *change)
{
	static const char *const dirs[] = {":services", ":nodes", ":migrations", ":config"};
	struct blx__steward *steward = data;
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	size_t i;

	(void)revision;
	for (i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
		if (blx__item_begins(item, dirs[i], strlen(dirs[i]))) {
			steward->agent_due = true;
			steward->leader_due = true;
			steward->lease_due = true;
			return false;
		}
	}
	return true;
}

static void on_committed(void *data, uint64_t revision, const struct blx__tree *tree)
{
	(void)data;
	(void)revision;
	(void)tree;
}

static void on_replaced(void *data, uint64_t revision, const struct blx__tree *tree)
{
	struct blx__steward *steward = data;

	(void)revision;
	(void)tree;
	steward->agent_due = true;
	steward->leader_due = true;
	steward->lease_due = true;
}

/* ---- the lease ------------------------------------------------------------------ */

/* False: no memory, and it is the default. */
static bool read_setting(struct blx__steward *steward)
{
	struct blx__image *image = blx__machine_pin(steward->node->machine);
	uint64_t max_ns = BLX__LEASE_MAX_MS * NS_PER_MS;
	uint64_t min_ns =
		LEASE_ELECTIONS * (uint64_t)steward->node->opts.election_timeout_ms * NS_PER_MS;
	uint64_t lease_ns = blx__setting_default(BLX__SETTING_HOST_LEASE);

	if (image != NULL) {
		lease_ns = blx__setting_of(blx__image_tree(image), BLX__SETTING_HOST_LEASE);
		blx__image_unref(image);
	}
	lease_ns = lease_ns > min_ns ? lease_ns : min_ns;
	steward->set_ns = lease_ns < max_ns ? lease_ns : max_ns;
	return image != NULL;
}

/* Without memory it is as if there were none. */
static void read_told(struct blx__steward *steward)
{
	BLX__CLEANUP_FREE blx_node_info *info = blx__malloc(sizeof *info);
	uint64_t revision;

	steward->told_ns = 0;
	if (info != NULL && blx__node_record(
		    steward->node, steward->node->identity.name, info, &revision)) {
		steward->told_ns = (uint64_t)info->lease * NS_PER_MS;
		blx__free(info->extra);
	}
}

/* Needed at each tick: what was read and did not change is not read again. */
static void read_lease(struct blx__steward *steward)
{
	if (steward->lease_due) {
		bool is_set = read_setting(steward);

		read_told(steward);
		steward->lease_due = !is_set || steward->told_ns == 0;
	}
}

/* What was confirmed for longer than it would be now runs for a while still. */
static void note_longer(struct blx__steward *steward)
{
	if (steward->granted_ns > steward->set_ns &&
		steward->granted_until_ns > steward->longer_until_ns) {
		steward->longer_until_ns = steward->granted_until_ns;
	}
}

int64_t blx__steward_lease_ms(struct blx__steward *steward)
{
	bool lowered;

	if (steward->units == NULL) {
		return 0;
	}
	read_lease(steward);
	lowered = steward->set_ns < steward->told_ns;
	note_longer(steward);
	/* A run before this one may have had one of what was told then until it ended. */
	if (steward->agent.begun_ns + steward->told_ns > steward->longer_until_ns &&
		!steward->lowered) {
		steward->longer_until_ns = steward->agent.begun_ns + steward->told_ns;
	}
	if (lowered && (blx__mono_ns(steward->node->env) < steward->longer_until_ns ||
			       (steward->keeping &&
				       steward->sent_lease_ns > steward->set_ns))) {
		return (int64_t)(steward->told_ns / NS_PER_MS);
	}
	steward->lowered = steward->lowered || lowered;
	return (int64_t)(steward->set_ns / NS_PER_MS);
}

/* The replica has what the leader had when it was asked. */
static void take_effect(struct blx__steward *steward)
{
	if (!steward->confirmed ||
		blx__machine_revision(steward->node->machine) < steward->confirmed_revision) {
		return;
	}
	steward->confirmed = false;
	read_lease(steward);
	note_longer(steward);
	steward->granted_ns = steward->sent_lease_ns;
	steward->granted_until_ns = steward->sent_ns + steward->sent_lease_ns;
	blx__agent_lease(&steward->agent, steward->granted_until_ns);
	steward->agent_due = true;
}

static void on_kept(struct blx__request *request, const struct blx__response *response)
{
	struct blx__steward *steward = request->data;

	INVARIANT(steward->keeping && steward->node->own_writes > 0);
	steward->keeping = false;
	steward->node->own_writes--;
	if (response->code == 0) {
		steward->confirmed = true;
		steward->confirmed_revision = response->revision;
		take_effect(steward);
	}
}

static void keep(struct blx__steward *steward, uint64_t lease_ns)
{
	struct blx__node *node = steward->node;

	blx__buf_reset(&steward->body);
	blx__put_text(&steward->body, node->identity.name);
	if (!blx__buf_ok(&steward->body)) {
		return;
	}
	steward->keep = (struct blx__request){.op = BLX__OP_HOST_KEEP,
		.timeout_ms = (uint32_t)(lease_ns / 2 / NS_PER_MS) + 1,
		.body = steward->body.data,
		.body_len = steward->body.len,
		.done = on_kept,
		.data = steward};
	blx__list_init(&steward->keep.link);
	steward->keeping = true;
	steward->confirmed = false; /* one at a time, or the times would be mixed up */
	steward->sent_ns = blx__mono_ns(node->env);
	steward->sent_lease_ns = lease_ns;
	node->own_writes++;
	blx__request_submit(node, &steward->keep);
}

static void renew(struct blx__steward *steward)
{
	uint64_t now = blx__mono_ns(steward->node->env);
	uint64_t lease_ns;
	bool due;

	read_lease(steward);
	lease_ns = steward->told_ns < steward->set_ns ? steward->told_ns : steward->set_ns;
	due = now - steward->sent_ns >= lease_ns / ASKS_A_LEASE ||
	      (!steward->confirmed && steward->granted_until_ns < now + lease_ns / 2);
	steward->agent.lease_ns = lease_ns;
	if (lease_ns != 0 && due && !steward->keeping &&
		!(steward->confirmed && now - steward->sent_ns < lease_ns / 2)) {
		keep(steward, lease_ns);
	}
}

/* ---- a look --------------------------------------------------------------------- */

void blx__steward_poll(struct blx__steward *steward)
{
	struct blx__node *node = steward->node;

	if (steward->units == NULL || node->failed || node->closing || !node->raft_started) {
		return;
	}
	take_effect(steward);
	if (steward->agent_due && node->caught_up) {
		steward->agent_due = false;
		blx__agent_look(&steward->agent);
	}
}

void blx__steward_tick(struct blx__steward *steward)
{
	struct blx__node *node = steward->node;

	if (steward->units == NULL || node->stopping) {
		return;
	}
	if (node->caught_up && node->leader != 0) {
		renew(steward);
	}
	steward->agent_due = true; /* time has passed */
	blx__steward_poll(steward);
}

static void on_wake(struct blx__post *post)
{
	blx__steward_poll(post->data);
}

/* ---- questions ------------------------------------------------------------------ */

static void answer_can_run(
	struct blx__steward *steward, struct blx__request *request, const char *service)
{
	struct blx__response response = {.code = 0};
	char why[BLX_TEXT_MAX] = "yes";
	int rv = BLX_ENOSYS;

	if (steward->units != NULL && !steward->agent.ending) {
		rv = blx__agent_can_run(&steward->agent, service, why);
	}
	if (rv != 0 && rv != BLX_ENOPLACE) {
		blx__request_fail(request, rv, "can %s run on %s: %s", service,
			steward->node->identity.name,
			rv == BLX_EBUSY    ? "not known yet"
			: rv == BLX_ENOSYS ? "it takes no services"
					   : blx_strerror(rv));
		return;
	}
	response.body = (const uint8_t *)why;
	response.body_len = strlen(why);
	blx__request_finish(request, &response);
}

void blx__steward_can_run(struct blx__steward *steward, struct blx__request *request)
{
	struct blx__node *node = steward->node;
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);
	BLX__CLEANUP_FREE char *name = blx__get_text(&reader, BLX__NAME_LEN_MAX);
	BLX__CLEANUP_FREE char *service = blx__get_text(&reader, BLX_NAME_MAX);

	if (!blx__reader_done(&reader) || name == NULL || service == NULL) {
		blx__request_fail(
			request, BLX_EPROTO, "can a service run: the request is malformed");
	} else if (!blx__forward_to(node, request, name)) {
		answer_can_run(steward, request, service);
	}
}

/* ---- the whole ------------------------------------------------------------------ */

void blx__steward_init(struct blx__steward *steward, struct blx__node *node)
{
	*steward = (struct blx__steward){.node = node, .leader_due = true, .lease_due = true};
	blx__buf_init(&steward->body);
	blx__post_init(&steward->wake, on_wake, steward);
}

void blx__steward_begin(struct blx__steward *steward)
{
	struct blx__machine_observer observer = {.changed = on_change,
		.committed = on_committed,
		.replaced = on_replaced,
		.data = steward};

	blx__machine_observe(steward->node->machine, &observer);
}

void blx__steward_units(struct blx__steward *steward, struct blx__units *units)
{
	PRE(steward->units == NULL && units != NULL);

	steward->units = units;
	blx__agent_init(
		&steward->agent, &ops, steward, units, steward->node->identity.name);
}

void blx__steward_end(
	struct blx__steward *steward, void (*cb)(void *data), void *data)
{
	PRE(steward->units != NULL);

	blx__agent_end(&steward->agent);
	steward->units->ops->close(steward->units, cb, data);
}

void blx__steward_finish(struct blx__steward *steward)
{
	PRE(!steward->keeping);

	if (steward->units != NULL) {
		blx__agent_finish(&steward->agent);
	}
	blx__buf_finish(&steward->body);
}
