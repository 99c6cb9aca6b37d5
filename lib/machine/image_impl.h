/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an image, for image.c, image_builder.c and machine.c. */
#ifndef BLX_MACHINE_IMAGE_IMPL_H
#define BLX_MACHINE_IMAGE_IMPL_H

#include "machine/callers.h"
#include "machine/image.h"

struct blx__image {
	_Atomic uint32_t refs;
	struct blx__image_meta meta;
	struct blx__tree *tree;          /* owned reference */
	struct blx__tree *kept;          /* owned reference: of it, the items with conditions */
	struct blx__callers_set callers; /* owned */
};

/* The hash of the content from those of its parts. */
static inline uint64_t blx__content_hash(
	const struct blx__tree *tree, const struct blx__callers_set *callers)
{
	return blx__tree_hash(tree) + callers->hash +
	       (uint64_t)callers->floor_ms * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
