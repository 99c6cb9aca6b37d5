/* SPDX-License-Identifier: Apache-2.0 */
/* watch: a line for each event, or a program that is run for it. */
#include "watch.h"

#include "child.h"
#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* BLX_PATH= and a path. */
#define VAR_SIZE (BLX_PATH_LEN_MAX + 32)

static const char *kind_text(const blx_event *event)
{
	switch (event->kind) {
	case BLX_EVENT_PUT:
		return "put";
	case BLX_EVENT_DELETE:
		return "delete";
	case BLX_EVENT_COMPACTED:
		return "compacted";
	default:
		return "progress";
	}
}

static bool is_change(const blx_event *event)
{
	return event->kind == BLX_EVENT_PUT || event->kind == BLX_EVENT_DELETE;
}

/* ---- a line for each ------------------------------------------------------------ */

static json_t *value_json(const void *bytes, size_t len)
{
	json_t *root = json_object();

	if (root != NULL && out_json_value(root, bytes, len) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static json_t *event_json(const blx_event *event)
{
	json_t *root = json_pack("{s:s, s:I}", "event", kind_text(event), "revision",
		(json_int_t)event->revision);
	int rv = root == NULL ? -1 : 0;

	if (rv == 0 && is_change(event)) {
		json_t *more = json_pack("{s:o, s:I, s:I, s:I, s:b}", "path",
			out_json_text(event->path), "create_revision",
			(json_int_t)event->create_revision, "version",
			(json_int_t)event->version, "prev_revision",
			(json_int_t)event->prev_revision, "more", event->more);

		rv = more == NULL ? -1 : json_object_update(root, more);
		json_decref(more);
	}
	if (rv == 0 && event->value != NULL) {
		rv = out_json_value(root, event->value, event->value_len);
	}
	if (rv == 0 && event->prev_value != NULL) {
		rv = json_object_set_new(root, "prev",
			value_json(event->prev_value, event->prev_value_len));
	}
	if (rv == 0 && event->cause != NULL) {
		rv = json_object_set_new(root, "cause", out_json_text(event->cause));
	}
	if (rv != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static int print_event(const struct ctx *ctx, const blx_event *event)
{
	if (ctx->json) {
		return out_json(ctx, event_json(event));
	}
	printf("%" PRIu64 " %s", event->revision, kind_text(event));
	if (event->path != NULL) {
		printf(" ");
		out_printable(stdout, event->path, strlen(event->path));
	}
	if (event->value != NULL) {
		printf(" ");
		out_printable(stdout, event->value, event->value_len);
	}
	if (event->prev_value != NULL) {
		printf(" (was ");
		out_printable(stdout, event->prev_value, event->prev_value_len);
		printf(")");
	}
	if (event->cause != NULL) {
		printf(" (because of ");
		out_printable(stdout, event->cause, strlen(event->cause));
		printf(")");
	}
	printf("\n");
	return EXIT_OK;
}

/* ---- a program for each ----------------------------------------------------------- */

static int run_for(const struct ctx *ctx, const blx_event *event)
{
	char kind[32];
	char path[VAR_SIZE];
	char revision[64];
	char prev[64];
	const char *vars[] = {kind, path, revision, prev, NULL};
	struct child_spec spec = {.argv = ctx->args.words + 1,
		.vars = vars,
		.input = event->value,
		.input_len = event->value_len};
	int status = 0;
	int rv;

	(void)snprintf(kind, sizeof kind, "BLX_EVENT=%s", kind_text(event));
	(void)snprintf(path, sizeof path, "BLX_PATH=%s", event->path);
	(void)snprintf(
		revision, sizeof revision, "BLX_REVISION=%" PRIu64, event->revision);
	(void)snprintf(
		prev, sizeof prev, "BLX_PREV_REVISION=%" PRIu64, event->prev_revision);
	(void)fflush(stdout);
	rv = child_run(&spec, &status);
	if (rv != 0) {
		return fail_with(ctx, BLX_EIO, "run %s: %s", spec.argv[0], strerror(-rv));
	}
	if (status != 0) {
		return fail_with(ctx, BLX_ECANCELED,
			"%s ended with %d for %s; go on with --from %" PRIu64,
			spec.argv[0], status, event->path, event->revision);
	}
	return EXIT_OK;
}

/* ---- both ----------------------------------------------------------------------------
 */

static int show(const struct ctx *ctx, const blx_event *event)
{
	if (opt_flag(&ctx->args, "exec") && is_change(event)) {
		return run_for(ctx, event);
	}
	return print_event(ctx, event);
}

int watch_next(const struct ctx *ctx, blx_watch *watch, blx_event *event)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = blx_watch_next(watch, 0, event, &error);

	if (rv == BLX_ETIMEOUT) {
		if (fflush(stdout) != 0) {
			return EXIT_FAILED; /* out_finish() tells */
		}
		rv = blx_watch_next(watch, BLX_WATCH_FOREVER, event, &error);
	}
	return rv == 0 ? EXIT_OK : fail(ctx, &error);
}

static int watch_all(const struct ctx *ctx, blx_watch *watch, uint64_t count)
{
	blx_event event = BLX_EVENT_INIT;
	uint64_t seen = 0;
	int rv = EXIT_OK;

	while (rv == EXIT_OK && (count == 0 || seen < count)) {
		rv = watch_next(ctx, watch, &event);
		if (rv == EXIT_OK) {
			seen += is_change(&event);
			rv = show(ctx, &event);
		}
	}
	return rv;
}

static int watch_opts(const struct ctx *ctx, blx_watch_opts *opts, uint64_t *count)
{
	char fault[OPT_FAULT_SIZE];
	bool exec = opt_flag(&ctx->args, "exec");

	if (exec && ctx->args.words_count < 2) {
		return fail_usage(ctx, "--exec needs a command behind the pattern");
	}
	if (!exec && ctx->args.words_count > 1) {
		return fail_usage(
			ctx, "one argument too many: \"%s\"", ctx->args.words[1]);
	}
	if (opt_number(&ctx->args, "from", 1, UINT64_MAX, &opts->from_revision, fault) !=
			0 ||
		opt_number(&ctx->args, "count", 1, UINT64_MAX, count, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	if (opt_flag(&ctx->args, "prev")) {
		opts->flags |= BLX_WATCH_PREV_VALUE;
	}
	if (opt_flag(&ctx->args, "no-values")) {
		opts->flags |= BLX_WATCH_NO_VALUES;
	}
	return 0;
}

int watch(struct ctx *ctx)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_watch *handle;
	uint64_t count = 0;
	int rv = watch_opts(ctx, &opts, &count);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	if (blx_watch_open(ctx->client, ctx->args.words[0], &opts, &handle, &error) !=
		0) {
		return fail(ctx, &error);
	}
	rv = watch_all(ctx, handle, count);
	blx_watch_close(handle);
	return rv;
}
