/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshot files given to others: pieces of the durable snapshots to members
 * that lag, and files made for a client that asked to save one. All file work
 * is on a worker. Loop thread only.
 */
#ifndef BLX_NODE_IMAGES_H
#define BLX_NODE_IMAGES_H

#include "node/request.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Files made for clients at once, and how long one stays after it was last read. */
#define BLX__SAVES_MAX 4
#define BLX__SAVE_MS   60000

struct blx__images {
	struct blx__node *node; /* borrowed */
	struct {
		uint64_t token; /* 0: free */
		uint64_t used_ns;
		bool ready;
	} saves[BLX__SAVES_MAX];
	unsigned works;
	atomic_bool cancel; /* ANY THREAD */
};

void blx__images_init(struct blx__images *images, struct blx__node *node);

/* Removes the files that were made for clients; gives up what is under way. */
void blx__images_finish(struct blx__images *images);
void blx__images_tick(struct blx__images *images);
bool blx__images_idle(const struct blx__images *images);

/* Takes a request of op SNAP_MAKE, SNAP_PIECE or IMAGE_PIECE. */
void blx__images_add(struct blx__images *images, struct blx__request *request);

/* A request ends before its work does. */
void blx__images_forget(struct blx__request *request);

/* Before the loop: removes what a killed process left. */
void blx__images_clean(struct blx__node *node);

#endif
