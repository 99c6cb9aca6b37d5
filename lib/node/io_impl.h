/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the raft_io, shared by io.c, io_snapshot.c and io_install.c. */
#ifndef BLX_NODE_IO_IMPL_H
#define BLX_NODE_IO_IMPL_H

#include "base/buf.h"
#include "base/list.h"
#include "machine/image.h"
#include "node/io.h"
#include "snapshot/manifest.h"
#include "sys/env.h"
#include "wal/wal.h"

#include <raft.h>
#include <stdatomic.h>
#include <stdbool.h>

/* The snapshot that is durable here, as the log's record of it tells. */
struct blx__io_snapshot {
	raft_index index; /* 0: none */
	raft_term term;
	raft_index conf_index;
	void *conf; /* owned, libraft's encoding */
	size_t conf_len;
	void *manifest; /* owned, encoded */
	size_t manifest_len;
};

/* What the log's record of a snapshot holds, besides index and term. */
struct blx__io_snapshot_meta {
	raft_index conf_index;
	const void *conf; /* borrowed, libraft's encoding */
	size_t conf_len;
	const void *manifest; /* borrowed, encoded */
	size_t manifest_len;
};
void blx__io_snapshot_meta_put(struct blx__buf *buf, const struct blx__io_snapshot_meta *meta);
/* BLX_ECORRUPT; borrows from data. */
int blx__io_snapshot_meta_get(const void *data, size_t len,
	struct blx__io_snapshot_meta *ret_meta);

struct blx__install;

struct blx__io {
	struct raft_io io; /* impl is this struct */
	struct blx__node *node;
	raft_io_tick_cb tick_cb;
	raft_io_recv_cb recv_cb;
	raft_io_close_cb close_cb;
	struct blx__timer tick;
	unsigned tick_ms;
	struct blx__post close_post;
	bool started;
	bool closed;

	raft_term term;
	raft_id vote;
	unsigned hard_states; /* records of term and vote on their way to the disk */
	raft_index next_index; /* of the next entry appended */

	struct blx__buf scratch;
	struct blx__list sent; /* struct sent: callbacks that are due */
	struct blx__post sent_post;

	/* Followers, the commit index they were last told, and the last index of the snapshot
	 * they were last offered. */
	struct blx__io_told {
		raft_id id;
		raft_index commit;
		raft_index offered;
	} told[64];
	struct blx__post notice_post;

	struct blx__io_snapshot snapshot;
	struct blx__image *given;   /* owned: pinned for the put that follows */
	struct blx__image *fetched; /* owned: of the install that follows */
	bool installing;            /* that install has begun: fetched stays what it is */
	struct blx__install *install; /* owned; NULL: none under way */
	raft_id refused_to;           /* who is to be told that a snapshot was not taken */
	raft_index refused_index;
	struct blx__timer refuse_timer;
	struct blx__list gets;
	struct blx__post gets_post;
	atomic_bool cancel; /* ANY THREAD */
	unsigned works;     /* on other threads, or records of snapshots on their way */
	blx_error load_error;
};

/* Called by io.c; in io_snapshot.c. */
int blx__io_snapshot_put(struct raft_io *raft_io, unsigned trailing,
	struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
	raft_io_snapshot_put_cb cb);
int blx__io_snapshot_get(struct raft_io *raft_io, struct raft_io_snapshot_get *req,
	raft_io_snapshot_get_cb cb);
void blx__io_gets_run(struct blx__post *post);
int blx__io_snapshot_restore_meta(struct blx__io *io, const struct blx__wal_state *state);
int blx__io_snapshot_to_raft(const struct blx__io *io, struct raft_snapshot **ret_snapshot);
void blx__io_snapshot_finish(struct blx__io_snapshot *snapshot);

/* In io_install.c: an InstallSnapshot came; taken. */
void blx__io_install_begin(struct blx__io *io, struct raft_message *message, raft_id from);
void blx__io_install_destroy(struct blx__io *io);
void blx__io_install_refuse(struct blx__timer *timer);

/* Hands a message to raft, as if it had come in just now. Taken. */
void blx__io_deliver(struct blx__io *io, struct raft_message *message, raft_id from);

#endif
