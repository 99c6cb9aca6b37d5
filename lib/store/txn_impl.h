/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of transactions, shared by txn.c and txn_apply.c. */
#ifndef BLX_STORE_TXN_IMPL_H
#define BLX_STORE_TXN_IMPL_H

#include "store/txn.h"

/* What a line takes beside its key and value, at most: kind, two lengths, revision; and
 * the head of the transaction on top. */
#define BLX__TXN_LINE_OVERHEAD 64

/* A run of lines that were looked at: reading them again does not fail. */
struct blx__txn_section {
	uint32_t count;
	size_t at;   /* where in the bytes */
	bool system; /* some key in it is of the system's own, "/:..." */
};

struct blx__txn_reader {
	const void *data; /* borrowed */
	size_t len;
	struct blx__txn_section guards;
	struct blx__txn_section ops;
	struct blx__txn_section else_ops;
	bool has_else;
};

/* What the guards of a transaction that were looked at so far will cost. */
struct blx__txn_cost {
	uint64_t children; /* to be counted */
	unsigned fields;   /* guards on fields */
	unsigned depth;    /* groups that are open */
};

/* ---- txn_guard.c ---- */

bool blx__txn_has_number(uint8_t kind);

/* Is it of the right form, and within what all guards together may cost? BLX_EINVAL. */
int blx__txn_guard_check(const struct blx__txn_line *guard, struct blx__txn_cost *cost,
	blx_error *error);

bool blx__txn_is_group(uint8_t kind);
bool blx__txn_counts_children(uint8_t kind);

/* What came of guards. */
struct blx__txn_verdict {
	bool held;
	uint64_t conflict_revision; /* as in struct blx__txn_outcome */
	const uint8_t *key;         /* borrowed: of the guard that decided it, if they did not
				     * hold; NULL: none did */
	size_t key_len;
};

/* Do the next count lines of the reader, which were looked at, hold? 0, or BLX_ENOMEM. */
int blx__txn_guards_hold(const struct blx__tree *tree, struct blx__reader *reader,
	uint32_t count, struct blx__txn_verdict *ret_verdict);

/* ---- txn.c ---- */

bool blx__txn_is_guard(uint8_t kind);
bool blx__txn_is_op(uint8_t kind);

/* Looks at lines up to the end of a section: count, then each. */
int blx__txn_section_get(struct blx__reader *reader, struct blx__txn_section *ret_section,
	bool guards, blx_error *error);

/* Looks at all of it; the codes of blx__txn_check(). */
int blx__txn_read(const void *data, size_t len, struct blx__txn_reader *ret_reader,
	blx_error *error);

/* BLX_EPROTO, BLX_EVERSION. Borrows from the reader's bytes. */
int blx__txn_line_get(struct blx__reader *reader, struct blx__txn_line *ret_line);

#endif
