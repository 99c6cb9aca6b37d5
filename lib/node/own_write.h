/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of the member's own, as any other request. Of no session: one that is
 * not known to be done is decided anew by whoever leads then, so it must rely on what
 * it saw. Loop thread only.
 */
#ifndef BLX_NODE_OWN_WRITE_H
#define BLX_NODE_OWN_WRITE_H

#include "store/txn.h"

#include <stdbool.h>
#include <stdint.h>

struct blx__node;

/* Its end, never inside the call; the transaction was encoded before. */
typedef void (*blx__own_write_cb)(int code, void *data, uint64_t number);

struct blx__own_write_opts {
	bool here_only; /* not by another leader, who has its own view of it */
	blx__own_write_cb cb;
	void *data;
	uint64_t number; /* given back */
};

/* BLX_ENOMEM: cb is not called. */
int blx__own_write(struct blx__node *node, const struct blx__txn *txn,
	const struct blx__own_write_opts *opts);

#endif
