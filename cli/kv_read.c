/* SPDX-License-Identifier: Apache-2.0 */
/* kv get, kv ls. */
#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * "/services" and "/:services" are two places, and taking one for the other is
 * an old mistake: where the first is absent and the second is there, say so.
 */
static void hint_twin(const struct ctx *ctx, const char *path)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	char twin[BLX_PATH_LEN_MAX + 2];
	blx_value *value = NULL;
	int code;

	if (ctx->json || path[0] != '/' || path[1] == ':' || path[1] == '\0' ||
		strlen(path) >= BLX_PATH_LEN_MAX) {
		return;
	}
	(void)snprintf(twin, sizeof twin, "/:%s", path + 1);
	if (twin[strlen(twin) - 1] == '/') {
		twin[strlen(twin) - 1] = '\0';
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	code = blx_get(ctx->client, twin, &opts, &value, NULL, NULL);
	if (code == BLX_OK) {
		blx_value_unref(value);
	}
	if (code == BLX_OK || code == BLX_ENOVALUE) {
		hint(ctx,
			"blixard: %s is there: the system's own paths begin with \"/:\"",
			twin);
	}
}

/* ---- get --------------------------------------------------------------------- */

static json_t *age_json(uint64_t age_ms)
{
	return age_ms == UINT64_MAX ? json_null() : json_integer((json_int_t)age_ms);
}

static json_t *value_json(
	const char *path, const blx_value *value, const blx_read_info *info)
{
	json_t *root = json_pack("{s:o}", "path", out_json_text(path));

	if (root == NULL ||
		out_json_value(root, blx_value_data(value), blx_value_len(value)) != 0 ||
		json_object_set_new(root, "revision",
			json_integer((json_int_t)blx_value_revision(value))) != 0 ||
		json_object_set_new(root, "create_revision",
			json_integer((json_int_t)blx_value_create_revision(value))) !=
			0 ||
		json_object_set_new(root, "version",
			json_integer((json_int_t)blx_value_version(value))) != 0 ||
		json_object_set_new(root, "store_revision",
			json_integer((json_int_t)info->revision)) != 0 ||
		json_object_set_new(root, "age_ms", age_json(info->age_ms)) != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void print_rev_info(const blx_value *value, const blx_read_info *info)
{
	char age[24] = "never";

	if (info->age_ms != UINT64_MAX) {
		(void)snprintf(age, sizeof age, "%" PRIu64, info->age_ms);
	}
	fprintf(stderr,
		"revision %" PRIu64 " created %" PRIu64 " version %" PRIu64
		" store-revision %" PRIu64 " age-ms %s\n",
		blx_value_revision(value), blx_value_create_revision(value),
		blx_value_version(value), info->revision, age);
}

static int print_value(
	const struct ctx *ctx, const blx_value *value, const blx_read_info *info)
{
	if (ctx->json) {
		return out_json(ctx, value_json(ctx->args.words[0], value, info));
	}
	(void)fwrite(blx_value_data(value), 1, blx_value_len(value), stdout);
	if (isatty(STDOUT_FILENO)) {
		printf("\n");
	}
	if (opt_flag(&ctx->args, "rev-info")) {
		print_rev_info(value, info);
	}
	return EXIT_OK;
}

int kv_get(struct ctx *ctx)
{
	bool consistent = opt_flag(&ctx->args, "consistent");
	const char *path = ctx->args.words[0];
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_read_info info = BLX_READ_INFO_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	char fault[OPT_FAULT_SIZE];
	uint64_t max_age_ms = 0;
	int rv;

	if (consistent + opt_flag(&ctx->args, "local") +
			(opt_text(&ctx->args, "max-age-ms") != NULL) >
		1) {
		return fail_usage(ctx,
			"--consistent, --local and --max-age-ms exclude each other");
	}
	if (opt_number(&ctx->args, "max-age-ms", 1, UINT32_MAX, &max_age_ms, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	opts.max_age_ms = (uint32_t)max_age_ms;
	if (opt_number(&ctx->args, "min-revision", 1, UINT64_MAX, &opts.min_revision,
		    fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	rv = ctx_connect(ctx);
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	rv = (consistent ? blx_get_consistent : blx_get)(
		ctx->client, path, &opts, &value, &info, &error);
	if (rv != 0) {
		rv = fail(ctx, &error);
		if (error.code == BLX_ENOENT) {
			hint_twin(ctx, path);
		}
		return rv;
	}
	rv = print_value(ctx, value, &info);
	blx_value_unref(value);
	return rv;
}

/* ---- ls ---------------------------------------------------------------------- */

static json_t *entry_json(const blx_list_entry *entry, bool with_value, bool tree)
{
	json_t *root = json_pack("{s:o, s:I, s:I, s:I, s:b}", "name",
		out_json_text(entry->name), "revision", (json_int_t)entry->revision,
		"create_revision", (json_int_t)entry->create_revision, "version",
		(json_int_t)entry->version, "has_value", entry->has_value);
	int rv = root == NULL ? -1 : 0;

	if (rv == 0 && !tree) {
		rv = json_object_set_new(
			root, "has_children", json_boolean(entry->has_children));
	}
	if (rv == 0 && with_value && entry->has_value) {
		rv = out_json_value(root, entry->value, entry->value_len);
	}
	if (rv != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void entry_at(const blx_list *list, size_t i, blx_list_entry *ret_entry)
{
	*ret_entry = (blx_list_entry){.size = sizeof *ret_entry};
	(void)blx_list_at(list, i, ret_entry); /* i is below the count */
}

static json_t *list_json(
	const char *path, const blx_list *list, bool with_values, bool tree)
{
	json_t *entries = json_array();
	blx_list_entry entry;
	size_t i;

	for (i = 0; entries != NULL && i < blx_list_count(list); i++) {
		entry_at(list, i, &entry);
		if (json_array_append_new(
			    entries, entry_json(&entry, with_values, tree)) != 0) {
			json_decref(entries);
			return NULL;
		}
	}
	return json_pack("{s:o, s:I, s:o, s:b, s:o}", "path", out_json_text(path),
		"revision", (json_int_t)blx_list_revision(list), "age_ms",
		age_json(blx_list_age_ms(list)), "more", blx_list_more(list), "entries",
		entries);
}

static void print_names(const blx_list *list)
{
	blx_list_entry entry;
	size_t i;

	for (i = 0; i < blx_list_count(list); i++) {
		entry_at(list, i, &entry);
		printf("%s%s\n", entry.name, entry.has_value ? "" : "/");
	}
}

static int print_values(const struct ctx *ctx, const blx_list *list)
{
	struct out_table table;
	blx_list_entry entry;
	size_t i;

	out_table_init(&table, 3);
	out_table_add(&table, "NAME");
	out_table_add(&table, "REVISION");
	out_table_add(&table, "VALUE");
	for (i = 0; i < blx_list_count(list); i++) {
		char revision[24] = "-";
		char name[BLX_PATH_LEN_MAX + 2];

		entry_at(list, i, &entry);
		if (entry.has_value) {
			(void)snprintf(
				revision, sizeof revision, "%" PRIu64, entry.revision);
		}
		(void)snprintf(name, sizeof name, "%s%s", entry.name,
			entry.has_value ? "" : "/");
		out_table_add(&table, name);
		out_table_add(&table, revision);
		out_table_add_bytes(&table, entry.value, entry.value_len);
	}
	return out_table_finish(ctx, &table);
}

static int print_list(const struct ctx *ctx, const char *path, const blx_list *list)
{
	bool values = opt_flag(&ctx->args, "values");
	blx_list_entry last;
	int rv = EXIT_OK;

	if (ctx->json) {
		return out_json(
			ctx, list_json(path, list, values, opt_flag(&ctx->args, "tree")));
	}
	if (values) {
		rv = print_values(ctx, list);
	} else {
		print_names(list);
	}
	if (blx_list_count(list) == 0) {
		hint_twin(ctx, path);
	} else if (blx_list_more(list)) {
		entry_at(list, blx_list_count(list) - 1, &last);
		hint(ctx, "more: --after %s", last.name);
	}
	return rv;
}

static int list_opts(const struct ctx *ctx, blx_list_opts *opts)
{
	char fault[OPT_FAULT_SIZE];
	uint64_t limit = 0;

	if (opt_number(&ctx->args, "limit", 1, UINT32_MAX, &limit, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	opts->limit = (uint32_t)limit;
	opts->after = opt_text(&ctx->args, "after");
	opts->flags =
		(opt_flag(&ctx->args, "values") ? 0u : (uint32_t)BLX_LIST_NO_VALUES) |
		(opt_flag(&ctx->args, "tree") ? (uint32_t)BLX_LIST_TREE : 0u);
	return 0;
}

int kv_ls(struct ctx *ctx)
{
	const char *path = ctx->args.words_count > 0 ? ctx->args.words[0] : "/";
	blx_list_opts opts = BLX_LIST_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_list *list = NULL;
	int rv = list_opts(ctx, &opts);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	rv = (opt_flag(&ctx->args, "consistent")
			? blx_list_children_consistent
			: blx_list_children)(ctx->client, path, &opts, &list, &error);
	if (rv != 0) {
		return fail(ctx, &error);
	}
	rv = print_list(ctx, path, list);
	blx_list_free(list);
	return rv;
}
