/* SPDX-License-Identifier: Apache-2.0 */
/* debug rpc. */
#include "ctx.h"
#include "out.h"

#include <blixard/call.h>
#include <stdio.h>
#include <string.h>

int debug_rpc(struct ctx *ctx)
{
	const char *text = ctx->args.words_count > 2 ? ctx->args.words[2] : "";
	blx_call_opts opts = BLX_CALL_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	void *answer = NULL;
	size_t len = 0;
	int rv = ctx_connect(ctx);

	if (rv != EXIT_OK) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	opts.id = opt_text(&ctx->args, "id");
	if (blx_call(ctx->client, ctx->args.words[0], ctx->args.words[1], text, strlen(text),
		    &opts, &answer, &len, &error) != 0) {
		return fail(ctx, &error);
	}
	if (ctx->json) {
		json_t *object = json_object();

		(void)out_json_value(object, answer, len);
		rv = out_json(ctx, object);
	} else {
		(void)fwrite(answer, 1, len, stdout);
		(void)putchar('\n');
	}
	blx_answer_free(answer);
	return rv;
}
