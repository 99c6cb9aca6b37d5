/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much the store may hold, as its own settings say: /:config/quota.bytes (of
 * keys and values) and /:config/quota.keys, decimal text; absent or 0: no limit.
 * Part of apply, so the same on every member at the same revision. Pure.
 *
 * A transaction that grows the store beyond a limit is refused whole. One that
 * sets something below /:config is not: a limit can always be raised. What was
 * there before a limit was lowered stays, and can be changed as long as that
 * does not make more of it.
 */
#ifndef BLX_MACHINE_QUOTA_H
#define BLX_MACHINE_QUOTA_H

#include "base/error.h"
#include "store/tree.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0: no limit. */
struct blx__quota {
	uint64_t bytes;
	uint64_t keys;
};

/* As the tree's settings say; what is no number sets no limit. */
struct blx__quota blx__quota_of(const struct blx__tree *tree);

/* Is it at or below /:config? Then limits are to be read anew. */
bool blx__quota_is_setting(const struct blx__item *item);

/* May this transaction be applied to the tree at that revision? 0, BLX_EQUOTA or BLX_ENOMEM.
 * Nothing is changed. Costs nothing unless a limit is near. */
int blx__quota_admits(const struct blx__quota *quota, struct blx__tree *tree,
	uint64_t revision, const void *txn, size_t len);

#endif
