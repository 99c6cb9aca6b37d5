/* SPDX-License-Identifier: Apache-2.0 */
/* node drain, undrain, label; health. */
#include "ctx.h"
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So often a change is tried with what is there now. */
#define TRIES_MAX 16

/* ---- changing a node ------------------------------------------------------------ */

/* Changes the record. 0, or the exit code after the fault was printed. */
typedef int (*node_change)(const struct ctx *ctx, blx_node_info *info);

/* What is changed, and only that, must be as it was read. */
static int change_once(struct ctx *ctx, node_change change, const char *fields, int *ret_code)
{
	const char *name = ctx->args.words[0];
	blx_node_info *before = calloc(2, sizeof *before);
	blx_node_info *after = before != NULL ? before + 1 : NULL;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (before == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "change the node");
	}
	*ret_code = blx_record_get(ctx->client, BLX_RECORD_NODE, name, 1, ctx_left_ms(ctx),
		before, NULL, &error);
	rv = *ret_code == 0 ? EXIT_OK : fail(ctx, &error);
	if (rv == EXIT_OK) {
		*after = *before;
		rv = change(ctx, after);
	}
	if (rv == EXIT_OK) {
		*ret_code = blx_record_cas(ctx->client, BLX_RECORD_NODE, name, before, fields,
			after, ctx_left_ms(ctx), NULL, &error);
		if (*ret_code != 0 && *ret_code != BLX_ECONFLICT) {
			rv = fail(ctx, &error);
		}
	}
	blx_record_clear(BLX_RECORD_NODE, before);
	free(before);
	return rv;
}

static int change_node(struct ctx *ctx, node_change change, const char *fields)
{
	int code = BLX_ECONFLICT;
	int rv = ctx_connect(ctx);
	int tries;

	for (tries = 0; rv == EXIT_OK && code == BLX_ECONFLICT && tries < TRIES_MAX; tries++) {
		rv = change_once(ctx, change, fields, &code);
	}
	return rv == EXIT_OK && code == BLX_ECONFLICT
		       ? fail_with(ctx, code, "%s is changed by others all the time",
				 ctx->args.words[0])
		       : rv;
}

/* All that the leader changes, too: what it saw would be undone otherwise. */
#define STATUS_FIELDS "status,health,draining,timestamp,last_heartbeat"

static int set_draining(const struct ctx *ctx, blx_node_info *info)
{
	(void)ctx;
	info->draining = 1;
	info->status = info->status == BLX_NODE_ACTIVE ? BLX_NODE_DRAINING : info->status;
	return EXIT_OK;
}

static int clear_draining(const struct ctx *ctx, blx_node_info *info)
{
	(void)ctx;
	info->draining = 0;
	info->status = info->status == BLX_NODE_DRAINING ? BLX_NODE_ACTIVE : info->status;
	return EXIT_OK;
}

int node_drain(struct ctx *ctx)
{
	return change_node(ctx, set_draining, STATUS_FIELDS);
}

int node_undrain(struct ctx *ctx)
{
	return change_node(ctx, clear_draining, STATUS_FIELDS);
}

static void label_remove(blx_node_info *info, const char *key)
{
	size_t i;

	for (i = 0; i < info->labels_count; i++) {
		if (strcmp(info->labels[i].key, key) == 0) {
			info->labels[i] = info->labels[--info->labels_count];
			return;
		}
	}
}

static int label_set(const struct ctx *ctx, blx_node_info *info, const char *word)
{
	const char *equals = strchr(word, '=');
	char key[BLX_NAME_MAX];

	if (equals == NULL || equals == word || (size_t)(equals - word) >= sizeof key ||
		strlen(equals + 1) >= BLX_NAME_MAX) {
		return fail_usage(ctx, "\"%.80s\": must be KEY=VALUE, of at most %d bytes each",
			word, BLX_NAME_MAX - 1);
	}
	memcpy(key, word, (size_t)(equals - word));
	key[equals - word] = '\0';
	label_remove(info, key);
	if (equals[1] == '\0') {
		return EXIT_OK;
	}
	if (info->labels_count == BLX_LABELS_MAX) {
		return fail_usage(ctx, "a node has at most %d labels", BLX_LABELS_MAX);
	}
	memcpy(info->labels[info->labels_count].key, key, sizeof key);
	(void)snprintf(info->labels[info->labels_count++].value, BLX_NAME_MAX, "%s", equals + 1);
	return EXIT_OK;
}

static int set_labels(const struct ctx *ctx, blx_node_info *info)
{
	size_t i;
	int rv = EXIT_OK;

	for (i = 1; rv == EXIT_OK && i < ctx->args.words_count; i++) {
		rv = label_set(ctx, info, ctx->args.words[i]);
	}
	return rv;
}

int node_label(struct ctx *ctx)
{
	return change_node(ctx, set_labels,
		"labels,status,health,draining,cpu,memory,capabilities,taints,zone,address");
}

/* ---- health --------------------------------------------------------------------- */

static int print_health(const struct ctx *ctx, const json_t *root)
{
	struct out_table table;
	json_t *member;
	size_t i;

	out_table_init(&table, 4);
	out_table_add(&table, "MEMBER");
	out_table_add(&table, "HEALTH");
	out_table_add(&table, "VOTER");
	out_table_add(&table, "HEARD-MS-AGO");
	json_array_foreach (json_object_get(root, "members"), i, member) {
		out_table_add(&table, json_string_value(json_object_get(member, "name")));
		out_table_add(&table, json_string_value(json_object_get(member, "health")));
		out_table_add(
			&table, json_is_true(json_object_get(member, "voter")) ? "yes" : "no");
		out_table_add_number(&table,
			(uint64_t)json_integer_value(json_object_get(member, "heard_ms_ago")));
	}
	return out_table_finish(ctx, &table);
}

int health(struct ctx *ctx)
{
	blx_error error = BLX_ERROR_INIT;
	char *text = NULL;
	json_t *root;
	bool healthy;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	if (blx_health_get(ctx->client, ctx_left_ms(ctx), &text, &error) != 0) {
		return fail(ctx, &error);
	}
	root = json_loads(text, 0, NULL);
	blx_text_free(text);
	healthy = strcmp(json_string_value(json_object_get(root, "health")) != NULL
				 ? json_string_value(json_object_get(root, "health"))
				 : "",
			  "Healthy") == 0;
	if (ctx->json) {
		rv = out_json(ctx, root);
	} else {
		rv = print_health(ctx, root);
		printf("%s; %d voters may fail still\n",
			json_string_value(json_object_get(root, "health")),
			(int)json_integer_value(json_object_get(root, "quorum_margin")));
		json_decref(root);
	}
	return rv == EXIT_OK && !healthy ? EXIT_FAILED : rv;
}
