/* SPDX-License-Identifier: Apache-2.0 */
/* cluster status, members, transfer, promote, demote, remove, leave. */
#include "ctx.h"
#include "out.h"
#include "status.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* How often leaving looks whether another member leads. */
#define LEAVE_POLL_MS 50

/* Connects and asks for the status. 0, or the exit code. */
static int connect_and_ask(struct ctx *ctx, json_t **ret_status)
{
	int rv = ctx_connect(ctx);

	return rv == 0 ? status_get(ctx, ret_status) : rv;
}

int cluster_status(struct ctx *ctx)
{
	json_t *status;
	int rv = connect_and_ask(ctx, &status);

	if (rv != 0) {
		return rv;
	}
	if (ctx->json) {
		return out_json(ctx, status);
	}
	rv = status_print_fields(ctx, status);
	if (rv == EXIT_OK) {
		printf("\n");
		rv = status_print_members(ctx, status);
	}
	json_decref(status);
	return rv;
}

int cluster_members(struct ctx *ctx)
{
	json_t *status;
	int rv = connect_and_ask(ctx, &status);

	if (rv != 0) {
		return rv;
	}
	if (ctx->json) {
		rv = out_json(ctx, json_pack("{s:O?, s:O}", "leader",
					   json_object_get(status, "leader"), "members",
					   json_object_get(status, "members")));
	} else {
		rv = status_print_members(ctx, status);
	}
	json_decref(status);
	return rv;
}

/* ---- changes -------------------------------------------------------------------- */

/*
 * A change that the library calls invalid is one that would not be safe: the
 * line was understood, the answer is no.
 */
static int fail_change(const struct ctx *ctx, const blx_error *error)
{
	int rv = fail(ctx, error);

	return error->code == BLX_EINVAL ? EXIT_FAILED : rv;
}

static int print_done(const struct ctx *ctx, const char *done, const char *name)
{
	if (ctx->json) {
		return out_json(
			ctx, json_pack("{s:s, s:o}", "done", done, "name",
				     name != NULL ? out_json_text(name) : json_null()));
	}
	printf("done: %s%s%s\n", done, name != NULL ? " " : "", name != NULL ? name : "");
	return EXIT_OK;
}

typedef int (*change_fn)(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error);

static int change(struct ctx *ctx, change_fn fn)
{
	const char *name = ctx->args.words_count > 0 ? ctx->args.words[0] : NULL;
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	if (fn(ctx->client, name, ctx_left_ms(ctx), &error) != 0) {
		return fail_change(ctx, &error);
	}
	return print_done(ctx, ctx->verb->name, name);
}

int cluster_transfer(struct ctx *ctx)
{
	return change(ctx, blx_leader_transfer);
}

int cluster_promote(struct ctx *ctx)
{
	return change(ctx, blx_member_promote);
}

int cluster_demote(struct ctx *ctx)
{
	return change(ctx, blx_member_demote);
}

int cluster_remove(struct ctx *ctx)
{
	return change(ctx, blx_member_remove);
}

/* ---- leaving -------------------------------------------------------------------- */

/* Waits until this member knows that another one leads. 0, or the exit code. */
static int wait_for_other_leader(struct ctx *ctx, const char *own_name)
{
	for (;;) {
		json_t *status;
		bool other;
		int rv = status_get(ctx, &status);

		if (rv != 0) {
			return rv;
		}
		other = status_text(status, "leader")[0] != '\0' &&
			strcmp(status_text(status, "leader"), own_name) != 0;
		json_decref(status);
		if (other) {
			return 0;
		}
		if (ctx_left_ms(ctx) <= LEAVE_POLL_MS) {
			return fail_with(ctx, BLX_ETIMEOUT,
				"leadership was handed over, and no new leader was seen "
				"in time; %s "
				"is still a member",
				own_name);
		}
		(void)poll(NULL, 0, LEAVE_POLL_MS);
	}
}

static int leave_as(struct ctx *ctx, const char *name, bool leads)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = 0;

	if (leads) {
		if (blx_leader_transfer(ctx->client, NULL, ctx_left_ms(ctx), &error) !=
			0) {
			return fail_change(ctx, &error);
		}
		rv = wait_for_other_leader(ctx, name);
	}
	if (rv != 0) {
		return rv;
	}
	if (blx_member_remove(ctx->client, name, ctx_left_ms(ctx), &error) != 0) {
		return fail_change(ctx, &error);
	}
	return print_done(ctx, "leave", name);
}

int cluster_leave(struct ctx *ctx)
{
	const char *name;
	json_t *status;
	int rv = connect_and_ask(ctx, &status);

	if (rv != 0) {
		return rv;
	}
	name = status_text(status, "name");
	if (name[0] == '\0') {
		rv = fail_with(ctx, BLX_EPROTO, "the member at %s does not tell its name",
			ctx->socket);
	} else {
		rv = leave_as(
			ctx, name, strcmp(status_text(status, "state"), "leader") == 0);
	}
	json_decref(status);
	return rv;
}
