/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units for programs that are no members: sys/unit_bus on a loop and a thread of its own.
 * What is asked from other threads is posted to it.
 */
#include <blixard/unit.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "sys/hold.h"
#include "sys/unit_bus.h"
#include "sys/uv_env.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* So long the first connection may take. */
#define OPEN_TIMEOUT_MS 5000

/* What is asked where it is not said for how long. */
#define CALL_TIMEOUT_MS 90000

struct blx_units {
	struct blx__env *env;
	struct blx__units *table;
	pthread_t thread;
	struct blx__post stop;
};

void blx_units_opts_init(blx_units_opts *opts)
{
	if (opts != NULL) {
		*opts = (blx_units_opts)BLX_UNITS_OPTS_INIT;
	}
}

/* ---- life ----------------------------------------------------------------------- */

static void *loop_thread(void *data)
{
	blx_units *units = data;

	blx__uv_env_run(units->env);
	return NULL;
}

static void on_closed(void *data)
{
	blx_units *units = data;

	blx__uv_env_stop(units->env);
}

static void on_stop(struct blx__post *post)
{
	blx_units *units = post->data;

	units->table->ops->close(units->table, on_closed, units);
}

static void release(blx_units *units)
{
	blx__unit_bus_destroy(units->table);
	if (units->env != NULL) {
		blx__uv_env_destroy(units->env);
	}
	blx__free(units);
}

static int probe(blx_units *units, blx_error *error);

int blx_units_open(const blx_units_opts *user_opts, blx_units **ret_units, blx_error *error)
{
	struct blx__unit_bus_opts inner = {.holds_nothing = true};
	blx_units_opts opts;
	blx_units *units;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (ret_units == NULL) {
		return blx__error_set(error, BLX_EINVAL, "units: nowhere to put the handle");
	}
	units = blx__calloc(1, sizeof *units);
	if (units == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "units: out of memory");
	}
	inner.manager = opts.manager != NULL && opts.manager[0] != '\0' ? opts.manager : NULL;
	inner.address = opts.address;
	inner.allow_file = opts.allow_file;
	blx__post_init(&units->stop, on_stop, units);
	rv = blx__uv_env_create(&units->env, error);
	if (rv == 0) {
		rv = blx__unit_bus_create(units->env, &inner, &units->table, error);
	}
	if (rv != 0) {
		release(units);
		return rv;
	}
	if (pthread_create(&units->thread, NULL, loop_thread, units) != 0) {
		units->table->ops->close(units->table, on_closed, units);
		blx__uv_env_run(units->env);
		release(units);
		return blx__error_set(error, BLX_ENOMEM, "units: no thread can be made");
	}
	if (probe(units, error) != 0) {
		blx_units_close(units);
		return blx__error_set(error, BLX_ECONNECT, "service manager %s: cannot be reached",
			inner.manager != NULL ? inner.manager : "of the system");
	}
	*ret_units = units;
	return 0;
}

void blx_units_close(blx_units *units)
{
	if (units == NULL) {
		return;
	}
	blx__env_post(units->env, &units->stop);
	(void)pthread_join(units->thread, NULL);
	release(units);
}

/* ---- calls ---------------------------------------------------------------------- */

struct unit_call {
	struct blx__post post;
	struct blx__unit_call inner;
	struct blx__unit_setup setup;
	blx_units *units;
	char unit[BLX_UNIT_NAME_MAX];
	blx_unit_cb cb;
	void *data;
};

static void on_done(struct blx__unit_call *inner, const blx_error *error)
{
	struct unit_call *call = inner->data;
	blx_unit_cb cb = call->cb;
	void *data = call->data;
	char unit[BLX_UNIT_NAME_MAX];

	memcpy(unit, call->unit, sizeof unit);
	blx__free(call);
	cb(unit, error, data);
}

static void on_call(struct blx__post *post)
{
	struct unit_call *call = post->data;

	call->units->table->ops->call(call->units->table, &call->inner);
}

/* setup is borrowed until the end of the call; may be NULL. */
static int begin(blx_units *units, int verb, const char *unit,
	const struct blx__unit_setup *setup, uint32_t timeout_ms, blx_unit_cb cb, void *data,
	blx_error *error)
{
	struct unit_call *call;
	int rv;

	if (units == NULL || cb == NULL || verb < BLX_UNIT_START || verb > BLX_UNIT_KILL) {
		return blx__error_set(error, BLX_EINVAL, "unit: no handle, no cb, or no verb");
	}
	rv = blx__unit_name_check(unit, error);
	if (rv != 0) {
		return rv;
	}
	call = blx__calloc(1, sizeof *call);
	if (call == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "%s: out of memory", unit);
	}
	memcpy(call->unit, unit, strlen(unit));
	call->units = units;
	call->cb = cb;
	call->data = data;
	if (setup != NULL) {
		call->setup = *setup;
	}
	call->inner = (struct blx__unit_call){.verb = verb,
		.manager = "",
		.unit = call->unit,
		.setup = setup != NULL ? &call->setup : NULL,
		.timeout_ms = timeout_ms != 0 ? timeout_ms : CALL_TIMEOUT_MS,
		.done = on_done,
		.data = call};
	blx__list_init(&call->inner.link);
	blx__post_init(&call->post, on_call, call);
	blx__env_post(units->env, &call->post);
	return 0;
}

int blx_unit_call(blx_units *units, int verb, const char *unit, uint32_t timeout_ms,
	blx_unit_cb cb, void *data, blx_error *error)
{
	return begin(units, verb, unit, NULL, timeout_ms, cb, data, error);
}

/* ---- and waiting for one -------------------------------------------------------- */

struct waiter {
	sem_t done;
	blx_error error;
};

static void on_waited(const char *unit, const blx_error *error, void *data)
{
	struct waiter *waiter = data;

	(void)unit;
	waiter->error = *error;
	(void)sem_post(&waiter->done);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0) {
	}
}

static int perform(blx_units *units, int verb, const char *unit,
	const struct blx__unit_setup *setup, uint32_t timeout_ms, blx_error *error)
{
	struct waiter waiter;
	int rv;

	(void)sem_init(&waiter.done, 0, 0);
	rv = begin(units, verb, unit, setup, timeout_ms, on_waited, &waiter, error);
	if (rv == 0) {
		wait_for(&waiter.done);
		rv = waiter.error.code;
		blx__error_copy(error, &waiter.error);
	}
	(void)sem_destroy(&waiter.done);
	return rv;
}

int blx_unit_start(blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error)
{
	return perform(units, BLX_UNIT_START, unit, NULL, timeout_ms, error);
}

int blx_unit_stop(blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error)
{
	return perform(units, BLX_UNIT_STOP, unit, NULL, timeout_ms, error);
}

int blx_unit_restart(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error)
{
	return perform(units, BLX_UNIT_RESTART, unit, NULL, timeout_ms, error);
}

int blx_unit_reload(blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error)
{
	return perform(units, BLX_UNIT_RELOAD, unit, NULL, timeout_ms, error);
}

int blx_unit_reset_failed(
	blx_units *units, const char *unit, uint32_t timeout_ms, blx_error *error)
{
	return perform(units, BLX_UNIT_RESET_FAILED, unit, NULL, timeout_ms, error);
}

int blx_unit_run(blx_units *units, const blx_unit_command *user_command, uint32_t timeout_ms,
	blx_error *error)
{
	struct blx__unit_setup setup = {.node = NULL};
	blx_unit_command command;

	BLX__OPTS(&command, user_command);
	if (command.argv == NULL || command.argv[0] == NULL || command.argv[0][0] != '/') {
		return blx__error_set(error, BLX_EINVAL,
			"run %s: the program must be an absolute path",
			command.unit != NULL ? command.unit : "a unit");
	}
	setup.argv = command.argv;
	setup.env = command.env;
	setup.service = command.description != NULL ? command.description : command.unit;
	setup.stop_timeout_ms = command.stop_timeout_ms;
	return perform(units, BLX_UNIT_START, command.unit, &setup, timeout_ms, error);
}

/* ---- seeing --------------------------------------------------------------------- */

struct blx_unit_watch {
	struct blx__post begin;
	struct blx__post end;
	struct blx__unit_watch inner;
	blx_units *units;
	char unit[BLX_UNIT_NAME_MAX];
	blx_unit_watch_cb cb;
	void *data;
	int code;
	blx_error *error; /* of who opens it, until then */
	sem_t done;
};

static void on_changed(struct blx__unit_watch *inner, const blx_unit_status *status)
{
	struct blx_unit_watch *watch = inner->data;

	watch->cb(watch->unit, status, watch->data);
}

static void on_begin(struct blx__post *post)
{
	struct blx_unit_watch *watch = post->data;
	struct blx__units *table = watch->units->table;

	watch->code = table->ops->watch(table, &watch->inner, watch->error);
	(void)sem_post(&watch->done);
}

static void on_end(struct blx__post *post)
{
	struct blx_unit_watch *watch = post->data;
	struct blx__units *table = watch->units->table;

	table->ops->unwatch(table, &watch->inner);
	(void)sem_post(&watch->done);
}

static void watch_free(blx_unit_watch *watch)
{
	(void)sem_destroy(&watch->done);
	blx__free(watch);
}

static int watch_open(blx_units *units, const char *unit, bool is_probe, blx_unit_watch_cb cb,
	void *data, blx_unit_watch **ret_watch, blx_error *error)
{
	blx_unit_watch *watch;
	int rv;

	if (units == NULL || cb == NULL || ret_watch == NULL) {
		return blx__error_set(error, BLX_EINVAL, "watch a unit: no handle, cb, or place");
	}
	rv = blx__unit_name_check(unit, error);
	if (rv != 0) {
		return rv;
	}
	watch = blx__calloc(1, sizeof *watch);
	if (watch == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "watch %s: out of memory", unit);
	}
	memcpy(watch->unit, unit, strlen(unit));
	watch->units = units;
	watch->cb = cb;
	watch->data = data;
	watch->error = error;
	watch->inner = (struct blx__unit_watch){.manager = "",
		.unit = watch->unit,
		.is_probe = is_probe,
		.changed = on_changed,
		.data = watch};
	(void)sem_init(&watch->done, 0, 0);
	blx__post_init(&watch->begin, on_begin, watch);
	blx__post_init(&watch->end, on_end, watch);
	blx__env_post(units->env, &watch->begin);
	wait_for(&watch->done);
	rv = watch->code;
	if (rv != 0) {
		watch_free(watch);
		return rv;
	}
	*ret_watch = watch;
	return 0;
}

int blx_unit_watch_open(blx_units *units, const char *unit, blx_unit_watch_cb cb, void *data,
	blx_unit_watch **ret_watch, blx_error *error)
{
	return watch_open(units, unit, false, cb, data, ret_watch, error);
}

void blx_unit_watch_close(blx_unit_watch *watch)
{
	if (watch != NULL) {
		blx__env_post(watch->units->env, &watch->end);
		wait_for(&watch->done);
		watch_free(watch);
	}
}

struct looker {
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool is_told;
	blx_unit_status status;
};

static void on_looked(const char *unit, const blx_unit_status *status, void *data)
{
	struct looker *looker = data;

	(void)unit;
	if (status->active == BLX_UNIT_LOST) {
		return; /* it may come yet */
	}
	(void)pthread_mutex_lock(&looker->lock);
	looker->is_told = true;
	looker->status = *status;
	(void)pthread_cond_signal(&looker->told);
	(void)pthread_mutex_unlock(&looker->lock);
}

static bool wait_told(struct looker *looker, uint32_t timeout_ms)
{
	uint64_t until = blx__client_now_ns() +
			 (uint64_t)(timeout_ms != 0 ? timeout_ms : OPEN_TIMEOUT_MS) * 1000000;
	struct timespec at = {.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000)};
	int rv = 0;

	(void)pthread_mutex_lock(&looker->lock);
	while (!looker->is_told && rv == 0) {
		rv = pthread_cond_clockwait(
			&looker->told, &looker->lock, CLOCK_MONOTONIC, &at);
	}
	(void)pthread_mutex_unlock(&looker->lock);
	return looker->is_told;
}

static int look_at(blx_units *units, const char *unit, bool is_probe, uint32_t timeout_ms,
	blx_unit_status *ret_status, blx_error *error)
{
	struct looker looker = {.lock = PTHREAD_MUTEX_INITIALIZER,
		.told = PTHREAD_COND_INITIALIZER};
	blx_unit_watch *watch;
	int rv = watch_open(units, unit, is_probe, on_looked, &looker, &watch, error);

	if (rv != 0) {
		return rv;
	}
	if (wait_told(&looker, timeout_ms)) {
		BLX__OUT(ret_status, &looker.status);
	} else {
		rv = blx__error_set(error, BLX_ETIMEOUT, "look at %s: systemd does not answer",
			unit);
	}
	blx_unit_watch_close(watch);
	return rv;
}

int blx_unit_status_get(blx_units *units, const char *unit, uint32_t timeout_ms,
	blx_unit_status *ret_status, blx_error *error)
{
	if (ret_status == NULL) {
		return blx__error_set(error, BLX_EINVAL, "%s: nowhere to put its status",
			unit != NULL ? unit : "a unit");
	}
	return look_at(units, unit, false, timeout_ms, ret_status, error);
}

/* By something that any manager answers. */
static int probe(blx_units *units, blx_error *error)
{
	blx_unit_status status = {.size = sizeof status};

	return look_at(units, "basic.target", true, OPEN_TIMEOUT_MS, &status, error);
}

/* ---- the guard and the gate ----------------------------------------------------- */

int blx_guard_run(const char *run_dir, int stop_fd, blx_error *error)
{
	return blx__guard_wait(run_dir != NULL ? run_dir : BLX_RUN_DIR, stop_fd, error);
}

int blx_gate_check(const char *run_dir, const char *manager, const char *unit,
	uint64_t *ret_epoch, blx_error *error)
{
	uint64_t epoch;
	int rv = blx__unit_name_check(unit, error);

	if (rv != 0) {
		return rv;
	}
	run_dir = run_dir != NULL ? run_dir : BLX_RUN_DIR;
	if (!blx__hold_has(run_dir, manager != NULL ? manager : "", unit, &epoch)) {
		return blx__error_set(error, BLX_EPERM,
			"%s: the cluster does not say that it may run here now; see blixard svc "
			"status",
			unit);
	}
	if (ret_epoch != NULL) {
		*ret_epoch = epoch;
	}
	return 0;
}
