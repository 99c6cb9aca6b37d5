/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx.h"

#include "out.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADDRESS_SIZE 256

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text != NULL && text[0] != '\0' ? text : otherwise;
}

int ctx_settle(struct ctx *ctx)
{
	const char *timeout = opt_text(&ctx->args, "timeout");
	const char *output = opt_text(&ctx->args, "output");

	if (output != NULL && strcmp(output, "json") != 0 &&
		strcmp(output, "table") != 0) {
		return fail_usage(ctx, "--output \"%s\": must be table or json", output);
	}
	ctx->json = output != NULL && strcmp(output, "json") == 0;
	ctx->timeout_ms = BLX_TIMEOUT_DEFAULT_MS;
	if (timeout != NULL && !opt_parse_duration(timeout, &ctx->timeout_ms)) {
		return fail_usage(ctx,
			"--timeout \"%s\": must be like 5s, 500ms, 2m, or milliseconds, "
			"at most a day",
			timeout);
	}
	ctx_restart(ctx);
	ctx->socket = text_or(opt_text(&ctx->args, "socket"),
		text_or(getenv("BLIXARD_SOCKET"), CTX_SOCKET));
	return 0;
}

void ctx_restart(struct ctx *ctx)
{
	ctx->deadline_ms = now_ms() + ctx->timeout_ms;
}

uint32_t ctx_left_ms(const struct ctx *ctx)
{
	int64_t left = ctx->deadline_ms - now_ms();

	return left > 0 ? (uint32_t)left : 1;
}

const char *ctx_data_dir(const struct ctx *ctx)
{
	return text_or(opt_text(&ctx->args, "data-dir"),
		text_or(getenv("BLIXARD_DATA_DIR"), CTX_DATA_DIR));
}

int ctx_connect(struct ctx *ctx)
{
	blx_client_opts opts = BLX_CLIENT_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	char address[ADDRESS_SIZE];
	int len = snprintf(address, sizeof address, "unix:%s", ctx->socket);

	if (len < 0 || (size_t)len >= sizeof address) {
		return fail_usage(ctx, "--socket: the path is too long");
	}
	opts.connect_timeout_ms = ctx_left_ms(ctx);
	if (blx_client_open(address, &opts, &ctx->client, &error) == 0) {
		return 0;
	}
	ctx->client = NULL;
	if (error.code == BLX_ECONNECT) {
		return fail_with(ctx, BLX_ECONNECT, "%s: %s: does the member run there?",
			ctx->socket, error.message);
	}
	return fail(ctx, &error);
}

int ctx_list(struct ctx *ctx, const char *path, blx_list **ret_list)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	rv = (opt_flag(&ctx->args, "consistent") ? blx_list_children_consistent
						 : blx_list_children)(
		ctx->client, path, &opts, ret_list, &error);
	return rv == 0 ? 0 : fail(ctx, &error);
}

void ctx_finish(struct ctx *ctx)
{
	blx_client_close(ctx->client);
	opt_args_finish(&ctx->args);
}

/* ---- failing --------------------------------------------------------------- */

int exit_code_of(int code, int outcome)
{
	switch (code) {
	case BLX_OK:
		return EXIT_OK;
	case BLX_EINVAL:
		return EXIT_USAGE;
	case BLX_ENOQUORUM:
		return EXIT_NOQUORUM;
	case BLX_ENOENT:
	case BLX_ENOVALUE:
	case BLX_ENOTMEMBER:
		return EXIT_NOTFOUND;
	case BLX_EEXIST:
	case BLX_ECONFLICT:
	case BLX_ECHANGING:
	case BLX_ENOPLACE:
	case BLX_ERESERVED:
	case BLX_EINUSE:
		return EXIT_CONFLICT;
	case BLX_ETIMEOUT:
		return EXIT_UNKNOWN;
	case BLX_EPERM:
	case BLX_EQUOTA:
		return EXIT_DENIED;
	default:
		return outcome == BLX_UNKNOWN ? EXIT_UNKNOWN : EXIT_FAILED;
	}
}

static const char *outcome_name(int outcome)
{
	return outcome == BLX_NOT_APPLIED ? "not-applied"
					  : (outcome == BLX_UNKNOWN ? "unknown" : "none");
}

static const char *outcome_note(int outcome)
{
	return outcome == BLX_NOT_APPLIED
		       ? " (not applied)"
		       : (outcome == BLX_UNKNOWN ? " (may have been applied)" : "");
}

/* "kv put /x: " as far as it is known. */
static void print_where(const struct ctx *ctx, FILE *to)
{
	if (ctx->verb == NULL) {
		return;
	}
	fprintf(to, "%s%s%s", ctx->verb->noun, ctx->verb->name != NULL ? " " : "",
		ctx->verb->name != NULL ? ctx->verb->name : "");
	if (ctx->args.words_count > 0 && ctx->verb->words_max != VERB_WORDS_ANY) {
		fprintf(to, " ");
		out_printable(to, ctx->args.words[0], strlen(ctx->args.words[0]));
	}
	fprintf(to, ": ");
}

static void print_json(const blx_error *error)
{
	json_t *root = json_pack("{s:{s:i, s:s, s:o, s:s, s:I}}", "error", "code",
		error->code, "name", blx_err_name(error->code), "message",
		out_json_text(error->message), "outcome", outcome_name(error->outcome),
		"revision", (json_int_t)error->revision);
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	/* Out of memory: the fields that need none. */
	fprintf(stderr, "%s\n", text != NULL ? text : "{\"error\":{\"code\":-2}}");
	free(text);
	json_decref(root);
}

int fail(const struct ctx *ctx, const blx_error *error)
{
	const char *text = blx_strerror(error->code);

	if (ctx->json) {
		print_json(error);
		return exit_code_of(error->code, error->outcome);
	}
	fprintf(stderr, "blixard: ");
	print_where(ctx, stderr);
	fprintf(stderr, "%s", text);
	if (error->message[0] != '\0' && strcmp(error->message, text) != 0) {
		fprintf(stderr, ": ");
		out_printable(stderr, error->message, strlen(error->message));
	}
	fprintf(stderr, "%s\n", outcome_note(error->outcome));
	return exit_code_of(error->code, error->outcome);
}

int fail_with(const struct ctx *ctx, int code, const char *format, ...)
{
	blx_error error = BLX_ERROR_INIT;
	va_list args;

	error.code = code;
	va_start(args, format);
	(void)vsnprintf(error.message, sizeof error.message, format, args);
	va_end(args);
	return fail(ctx, &error);
}

static void print_help_at(const struct ctx *ctx)
{
	fprintf(stderr, "try: blixard");
	if (ctx->verb != NULL) {
		fprintf(stderr, " %s%s%s", ctx->verb->noun,
			ctx->verb->name != NULL ? " " : "",
			ctx->verb->name != NULL ? ctx->verb->name : "");
	}
	fprintf(stderr, " --help\n");
}

int fail_usage(const struct ctx *ctx, const char *format, ...)
{
	blx_error error = BLX_ERROR_INIT;
	va_list args;

	error.code = BLX_EINVAL;
	va_start(args, format);
	(void)vsnprintf(error.message, sizeof error.message, format, args);
	va_end(args);
	if (ctx->json) {
		print_json(&error);
		return EXIT_USAGE;
	}
	fprintf(stderr, "blixard: ");
	print_where(ctx, stderr);
	out_printable(stderr, error.message, strlen(error.message));
	fprintf(stderr, "\n");
	print_help_at(ctx);
	return EXIT_USAGE;
}

void hint(const struct ctx *ctx, const char *format, ...)
{
	va_list args;

	if (ctx->json) {
		return;
	}
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
}
