/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/image.h"

#include "base/assert.h"
#include "base/mem.h"
#include "machine/image_impl.h"
#include "store/keep.h"

#include <string.h>

struct blx__image *blx__image_ref(struct blx__image *image)
{
	(void)atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
	return image;
}

void blx__image_unref(struct blx__image *image)
{
	if (image == NULL ||
		atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	blx__tree_unref(image->tree);
	blx__tree_unref(image->kept);
	blx__callers_set_finish(&image->callers);
	blx__free(image);
}

const struct blx__image_meta *blx__image_meta(const struct blx__image *image)
{
	return &image->meta;
}

const struct blx__tree *blx__image_tree(const struct blx__image *image)
{
	return image->tree;
}

uint64_t blx__image_items(const struct blx__image *image)
{
	return blx__tree_count(image->tree);
}

uint64_t blx__image_sessions(const struct blx__image *image)
{
	return image->callers.count;
}

uint64_t blx__image_hash(const struct blx__image *image)
{
	return blx__content_hash(image->tree, &image->callers);
}

int blx__image_each_item(const struct blx__image *image,
	int (*cb)(const struct blx__item *item, void *data), void *data)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, image->tree, NULL, 0);
	int rv = 0;

	while (rv == 0 && item != NULL) {
		rv = cb(item, data);
		item = blx__cursor_next(&cursor);
	}
	return rv;
}

int blx__image_each_session(const struct blx__image *image,
	int (*cb)(uint64_t id, const void *state, size_t len, void *data), void *data)
{
	return blx__callers_set_each(&image->callers, cb, data);
}

/* ---- building one from a file --------------------------------------------------- */

struct blx__image_builder {
	struct blx__image *image; /* owned; NULL: given away */
};

int blx__image_builder_create(
	const struct blx__image_meta *meta, struct blx__image_builder **ret_builder)
{
	struct blx__image_builder *builder = blx__calloc(1, sizeof *builder);
	struct blx__image *image = blx__calloc(1, sizeof *image);

	if (builder == NULL || image == NULL || blx__tree_create(&image->tree) != 0 ||
		blx__tree_create(&image->kept) != 0) {
		if (image != NULL) {
			blx__tree_unref(image->tree);
		}
		blx__free(builder);
		blx__free(image);
		return BLX_ENOMEM;
	}
	image->refs = 1;
	image->meta = *meta;
	builder->image = image;
	*ret_builder = builder;
	return 0;
}

static bool keep_is_valid(const struct blx__image_item *item)
{
	return item->keep_len == 0 ||
	       (blx__keep_check(item->keep, item->keep_len, NULL) == 0 &&
		       !blx__keep_is_none(item->keep, item->keep_len));
}

static bool item_is_valid(
	const struct blx__image_builder *builder, const struct blx__image_item *item)
{
	return item->key_len > 0 && blx__key_valid(item->key, item->key_len) &&
	       item->value_len <= BLX_VALUE_LEN_MAX && item->create_revision >= 1 &&
	       item->create_revision <= item->mod_revision &&
	       item->mod_revision <= builder->image->meta.revision &&
	       item->version >= 1 && keep_is_valid(item) &&
	       blx__tree_get(builder->image->tree, item->key, item->key_len) == NULL;
}

int blx__image_builder_add_item(
	struct blx__image_builder *builder, const struct blx__image_item *from)
{
	struct blx__item_parts parts = {.key = from->key,
		.key_len = from->key_len,
		.value = from->value,
		.value_len = from->value_len,
		.keep = from->keep,
		.keep_len = from->keep_len};
	struct blx__item *item;
	int rv;

	PRE(builder->image != NULL);

	if (!item_is_valid(builder, from)) {
		return BLX_ECORRUPT;
	}
	item = blx__item_create_of(&parts);
	if (item == NULL) {
		return BLX_ENOMEM;
	}
	item->create_revision = from->create_revision;
	item->mod_revision = from->mod_revision;
	item->version = from->version;
	rv = blx__tree_put(&builder->image->tree, item);
	if (rv != 0) {
		blx__item_unref(item);
	}
	if (rv == 0 && item->keep_len > 0) {
		blx__item_ref(item);
		rv = blx__tree_put(&builder->image->kept, item);
		if (rv != 0) {
			blx__item_unref(item);
		}
	}
	return rv;
}

int blx__image_builder_add_session(
	struct blx__image_builder *builder, uint64_t id, const void *state, size_t len)
{
	PRE(builder->image != NULL);

	return blx__callers_set_add(&builder->image->callers, id, state, len);
}

int blx__image_builder_finish(
	struct blx__image_builder *builder, struct blx__image **ret_image)
{
	PRE(builder->image != NULL);

	*ret_image = builder->image;
	builder->image = NULL;
	return 0;
}

void blx__image_builder_destroy(struct blx__image_builder *builder)
{
	if (builder != NULL) {
		blx__image_unref(builder->image);
		blx__free(builder);
	}
}
