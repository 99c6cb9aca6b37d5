/* SPDX-License-Identifier: Apache-2.0 */
/* cluster init, cluster join, recover: what makes a data directory, with no member
 * running. */
#include "ctx.h"
#include "members.h"
#include "out.h"

#include <stdio.h>
#include <string.h>

#define CLUSTER_NAME "blixard"

static const char *cluster_name(const struct ctx *ctx)
{
	const char *name = opt_text(&ctx->args, "cluster");

	return name != NULL ? name : CLUSTER_NAME;
}

static int need(const struct ctx *ctx, const char *option)
{
	return opt_text(&ctx->args, option) != NULL
		       ? 0
		       : fail_usage(ctx, "needs --%s", option);
}

/* ---- init --------------------------------------------------------------------- */

static int print_init(const struct ctx *ctx, const blx_init_opts *opts)
{
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:s, s:s, s:o}", "name", opts->name,
					     "cluster", opts->cluster, "data_dir",
					     out_json_text(opts->data_dir)));
	}
	printf("initialised %s as %s of %zu in cluster %s\n", opts->data_dir, opts->name,
		opts->members_count, opts->cluster);
	return EXIT_OK;
}

int cluster_init(struct ctx *ctx)
{
	blx_init_opts opts = BLX_INIT_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	struct members members;
	int rv = need(ctx, "name");

	if (rv == 0) {
		rv = members_read(ctx, &members);
	}
	if (rv != 0) {
		return rv;
	}
	opts.data_dir = ctx_data_dir(ctx);
	opts.name = opt_text(&ctx->args, "name");
	opts.cluster = cluster_name(ctx);
	opts.members = members.members;
	opts.members_count = members.count;
	rv = blx_cluster_init(&opts, &error) == 0 ? print_init(ctx, &opts)
						  : fail(ctx, &error);
	members_finish(&members);
	return rv;
}

/* ---- join --------------------------------------------------------------------- */

static int print_join(const struct ctx *ctx, const blx_join_opts *opts)
{
	if (ctx->json) {
		return out_json(ctx,
			json_pack("{s:s, s:s, s:o}", "name", opts->name, "role",
				"learner", "data_dir", out_json_text(opts->data_dir)));
	}
	printf("joined as learner %s in %s\n", opts->name, opts->data_dir);
	hint(ctx, "next: blixard node run --data-dir %s; blixard cluster promote %s",
		opts->data_dir, opts->name);
	return EXIT_OK;
}

int cluster_join(struct ctx *ctx)
{
	blx_join_opts opts = BLX_JOIN_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv = need(ctx, "name");

	rv = rv == 0 ? need(ctx, "address") : rv;
	rv = rv == 0 ? need(ctx, "via") : rv;
	if (rv != 0) {
		return rv;
	}
	opts.data_dir = ctx_data_dir(ctx);
	opts.name = opt_text(&ctx->args, "name");
	opts.address = opt_text(&ctx->args, "address");
	opts.via = opt_text(&ctx->args, "via");
	opts.timeout_ms = ctx_left_ms(ctx);
	return blx_cluster_join(&opts, &error) == 0 ? print_join(ctx, &opts)
						    : fail(ctx, &error);
}

/* ---- recover ------------------------------------------------------------------- */

static int print_plan(const struct ctx *ctx, const char *plan, bool done)
{
	size_t len = strlen(plan);

	if (ctx->json) {
		int rv = out_json(ctx, json_pack("{s:o, s:b}", "plan",
					       out_json_text(plan), "done", done));

		return rv == EXIT_OK && !done ? EXIT_FAILED : rv;
	}
	printf("%s%s", plan, len > 0 && plan[len - 1] == '\n' ? "" : "\n");
	if (done) {
		return EXIT_OK;
	}
	fprintf(stderr,
		"blixard: recover: nothing was done; to do it, add --i-understand\n");
	return EXIT_FAILED;
}

static int recover_members(struct ctx *ctx, const struct members *members)
{
	blx_recover_opts opts = BLX_RECOVER_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	char *plan = NULL;
	int rv;

	opts.from = opt_text(&ctx->args, "from");
	opts.data_dir = ctx_data_dir(ctx);
	opts.name = opt_text(&ctx->args, "name");
	opts.cluster = cluster_name(ctx);
	opts.members = members->members;
	opts.members_count = members->count;
	opts.confirmed = opt_flag(&ctx->args, "i-understand");
	if (blx_recover(&opts, &plan, &error) != 0) {
		return fail(ctx, &error);
	}
	rv = print_plan(ctx, plan != NULL ? plan : "", opts.confirmed != 0);
	blx_text_free(plan);
	return rv;
}

int recover(struct ctx *ctx)
{
	struct members members;
	int rv = need(ctx, "from");

	rv = rv == 0 ? need(ctx, "name") : rv;
	rv = rv == 0 ? members_read(ctx, &members) : rv;
	if (rv != 0) {
		return rv;
	}
	rv = recover_members(ctx, &members);
	members_finish(&members);
	return rv;
}
