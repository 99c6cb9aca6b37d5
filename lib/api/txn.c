/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches: built here, encoded by store/, committed by client/. */
#include <blixard/txn.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "store/keep.h"
#include "store/path.h"
#include "store/txn.h"

#include <string.h>

struct blx_txn {
	struct blx__txn inner;
	blx_error fault; /* the first one while building; code 0: none */
};

struct blx_txn_result {
	bool succeeded;
	uint64_t revision;
	size_t count;
	struct blx__txn_op_result *ops; /* owned; values are in bytes */
	uint8_t *bytes;                 /* owned */
};

/* ---- building ---------------------------------------------------------------- */

int blx_txn_create(blx_txn **ret_txn)
{
	blx_txn *txn;

	if (ret_txn == NULL) {
		return BLX_EINVAL;
	}
	txn = blx__malloc(sizeof *txn);
	if (txn == NULL) {
		return BLX_ENOMEM;
	}
	blx__txn_init(&txn->inner);
	blx_error_init(&txn->fault);
	*ret_txn = txn;
	return 0;
}

void blx_txn_destroy(blx_txn *txn)
{
	if (txn != NULL) {
		blx__txn_finish(&txn->inner);
		blx__free(txn);
	}
}

/* Keeps a fault, if it is the first, and returns it. */
static int fault_keep(blx_txn *txn, const blx_error *fault)
{
	if (txn->fault.code == 0) {
		blx__error_copy(&txn->fault, fault);
		txn->fault.outcome = BLX_NOT_APPLIED;
	}
	return fault->code;
}

static bool kind_has_value(uint8_t kind)
{
	return kind == BLX__TXN_PUT || kind == BLX__TXN_PUT_WHILE || kind == BLX__TXN_IF_VALUE ||
		kind == BLX__TXN_IF_FIELDS;
}

static int line_check(const struct blx__txn_line *line, const char *path, bool dir,
	blx_error *fault)
{
	bool counts = line->kind >= BLX__TXN_IF_CHILDREN && line->kind <= BLX__TXN_IF_MORE;

	if (line->key_len == 0 && !counts) {
		return blx__error_set(fault, BLX_EINVAL,
			"transaction: %s: the root has no value; give a path below it", path);
	}
	if (dir && (line->kind == BLX__TXN_PUT || line->kind == BLX__TXN_PUT_WHILE)) {
		return blx__error_set(fault, BLX_EINVAL,
			"transaction: put %s: a path that ends in '/' is a directory's, which "
			"has no value",
			path);
	}
	if (kind_has_value(line->kind) && line->value == NULL && line->value_len > 0) {
		return blx__error_set(fault, BLX_EINVAL,
			"transaction: %s: no value given, but a length of %zu", path,
			line->value_len);
	}
	if (line->value_len > BLX_VALUE_LEN_MAX) {
		return blx__error_set(fault, BLX_ETOOBIG,
			"transaction: %s: the value has %zu bytes, more than the %d a value may "
			"have",
			path, line->value_len, BLX_VALUE_LEN_MAX);
	}
	return 0;
}

static int line_add(blx_txn *txn, const struct blx__txn_line *line, const char *path,
	blx_error *fault)
{
	int rv = blx__txn_add(&txn->inner, line);

	switch (rv) {
	case 0:
		return 0;
	case BLX_ETOOBIG:
		return blx__error_set(fault, rv,
			"transaction: %s: more than %d lines or %d bytes; use several transactions",
			path, BLX_TXN_OPS_MAX, BLX_TXN_BYTES_MAX);
	case BLX_EINVAL:
		return blx__error_set(fault, rv,
			"transaction: %s: a guard cannot follow the else; add it before", path);
	default:
		return blx__error_set(fault, rv, "transaction: %s: %s", path, blx_strerror(rv));
	}
}

static int add(blx_txn *txn, struct blx__txn_line *line, const char *path)
{
	blx_error fault = BLX_ERROR_INIT;
	uint8_t key[BLX__KEY_LEN_MAX];
	bool dir = false;
	int rv;

	if (txn == NULL) {
		return BLX_EINVAL;
	}
	if (path == NULL) {
		(void)blx__error_set(&fault, BLX_EINVAL, "transaction: no path given");
		return fault_keep(txn, &fault);
	}
	rv = blx__path_parse(path, strlen(path), key, &line->key_len, &dir, &fault);
	line->key = key;
	if (rv == 0) {
		rv = line_check(line, path, dir, &fault);
	}
	if (rv == 0) {
		rv = line_add(txn, line, path, &fault);
	}
	line->key = NULL; /* what was added has a copy */
	return rv == 0 ? 0 : fault_keep(txn, &fault);
}

int blx_txn_if_absent(blx_txn *txn, const char *path)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_ABSENT };

	return add(txn, &line, path);
}

int blx_txn_if_exists(blx_txn *txn, const char *path)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_EXISTS };

	return add(txn, &line, path);
}

int blx_txn_if_value(blx_txn *txn, const char *path, const void *value, size_t len)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_VALUE, .value = value, .value_len = len };

	return add(txn, &line, path);
}

int blx_txn_if_revision(blx_txn *txn, const char *path, uint64_t revision)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_REVISION, .revision = revision };

	return add(txn, &line, path);
}

int blx_txn_if_version(blx_txn *txn, const char *path, uint64_t version)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_VERSION, .revision = version };

	return add(txn, &line, path);
}

int blx_txn_if_fields(blx_txn *txn, const char *path, const char *fields)
{
	struct blx__txn_line line = { .kind = BLX__TXN_IF_FIELDS,
		.value = (const uint8_t *)fields,
		.value_len = fields != NULL ? strlen(fields) : 0 };

	return add(txn, &line, path);
}

int blx_txn_if_children(blx_txn *txn, const char *path, int compare, uint64_t count)
{
	static const uint8_t kinds[] = { [BLX_EQUAL] = BLX__TXN_IF_CHILDREN,
		[BLX_FEWER] = BLX__TXN_IF_FEWER,
		[BLX_MORE] = BLX__TXN_IF_MORE };
	struct blx__txn_line line = { .revision = count };
	blx_error fault = BLX_ERROR_INIT;

	if (txn != NULL && (compare < BLX_EQUAL || compare > BLX_MORE)) {
		(void)blx__error_set(&fault, BLX_EINVAL,
			"transaction: %s: %d is no way to compare children",
			path != NULL ? path : "", compare);
		return fault_keep(txn, &fault);
	}
	line.kind = txn != NULL ? kinds[compare] : kinds[0];
	return add(txn, &line, path);
}

static int group_add(blx_txn *txn, uint8_t kind)
{
	struct blx__txn_line line = { .kind = kind };
	blx_error fault = BLX_ERROR_INIT;
	int rv;

	if (txn == NULL) {
		return BLX_EINVAL;
	}
	rv = line_add(txn, &line, "a group of guards", &fault);
	return rv == 0 ? 0 : fault_keep(txn, &fault);
}

int blx_txn_if_all(blx_txn *txn)
{
	return group_add(txn, BLX__TXN_ALL);
}

int blx_txn_if_any(blx_txn *txn)
{
	return group_add(txn, BLX__TXN_ANY);
}

int blx_txn_if_none(blx_txn *txn)
{
	return group_add(txn, BLX__TXN_NONE);
}

int blx_txn_end(blx_txn *txn)
{
	return group_add(txn, BLX__TXN_END);
}

int blx_txn_put(blx_txn *txn, const char *path, const void *value, size_t len)
{
	struct blx__txn_line line = { .kind = BLX__TXN_PUT, .value = value, .value_len = len };

	return add(txn, &line, path);
}

/* The fault of the conditions is one of the transaction they are for. */
static int conditions_check(
	blx_txn *txn, const char *path, const blx_txn *conditions, const struct blx__buf *keep)
{
	blx_error fault = BLX_ERROR_INIT;
	int rv;

	if (conditions->fault.code != 0) {
		return fault_keep(txn, &conditions->fault);
	}
	rv = blx__buf_ok(keep) ? blx__keep_check(keep->data, keep->len, &fault) : BLX_ENOMEM;
	if (rv != 0) {
		blx_error why = fault;

		(void)blx__error_set(&fault, rv, "transaction: put %s, conditions: %.200s",
			path != NULL ? path : "", rv == BLX_ENOMEM ? "out of memory" : why.message);
		return fault_keep(txn, &fault);
	}
	return 0;
}

int blx_txn_put_while(blx_txn *txn, const char *path, const void *value, size_t len,
	const blx_txn *conditions)
{
	struct blx__txn_line line = { .kind = BLX__TXN_PUT_WHILE,
		.value = value,
		.value_len = len };
	struct blx__buf keep;
	int rv;

	if (txn == NULL || conditions == NULL) {
		return BLX_EINVAL;
	}
	blx__buf_init(&keep);
	blx__keep_encode(&conditions->inner, &keep);
	rv = conditions_check(txn, path, conditions, &keep);
	if (rv == 0) {
		line.keep = keep.data;
		line.keep_len = keep.len;
		rv = add(txn, &line, path);
	}
	blx__buf_finish(&keep);
	return rv;
}

int blx_txn_delete(blx_txn *txn, const char *path)
{
	struct blx__txn_line line = { .kind = BLX__TXN_DELETE };

	return add(txn, &line, path);
}

int blx_txn_delete_tree(blx_txn *txn, const char *path)
{
	struct blx__txn_line line = { .kind = BLX__TXN_DELETE_TREE };

	return add(txn, &line, path);
}

int blx_txn_get(blx_txn *txn, const char *path)
{
	struct blx__txn_line line = { .kind = BLX__TXN_GET };

	return add(txn, &line, path);
}

int blx_txn_else(blx_txn *txn)
{
	blx_error fault = BLX_ERROR_INIT;
	int rv;

	if (txn == NULL) {
		return BLX_EINVAL;
	}
	rv = blx__txn_else(&txn->inner);
	if (rv != 0) {
		(void)blx__error_set(&fault, rv, "transaction: it has an else already");
		return fault_keep(txn, &fault);
	}
	return 0;
}

/* ---- results ------------------------------------------------------------------ */

void blx_txn_result_free(blx_txn_result *result)
{
	if (result != NULL) {
		blx__free(result->ops);
		blx__free(result->bytes);
		blx__free(result);
	}
}

static int result_read(blx_txn_result *result, size_t len)
{
	struct blx__reader reader = blx__reader_of(result->bytes, len);
	struct blx__txn_result_head head;
	size_t i;

	if (blx__txn_result_head_get(&reader, &head) != 0 || head.count > BLX_TXN_OPS_MAX) {
		return BLX_EPROTO;
	}
	result->ops = blx__calloc(head.count > 0 ? head.count : 1, sizeof *result->ops);
	if (result->ops == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < head.count; i++) {
		if (blx__txn_op_result_get(&reader, &result->ops[i]) != 0) {
			return BLX_EPROTO;
		}
	}
	result->succeeded = head.succeeded;
	result->count = head.count;
	return blx__reader_done(&reader) ? 0 : BLX_EPROTO;
}

/*
 * The machine keeps no long reply for a retry: then there is no body. Without
 * an else it is clear all the same that the guards held; with one it is not
 * known which branch was done.
 */
static int result_make(const struct blx__response *response, bool has_else,
	blx_txn_result **ret_result, blx_error *error)
{
	blx_txn_result *result = blx__calloc(1, sizeof *result);
	int rv = result != NULL ? 0 : BLX_ENOMEM;

	if (rv == 0) {
		result->revision = response->revision;
		result->succeeded = true;
		result->bytes = blx__memdup(response->body, response->body_len);
		rv = result->bytes != NULL ? 0 : BLX_ENOMEM;
	}
	if (rv == 0 && response->body_len > 0) {
		rv = result_read(result, response->body_len);
	} else if (rv == 0 && has_else) {
		rv = BLX_EPROTO;
	}
	if (rv != 0) {
		blx_txn_result_free(result);
		return blx__error_set_write(error, rv, BLX_UNKNOWN,
			"transaction: done, but its result cannot be told (%s); the store is at "
			"revision %llu, read there what was done",
			blx_strerror(rv), (unsigned long long)response->revision);
	}
	*ret_result = result;
	return 0;
}

int blx_txn_result_succeeded(const blx_txn_result *result)
{
	return result->succeeded;
}

uint64_t blx_txn_result_revision(const blx_txn_result *result)
{
	return result->revision;
}

size_t blx_txn_result_count(const blx_txn_result *result)
{
	return result->count;
}

int blx_txn_result_at(const blx_txn_result *result, size_t i, blx_txn_op_result *ret_op)
{
	blx_txn_op_result op = { .size = sizeof op };
	const struct blx__txn_op_result *from;

	if (result == NULL || ret_op == NULL || i >= result->count) {
		return BLX_EINVAL;
	}
	from = &result->ops[i];
	op.existed = from->existed;
	op.count = from->count;
	op.value = from->value;
	op.value_len = from->value_len;
	op.revision = from->mod_revision;
	op.create_revision = from->create_revision;
	op.version = from->version;
	BLX__OUT(ret_op, &op);
	return 0;
}

/* ---- committing ---------------------------------------------------------------- */

static int txn_encode(blx_client *client, const blx_txn *txn, struct blx__buf *buf,
	blx_error *error)
{
	if (client == NULL || txn == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"transaction: no client or no transaction given");
	}
	if (txn->fault.code != 0) {
		blx__error_copy(error, &txn->fault);
		return txn->fault.code;
	}
	blx__txn_encode(&txn->inner, buf);
	if (!blx__buf_ok(buf)) {
		return blx__error_set_write(error, BLX_ENOMEM, BLX_NOT_APPLIED,
			"transaction: out of memory");
	}
	return 0;
}

static int verdict(const struct blx__response *response, bool has_else,
	blx_txn_result **ret_result, blx_error *error)
{
	if (response->code == 0) {
		return result_make(response, has_else, ret_result, error);
	}
	if (response->code == BLX_ECONFLICT) {
		(void)blx__error_set_write(error, BLX_ECONFLICT, BLX_NOT_APPLIED,
			response->revision == 0
				? "transaction: a guard did not hold: no value at its path"
				: "transaction: a guard did not hold: at its path is a value of "
				  "revision %llu",
			(unsigned long long)response->revision);
		if (error != NULL) {
			error->revision = response->revision;
		}
		return BLX_ECONFLICT;
	}
	return blx__error_set_write(error, response->code, response->outcome, "transaction: %.*s",
		(int)response->message_len, response->message != NULL ? response->message : "");
}

static int commit(blx_client *client, const blx_txn *txn, const struct blx__ask *ask,
	blx_txn_result **ret_result, blx_error *error)
{
	blx_error why = BLX_ERROR_INIT;
	struct blx__answer answer;
	struct blx__response response;
	int rv = blx__client_write(client, ask, &answer, &why);

	response = (struct blx__response){ .code = rv,
		.outcome = why.outcome != 0 ? why.outcome : BLX_NOT_APPLIED,
		.revision = answer.revision,
		.message = why.message,
		.message_len = strlen(why.message),
		.body = answer.body,
		.body_len = answer.body_len };
	rv = verdict(&response, txn->inner.has_else, ret_result, error);
	blx__answer_finish(&answer);
	return rv;
}

int blx_txn_commit(blx_client *client, const blx_txn *txn, const blx_write_opts *user_opts,
	blx_txn_result **ret_result, blx_error *error)
{
	blx_write_opts opts;
	struct blx__ask ask = { .op = BLX__OP_WRITE };
	struct blx__buf buf;
	int rv;

	if (ret_result == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"transaction: nowhere to put the result");
	}
	BLX__OPTS(&opts, user_opts);
	blx__buf_init(&buf);
	rv = txn_encode(client, txn, &buf, error);
	if (rv == 0) {
		ask.timeout_ms = opts.timeout_ms;
		ask.body = buf.data;
		ask.body_len = buf.len;
		rv = commit(client, txn, &ask, ret_result, error);
	}
	blx__buf_finish(&buf);
	return rv;
}

struct pending {
	blx_txn_cb cb;
	void *data;
	bool has_else;
};

static void on_committed(const struct blx__response *response, void *data)
{
	struct pending pending = *(struct pending *)data;
	blx_error error = BLX_ERROR_INIT;
	blx_txn_result *result = NULL;
	int rv;

	blx__free(data);
	rv = verdict(response, pending.has_else, &result, &error);
	pending.cb(rv, &error, result, pending.data);
}

int blx_txn_commit_async(blx_client *client, const blx_txn *txn, const blx_write_opts *user_opts,
	blx_txn_cb cb, void *data)
{
	blx_write_opts opts;
	struct blx__ask ask = { .op = BLX__OP_WRITE };
	struct pending *pending;
	struct blx__buf buf;
	int rv;

	BLX__OPTS(&opts, user_opts);
	blx__buf_init(&buf);
	rv = cb != NULL ? txn_encode(client, txn, &buf, NULL) : BLX_EINVAL;
	if (rv == 0) {
		pending = blx__malloc(sizeof *pending);
		rv = BLX_ENOMEM;
		if (pending != NULL) {
			*pending = (struct pending){ .cb = cb,
				.data = data,
				.has_else = txn->inner.has_else };
			ask.timeout_ms = opts.timeout_ms;
			ask.body = buf.data;
			ask.body_len = buf.len;
			rv = blx__client_write_start(client, &ask, on_committed, pending);
		}
		if (rv != 0) {
			blx__free(pending);
		}
	}
	blx__buf_finish(&buf);
	return rv;
}

/* ---- batches --------------------------------------------------------------------- */

int blx_batch_create(blx_batch **ret_batch)
{
	return blx_txn_create(ret_batch);
}

int blx_batch_put(blx_batch *batch, const char *path, const void *value, size_t len)
{
	return blx_txn_put(batch, path, value, len);
}

int blx_batch_delete(blx_batch *batch, const char *path)
{
	return blx_txn_delete(batch, path);
}

int blx_batch_commit(blx_client *client, const blx_batch *batch, const blx_write_opts *opts,
	uint64_t *ret_revision, blx_error *error)
{
	blx_txn_result *result;
	int rv = blx_txn_commit(client, batch, opts, &result, error);

	if (rv == 0) {
		if (ret_revision != NULL) {
			*ret_revision = result->revision;
		}
		blx_txn_result_free(result);
	}
	return rv;
}

void blx_batch_destroy(blx_batch *batch)
{
	blx_txn_destroy(batch);
}
