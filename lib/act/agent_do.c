/* SPDX-License-Identifier: Apache-2.0 */
#include "act/agent_impl.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/fields.h"
#include "record/replace.h"
#include "store/path.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* systemd gives up much earlier, by what the unit says; this is for one that never answers. */
#define START_TIMEOUT_MS 600000
/* On top of what a unit may take to stop. */
#define STOP_SLACK_MS 5000

/* A unit that goes down and comes up again by itself is seen down for a moment. */
#define SETTLE_NS (300 * NS_PER_MS)

/* So long may a bus be away before it is worth a word. */
#define SILENT_NS (3 * NS_PER_S)

/* Before a write is tried again that could not be done. */
#define WRITE_AGAIN_NS (100 * NS_PER_MS)

/* Before a stop that did nothing, or what the bus did not take, is tried again. */
#define AGAIN_NS (500 * NS_PER_MS)

/* ---- calls ---------------------------------------------------------------------- */

static void call_end(struct blx__agent_call *call)
{
	struct blx__agent *agent = call->entry->agent;

	INVARIANT(call->busy && agent->under_way > 0);
	call->busy = false;
	agent->under_way--;
	if (call->service != NULL) {
		blx__free(call->service->extra);
		blx__free(call->service);
		call->service = NULL;
	}
	/* What it is now, and not what it was before. */
	blx__agent_forget(call->entry);
	agent->ops->wake(agent->data);
}

static void on_started(struct blx__unit_call *unit, const blx_error *error)
{
	struct blx__agent_call *call = unit->data;
	struct blx__agent_entry *entry = call->entry;
	struct blx__agent *agent = entry->agent;

	if (error->code == 0) {
		entry->set_up = call->epoch;
		entry->restarted = call->restart;
		entry->failed.code = 0;
	} else if (error->code != BLX_ECANCELED) {
		blx__log(BLX__LOG_WARN, "agent", "%s: %s: %s", agent->node, entry->service,
			error->message);
		/* With the bus away nothing is known of it, and it is no failure of the unit. */
		if (error->code == BLX_ECONNECT) {
			entry->retry_ns = agent->ops->mono_ns(agent->data) + AGAIN_NS;
		} else {
			entry->retry_ns = agent->ops->mono_ns(agent->data) +
					  blx__agent_backoff_ns(entry->wish.failures + 1);
			entry->failed = *error;
		}
	}
	call_end(call);
}

static void on_stopped(struct blx__unit_call *unit, const blx_error *error)
{
	struct blx__agent_call *call = unit->data;
	struct blx__agent_entry *entry = call->entry;
	struct blx__agent *agent = entry->agent;

	entry->stop_failed = error->code != 0 && error->code != BLX_ECONNECT;
	entry->stop_again_ns = agent->ops->mono_ns(agent->data) + AGAIN_NS;
	if (error->code != 0 && error->code != BLX_ECANCELED) {
		blx__log(BLX__LOG_WARN, "agent", "%s: %s: %s", agent->node, entry->service,
			error->message);
	}
	call_end(call);
}

static void call_begin(struct blx__agent_entry *entry, struct blx__agent_call *call, int verb,
	uint32_t timeout_ms)
{
	struct blx__agent *agent = entry->agent;

	call->entry = entry;
	call->busy = true;
	call->unit.verb = verb;
	call->unit.manager = entry->manager;
	call->unit.unit = entry->unit;
	call->unit.timeout_ms = timeout_ms;
	call->unit.data = call;
	agent->under_way++;
	blx__log(BLX__LOG_INFO, "agent", "%s: %s %s",
		agent->node,
		verb == BLX_UNIT_START ? "starts"
		: verb == BLX_UNIT_STOP ? "stops"
		: verb == BLX_UNIT_KILL ? "kills"
					: "restarts",
		entry->unit);
	agent->units->ops->call(agent->units, &call->unit);
}

static void start(struct blx__agent_entry *entry, const struct blx__tree *tree, int verb)
{
	struct blx__agent_call *call = &entry->start;
	blx_service *service = blx__agent_read(entry, tree);
	size_t i;

	if (service == NULL) {
		return; /* it is another one by now */
	}
	*call = (struct blx__agent_call){
		.service = service, .epoch = service->epoch, .restart = service->restart};
	for (i = 0; i < service->command_count; i++) {
		call->argv[i] = service->command[i];
	}
	call->setup = (struct blx__unit_setup){.service = entry->service,
		.node = entry->agent->node,
		.epoch = (uint64_t)service->epoch,
		.argv = service->command_count > 0 ? call->argv : NULL,
		.stop_timeout_ms = (uint32_t)entry->wish.stop_ms,
		.exclusive = !service->shared};
	call->unit.setup = &call->setup;
	call->unit.done = on_started;
	call_begin(entry, call, verb, START_TIMEOUT_MS);
}

static void stop(struct blx__agent_entry *entry, int verb)
{
	struct blx__agent_call *call = &entry->stop;

	*call = (struct blx__agent_call){.service = NULL};
	call->unit.done = on_stopped;
	call_begin(entry, call, verb, (uint32_t)(2 * entry->wish.stop_ms + STOP_SLACK_MS));
}

/* ---- reports -------------------------------------------------------------------- */

static bool may_write(const struct blx__agent *agent)
{
	return agent->ops->mono_ns(agent->data) >= agent->write_again_ns;
}

static void report(struct blx__agent_entry *entry, const struct blx__tree *tree,
	const struct blx__agent_step *step)
{
	struct blx__agent *agent = entry->agent;
	const struct blx__record *record = blx__record_of(BLX_RECORD_SERVICE);
	blx_service *service = blx__agent_read(entry, tree);
	struct blx__key key;
	struct blx__txn txn;

	if (service == NULL) {
		return; /* it is another one by now */
	}
	blx__agent_report(step, agent->ops->time_ns(agent->data), service);
	blx__txn_init(&txn);
	if (blx__key_child(record->what, record->dir, entry->service, &key, NULL) == 0 &&
		blx__record_replace(&txn, record, service, key.bytes, key.len,
			entry->revision) == 0 &&
		agent->ops->submit(&txn, agent->number + 1, agent->data)) {
		entry->report = ++agent->number;
		entry->reported = step->seen;
		agent->under_way++;
	}
	blx__txn_finish(&txn);
	blx__free(service->extra);
	blx__free(service);
}

void blx__agent_ended(struct blx__agent *agent, uint64_t number, int code)
{
	struct blx__list *at;

	INVARIANT(agent->under_way > 0);
	agent->under_way--;
	agent->answering = agent->answering == number ? 0 : agent->answering;
	for (at = agent->entries.next; at != &agent->entries; at = at->next) {
		struct blx__agent_entry *entry =
			blx__container_of(at, struct blx__agent_entry, link);

		if (entry->report == number) {
			entry->report = 0;
			if (code == 0 && entry->reported == BLX_SERVICE_FAILED) {
				entry->failed.code = 0;
			}
			if (code != 0) { /* as the record is then, it is decided anew */
				entry->retry_ns = agent->ops->mono_ns(agent->data) +
						  100 * NS_PER_MS;
			}
			break;
		}
	}
	/* After a conflict it is decided anew, by the record as it is then. What fails
	 * otherwise may do so at once, again and again. */
	if (code != 0 && code != BLX_ECONFLICT) {
		agent->write_again_ns = agent->ops->mono_ns(agent->data) + WRITE_AGAIN_NS;
	}
	agent->ops->wake(agent->data);
}

/* ---- a step --------------------------------------------------------------------- */

static void view_of(const struct blx__agent_entry *entry, struct blx__agent_view *view)
{
	static const blx_unit_status none = {
		.size = sizeof none, .active = BLX_UNIT_INACTIVE};
	const struct blx__agent *agent = entry->agent;
	uint64_t now = agent->ops->mono_ns(agent->data);
	bool had = agent->lease_until_ns != 0;

	*view = (struct blx__agent_view){.wish = &entry->wish,
		.status = entry->known ? &entry->status : NULL,
		.licensed = blx__agent_is_licensed(agent),
		.confirmed = had,
		.alone = !had && agent->lease_ns != 0 &&
			 now - agent->begun_ns > agent->lease_ns,
		.settled = now - entry->changed_ns >= SETTLE_NS,
		.may_try = now >= entry->retry_ns,
		.may_stop = now >= entry->stop_again_ns,
		.calling = entry->stop.busy    ? entry->stop.unit.verb
			   : entry->start.busy ? entry->start.unit.verb
					       : 0,
		.set_up = entry->set_up,
		.restarted = entry->restarted,
		.failed = entry->failed.code != 0 ? &entry->failed : NULL,
		.stop_failed = entry->stop_failed,
		.silent = !blx__agent_is_answered(entry) && now - entry->silent_ns >= SILENT_NS};
	if (!entry->watching && entry->refused.code != 0) {
		/* This host has none that it would touch. */
		view->status = &none;
		view->failed = entry->wish.seen != BLX_SERVICE_FAILED ? &entry->refused : NULL;
		view->may_try = false;
	}
}

void blx__agent_step(struct blx__agent_entry *entry, const struct blx__tree *tree)
{
	struct blx__agent_view view;
	struct blx__agent_step step;

	if (entry->revision == 0) {
		return;
	}
	view_of(entry, &view);
	blx__plan_agent(&view, &step);
	if (step.verb == BLX_UNIT_START || step.verb == BLX_UNIT_RESTART) {
		start(entry, tree, step.verb);
	} else if (step.verb != 0) {
		stop(entry, step.verb);
	}
	if ((step.seen != BLX_SERVICE_UNKNOWN || step.is_note) && entry->report == 0 &&
		may_write(entry->agent)) {
		report(entry, tree, &step);
	}
}

/* ---- who asks ------------------------------------------------------------------- */

int blx__agent_entry_can_run(
	const struct blx__agent_entry *entry, char ret_why[BLX_TEXT_MAX])
{
	const char *why = NULL;

	if (!entry->watching) {
		(void)snprintf(ret_why, BLX_TEXT_MAX, "%s", entry->refused.message);
		return BLX_ENOPLACE;
	}
	if (!blx__agent_is_answered(entry)) {
		(void)snprintf(ret_why, BLX_TEXT_MAX, BLX__AGENT_SILENT);
		return BLX_EBUSY;
	}
	if (entry->status.load == BLX_UNIT_MASKED) {
		why = "is masked there";
	} else if (entry->status.load == BLX_UNIT_BAD) {
		why = "cannot be loaded there: its file is wrong";
	} else if (entry->status.load == BLX_UNIT_NOT_FOUND && !entry->wish.transient) {
		why = "is not installed there";
	}
	if (why != NULL) {
		(void)snprintf(ret_why, BLX_TEXT_MAX, "%s %s", entry->unit, why);
	}
	return why == NULL ? 0 : BLX_ENOPLACE;
}

/* What the target says, into the record of the migration. */
static void write_answer(struct blx__agent *agent, const struct blx__item *item,
	blx_migration *migration, const char *text)
{
	struct blx__txn txn;

	(void)snprintf(migration->answer, sizeof migration->answer, "%s", text);
	blx__txn_init(&txn);
	if (blx__record_replace(&txn, blx__record_of(BLX_RECORD_MIGRATION), migration,
		    blx__item_key(item), item->key_len, item->mod_revision) == 0 &&
		agent->ops->submit(&txn, agent->number + 1, agent->data)) {
		agent->number++;
		agent->under_way++;
		agent->answering = agent->number;
	}
	blx__txn_finish(&txn);
}

static void answer(struct blx__agent *agent, const struct blx__tree *tree,
	const struct blx__item *item, blx_migration *migration)
{
	struct blx__agent_entry *entry;
	char why[BLX_TEXT_MAX];
	int rv;

	if (migration->state != BLX_MIGRATION_PREPARING || migration->answer[0] != '\0' ||
		strcmp(migration->to, agent->node) != 0) {
		return;
	}
	entry = blx__agent_ask(agent, tree, migration->service);
	if (entry == NULL) {
		return; /* the leader ends what is of no service */
	}
	rv = blx__agent_entry_can_run(entry, why);
	if (rv == 0) {
		write_answer(agent, item, migration, "yes");
	} else if (rv == BLX_ENOPLACE) {
		write_answer(agent, item, migration, why);
	}
}

void blx__agent_answer(struct blx__agent *agent, const struct blx__tree *tree)
{
	static const char dir[] = ":migrations";
	struct blx__cursor cursor;
	struct blx__item *item;
	blx_migration migration;

	if (agent->answering != 0 || !may_write(agent) || !blx__agent_is_licensed(agent)) {
		return; /* without a lease it could not run it */
	}
	item = blx__cursor_seek(&cursor, tree, (const uint8_t *)dir, sizeof dir - 1);
	for (; agent->answering == 0 && blx__item_begins(item, dir, sizeof dir - 1);
		item = blx__cursor_next(&cursor)) {
		if (blx__record_decode(blx__record_of(BLX_RECORD_MIGRATION),
			    blx__item_value(item), item->value_len, &migration, NULL) == 0) {
			answer(agent, tree, item, &migration);
			blx__free(migration.extra);
		}
	}
}
