/* SPDX-License-Identifier: Apache-2.0 */
/* sql: one statement that reads. */
#include "ctx.h"
#include "input.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *value_json(const blx_sql *sql, size_t column)
{
	size_t len;
	const void *bytes = blx_sql_bytes(sql, column, &len);
	json_t *root;

	switch (blx_sql_type(sql, column)) {
	case BLX_SQL_INTEGER:
		return json_integer(blx_sql_integer(sql, column));
	case BLX_SQL_REAL:
		root = json_real(blx_sql_real(sql, column));
		return root != NULL ? root : json_null(); /* there is no JSON for infinity */
	case BLX_SQL_TEXT:
		return json_stringn(bytes, len);
	case BLX_SQL_BLOB:
		root = json_object();
		if (root != NULL && out_json_value(root, bytes, len) != 0) {
			json_decref(root);
			root = NULL;
		}
		return root;
	default:
		return json_null();
	}
}

/* A line for each row, as jq likes it. */
static int print_json(const struct ctx *ctx, blx_sql *sql)
{
	int rv = EXIT_OK;

	while (rv == EXIT_OK && blx_sql_next(sql) == 1) {
		json_t *row = json_object();
		size_t i;

		for (i = 0; row != NULL && i < blx_sql_columns(sql); i++) {
			if (json_object_set_new(row, blx_sql_name(sql, i), value_json(sql, i)) !=
				0) {
				json_decref(row);
				row = NULL;
			}
		}
		rv = out_json(ctx, row);
	}
	return rv;
}

static void add_cell(struct out_table *table, const blx_sql *sql, size_t column)
{
	char number[64];
	size_t len;
	const void *bytes = blx_sql_bytes(sql, column, &len);

	switch (blx_sql_type(sql, column)) {
	case BLX_SQL_INTEGER:
		(void)snprintf(
			number, sizeof number, "%" PRId64, blx_sql_integer(sql, column));
		out_table_add(table, number);
		break;
	case BLX_SQL_REAL:
		(void)snprintf(number, sizeof number, "%.15g", blx_sql_real(sql, column));
		out_table_add(table, number);
		break;
	case BLX_SQL_NULL:
		out_table_add(table, "");
		break;
	default:
		out_table_add_bytes(table, bytes, len);
		break;
	}
}

static int print_table(const struct ctx *ctx, blx_sql *sql)
{
	struct out_table table;
	size_t i;

	out_table_init(&table, blx_sql_columns(sql));
	for (i = 0; i < blx_sql_columns(sql); i++) {
		out_table_add(&table, blx_sql_name(sql, i));
	}
	while (blx_sql_next(sql) == 1) {
		for (i = 0; i < blx_sql_columns(sql); i++) {
			add_cell(&table, sql, i);
		}
	}
	return out_table_finish(ctx, &table);
}

static int query(struct ctx *ctx, const char *text)
{
	blx_sql_opts opts = BLX_SQL_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_sql *sql;
	int rv = ctx_connect(ctx);

	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	opts.flags = opt_flag(&ctx->args, "consistent") ? (uint32_t)BLX_SQL_CONSISTENT : 0u;
	opts.params = ctx->args.words + 1;
	opts.params_count = ctx->args.words_count > 1 ? ctx->args.words_count - 1 : 0;
	if (blx_sql_query(ctx->client, text, &opts, &sql, &error) != 0) {
		return fail(ctx, &error);
	}
	rv = ctx->json ? print_json(ctx, sql) : print_table(ctx, sql);
	blx_sql_free(sql);
	return rv;
}

int sql(struct ctx *ctx)
{
	const char *text = ctx->args.words[0];
	struct input input;
	char *copy;
	int rv;

	if (strcmp(text, "-") != 0) {
		return query(ctx, text);
	}
	rv = input_read(ctx, "-", BLX_SQL_TEXT_MAX, &input);
	if (rv != 0) {
		return rv;
	}
	ctx_restart(ctx);
	copy = strndup(input.bytes != NULL ? input.bytes : "", input.len);
	rv = copy != NULL ? query(ctx, copy) : fail_with(ctx, BLX_ENOMEM, "read the statement");
	free(copy);
	input_finish(&input);
	return rv;
}
