/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units over a peer that plays systemd, on a socket without a bus between: it answers as
 * it is told to, or not at all, or with what makes no sense.
 */
#include "scratch.h"
#include "support/test.h"
#include "sys/hold.h"
#include "sys/unit_bus.h"
#include "sys/uv_env.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define DEST "org.freedesktop.systemd1"
#define JOB  "/org/freedesktop/systemd1/job/1"

/* How the peer behaves: changed by the test while it does not run the loop, looked at by the
 * peer while it does. */
static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	const char *error;   /* of what is asked; NULL: it gives a job */
	const char *result;  /* of the job; NULL: it never ends */
	const char *active;  /* afterwards */
	const char *load;
	const char *unit_result;
	bool condition;
	bool silent;   /* no answer to what is asked */
	bool garbage;  /* an answer that is none */
	bool bad_read; /* properties that are none */
	bool hang_up;  /* instead of an answer */
} script;

static char dir[SCRATCH_SIZE];
static char address[256];
static int listener;
static pthread_t thread;
static atomic_bool ending;
static atomic_int reloads;
static atomic_int guards;
static struct blx__env *env;
static struct blx__units *units;
static blx_error told;
static bool is_told;
static blx_unit_status seen;
static unsigned seen_count;

/* ---- the peer ------------------------------------------------------------------- */

static int reply_properties(sd_bus_message *m)
{
	const char *interface;

	(void)sd_bus_message_read(m, "s", &interface);
	if (script.bad_read) {
		return sd_bus_reply_method_return(m, "s", "nothing of the kind");
	}
	if (strcmp(interface, DEST ".Unit") == 0) {
		return sd_bus_reply_method_return(m, "a{sv}", 5, "LoadState", "s", script.load,
			"ActiveState", "s", script.active, "SubState", "s", "x",
			"ConditionResult", "b", (int)script.condition, "Job", "(uo)", 0u, "/");
	}
	return sd_bus_reply_method_return(m, "a{sv}", 3, "Result", "s", script.unit_result,
		"MainPID", "u", 42u, "NRestarts", "u", 2u);
}

static int reply_job(sd_bus_message *m)
{
	sd_bus *bus = sd_bus_message_get_bus(m);
	int rv;

	if (script.hang_up) {
		sd_bus_close(bus);
		return 1;
	}
	if (script.silent) {
		return 1;
	}
	if (script.error != NULL) {
		return sd_bus_reply_method_errorf(m, script.error, "as the script says");
	}
	if (script.garbage) {
		return sd_bus_reply_method_return(m, "u", 7u);
	}
	rv = sd_bus_reply_method_return(m, "o", JOB);
	if (rv >= 0 && script.result != NULL) {
		rv = sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", DEST ".Manager",
			"JobRemoved", "uoss", 1u, JOB, "web.service", script.result);
	}
	return rv;
}

static bool is_guard(sd_bus_message *m)
{
	const char *name = "";

	(void)sd_bus_message_read(m, "s", &name);
	(void)sd_bus_message_rewind(m, 1);
	return strcmp(name, "blixard-guard.service") == 0;
}

static int answer(sd_bus_message *m)
{
	const char *member = sd_bus_message_get_member(m);
	uint8_t type;

	if (sd_bus_message_get_type(m, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL) {
		return 0;
	}
	if (strcmp(member, "LoadUnit") == 0) {
		return sd_bus_reply_method_return(
			m, "o", "/org/freedesktop/systemd1/unit/web_2eservice");
	}
	if (strcmp(member, "GetAll") == 0) {
		return reply_properties(m);
	}
	if (strcmp(member, "StartTransientUnit") == 0 && is_guard(m)) {
		atomic_fetch_add(&guards, 1);
		return sd_bus_reply_method_errorf(m, DEST ".UnitExists", "it runs already");
	}
	if (strcmp(member, "Reload") == 0) {
		atomic_fetch_add(&reloads, 1);
		return sd_bus_reply_method_return(m, "");
	}
	if (strcmp(member, "Subscribe") == 0) {
		return sd_bus_reply_method_return(m, "");
	}
	if (strcmp(member, "ResetFailedUnit") == 0 || strcmp(member, "KillUnit") == 0) {
		return script.error != NULL
			       ? sd_bus_reply_method_errorf(m, script.error, "as told")
			       : sd_bus_reply_method_return(m, "");
	}
	return reply_job(m);
}

static int on_message(sd_bus_message *m, void *data, sd_bus_error *error)
{
	int rv;

	(void)data;
	(void)error;
	(void)pthread_mutex_lock(&script_lock);
	rv = answer(m);
	(void)pthread_mutex_unlock(&script_lock);
	return rv;
}

static void serve(int fd)
{
	sd_id128_t id = {.bytes = {1}};
	sd_bus *bus = NULL;
	int rv = sd_bus_new(&bus);

	rv = rv < 0 ? rv : sd_bus_set_fd(bus, fd, fd);
	rv = rv < 0 ? rv : sd_bus_set_server(bus, 1, id);
	rv = rv < 0 ? rv : sd_bus_set_anonymous(bus, 1);
	rv = rv < 0 ? rv : sd_bus_add_filter(bus, NULL, on_message, NULL);
	rv = rv < 0 ? rv : sd_bus_start(bus);
	while (rv >= 0 && !atomic_load(&ending)) {
		rv = sd_bus_process(bus, NULL);
		if (rv == 0) {
			rv = sd_bus_wait(bus, 10000);
		}
	}
	(void)sd_bus_flush_close_unref(bus);
}

static void *peer(void *data)
{
	(void)data;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			return NULL; /* the listener is shut down */
		}
		serve(fd);
	}
}

/* ---- the client ----------------------------------------------------------------- */

static void run_loop(void)
{
	(void)pthread_mutex_unlock(&script_lock);
	blx__uv_env_run(env);
	(void)pthread_mutex_lock(&script_lock);
}

static void begin(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char unit_dir[128];
	struct blx__unit_bus_opts opts = {.address = address,
		.run_dir = dir,
		.unit_dir = unit_dir,
		.guard_command = "/usr/bin/blixard"};

	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_mutex_lock(&script_lock);
	memset(&script, 0, sizeof script);
	script.result = "done";
	script.active = "active";
	script.load = "loaded";
	script.unit_result = "success";
	script.condition = true;
	scratch_make(dir);
	(void)snprintf(unit_dir, sizeof unit_dir, "%s/units", dir);
	(void)snprintf(at.sun_path, sizeof at.sun_path, "%s/bus", dir);
	(void)snprintf(address, sizeof address, "direct:unix:path=%s/bus", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	cr_assert_eq(listen(listener, 4), 0);
	atomic_store(&ending, false);
	cr_assert_eq(pthread_create(&thread, NULL, peer, NULL), 0);
	cr_assert_eq(blx__uv_env_create(&env, NULL), 0);
	cr_assert_eq(blx__unit_bus_create(env, &opts, &units, NULL), 0);
}

static void on_closed(void *data)
{
	(void)data;
	blx__uv_env_stop(env);
}

static void end(void)
{
	units->ops->close(units, on_closed, NULL);
	run_loop();
	blx__unit_bus_destroy(units);
	blx__uv_env_destroy(env);
	atomic_store(&ending, true);
	(void)pthread_mutex_unlock(&script_lock);
	(void)shutdown(listener, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	(void)close(listener);
	scratch_remove(dir);
}

static void on_changed(struct blx__unit_watch *watch, const blx_unit_status *status)
{
	(void)watch;
	seen = *status;
	seen_count++;
	if (status->active != BLX_UNIT_LOST) {
		blx__uv_env_stop(env);
	}
}

static struct blx__unit_watch watch = {
	.manager = "", .unit = "web.service", .changed = on_changed};

/* Until the peer was reached and has told how the unit is. */
static void connect_it(void)
{
	cr_assert_eq(units->ops->watch(units, &watch, NULL), 0);
	run_loop();
}

static void on_done(struct blx__unit_call *call, const blx_error *error)
{
	(void)call;
	told = *error;
	is_told = true;
	blx__uv_env_stop(env);
}

static int perform_with(int verb, const struct blx__unit_setup *setup, uint32_t timeout_ms)
{
	struct blx__unit_call call = {.verb = verb,
		.manager = "",
		.unit = "web.service",
		.setup = setup,
		.timeout_ms = timeout_ms,
		.done = on_done};

	is_told = false;
	blx__list_init(&call.link);
	units->ops->call(units, &call);
	cr_assert_not(is_told, "not inside of the call");
	while (!is_told) {
		run_loop();
	}
	cr_assert(told.code == 0 || strstr(told.message, "web.service") != NULL, "%s",
		told.message);
	return told.code;
}

static int perform(int verb)
{
	return perform_with(verb, NULL, 5000);
}

/* ---- what is done --------------------------------------------------------------- */

Test(unit_bus, a_job_that_is_done_is_done, .init = begin, .fini = end)
{
	connect_it();
	cr_assert_eq(perform(BLX_UNIT_START), 0);
	cr_assert_eq(perform(BLX_UNIT_STOP), 0);
	cr_assert_eq(perform(BLX_UNIT_RESTART), 0);
	cr_assert_eq(perform(BLX_UNIT_RELOAD), 0);
	cr_assert_eq(perform(BLX_UNIT_RESET_FAILED), 0);
	cr_assert_eq(perform(BLX_UNIT_KILL), 0);
}

Test(unit_bus, each_error_of_systemd_has_its_code, .init = begin, .fini = end)
{
	static const struct {
		const char *name;
		int code;
	} errors[] = {
		{DEST ".NoSuchUnit", BLX_ENOENT},
		{DEST ".UnitMasked", BLX_EMASKED},
		{DEST ".BadUnitSetting", BLX_EINVAL},
		{DEST ".JobTypeNotApplicable", BLX_EINVAL},
		{DEST ".TransactionIsDestructive", BLX_ECONFLICT},
		{SD_BUS_ERROR_ACCESS_DENIED, BLX_EPERM},
		{SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, BLX_EPERM},
		{SD_BUS_ERROR_NO_REPLY, BLX_ECONNECT},
		{"org.example.Odd", BLX_EPROTO},
	};
	size_t i;

	connect_it();
	for (i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		script.error = errors[i].name;
		cr_assert_eq(perform(BLX_UNIT_START), errors[i].code, "%s: %s", errors[i].name,
			told.message);
	}
}

Test(unit_bus, each_result_of_a_job_has_its_code, .init = begin, .fini = end)
{
	static const struct {
		const char *result;
		int code;
	} results[] = {
		{"canceled", BLX_ECANCELED},
		{"timeout", BLX_ETIMEOUT},
		{"failed", BLX_EFAILED},
		{"dependency", BLX_EDEPENDENCY},
		{"skipped", BLX_ESKIPPED},
		{"assert", BLX_ESKIPPED},
		{"invalid", BLX_EINVAL},
		{"what-is-this", BLX_EPROTO},
	};
	size_t i;

	connect_it();
	for (i = 0; i < sizeof results / sizeof results[0]; i++) {
		script.result = results[i].result;
		cr_assert_eq(perform(BLX_UNIT_START), results[i].code, "%s", results[i].result);
	}
	script.result = "failed";
	script.unit_result = "oom-kill";
	cr_assert_eq(perform(BLX_UNIT_START), BLX_EFAILED);
	cr_assert_not_null(strstr(told.message, "it failed: oom-kill"), "%s", told.message);
}

Test(unit_bus, done_is_not_the_same_as_active, .init = begin, .fini = end)
{
	connect_it();
	script.active = "inactive";
	script.condition = false;
	cr_assert_eq(perform(BLX_UNIT_START), BLX_ESKIPPED);
	script.condition = true;
	script.unit_result = "exec-condition";
	cr_assert_eq(perform(BLX_UNIT_START), BLX_ESKIPPED);
	script.active = "failed";
	script.unit_result = "exit-code";
	cr_assert_eq(perform(BLX_UNIT_START), BLX_EFAILED);
	cr_assert_not_null(strstr(told.message, "exit-code"));
}

Test(unit_bus, who_never_answers_is_given_up, .init = begin, .fini = end)
{
	connect_it();
	script.silent = true;
	cr_assert_eq(perform_with(BLX_UNIT_START, NULL, 100), BLX_ETIMEOUT);
	script.silent = false;
	script.result = NULL;
	cr_assert_eq(perform_with(BLX_UNIT_START, NULL, 100), BLX_ETIMEOUT);
}

Test(unit_bus, an_answer_that_makes_no_sense_is_told_so, .init = begin, .fini = end)
{
	connect_it();
	script.garbage = true;
	cr_assert_eq(perform(BLX_UNIT_START), BLX_EPROTO);
	script.garbage = false;
	script.bad_read = true;
	cr_assert_eq(perform(BLX_UNIT_START), BLX_EPROTO);
}

Test(unit_bus, a_bus_that_goes_in_the_middle_is_told_and_comes_back, .init = begin, .fini = end)
{
	connect_it();
	script.hang_up = true;
	cr_assert_eq(perform(BLX_UNIT_START), BLX_ECONNECT);
	script.hang_up = false;
	seen.active = BLX_UNIT_LOST;
	while (seen.active != BLX_UNIT_ACTIVE) {
		run_loop(); /* lost was told, and then what it is */
	}
	cr_assert_geq(seen_count, 3);
	cr_assert_eq(perform(BLX_UNIT_START), 0);
}

Test(unit_bus, names_that_are_none_are_refused, .init = begin, .fini = end)
{
	static const char *const names[] = {"", "web", ".service", "../../x.service",
		"a;b.service", "a b.service", "web.exe"};
	static struct blx__unit_watch other;
	size_t i;

	other = watch;
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		other.unit = names[i];
		cr_assert_eq(units->ops->watch(units, &other, NULL), BLX_EINVAL, "%s", names[i]);
	}
	other.unit = "microvm@web.service";
	cr_assert_eq(units->ops->watch(units, &other, NULL), 0);
}

/* ---- exclusive ones ------------------------------------------------------------- */

static const char *drop_in(void)
{
	static char text[4096];
	char path[256];
	FILE *file;
	size_t len = 0;

	(void)snprintf(path, sizeof path, "%s/units/web.service.d/50-blixard.conf", dir);
	file = fopen(path, "re");
	if (file != NULL) {
		len = fread(text, 1, sizeof text - 1, file);
		(void)fclose(file);
	}
	text[len] = '\0';
	return text;
}

Test(unit_bus, an_exclusive_one_is_bound_and_gated_once, .init = begin, .fini = end)
{
	struct blx__unit_setup setup = {.service = "web",
		.node = "n1",
		.epoch = 5,
		.stop_timeout_ms = 700,
		.exclusive = true};

	connect_it();
	cr_assert_eq(perform_with(BLX_UNIT_START, &setup, 5000), 0, "%s", told.message);
	cr_assert_not_null(strstr(drop_in(), "BindsTo=blixard-guard.service"));
	cr_assert_not_null(strstr(drop_in(), "ExecCondition=/usr/bin/blixard gate"));
	cr_assert_not_null(strstr(drop_in(), "TimeoutStopSec=700ms"));
	cr_assert_eq(atomic_load(&reloads), 1);
	cr_assert_eq(atomic_load(&guards), 1);
	cr_assert_eq(perform_with(BLX_UNIT_START, &setup, 5000), 0);
	cr_assert_eq(atomic_load(&reloads), 1, "it is as it is to be");
}

Test(unit_bus, what_is_held_has_its_token_in_its_environment, .init = begin, .fini = end)
{
	struct blx__hold_unit unit = {.manager = "", .unit = "web.service", .epoch = 12};
	struct blx__hold hold = {
		.until_ns = blx__hold_now_ns() + 1000000000, .units = &unit, .count = 1};
	char path[256];
	char text[64] = "";
	uint64_t epoch = 0;
	FILE *file;

	cr_assert_eq(units->ops->hold(units, &hold, NULL), 0);
	(void)snprintf(path, sizeof path, "%s/env/web.service", dir);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	(void)!fread(text, 1, sizeof text - 1, file);
	(void)fclose(file);
	cr_assert_str_eq(text, "BLIXARD_EPOCH=12\n");
	cr_assert(blx__hold_has(dir, "", "web.service", &epoch));
	cr_assert_eq(epoch, 12);
}
