/* SPDX-License-Identifier: Apache-2.0 */
/* An image and its file in a directory of its own. */
#ifndef BLX_TESTS_SNAPSHOT_SAVED_H
#define BLX_TESTS_SNAPSHOT_SAVED_H

#include "scratch.h"
#include "snapshot/snapshot.h"

struct saved {
	struct scratch scratch;
	char path[160];
	struct blx__image *image;
	struct blx__snapshot_info info;
};

extern const struct blx__snapshot_ctl saved_ctl;

/* Takes the image; writes it to "image.db". */
void saved_init(struct saved *saved, struct blx__image *image);
void saved_finish(struct saved *saved);

/* Writes the image again, with two members. */
int saved_write(struct saved *saved, const struct blx__snapshot_ctl *ctl,
	struct blx__snapshot_info *ret_info, blx_error *error);

/* Loads the file. A failure has a message; what is given without one equals the image,
 * its info and its members, whatever was done to the file. */
int saved_load_and_compare(struct saved *saved);

#endif
