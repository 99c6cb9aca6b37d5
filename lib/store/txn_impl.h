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
	size_t at; /* where in the bytes */
};

struct blx__txn_reader {
	const void *data; /* borrowed */
	size_t len;
	struct blx__txn_section guards;
	struct blx__txn_section ops;
	struct blx__txn_section else_ops;
	bool has_else;
};

bool blx__txn_is_guard(uint8_t kind);
bool blx__txn_is_op(uint8_t kind);

/* Looks at all of it; the codes of blx__txn_check(). */
int blx__txn_read(const void *data, size_t len, struct blx__txn_reader *ret_reader,
	blx_error *error);

/* BLX_EPROTO, BLX_EVERSION. Borrows from the reader's bytes. */
int blx__txn_line_get(struct blx__reader *reader, struct blx__txn_line *ret_line);

#endif
