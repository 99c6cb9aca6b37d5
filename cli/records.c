/* SPDX-License-Identifier: Apache-2.0 */
/* ls and show of services, nodes, placements, reservations, machines and migrations. */
#include "records.h"

#include "ctx.h"
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 6

/* Which fields a table shows. */
static const struct {
	const char *dir;
	const char *columns[COLUMNS_MAX + 1];
} kinds[BLX_RECORD_KINDS] = {
	[BLX_RECORD_SERVICE] = {"/:services", {"state", "node", "unit", "cpu", "memory", NULL}},
	[BLX_RECORD_NODE] = {"/:nodes", {"status", "health", "zone", "cpu", "memory", NULL}},
	[BLX_RECORD_PLACEMENT] = {"/:placement", {"node", "epoch", "timestamp", NULL}},
	[BLX_RECORD_RESERVATION] = {"/:reservations", {"state", "node", "cpu", "memory", NULL}},
	[BLX_RECORD_VM] = {"/:vms", {"state", "host_node", "cpu", "memory", NULL}},
	[BLX_RECORD_MIGRATION] = {"/:migrations", {"state", "service", "from", "to", NULL}},
	[BLX_RECORD_MIGRATED] = {"/:migrated", {"service", "from", "to", "ended_at", "error",
		NULL}},
};

json_t *record_json(int kind, const void *value, size_t len)
{
	json_t *root = value != NULL ? json_loadb(value, len, 0, NULL) : NULL;

	if (value != NULL && !json_is_object(root) && kind == BLX_RECORD_PLACEMENT) {
		json_decref(root);
		return json_pack("{s:s%}", "node", value, len);
	}
	return root;
}

static void add_cell(struct out_table *table, const json_t *json)
{
	char *text;

	if (json_is_string(json)) {
		out_table_add(table, json_string_value(json));
	} else {
		text = json != NULL ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
		out_table_add(table, text != NULL ? text : "");
		free(text);
	}
}

static void row(struct out_table *table, int kind, const blx_list_entry *entry)
{
	json_t *root = record_json(kind, entry->value, entry->value_len);
	size_t i;

	out_table_add(table, entry->name);
	for (i = 0; kinds[kind].columns[i] != NULL; i++) {
		add_cell(table, json_object_get(root, kinds[kind].columns[i]));
	}
	json_decref(root);
}

static int print_table(const struct ctx *ctx, int kind, const blx_list *list)
{
	blx_list_entry entry = {.size = sizeof entry};
	struct out_table table;
	size_t count = 0;
	size_t i;

	while (kinds[kind].columns[count] != NULL) {
		count++;
	}
	out_table_init(&table, 1 + count);
	out_table_add(&table, "NAME");
	for (i = 0; i < count; i++) {
		char head[32];
		char *at;

		(void)snprintf(head, sizeof head, "%s", kinds[kind].columns[i]);
		for (at = head; *at != '\0'; at++) {
			*at = *at == '_' ? '-' : (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
		}
		out_table_add(&table, head);
	}
	for (i = 0; blx_list_at(list, i, &entry) == 0; i++) {
		if (entry.has_value) {
			row(&table, kind, &entry);
		}
	}
	return out_table_finish(ctx, &table);
}

static int print_json(const struct ctx *ctx, int kind, const blx_list *list)
{
	blx_list_entry entry = {.size = sizeof entry};
	json_t *root = json_object();
	size_t i;

	for (i = 0; root != NULL && blx_list_at(list, i, &entry) == 0; i++) {
		if (entry.has_value &&
			json_object_set_new(root, entry.name,
				record_json(kind, entry.value, entry.value_len)) != 0) {
			json_decref(root);
			root = NULL;
		}
	}
	return out_json(ctx, root);
}

int record_ls(struct ctx *ctx, int kind)
{
	blx_list *list = NULL;
	int rv = ctx_list(ctx, kinds[kind].dir, &list);

	if (rv == 0) {
		rv = ctx->json ? print_json(ctx, kind, list) : print_table(ctx, kind, list);
		blx_list_free(list);
	}
	return rv;
}

/* A line for each field. */
static int print_fields(const struct ctx *ctx, const json_t *root)
{
	struct out_table table;
	const char *key;
	json_t *value;

	out_table_init(&table, 2);
	json_object_foreach ((json_t *)(uintptr_t)root, key, value) {
		out_table_add(&table, key);
		add_cell(&table, value);
	}
	return out_table_finish(ctx, &table);
}

int record_show(struct ctx *ctx, int kind)
{
	const char *name = ctx->args.words[0];
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	char path[BLX_PATH_LEN_MAX + 1];
	blx_error error = BLX_ERROR_INIT;
	blx_value *value;
	json_t *root;
	int rv;

	if (name[0] == '\0' || strchr(name, '/') != NULL ||
		(size_t)snprintf(path, sizeof path, "%s/%s", kinds[kind].dir, name) >=
			sizeof path) {
		return fail_usage(ctx, "\"%.80s\": must be a name, without \"/\"", name);
	}
	rv = ctx_connect(ctx);
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	if ((opt_flag(&ctx->args, "consistent") ? blx_get_consistent : blx_get)(
		    ctx->client, path, &opts, &value, NULL, &error) != 0) {
		return fail(ctx, &error);
	}
	root = record_json(kind, blx_value_data(value), blx_value_len(value));
	blx_value_unref(value);
	if (ctx->json) {
		return out_json(ctx, root);
	}
	rv = print_fields(ctx, root);
	json_decref(root);
	return rv;
}

/* ---- the verbs ------------------------------------------------------------------ */

int node_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_NODE);
}

int node_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_NODE);
}

int svc_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_SERVICE);
}

int svc_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_SERVICE);
}

int place_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_PLACEMENT);
}

int place_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_PLACEMENT);
}

int reservation_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_RESERVATION);
}

int reservation_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_RESERVATION);
}

int reservation_rm(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	int rv = ctx_connect(ctx);

	if (rv == 0 && blx_reservation_release(
			       ctx->client, ctx->args.words[0], ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return rv;
}

int vm_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_VM);
}

int vm_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_VM);
}

int migrate_ls(struct ctx *ctx)
{
	return record_ls(ctx, BLX_RECORD_MIGRATION);
}

int migrate_show(struct ctx *ctx)
{
	return record_show(ctx, BLX_RECORD_MIGRATION);
}
