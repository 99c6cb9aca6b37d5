/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: what is asked, how a page of the answer is made from a pinned image
 * and read back. A list of any length is of one revision: the first page pins
 * the image, and the asker names it to get the next ones.
 */
#ifndef BLX_NODE_LIST_H
#define BLX_NODE_LIST_H

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "machine/machine.h"
#include "node/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page on the wire: small enough that making one does not hold the loop for long. */
#define BLX__LIST_PAGE_BYTES   (512 * 1024)
#define BLX__LIST_PAGE_ENTRIES 4096

/* Images pinned for askers at once, and for how long after the last page. */
#define BLX__LIST_CURSORS_MAX 64
#define BLX__LIST_CURSOR_MS   10000

enum blx__list_flags {
	BLX__LIST_NO_VALUES = 1,
	BLX__LIST_TREE = 2
};

struct blx__list_spec {
	bool consistent;
	uint8_t flags;
	uint32_t limit;  /* 0: all */
	uint64_t cursor; /* 0: the first page */
	const uint8_t *key; /* of the directory, borrowed */
	size_t key_len;
	/* Begin behind this key, relative to the directory; borrowed. */
	const uint8_t *after;
	size_t after_len;
};

void blx__list_spec_put(struct blx__buf *buf, const struct blx__list_spec *spec);
int blx__list_spec_get(const void *data, size_t len, struct blx__list_spec *ret_spec);

struct blx__list_entry {
	const uint8_t *name; /* key relative to the directory, borrowed */
	size_t name_len;
	bool has_value;
	bool has_children;
	uint64_t create_revision;
	uint64_t mod_revision;
	uint64_t version;
	const uint8_t *value; /* borrowed; NULL where not asked for */
	size_t value_len;
};

/* What a page is made with, and what it came to. */
struct blx__list_page {
	size_t bytes_max;    /* 0: no bound */
	uint32_t entries_max; /* 0: no bound */
	uint32_t count;
	bool more;           /* there are more entries than were taken */
};

/* Appends entries to buf. */
int blx__list_fill(const struct blx__image *image, const struct blx__list_spec *spec,
	struct blx__list_page *page, struct blx__buf *buf);

int blx__list_entry_get(struct blx__reader *reader, struct blx__list_entry *ret_entry);

/* An answer: u64 revision, u64 age, u8 more, u64 cursor (0: none), u32 count, entries. */
struct blx__list_head {
	uint64_t revision;
	uint64_t age_ms;
	bool more;
	uint64_t cursor;
	uint32_t count;
};
void blx__list_head_put(struct blx__buf *buf, const struct blx__list_head *head);
int blx__list_head_get(struct blx__reader *reader, struct blx__list_head *ret_head);

/* The pinned images of a member. Loop thread only. */
struct blx__lists {
	struct blx__node *node; /* borrowed */
	struct {
		uint64_t id; /* 0: free */
		struct blx__image *image;
		uint64_t used_ns;
	} cursors[BLX__LIST_CURSORS_MAX];
};

void blx__lists_init(struct blx__lists *lists, struct blx__node *node);
void blx__lists_finish(struct blx__lists *lists);
void blx__lists_tick(struct blx__lists *lists);

/* Answers a list request. */
void blx__lists_answer(struct blx__lists *lists, struct blx__request *request);

#endif
