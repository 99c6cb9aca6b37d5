/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thing done to a unit, in steps, each a question and its answer:
 *
 *	guard (exclusive ones: its unit runs) - files - reload (they are others than before)
 *	- ask (a job, or nothing to wait for) - job - look (it was to be started: is it?)
 */
#include "base/assert.h"
#include "base/mem.h"
#include "sys/unit_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum step { STEP_GUARD, STEP_FILES, STEP_ASK, STEP_LOOK, STEP_END };

struct blx__doing {
	struct blx__list link;
	struct blx__unit_manager *manager;
	struct blx__unit_call *call; /* borrowed */
	enum step step;
	sd_bus_slot *slot;
	char *job; /* owned; its path while it is waited for */
	struct blx__unit_read read;
	bool reading;
	struct blx__timer timer;
	blx_error error;
};

static const char *verb_text(int verb)
{
	static const char *const texts[] = {
		"", "start", "stop", "restart", "reload", "reset", "kill"};

	return texts[verb];
}

/* ---- ending --------------------------------------------------------------------- */

static void finish(struct blx__doing *doing)
{
	struct blx__unit_bus *bus = doing->manager->owner;

	doing->slot = sd_bus_slot_unref(doing->slot);
	if (doing->reading) {
		blx__unit_read_drop(&doing->read);
		doing->reading = false;
	}
	blx__timer_stop(bus->env, &doing->timer);
	blx__free(doing->job);
	doing->job = NULL;
	doing->step = STEP_END;
	blx__list_remove(&doing->link);
	blx__list_push_back(&bus->told, &doing->link); /* never inside of what asked */
	blx__env_post(bus->env, &bus->post);
}

void blx__unit_call_tell(struct blx__list *link)
{
	struct blx__doing *doing = blx__container_of(link, struct blx__doing, link);
	struct blx__unit_call *call = doing->call;
	blx_error error = doing->error;

	blx__free(doing);
	call->impl = NULL;
	call->done(call, &error);
}

__attribute__((format(printf, 3, 4))) static void fail(
	struct blx__doing *doing, int code, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	(void)blx__error_set(&doing->error, code, "%s %s: %s", verb_text(doing->call->verb),
		doing->call->unit, text);
	finish(doing);
}

static void on_deadline(struct blx__timer *timer)
{
	struct blx__doing *doing = timer->data;

	fail(doing, BLX_ETIMEOUT, "not done within %u ms; it may be yet",
		(unsigned)doing->call->timeout_ms);
}

/* ---- errors --------------------------------------------------------------------- */

static const struct {
	const char *name;
	int code;
} names[] = {
	{BLX__SD_DEST ".NoSuchUnit", BLX_ENOENT},
	{BLX__SD_DEST ".LoadFailed", BLX_EINVAL},
	{BLX__SD_DEST ".BadUnitSetting", BLX_EINVAL},
	{BLX__SD_DEST ".UnitMasked", BLX_EMASKED},
	{BLX__SD_DEST ".UnitExists", BLX_EEXIST},
	{BLX__SD_DEST ".JobTypeNotApplicable", BLX_EINVAL},
	{BLX__SD_DEST ".OnlyByDependency", BLX_EINVAL},
	{BLX__SD_DEST ".TransactionIsDestructive", BLX_ECONFLICT},
	{BLX__SD_DEST ".TransactionJobsConflicting", BLX_ECONFLICT},
	{BLX__SD_DEST ".NoIsolation", BLX_EINVAL},
	{BLX__SD_DEST ".ShuttingDown", BLX_EBUSY},
	{SD_BUS_ERROR_ACCESS_DENIED, BLX_EPERM},
	{SD_BUS_ERROR_AUTH_FAILED, BLX_EPERM},
	{SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, BLX_EPERM},
	{SD_BUS_ERROR_INVALID_ARGS, BLX_EINVAL},
	{SD_BUS_ERROR_NO_REPLY, BLX_ECONNECT},
	{SD_BUS_ERROR_DISCONNECTED, BLX_ECONNECT},
	{SD_BUS_ERROR_SERVICE_UNKNOWN, BLX_ECONNECT},
	{SD_BUS_ERROR_NAME_HAS_NO_OWNER, BLX_ECONNECT},
	{SD_BUS_ERROR_TIMEOUT, BLX_ETIMEOUT},
	{SD_BUS_ERROR_NO_MEMORY, BLX_ENOMEM},
	{SD_BUS_ERROR_LIMITS_EXCEEDED, BLX_EBUSY},
	{SD_BUS_ERROR_UNKNOWN_METHOD, BLX_EPROTO},
};

int blx__unit_error(const char *what, const char *unit, const sd_bus_error *from, int errnum,
	blx_error *error)
{
	const char *name = from != NULL && from->name != NULL ? from->name : "";
	const char *text = from != NULL && from->message != NULL ? from->message
								 : strerror(errnum);
	int code = errnum == ENOTCONN || errnum == ECONNRESET || errnum == ESHUTDOWN ||
				   errnum == EPIPE
			   ? BLX_ECONNECT
			   : BLX_EPROTO;
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i].name, name) == 0) {
			code = names[i].code;
		}
	}
	return blx__error_set(error, code, "%s %s: %.160s", what, unit, text);
}

static void fail_message(struct blx__doing *doing, sd_bus_message *m)
{
	(void)blx__unit_error(verb_text(doing->call->verb), doing->call->unit,
		sd_bus_message_get_error(m), sd_bus_message_get_errno(m), &doing->error);
	finish(doing);
}

/* ---- jobs ----------------------------------------------------------------------- */

static void step(struct blx__doing *doing);

/* What of: the unit knows. */
static void on_post_mortem(struct blx__unit_read *read, const blx_unit_status *status)
{
	struct blx__doing *doing = read->data;
	bool known = status != NULL && status->result[0] != '\0' &&
		     strcmp(status->result, "success") != 0;

	doing->reading = false;
	fail(doing, BLX_EFAILED, "it failed%s%s", known ? ": " : "", known ? status->result : "");
}

static void read_unit(struct blx__doing *doing,
	void (*cb)(struct blx__unit_read *read, const blx_unit_status *status))
{
	doing->read = (struct blx__unit_read){.cb = cb, .data = doing};
	doing->reading = true;
	blx__unit_read_begin(
		&doing->read, blx__bus_get(doing->manager->bus), doing->call->unit);
}

static void job_ended(struct blx__doing *doing, const char *result)
{
	static const struct {
		const char *result;
		int code;
		const char *text;
	} results[] = {
		{"canceled", BLX_ECANCELED, "another job took its place"},
		{"timeout", BLX_ETIMEOUT, "its job was given up by systemd"},
		{"failed", BLX_EFAILED, "it failed"},
		{"dependency", BLX_EDEPENDENCY, "a unit that it needs failed"},
		{"skipped", BLX_ESKIPPED, "skipped by systemd"},
		{"invalid", BLX_EINVAL, "this cannot be done to it in its state"},
		{"assert", BLX_ESKIPPED, "an assertion of the unit does not hold"},
		{"unsupported", BLX_EINVAL, "not supported"},
		{"collected", BLX_ECANCELED, "its unit is gone"},
		{"once", BLX_ECONFLICT, "it starts only once"},
	};
	size_t i;

	blx__free(doing->job);
	doing->job = NULL;
	if (strcmp(result, "done") == 0) {
		doing->step++;
		step(doing);
		return;
	}
	/* Before that it is the guard's job, of which the unit knows nothing. */
	if (doing->step == STEP_ASK && strcmp(result, "failed") == 0) {
		read_unit(doing, on_post_mortem);
		return;
	}
	for (i = 0; i < sizeof results / sizeof results[0]; i++) {
		if (strcmp(results[i].result, result) == 0) {
			fail(doing, results[i].code, "%s", results[i].text);
			return;
		}
	}
	fail(doing, BLX_EPROTO, "systemd says \"%.40s\"", result);
}

void blx__unit_job_removed(
	struct blx__unit_manager *manager, const char *path, const char *result)
{
	struct blx__list *at;
	struct blx__list *tmp;

	blx__list_foreach_safe (at, tmp, &manager->calls) {
		struct blx__doing *doing = blx__container_of(at, struct blx__doing, link);

		if (doing->job != NULL && strcmp(doing->job, path) == 0) {
			job_ended(doing, result);
		}
	}
}

/* ---- questions ------------------------------------------------------------------ */

static int on_job(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__doing *doing = data;
	const char *path;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL)) {
		fail_message(doing, m);
	} else if (sd_bus_message_read(m, "o", &path) < 0) {
		fail(doing, BLX_EPROTO, "systemd's answer is no job");
	} else if ((doing->job = blx__strdup(path)) == NULL) {
		fail(doing, BLX_ENOMEM, "out of memory");
	}
	return 0;
}

static int on_nothing(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__doing *doing = data;

	(void)error;
	if (sd_bus_message_is_method_error(m, NULL)) {
		fail_message(doing, m);
	} else {
		doing->step++;
		step(doing);
	}
	return 0;
}

static void sent(struct blx__doing *doing, int rv)
{
	if (rv < 0) {
		(void)blx__unit_error(verb_text(doing->call->verb), doing->call->unit, NULL, -rv,
			&doing->error);
		finish(doing);
	}
}

static void send(struct blx__doing *doing, sd_bus_message *m, sd_bus_message_handler_t cb)
{
	sd_bus *bus = blx__bus_get(doing->manager->bus);

	doing->slot = sd_bus_slot_unref(doing->slot);
	if (m == NULL) {
		fail(doing, BLX_ENOMEM, "out of memory");
		return;
	}
	sent(doing, sd_bus_call_async(bus, &doing->slot, m, cb, doing, 0));
	(void)sd_bus_message_unref(m);
}

/* ---- the steps ------------------------------------------------------------------ */

/* It runs already, as a rule. */
static int on_guard(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__doing *doing = data;

	if (sd_bus_message_is_method_error(m, BLX__SD_DEST ".UnitExists")) {
		doing->step++;
		step(doing);
		return 0;
	}
	return on_job(m, data, error);
}

static void step_files(struct blx__doing *doing)
{
	const struct blx__unit_setup *setup = doing->call->setup;
	sd_bus *bus = blx__bus_get(doing->manager->bus);
	bool changed = false;

	if (setup != NULL && setup->exclusive && setup->argv == NULL &&
		blx__unit_gate_write(doing->manager, doing->call->unit, setup->stop_timeout_ms,
			&changed, &doing->error) != 0) {
		finish(doing);
		return;
	}
	if (!changed) {
		doing->step++;
		step(doing);
		return;
	}
	doing->slot = sd_bus_slot_unref(doing->slot);
	sent(doing, sd_bus_call_method_async(bus, &doing->slot, BLX__SD_DEST, BLX__SD_PATH,
			    BLX__SD_MANAGER, "Reload", on_nothing, doing, ""));
}

static bool is_transient(const struct blx__unit_call *call)
{
	return call->setup != NULL && call->setup->argv != NULL;
}

static int on_transient(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct blx__doing *doing = data;

	/* One that runs is as it is to be, for who starts a service. */
	if (sd_bus_message_is_method_error(m, BLX__SD_DEST ".UnitExists") &&
		doing->call->setup->node != NULL) {
		doing->step++;
		step(doing);
		return 0;
	}
	return on_job(m, data, error);
}

static void step_ask(struct blx__doing *doing)
{
	static const char *const methods[] = {[BLX_UNIT_START] = "StartUnit",
		[BLX_UNIT_STOP] = "StopUnit",
		[BLX_UNIT_RESTART] = "RestartUnit",
		[BLX_UNIT_RELOAD] = "ReloadUnit"};
	struct blx__unit_call *call = doing->call;
	sd_bus *bus = blx__bus_get(doing->manager->bus);

	if (call->verb == BLX_UNIT_START && is_transient(call)) {
		send(doing,
			blx__unit_transient_message(
				doing->manager, bus, call->unit, call->setup),
			on_transient);
		return;
	}
	doing->slot = sd_bus_slot_unref(doing->slot);
	if (call->verb == BLX_UNIT_RESET_FAILED) {
		sent(doing, sd_bus_call_method_async(bus, &doing->slot, BLX__SD_DEST,
				    BLX__SD_PATH, BLX__SD_MANAGER, "ResetFailedUnit",
				    on_nothing, doing, "s", call->unit));
	} else if (call->verb == BLX_UNIT_KILL) {
		sent(doing, sd_bus_call_method_async(bus, &doing->slot, BLX__SD_DEST,
				    BLX__SD_PATH, BLX__SD_MANAGER, "KillUnit", on_nothing,
				    doing, "ssi", call->unit, "all", SIGKILL));
	} else {
		sent(doing, sd_bus_call_method_async(bus, &doing->slot, BLX__SD_DEST,
				    BLX__SD_PATH, BLX__SD_MANAGER, methods[call->verb], on_job,
				    doing, "ss", call->unit, "replace"));
	}
}

static void on_looked(struct blx__unit_read *read, const blx_unit_status *status)
{
	struct blx__doing *doing = read->data;

	doing->reading = false;
	if (status == NULL) {
		fail(doing, BLX_EPROTO, "done, but what it is now cannot be read");
	} else if (status->active == BLX_UNIT_HAS_FAILED) {
		fail(doing, BLX_EFAILED, "it failed: %s", status->result);
	} else if (status->active == BLX_UNIT_INACTIVE &&
		   (read->condition == 0 || strcmp(status->result, "exec-condition") == 0)) {
		fail(doing, BLX_ESKIPPED, "a condition of the unit does not hold");
	} else {
		finish(doing);
	}
}

static void step_look(struct blx__doing *doing)
{
	int verb = doing->call->verb;

	if (verb != BLX_UNIT_START && verb != BLX_UNIT_RESTART) {
		finish(doing);
		return;
	}
	read_unit(doing, on_looked);
}

static void step(struct blx__doing *doing)
{
	const struct blx__unit_setup *setup = doing->call->setup;
	sd_bus *bus = blx__bus_get(doing->manager->bus);

	if (bus == NULL) {
		fail(doing, BLX_ECONNECT, "the service manager cannot be reached");
		return;
	}
	switch (doing->step) {
	case STEP_GUARD:
		if (setup == NULL || !setup->exclusive) {
			doing->step = STEP_FILES;
			step(doing);
		} else if (doing->manager->owner->guard_command == NULL) {
			fail(doing, BLX_EINVAL,
				"exclusive: it is not run without a guard; give the member the "
				"path of the blixard command");
		} else {
			send(doing, blx__unit_guard_message(doing->manager, bus), on_guard);
		}
		break;
	case STEP_FILES:
		step_files(doing);
		break;
	case STEP_ASK:
		step_ask(doing);
		break;
	case STEP_LOOK:
		step_look(doing);
		break;
	case STEP_END:
		finish(doing);
		break;
	}
}

/* ---- beginning ------------------------------------------------------------------ */

/* One to stop takes the place of one to start; else there is one at a time. */
static bool makes_room(struct blx__unit_manager *manager, const struct blx__unit_call *call)
{
	bool stops = call->verb == BLX_UNIT_STOP || call->verb == BLX_UNIT_KILL;
	struct blx__list *at;
	struct blx__list *tmp;

	blx__list_foreach_safe (at, tmp, &manager->calls) {
		struct blx__doing *doing = blx__container_of(at, struct blx__doing, link);
		bool starts = doing->call->verb == BLX_UNIT_START ||
			      doing->call->verb == BLX_UNIT_RESTART;

		if (doing->call == call || strcmp(doing->call->unit, call->unit) != 0) {
			continue;
		}
		if (!stops || !starts) {
			return false;
		}
		fail(doing, BLX_ECANCELED, "it is to be stopped now");
	}
	return true;
}

void blx__unit_call_begin(struct blx__unit_manager *manager, struct blx__unit_call *call)
{
	struct blx__doing *doing = call->impl; /* made by who calls this */

	doing->manager = manager;
	blx__list_push_back(&manager->calls, &doing->link);
	blx__timer_init(&doing->timer, on_deadline, doing);
	(void)blx__timer_start_ms(manager->owner->env, &doing->timer, call->timeout_ms);
	if (!makes_room(manager, call)) {
		fail(doing, BLX_EBUSY, "something else is done to it at the moment");
		return;
	}
	step(doing);
}

struct blx__doing *blx__unit_call_make(struct blx__unit_call *call)
{
	struct blx__doing *doing = blx__calloc(1, sizeof *doing);

	if (doing != NULL) {
		blx__list_init(&doing->link);
		doing->call = call;
		doing->error = (blx_error)BLX_ERROR_INIT;
		call->impl = doing;
	}
	return doing;
}

void blx__unit_call_refuse(struct blx__unit_bus *bus, struct blx__doing *doing, int code,
	const char *text)
{
	(void)blx__error_set(&doing->error, code, "%s %s: %s", verb_text(doing->call->verb),
		doing->call->unit, text);
	blx__list_push_back(&bus->told, &doing->link);
	blx__env_post(bus->env, &bus->post);
}

void blx__unit_calls_lost(struct blx__unit_manager *manager, int code)
{
	struct blx__list *at;
	struct blx__list *tmp;

	blx__list_foreach_safe (at, tmp, &manager->calls) {
		fail(blx__container_of(at, struct blx__doing, link), code,
			code == BLX_ECANCELED
				? "the handle is closed; it may be done yet"
				: "the service manager was lost; it may be done yet");
	}
}
