/* SPDX-License-Identifier: Apache-2.0 */
/* A held lease, for what is built of one. */
#ifndef BLX_API_LEASE_H
#define BLX_API_LEASE_H

#include <blixard/lease.h>

/* As blx_lease_hold(), of options that were looked at. */
int blx__lease_hold(blx_client *client, const blx_lease_opts *opts, uint32_t timeout_ms,
	blx_lease **ret_lease, blx_error *error);

#endif
