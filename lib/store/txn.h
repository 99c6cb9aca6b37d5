/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: guards, operations and else-operations as bytes, and what they
 * do to a tree. Pure. Numbers of kinds are on disk and on the wire: never
 * reused. What a transaction may not do is refused by blx__txn_check(), before
 * it is logged; blx__txn_apply() survives any bytes all the same, by refusing
 * them the same way on every replica.
 */
#ifndef BLX_STORE_TXN_H
#define BLX_STORE_TXN_H

#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "store/tree.h"

#include <blixard/txn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum blx__txn_kind {
	/* guards */
	BLX__TXN_IF_ABSENT = 1,
	BLX__TXN_IF_EXISTS = 2,
	BLX__TXN_IF_VALUE = 3,
	BLX__TXN_IF_REVISION = 4, /* 0: absent */
	BLX__TXN_IF_VERSION = 5,  /* likewise */
	BLX__TXN_IF_FIELDS = 6,   /* value: a JSON object, the fields that must be so */
	BLX__TXN_IF_CHILDREN = 7, /* so many */
	BLX__TXN_IF_FEWER = 8,
	BLX__TXN_IF_MORE = 9,
	/* what follows up to its END counts as one guard; no key */
	BLX__TXN_ALL = 10,
	BLX__TXN_ANY = 11,
	BLX__TXN_NONE = 12,
	BLX__TXN_END = 13,
	/* operations */
	BLX__TXN_PUT = 64,
	BLX__TXN_DELETE = 65,
	BLX__TXN_DELETE_TREE = 66,
	BLX__TXN_GET = 67,
	BLX__TXN_PUT_WHILE = 68 /* a put that says while what it lives, store/keep.h */
};

struct blx__txn_line {
	uint8_t kind;
	const uint8_t *key; /* borrowed */
	size_t key_len;
	const uint8_t *value; /* borrowed; PUT, PUT_WHILE, IF_VALUE, IF_FIELDS */
	size_t value_len;
	const uint8_t *keep; /* borrowed; PUT_WHILE */
	size_t keep_len;
	uint64_t revision; /* IF_REVISION; the number of what else is compared with one */
};

/* One under construction. Plain memory of its owner's. */
struct blx__txn {
	struct blx__buf guards;
	struct blx__buf ops;
	struct blx__buf else_ops;
	uint32_t guards_count;
	uint32_t ops_count;
	uint32_t else_count;
	bool has_else;
};

void blx__txn_init(struct blx__txn *txn);
void blx__txn_finish(struct blx__txn *txn);

/* Guards go to the guards, operations to the branch that is open. BLX_ETOOBIG: more than
 * BLX_TXN_OPS_MAX or BLX_TXN_BYTES_MAX; BLX_EINVAL: a guard after blx__txn_else(). */
int blx__txn_add(struct blx__txn *txn, const struct blx__txn_line *line);
int blx__txn_else(struct blx__txn *txn); /* BLX_EINVAL the second time */

/* Appends its bytes; check blx__buf_ok(). */
void blx__txn_encode(const struct blx__txn *txn, struct blx__buf *buf);

/* Is it one, within the limits, with valid keys? BLX_EINVAL, BLX_ETOOBIG, BLX_EPROTO with
 * the reason. BLX_EVERSION: a kind of a later version. */
int blx__txn_check(const void *data, size_t len, blx_error *error);

/* And has it operations on keys of the system's own? */
int blx__txn_check_ops(const void *data, size_t len, bool *ret_system, blx_error *error);

/* What is put must be something: 0, or the code with the error. */
typedef int blx__put_check(const struct blx__txn_line *put, blx_error *error);

/* Calls check with each put of one that blx__txn_check() has found right, of the else-branch,
 * too, until it gives something else than 0, which is returned. */
int blx__txn_check_puts(const void *data, size_t len, blx__put_check *check, blx_error *error);

/* What came of one. */
struct blx__txn_outcome {
	int code;     /* BLX_OK; BLX_ECONFLICT: a guard failed and there is no else;
		       * BLX_ETOOBIG: the     values to get are more than BLX_TXN_BYTES_MAX; or of
		       * blx__txn_check() */
	bool changed; /* the tree is another one: the revision is used up */
	uint64_t conflict_revision; /* what stands at the failed guard's key; 0: nothing, or
				     * it was a group */
};

/*
 * Does it: *tree is exchanged if something changed. revision is that of the
 * changes. Appends the result to result on BLX_OK. Returns 0 with the verdict in
 * *ret_outcome; or BLX_ENOMEM, and then part of it may have been done: the tree
 * is of no more use.
 */
int blx__txn_apply(struct blx__tree **tree, const void *data, size_t len,
	uint64_t revision, struct blx__txn_outcome *ret_outcome, struct blx__buf *result);

/*
 * Who is told of each change a transaction makes, in their order, right after it
 * was made: the item that was there and the one that is, NULL for none. Both are
 * borrowed until return. False: it wants to hear no more of this transaction,
 * and a removal of many items goes on without telling of each.
 */
struct blx__txn_changes {
	bool (*cb)(void *data, struct blx__item *old_item, struct blx__item *new_item);
	void *data;
};

/* Where a transaction is done. */
struct blx__txn_target {
	struct blx__tree **tree;
	uint64_t revision;
	const struct blx__txn_changes *changes; /* borrowed; NULL: nobody is told */
};

/* As blx__txn_apply(). */
int blx__txn_apply_to(const struct blx__txn_target *target, const void *data, size_t len,
	struct blx__txn_outcome *ret_outcome, struct blx__buf *result);

/* The result: a head, then one for each operation that was done. */
struct blx__txn_result_head {
	bool succeeded; /* the guards held */
	uint32_t count;
};

struct blx__txn_op_result {
	uint8_t kind;
	uint8_t existed;      /* there was a value; GET: 2, only something below */
	uint64_t count;       /* DELETE_TREE */
	const uint8_t *value; /* GET, borrowed; NULL: none */
	size_t value_len;
	uint64_t create_revision;
	uint64_t mod_revision; /* GET */
	uint64_t version;
};

int blx__txn_result_head_get(
	struct blx__reader *reader, struct blx__txn_result_head *ret_head);
int blx__txn_op_result_get(
	struct blx__reader *reader, struct blx__txn_op_result *ret_result);

#endif
