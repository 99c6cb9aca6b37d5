/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int status_parse(const struct ctx *ctx, const char *text, json_t **ret_json)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json_is_object(json)) {
		json_decref(json);
		return fail_with(ctx, BLX_EPROTO, "the answer is not a JSON object: %s",
			error.text);
	}
	*ret_json = json;
	return 0;
}

int status_get(const struct ctx *ctx, json_t **ret_status)
{
	blx_error error = BLX_ERROR_INIT;
	char *text = NULL;
	int rv;

	if (blx_status(ctx->client, ctx_left_ms(ctx), &text, &error) != 0) {
		return fail(ctx, &error);
	}
	rv = status_parse(ctx, text, ret_status);
	blx_text_free(text);
	return rv;
}

const char *status_text(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));

	return text != NULL ? text : "";
}

static void add_cell(struct out_table *table, const json_t *value)
{
	if (json_is_string(value)) {
		out_table_add_bytes(
			table, json_string_value(value), json_string_length(value));
	} else if (json_is_integer(value)) {
		out_table_add_number(table, (uint64_t)json_integer_value(value));
	} else if (json_is_boolean(value)) {
		out_table_add(table, json_is_true(value) ? "yes" : "no");
	} else {
		out_table_add(table, "-");
	}
}

int status_print_fields(const struct ctx *ctx, const json_t *status)
{
	struct out_table table;
	const char *key;
	json_t *value;

	out_table_init(&table, 2);
	json_object_foreach((json_t *)(uintptr_t)status, key, value)
	{
		if (!json_is_object(value) && !json_is_array(value)) {
			out_table_add(&table, key);
			add_cell(&table, value);
		}
	}
	return out_table_finish(ctx, &table);
}

static void add_member(struct out_table *table, const json_t *member, const char *leader)
{
	static const char *const keys[] = {
		"id", "address", "role", "connected", "match_index"};
	const char *name = status_text(member, "name");
	char marked[80];
	size_t i;

	(void)snprintf(marked, sizeof marked, "%s%s", name,
		name[0] != '\0' && strcmp(name, leader) == 0 ? "*" : "");
	out_table_add(table, marked);
	for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		add_cell(table, json_object_get(member, keys[i]));
	}
}

int status_print_members(const struct ctx *ctx, const json_t *status)
{
	static const char *const heads[] = {
		"NAME", "ID", "ADDRESS", "ROLE", "CONNECTED", "MATCH"};
	const json_t *members = json_object_get(status, "members");
	struct out_table table;
	size_t i;

	out_table_init(&table, sizeof heads / sizeof heads[0]);
	for (i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		out_table_add(&table, heads[i]);
	}
	for (i = 0; i < json_array_size(members); i++) {
		add_member(&table, json_array_get(members, i),
			status_text(status, "leader"));
	}
	return out_table_finish(ctx, &table);
}
