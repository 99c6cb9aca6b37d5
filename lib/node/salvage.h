/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a stopped member, read from its data directory: its newest
 * snapshot and every entry of its log behind it. Which of the last entries a
 * majority had is not known here, so all are taken: one that was never
 * acknowledged may be among them, one that was acknowledged is not left out as
 * long as this member had it. And the first state of the new cluster that is
 * made of it. Offline and blocking.
 */
#ifndef BLX_NODE_SALVAGE_H
#define BLX_NODE_SALVAGE_H

#include "base/error.h"
#include "machine/image.h"
#include "node/identity.h"
#include "sys/env.h"

#include <stdbool.h>
#include <stdint.h>

struct blx__salvage {
	struct blx__identity identity; /* of the member */
	struct blx__image *image;      /* owned */
	uint64_t snapshot_index;       /* 0: there was none */
	uint64_t last_index;           /* of the log */
};

/* Takes the directory's lock for as long as it reads. As at a start, an end of the log that
 * a crash left incomplete is cut off. BLX_EINUSE: the member runs. */
int blx__salvage(struct blx__env *env, const char *dir, struct blx__salvage *ret_salvage,
	blx_error *error);
void blx__salvage_finish(struct blx__salvage *salvage);

/* Where the new cluster keeps what it was made of, as JSON. */
#define BLX__SALVAGE_KEY "/:config/recovered"

/* Of the old content: what the id of the new cluster depends on, never 0. */
uint64_t blx__salvage_salt(const struct blx__image *image);

/*
 * The old content as the first state of the cluster of that id: without the
 * sessions of the old one's clients, one revision, index and term further, with
 * a note of where it came from at BLX__SALVAGE_KEY. The same on every host that
 * makes it of the same image.
 */
int blx__salvage_rebase(const struct blx__image *image, const uint8_t cluster_id[16],
	struct blx__image **ret_image, blx_error *error);

/* Is the image what blx__salvage_rebase() made, with nothing done since? Then tells the salt
 * that the id of its cluster was made with. */
bool blx__salvage_is_rebased(const struct blx__image *image, uint64_t *ret_salt);

#endif
