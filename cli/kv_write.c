/* SPDX-License-Identifier: Apache-2.0 */
/* kv put, kv cas, kv rm. */
#include "ctx.h"
#include "input.h"
#include "leases.h"
#include "out.h"

#include <stdio.h>
#include <string.h>

/* A put that goes with a lease, of --lease. */
static int put_leased(struct ctx *ctx, const struct input *value, uint64_t lease)
{
	const char *path = ctx->args.words[0];
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_txn_result *result;
	blx_txn *txn;
	int rv;

	opts.timeout_ms = ctx_left_ms(ctx);
	if (blx_txn_create(&txn) != 0) {
		return fail_with(ctx, BLX_ENOMEM, "make the transaction");
	}
	if (opt_flag(&ctx->args, "if-absent")) {
		(void)blx_txn_if_absent(txn, path);
	}
	(void)blx_txn_put_leased(txn, path, value->bytes, value->len, lease);
	rv = blx_txn_commit(ctx->client, txn, &opts, &result, &error);
	blx_txn_destroy(txn);
	if (rv != 0) {
		return fail(ctx, &error);
	}
	rv = out_revision(ctx, ctx->args.words[0], blx_txn_result_revision(result));
	blx_txn_result_free(result);
	return rv;
}

int kv_put(struct ctx *ctx)
{
	bool if_absent = opt_flag(&ctx->args, "if-absent");
	const char *lease = opt_text(&ctx->args, "lease");
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	uint64_t lease_id = 0;
	blx_error error = BLX_ERROR_INIT;
	uint64_t revision = 0;
	struct input value;
	int rv;

	if (lease != NULL && !lease_parse_id(lease, &lease_id)) {
		return fail_usage(ctx, "--lease \"%.40s\": must be of 16 hexadecimal digits",
			lease);
	}
	/* The value first: what a person types takes longer than the timeout. */
	rv = input_value(
		ctx, ctx->args.words_count > 1 ? ctx->args.words[1] : NULL, &value);
	if (rv != 0) {
		return rv;
	}
	ctx_restart(ctx);
	rv = ctx_connect(ctx);
	if (rv == 0 && lease != NULL) {
		rv = put_leased(ctx, &value, lease_id);
	} else if (rv == 0) {
		opts.timeout_ms = ctx_left_ms(ctx);
		rv = (if_absent ? blx_put_if_absent : blx_put)(ctx->client,
			ctx->args.words[0], value.bytes, value.len, &opts, &revision,
			&error);
		rv = rv == 0 ? out_revision(ctx, ctx->args.words[0], revision) : fail(ctx, &error);
	}
	input_finish(&value);
	return rv;
}

static int cas(struct ctx *ctx, const char *expect, uint64_t expect_revision,
	const struct input *value)
{
	const char *path = ctx->args.words[0];
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	uint64_t revision = 0;
	int rv;

	opts.timeout_ms = ctx_left_ms(ctx);
	if (expect != NULL) {
		rv = blx_cas(ctx->client, path, expect, strlen(expect), value->bytes,
			value->len, &opts, &revision, &error);
	} else {
		rv = blx_cas_revision(ctx->client, path, expect_revision, value->bytes,
			value->len, &opts, &revision, &error);
	}
	return rv == 0 ? out_revision(ctx, ctx->args.words[0], revision) : fail(ctx, &error);
}

int kv_cas(struct ctx *ctx)
{
	const char *expect = opt_text(&ctx->args, "expect");
	uint64_t expect_revision = 0;
	char fault[OPT_FAULT_SIZE];
	struct input value;
	int rv;

	if ((expect != NULL) == opt_flag(&ctx->args, "rev")) {
		return fail_usage(ctx, "needs one of --expect VALUE and --rev N");
	}
	if (opt_number(&ctx->args, "rev", 0, UINT64_MAX, &expect_revision, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	rv = input_value(ctx, ctx->args.words[1], &value);
	if (rv != 0) {
		return rv;
	}
	ctx_restart(ctx);
	rv = ctx_connect(ctx);
	if (rv == 0) {
		rv = cas(ctx, expect, expect_revision, &value);
	}
	input_finish(&value);
	return rv;
}

int kv_rm(struct ctx *ctx)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	uint64_t revision = 0;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	opts.flags = opt_flag(&ctx->args, "recursive") ? (uint32_t)BLX_DELETE_TREE : 0u;
	rv = blx_delete(ctx->client, ctx->args.words[0], &opts, &revision, &error);
	return rv == 0 ? out_revision(ctx, ctx->args.words[0], revision) : fail(ctx, &error);
}
