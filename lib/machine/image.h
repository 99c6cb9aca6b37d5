/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the machine is at one index, pinned: the tree, the sessions, the
 * clock. Immutable and shared; taking one is O(1) while writes go on. It is
 * what a snapshot is written from and what one is read into. Pure; any thread.
 */
#ifndef BLX_MACHINE_IMAGE_H
#define BLX_MACHINE_IMAGE_H

#include "base/error.h"
#include "store/tree.h"

#include <stddef.h>
#include <stdint.h>

struct blx__image;

struct blx__image_meta {
	uint8_t cluster_id[16];
	uint64_t index; /* of the last entry applied */
	uint64_t term;  /* of that entry */
	uint64_t revision;
	int64_t time_ms; /* cluster time: of the last entry, never less than before */
};

struct blx__image *blx__image_ref(struct blx__image *image);
/* NULL is allowed. The last one frees all that is not shared: long for a large store. */
void blx__image_unref(struct blx__image *image);

const struct blx__image_meta *blx__image_meta(const struct blx__image *image);
/* Borrowed. */
const struct blx__tree *blx__image_tree(const struct blx__image *image);
uint64_t blx__image_items(const struct blx__image *image);
uint64_t blx__image_sessions(const struct blx__image *image);

/* Of the content: every item and every session; the same on every replica at the same
 * revision and index. */
uint64_t blx__image_hash(const struct blx__image *image);

/* In ascending order of keys, of ids. A cb that returns not 0 ends it with that. */
int blx__image_each_item(const struct blx__image *image,
	int (*cb)(const struct blx__item *item, void *data), void *data);
int blx__image_each_session(const struct blx__image *image,
	int (*cb)(uint64_t id, const void *state, size_t len, void *data), void *data);

/* Building one from a file. Sessions must come in ascending order, items in any. */
struct blx__image_builder;

/* An item as a file tells it. All borrowed until return. */
struct blx__image_item {
	const uint8_t *key;
	size_t key_len;
	const uint8_t *value;
	size_t value_len;
	const uint8_t *keep; /* store/keep.h; of length 0: no conditions */
	size_t keep_len;
	uint64_t create_revision;
	uint64_t mod_revision;
	uint64_t version;
};

int blx__image_builder_create(
	const struct blx__image_meta *meta, struct blx__image_builder **ret_builder);
/* BLX_ECORRUPT: not valid, or there is one of that key already. BLX_ENOMEM. */
int blx__image_builder_add_item(
	struct blx__image_builder *builder, const struct blx__image_item *item);
int blx__image_builder_add_session(
	struct blx__image_builder *builder, uint64_t id, const void *state, size_t len);
/* Gives the image; the builder is empty after it and still to be destroyed. */
int blx__image_builder_finish(
	struct blx__image_builder *builder, struct blx__image **ret_image);
void blx__image_builder_destroy(struct blx__image_builder *builder); /* NULL is allowed */

#endif
