/* SPDX-License-Identifier: Apache-2.0 */
/* config get, set, unset, ls: the values below /:config, by their names. */
#include "ctx.h"
#include "out.h"

#include <stdio.h>
#include <string.h>

#define DIRECTORY "/:config"

/* Those that members act on. */
static const struct {
	const char *name;
	const char *what;
} known[] = {
	{"health.degraded_after", "a node not heard for so long is Degraded: 5s, 500ms; 5s"},
	{"health.failed_after", "and Failed, and nothing is placed there; 30s"},
	{"quota.bytes", "what the store may hold of keys and values; 0: any"},
	{"quota.keys", "how many keys it may hold; 0: any"},
	{"host.lease", "a host that hears nothing for so long stops what is not shared; 10s"},
	{"fence.margin", "on top of that and the time to stop, before another has it; 1s"},
	{"drain.parallel", "so many are moved off a drained node at once; 2"},
};

#define KNOWN (sizeof known / sizeof known[0])

static const char *what_is(const char *name)
{
	size_t i;

	for (i = 0; i < KNOWN; i++) {
		if (strcmp(known[i].name, name) == 0) {
			return known[i].what;
		}
	}
	return NULL;
}

/* Does what is done with a path, to that of the setting. */
static int with_path(struct ctx *ctx, int (*verb)(struct ctx *ctx))
{
	const char *name = ctx->args.words[0];
	char path[BLX_PATH_LEN_MAX + 1];
	int rv;

	if (name[0] == '\0' || strchr(name, '/') != NULL ||
		(size_t)snprintf(path, sizeof path, DIRECTORY "/%s", name) >= sizeof path) {
		return fail_usage(ctx, "\"%.80s\": a setting is a name without \"/\"", name);
	}
	ctx->args.words[0] = path;
	rv = verb(ctx);
	ctx->args.words[0] = name;
	return rv;
}

int config_get(struct ctx *ctx)
{
	return with_path(ctx, kv_get);
}

int config_set(struct ctx *ctx)
{
	const char *name = ctx->args.words[0];
	int rv = with_path(ctx, kv_put);

	if (rv == EXIT_OK && what_is(name) == NULL) {
		hint(ctx, "blixard: no member acts on %s: see config ls", name);
	}
	return rv;
}

int config_unset(struct ctx *ctx)
{
	return with_path(ctx, kv_rm);
}

/* ---- ls ---------------------------------------------------------------------- */

static bool is_listed(const blx_list *list, const char *name, blx_list_entry *ret_entry)
{
	size_t i;

	for (i = 0; i < blx_list_count(list); i++) {
		*ret_entry = (blx_list_entry){.size = sizeof *ret_entry};
		(void)blx_list_at(list, i, ret_entry);
		if (strcmp(ret_entry->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static json_t *settings_json(const blx_list *list)
{
	json_t *root = json_object();
	size_t i;

	for (i = 0; root != NULL && i < blx_list_count(list); i++) {
		blx_list_entry entry = {.size = sizeof entry};
		json_t *one = json_object();

		(void)blx_list_at(list, i, &entry);
		if (one == NULL ||
			(entry.has_value &&
				out_json_value(one, entry.value, entry.value_len) != 0) ||
			json_object_set_new_nocheck(root, entry.name, one) != 0) {
			json_decref(root);
			return NULL;
		}
	}
	return root;
}

static void row(struct out_table *table, const char *name, const blx_list_entry *entry)
{
	const char *what = what_is(name);

	out_table_add(table, name);
	if (entry != NULL) {
		out_table_add_bytes(table, entry->value, entry->value_len);
	} else {
		out_table_add(table, "-");
	}
	out_table_add(table, what != NULL ? what : "");
}

/* What is set, then what could be. */
static int print_settings(const struct ctx *ctx, const blx_list *list)
{
	struct out_table table;
	blx_list_entry entry;
	size_t i;

	if (ctx->json) {
		return out_json(ctx, settings_json(list));
	}
	out_table_init(&table, 3);
	out_table_add(&table, "NAME");
	out_table_add(&table, "VALUE");
	out_table_add(&table, "MEANING");
	for (i = 0; i < blx_list_count(list); i++) {
		entry = (blx_list_entry){.size = sizeof entry};
		(void)blx_list_at(list, i, &entry);
		row(&table, entry.name, &entry);
	}
	for (i = 0; i < KNOWN; i++) {
		if (!is_listed(list, known[i].name, &entry)) {
			row(&table, known[i].name, NULL);
		}
	}
	return out_table_finish(ctx, &table);
}

int config_ls(struct ctx *ctx)
{
	blx_list *list = NULL;
	int rv = ctx_list(ctx, DIRECTORY, &list);

	if (rv == 0) {
		rv = print_settings(ctx, list);
		blx_list_free(list);
	}
	return rv;
}
