/* SPDX-License-Identifier: Apache-2.0 */
/* place plan, explain, why-not, what-if: nothing is changed by any of them. */
#include "constraints.h"
#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct want {
	blx_place_request request;
	blx_constraint constraints[BLX_CONSTRAINTS_MAX];
};

/* ---- the request ---------------------------------------------------------------- */

static int strategy_of(const struct ctx *ctx, int *ret_strategy)
{
	static const char *const strategies[] = {"least-allocated", "bin-pack", "first-fit"};
	const char *text = opt_text(&ctx->args, "strategy");
	int i;

	*ret_strategy = BLX_PLACE_LEAST_ALLOCATED;
	for (i = 0; text != NULL && i < 3 && strcmp(strategies[i], text) != 0; i++) {
	}
	if (i == 3) {
		return fail_usage(ctx, "--strategy must be least-allocated, bin-pack or first-fit");
	}
	*ret_strategy = i;
	return 0;
}

static int want_of(const struct ctx *ctx, struct want *want)
{
	char fault[OPT_FAULT_SIZE];
	uint64_t cpu = 0;
	uint64_t memory = 0;
	int rv = 0;

	*want = (struct want){.request = BLX_PLACE_REQUEST_INIT};
	if (opt_number(&ctx->args, "cpu", 0, INT32_MAX, &cpu, fault) != 0 ||
		opt_number(&ctx->args, "memory", 0, INT32_MAX, &memory, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	rv = strategy_of(ctx, &want->request.strategy);
	want->request.cpu = (int64_t)cpu;
	want->request.memory = (int64_t)memory;
	want->request.name = opt_text(&ctx->args, "name");
	want->request.group = opt_text(&ctx->args, "group");
	want->request.constraints = want->constraints;
	return rv == 0 ? constraints_of(ctx, want->constraints, &want->request.constraints_count)
		       : rv;
}

/* ---- the plan ------------------------------------------------------------------- */

/* Reads the model, without the nodes of --without, and plans. 0 also when no node will do. */
static int plan_of(struct ctx *ctx, const struct want *want, blx_place_model **ret_model,
	blx_place_plan **ret_plan, blx_error *error)
{
	size_t i;
	int rv = blx_place_model_read(
		ctx->client, 1, ctx_left_ms(ctx), ret_model, error);

	for (i = 0; rv == 0 && i < ctx->args.given_count; i++) {
		if (strcmp(ctx->args.given[i].opt->name, "without") == 0 &&
			blx_place_model_remove_node(*ret_model, ctx->args.given[i].value) != 0) {
			return fail_with(ctx, BLX_ENOENT, "there is no node %s",
				ctx->args.given[i].value);
		}
	}
	if (rv != 0) {
		return fail(ctx, error);
	}
	rv = blx_place(*ret_model, &want->request, ret_plan, error);
	return rv == 0 || rv == BLX_ENOPLACE ? 0 : fail(ctx, error);
}

static json_t *verdict_json(const blx_place_plan *plan, size_t i)
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	char text[BLX_PLACE_REASON_SIZE];
	json_t *reasons = json_array();
	size_t k;

	(void)blx_place_plan_at(plan, i, &verdict);
	for (k = 0; k < verdict.reasons; k++) {
		(void)blx_place_plan_reason(plan, i, k, text);
		(void)json_array_append_new(reasons, json_string(text));
	}
	return json_pack("{s:s, s:b, s:I, s:o}", "node", verdict.node, "fits", verdict.fits,
		"score", (json_int_t)verdict.score, "reasons", reasons);
}

static int print_plan_json(const struct ctx *ctx, const blx_place_plan *plan, bool explain)
{
	const char *node = blx_place_plan_node(plan);
	json_t *nodes = json_array();
	size_t i;

	for (i = 0; explain && i < blx_place_plan_count(plan); i++) {
		(void)json_array_append_new(nodes, verdict_json(plan, i));
	}
	return out_json(ctx,
		json_pack("{s:o, s:o}", "node", node != NULL ? json_string(node) : json_null(),
			"nodes", nodes));
}

static void print_reasons(const blx_place_plan *plan, size_t i)
{
	char text[BLX_PLACE_REASON_SIZE];
	size_t k;

	for (k = 0; blx_place_plan_reason(plan, i, k, text) == 0; k++) {
		printf("    %s\n", text);
	}
}

static void print_verdict(const blx_place_plan *plan, size_t i)
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	const char *chosen = blx_place_plan_node(plan);

	(void)blx_place_plan_at(plan, i, &verdict);
	if (!verdict.fits) {
		printf("%s: will not do\n", verdict.node);
	} else {
		printf("%s: fits, score %" PRId64 "%s\n", verdict.node, verdict.score,
			chosen != NULL && strcmp(chosen, verdict.node) == 0 ? ", chosen" : "");
	}
	print_reasons(plan, i);
}

/* What would have to give way for the nearest node to do. */
static void print_nearest(const blx_place_plan *plan)
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	int64_t nearest = blx_place_plan_nearest(plan);

	if (nearest >= 0) {
		(void)blx_place_plan_at(plan, (size_t)nearest, &verdict);
		printf("the nearest is %s, if these were not:\n", verdict.node);
		print_reasons(plan, (size_t)nearest);
	}
}

static int show_plan(
	const struct ctx *ctx, const blx_place_plan *plan, bool explain, const blx_error *error)
{
	const char *node = blx_place_plan_node(plan);
	size_t i;

	if (ctx->json) {
		(void)print_plan_json(ctx, plan, explain);
		return node != NULL ? EXIT_OK : EXIT_CONFLICT;
	}
	for (i = 0; explain && i < blx_place_plan_count(plan); i++) {
		print_verdict(plan, i);
	}
	if (node == NULL) {
		print_nearest(plan);
		return fail(ctx, error);
	}
	if (!explain) {
		printf("%s\n", node);
	}
	return EXIT_OK;
}

static int show_node(
	const struct ctx *ctx, const blx_place_plan *plan, const blx_error *error)
{
	return show_plan(ctx, plan, false, error);
}

static int show_all(const struct ctx *ctx, const blx_place_plan *plan, const blx_error *error)
{
	return show_plan(ctx, plan, true, error);
}

static int show_why_not(
	const struct ctx *ctx, const blx_place_plan *plan, const blx_error *error)
{
	const char *name = ctx->args.words[0];
	blx_place_verdict verdict = {.size = sizeof verdict};
	size_t i;

	(void)error;
	for (i = 0; blx_place_plan_at(plan, i, &verdict) == 0; i++) {
		if (strcmp(verdict.node, name) != 0) {
			continue;
		}
		if (ctx->json) {
			(void)out_json(ctx, verdict_json(plan, i));
		} else {
			print_verdict(plan, i);
		}
		return verdict.fits ? EXIT_OK : EXIT_CONFLICT;
	}
	return fail_with(ctx, BLX_ENOENT, "there is no node %s", name);
}

/* error: why none will do. */
typedef int (*plan_show)(
	const struct ctx *ctx, const blx_place_plan *plan, const blx_error *error);

static int plan(struct ctx *ctx, plan_show show)
{
	blx_error error = BLX_ERROR_INIT;
	blx_place_model *model = NULL;
	blx_place_plan *made = NULL;
	struct want want;
	int rv = want_of(ctx, &want);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv == 0) {
		rv = plan_of(ctx, &want, &model, &made, &error);
	}
	if (rv == 0) {
		rv = show(ctx, made, &error);
	}
	blx_place_plan_free(made);
	blx_place_model_destroy(model);
	return rv;
}

int place_plan(struct ctx *ctx)
{
	return plan(ctx, show_node);
}

int place_explain(struct ctx *ctx)
{
	return plan(ctx, show_all);
}

int place_why_not(struct ctx *ctx)
{
	return plan(ctx, show_why_not);
}

/* ---- what if -------------------------------------------------------------------- */

static json_t *moves_json(const blx_place_moves *moves)
{
	blx_place_move move = {.size = sizeof move};
	json_t *list = json_array();
	size_t i;

	for (i = 0; blx_place_moves_at(moves, i, &move) == 0; i++) {
		(void)json_array_append_new(list,
			json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "name", move.name, "from",
				move.from, "to", move.to, "nearest", move.nearest, "why",
				move.why));
	}
	return list;
}

static int print_moves(const struct ctx *ctx, const blx_place_moves *moves)
{
	blx_place_move move = {.size = sizeof move};
	struct out_table table;
	char why[BLX_PLACE_REASON_SIZE + BLX_NAME_MAX];
	size_t i;

	out_table_init(&table, 4);
	out_table_add(&table, "NAME");
	out_table_add(&table, "FROM");
	out_table_add(&table, "TO");
	out_table_add(&table, "WHY");
	for (i = 0; blx_place_moves_at(moves, i, &move) == 0; i++) {
		(void)snprintf(why, sizeof why, "%s%s%s", move.nearest != NULL ? move.nearest : "",
			move.nearest != NULL ? " " : "", move.why != NULL ? move.why : "");
		out_table_add(&table, move.name);
		out_table_add(&table, move.from);
		out_table_add(&table, move.to != NULL ? move.to : "nowhere");
		out_table_add(&table, why);
	}
	return out_table_finish(ctx, &table);
}

static int show_moves(const struct ctx *ctx, const blx_place_moves *moves)
{
	blx_place_move move = {.size = sizeof move};
	bool homeless = false;
	size_t i;
	int rv = ctx->json ? out_json(ctx, moves_json(moves)) : print_moves(ctx, moves);

	for (i = 0; blx_place_moves_at(moves, i, &move) == 0; i++) {
		homeless = homeless || move.to == NULL;
	}
	return rv == EXIT_OK && homeless ? EXIT_CONFLICT : rv;
}

int place_what_if(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	blx_place_model *model = NULL;
	blx_place_moves *moves = NULL;
	int strategy;
	int rv = strategy_of(ctx, &strategy);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv == 0) {
		rv = blx_place_model_read(ctx->client, 1, ctx_left_ms(ctx), &model, &error);
		if (rv == 0) {
			rv = blx_place_what_if(model, ctx->args.words, ctx->args.words_count,
				strategy, &moves, &error);
		}
		rv = rv == 0 ? show_moves(ctx, moves) : fail(ctx, &error);
	}
	blx_place_moves_free(moves);
	blx_place_model_destroy(model);
	return rv;
}
