/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease is a value at /:leases/<16 hexadecimal digits>: a JSON object with
 * "ttl_ms" and what its holder says of itself. What is bound to it lives while that
 * value exists (store/keep.h); to end it is to remove that value. Pure.
 */
#ifndef BLX_MACHINE_LEASE_RECORD_H
#define BLX_MACHINE_LEASE_RECORD_H

#include "base/error.h"
#include "store/txn.h"

#include <blixard/lease.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__LEASES_DIR     ":leases"
#define BLX__LEASES_DIR_LEN (sizeof BLX__LEASES_DIR - 1)

/* ":leases", a separator, 16 digits. */
#define BLX__LEASE_KEY_LEN (BLX__LEASES_DIR_LEN + 1 + 16)

void blx__lease_key(uint64_t id, uint8_t ret_key[BLX__LEASE_KEY_LEN]);

/* Is it the key of a lease, and of which? */
bool blx__lease_key_is(const uint8_t *key, size_t key_len, uint64_t *ret_id);

/* What the value says. BLX_EINVAL: it is no lease; BLX_ENOMEM. */
int blx__lease_ttl(const void *value, size_t len, uint64_t *ret_ttl_ms);

/* What is put there and is no lease: BLX_EINVAL, with the path. */
blx__put_check blx__lease_put_check;

#endif
