/* SPDX-License-Identifier: Apache-2.0 */
#include "api/write.h"

#include "api/opts.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "store/path.h"
#include "store/txn.h"

#include <stdio.h>
#include <string.h>

/* What a line is in the meantime: its transaction, and what its answer is told about. */
struct write {
	enum blx__line_kind kind;
	bool tree; /* DELETE: with all below */
	uint32_t timeout_ms;
	struct blx__buf body;
	const char *path; /* borrowed */
};

static const char *verb_of(enum blx__line_kind kind)
{
	switch (kind) {
	case BLX__LINE_PUT:
		return "put";
	case BLX__LINE_PUT_IF_ABSENT:
		return "put if absent";
	case BLX__LINE_CAS:
	case BLX__LINE_CAS_REVISION:
		return "compare and set";
	case BLX__LINE_DELETE:
		return "delete";
	}
	return "write";
}

/* ---- checking --------------------------------------------------------------- */

static int check_value(const struct blx__line *line, const void *value, size_t len,
	blx_error *error)
{
	if (value == NULL && len > 0) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s %s: no value given, but a length of %zu", verb_of(line->kind),
			line->path, len);
	}
	if (len > BLX_VALUE_LEN_MAX) {
		return blx__error_set_write(error, BLX_ETOOBIG, BLX_NOT_APPLIED,
			"%s %s: the value has %zu bytes, more than the %d a value may have",
			verb_of(line->kind), line->path, len, BLX_VALUE_LEN_MAX);
	}
	return 0;
}

static int parse_path(const struct blx__line *line, uint8_t ret_key[BLX__KEY_LEN_MAX],
	size_t *ret_len, blx_error *error)
{
	bool dir = false;
	int rv;

	if (line->path == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED, "%s: no path given",
			verb_of(line->kind));
	}
	rv = blx__path_parse(line->path, strlen(line->path), ret_key, ret_len, &dir, error);
	if (rv != 0) {
		if (error != NULL) {
			error->outcome = BLX_NOT_APPLIED;
		}
		return rv;
	}
	if (*ret_len == 0) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s %s: the root has no value; give a path below it", verb_of(line->kind),
			line->path);
	}
	if (dir && line->kind != BLX__LINE_DELETE) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s %s: a path that ends in '/' is a directory's, which has no value",
			verb_of(line->kind), line->path);
	}
	return 0;
}

/* ---- the transaction --------------------------------------------------------- */

static int add_guard(struct blx__txn *txn, const struct blx__line *line,
	const struct blx__txn_line *at)
{
	struct blx__txn_line guard = *at;

	switch (line->kind) {
	case BLX__LINE_PUT_IF_ABSENT:
		guard.kind = BLX__TXN_IF_ABSENT;
		break;
	case BLX__LINE_CAS:
		guard.kind = BLX__TXN_IF_VALUE;
		guard.value = line->expect;
		guard.value_len = line->expect_len;
		break;
	case BLX__LINE_CAS_REVISION:
		guard.kind = BLX__TXN_IF_REVISION;
		guard.revision = line->expect_revision;
		break;
	default:
		return 0;
	}
	return blx__txn_add(txn, &guard);
}

static int add_op(struct blx__txn *txn, const struct blx__line *line, bool tree,
	const struct blx__txn_line *at)
{
	struct blx__txn_line op = *at;

	if (line->kind == BLX__LINE_DELETE) {
		op.kind = tree ? BLX__TXN_DELETE_TREE : BLX__TXN_DELETE;
	} else {
		op.kind = BLX__TXN_PUT;
		op.value = line->value;
		op.value_len = line->len;
	}
	return blx__txn_add(txn, &op);
}

static int encode(const struct blx__line *line, struct write *write, const struct blx__txn_line *at)
{
	struct blx__txn txn;
	int rv;

	blx__txn_init(&txn);
	rv = add_guard(&txn, line, at);
	if (rv == 0) {
		rv = add_op(&txn, line, write->tree, at);
	}
	if (rv == 0) {
		blx__txn_encode(&txn, &write->body);
		rv = blx__buf_ok(&write->body) ? 0 : BLX_ENOMEM;
	}
	blx__txn_finish(&txn);
	return rv;
}

/* The body is to be finished whatever the outcome. */
static int write_init(const blx_client *client, const struct blx__line *line,
	const blx_write_opts *user_opts, struct write *write, blx_error *error)
{
	blx_write_opts opts;
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__txn_line at = { .key = key };
	int rv;

	BLX__OPTS(&opts, user_opts);
	*write = (struct write){ .kind = line->kind,
		.path = line->path,
		.tree = (opts.flags & BLX_DELETE_TREE) != 0,
		.timeout_ms = opts.timeout_ms };
	blx__buf_init(&write->body);
	if (client == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s: no client given", verb_of(line->kind));
	}
	rv = parse_path(line, key, &at.key_len, error);
	if (rv == 0) {
		rv = check_value(line, line->value, line->len, error);
	}
	if (rv == 0) {
		rv = check_value(line, line->expect, line->expect_len, error);
	}
	if (rv != 0) {
		return rv;
	}
	rv = encode(line, write, &at);
	return rv == 0 ? 0
		       : blx__error_set_write(error, rv, BLX_NOT_APPLIED, "%s %s: %s",
				 verb_of(line->kind), line->path, blx_strerror(rv));
}

/* ---- what came of it ---------------------------------------------------------- */

static int verdict_conflict(enum blx__line_kind kind, const char *path, uint64_t revision,
	blx_error *error)
{
	int code = kind == BLX__LINE_PUT_IF_ABSENT ? BLX_EEXIST : BLX_ECONFLICT;

	if (code == BLX_EEXIST) {
		(void)blx__error_set_write(error, code, BLX_NOT_APPLIED,
			"put if absent %s: there is a value, of revision %llu", path,
			(unsigned long long)revision);
	} else if (revision == 0) {
		(void)blx__error_set_write(error, code, BLX_NOT_APPLIED,
			"compare and set %s: there is no value", path);
	} else {
		(void)blx__error_set_write(error, code, BLX_NOT_APPLIED,
			"compare and set %s: there is another value, of revision %llu; read it and "
			"try again",
			path, (unsigned long long)revision);
	}
	if (error != NULL) {
		error->revision = revision;
	}
	return code;
}

/* Did a delete that was done remove anything? A reply without a body does not tell. */
static bool removed(const uint8_t *body, size_t len)
{
	struct blx__reader reader = blx__reader_of(body, len);
	struct blx__txn_result_head head;
	struct blx__txn_op_result op;

	if (len == 0 || blx__txn_result_head_get(&reader, &head) != 0 || head.count != 1 ||
		blx__txn_op_result_get(&reader, &op) != 0) {
		return true;
	}
	return op.kind == BLX__TXN_DELETE_TREE ? op.count > 0 : op.existed != 0;
}

/* The answer in terms of the line. The code is 0 or what was put into error. */
static int verdict(enum blx__line_kind kind, const char *path, const struct blx__response *response,
	blx_error *error)
{
	int code = response->code;

	if (code == BLX_ECONFLICT) {
		return verdict_conflict(kind, path, response->revision, error);
	}
	if (code != 0) {
		return blx__error_set_write(error, code, response->outcome, "%s %s: %.*s",
			verb_of(kind), path, (int)response->message_len,
			response->message != NULL ? response->message : "");
	}
	if (kind == BLX__LINE_DELETE && !removed(response->body, response->body_len)) {
		return blx__error_set_write(error, BLX_ENOENT, BLX_NOT_APPLIED,
			"delete %s: nothing there", path);
	}
	return 0;
}

/* ---- blocking ------------------------------------------------------------------ */

static struct blx__response response_of(const struct blx__answer *answer, const blx_error *why)
{
	struct blx__response response = { .code = answer->code,
		.outcome = answer->outcome,
		.revision = answer->revision,
		.message = why->message,
		.message_len = strlen(why->message),
		.body = answer->body,
		.body_len = answer->body_len };

	return response;
}

int blx__line_write(blx_client *client, const struct blx__line *line, const blx_write_opts *opts,
	uint64_t *ret_revision, blx_error *error)
{
	struct blx__ask ask = { .op = BLX__OP_WRITE };
	struct blx__answer answer;
	struct blx__response response;
	struct write write;
	blx_error why = BLX_ERROR_INIT;
	int rv = write_init(client, line, opts, &write, error);

	if (rv != 0) {
		blx__buf_finish(&write.body);
		return rv;
	}
	ask.timeout_ms = write.timeout_ms;
	ask.body = write.body.data;
	ask.body_len = write.body.len;
	rv = blx__client_write(client, &ask, &answer, &why);
	response = response_of(&answer, &why);
	response.code = rv;
	if (rv != 0 && answer.outcome == BLX_OUTCOME_NONE) {
		response.outcome = why.outcome != 0 ? why.outcome : BLX_NOT_APPLIED;
	}
	rv = verdict(line->kind, line->path, &response, error);
	if (rv == 0 && ret_revision != NULL) {
		*ret_revision = answer.revision;
	}
	blx__answer_finish(&answer);
	blx__buf_finish(&write.body);
	return rv;
}

/* ---- not blocking --------------------------------------------------------------- */

struct pending {
	enum blx__line_kind kind;
	blx_write_cb cb;
	void *data;
	char path[]; /* for the message */
};

static void on_written(const struct blx__response *response, void *data)
{
	struct pending *pending = data;
	blx_error error = BLX_ERROR_INIT;
	int rv = verdict(pending->kind, pending->path, response, &error);
	blx_write_cb cb = pending->cb;
	void *cb_data = pending->data;

	blx__free(pending);
	cb(rv, &error, rv == 0 ? response->revision : 0, cb_data);
}

static struct pending *pending_create(const struct blx__line *line, blx_write_cb cb, void *data)
{
	size_t size = strlen(line->path) + 1;
	struct pending *pending = blx__malloc(sizeof *pending + size);

	if (pending != NULL) {
		pending->kind = line->kind;
		pending->cb = cb;
		pending->data = data;
		memcpy(pending->path, line->path, size);
	}
	return pending;
}

int blx__line_start(blx_client *client, const struct blx__line *line, const blx_write_opts *opts,
	blx_write_cb cb, void *data)
{
	struct blx__ask ask = { .op = BLX__OP_WRITE };
	struct pending *pending;
	struct write write;
	int rv = write_init(client, line, opts, &write, NULL);

	if (rv == 0 && cb == NULL) {
		rv = BLX_EINVAL;
	}
	if (rv == 0) {
		pending = pending_create(line, cb, data);
		ask.timeout_ms = write.timeout_ms;
		ask.body = write.body.data;
		ask.body_len = write.body.len;
		rv = pending != NULL ? blx__client_write_start(client, &ask, on_written, pending)
				     : BLX_ENOMEM;
		if (rv != 0) {
			blx__free(pending);
		}
	}
	blx__buf_finish(&write.body);
	return rv;
}
