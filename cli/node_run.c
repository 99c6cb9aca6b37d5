/* SPDX-License-Identifier: Apache-2.0 */
/* node run: a member until it is told to stop, or fails. */
#include "config.h"
#include "ctx.h"
#include "journal.h"
#include "notify.h"
#include "stopper.h"
#include "watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How long stopping may wait for leadership to be handed over. */
#define STOP_TIMEOUT_MS 5000
/* Before it has caught up the member is looked at this often; that alone calls nobody
 * back. */
#define CATCH_UP_POLL_MS 50
/* Afterwards changes call back, and this is how old the term in the status may be. */
#define LOOK_POLL_MS 1000
/* Recovery before the start reads snapshot and log in one go, and cannot say how far it
 * is. */
#define RECOVERY_MAX_US (UINT64_C(600) * 1000000)
#define CATCH_UP_MAX_US (UINT64_C(30) * 1000000)

struct run {
	struct config config;
	blx_node *node;
	int wake_fd; /* eventfd: something is to be looked at */
	struct watchdog watchdog;
	bool is_ready;
	int64_t extended_ms; /* when systemd was last asked for more time */
	char status[256];    /* as last told */
	char own_path[4096];
};

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* On the loop thread. */
static void on_change(blx_node *node, void *data)
{
	struct run *run = data;
	uint64_t one = 1;

	if (write(run->wake_fd, &one, sizeof one) < 0) {
		return; /* full: it wakes already */
	}
}

/* ---- telling systemd ------------------------------------------------------------- */

static void describe(const blx_node_state *state, char *text, size_t size)
{
	if (!state->is_caught_up) {
		(void)snprintf(text, size,
			"catching up at index %" PRIu64 ", term %" PRIu64 ", %s%s",
			state->applied_index, state->term,
			state->leader[0] != '\0' ? "leader " : "no leader",
			state->leader);
	} else if (state->is_leader) {
		(void)snprintf(text, size, "leader of term %" PRIu64, state->term);
	} else if (state->leader[0] != '\0') {
		(void)snprintf(text, size, "follower of %s, term %" PRIu64, state->leader,
			state->term);
	} else {
		(void)snprintf(
			text, size, "no leader: reads only, term %" PRIu64, state->term);
	}
}

static void tell_status(struct run *run, const blx_node_state *state)
{
	char text[sizeof run->status];

	describe(state, text, sizeof text);
	if (strcmp(text, run->status) != 0) {
		(void)snprintf(run->status, sizeof run->status, "%s", text);
		(void)notify("STATUS=%s", text);
	}
}

static void tell_ready(struct run *run, const blx_node_state *state, int64_t now)
{
	if (run->is_ready) {
		return;
	}
	if (state->is_caught_up) {
		run->is_ready = true;
		(void)notify("READY=1");
		journal(BLX_LOG_INFO,
			"member %s ready, term %" PRIu64 ", revision %" PRIu64,
			state->name, state->term, state->revision);
	} else if (now - run->extended_ms >= 1000) {
		run->extended_ms = now;
		(void)notify("EXTEND_TIMEOUT_USEC=%" PRIu64, CATCH_UP_MAX_US);
	}
}

/* ---- running ----------------------------------------------------------------------- */

static void wait_for_something(struct run *run, int64_t now)
{
	struct pollfd fd = {.fd = run->wake_fd, .events = POLLIN};
	int wait = run->is_ready ? LOOK_POLL_MS : CATCH_UP_POLL_MS;
	int due = watchdog_wait_ms(&run->watchdog, now);
	uint64_t count;

	if (poll(&fd, 1, due >= 0 && due < wait ? due : wait) > 0 &&
		read(run->wake_fd, &count, sizeof count) < 0) {
		return; /* somebody else took it: there is nobody else, and it does not
			   matter */
	}
}

/* Until a signal (exit code 0) or until the member fails (1). */
static int look_after(struct run *run)
{
	while (stopper_signal() == 0) {
		blx_node_state state = {.size = sizeof state};
		blx_error error = BLX_ERROR_INIT;
		int64_t now = now_ms();

		if (blx_node_failure(run->node, &error) != 0) {
			journal(BLX_LOG_ERROR, "the member has failed: %s: %s",
				blx_strerror(error.code), error.message);
			(void)notify("STATUS=failed: %s", error.message);
			return EXIT_FAILED;
		}
		if (blx_node_state_get(run->node, &state) == 0) {
			tell_ready(run, &state, now);
			tell_status(run, &state);
		}
		watchdog_tick(&run->watchdog, now);
		wait_for_something(run, now);
	}
	journal(BLX_LOG_INFO, "stopping: %s", strsignal(stopper_signal()));
	return EXIT_OK;
}

static int start_and_look_after(struct run *run)
{
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (blx_node_start(run->node, &error) != 0) {
		journal(BLX_LOG_ERROR, "start: %s: %s", blx_strerror(error.code),
			error.message);
		return EXIT_FAILED;
	}
	watchdog_init(&run->watchdog, blx_node_client(run->node), run->wake_fd);
	rv = look_after(run);
	(void)notify("STOPPING=1\nSTATUS=stopping");
	if (blx_node_stop(run->node, STOP_TIMEOUT_MS, &error) != 0) {
		journal(BLX_LOG_ERROR, "stop: %s: %s", blx_strerror(error.code),
			error.message);
		return EXIT_FAILED;
	}
	return rv;
}

/* This very command is the guard and the gate. NULL: it cannot be told. */
static const char *own_path(struct run *run)
{
	ssize_t len = readlink("/proc/self/exe", run->own_path, sizeof run->own_path - 1);

	if (len <= 0) {
		return NULL;
	}
	run->own_path[len] = '\0';
	return run->own_path;
}

static int open_node(struct run *run)
{
	const struct config *config = &run->config;
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;

	opts.data_dir = config->data_dir;
	opts.socket_path = config->socket;
	opts.listen = config->listen;
	opts.flags =
		(config->insecure_transport ? (uint32_t)BLX_NODE_INSECURE_TRANSPORT : 0u) |
		(config->lease_reads ? (uint32_t)BLX_NODE_LEASE_READS : 0u) |
		(config->services ? (uint32_t)BLX_NODE_SERVICES : 0u);
	opts.election_timeout_ms = (uint32_t)config->election_timeout_ms;
	opts.heartbeat_ms = (uint32_t)config->heartbeat_ms;
	opts.snapshot_bytes = config->snapshot_bytes;
	opts.snapshot_entries = config->snapshot_entries;
	opts.segment_bytes = config->segment_bytes;
	opts.run_dir = config->run_dir;
	opts.unit_dir = config->unit_dir;
	opts.allow_units = config->allow_units;
	opts.manager = config->manager;
	opts.bus_address = config->bus;
	opts.guard_command = config->guard != NULL ? config->guard : own_path(run);
	opts.on_change = on_change;
	opts.data = run;
	(void)notify("STATUS=recovering\nEXTEND_TIMEOUT_USEC=%" PRIu64, RECOVERY_MAX_US);
	if (blx_node_create(&opts, &run->node, &error) == 0) {
		return EXIT_OK;
	}
	journal(BLX_LOG_ERROR, "open %s: %s: %s", config->data_dir,
		blx_strerror(error.code), error.message);
	if (error.code == BLX_ENOENT) {
		journal(BLX_LOG_ERROR, "a member is made with \"blixard cluster init\" "
				       "or \"blixard cluster join\"");
	}
	return error.code == BLX_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static int run_member(struct run *run)
{
	int rv = stopper_start(run->wake_fd);

	if (rv != 0) {
		journal(BLX_LOG_ERROR, "start a thread for signals: %s", strerror(-rv));
		return EXIT_FAILED;
	}
	rv = open_node(run);
	if (rv == EXIT_OK) {
		rv = start_and_look_after(run);
		blx_node_destroy(run->node);
	}
	return rv;
}

int node_run(struct ctx *ctx)
{
	char fault[CONFIG_FAULT_SIZE];
	struct run run = {0};
	int rv;

	if (config_load(&ctx->args, &run.config, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	journal_start(run.config.log_level);
	run.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (run.wake_fd < 0) {
		rv = fail_with(ctx, BLX_EIO, "make an eventfd: %s", strerror(errno));
	} else {
		rv = run_member(&run);
		(void)close(run.wake_fd);
	}
	config_finish(&run.config);
	return rv;
}
