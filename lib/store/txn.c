/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a transaction:
 *
 *	u8 format, varint count, guards, varint count, operations,
 *	u8 has_else, varint count, operations
 *
 * each guard and operation: u8 kind, bytes key, and bytes value or u64 number
 * where the kind has one; bytes conditions behind that of a put-while.
 */
#include "store/txn.h"

#include "base/assert.h"
#include "store/keep.h"
#include "store/txn_impl.h"

#include <string.h>

#define FORMAT 1

bool blx__txn_is_guard(uint8_t kind)
{
	return kind >= BLX__TXN_IF_ABSENT && kind <= BLX__TXN_END;
}

bool blx__txn_is_op(uint8_t kind)
{
	return kind >= BLX__TXN_PUT && kind <= BLX__TXN_PUT_WHILE;
}

static bool has_value(uint8_t kind)
{
	return kind == BLX__TXN_IF_VALUE || kind == BLX__TXN_IF_FIELDS ||
	       kind == BLX__TXN_PUT || kind == BLX__TXN_PUT_WHILE;
}

/* ---- building ------------------------------------------------------------------ */

void blx__txn_init(struct blx__txn *txn)
{
	*txn = (struct blx__txn){.has_else = false};
	blx__buf_init(&txn->guards);
	blx__buf_init(&txn->ops);
	blx__buf_init(&txn->else_ops);
}

void blx__txn_finish(struct blx__txn *txn)
{
	blx__buf_finish(&txn->guards);
	blx__buf_finish(&txn->ops);
	blx__buf_finish(&txn->else_ops);
}

static void line_put(struct blx__buf *buf, const struct blx__txn_line *line)
{
	blx__put_u8(buf, line->kind);
	blx__put_bytes(buf, line->key, line->key_len);
	if (has_value(line->kind)) {
		blx__put_bytes(buf, line->value, line->value_len);
	} else if (blx__txn_has_number(line->kind)) {
		blx__put_u64(buf, line->revision);
	}
	if (line->kind == BLX__TXN_PUT_WHILE) {
		blx__put_bytes(buf, line->keep, line->keep_len);
	}
}

static bool fits(const struct blx__txn *txn, const struct blx__txn_line *line)
{
	uint32_t count = txn->guards_count + txn->ops_count + txn->else_count;
	size_t len = txn->guards.len + txn->ops.len + txn->else_ops.len;
	size_t more = line->key_len + line->keep_len +
		      (has_value(line->kind) ? line->value_len : 0);

	return count < BLX_TXN_OPS_MAX && line->value_len <= BLX_VALUE_LEN_MAX &&
	       line->keep_len <= BLX_KEEP_BYTES_MAX &&
	       len + more + BLX__TXN_LINE_OVERHEAD <= BLX_TXN_BYTES_MAX;
}

int blx__txn_add(struct blx__txn *txn, const struct blx__txn_line *line)
{
	struct blx__buf *buf;

	PRE(blx__txn_is_guard(line->kind) || blx__txn_is_op(line->kind));

	if (blx__txn_is_guard(line->kind) && txn->has_else) {
		return BLX_EINVAL;
	}
	if (!fits(txn, line)) {
		return BLX_ETOOBIG;
	}
	if (blx__txn_is_guard(line->kind)) {
		buf = &txn->guards;
		txn->guards_count++;
	} else if (txn->has_else) {
		buf = &txn->else_ops;
		txn->else_count++;
	} else {
		buf = &txn->ops;
		txn->ops_count++;
	}
	line_put(buf, line);
	return blx__buf_ok(buf) ? 0 : BLX_ENOMEM;
}

int blx__txn_else(struct blx__txn *txn)
{
	if (txn->has_else) {
		return BLX_EINVAL;
	}
	txn->has_else = true;
	return 0;
}

void blx__txn_encode(const struct blx__txn *txn, struct blx__buf *buf)
{
	blx__put_u8(buf, FORMAT);
	blx__put_varint(buf, txn->guards_count);
	blx__buf_append(buf, txn->guards.data, txn->guards.len);
	blx__put_varint(buf, txn->ops_count);
	blx__buf_append(buf, txn->ops.data, txn->ops.len);
	blx__put_u8(buf, txn->has_else);
	blx__put_varint(buf, txn->else_count);
	blx__buf_append(buf, txn->else_ops.data, txn->else_ops.len);
}

/* ---- reading --------------------------------------------------------------------- */

int blx__txn_line_get(struct blx__reader *reader, struct blx__txn_line *ret_line)
{
	struct blx__txn_line line = {.kind = blx__get_u8(reader)};

	if (blx__reader_ok(reader) && !blx__txn_is_guard(line.kind) &&
		!blx__txn_is_op(line.kind)) {
		return BLX_EVERSION;
	}
	line.key = blx__get_bytes(reader, BLX__KEY_LEN_MAX, &line.key_len);
	if (has_value(line.kind)) {
		line.value = blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &line.value_len);
	} else if (blx__txn_has_number(line.kind)) {
		line.revision = blx__get_u64(reader);
	}
	if (line.kind == BLX__TXN_PUT_WHILE) {
		line.keep = blx__get_bytes(reader, BLX_KEEP_BYTES_MAX, &line.keep_len);
	}
	if (!blx__reader_ok(reader)) {
		return BLX_EPROTO;
	}
	*ret_line = line;
	return 0;
}

static int op_check(const struct blx__txn_line *op, blx_error *error)
{
	if (op->key_len == 0 && (op->kind == BLX__TXN_PUT || op->kind == BLX__TXN_DELETE ||
					op->kind == BLX__TXN_PUT_WHILE)) {
		return blx__error_set(
			error, BLX_EINVAL, "/: the root has no value of its own");
	}
	return op->kind == BLX__TXN_PUT_WHILE
		       ? blx__keep_check(op->keep, op->keep_len, error)
		       : 0;
}

/* Goes over count lines, looking at each. */
int blx__txn_section_get(struct blx__reader *reader, struct blx__txn_section *ret_section,
	bool guards, blx_error *error)
{
	uint64_t count = blx__get_varint(reader);
	struct blx__txn_cost cost = {0};
	uint64_t i;

	if (count > BLX_TXN_OPS_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"a transaction of %llu lines; at most %d are allowed",
			(unsigned long long)count, BLX_TXN_OPS_MAX);
	}
	ret_section->count = (uint32_t)count;
	ret_section->at = reader->at;
	ret_section->system = false;
	for (i = 0; i < count; i++) {
		struct blx__txn_line line;
		int rv = blx__txn_line_get(reader, &line);

		if (rv != 0) {
			return blx__error_set(error, rv, "a transaction: line %llu: %s",
				(unsigned long long)i, blx_strerror(rv));
		}
		if (blx__txn_is_guard(line.kind) != guards) {
			return blx__error_set(error, BLX_EPROTO,
				"a transaction: a guard among operations, or the other "
				"way round");
		}
		if (!blx__key_valid(line.key, line.key_len)) {
			return blx__error_set(
				error, BLX_EINVAL, "a transaction: not a valid key");
		}
		ret_section->system =
			ret_section->system || blx__key_is_system(line.key, line.key_len);
		rv = guards ? blx__txn_guard_check(&line, &cost, error)
			    : op_check(&line, error);
		if (rv != 0) {
			return rv;
		}
	}
	return cost.depth == 0 ? 0
			       : blx__error_set(error, BLX_EINVAL,
					 "a transaction: a group of guards has no end");
}

int blx__txn_read(const void *data, size_t len, struct blx__txn_reader *ret_reader,
	blx_error *error)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__txn_reader txn = {.data = data, .len = len};
	uint8_t format = blx__get_u8(&reader);
	uint32_t count;
	int rv;

	if (len > BLX_TXN_BYTES_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"a transaction of %zu bytes; at most %d are allowed", len,
			BLX_TXN_BYTES_MAX);
	}
	if (blx__reader_ok(&reader) && format != FORMAT) {
		return blx__error_set(error, BLX_EVERSION,
			"a transaction of format %u; this version knows %d",
			(unsigned)format, FORMAT);
	}
	rv = blx__txn_section_get(&reader, &txn.guards, true, error);
	if (rv == 0) {
		rv = blx__txn_section_get(&reader, &txn.ops, false, error);
	}
	if (rv == 0) {
		txn.has_else = blx__get_u8(&reader) != 0;
		rv = blx__txn_section_get(&reader, &txn.else_ops, false, error);
	}
	if (rv != 0) {
		return rv;
	}
	if (!blx__reader_done(&reader) || (txn.else_ops.count > 0 && !txn.has_else)) {
		return blx__error_set(error, BLX_EPROTO, "a transaction: malformed");
	}
	count = txn.guards.count + txn.ops.count + txn.else_ops.count;
	if (count > BLX_TXN_OPS_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"a transaction of %u lines; at most %d are allowed", count,
			BLX_TXN_OPS_MAX);
	}
	*ret_reader = txn;
	return 0;
}

int blx__txn_check(const void *data, size_t len, blx_error *error)
{
	struct blx__txn_reader reader;

	return blx__txn_read(data, len, &reader, error);
}

int blx__txn_check_ops(const void *data, size_t len, bool *ret_system, blx_error *error)
{
	struct blx__txn_reader reader;
	int rv = blx__txn_read(data, len, &reader, error);

	*ret_system = rv == 0 && (reader.ops.system || reader.else_ops.system);
	return rv;
}

static bool is_put(const struct blx__txn_line *line)
{
	return line->kind == BLX__TXN_PUT || line->kind == BLX__TXN_PUT_WHILE;
}

static int check_puts(const struct blx__txn_reader *txn, const struct blx__txn_section *section,
	blx__put_check *check, blx_error *error)
{
	struct blx__reader reader = blx__reader_of(txn->data, txn->len);
	int rv = 0;
	uint32_t i;

	reader.at = section->at;
	for (i = 0; rv == 0 && i < section->count; i++) {
		struct blx__txn_line line;

		rv = blx__txn_line_get(&reader, &line);
		if (rv == 0 && is_put(&line)) {
			rv = check(&line, error);
		}
	}
	return rv;
}

int blx__txn_check_puts(const void *data, size_t len, blx__put_check *check, blx_error *error)
{
	struct blx__txn_reader txn;
	int rv = blx__txn_read(data, len, &txn, NULL);

	if (rv == 0) {
		rv = check_puts(&txn, &txn.ops, check, error);
	}
	return rv != 0 ? rv : check_puts(&txn, &txn.else_ops, check, error);
}
