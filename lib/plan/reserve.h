/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reservation as a transaction: that nothing was reserved on the node since the
 * model was read, that the node is as it was, and that there is none of that name.
 * What ends (a reservation removed, a lease that is over) only makes room, so it
 * need not be told. Pure.
 */
#ifndef BLX_PLAN_RESERVE_H
#define BLX_PLAN_RESERVE_H

#include "base/error.h"
#include "plan/model.h"
#include "store/txn.h"

#include <blixard/placement.h>

/* That nothing was put on the node since the model was read, and that it is as it was then;
 * and that something is put there now. BLX_EINVAL: a name that is none; BLX_ENOMEM,
 * BLX_ETOOBIG. */
int blx__reserve_claim(
	const struct blx__plan_node *node, const char *name, struct blx__txn *txn);

/* The guards and operations, into a new transaction; to be finished whatever the outcome.
 * node must be of the model. time_ns: of now. BLX_EINVAL: a name that is none; BLX_ENOMEM. */
int blx__reserve_txn(const blx_place_model *model, const char *node,
	const blx_place_request *request, uint64_t lease_id, int64_t time_ns,
	struct blx__txn *txn, blx_error *error);

#endif
