/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a running cluster to take in a new member: one call, over a connection
 * of its own to any member, which hands it on to the leader. Blocks in a loop
 * of its own.
 */
#ifndef BLX_CLIENT_JOIN_H
#define BLX_CLIENT_JOIN_H

#include "base/error.h"
#include "node/identity.h"

#include <stdint.h>

/* All borrowed until return. */
struct blx__join_opts {
	const char *via;     /* HOST:PORT of a member */
	const char *name;    /* of the new member */
	const char *address; /* that the others reach it at */
	uint32_t timeout_ms;
};

/*
 * Who the new member is, from the cluster's answer; instance is left 0.
 * BLX_ECONNECT nobody answers there; BLX_EEXIST there is a member of that name;
 * BLX_ETIMEOUT, BLX_ENOQUORUM. An error with the outcome BLX_UNKNOWN may have
 * left a learner in the cluster that is then to be removed by its name.
 */
int blx__join(const struct blx__join_opts *opts, struct blx__identity *ret_identity,
	blx_error *error);

#endif
