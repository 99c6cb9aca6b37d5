/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raft_io below the guard: libraft's appends, terms and votes go to the
 * log of wal/, its messages to the peers, its snapshots to files of snapshot/.
 *
 * set_term and set_vote return before the record is durable. What may rest on
 * them is held back until it is: every frame to another member, by
 * blx__peers_hold(). Entries follow them in the same log, so they are never
 * durable before. Nothing else leaves the member on the strength of a term or
 * a vote: answers to clients rest on entries that a majority has, and to have
 * become leader its vote requests must have left, after the hold.
 */
#ifndef BLX_NODE_IO_H
#define BLX_NODE_IO_H

#include "base/error.h"
#include "node/protocol.h"
#include "rpc/conn.h"

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__node;
struct blx__io;

int blx__io_create(struct blx__node *node, struct blx__io **ret_io);
void blx__io_destroy(struct blx__io *io);

/* What the guard wraps. */
struct raft_io *blx__io_raft(struct blx__io *io);

/* A raft message came in from a member. */
void blx__io_on_frame(struct blx__io *io, uint64_t from, const struct blx__frame *frame);

/* The image that a snapshot's data stands for: from the file, or the one that was fetched
 * just now. Given away. Blocks only at start. */
struct blx__image;
int blx__io_image_take(struct blx__io *io, const struct raft_buffer *data,
	struct blx__image **ret_image, blx_error *error);

/* Keeps the image for the snapshot_put that raft will call next. Taken. */
void blx__io_image_give(struct blx__io *io, struct blx__image *image);

/* After the commit index moved without an append that carries it: tells the followers at
 * once instead of with the next heartbeat. */
void blx__io_commit_notice(struct blx__io *io);

/* Why the last load failed, in full; code 0: it did not. */
const blx_error *blx__io_load_error(const struct blx__io *io);

/* Gives up what takes long: a snapshot being written or fetched. */
void blx__io_cancel(struct blx__io *io);

/* The path of a snapshot file by its name; blx__free() it. NULL without memory. */
char *blx__io_snapshot_file(const struct blx__io *io, const char *name);

/* Nothing of it is on another thread. */
bool blx__io_idle(const struct blx__io *io);

/* The newest snapshot that is durable here; 0: none. */
uint64_t blx__io_snapshot_index(const struct blx__io *io);

#endif
