/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot save, verify, inspect. */
#include "ctx.h"
#include "out.h"
#include "status.h"

#include <stdio.h>

int snapshot_save(struct ctx *ctx)
{
	const char *path = ctx->args.words[0];
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	if (blx_snapshot_save(ctx->client, path, ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:o}", "saved", out_json_text(path)));
	}
	printf("saved %s\n", path);
	return EXIT_OK;
}

int snapshot_verify(struct ctx *ctx)
{
	const char *path = ctx->args.words[0];
	blx_error error = BLX_ERROR_INIT;

	if (blx_snapshot_verify(path, &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		return out_json(ctx,
			json_pack("{s:o, s:b}", "file", out_json_text(path), "ok", true));
	}
	printf("%s: ok\n", path);
	return EXIT_OK;
}

int snapshot_inspect(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	char *text = NULL;
	json_t *info;
	int rv;

	if (blx_snapshot_inspect(ctx->args.words[0], &text, &error) != 0) {
		return fail(ctx, &error);
	}
	rv = status_parse(ctx, text, &info);
	blx_text_free(text);
	if (rv != 0) {
		return rv;
	}
	if (ctx->json) {
		return out_json(ctx, info);
	}
	rv = status_print_fields(ctx, info);
	if (rv == EXIT_OK && json_array_size(json_object_get(info, "members")) > 0) {
		printf("\n");
		rv = status_print_members(ctx, info);
	}
	json_decref(info);
	return rv;
}
