/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One view: what it is of, and its groups. Trees that are pinned by who reads
 * them; changed by one thread under a lock of its owner's. Pure.
 */
#ifndef BLX_WATCH_VIEW_H
#define BLX_WATCH_VIEW_H

#include "base/error.h"
#include "base/table.h"
#include "machine/view_record.h"
#include "store/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__view {
	struct blx__view_spec spec;
	/* What it comes to, an item a group: its name, and as value u64 count and each i64
	 * sum. */
	struct blx__tree *groups;
	struct blx__table table; /* of the groups themselves, by name */
	uint64_t values;         /* in all groups */
};

/* What a group comes to. */
struct blx__view_totals {
	uint64_t count;
	int64_t sums[BLX_VIEW_SUMS_MAX];
};

int blx__view_create(const struct blx__view_spec *spec, struct blx__view **ret_view);
void blx__view_destroy(struct blx__view *view); /* NULL is allowed */

/* Takes in all of the tree that matches. BLX_ENOMEM. */
int blx__view_fill(struct blx__view *view, const struct blx__tree *tree);

/* A value was exchanged; either may be NULL. BLX_ENOMEM: of no more use. */
int blx__view_change(
	struct blx__view *view, struct blx__item *old_item, struct blx__item *new_item);

/* The items of a group, a reference of the caller's, and what it comes to. NULL: there are
 * none. */
struct blx__tree *blx__view_group(const struct blx__view *view, const void *name, size_t len,
	struct blx__view_totals *ret_totals);

/* Of an item of groups. */
void blx__view_totals_get(const struct blx__item *group, unsigned sums_count,
	struct blx__view_totals *ret_totals);

/* The same for views of the same content. */
uint64_t blx__view_hash(const struct blx__view *view);

#endif
