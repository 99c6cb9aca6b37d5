/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include "base/assert.h"
#include "memory.h"
#include "mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

/* A call on its way to the manager; the manager's memory. */
struct sim_message {
	struct blx__list link;
	struct sim_event event;
	struct sim_manager *manager;
	unsigned unit;
	int verb;
	uint64_t stop_ns;
	struct blx__unit_call *call; /* the process's; NULL: it is dead, or was told */
	int code;                    /* to be told, when it was done */
	bool told_next;
};

static struct sim_manager *manager_of(struct blx__units *units)
{
	return (struct sim_manager *)units;
}

static struct sim_world *world_of(const struct sim_manager *manager)
{
	return manager->env->world;
}

static uint64_t mono_of(struct sim_manager *manager)
{
	return blx__mono_ns(&manager->env->env);
}

int sim_unit_number(const char *unit)
{
	return unit[0] == 'u' && unit[1] >= '0' && unit[1] < '0' + SIM_UNITS ? unit[1] - '0' : -1;
}

void sim_copies_init(struct sim_copies *copies, struct sim_world *world)
{
	*copies = (struct sim_copies){.world = world};
}

/* ---- copies --------------------------------------------------------------------- */

static void copy_begins(struct sim_unit *unit)
{
	struct sim_copies *copies = unit->manager->copies;
	unsigned host = unit->manager->env->host.number;
	unsigned i = unit->number;

	copies->starts++;
	if (copies->running[i] > 0) {
		sim_fail(copies->world, "u%u runs on %c, and now on %c, too", i,
			'A' + (int)copies->where[i], 'A' + (int)host);
	}
	if (unit->epoch < copies->epoch[i]) {
		sim_fail(copies->world, "u%u is started on %c with epoch %llu after %llu", i,
			'A' + (int)host, (ull)unit->epoch, (ull)copies->epoch[i]);
	}
	copies->epoch[i] = unit->epoch;
	copies->running[i]++;
	copies->where[i] = host;
}

static bool has_copy(const struct sim_unit *unit)
{
	return unit->active != BLX_UNIT_INACTIVE && unit->active != BLX_UNIT_HAS_FAILED;
}

/* ---- telling -------------------------------------------------------------------- */

static bool is_lost(const struct sim_manager *manager)
{
	return world_of(manager)->now_ns < manager->lost_until_ns;
}

static void tell_soon(struct sim_unit *unit)
{
	if (unit->watch != NULL && !sim_event_pending(&unit->tell)) {
		sim_event_after(world_of(unit->manager), &unit->tell,
			sim_spread(&unit->manager->rng, 10 * SIM_US, 20 * SIM_MS));
	}
}

static void on_tell(struct sim_event *event)
{
	struct sim_unit *unit = event->data;
	struct sim_manager *manager = unit->manager;
	blx_unit_status status = {.size = sizeof status,
		.load = BLX_UNIT_LOADED,
		.active = is_lost(manager) ? BLX_UNIT_LOST : unit->active,
		.job = unit->active == BLX_UNIT_ACTIVATING ||
		       unit->active == BLX_UNIT_DEACTIVATING};

	if (unit->watch == NULL || !sim_env_wake(manager->env, event)) {
		return;
	}
	unit->watch->changed(unit->watch, &status);
	sim_env_leave(manager->env);
}

static void set_active(struct sim_unit *unit, int active)
{
	bool had = has_copy(unit);

	unit->active = active;
	if (!had && has_copy(unit)) {
		copy_begins(unit);
	} else if (had && !has_copy(unit)) {
		unit->manager->copies->running[unit->number]--;
	}
	sim_tell(world_of(unit->manager), unit->manager->env->host.name, "  u%u is %s, epoch %llu",
		unit->number, blx_unit_active_text(active), (ull)unit->epoch);
	tell_soon(unit);
}

static void message_free(struct sim_message *message)
{
	sim_event_cancel(world_of(message->manager), &message->event);
	blx__list_remove(&message->link);
	free(message);
}

/* On its way back. */
static void reply(struct sim_message *message, int code)
{
	message->code = code;
	message->told_next = true;
	sim_event_after(world_of(message->manager), &message->event,
		sim_spread(&message->manager->rng, 10 * SIM_US, 5 * SIM_MS));
}

static void deliver(struct sim_message *message)
{
	struct sim_manager *manager = message->manager;
	struct blx__unit_call *call = message->call;
	blx_error error = BLX_ERROR_INIT;

	if (call != NULL) {
		if (!sim_env_wake(manager->env, &message->event)) {
			return;
		}
		error.code = message->code;
		(void)snprintf(error.message, sizeof error.message, "u%u: %s", message->unit,
			blx_strerror(message->code));
		message_free(message);
		call->done(call, &error);
		sim_env_leave(manager->env);
		return;
	}
	message_free(message);
}

/* ---- units ---------------------------------------------------------------------- */

static bool may_run(struct sim_manager *manager, unsigned unit)
{
	return manager->held[unit] && mono_of(manager) < manager->hold_until;
}

static void settle(struct sim_unit *unit, int code)
{
	struct sim_message *message = unit->waits;

	unit->waits = NULL;
	if (message != NULL) {
		reply(message, code);
	}
}

/* By the host's clock, and in the world's time. */
static uint64_t by_clock(struct sim_manager *manager, uint64_t ns)
{
	return ns * 1000000 / manager->env->rate_ppm;
}

static void begin_start(struct sim_unit *unit, struct sim_message *message)
{
	struct sim_manager *manager = unit->manager;
	uint64_t took_ns;

	if (!may_run(manager, unit->number)) {
		manager->copies->denied++;
		unit->waits = message;
		settle(unit, BLX_ESKIPPED);
		return;
	}
	unit->waits = message;
	unit->epoch = unit->env_epoch;
	unit->ends = !manager->calm && sim_chance(&manager->rng, 60) ? BLX_EFAILED : 0;
	took_ns = sim_spread(&manager->rng, 1, 300) * SIM_MS;
	if (!manager->calm && sim_chance(&manager->hangs, 30)) {
		manager->copies->hung++;
		unit->ends = BLX_ETIMEOUT;
		took_ns = sim_spread(&manager->hangs, 500, 8000) * SIM_MS;
	}
	set_active(unit, BLX_UNIT_ACTIVATING);
	sim_event_after(world_of(manager), &unit->next, took_ns);
}

static void begin_stop(struct sim_unit *unit)
{
	struct sim_manager *manager = unit->manager;
	uint64_t most = 2 * unit->stop_ns;

	if (!has_copy(unit) || unit->active == BLX_UNIT_DEACTIVATING) {
		return;
	}
	settle(unit, BLX_ECANCELED);
	set_active(unit, BLX_UNIT_DEACTIVATING);
	sim_event_after(world_of(manager), &unit->next,
		by_clock(manager, sim_chance(&manager->rng, 200)
					  ? most
					  : sim_spread(&manager->rng, 1 * SIM_MS, most)));
}

static void on_started(struct sim_unit *unit)
{
	if (unit->ends == BLX_ETIMEOUT) {
		settle(unit, unit->ends);
		begin_stop(unit); /* what has started of it */
		return;
	}
	set_active(unit, unit->ends != 0 ? BLX_UNIT_HAS_FAILED : BLX_UNIT_ACTIVE);
	settle(unit, unit->ends);
}

static void on_stopped(struct sim_unit *unit)
{
	struct sim_message *message = unit->waits;
	bool failed = sim_chance(&unit->manager->rng, 200) || unit->ends == BLX_ETIMEOUT;

	set_active(unit, failed ? BLX_UNIT_HAS_FAILED : BLX_UNIT_INACTIVE);
	if (unit->again) {
		unit->again = false;
		unit->waits = NULL;
		begin_start(unit, message);
	} else {
		settle(unit, 0);
	}
}

static void on_next(struct sim_event *event)
{
	struct sim_unit *unit = event->data;

	if (unit->active == BLX_UNIT_DEACTIVATING) {
		on_stopped(unit);
	} else {
		on_started(unit);
	}
}

/* ---- calls ---------------------------------------------------------------------- */

static void perform_start(struct sim_unit *unit, struct sim_message *message)
{
	if (unit->active == BLX_UNIT_ACTIVE && message->verb == BLX_UNIT_START) {
		reply(message, 0); /* it is as it is to be */
		return;
	}
	if (unit->waits != NULL || unit->active == BLX_UNIT_ACTIVATING) {
		settle(unit, BLX_ECANCELED);
	}
	unit->stop_ns = message->stop_ns;
	if (has_copy(unit)) {
		if (unit->active == BLX_UNIT_ACTIVATING) {
			unit->waits = message; /* the job that is there counts for it */
			return;
		}
		begin_stop(unit);
		unit->again = true;
		unit->waits = message;
		return;
	}
	begin_start(unit, message);
}

static void perform_stop(struct sim_unit *unit, struct sim_message *message)
{
	struct sim_manager *manager = unit->manager;

	if (!has_copy(unit)) {
		reply(message, 0);
		return;
	}
	begin_stop(unit);
	settle(unit, BLX_ECANCELED);
	unit->again = false;
	unit->waits = message;
	if (message->verb == BLX_UNIT_KILL) {
		sim_event_after(world_of(manager), &unit->next, SIM_MS);
	}
}

static void on_message(struct sim_event *event)
{
	struct sim_message *message = event->data;
	struct sim_unit *unit = &message->manager->list[message->unit];

	if (message->told_next) {
		deliver(message);
	} else if (message->verb == BLX_UNIT_START || message->verb == BLX_UNIT_RESTART) {
		perform_start(unit, message);
	} else {
		perform_stop(unit, message);
	}
}

static void on_call(struct blx__units *units, struct blx__unit_call *call)
{
	struct sim_manager *manager = manager_of(units);
	struct sim_message *message = sim_alloc(sizeof *message);
	int number = sim_unit_number(call->unit);

	PRE(number >= 0);
	message->manager = manager;
	message->unit = (unsigned)number;
	message->verb = call->verb;
	message->stop_ns =
		call->setup != NULL ? call->setup->stop_timeout_ms * SIM_MS : SIM_S;
	message->call = call;
	blx__list_init(&message->link);
	blx__list_push_back(&manager->messages, &message->link);
	sim_event_init(&message->event, on_message, message);
	if (is_lost(manager)) {
		reply(message, BLX_ECONNECT);
		return;
	}
	sim_event_after(world_of(manager), &message->event,
		sim_spread(&manager->rng, 10 * SIM_US, 20 * SIM_MS));
}

static int on_watch(struct blx__units *units, struct blx__unit_watch *watch, blx_error *error)
{
	struct sim_manager *manager = manager_of(units);
	int number = sim_unit_number(watch->unit);

	if (number < 0) {
		return blx__error_set(error, BLX_EPERM, "%s: none of this host's", watch->unit);
	}
	manager->list[number].watch = watch;
	if (manager->list[number].stop_ns == 0 && watch->gated) {
		manager->list[number].stop_ns = watch->stop_timeout_ms * SIM_MS;
	}
	tell_soon(&manager->list[number]);
	return 0;
}

static void on_unwatch(struct blx__units *units, struct blx__unit_watch *watch)
{
	struct sim_manager *manager = manager_of(units);
	struct sim_unit *unit = &manager->list[sim_unit_number(watch->unit)];

	if (unit->watch == watch) {
		unit->watch = NULL;
		sim_event_cancel(world_of(manager), &unit->tell);
	}
}

/* ---- the guard ------------------------------------------------------------------ */

/* Clocks change their rate: it looks again. */
static void guard_arm(struct sim_manager *manager)
{
	uint64_t now = mono_of(manager);
	uint64_t left = manager->hold_until > now ? manager->hold_until - now : 0;

	sim_event_after(world_of(manager), &manager->guard,
		by_clock(manager, left) < 20 * SIM_MS ? by_clock(manager, left) + SIM_US
						      : 20 * SIM_MS);
}

static void on_guard(struct sim_event *event)
{
	struct sim_manager *manager = event->data;
	unsigned i;

	if (mono_of(manager) < manager->hold_until) {
		guard_arm(manager);
		return;
	}
	for (i = 0; i < SIM_UNITS; i++) {
		if (has_copy(&manager->list[i]) &&
			manager->list[i].active != BLX_UNIT_DEACTIVATING) {
			manager->copies->guarded++;
			manager->list[i].again = false;
			begin_stop(&manager->list[i]);
		}
	}
}

static int on_hold(
	struct blx__units *units, const struct blx__hold *hold, blx_error *error)
{
	struct sim_manager *manager = manager_of(units);
	size_t i;

	(void)error;
	memset(manager->held, 0, sizeof manager->held);
	for (i = 0; i < hold->count; i++) {
		int number = sim_unit_number(hold->units[i].unit);

		if (number >= 0) {
			manager->held[number] = true;
			manager->list[number].env_epoch = hold->units[i].epoch;
		}
	}
	manager->hold_until = hold->until_ns;
	if (sim_mutations.which != SIM_MUTATE_NO_GUARD) {
		guard_arm(manager);
	}
	return 0;
}

/* ---- ending --------------------------------------------------------------------- */

static void on_closed(struct sim_event *event)
{
	struct sim_manager *manager = event->data;
	struct blx__list *link;
	struct blx__list *tmp;
	void (*cb)(void *) = manager->close_cb;

	if (!sim_env_wake(manager->env, event)) {
		return;
	}
	blx__list_foreach_safe (link, tmp, &manager->messages) {
		struct sim_message *message =
			blx__container_of(link, struct sim_message, link);
		struct blx__unit_call *call = message->call;
		blx_error error = BLX_ERROR_INIT;

		message->call = NULL;
		error.code = BLX_ECANCELED;
		if (call != NULL) {
			call->done(call, &error);
		}
	}
	manager->close_cb = NULL;
	cb(manager->close_data);
	sim_env_leave(manager->env);
}

static void on_close(struct blx__units *units, void (*cb)(void *data), void *data)
{
	struct sim_manager *manager = manager_of(units);
	unsigned i;

	for (i = 0; i < SIM_UNITS; i++) {
		manager->list[i].watch = NULL;
		sim_event_cancel(world_of(manager), &manager->list[i].tell);
	}
	manager->close_cb = cb;
	manager->close_data = data;
	sim_event_after(world_of(manager), &manager->closed, SIM_MS);
}

static const struct blx__units_ops ops = {.call = on_call,
	.watch = on_watch,
	.unwatch = on_unwatch,
	.hold = on_hold,
	.close = on_close};

static void lose_units(struct sim_manager *manager)
{
	unsigned i;

	for (i = 0; i < SIM_UNITS; i++) {
		struct sim_unit *unit = &manager->list[i];

		sim_event_cancel(world_of(manager), &unit->next);
		unit->waits = NULL;
		unit->again = false;
		if (has_copy(unit)) {
			set_active(unit, BLX_UNIT_INACTIVE);
		}
	}
	while (!blx__list_empty(&manager->messages)) {
		message_free(blx__container_of(
			manager->messages.next, struct sim_message, link));
	}
	memset(manager->held, 0, sizeof manager->held);
	manager->hold_until = 0;
	sim_event_cancel(world_of(manager), &manager->guard);
}

void sim_manager_on_end(struct sim_manager *manager, bool power)
{
	struct blx__list *link;
	unsigned i;

	for (i = 0; i < SIM_UNITS; i++) {
		manager->list[i].watch = NULL;
		sim_event_cancel(world_of(manager), &manager->list[i].tell);
	}
	blx__list_foreach (link, &manager->messages) {
		blx__container_of(link, struct sim_message, link)->call = NULL;
	}
	sim_event_cancel(world_of(manager), &manager->closed);
	if (power) {
		lose_units(manager);
	}
}

/* ---- what happens by itself ----------------------------------------------------- */

static void on_back(struct sim_event *event)
{
	struct sim_manager *manager = event->data;
	unsigned i;

	for (i = 0; i < SIM_UNITS; i++) {
		tell_soon(&manager->list[i]);
	}
}

/* The bus is gone for a while: who waits is told so; what they asked for goes on. */
static void lose_bus(struct sim_manager *manager)
{
	struct blx__list *link;
	struct blx__list *tmp;
	unsigned i;

	manager->lost_until_ns =
		world_of(manager)->now_ns + sim_spread(&manager->rng, 20, 1500) * SIM_MS;
	sim_event_at(world_of(manager), &manager->back, manager->lost_until_ns);
	sim_tell(world_of(manager), manager->env->host.name, "  its bus is lost");
	for (i = 0; i < SIM_UNITS; i++) {
		tell_soon(&manager->list[i]);
	}
	blx__list_foreach_safe (link, tmp, &manager->messages) {
		struct sim_message *message =
			blx__container_of(link, struct sim_message, link);
		struct sim_message *word;

		if (message->call == NULL || message->told_next) {
			continue;
		}
		word = sim_alloc(sizeof *word);
		*word = *message;
		message->call = NULL;
		blx__list_init(&word->link);
		blx__list_push_front(&manager->messages, &word->link);
		sim_event_init(&word->event, on_message, word);
		reply(word, BLX_ECONNECT);
	}
}

/* Somebody on the host does it by hand. */
static void by_hand(struct sim_unit *unit)
{
	unit->manager->copies->behind++;
	if (sim_chance(&unit->manager->rng, 500)) {
		begin_stop(unit);
	} else if (!has_copy(unit) && unit->stop_ns != 0) {
		begin_start(unit, NULL);
	}
}

static void on_chance(struct sim_event *event)
{
	struct sim_manager *manager = event->data;
	struct sim_unit *unit = &manager->list[blx__rng_below(&manager->rng, SIM_UNITS)];

	if (manager->calm) {
		return;
	}
	sim_event_after(world_of(manager), &manager->chance,
		sim_spread(&manager->rng, 200, 6000) * SIM_MS);
	switch (blx__rng_below(&manager->rng, 3)) {
	case 0:
		lose_bus(manager);
		break;
	case 1:
		by_hand(unit);
		break;
	default:
		if (unit->active == BLX_UNIT_ACTIVE) {
			set_active(unit, BLX_UNIT_HAS_FAILED);
		}
		break;
	}
}

void sim_manager_calm(struct sim_manager *manager)
{
	manager->calm = true;
}

/* ---- the whole ------------------------------------------------------------------ */

void sim_manager_init(struct sim_manager *manager, struct sim_env *env,
	struct sim_copies *copies, unsigned number)
{
	unsigned i;

	*manager = (struct sim_manager){.units.ops = &ops, .env = env, .copies = copies};
	sim_world_rng(env->world, "manager", number, &manager->rng);
	sim_world_rng(env->world, "hangs", number, &manager->hangs);
	blx__list_init(&manager->messages);
	sim_event_init(&manager->guard, on_guard, manager);
	sim_event_init(&manager->chance, on_chance, manager);
	sim_event_init(&manager->back, on_back, manager);
	sim_event_init(&manager->closed, on_closed, manager);
	for (i = 0; i < SIM_UNITS; i++) {
		manager->list[i] = (struct sim_unit){
			.manager = manager, .number = i, .active = BLX_UNIT_INACTIVE};
		sim_event_init(&manager->list[i].next, on_next, &manager->list[i]);
		sim_event_init(&manager->list[i].tell, on_tell, &manager->list[i]);
	}
	sim_event_after(env->world, &manager->chance,
		sim_spread(&manager->rng, 200, 6000) * SIM_MS);
}

void sim_manager_finish(struct sim_manager *manager)
{
	sim_manager_on_end(manager, true);
	sim_event_cancel(world_of(manager), &manager->chance);
	sim_event_cancel(world_of(manager), &manager->back);
}
