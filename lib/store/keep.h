/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While what a value lives (Khepri's keep_while): guards that are looked at again
 * whenever something that they ask about is changed, in the same transaction.
 * When they no longer hold, the value is removed. As bytes a section of guards of
 * a transaction: a count, then each. Pure.
 */
#ifndef BLX_STORE_KEEP_H
#define BLX_STORE_KEEP_H

#include "base/error.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes for the guards of a transaction under construction. Check blx__buf_ok(). */
void blx__keep_encode(const struct blx__txn *guards, struct blx__buf *buf);

/* Within the limits of <blixard/txn.h>? The codes of blx__txn_check(). */
int blx__keep_check(const void *keep, size_t len, blx_error *error);

/* Are there no conditions in it? Of one that was checked. */
bool blx__keep_is_none(const void *keep, size_t len);

/* Does it hold in the tree? If not, *ret_cause is the key that the guard which decided it
 * asks about, borrowed from keep. Of one that was checked. 0, or BLX_ENOMEM. */
int blx__keep_holds(const struct blx__tree *tree, const void *keep, size_t len,
	bool *ret_holds, const uint8_t **ret_cause, size_t *ret_cause_len);

/* Calls cb for each key that it asks about; children: for what is below it, too. cb returns
 * 0 to go on; what else it returns is returned. Of one that was checked. */
int blx__keep_each(const void *keep, size_t len,
	int (*cb)(const uint8_t *key, size_t key_len, bool children, void *data), void *data);

#endif
