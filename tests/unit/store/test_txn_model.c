/* SPDX-License-Identifier: Apache-2.0 */
/* Random transactions, done by the library and by a plain model of what they mean. */
#include "store/txn.h"

#include "base/rng.h"
#include "oracle.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 5, KEY_SIZE = 32, VALUE_SIZE = 24 };

/* One line with the memory it points to. */
struct text_line {
	struct blx__txn_line line;
	uint8_t key[KEY_SIZE];
	uint8_t value[VALUE_SIZE];
};

struct plan {
	struct text_line guards[LINES_MAX];
	struct text_line ops[LINES_MAX];
	struct text_line else_ops[LINES_MAX];
	unsigned guards_count;
	unsigned ops_count;
	unsigned else_count;
	bool has_else;
};

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 20261128;
}

/* Directories of few names, so that lines of one transaction meet. */
static void random_line(
	struct blx__rng *rng, uint8_t kind, uint64_t revision, struct text_line *ret)
{
	unsigned dir = (unsigned)blx__rng_below(rng, 30);
	unsigned name = (unsigned)blx__rng_below(rng, 40);
	int len = name == 0 ? snprintf((char *)ret->key, KEY_SIZE, "d%u", dir)
			    : snprintf((char *)ret->key, KEY_SIZE, "d%u%cname%u", dir,
				      BLX__KEY_SEPARATOR, name);

	memset(ret->value, (int)('a' + blx__rng_below(rng, 2)), VALUE_SIZE);
	ret->line = (struct blx__txn_line){.kind = kind,
		.key = ret->key,
		.key_len = (size_t)len,
		.value = ret->value,
		.value_len = blx__rng_below(rng, 3),
		.revision = blx__rng_below(rng, 3) == 0
				    ? 0
				    : blx__rng_below(rng, revision + 1)};
}

static unsigned random_ops(struct blx__rng *rng, struct text_line *ops, unsigned min)
{
	static const uint8_t kinds[] = {BLX__TXN_PUT, BLX__TXN_PUT, BLX__TXN_PUT,
		BLX__TXN_PUT, BLX__TXN_PUT, BLX__TXN_DELETE, BLX__TXN_GET, BLX__TXN_GET};
	unsigned count = min + (unsigned)blx__rng_below(rng, LINES_MAX - min + 1);
	unsigned i;

	for (i = 0; i < count; i++) {
		uint8_t kind = blx__rng_below(rng, 60) == 0
				       ? BLX__TXN_DELETE_TREE
				       : kinds[blx__rng_below(rng, sizeof kinds)];

		random_line(rng, kind, 0, &ops[i]);
	}
	return count;
}

static void random_plan(struct blx__rng *rng, uint64_t revision, struct plan *ret_plan)
{
	unsigned i;

	ret_plan->guards_count = (unsigned)blx__rng_below(rng, 3);
	for (i = 0; i < ret_plan->guards_count; i++) {
		random_line(rng, (uint8_t)(BLX__TXN_IF_ABSENT + blx__rng_below(rng, 4)),
			revision, &ret_plan->guards[i]);
	}
	ret_plan->ops_count = random_ops(rng, ret_plan->ops, 1);
	ret_plan->has_else = blx__rng_below(rng, 2) == 0;
	ret_plan->else_count =
		ret_plan->has_else ? random_ops(rng, ret_plan->else_ops, 0) : 0;
}

static void add_all(struct blx__txn *txn, const struct text_line *lines, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		cr_assert_eq(blx__txn_add(txn, &lines[i].line), 0);
	}
}

static void encode(const struct plan *plan, struct blx__buf *bytes)
{
	struct blx__txn txn;

	blx__txn_init(&txn);
	add_all(&txn, plan->guards, plan->guards_count);
	add_all(&txn, plan->ops, plan->ops_count);
	if (plan->has_else) {
		cr_assert_eq(blx__txn_else(&txn), 0);
		add_all(&txn, plan->else_ops, plan->else_count);
	}
	blx__txn_encode(&txn, bytes);
	cr_assert(blx__buf_ok(bytes));
	blx__txn_finish(&txn);
}

/* ---- the model ----------------------------------------------------------------------
 */

static struct blx__item *model_at(
	const struct oracle *model, const struct blx__txn_line *line)
{
	bool found;
	size_t i = oracle_find(model, line->key, line->key_len, &found);

	return found ? model->items[i] : NULL;
}

static bool model_guard(const struct oracle *model, const struct blx__txn_line *guard,
	uint64_t *ret_standing)
{
	const struct blx__item *item = model_at(model, guard);

	*ret_standing = item != NULL ? item->mod_revision : 0;
	switch (guard->kind) {
	case BLX__TXN_IF_ABSENT:
		return item == NULL;
	case BLX__TXN_IF_EXISTS:
		return item != NULL;
	case BLX__TXN_IF_VALUE:
		return item != NULL && item->value_len == guard->value_len &&
		       memcmp(blx__item_value(item), guard->value, guard->value_len) == 0;
	default:
		return *ret_standing == guard->revision;
	}
}

/* Puts it, with what the transaction must have made of it. */
static void model_put(
	struct oracle *model, const struct blx__txn_line *op, uint64_t revision)
{
	const struct blx__item *old = model_at(model, op);
	struct blx__item *item =
		blx__item_create(op->key, op->key_len, op->value, op->value_len);

	item->create_revision = old != NULL ? old->create_revision : revision;
	item->mod_revision = revision;
	item->version = old != NULL ? old->version + 1 : 1;
	oracle_put(model, item);
	blx__item_unref(item);
}

static void model_get(const struct oracle *model, const struct blx__txn_line *op,
	const struct blx__txn_op_result *result)
{
	const struct blx__item *item = model_at(model, op);

	if (item == NULL) {
		cr_assert_eq(result->existed,
			oracle_has_below(model, op->key, op->key_len) ? 2 : 0);
		cr_assert_null(result->value);
		return;
	}
	cr_assert_eq(result->existed, 1);
	cr_assert_eq(result->create_revision, item->create_revision);
	cr_assert_eq(result->mod_revision, item->mod_revision);
	cr_assert_eq(result->version, item->version);
	cr_assert_eq(result->value_len, item->value_len);
	cr_assert_eq(memcmp(result->value, blx__item_value(item), item->value_len), 0);
}

/* Does the operation to the model, and compares what the library says it did. True: it
 * changed something. */
static bool model_op(struct oracle *model, const struct blx__txn_line *op,
	uint64_t revision, const struct blx__txn_op_result *result)
{
	bool existed = model_at(model, op) != NULL;
	uint64_t count;
	bool found;

	cr_assert_eq(result->kind, op->kind);
	switch (op->kind) {
	case BLX__TXN_PUT:
		cr_assert_eq(result->existed, existed);
		model_put(model, op, revision);
		return true;
	case BLX__TXN_DELETE:
		cr_assert_eq(result->existed, existed);
		if (existed) {
			oracle_remove(
				model, oracle_find(model, op->key, op->key_len, &found));
		}
		return existed;
	case BLX__TXN_DELETE_TREE:
		count = oracle_remove_tree(model, op->key, op->key_len);
		cr_assert_eq(result->count, count);
		cr_assert_eq(result->existed, count > 0);
		return count > 0;
	default:
		model_get(model, op, result);
		return false;
	}
}

/* The same to the model as was done to the tree, comparing the answers. */
static void model_apply(struct oracle *model, const struct plan *plan, uint64_t revision,
	const struct blx__txn_outcome *outcome, const struct blx__buf *answer)
{
	struct blx__reader reader = blx__reader_of(answer->data, answer->len);
	struct blx__txn_result_head head;
	uint64_t standing = 0;
	bool changed = false;
	bool held = true;
	unsigned i;

	for (i = 0; held && i < plan->guards_count; i++) {
		held = model_guard(model, &plan->guards[i].line, &standing);
	}
	if (!held) {
		cr_assert_eq(outcome->conflict_revision, standing);
	}
	if (!held && !plan->has_else) {
		cr_assert_eq(outcome->code, BLX_ECONFLICT);
		cr_assert_not(outcome->changed);
		cr_assert_eq(answer->len, 0);
		return;
	}
	cr_assert_eq(outcome->code, 0);
	cr_assert_eq(blx__txn_result_head_get(&reader, &head), 0);
	cr_assert_eq(head.succeeded, held);
	cr_assert_eq(head.count, held ? plan->ops_count : plan->else_count);
	for (i = 0; i < head.count; i++) {
		const struct text_line *op = held ? &plan->ops[i] : &plan->else_ops[i];
		struct blx__txn_op_result result;

		cr_assert_eq(blx__txn_op_result_get(&reader, &result), 0);
		changed = model_op(model, &op->line, revision, &result) || changed;
	}
	cr_assert(blx__reader_done(&reader));
	cr_assert_eq(outcome->changed, changed);
}

/* The library's items and the model's are others: compared by what is in them. */
static void contents_equal(const struct oracle *model, const struct blx__tree *tree)
{
	struct blx__cursor cursor;
	const struct blx__item *item = blx__cursor_seek(&cursor, tree, NULL, 0);
	size_t i;

	for (i = 0; i < model->count; i++) {
		const struct blx__item *other = model->items[i];

		cr_assert_not_null(item);
		cr_assert_eq(item->key_len, other->key_len);
		cr_assert_eq(item->value_len, other->value_len);
		cr_assert_eq(memcmp(item->bytes, other->bytes,
				     item->key_len + item->value_len),
			0);
		cr_assert_eq(item->create_revision, other->create_revision);
		cr_assert_eq(item->mod_revision, other->mod_revision);
		cr_assert_eq(item->version, other->version);
		item = blx__cursor_next(&cursor);
	}
	cr_assert_null(item);
}

/* About a million lines. Now and then a root is held, as an image does. */
Test(txn, random_ones_do_what_a_plain_model_does)
{
	enum { TXNS = 250000 };
	struct oracle model = {.items = NULL};
	struct blx__tree *pin = NULL;
	struct blx__tree *tree;
	struct blx__buf bytes;
	struct blx__buf answer;
	struct blx__rng rng;
	uint64_t pin_hash = 0;
	uint64_t revision = 0;
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed_of());
	blx__rng_init(&rng, seed_of());
	cr_assert_eq(blx__tree_create(&tree), 0);
	blx__buf_init(&bytes);
	blx__buf_init(&answer);
	for (i = 0; i < TXNS; i++) {
		struct blx__txn_outcome outcome;
		struct plan plan;

		random_plan(&rng, revision, &plan);
		blx__buf_reset(&bytes);
		blx__buf_reset(&answer);
		encode(&plan, &bytes);
		cr_assert_eq(blx__txn_check(bytes.data, bytes.len, NULL), 0);
		cr_assert_eq(blx__txn_apply(&tree, bytes.data, bytes.len, revision + 1,
				     &outcome, &answer),
			0);
		model_apply(&model, &plan, revision + 1, &outcome, &answer);
		revision += outcome.changed;
		oracle_sums_equal(&model, tree);
		if (i % 1000 == 0) {
			contents_equal(&model, tree);
			if (pin != NULL) {
				cr_assert_eq(blx__tree_hash(pin), pin_hash);
			}
			blx__tree_unref(pin);
			pin = i % 3000 != 0 ? blx__tree_ref(tree) : NULL;
			pin_hash = blx__tree_hash(tree);
		}
	}
	cr_assert_gt(revision, TXNS / 3);
	cr_assert_lt(revision, TXNS);
	blx__tree_unref(pin);
	blx__tree_unref(tree);
	oracle_finish(&model);
	blx__buf_finish(&bytes);
	blx__buf_finish(&answer);
}
