/* SPDX-License-Identifier: Apache-2.0 */
/* The options that are constraints: the same wherever something is to be placed. */
#include "constraints.h"

#include <string.h>

/* "KEY" before the first '=', and then "a,b,c" as values. */
static bool split(const char *text, blx_constraint *constraint, bool keyed)
{
	const char *equals = keyed ? strchr(text, '=') : NULL;
	const char *at = equals != NULL ? equals + 1 : text;

	if (keyed) {
		if (equals == NULL || (size_t)(equals - text) >= sizeof constraint->key) {
			return false;
		}
		memcpy(constraint->key, text, (size_t)(equals - text));
	}
	return opt_parse_names(at, constraint->values[0], BLX_NAME_MAX, BLX_VALUES_MAX,
		       &constraint->values_count) &&
	       constraint->values_count > 0;
}

/* "KEY=N". */
static bool split_limit(const char *text, blx_constraint *constraint)
{
	const char *equals = strchr(text, '=');
	uint64_t limit;

	if (equals == NULL || (size_t)(equals - text) >= sizeof constraint->key ||
		!opt_parse_number(equals + 1, 1, INT32_MAX, &limit)) {
		return false;
	}
	memcpy(constraint->key, text, (size_t)(equals - text));
	constraint->limit = (int64_t)limit;
	return true;
}

static const struct {
	const char *name;
	int kind;
	char form; /* v: values, k: key and values, n: key and number */
} options[] = {
	{"on", BLX_ON_NODE, 'v'},
	{"not-on", BLX_NOT_ON_NODE, 'v'},
	{"needs", BLX_NEEDS, 'v'},
	{"label", BLX_LABEL_IN, 'k'},
	{"not-label", BLX_LABEL_NOT_IN, 'k'},
	{"apart-from", BLX_APART_FROM, 'v'},
	{"together-with", BLX_TOGETHER_WITH, 'v'},
	{"max-per-node", BLX_MAX_PER_NODE, 'n'},
	{"spread", BLX_SPREAD, 'n'},
	{"tolerate", BLX_TOLERATE, 'v'},
};

static int add_constraint(const struct ctx *ctx, blx_constraint *constraints, size_t *count,
	const struct opt_given *given)
{
	blx_constraint *one = &constraints[*count];
	size_t i;

	for (i = 0; i < sizeof options / sizeof options[0]; i++) {
		if (strcmp(options[i].name, given->opt->name) != 0) {
			continue;
		}
		if (*count == BLX_CONSTRAINTS_MAX) {
			return fail_usage(ctx, "more than %d constraints", BLX_CONSTRAINTS_MAX);
		}
		one->kind = options[i].kind;
		if (options[i].form == 'n' ? !split_limit(given->value, one)
					   : !split(given->value, one, options[i].form == 'k')) {
			return fail_usage(ctx, "--%s \"%.60s\": must be %s", given->opt->name,
				given->value,
				options[i].form == 'n'   ? "KEY=N"
				: options[i].form == 'k' ? "KEY=VALUE[,VALUE ...]"
							 : "NAME[,NAME ...]");
		}
		(*count)++;
	}
	return 0;
}

int constraints_of(const struct ctx *ctx, blx_constraint constraints[BLX_CONSTRAINTS_MAX],
	size_t *ret_count)
{
	size_t i;
	int rv = 0;

	*ret_count = 0;
	for (i = 0; rv == 0 && i < ctx->args.given_count; i++) {
		rv = add_constraint(ctx, constraints, ret_count, &ctx->args.given[i]);
	}
	return rv;
}
