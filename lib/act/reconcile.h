/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the leader does about what it sees: once a second, and soon after something of it
 * has changed, it pins the store, lets the
 * deciders of plan/ look at it, and submits what they want as transactions that rely on
 * what they saw. One of an old view fails, and is decided anew the next time. It
 * remembers nothing but when it began to lead: a new leader gives every node its full
 * time. All that it touches comes in by a table. Loop thread only.
 */
#ifndef BLX_ACT_RECONCILE_H
#define BLX_ACT_RECONCILE_H

#include "machine/image.h"
#include "plan/scene.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stdint.h>

struct blx__reconcile_ops {
	uint64_t (*mono_ns)(void *data);
	int64_t (*wall_ns)(void *data);
	/* The caller's reference; NULL: no memory. */
	struct blx__image *(*pin)(void *data);
	/* When the member of that name was last heard; false: there is no such member. Of this
	 * member itself it is now. */
	bool (*heard_ns)(const char *name, uint64_t *ret_ns, void *data);
	/* When the leader kept the lease of that host last; 0: not yet, this one. */
	uint64_t (*kept_ns)(const char *name, void *data);
	/* The transaction is encoded before this returns; its end is told by
	 * blx__reconcile_ended(). from: the host that something is taken from, which is not
	 * kept until then; empty: none. False: it could not be begun. */
	bool (*submit)(const struct blx__txn *txn, const char *from, void *data);
};

/* At once; the rest waits for the next look. */
#define BLX__RECONCILE_MAX 64

struct blx__reconcile {
	const struct blx__reconcile_ops *ops;
	void *data;
	uint64_t term;     /* in which it leads; 0: it does not */
	uint64_t since_ns; /* when that began */
	uint64_t looked_ns;
	bool stirred;       /* something of it is another since it looked */
	unsigned under_way; /* transactions */
	struct blx__scene scene;
	uint64_t changed;   /* counter */
};

void blx__reconcile_init(
	struct blx__reconcile *reconcile, const struct blx__reconcile_ops *ops, void *data);

/* At each tick. term: in which this member leads, with contact to a majority; 0: it does
 * not. */
void blx__reconcile_tick(struct blx__reconcile *reconcile, uint64_t term);

void blx__reconcile_finish(struct blx__reconcile *reconcile);

/* Services, nodes or migrations have changed: the next tick looks at them. */
void blx__reconcile_stir(struct blx__reconcile *reconcile);

void blx__reconcile_ended(struct blx__reconcile *reconcile, int code);

/* How long ago that was, for all that this leader knows: not before it began to lead, for who
 * led before may have known of something later. */
int64_t blx__reconcile_age_ns(const struct blx__reconcile *reconcile, uint64_t at_ns);

#endif
