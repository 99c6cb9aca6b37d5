/* SPDX-License-Identifier: Apache-2.0 */
/* svc migrate and reassign, migrate abort and history, failover, node drain and undrain. */
#include "ctx.h"
#include "out.h"
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int svc_migrate(struct ctx *ctx)
{
	blx_service_opts opts;
	const char *to = opt_text(&ctx->args, "to");
	char id[BLX_MIGRATION_ID_SIZE] = "";
	blx_error error = BLX_ERROR_INIT;
	int rv = to != NULL ? ctx_connect(ctx)
			    : fail_usage(ctx, "--to: where it is to go must be said");

	if (rv != EXIT_OK) {
		return rv;
	}
	opts = svc_opts_of(ctx);
	if (blx_service_migrate(ctx->client, ctx->args.words[0], to, &opts, id, &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:s}", "id", id));
	}
	printf("%s\n", id);
	return EXIT_OK;
}

int svc_reassign(struct ctx *ctx)
{
	blx_service_opts opts;
	const char *from = opt_text(&ctx->args, "from");
	blx_error error = BLX_ERROR_INIT;
	int rv = from != NULL ? ctx_connect(ctx)
			      : fail_usage(ctx, "--from: the node that it is on must be said");

	if (rv != EXIT_OK) {
		return rv;
	}
	opts = svc_opts_of(ctx);
	if (blx_service_reassign(ctx->client, ctx->args.words[0], from, &opts, &error) != 0) {
		return fail(ctx, &error);
	}
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

/* What is on a node still: how many, and their names with their states, as far as they fit. */
struct left {
	int count;
	char text[512];
};

static void add_left(struct left *left, const char *name, const blx_service *service)
{
	size_t len = strlen(left->text);

	left->count++;
	(void)snprintf(left->text + len, sizeof left->text - len, "%s%s (%s)",
		len > 0 ? ", " : "", name,
		blx_record_text(BLX_RECORD_SERVICE, "state", service->state));
}

static int look_what_is_left(struct ctx *ctx, const char *node, struct left *left,
	blx_service *service, blx_error *error)
{
	blx_list_entry entry = {.size = sizeof entry};
	blx_list_opts opts = BLX_LIST_OPTS_INIT;
	blx_list *list = NULL;
	size_t i;
	int rv;

	*left = (struct left){.count = 0};
	opts.timeout_ms = ctx_left_ms(ctx);
	rv = blx_list_children(ctx->client, "/:services", &opts, &list, error);
	if (rv != 0) {
		return rv == BLX_ENOENT ? 0 : rv; /* there are none at all */
	}
	for (i = 0; blx_list_at(list, i, &entry) == 0; i++) {
		blx_record_init(BLX_RECORD_SERVICE, service);
		if (entry.has_value && blx_record_decode(BLX_RECORD_SERVICE, entry.value,
					       entry.value_len, service, NULL) == 0 &&
			strcmp(service->node, node) == 0) {
			add_left(left, entry.name, service);
		}
		blx_record_clear(BLX_RECORD_SERVICE, service);
	}
	blx_list_free(list);
	return 0;
}

static int wait_empty(struct ctx *ctx, const char *node)
{
	struct timespec pause = {.tv_nsec = 100000000};
	blx_service *service = calloc(1, sizeof *service);
	blx_error error = BLX_ERROR_INIT;
	struct left left = {.count = 0};
	int rv = service != NULL ? 0 : BLX_ENOMEM;

	if (rv == 0) {
		rv = look_what_is_left(ctx, node, &left, service, &error);
	}
	while (rv == 0 && left.count > 0 && ctx_left_ms(ctx) > 100) {
		(void)nanosleep(&pause, NULL);
		rv = look_what_is_left(ctx, node, &left, service, &error);
	}
	free(service);
	if (rv != 0) {
		return fail_with(ctx, rv, "whether %s is empty: %s", node, error.message);
	}
	return left.count == 0 ? EXIT_OK
			       : fail_with(ctx, BLX_ETIMEOUT, "on %s still: %s; it goes on", node,
					 left.text);
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
