/* SPDX-License-Identifier: Apache-2.0 */
/* svc define, adopt, rm, start, stop, restart, status, owner, can-run, logs. */
#include "child.h"
#include "constraints.h"
#include "ctx.h"
#include "out.h"
#include "records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- define, adopt -------------------------------------------------------------- */

static int copy_option(
	const struct ctx *ctx, const char *option, char *to, size_t size)
{
	const char *text = opt_text(&ctx->args, option);

	if (text != NULL && strlen(text) >= size) {
		return fail_usage(ctx, "--%s: at most %zu bytes", option, size - 1);
	}
	if (text != NULL) {
		memcpy(to, text, strlen(text) + 1);
	}
	return EXIT_OK;
}

static int numbers_of(const struct ctx *ctx, blx_service *service)
{
	char fault[OPT_FAULT_SIZE];
	const char *priority = opt_text(&ctx->args, "priority");
	const char *stop = opt_text(&ctx->args, "stop-timeout");
	uint64_t cpu = 0;
	uint64_t memory = 0;
	uint64_t failures = 0;
	uint32_t stop_ms = 0;
	char *end = NULL;

	if (opt_number(&ctx->args, "cpu", 0, INT32_MAX, &cpu, fault) != 0 ||
		opt_number(&ctx->args, "memory", 0, INT32_MAX, &memory, fault) != 0 ||
		opt_number(&ctx->args, "failures-max", 0, 1000000, &failures, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	if (stop != NULL && !opt_parse_duration(stop, &stop_ms)) {
		return fail_usage(ctx, "--stop-timeout: a duration like 5s");
	}
	if (priority != NULL) {
		service->priority = strtol(priority, &end, 10);
		if (end == priority || *end != '\0') {
			return fail_usage(ctx, "--priority: a number");
		}
	}
	service->cpu = (int64_t)cpu;
	service->memory = (int64_t)memory;
	service->failures_max = (int64_t)failures;
	service->stop_timeout = stop_ms;
	return EXIT_OK;
}

static int command_of(const struct ctx *ctx, blx_service *service)
{
	size_t i;

	if (ctx->args.words_count - 1 > BLX_WORDS_MAX) {
		return fail_usage(ctx, "a command has at most %d words", BLX_WORDS_MAX);
	}
	for (i = 1; i < ctx->args.words_count; i++) {
		if (strlen(ctx->args.words[i]) >= BLX_TEXT_MAX) {
			return fail_usage(
				ctx, "a word of a command has at most %d bytes", BLX_TEXT_MAX - 1);
		}
		memcpy(service->command[i - 1], ctx->args.words[i],
			strlen(ctx->args.words[i]) + 1);
		service->command_count++;
	}
	return EXIT_OK;
}

static int service_of(const struct ctx *ctx, blx_service *service)
{
	int rv = copy_option(ctx, "unit", service->unit, sizeof service->unit);

	if (rv == EXIT_OK) {
		rv = copy_option(ctx, "group", service->group, sizeof service->group);
	}
	if (rv == EXIT_OK) {
		rv = copy_option(ctx, "manager", service->manager, sizeof service->manager);
	}
	if (rv == EXIT_OK) {
		rv = numbers_of(ctx, service);
	}
	if (rv == EXIT_OK) {
		rv = constraints_of(ctx, service->constraints, &service->constraints_count);
	}
	service->shared = opt_flag(&ctx->args, "shared");
	return rv == EXIT_OK ? command_of(ctx, service) : rv;
}

/* node: adopted there; NULL: defined. */
static int define(struct ctx *ctx, const char *node)
{
	blx_service *service = calloc(1, sizeof *service);
	const char *name = ctx->args.words[0];
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (service == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "define %s", name);
	}
	rv = service_of(ctx, service);
	if (rv == EXIT_OK) {
		rv = ctx_connect(ctx);
	}
	if (rv == EXIT_OK &&
		(node != NULL ? blx_service_adopt(ctx->client, name, service, node,
					ctx_left_ms(ctx), &error)
			      : blx_service_define(ctx->client, name, service,
					ctx_left_ms(ctx), &error)) != 0) {
		rv = fail(ctx, &error);
	}
	free(service);
	return rv;
}

int svc_define(struct ctx *ctx)
{
	return define(ctx, NULL);
}

int svc_adopt(struct ctx *ctx)
{
	const char *node = opt_text(&ctx->args, "node");

	return node != NULL ? define(ctx, node)
			    : fail_usage(ctx, "--node: where it runs must be said");
}

int svc_rm(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == EXIT_OK && blx_service_remove(ctx->client, ctx->args.words[0],
				     ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}

/* ---- start, stop, restart ------------------------------------------------------- */

static void on_progress(const char *name, const blx_service *service,
	const blx_migration *migration, void *data)
{
	const struct ctx *ctx = data;

	if (migration != NULL) {
		hint(ctx, "%s: %s, from %s to %s", name,
			blx_record_text(BLX_RECORD_MIGRATION, "state", migration->state),
			migration->from, migration->to);
	} else {
		hint(ctx, "%s: %s%s%s%s%s", name,
			blx_record_text(BLX_RECORD_SERVICE, "state", service->state),
			service->node[0] != '\0' ? " on " : "", service->node,
			service->detail[0] != '\0' ? ": " : "", service->detail);
	}
}

blx_service_opts svc_opts_of(struct ctx *ctx)
{
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;

	opts.timeout_ms = ctx_left_ms(ctx);
	opts.wait = opt_flag(&ctx->args, "wait");
	opts.progress = on_progress;
	opts.data = ctx;
	return opts;
}

typedef int (*service_call)(blx_client *client, const char *name,
	const blx_service_opts *opts, blx_error *error);

static int perform(struct ctx *ctx, service_call call, const char *node)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);
	blx_service_opts opts = svc_opts_of(ctx);

	opts.node = node;
	if (rv == EXIT_OK && call(ctx->client, ctx->args.words[0], &opts, &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}

int svc_start(struct ctx *ctx)
{
	return perform(ctx, blx_service_start, opt_text(&ctx->args, "node"));
}

int svc_stop(struct ctx *ctx)
{
	return perform(ctx, blx_service_stop, NULL);
}

int svc_restart(struct ctx *ctx)
{
	return perform(ctx, blx_service_restart, NULL);
}

/* ---- questions ------------------------------------------------------------------ */

/* The record of the service. 0, or the exit code after the fault was printed. */
static int read_service(struct ctx *ctx, blx_service *service)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == EXIT_OK && blx_record_get(ctx->client, BLX_RECORD_SERVICE,
				     ctx->args.words[0], opt_flag(&ctx->args, "consistent"),
				     ctx_left_ms(ctx), service, NULL, &error) != 0) {
		if (error.code == BLX_ENOENT) {
			return fail_with(ctx, BLX_ENOENT, "Service not found: %.64s",
				ctx->args.words[0]);
		}
		return fail(ctx, &error);
	}
	return rv;
}

static void status_line(struct out_table *table, const char *what, const char *text)
{
	if (text != NULL && text[0] != '\0') {
		out_table_add(table, what);
		out_table_add(table, text);
	}
}

static int print_status(const struct ctx *ctx, const blx_service *service)
{
	struct out_table table;
	char text[64];

	out_table_init(&table, 2);
	status_line(&table, "state",
		blx_record_text(BLX_RECORD_SERVICE, "state", service->state));
	status_line(&table, "wanted",
		blx_record_text(BLX_RECORD_SERVICE, "wanted", service->wanted));
	status_line(&table, "node", service->node);
	status_line(&table, "unit", service->unit);
	status_line(&table, "manager", service->manager);
	status_line(&table, "may run on",
		service->owner[0] != '\0' ? service->owner : "nowhere at the moment");
	(void)snprintf(text, sizeof text, "%" PRId64, service->epoch);
	status_line(&table, "epoch", text);
	status_line(&table, "seen",
		blx_record_text(BLX_RECORD_SERVICE, "seen", service->seen));
	status_line(&table, "by", service->seen_node);
	status_line(&table, "migration", service->migration);
	(void)snprintf(text, sizeof text, "%" PRId64, service->failures);
	status_line(&table, "failures", service->failures > 0 ? text : "");
	status_line(&table, "detail", service->detail);
	return out_table_finish(ctx, &table);
}

/* Exit 1: it is not as it is wanted. */
int svc_status(struct ctx *ctx)
{
	blx_service *service = calloc(1, sizeof *service);
	bool well;
	int rv;

	if (service == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "status");
	}
	if (ctx->json) {
		free(service);
		return svc_show(ctx);
	}
	rv = read_service(ctx, service);
	well = service->wanted == service->state;
	if (rv == EXIT_OK) {
		rv = print_status(ctx, service);
	}
	blx_record_clear(BLX_RECORD_SERVICE, service);
	free(service);
	return rv == EXIT_OK && !well ? EXIT_FAILED : rv;
}

int svc_owner(struct ctx *ctx)
{
	const char *node = opt_text(&ctx->args, "is");
	blx_service *service;
	blx_error error = BLX_ERROR_INIT;
	int is = 0;
	int rv;

	if (node != NULL) {
		rv = ctx_connect(ctx);
		if (rv == EXIT_OK && blx_service_is_on(ctx->client, ctx->args.words[0], node,
					     ctx_left_ms(ctx), &is, &error) != 0) {
			(void)fail(ctx, &error);
			return EXIT_USAGE; /* neither yes nor no */
		}
		return rv != EXIT_OK ? EXIT_USAGE : is ? EXIT_OK : EXIT_FAILED;
	}
	service = calloc(1, sizeof *service);
	if (service == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "owner");
	}
	rv = read_service(ctx, service);
	if (rv == EXIT_OK && ctx->json) {
		rv = out_json(ctx, json_pack("{s:s, s:I}", "node", service->node, "epoch",
					   (json_int_t)service->epoch));
	} else if (rv == EXIT_OK) {
		printf("%s\n", service->node);
	}
	blx_record_clear(BLX_RECORD_SERVICE, service);
	free(service);
	return rv;
}

int svc_can_run(struct ctx *ctx)
{
	const char *node = opt_text(&ctx->args, "node");
	blx_error error = BLX_ERROR_INIT;
	char *text = NULL;
	int code;
	int rv = node != NULL ? ctx_connect(ctx)
			      : fail_usage(ctx, "--node: where it is to run must be said");

	if (rv != EXIT_OK) {
		return rv;
	}
	code = blx_service_can_run(
		ctx->client, ctx->args.words[0], node, ctx_left_ms(ctx), &text, &error);
	if (code != 0 && code != BLX_ENOPLACE) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		rv = out_json(ctx, json_pack("{s:b, s:s}", "can", code == 0, "reasons",
					   text != NULL ? text : ""));
	} else {
		printf("%s", text != NULL ? text : "yes\n");
	}
	blx_text_free(text);
	return rv == EXIT_OK && code != 0 ? EXIT_FAILED : rv;
}

/* ---- logs ----------------------------------------------------------------------- */

static int run_journalctl(const struct ctx *ctx, const blx_service *service)
{
	const char *lines = opt_text(&ctx->args, "lines");
	bool is_user = strcmp(service->manager, "user") == 0;
	bool is_other = strncmp(service->manager, "user:", 5) == 0;
	char unit[BLX_UNIT_NAME_MAX + 32];
	char uid[BLX_NAME_MAX + 8];
	const char *argv[] = {"journalctl", "-n", lines != NULL ? lines : "100", "--no-pager", unit,
		NULL, NULL, NULL};
	const char *const vars[] = {NULL};
	struct child_spec spec = {.argv = argv, .vars = vars, .own_input = true};
	size_t argc = 5;
	int status = 0;
	int rv;

	/* --user-unit is of the user who asks. */
	(void)snprintf(unit, sizeof unit, "%s%s",
		is_other  ? "_SYSTEMD_USER_UNIT="
		: is_user ? "--user-unit="
			  : "--unit=",
		service->unit);
	if (is_other) {
		(void)snprintf(uid, sizeof uid, "_UID=%s", service->manager + 5);
		argv[argc++] = uid;
	}
	if (opt_flag(&ctx->args, "follow")) {
		argv[argc++] = "-f";
	}
	rv = child_run(&spec, &status);
	return rv != 0 ? fail_with(ctx, BLX_ENOENT, "journalctl: %s", strerror(-rv)) : status;
}

int svc_logs(struct ctx *ctx)
{
	blx_service *service = calloc(1, sizeof *service);
	blx_error error = BLX_ERROR_INIT;
	char *text = NULL;
	json_t *status = NULL;
	const char *here;
	int rv;

	if (service == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "logs");
	}
	rv = read_service(ctx, service);
	if (rv == EXIT_OK && blx_status(ctx->client, ctx_left_ms(ctx), &text, &error) != 0) {
		rv = fail(ctx, &error);
	}
	if (rv == EXIT_OK) {
		status = json_loads(text, 0, NULL);
		here = json_string_value(json_object_get(status, "name"));
		if (here == NULL || strcmp(here, service->node) != 0) {
			rv = fail_with(ctx, BLX_ENOENT,
				"%s is on %s, and its journal, too; this member is %s",
				ctx->args.words[0],
				service->node[0] != '\0' ? service->node : "no node",
				here != NULL ? here : "another");
		} else {
			rv = run_journalctl(ctx, service);
		}
		json_decref(status);
	}
	blx_text_free(text);
	blx_record_clear(BLX_RECORD_SERVICE, service);
	free(service);
	return rv;
}
