/* SPDX-License-Identifier: Apache-2.0 */
/* The guard, which exclusive units are bound to, and the gate, which they ask at each start. */
#include "ctx.h"

#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Ends when the lease is over; SIGTERM ends it, too, and with it what is bound to it. */
int guard(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	sigset_t stop;
	int fd;
	int rv;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &stop, NULL);
	fd = signalfd(-1, &stop, SFD_CLOEXEC);
	rv = blx_guard_run(opt_text(&ctx->args, "run-dir"), fd, &error);
	if (fd >= 0) {
		(void)close(fd);
	}
	return rv != 0 ? fail(ctx, &error) : EXIT_OK;
}

/* Exit 1: no. systemd then skips the start, and calls it no failure of the unit. */
int gate(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;

	if (blx_gate_check(opt_text(&ctx->args, "run-dir"), opt_text(&ctx->args, "manager"),
		    ctx->args.words[0], NULL, &error) != 0) {
		(void)fail(ctx, &error);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
