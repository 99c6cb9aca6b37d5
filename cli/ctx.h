/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of one verb: its arguments, how it prints, the member it talks to,
 * and the ways in which it fails. The fail_ functions print the error, once,
 * and return the exit code, so that a verb ends with "return fail(...)".
 */
#ifndef BLX_CLI_CTX_H
#define BLX_CLI_CTX_H

#include "opt.h"
#include "verb.h"

#include <blixard/blixard.h>
#include <stdbool.h>
#include <stdint.h>

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOQUORUM = 3,
	EXIT_NOTFOUND = 4,
	EXIT_CONFLICT = 5,
	EXIT_UNKNOWN = 6, /* timeout, or a write that may have been applied */
	EXIT_DENIED = 7
};

struct ctx {
	const struct verb *verb; /* NULL until it is known */
	struct opt_args args;
	bool json;
	const char *socket;
	uint32_t timeout_ms;
	int64_t deadline_ms; /* of the monotonic clock */
	blx_client *client;  /* owned; NULL until ctx_connect() */
};

#define CTX_DATA_DIR "/var/lib/blixard"
#define CTX_SOCKET   "/run/blixard/blixard.sock"

/* Takes --output, --socket and --timeout from the arguments. 0, or the exit code. */
int ctx_settle(struct ctx *ctx);
/* The timeout counts from now: after something was waited for that it does not cover. */
void ctx_restart(struct ctx *ctx);
/* Connects to the member. 0, or the exit code after the error was printed. */
int ctx_connect(struct ctx *ctx);
/* Connects, and lists the children of a path; with --consistent, where there is such an option,
 * as is true now. 0 and a list, or the exit code after the error was printed. */
int ctx_list(struct ctx *ctx, const char *path, blx_list **ret_list);
void ctx_finish(struct ctx *ctx);

/* What is left of the timeout; at least 1, as 0 means the default. */
uint32_t ctx_left_ms(const struct ctx *ctx);
/* --data-dir, else the environment, else the default. */
const char *ctx_data_dir(const struct ctx *ctx);

int exit_code_of(int code, int outcome);
/* Prints what the library told. */
int fail(const struct ctx *ctx, const blx_error *error);
/* Prints a fault of the command line and where the help is. */
__attribute__((format(printf, 2, 3))) int fail_usage(
	const struct ctx *ctx, const char *format, ...);
/* Prints a failure of our own, under a code of the library. */
__attribute__((format(printf, 3, 4))) int fail_with(
	const struct ctx *ctx, int code, const char *format, ...);
/* A line for a person on standard error; silent with JSON. */
__attribute__((format(printf, 2, 3))) void hint(
	const struct ctx *ctx, const char *format, ...);

#endif
