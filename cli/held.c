/* SPDX-License-Identifier: Apache-2.0 */
/* lock, elect: something is held while a command runs, or until a signal. */
#include "child.h"
#include "ctx.h"
#include "leases.h"
#include "out.h"
#include "stopper.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a command has between SIGTERM and SIGKILL when the lock is lost. */
#define GRACE_MS 5000

#define VAR_SIZE (BLX_PATH_LEN_MAX + 32)

struct held {
	struct ctx *ctx;
	struct lease_options options;
	uint32_t wait_ms;
	int stop_fd; /* a signal came */
	int lost_fd; /* the lease is lost */
	blx_lock *lock;
};

static void on_lost(void *data)
{
	const struct held *held = data;
	uint64_t one = 1;

	while (write(held->lost_fd, &one, sizeof one) < 0 && errno == EINTR) {
	}
}

static int open_fds(struct held *held)
{
	held->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	held->lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (held->stop_fd < 0 || held->lost_fd < 0) {
		return fail_with(held->ctx, BLX_EIO, "make an eventfd: %s", strerror(errno));
	}
	return 0;
}

static int held_begin(struct held *held)
{
	const char *wait = opt_text(&held->ctx->args, "wait");
	int rv = lease_options(held->ctx, &held->options);

	held->wait_ms = BLX_LEASE_WAIT_FOREVER;
	if (rv == 0 && wait != NULL && !opt_parse_duration(wait, &held->wait_ms)) {
		return fail_usage(held->ctx, "--wait \"%.40s\": must be a time", wait);
	}
	if (rv == 0) {
		rv = open_fds(held);
	}
	return rv != 0 ? rv : ctx_connect(held->ctx);
}

static void held_end(struct held *held)
{
	blx_lock_release(held->lock);
	if (held->stop_fd >= 0) {
		(void)close(held->stop_fd);
	}
	if (held->lost_fd >= 0) {
		(void)close(held->lost_fd);
	}
}

/* Gets the lock (value NULL), or the election. */
static int get(struct held *held, const char *name, const char *value)
{
	blx_lease_opts opts = BLX_LEASE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	opts.ttl_ms = held->options.ttl_ms;
	opts.holder = held->options.holder;
	opts.timeout_ms = held->wait_ms;
	opts.on_lost = on_lost;
	opts.data = held;
	rv = value == NULL ? blx_lock_acquire(held->ctx->client, name, &opts, &held->lock, &error)
			   : blx_elect(held->ctx->client, name, value, strlen(value), &opts,
				     &held->lock, &error);
	return rv == 0 ? EXIT_OK : fail(held->ctx, &error);
}

/* ---- while a command runs ------------------------------------------------------- */

static int lost(const struct held *held)
{
	return fail_with(held->ctx, BLX_ECANCELED, "%s: the lease was lost meanwhile",
		blx_lock_path(held->lock));
}

/* Until one of them is readable, or the time is over (-1: never). */
static void wait_any(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	while (poll(fds, count, timeout_ms) < 0 && errno == EINTR) {
	}
}

/* Passes a signal on, and ends the command when the lease is lost. */
static int look_after(const struct held *held, pid_t pid, int pid_fd, int *ret_status)
{
	struct pollfd fds[] = {{.fd = pid_fd, .events = POLLIN},
		{.fd = held->stop_fd, .events = POLLIN},
		{.fd = held->lost_fd, .events = POLLIN}};
	bool is_lost = false;
	int timeout_ms = -1;

	for (;;) {
		wait_any(fds, 3, timeout_ms);
		if (fds[0].revents != 0) {
			break;
		}
		if (fds[1].revents != 0) {
			(void)kill(pid, stopper_signal());
			fds[1].fd = -1; /* once: a second one ends this process itself */
		} else if (fds[2].revents != 0) {
			(void)kill(pid, SIGTERM);
			is_lost = true;
			timeout_ms = GRACE_MS;
			fds[2].fd = -1;
		} else {
			(void)kill(pid, SIGKILL);
			timeout_ms = -1;
		}
		fds[1].revents = 0;
		fds[2].revents = 0;
	}
	if (child_wait(pid, ret_status) != 0) {
		return fail_with(held->ctx, BLX_EIO, "wait for the command: %s", strerror(errno));
	}
	return is_lost ? lost(held) : *ret_status;
}

static int run(const struct held *held, const char *const *argv)
{
	char fence[64];
	char path[VAR_SIZE];
	const char *vars[] = {fence, path, NULL};
	struct child_spec spec = {.argv = argv, .vars = vars, .own_input = true};
	int status = 0;
	int pid_fd;
	pid_t pid;
	int rv;

	(void)snprintf(
		fence, sizeof fence, "BLX_FENCE=%" PRIu64, blx_lock_fence(held->lock));
	(void)snprintf(path, sizeof path, "BLX_LOCK_PATH=%s", blx_lock_path(held->lock));
	(void)fflush(stdout);
	rv = child_start(&spec, &pid);
	if (rv != 0) {
		return fail_with(
			held->ctx, BLX_EIO, "run %s: %s", argv[0], strerror(-rv));
	}
	pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pid_fd < 0) {
		rv = errno;
		(void)kill(pid, SIGKILL);
		(void)child_wait(pid, &status);
		return fail_with(held->ctx, BLX_EIO, "look after %s: %s", argv[0], strerror(rv));
	}
	rv = look_after(held, pid, pid_fd, &status);
	(void)close(pid_fd);
	return rv;
}

/* From here on a signal ends what is held, not this process. */
static int take_signals(const struct held *held)
{
	int rv = stopper_start(held->stop_fd);

	return rv == 0 ? EXIT_OK
		       : fail_with(held->ctx, BLX_EIO, "start a thread for signals: %s",
				 strerror(-rv));
}

int lock(struct ctx *ctx)
{
	struct held held = {.ctx = ctx, .stop_fd = -1, .lost_fd = -1};
	int rv = held_begin(&held);

	if (rv == EXIT_OK) {
		rv = get(&held, ctx->args.words[0], NULL);
	}
	if (rv == EXIT_OK) {
		rv = take_signals(&held);
	}
	if (rv == EXIT_OK) {
		rv = run(&held, ctx->args.words + 1);
	}
	held_end(&held);
	return rv;
}

/* ---- elections ------------------------------------------------------------------ */

static int print_elected(const struct ctx *ctx, const char *name)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value;
	json_t *root;
	int rv;

	opts.timeout_ms = ctx_left_ms(ctx);
	if (blx_elected(ctx->client, name, &opts, &value, &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		root = json_pack("{s:I}", "fence", (json_int_t)blx_value_create_revision(value));
		if (root != NULL &&
			out_json_value(root, blx_value_data(value), blx_value_len(value)) != 0) {
			json_decref(root);
			root = NULL;
		}
		rv = out_json(ctx, root);
	} else {
		out_printable(stdout, blx_value_data(value), blx_value_len(value));
		printf("\n");
		rv = EXIT_OK;
	}
	blx_value_unref(value);
	return rv;
}

/* Elected, with nothing to run: until a signal, or until it is no longer. */
static int stay(const struct held *held)
{
	struct pollfd fds[] = {{.fd = held->stop_fd, .events = POLLIN},
		{.fd = held->lost_fd, .events = POLLIN}};
	uint64_t fence = blx_lock_fence(held->lock);

	if (held->ctx->json) {
		(void)out_json(held->ctx, json_pack("{s:I}", "fence", (json_int_t)fence));
	} else {
		printf("%" PRIu64 "\n", fence);
	}
	(void)fflush(stdout); /* out_finish() tells if that failed */
	wait_any(fds, 2, -1);
	return fds[1].revents != 0 ? lost(held) : EXIT_OK;
}

static int be_elected(struct held *held)
{
	const struct opt_args *args = &held->ctx->args;
	int rv = get(held, args->words[0], args->words[1]);

	if (rv == EXIT_OK) {
		rv = take_signals(held);
	}
	if (rv != EXIT_OK) {
		return rv;
	}
	return args->words_count > 2 ? run(held, args->words + 2) : stay(held);
}

int elect(struct ctx *ctx)
{
	struct held held = {.ctx = ctx, .stop_fd = -1, .lost_fd = -1};
	int rv = held_begin(&held);

	if (rv == EXIT_OK) {
		rv = ctx->args.words_count == 1 ? print_elected(ctx, ctx->args.words[0])
						: be_elected(&held);
	}
	held_end(&held);
	return rv;
}
