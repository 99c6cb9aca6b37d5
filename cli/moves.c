/* SPDX-License-Identifier: Apache-2.0 */
/* svc migrate, migrate abort and history, failover, node drain and undrain. */
#include "ctx.h"
#include "out.h"
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int svc_migrate(struct ctx *ctx)
{
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;
	const char *to = opt_text(&ctx->args, "to");
	char id[BLX_MIGRATION_ID_SIZE] = "";
	blx_error error = BLX_ERROR_INIT;
	int rv = to != NULL ? ctx_connect(ctx)
			    : fail_usage(ctx, "--to: where it is to go must be said");

	if (rv != EXIT_OK) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	opts.wait = opt_flag(&ctx->args, "wait");
	opts.progress = svc_progress;
	opts.data = ctx;
	if (blx_service_migrate(ctx->client, ctx->args.words[0], to, &opts, id, &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:s}", "id", id));
	}
	printf("%s\n", id);
	return EXIT_OK;
}

int migrate_abort(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == EXIT_OK && blx_migration_abort(ctx->client, ctx->args.words[0],
				     ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}

int migrate_history(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_MIGRATED);
}

/* ---- failover ------------------------------------------------------------------- */

/* Where everything on it would go. */
static int dry_run(struct ctx *ctx, const char *node)
{
	blx_place_move move = {.size = sizeof move};
	blx_place_model *model = NULL;
	blx_place_moves *moves = NULL;
	blx_error error = BLX_ERROR_INIT;
	bool all = true;
	size_t i;

	if (blx_place_model_read(ctx->client, 1, ctx_left_ms(ctx), &model, &error) != 0 ||
		blx_place_what_if(
			model, &node, 1, BLX_PLACE_LEAST_ALLOCATED, &moves, &error) != 0) {
		blx_place_model_destroy(model);
		return fail(ctx, &error);
	}
	for (i = 0; blx_place_moves_at(moves, i, &move) == 0; i++) {
		all = all && move.to != NULL;
		printf("%s %s%s%s\n", move.name, move.to != NULL ? move.to : "nowhere",
			move.why != NULL ? ": " : "", move.why != NULL ? move.why : "");
	}
	blx_place_moves_free(moves);
	blx_place_model_destroy(model);
	return all ? EXIT_OK : EXIT_CONFLICT;
}

int failover(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == EXIT_OK && opt_flag(&ctx->args, "dry-run")) {
		return dry_run(ctx, ctx->args.words[0]);
	}
	if (rv == EXIT_OK && blx_node_failover(ctx->client, ctx->args.words[0],
				     ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}

/* ---- drain ---------------------------------------------------------------------- */

/* What is there still; -1 after the fault was printed. */
static int count_left(struct ctx *ctx, const char *node, bool print)
{
	blx_list_entry entry = {.size = sizeof entry};
	blx_list *list = NULL;
	blx_service *service = calloc(1, sizeof *service);
	int count = 0;
	size_t i;

	if (service == NULL || ctx_list(ctx, "/:services", &list) != 0) {
		free(service);
		return service == NULL ? -1 : 0; /* there are none */
	}
	for (i = 0; blx_list_at(list, i, &entry) == 0; i++) {
		blx_record_init(BLX_RECORD_SERVICE, service);
		if (entry.has_value && blx_record_decode(BLX_RECORD_SERVICE, entry.value,
					       entry.value_len, service, NULL) == 0 &&
			strcmp(service->node, node) == 0) {
			count++;
			if (print) {
				printf("%s %s\n", entry.name,
					blx_record_text(BLX_RECORD_SERVICE, "state",
						service->state));
			}
		}
		blx_record_clear(BLX_RECORD_SERVICE, service);
	}
	blx_list_free(list);
	free(service);
	return count;
}

static int wait_empty(struct ctx *ctx, const char *node)
{
	struct timespec pause = {.tv_nsec = 100000000};
	int left;

	while ((left = count_left(ctx, node, false)) > 0 && ctx_left_ms(ctx) > 1) {
		(void)nanosleep(&pause, NULL);
	}
	if (left > 0) {
		(void)count_left(ctx, node, true);
		return fail_with(ctx, BLX_ETIMEOUT, "%d are on %s still; it goes on", left, node);
	}
	return left == 0 ? EXIT_OK : EXIT_FAILED;
}

int node_drain(struct ctx *ctx)
{
	const char *deadline = opt_text(&ctx->args, "deadline");
	blx_error error = BLX_ERROR_INIT;
	uint32_t deadline_ms = 0;
	int rv;

	if (deadline != NULL && !opt_parse_duration(deadline, &deadline_ms)) {
		return fail_usage(ctx, "--deadline: a duration like 5m");
	}
	rv = ctx_connect(ctx);
	if (rv == EXIT_OK && blx_node_drain(ctx->client, ctx->args.words[0], deadline_ms,
				     ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv == EXIT_OK && opt_flag(&ctx->args, "wait")
		       ? wait_empty(ctx, ctx->args.words[0])
		       : rv;
}

int node_undrain(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == EXIT_OK && blx_node_undrain(ctx->client, ctx->args.words[0],
				     ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}
