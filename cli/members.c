/* SPDX-License-Identifier: Apache-2.0 */
#include "members.h"

#include "ctx.h"

#include <stdlib.h>
#include <string.h>

/* name holds the whole text, cut in two at '='. */
static int add(const struct ctx *ctx, struct members *members, const char *text)
{
	char *name = strdup(text);
	char *equals = name != NULL ? strchr(name, '=') : NULL;

	if (name == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "read the members");
	}
	if (equals == NULL || equals == name || equals[1] == '\0') {
		free(name);
		return fail_usage(ctx, "member \"%s\": must be NAME=HOST:PORT", text);
	}
	*equals = '\0';
	members->members[members->count++] = (blx_member){name, equals + 1};
	return 0;
}

int members_read(const struct ctx *ctx, struct members *ret_members)
{
	const struct opt_args *args = &ctx->args;
	struct members members = {0};
	int rv = 0;
	size_t i;

	members.members =
		calloc(args->given_count + args->words_count + 1, sizeof(blx_member));
	if (members.members == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "read the members");
	}
	for (i = 0; rv == 0 && i < args->given_count; i++) {
		if (strcmp(args->given[i].opt->name, "member") == 0) {
			rv = add(ctx, &members, args->given[i].value);
		}
	}
	for (i = 0; rv == 0 && i < args->words_count; i++) {
		rv = add(ctx, &members, args->words[i]);
	}
	if (rv == 0 && members.count == 0) {
		rv = fail_usage(
			ctx, "needs --member NAME=HOST:PORT, once for each voter");
	}
	if (rv != 0) {
		members_finish(&members);
		return rv;
	}
	*ret_members = members;
	return 0;
}

void members_finish(struct members *members)
{
	size_t i;

	for (i = 0; i < members->count; i++) {
		free((void *)(uintptr_t)members->members[i].name);
	}
	free(members->members);
	*members = (struct members){0};
}
