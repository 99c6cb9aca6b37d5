/* SPDX-License-Identifier: Apache-2.0 */
/* How a member changes a record it has read: as a transaction that relies on it. Pure. */
#ifndef BLX_RECORD_REPLACE_H
#define BLX_RECORD_REPLACE_H

#include "record/fields.h"
#include "store/txn.h"

/* Puts the record at the key, if what is there is of that revision (0: nothing is). The
 * transaction is initialised before, and holds copies after. BLX_ENOMEM; BLX_EINVAL: a field
 * is not what it may be. */
int blx__record_replace(struct blx__txn *txn, const struct blx__record *of, const void *record,
	const uint8_t *key, size_t key_len, uint64_t revision);

#endif
