/* SPDX-License-Identifier: Apache-2.0 */
/* view declare, get, ls, rm. */
#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIRECTORY "/:views"

int view_declare(struct ctx *ctx)
{
	blx_view_declare_opts opts = BLX_VIEW_DECLARE_OPTS_INIT;
	const char *sums[BLX_VIEW_SUMS_MAX];
	blx_error error = BLX_ERROR_INIT;
	size_t i;
	int rv;

	for (i = 0; i < ctx->args.given_count; i++) {
		if (strcmp(ctx->args.given[i].opt->name, "sum") != 0) {
			continue;
		}
		if (opts.sums_count == BLX_VIEW_SUMS_MAX) {
			return fail_usage(ctx, "--sum: at most %d times", BLX_VIEW_SUMS_MAX);
		}
		sums[opts.sums_count++] = ctx->args.given[i].value;
	}
	opts.sums = sums;
	rv = ctx_connect(ctx);
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	if (blx_view_declare(ctx->client, ctx->args.words[0], ctx->args.words[1],
		    opt_text(&ctx->args, "by"), &opts, &error) != 0) {
		return fail(ctx, &error);
	}
	return EXIT_OK;
}

int view_rm(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == 0 && blx_view_drop(ctx->client, ctx->args.words[0], ctx_left_ms(ctx), &error) !=
			       0) {
		return fail(ctx, &error);
	}
	return rv;
}

int view_ls(struct ctx *ctx)
{
	const char *words[] = {DIRECTORY};
	const char **before = ctx->args.words;
	size_t count = ctx->args.words_count;
	int rv;

	ctx->args.words = words;
	ctx->args.words_count = 1;
	rv = kv_ls(ctx);
	ctx->args.words = before;
	ctx->args.words_count = count;
	return rv;
}

/* ---- get ------------------------------------------------------------------------ */

static json_t *entry_json(const blx_view_entry *entry, bool group)
{
	json_t *root = json_object();
	json_t *sums = json_array();
	size_t i;
	int rv = json_object_set_new(root, group ? "path" : "group", out_json_text(entry->name));

	for (i = 0; i < entry->sums_count; i++) {
		rv = rv != 0 ? rv : json_array_append_new(sums, json_integer(entry->sums[i]));
	}
	if (rv == 0 && !group) {
		rv = json_object_set_new(
			root, "count", json_integer((json_int_t)entry->count));
		rv = rv != 0 ? rv : json_object_set(root, "sums", sums);
	} else if (rv == 0) {
		rv = json_object_set_new(
			root, "revision", json_integer((json_int_t)entry->revision));
	}
	if (rv == 0 && entry->value != NULL) {
		rv = out_json_value(root, entry->value, entry->value_len);
	}
	json_decref(sums);
	if (rv != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static json_t *view_json(const blx_view *view, bool group)
{
	json_t *entries = json_array();
	size_t i;

	for (i = 0; entries != NULL && i < blx_view_count(view); i++) {
		blx_view_entry entry = {.size = sizeof entry};

		(void)blx_view_at(view, i, &entry);
		if (json_array_append_new(entries, entry_json(&entry, group)) != 0) {
			json_decref(entries);
			return NULL;
		}
	}
	return json_pack("{s:I, s:I, s:b, s:o}", "revision",
		(json_int_t)blx_view_revision(view), "total",
		(json_int_t)blx_view_total(view), "more", blx_view_more(view), "entries",
		entries);
}

static void row(struct out_table *table, const blx_view_entry *entry, bool group, size_t sums)
{
	char text[32];
	size_t i;

	out_table_add(table, entry->name);
	if (group) {
		out_table_add_number(table, entry->revision);
		out_table_add_bytes(table, entry->value, entry->value_len);
		return;
	}
	out_table_add_number(table, entry->count);
	for (i = 0; i < sums; i++) {
		(void)snprintf(text, sizeof text, "%" PRId64, entry->sums[i]);
		out_table_add(table, text);
	}
}

static int print_view(const struct ctx *ctx, const blx_view *view, bool group)
{
	blx_view_entry entry = {.size = sizeof entry};
	struct out_table table;
	size_t sums;
	size_t i;

	if (ctx->json) {
		return out_json(ctx, view_json(view, group));
	}
	sums = !group && blx_view_at(view, 0, &entry) == 0 ? entry.sums_count : 0;
	out_table_init(&table, group ? 3 : 2 + sums);
	out_table_add(&table, group ? "PATH" : "GROUP");
	out_table_add(&table, group ? "REVISION" : "COUNT");
	for (i = 0; i < sums; i++) {
		out_table_add(&table, "SUM");
	}
	if (group) {
		out_table_add(&table, "VALUE");
	}
	for (i = 0; i < blx_view_count(view); i++) {
		(void)blx_view_at(view, i, &entry);
		row(&table, &entry, group, sums);
	}
	if (blx_view_more(view)) {
		hint(ctx, "blixard: there is more behind %s", entry.name);
	}
	return out_table_finish(ctx, &table);
}

static int get_opts(const struct ctx *ctx, blx_view_opts *opts)
{
	char fault[OPT_FAULT_SIZE];
	uint64_t limit = 0;

	if (opt_number(&ctx->args, "limit", 1, UINT32_MAX, &limit, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	opts->limit = (uint32_t)limit;
	opts->after = opt_text(&ctx->args, "after");
	opts->flags = opt_flag(&ctx->args, "consistent") ? (uint32_t)BLX_VIEW_CONSISTENT : 0u;
	return 0;
}

int view_get(struct ctx *ctx)
{
	bool group = ctx->args.words_count > 1;
	blx_view_opts opts = BLX_VIEW_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_view *view;
	int rv = get_opts(ctx, &opts);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	rv = group ? blx_view_group(ctx->client, ctx->args.words[0], ctx->args.words[1], &opts,
			     &view, &error)
		   : blx_view_groups(ctx->client, ctx->args.words[0], &opts, &view, &error);
	if (rv != 0) {
		return fail(ctx, &error);
	}
	rv = print_view(ctx, view, group);
	blx_view_free(view);
	return rv;
}
