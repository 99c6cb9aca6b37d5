/* SPDX-License-Identifier: Apache-2.0 */
#include "store/txn.h"

#include "base/rng.h"
#include "support/test.h"

#include <string.h>

static struct blx__tree *tree;
static struct blx__txn txn;
static uint64_t revision;

static void begin(void)
{
	cr_assert_eq(blx__tree_create(&tree), 0);
	blx__txn_init(&txn);
	revision = 0;
}

static void end(void)
{
	blx__tree_unref(tree);
	blx__txn_finish(&txn);
}

static struct blx__txn_line line(uint8_t kind, const char *key, const char *value)
{
	return (struct blx__txn_line){.kind = kind,
		.key = (const uint8_t *)key,
		.key_len = strlen(key),
		.value = (const uint8_t *)value,
		.value_len = value != NULL ? strlen(value) : 0};
}

static void add(uint8_t kind, const char *key, const char *value)
{
	struct blx__txn_line one = line(kind, key, value);

	cr_assert_eq(blx__txn_add(&txn, &one), 0);
}

/* Applies what was built and begins anew; the result goes to buf. */
static struct blx__txn_outcome commit(struct blx__buf *result)
{
	struct blx__txn_outcome outcome;
	struct blx__buf bytes;

	blx__buf_init(&bytes);
	blx__txn_encode(&txn, &bytes);
	cr_assert_eq(blx__txn_check(bytes.data, bytes.len, NULL), 0);
	cr_assert_eq(blx__txn_apply(&tree, bytes.data, bytes.len, revision + 1, &outcome,
			     result),
		0);
	revision += outcome.changed;
	blx__buf_finish(&bytes);
	blx__txn_finish(&txn);
	blx__txn_init(&txn);
	return outcome;
}

static struct blx__item *at(const char *key)
{
	return blx__tree_get(tree, (const uint8_t *)key, strlen(key));
}

static void put(const char *key, const char *value)
{
	struct blx__buf result;

	blx__buf_init(&result);
	add(BLX__TXN_PUT, key, value);
	cr_assert_eq(commit(&result).code, 0);
	blx__buf_finish(&result);
}

Test(txn, a_put_counts_versions_and_keeps_the_creation, .init = begin, .fini = end)
{
	put("a", "1");
	put("b", "x");
	put("a", "2");

	cr_assert_eq(at("a")->create_revision, 1);
	cr_assert_eq(at("a")->mod_revision, 3);
	cr_assert_eq(at("a")->version, 2);
	cr_assert_eq(at("b")->version, 1);
}

Test(txn, a_failed_guard_changes_nothing_and_tells_what_stands_there, .init = begin,
	.fini = end)
{
	struct blx__txn_outcome outcome;
	struct blx__buf result;

	blx__buf_init(&result);
	put("a", "1");
	add(BLX__TXN_IF_VALUE, "a", "2");
	add(BLX__TXN_PUT, "a", "3");

	outcome = commit(&result);

	cr_assert_eq(outcome.code, BLX_ECONFLICT);
	cr_assert_eq(outcome.conflict_revision, 1);
	cr_assert_not(outcome.changed);
	cr_assert_eq(revision, 1);
	cr_assert_arr_eq(blx__item_value(at("a")), "1", 1);
	blx__buf_finish(&result);
}

Test(txn, the_else_branch_is_done_when_a_guard_fails, .init = begin, .fini = end)
{
	struct blx__txn_result_head head;
	struct blx__txn_op_result op;
	struct blx__reader reader;
	struct blx__buf result;

	blx__buf_init(&result);
	put("a", "1");
	add(BLX__TXN_IF_ABSENT, "a", NULL);
	add(BLX__TXN_PUT, "a", "2");
	cr_assert_eq(blx__txn_else(&txn), 0);
	cr_assert_eq(blx__txn_else(&txn), BLX_EINVAL);
	add(BLX__TXN_GET, "a", NULL);

	cr_assert_eq(commit(&result).code, 0);

	reader = blx__reader_of(result.data, result.len);
	cr_assert_eq(blx__txn_result_head_get(&reader, &head), 0);
	cr_assert_not(head.succeeded);
	cr_assert_eq(head.count, 1);
	cr_assert_eq(blx__txn_op_result_get(&reader, &op), 0);
	cr_assert_eq(op.existed, 1);
	cr_assert_eq(op.value_len, 1);
	cr_assert_arr_eq(op.value, "1", 1);
	cr_assert(blx__reader_done(&reader));
	cr_assert_eq(revision, 1);
	blx__buf_finish(&result);
}

Test(txn, later_operations_see_earlier_ones, .init = begin, .fini = end)
{
	struct blx__txn_result_head head;
	struct blx__txn_op_result op;
	struct blx__reader reader;
	struct blx__buf result;
	unsigned i;

	blx__buf_init(&result);
	add(BLX__TXN_PUT, "d\0x", NULL);
	blx__txn_finish(&txn);
	blx__txn_init(&txn);
	add(BLX__TXN_PUT, "a", "1");
	add(BLX__TXN_GET, "a", NULL);
	add(BLX__TXN_DELETE, "a", NULL);
	add(BLX__TXN_DELETE, "a", NULL);

	cr_assert_eq(commit(&result).code, 0);

	reader = blx__reader_of(result.data, result.len);
	cr_assert_eq(blx__txn_result_head_get(&reader, &head), 0);
	cr_assert_eq(head.count, 4);
	for (i = 0; i < 4; i++) {
		static const uint8_t existed[] = {0, 1, 1, 0};

		cr_assert_eq(blx__txn_op_result_get(&reader, &op), 0);
		cr_assert_eq(op.existed, existed[i]);
	}
	cr_assert_null(at("a"));
	cr_assert_eq(revision, 1);
	blx__buf_finish(&result);
}

Test(txn, that_finds_nothing_to_change_uses_up_no_revision, .init = begin, .fini = end)
{
	struct blx__buf result;

	blx__buf_init(&result);
	add(BLX__TXN_DELETE, "a", NULL);
	add(BLX__TXN_DELETE_TREE, "b", NULL);
	add(BLX__TXN_GET, "c", NULL);

	cr_assert_not(commit(&result).changed);
	cr_assert_eq(revision, 0);
	blx__buf_finish(&result);
}

Test(txn, whose_answer_would_have_no_bound_is_refused_before_it_does_anything,
	.init = begin, .fini = end)
{
	static char big[BLX_VALUE_LEN_MAX];
	struct blx__txn_line one = {.kind = BLX__TXN_PUT,
		.key = (const uint8_t *)"big",
		.key_len = 3,
		.value = (const uint8_t *)big,
		.value_len = sizeof big};
	struct blx__buf result;
	unsigned i;

	blx__buf_init(&result);
	cr_assert_eq(blx__txn_add(&txn, &one), 0);
	for (i = 0; i < 10; i++) {
		add(BLX__TXN_GET, "big", NULL);
	}

	cr_assert_eq(commit(&result).code, BLX_ETOOBIG);

	cr_assert_null(at("big"));
	blx__buf_finish(&result);
}

Test(txn, has_a_bound_in_lines_and_in_bytes, .init = begin, .fini = end)
{
	static char big[BLX_VALUE_LEN_MAX + 1];
	struct blx__txn_line one = line(BLX__TXN_GET, "a", NULL);
	unsigned i;

	for (i = 0; i < BLX_TXN_OPS_MAX; i++) {
		cr_assert_eq(blx__txn_add(&txn, &one), 0);
	}
	cr_assert_eq(blx__txn_add(&txn, &one), BLX_ETOOBIG);
	blx__txn_finish(&txn);
	blx__txn_init(&txn);
	one.kind = BLX__TXN_PUT;
	one.value = (const uint8_t *)big;
	one.value_len = sizeof big;
	cr_assert_eq(blx__txn_add(&txn, &one), BLX_ETOOBIG);
	one.value_len--;
	for (i = 0; i < 3; i++) {
		cr_assert_eq(blx__txn_add(&txn, &one), 0);
	}
	cr_assert_eq(blx__txn_add(&txn, &one), BLX_ETOOBIG);
}

/* As count lines of the kind, each of the key "a". */
static void put_section(struct blx__buf *bytes, uint8_t kind, unsigned count)
{
	blx__put_varint(bytes, count);
	while (count-- > 0) {
		blx__put_u8(bytes, kind);
		blx__put_bytes(bytes, "a", 1);
	}
}

/* The builder lets none of these be made: this is what comes from elsewhere. */
Test(txn, lines_are_counted_over_guards_and_both_branches)
{
	static const unsigned else_counts[] = {4, 5};
	unsigned i;

	for (i = 0; i < 2; i++) {
		struct blx__buf bytes;

		blx__buf_init(&bytes);
		blx__put_u8(&bytes, 1);
		put_section(&bytes, BLX__TXN_IF_EXISTS, 500);
		put_section(&bytes, BLX__TXN_GET, BLX_TXN_OPS_MAX - 504);
		blx__put_u8(&bytes, 1);
		put_section(&bytes, BLX__TXN_GET, else_counts[i]);

		cr_assert_eq(blx__txn_check(bytes.data, bytes.len, NULL),
			i == 0 ? 0 : BLX_ETOOBIG);
		blx__buf_finish(&bytes);
	}
}

/* A transaction with a line of each kind. */
static void sample(struct blx__buf *bytes)
{
	struct blx__txn_line one = line(BLX__TXN_IF_REVISION, "r", NULL);

	one.revision = 7;
	add(BLX__TXN_IF_ABSENT, "a", NULL);
	add(BLX__TXN_IF_EXISTS, "b", NULL);
	add(BLX__TXN_IF_VALUE, "c", "value");
	cr_assert_eq(blx__txn_add(&txn, &one), 0);
	add(BLX__TXN_PUT, "d", "value");
	add(BLX__TXN_DELETE, "e", NULL);
	cr_assert_eq(blx__txn_else(&txn), 0);
	add(BLX__TXN_DELETE_TREE, "f", NULL);
	add(BLX__TXN_GET, "g", NULL);
	blx__buf_init(bytes);
	blx__txn_encode(&txn, bytes);
}

Test(txn, cut_short_anywhere_is_refused, .init = begin, .fini = end)
{
	struct blx__buf bytes;
	size_t len;

	sample(&bytes);

	cr_assert_eq(blx__txn_check(bytes.data, bytes.len, NULL), 0);
	for (len = 0; len < bytes.len; len++) {
		cr_assert_lt(blx__txn_check(bytes.data, len, NULL), 0, "%zu", len);
	}
	blx__buf_finish(&bytes);
}

Test(txn, of_damaged_bytes_is_refused_alike_by_check_and_apply, .init = begin,
	.fini = end)
{
	struct blx__txn_outcome outcome;
	struct blx__buf result;
	struct blx__buf bytes;
	struct blx__rng rng;
	unsigned i;

	sample(&bytes);
	blx__buf_init(&result);
	blx__rng_init(&rng, 3);
	for (i = 0; i < 100000; i++) {
		uint8_t copy[256];
		uint64_t flips = 1 + blx__rng_below(&rng, 3);
		int rv;

		memcpy(copy, bytes.data, bytes.len);
		while (flips-- > 0) {
			copy[blx__rng_below(&rng, bytes.len)] =
				(uint8_t)blx__rng_u64(&rng);
		}
		rv = blx__txn_check(copy, bytes.len, NULL);
		blx__buf_reset(&result);
		cr_assert_eq(
			blx__txn_apply(&tree, copy, bytes.len, 1, &outcome, &result), 0);
		if (rv != 0) {
			cr_assert_eq(outcome.code, rv);
		}
	}
	blx__buf_finish(&bytes);
	blx__buf_finish(&result);
}
