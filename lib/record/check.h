/* SPDX-License-Identifier: Apache-2.0 */
/* What is put at the path of a record must be one. Pure. */
#ifndef BLX_RECORD_CHECK_H
#define BLX_RECORD_CHECK_H

#include "store/txn.h"

/* BLX_EINVAL, with the path and the field. */
blx__put_check blx__record_put_check;

#endif
