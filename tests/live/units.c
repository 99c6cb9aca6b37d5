/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that is no member does things to the units of a real systemd, by the public calls.
 *
 *	units BUS-ADDRESS ALLOW-FILE reexec-command
 *
 * The units are those that units.sh has made. The command executes the manager anew and kills
 * its bus.
 */
#include <blixard/blixard.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONG_MS 20000

static blx_units *units;
static blx_error error;
static int failed;

static void expect(const char *what, int is, int should)
{
	if (is == should) {
		printf("ok %s: %s\n", what, is == 0 ? "done" : error.message);
		return;
	}
	failed = 1;
	printf("FAILED %s: %s (%s) instead of %s\n", what, blx_err_name(is), error.message,
		blx_err_name(should));
}

static void expect_text(const char *what, const char *is, const char *should)
{
	if (strcmp(is, should) != 0) {
		failed = 1;
		printf("FAILED %s: \"%s\" instead of \"%s\"\n", what, is, should);
	}
}

/* Between two looks, or as it says where it is called. */
static void pause_ms(long ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&pause, NULL);
}

static blx_unit_status status_of(const char *unit)
{
	blx_unit_status status = {.size = sizeof status};

	if (blx_unit_status_get(units, unit, LONG_MS, &status, &error) != 0) {
		failed = 1;
		printf("FAILED status of %s: %s\n", unit, error.message);
	}
	return status;
}

static void expect_active(const char *unit, const char *should)
{
	expect_text(unit, blx_unit_active_text(status_of(unit).active), should);
}

/* ---- doing ------------------------------------------------------------------------- */

static void does_things(void)
{
	blx_unit_status status;
	uint32_t pid;

	expect("start", blx_unit_start(units, "good.service", LONG_MS, &error), 0);
	status = status_of("good.service");
	pid = status.main_pid;
	expect_text("sub", status.sub, "running");
	expect("start again", blx_unit_start(units, "good.service", LONG_MS, &error), 0);
	if (pid == 0 || status_of("good.service").main_pid != pid) {
		failed = 1;
		printf("FAILED a start of one that runs made it another\n");
	}
	expect("restart", blx_unit_restart(units, "good.service", LONG_MS, &error), 0);
	if (status_of("good.service").main_pid == pid) {
		failed = 1;
		printf("FAILED a restart left it as it was\n");
	}
	expect("reload", blx_unit_reload(units, "good.service", LONG_MS, &error), 0);
	expect("stop", blx_unit_stop(units, "good.service", LONG_MS, &error), 0);
	expect_active("good.service", "inactive");
	expect("stop again", blx_unit_stop(units, "good.service", LONG_MS, &error), 0);
}

static void is_told_what_is_wrong(void)
{
	expect("start of none", blx_unit_start(units, "none.service", LONG_MS, &error),
		BLX_ENOENT);
	expect("start of no name", blx_unit_start(units, "no name", LONG_MS, &error), BLX_EINVAL);
	expect("masked", blx_unit_start(units, "masked.service", LONG_MS, &error), BLX_EMASKED);
	expect("a condition", blx_unit_start(units, "condition.service", LONG_MS, &error),
		BLX_ESKIPPED);
	expect("a failure", blx_unit_start(units, "bad.service", LONG_MS, &error), BLX_EFAILED);
	expect_text("why", strrchr(error.message, ' '), " exit-code");
	expect_active("bad.service", "failed");
	expect_text("result", status_of("bad.service").result, "exit-code");
	expect("reset-failed", blx_unit_reset_failed(units, "bad.service", LONG_MS, &error), 0);
	expect_active("bad.service", "inactive");
	expect("a dependency", blx_unit_start(units, "needs-bad.service", LONG_MS, &error),
		BLX_EDEPENDENCY);
	expect("its own limit", blx_unit_start(units, "slow.service", LONG_MS, &error),
		BLX_EFAILED);
	expect_text("why", strrchr(error.message, ' '), " timeout");
	expect("our limit", blx_unit_start(units, "slower.service", 300, &error), BLX_ETIMEOUT);
	expect("reload of one that cannot",
		blx_unit_reload(units, "plain.service", LONG_MS, &error), BLX_EINVAL);
	expect("not on the list", blx_unit_start(units, "secret.service", LONG_MS, &error),
		BLX_EPERM);
}

static void on_called(const char *unit, const blx_error *why, void *data)
{
	(void)unit;
	__atomic_store_n((int *)data, why->code == 0 ? 1 : why->code, __ATOMIC_RELEASE);
}

static void is_told_that_another_was_faster(void)
{
	int code = 0;
	int tries;

	expect("begin a start", blx_unit_call(units, BLX_UNIT_START, "slower.service", LONG_MS,
					on_called, &code, &error), 0);
	pause_ms(200); /* until systemd has its job, which only this call knows */
	expect("stop meanwhile", blx_unit_stop(units, "slower.service", LONG_MS, &error), 0);
	for (tries = 0; tries < 200 && __atomic_load_n(&code, __ATOMIC_ACQUIRE) == 0; tries++) {
		pause_ms(50);
	}
	expect("what the start came to", code, BLX_ECANCELED);
}

static void runs_a_command(void)
{
	const char *argv[] = {"/bin/sh", "-c", "test \"$WHO\" = me && exec sleep 1000", NULL};
	const char *env[] = {"WHO=me", NULL};
	blx_unit_command command = BLX_UNIT_COMMAND_INIT;

	command.unit = "command.service";
	command.argv = argv;
	command.env = env;
	command.stop_timeout_ms = 500;
	expect("run", blx_unit_run(units, &command, LONG_MS, &error), 0);
	pause_ms(200); /* it would have failed by then, had it not what it asks for */
	expect_active("command.service", "active");
	expect("run again", blx_unit_run(units, &command, LONG_MS, &error), BLX_EEXIST);
	expect("stop it", blx_unit_stop(units, "command.service", LONG_MS, &error), 0);
	if (status_of("command.service").load != BLX_UNIT_NOT_FOUND) {
		failed = 1;
		printf("FAILED it is there still\n");
	}
}

/* ---- seeing ------------------------------------------------------------------------ */

static struct {
	pthread_mutex_t lock;
	char story[256];
	int last;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_status(const char *unit, const blx_unit_status *status, void *data)
{
	(void)unit;
	(void)data;
	(void)pthread_mutex_lock(&seen.lock);
	if (status->active != seen.last && strlen(seen.story) < sizeof seen.story - 32) {
		(void)strcat(seen.story, status->active == BLX_UNIT_LOST
						 ? "lost"
						 : blx_unit_active_text(status->active));
		(void)strcat(seen.story, " ");
	}
	seen.last = status->active;
	(void)pthread_mutex_unlock(&seen.lock);
}

static int is_seen(const char *word)
{
	int tries;
	int is = 0;

	for (tries = 0; tries < 200 && !is; tries++) {
		pause_ms(50);
		(void)pthread_mutex_lock(&seen.lock);
		is = strstr(seen.story, word) != NULL;
		(void)pthread_mutex_unlock(&seen.lock);
	}
	return is ? 0 : BLX_ETIMEOUT;
}

static void watches(const char *command)
{
	blx_unit_watch *watch = NULL;

	seen.last = -1;
	expect("watch", blx_unit_watch_open(units, "good.service", on_status, NULL, &watch, &error),
		0);
	expect("sees it as it is", is_seen("inactive "), 0);
	expect("start", blx_unit_start(units, "good.service", LONG_MS, &error), 0);
	expect("sees it run", is_seen("active "), 0);
	if (system(command) != 0) {
		failed = 1;
		printf("FAILED %s\n", command);
	}
	expect("sees that the bus is gone", is_seen("lost"), 0);
	expect("sees it run again", is_seen("lost active "), 0);
	expect("goes on", blx_unit_restart(units, "good.service", LONG_MS, &error), 0);
	expect("and stops it", blx_unit_stop(units, "good.service", LONG_MS, &error), 0);
	blx_unit_watch_close(watch);
	printf("seen: %s\n", seen.story);
}

int main(int argc, char **argv)
{
	blx_units_opts opts = BLX_UNITS_OPTS_INIT;

	blx_error_init(&error);
	if (argc != 4) {
		fprintf(stderr, "usage: units ADDRESS ALLOW-FILE COMMAND\n");
		return 2;
	}
	opts.allow_file = argv[2]; /* which has nothing of what opening asks about */
	opts.address = "unix:path=/nonexistent/bus";
	expect("open of nothing", blx_units_open(&opts, &units, &error), BLX_ECONNECT);
	opts.address = argv[1];
	expect("open", blx_units_open(&opts, &units, &error), 0);
	if (units == NULL) {
		return 1;
	}
	does_things();
	is_told_what_is_wrong();
	is_told_that_another_was_faster();
	runs_a_command();
	watches(argv[3]);
	blx_units_close(units);
	return failed;
}
