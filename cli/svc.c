/* SPDX-License-Identifier: Apache-2.0 */
/*
 * svc cas: fields of a service's record set, if some are what they are expected to be;
 * whatever else is changed in between does not matter and is kept.
 */
#include "ctx.h"
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* So often it is tried with what is there now. */
#define TRIES_MAX 16

/* The record and its revision. */
static int read_service(struct ctx *ctx, const char *path, json_t **ret_root,
	uint64_t *ret_revision)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value;

	opts.timeout_ms = ctx_left_ms(ctx);
	if (blx_get_consistent(ctx->client, path, &opts, &value, NULL, &error) != 0) {
		return fail(ctx, &error);
	}
	*ret_root = json_loadb(blx_value_data(value), blx_value_len(value), 0, NULL);
	*ret_revision = blx_value_revision(value);
	blx_value_unref(value);
	return json_is_object(*ret_root) ? EXIT_OK
					 : fail_with(ctx, BLX_EINVAL, "%s: is no record", path);
}

static int check(const struct ctx *ctx, const json_t *root, const char *option,
	const char *field)
{
	const char *expected = opt_text(&ctx->args, option);
	const char *is = json_string_value(json_object_get(root, field));

	if (expected == NULL || strcmp(expected, is != NULL ? is : "") == 0) {
		return EXIT_OK;
	}
	return fail_with(ctx, BLX_ECONFLICT, "%s is \"%s\", not \"%s\"", field,
		is != NULL ? is : "", expected);
}

/* "FIELD=VALUE": a number, true, false or a list as in JSON, and otherwise text. */
static int set_field(const struct ctx *ctx, json_t *root, const char *word)
{
	const char *equals = strchr(word, '=');
	char field[64];
	json_t *value;

	if (equals == NULL || equals == word || (size_t)(equals - word) >= sizeof field) {
		return fail_usage(ctx, "\"%.80s\": must be FIELD=VALUE", word);
	}
	memcpy(field, word, (size_t)(equals - word));
	field[equals - word] = '\0';
	value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
	if (value == NULL) {
		value = json_string(equals + 1);
	}
	return json_object_set_new(root, field, value) == 0
		       ? EXIT_OK
		       : fail_usage(ctx, "\"%.80s\": must be UTF-8", word);
}

/* The time of the last change of state or node. */
static void stamp(json_t *root, const json_t *before)
{
	struct timespec now;
	struct tm tm;
	char text[40];
	size_t len;

	if (json_equal(json_object_get(root, "state"), json_object_get(before, "state")) &&
		json_equal(json_object_get(root, "node"), json_object_get(before, "node"))) {
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + len, sizeof text - len, ".%03ldZ", now.tv_nsec / 1000000);
	(void)json_object_set_new(root, "timestamp", json_string(text));
}

static int change(const struct ctx *ctx, json_t *root)
{
	json_t *before = json_copy(root);
	size_t i;
	int rv = check(ctx, root, "expect-state", "state");

	if (rv == EXIT_OK) {
		rv = check(ctx, root, "expect-node", "node");
	}
	for (i = 1; rv == EXIT_OK && i < ctx->args.words_count; i++) {
		rv = set_field(ctx, root, ctx->args.words[i]);
	}
	stamp(root, before);
	json_decref(before);
	return rv;
}

/* *ret_code: what the write came to; BLX_ECONFLICT: it was changed since it was read. */
static int cas_once(struct ctx *ctx, const char *path, int *ret_code, uint64_t *ret_revision)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	json_t *root = NULL;
	uint64_t revision = 0;
	char *text = NULL;
	int rv = read_service(ctx, path, &root, &revision);

	if (rv == EXIT_OK) {
		rv = change(ctx, root);
	}
	if (rv == EXIT_OK && (text = json_dumps(root, JSON_COMPACT)) == NULL) {
		rv = fail_with(ctx, BLX_ENOMEM, "write the record");
	}
	if (rv == EXIT_OK) {
		opts.timeout_ms = ctx_left_ms(ctx);
		*ret_code = blx_cas_revision(ctx->client, path, revision, text, strlen(text),
			&opts, ret_revision, &error);
		if (*ret_code != 0 && *ret_code != BLX_ECONFLICT) {
			rv = fail(ctx, &error);
		}
	}
	free(text);
	json_decref(root);
	return rv;
}

int svc_cas(struct ctx *ctx)
{
	const char *name = ctx->args.words[0];
	char path[BLX_PATH_LEN_MAX + 1];
	uint64_t revision = 0;
	int code = BLX_ECONFLICT;
	int tries;
	int rv;

	if (name[0] == '\0' || strchr(name, '/') != NULL ||
		(size_t)snprintf(path, sizeof path, "/:services/%s", name) >= sizeof path) {
		return fail_usage(ctx, "\"%.80s\": must be a name, without \"/\"", name);
	}
	rv = ctx_connect(ctx);
	for (tries = 0; rv == EXIT_OK && code == BLX_ECONFLICT && tries < TRIES_MAX; tries++) {
		rv = cas_once(ctx, path, &code, &revision);
	}
	if (rv == EXIT_OK && code == BLX_ECONFLICT) {
		rv = fail_with(ctx, code, "%s is changed by others all the time", name);
	}
	return rv == EXIT_OK ? out_revision(ctx, path, revision) : rv;
}
