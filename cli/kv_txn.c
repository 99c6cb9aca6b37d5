/* SPDX-License-Identifier: Apache-2.0 */
/* kv txn. */
#include "ctx.h"
#include "input.h"
#include "out.h"
#include "txn_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* 4 MiB of values as JSON strings, each byte as \u00NN, and lines of comments. */
#define FILE_SIZE_MAX (32u << 20)

static void add_line(blx_txn *txn, const struct txn_line *line)
{
	/* The transaction keeps its first fault and tells it when it is committed. */
	switch (line->kind) {
	case TXN_IF_ABSENT:
		(void)blx_txn_if_absent(txn, line->path);
		break;
	case TXN_IF_EXISTS:
		(void)blx_txn_if_exists(txn, line->path);
		break;
	case TXN_IF_VALUE:
		(void)blx_txn_if_value(txn, line->path, line->value, line->value_len);
		break;
	case TXN_IF_REVISION:
		(void)blx_txn_if_revision(txn, line->path, line->revision);
		break;
	case TXN_IF_VERSION:
		(void)blx_txn_if_version(txn, line->path, line->revision);
		break;
	case TXN_IF_FIELDS:
		(void)blx_txn_if_fields(txn, line->path, line->value);
		break;
	case TXN_IF_CHILDREN:
		(void)blx_txn_if_children(txn, line->path, BLX_EQUAL, line->revision);
		break;
	case TXN_IF_FEWER:
		(void)blx_txn_if_children(txn, line->path, BLX_FEWER, line->revision);
		break;
	case TXN_IF_MORE:
		(void)blx_txn_if_children(txn, line->path, BLX_MORE, line->revision);
		break;
	case TXN_ALL:
		(void)blx_txn_if_all(txn);
		break;
	case TXN_ANY:
		(void)blx_txn_if_any(txn);
		break;
	case TXN_NONE:
		(void)blx_txn_if_none(txn);
		break;
	case TXN_END:
		(void)blx_txn_end(txn);
		break;
	case TXN_PUT:
		(void)blx_txn_put(txn, line->path, line->value, line->value_len);
		break;
	case TXN_PUT_WHILE: /* add_while() */
		break;
	case TXN_RM:
		(void)blx_txn_delete(txn, line->path);
		break;
	case TXN_RM_TREE:
		(void)blx_txn_delete_tree(txn, line->path);
		break;
	case TXN_GET:
		(void)blx_txn_get(txn, line->path);
		break;
	case TXN_ELSE:
		(void)blx_txn_else(txn);
		break;
	}
}

/* The put-while at *i, with the conditions that follow it, behind which *i is then. */
static int add_while(blx_txn *txn, const struct txn_file *file, size_t *i)
{
	const struct txn_line *put = &file->lines[(*i)++];
	blx_txn *conditions;

	if (blx_txn_create(&conditions) != 0) {
		return -1;
	}
	for (; *i < file->count && file->lines[*i].of_while; ++*i) {
		bool last = *i + 1 == file->count || !file->lines[*i + 1].of_while;

		if (!last) { /* which is their end */
			add_line(conditions, &file->lines[*i]);
		}
	}
	(void)blx_txn_put_while(txn, put->path, put->value, put->value_len, conditions);
	blx_txn_destroy(conditions);
	return 0;
}

static int add_lines(blx_txn *txn, const struct txn_file *file)
{
	size_t i = 0;
	int rv = 0;

	while (rv == 0 && i < file->count) {
		if (file->lines[i].kind == TXN_PUT_WHILE) {
			rv = add_while(txn, file, &i);
		} else {
			add_line(txn, &file->lines[i++]);
		}
	}
	return rv;
}

/* ---- results ------------------------------------------------------------------ */

/* The lines of the branch that was done, one after the other. */
struct branch {
	const struct txn_file *file;
	bool wants_else;
	bool in_else;
	size_t next;
};

static const struct txn_line *branch_next(struct branch *branch)
{
	while (branch->next < branch->file->count) {
		const struct txn_line *line = &branch->file->lines[branch->next++];

		if (line->kind == TXN_ELSE) {
			branch->in_else = true;
		} else if (line->kind >= TXN_PUT &&
			   branch->in_else == branch->wants_else) {
			return line;
		}
	}
	return NULL;
}

static int add_got(json_t *root, const blx_txn_op_result *op)
{
	if (op->existed != 1) {
		return json_object_set_new(
			root, "directory", json_boolean(op->existed == 2));
	}
	if (json_object_set_new(
		    root, "revision", json_integer((json_int_t)op->revision)) != 0 ||
		json_object_set_new(root, "create_revision",
			json_integer((json_int_t)op->create_revision)) != 0 ||
		json_object_set_new(
			root, "version", json_integer((json_int_t)op->version)) != 0) {
		return -1;
	}
	return out_json_value(root, op->value, op->value_len);
}

static json_t *op_json(const struct txn_line *line, const blx_txn_op_result *op)
{
	json_t *root = json_pack("{s:s, s:o}", "op", txn_kind_name(line->kind), "path",
		out_json_text(line->path));
	int rv = root == NULL ? -1 : 0;

	if (rv == 0 && line->kind == TXN_RM_TREE) {
		rv = json_object_set_new(
			root, "count", json_integer((json_int_t)op->count));
	} else if (rv == 0) {
		rv = json_object_set_new(root, "existed", json_boolean(op->existed == 1));
	}
	if (rv == 0 && line->kind == TXN_GET) {
		rv = add_got(root, op);
	}
	if (rv != 0) {
		json_decref(root);
		return NULL;
	}
	return root;
}

static void print_got(const blx_txn_op_result *op)
{
	if (op->existed != 1) {
		printf("%s\n", op->existed == 2 ? "directory" : "absent");
		return;
	}
	printf("revision %" PRIu64 " ", op->revision);
	out_printable(stdout, op->value, op->value_len);
	printf("\n");
}

static void print_op(const struct txn_line *line, const blx_txn_op_result *op)
{
	printf("%s ", txn_kind_name(line->kind));
	out_printable(stdout, line->path, strlen(line->path));
	printf(" ");
	switch (line->kind) {
	case TXN_PUT:
		printf("%s\n", op->existed ? "replaced" : "created");
		break;
	case TXN_RM:
		printf("%s\n", op->existed ? "removed" : "absent");
		break;
	case TXN_RM_TREE:
		printf("%" PRIu64 " removed\n", op->count);
		break;
	default:
		print_got(op);
		break;
	}
}

static json_t *result_json(const struct txn_file *file, const blx_txn_result *result)
{
	bool succeeded = blx_txn_result_succeeded(result) != 0;
	struct branch branch = {.file = file, .wants_else = !succeeded};
	blx_txn_op_result op = {.size = sizeof op};
	json_t *ops = json_array();
	const struct txn_line *line;
	size_t i;

	for (i = 0; ops != NULL && blx_txn_result_at(result, i, &op) == 0 &&
		    (line = branch_next(&branch)) != NULL;
		i++) {
		if (json_array_append_new(ops, op_json(line, &op)) != 0) {
			json_decref(ops);
			return NULL;
		}
	}
	return json_pack("{s:b, s:I, s:o}", "succeeded", succeeded, "revision",
		(json_int_t)blx_txn_result_revision(result), "results", ops);
}

static int print_result(
	const struct ctx *ctx, const struct txn_file *file, const blx_txn_result *result)
{
	bool succeeded = blx_txn_result_succeeded(result) != 0;
	struct branch branch = {.file = file, .wants_else = !succeeded};
	blx_txn_op_result op = {.size = sizeof op};
	const struct txn_line *line;
	size_t i;

	if (ctx->json) {
		return out_json(ctx, result_json(file, result));
	}
	printf("succeeded %s\nrevision %" PRIu64 "\n", succeeded ? "yes" : "no",
		blx_txn_result_revision(result));
	for (i = 0; blx_txn_result_at(result, i, &op) == 0 &&
		    (line = branch_next(&branch)) != NULL;
		i++) {
		print_op(line, &op);
	}
	return EXIT_OK;
}

/* ---- committing ----------------------------------------------------------------- */

static int commit(struct ctx *ctx, const struct txn_file *file, const blx_txn *txn)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_txn_result *result = NULL;
	int rv;

	opts.timeout_ms = ctx_left_ms(ctx);
	rv = blx_txn_commit(ctx->client, txn, &opts, &result, &error);
	if (rv != 0) {
		return fail(ctx, &error);
	}
	rv = print_result(ctx, file, result);
	blx_txn_result_free(result);
	return rv;
}

static int build_and_commit(struct ctx *ctx, const struct txn_file *file)
{
	blx_txn *txn = NULL;
	int rv;

	ctx_restart(ctx);
	if (blx_txn_create(&txn) != 0 || add_lines(txn, file) != 0) {
		blx_txn_destroy(txn);
		return fail_with(ctx, BLX_ENOMEM, "make the transaction");
	}
	rv = ctx_connect(ctx);
	if (rv == 0) {
		rv = commit(ctx, file, txn);
	}
	blx_txn_destroy(txn);
	return rv;
}

int kv_txn(struct ctx *ctx)
{
	const char *name = ctx->args.words_count > 0 ? ctx->args.words[0] : "-";
	char fault[TXN_FAULT_SIZE];
	struct input input;
	struct txn_file file;
	int rv;

	rv = input_read(ctx, name, FILE_SIZE_MAX, &input);
	if (rv != 0) {
		return rv;
	}
	if (txn_file_parse(input.bytes, input.len, &file, fault) != 0) {
		rv = fail_usage(ctx, "%s: %s",
			strcmp(name, "-") == 0 ? "standard input" : name, fault);
	} else {
		rv = build_and_commit(ctx, &file);
		txn_file_finish(&file);
	}
	input_finish(&input);
	return rv;
}
