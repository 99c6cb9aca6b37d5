/* SPDX-License-Identifier: Apache-2.0 */
/* What is put at the path of a record must be one. Pure. */
#ifndef BLX_RECORD_CHECK_H
#define BLX_RECORD_CHECK_H

#include "base/error.h"

#include <stddef.h>

/* BLX_EINVAL, with the path and the field; of a transaction that blx__txn_check() has found
 * to be right. */
int blx__record_check(const void *txn, size_t len, blx_error *error);

#endif
