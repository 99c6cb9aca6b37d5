/* SPDX-License-Identifier: Apache-2.0 */
/* node label, set; health. */
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

/* What members, operators and the leader change; of the times, those go with the rest. */
#define ALL_FIELDS                                                                       \
	"labels,status,health,draining,cpu,memory,capabilities,taints,zone,address,fixed"

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
	return change_node(ctx, set_labels, ALL_FIELDS);
}

/* ---- set ------------------------------------------------------------------------ */

/* Whether the field is an operator's from now on, or the member's again. */
static void fix(blx_node_info *info, const char *field, bool fixed)
{
	size_t i = 0;

	while (i < info->fixed_count && strcmp(info->fixed[i], field) != 0) {
		i++;
	}
	if (i == info->fixed_count && fixed && i < BLX_FIXED_MAX) {
		(void)snprintf(info->fixed[info->fixed_count++], BLX_NAME_MAX, "%s", field);
	} else if (i < info->fixed_count && !fixed) {
		memmove(info->fixed[i], info->fixed[--info->fixed_count], BLX_NAME_MAX);
	}
}

static int set_amount(
	const struct ctx *ctx, const char *field, const char *text, int64_t *ret_amount)
{
	uint64_t amount;

	if (text[0] == '\0') {
		return EXIT_OK; /* what it was, until the member says what its host has */
	}
	if (!opt_parse_number(text, 0, INT32_MAX, &amount)) {
		return fail_usage(ctx, "%s=%.40s: must be a number up to %d", field, text,
			INT32_MAX);
	}
	*ret_amount = (int64_t)amount;
	return EXIT_OK;
}

static int set_names(const struct ctx *ctx, const char *field, const char *text, char *names,
	size_t max, size_t *count)
{
	return opt_parse_names(text, names, BLX_NAME_MAX, max, count)
		       ? EXIT_OK
		       : fail_usage(ctx,
				 "%s: must be at most %zu names of 1 to %d bytes, with commas "
				 "between them",
				 field, max, BLX_NAME_MAX - 1);
}

static int set_zone(const struct ctx *ctx, const char *text, blx_node_info *info)
{
	if (strlen(text) >= sizeof info->zone) {
		return fail_usage(ctx, "zone: must be at most %d bytes", BLX_NAME_MAX - 1);
	}
	memset(info->zone, 0, sizeof info->zone);
	memcpy(info->zone, text, strlen(text));
	return EXIT_OK;
}

static int set_field(const struct ctx *ctx, blx_node_info *info, const char *word)
{
	const char *equals = strchr(word, '=');
	const char *text = equals != NULL ? equals + 1 : "";

	if (strncmp(word, "cpu=", 4) == 0) {
		fix(info, "cpu", text[0] != '\0');
		return set_amount(ctx, "cpu", text, &info->cpu);
	}
	if (strncmp(word, "memory=", 7) == 0) {
		fix(info, "memory", text[0] != '\0');
		return set_amount(ctx, "memory", text, &info->memory);
	}
	if (strncmp(word, "capabilities=", 13) == 0) {
		fix(info, "capabilities", text[0] != '\0');
		return set_names(ctx, "capabilities", text, info->capabilities[0],
			BLX_CAPABILITIES_MAX, &info->capabilities_count);
	}
	if (strncmp(word, "taints=", 7) == 0) {
		return set_names(ctx, "taints", text, info->taints[0], BLX_TAINTS_MAX,
			&info->taints_count);
	}
	if (strncmp(word, "zone=", 5) == 0) {
		return set_zone(ctx, text, info);
	}
	return fail_usage(ctx,
		"\"%.80s\": must be cpu=, memory=, capabilities=, taints= or zone= and a value",
		word);
}

static int set_fields(const struct ctx *ctx, blx_node_info *info)
{
	size_t i;
	int rv = EXIT_OK;

	for (i = 1; rv == EXIT_OK && i < ctx->args.words_count; i++) {
		rv = set_field(ctx, info, ctx->args.words[i]);
	}
	return rv;
}

int node_set(struct ctx *ctx)
{
	return change_node(ctx, set_fields, ALL_FIELDS);
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
