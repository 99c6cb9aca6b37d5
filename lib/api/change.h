/* SPDX-License-Identifier: Apache-2.0 */
/* A record is read, changed and written back if nobody changed it since, and again else. */
#ifndef BLX_API_CHANGE_H
#define BLX_API_CHANGE_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <stdint.h>

/* How long a call may take, as an instant of the monotonic clock. */
uint64_t blx__until_ns(uint32_t timeout_ms);
uint32_t blx__left_ms(uint64_t until_ns);

/* What people read in records. */
int64_t blx__wall_ns(void);

/* Changes the record; exists 0: there is none yet, and it is zeroed. 0: write it; positive:
 * leave it, and that is well; or a code with the error. */
typedef int blx__change_fn(void *record, int exists, void *data, blx_error *error);

/* BLX_EBUSY: others were faster each time. */
int blx__record_change(blx_client *client, int kind, const char *name, uint64_t until_ns,
	blx__change_fn *change, void *data, blx_error *error);

/* The error again, with what was done before its text. */
int blx__error_prefix(blx_error *error, const char *prefix);

#endif
