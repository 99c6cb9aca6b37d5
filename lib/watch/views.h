/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All views of a member, and their readers. As an observer of a machine it notes
 * what a transaction changes, and takes it in when that is whole, under a lock of
 * its own: a reader sees whole transactions, and pins what it reads, so that the
 * lock is held for some hundred nanoseconds only. Views are no part of the
 * replicated state: each follows from the tree.
 */
#ifndef BLX_WATCH_VIEWS_H
#define BLX_WATCH_VIEWS_H

#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "machine/machine.h"
#include "watch/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__views;

int blx__views_create(struct blx__views **ret_views);
void blx__views_destroy(struct blx__views *views); /* NULL is allowed */

/* For blx__machine_observe(); borrows the views. */
struct blx__machine_observer blx__views_observer(struct blx__views *views);

enum blx__views_flags {
	BLX__VIEWS_GROUP = 1, /* the values of a group; else the groups */
	BLX__VIEWS_NO_VALUES = 2
};

/* What is asked, the body of BLX__OP_VIEW. All borrowed. */
struct blx__views_spec {
	bool consistent; /* first, as a list's */
	uint8_t flags;   /* enum blx__views_flags */
	uint32_t limit;  /* 0: none */
	const uint8_t *name;
	size_t name_len;
	const uint8_t *group;
	size_t group_len;
	const uint8_t *after; /* a group's name, a key */
	size_t after_len;
};
void blx__views_spec_put(struct blx__buf *buf, const struct blx__views_spec *spec);
int blx__views_spec_get(const void *data, size_t len, struct blx__views_spec *ret_spec);

/* What an answer begins with; count entries follow. */
struct blx__views_head {
	uint64_t revision;
	uint64_t age_ms; /* the caller's to fill in */
	uint64_t total;
	int64_t sums[BLX_VIEW_SUMS_MAX];
	uint8_t sums_count;
	bool more;
	uint32_t count;
};
void blx__views_head_put(struct blx__buf *buf, const struct blx__views_head *head);
int blx__views_head_get(struct blx__reader *reader, struct blx__views_head *ret_head);

/*
 * ANY THREAD. Appends the entries to buf, and says what comes before them.
 * BLX_ENOENT: no such view; BLX_EQUOTA: there are more than BLX_VIEWS_MAX, and this
 * one is not kept; BLX_ENOMEM.
 */
int blx__views_read(struct blx__views *views, const struct blx__views_spec *spec,
	struct blx__views_head *ret_head, struct blx__buf *buf);

struct blx__views_entry {
	const uint8_t *name; /* of the group, or a key; borrowed */
	size_t name_len;
	struct blx__view_totals totals; /* of a group */
	const uint8_t *value;           /* borrowed; NULL: not asked for */
	size_t value_len;
	uint64_t mod_revision;
	uint64_t create_revision;
	uint64_t version;
};
int blx__views_entry_get(struct blx__reader *reader, const struct blx__views_head *head,
	bool of_group, struct blx__views_entry *ret_entry);

/* Are they what a look at all of the tree gives? Costs that. For tests. */
bool blx__views_are_right(struct blx__views *views, const struct blx__tree *tree);
size_t blx__views_count(struct blx__views *views);

#endif
