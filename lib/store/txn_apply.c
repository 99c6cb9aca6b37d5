/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "store/keep.h"
#include "store/txn_impl.h"

#include <string.h>

/* One transaction being done. */
struct apply {
	struct blx__tree **tree;
	uint64_t revision;
	struct blx__txn_outcome *outcome;
	struct blx__buf *result;
	const struct blx__txn_changes *changes; /* NULL: nobody is told, or no more */
};

static struct blx__reader section_reader(
	const struct blx__txn_reader *txn, const struct blx__txn_section *section)
{
	struct blx__reader reader = blx__reader_of(txn->data, txn->len);

	reader.at = section->at;
	return reader;
}

static struct blx__txn_line next_line(struct blx__reader *reader)
{
	struct blx__txn_line line;
	int rv = blx__txn_line_get(reader, &line);

	INVARIANT(rv == 0); /* was looked at */
	return line;
}

/* ---- operations ---------------------------------------------------------------------
 */

static void result_head(struct blx__buf *result, const struct blx__txn_result_head *head)
{
	blx__put_u8(result, head->succeeded);
	blx__put_varint(result, head->count);
}

static void tell(struct apply *apply, struct blx__item *old_item, struct blx__item *new_item)
{
	if (apply->changes != NULL &&
		!apply->changes->cb(apply->changes->data, old_item, new_item)) {
		apply->changes = NULL;
	}
}

/* What is at the key, held if somebody is to be told of it when it is gone. */
static struct blx__item *hold_old(struct apply *apply, const struct blx__txn_line *op)
{
	struct blx__item *item = blx__tree_get(*apply->tree, op->key, op->key_len);

	if (item == NULL || apply->changes == NULL) {
		return NULL;
	}
	blx__item_ref(item);
	return item;
}

static void drop_old(struct blx__item *item)
{
	if (item != NULL) {
		blx__item_unref(item);
	}
}

/* What is put. A put that says nothing of conditions leaves those that there are. */
static struct blx__item *item_of(const struct blx__txn_line *op, const struct blx__item *old)
{
	struct blx__item_parts parts = {.key = op->key,
		.key_len = op->key_len,
		.value = op->value,
		.value_len = op->value_len};

	if (op->kind == BLX__TXN_PUT_WHILE && !blx__keep_is_none(op->keep, op->keep_len)) {
		parts.keep = op->keep;
		parts.keep_len = op->keep_len;
	} else if (op->kind == BLX__TXN_PUT && old != NULL) {
		parts.keep = blx__item_keep(old);
		parts.keep_len = old->keep_len;
	}
	return blx__item_create_of(&parts);
}

static int op_put(struct apply *apply, const struct blx__txn_line *op)
{
	const struct blx__item *old = blx__tree_get(*apply->tree, op->key, op->key_len);
	struct blx__item *held = hold_old(apply, op);
	struct blx__item *item = item_of(op, old);
	bool existed = old != NULL;
	int rv;

	if (item == NULL) {
		drop_old(held);
		return BLX_ENOMEM;
	}
	item->create_revision = existed ? old->create_revision : apply->revision;
	item->mod_revision = apply->revision;
	item->version = existed ? old->version + 1 : 1;
	rv = blx__tree_put(apply->tree, item);
	if (rv != 0) {
		blx__item_unref(item);
	} else {
		apply->outcome->changed = true;
		blx__put_u8(apply->result, existed);
		tell(apply, held, item);
	}
	drop_old(held);
	return rv;
}

static int op_delete(struct apply *apply, const struct blx__txn_line *op)
{
	struct blx__item *held = hold_old(apply, op);
	bool found;
	int rv = blx__tree_delete(apply->tree, op->key, op->key_len, &found);

	if (rv == 0) {
		apply->outcome->changed = apply->outcome->changed || found;
		blx__put_u8(apply->result, found);
	}
	if (rv == 0 && held != NULL) {
		tell(apply, held, NULL);
	}
	drop_old(held);
	return rv;
}

static bool is_at_or_below(const struct blx__item *item, const struct blx__txn_line *op)
{
	if (op->key_len == 0) {
		return true;
	}
	return item->key_len >= op->key_len &&
	       memcmp(blx__item_key(item), op->key, op->key_len) == 0 &&
	       (item->key_len == op->key_len ||
		       blx__item_key(item)[op->key_len] == BLX__KEY_SEPARATOR);
}

/* What was at the key and below it, in order of the keys. before is the tree as it was. */
static void tell_tree(struct apply *apply, const struct blx__tree *before,
	const struct blx__txn_line *op)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, before, op->key, op->key_len);

	while (apply->changes != NULL && item != NULL && is_at_or_below(item, op)) {
		tell(apply, item, NULL);
		item = blx__cursor_next(&cursor);
	}
}

static int op_delete_tree(struct apply *apply, const struct blx__txn_line *op)
{
	struct blx__tree *before = apply->changes != NULL ? blx__tree_ref(*apply->tree) : NULL;
	uint64_t count = 0;
	int rv = blx__tree_delete_tree(apply->tree, op->key, op->key_len, &count);

	if (rv == 0) {
		apply->outcome->changed = apply->outcome->changed || count > 0;
		blx__put_u8(apply->result, count > 0);
		blx__put_varint(apply->result, count);
	}
	if (rv == 0 && count > 0 && before != NULL) {
		tell_tree(apply, before, op);
	}
	blx__tree_unref(before);
	return rv;
}

static int op_get(struct apply *apply, const struct blx__txn_line *op)
{
	const struct blx__item *item = blx__tree_get(*apply->tree, op->key, op->key_len);

	if (item == NULL) {
		blx__put_u8(apply->result,
			blx__tree_has_below(*apply->tree, op->key, op->key_len) ? 2 : 0);
		return 0;
	}
	blx__put_u8(apply->result, 1);
	blx__put_varint(apply->result, item->create_revision);
	blx__put_varint(apply->result, item->mod_revision);
	blx__put_varint(apply->result, item->version);
	blx__put_bytes(apply->result, blx__item_value(item), blx__item_value_len(item));
	return 0;
}

static int op_do(struct apply *apply, const struct blx__txn_line *op)
{
	blx__put_u8(apply->result, op->kind);
	switch (op->kind) {
	case BLX__TXN_PUT:
	case BLX__TXN_PUT_WHILE:
		return op_put(apply, op);
	case BLX__TXN_DELETE:
		return op_delete(apply, op);
	case BLX__TXN_DELETE_TREE:
		return op_delete_tree(apply, op);
	case BLX__TXN_GET:
		return op_get(apply, op);
	default:
		IMPOSSIBLE("an operation of no known kind");
	}
}

/* What the gets may bring at most, with what the puts before them may have put there: the
 * answer must have a bound, and whether it has is told before anything is done. */
static bool answer_fits(struct apply *apply, const struct blx__txn_reader *txn,
	const struct blx__txn_section *section)
{
	struct blx__reader reader = section_reader(txn, section);
	size_t put_max = 0;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < section->count; i++) {
		struct blx__txn_line op = next_line(&reader);
		const struct blx__item *item;
		size_t len;

		if (op.kind != BLX__TXN_GET && op.value_len > put_max) {
			put_max = op.value_len;
		}
		if (op.kind == BLX__TXN_GET) {
			item = blx__tree_get(*apply->tree, op.key, op.key_len);
			len = item != NULL ? item->value_len : 0;
			sum += (len > put_max ? len : put_max) + BLX__TXN_LINE_OVERHEAD;
		}
	}
	return sum <= BLX_TXN_BYTES_MAX;
}

static int branch_do(
	struct apply *apply, const struct blx__txn_reader *txn, bool succeeded)
{
	const struct blx__txn_section *section = succeeded ? &txn->ops : &txn->else_ops;
	struct blx__reader reader = section_reader(txn, section);
	uint32_t i;
	int rv = 0;

	if (!answer_fits(apply, txn, section)) {
		apply->outcome->code = BLX_ETOOBIG;
		return 0;
	}
	result_head(apply->result, &(struct blx__txn_result_head){.succeeded = succeeded,
					   .count = section->count});
	for (i = 0; rv == 0 && i < section->count; i++) {
		struct blx__txn_line op = next_line(&reader);

		rv = op_do(apply, &op);
	}
	return rv != 0 ? rv : blx__buf_ok(apply->result) ? 0 : BLX_ENOMEM;
}

int blx__txn_apply_to(const struct blx__txn_target *target, const void *data, size_t len,
	struct blx__txn_outcome *ret_outcome, struct blx__buf *result)
{
	struct apply apply = {.tree = target->tree,
		.revision = target->revision,
		.outcome = ret_outcome,
		.result = result,
		.changes = target->changes};
	struct blx__txn_reader txn;
	struct blx__reader reader;
	struct blx__txn_verdict verdict;
	int rv;

	*ret_outcome =
		(struct blx__txn_outcome){.code = blx__txn_read(data, len, &txn, NULL)};
	if (ret_outcome->code != 0) {
		return 0;
	}
	reader = section_reader(&txn, &txn.guards);
	rv = blx__txn_guards_hold(*target->tree, &reader, txn.guards.count, &verdict);
	if (rv != 0) {
		return rv;
	}
	ret_outcome->conflict_revision = verdict.conflict_revision;
	if (!verdict.held && !txn.has_else) {
		ret_outcome->code = BLX_ECONFLICT;
		return 0;
	}
	return branch_do(&apply, &txn, verdict.held);
}

int blx__txn_apply(struct blx__tree **tree, const void *data, size_t len,
	uint64_t revision, struct blx__txn_outcome *ret_outcome, struct blx__buf *result)
{
	struct blx__txn_target target = {.tree = tree, .revision = revision};

	return blx__txn_apply_to(&target, data, len, ret_outcome, result);
}

/* ---- results
 * ---------------------------------------------------------------------------- */

int blx__txn_result_head_get(
	struct blx__reader *reader, struct blx__txn_result_head *ret_head)
{
	struct blx__txn_result_head head = {.succeeded = blx__get_u8(reader) != 0};
	uint64_t count = blx__get_varint(reader);

	if (!blx__reader_ok(reader) || count > BLX_TXN_OPS_MAX) {
		return BLX_EPROTO;
	}
	head.count = (uint32_t)count;
	*ret_head = head;
	return 0;
}

int blx__txn_op_result_get(
	struct blx__reader *reader, struct blx__txn_op_result *ret_result)
{
	struct blx__txn_op_result result = {
		.kind = blx__get_u8(reader), .existed = blx__get_u8(reader)};

	if (result.kind == BLX__TXN_DELETE_TREE) {
		result.count = blx__get_varint(reader);
	} else if (result.kind == BLX__TXN_GET && result.existed == 1) {
		result.create_revision = blx__get_varint(reader);
		result.mod_revision = blx__get_varint(reader);
		result.version = blx__get_varint(reader);
		result.value =
			blx__get_bytes(reader, BLX_VALUE_LEN_MAX, &result.value_len);
	}
	if (!blx__reader_ok(reader) || !blx__txn_is_op(result.kind)) {
		return BLX_EPROTO;
	}
	*ret_result = result;
	return 0;
}
