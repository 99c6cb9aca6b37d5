/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values that live while conditions hold (store/keep.h), and who asks about
 * which key. What the items say is the state; this is an index of it, told of
 * every change. After each transaction those that a change may concern are
 * looked at, in the order of their keys, and what no longer holds is removed,
 * which is a change itself, until nothing is left to look at. So it ends, and the
 * same way on every member.
 *
 * Changed by the applying thread under the machine's lock. Pure.
 */
#ifndef BLX_MACHINE_KEEPS_H
#define BLX_MACHINE_KEEPS_H

#include "base/error.h"
#include "base/list.h"
#include "base/table.h"
#include "store/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__keeps {
	struct blx__tree *kept;  /* owned: the items that have conditions, shared */
	struct blx__table keeps; /* by their key */
	struct blx__table edges; /* by the key that is asked about */
	size_t children;         /* edges that ask about what is below */
	struct blx__list due;    /* to be looked at */
	bool nomem;              /* a change could not be taken in: of no more use */
};

int blx__keeps_init(struct blx__keeps *keeps);
void blx__keeps_finish(struct blx__keeps *keeps); /* a zeroed one is allowed */

void blx__keeps_changed(struct blx__keeps *keeps, struct blx__item *old_item,
	struct blx__item *new_item);

/* Removes an item; the change is told by blx__keeps_changed(). cause is borrowed. */
typedef int (*blx__keeps_remove)(
	struct blx__item *item, const uint8_t *cause, size_t cause_len, void *data);

/* Looks at what is due. tree: where to look, which remove changes. BLX_ENOMEM, or what
 * remove gave. */
int blx__keeps_settle(struct blx__keeps *keeps, struct blx__tree *const *tree,
	blx__keeps_remove remove, void *data);

/* What the items of the tree say, which all have conditions. BLX_ENOMEM: nothing is left. */
int blx__keeps_of(struct blx__tree *kept, struct blx__keeps *ret_keeps);
/* Becomes the other, which has nothing due, and is of no more use. */
void blx__keeps_become(struct blx__keeps *keeps, struct blx__keeps *other);

#endif
