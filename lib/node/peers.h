/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other members: one connection to each, with everything between the two
 * on it. Of a pair the one with the larger id dials at once: ids grow, so that
 * is the newer member. The other one dials, too, where no connection has come
 * for a while, because a member that has just joined knows nobody yet. Should
 * both have dialled, the connection of the larger id stays. Loop thread only.
 */
#ifndef BLX_NODE_PEERS_H
#define BLX_NODE_PEERS_H

#include "base/error.h"
#include "node/calls.h"
#include "node/identity.h"
#include "node/known.h"
#include "node/protocol.h"
#include "rpc/conn.h"
#include "sys/env.h"

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__peers;

struct blx__peers_cbs {
	/* A frame came from a member; payload borrowed until return. */
	void (*on_frame)(uint64_t id, const struct blx__frame *frame, void *data);
	/* The connection to a member was made or lost. */
	void (*on_link)(uint64_t id, bool connected, void *data);
	/* The cluster's time, for the handshake. */
	int64_t (*time_ms)(void *data);
	/* Does this member know no leader? Then one that it has not heard of, with an id greater
	 * than all it has, is let in: it may be the leader. NULL: never. */
	bool (*is_lost)(void *data);
};

struct blx__peers_opts {
	struct blx__env *env;
	const struct blx__identity *identity; /* borrowed */
	struct blx__known *known; /* borrowed; NULL in tests: remembered for this run only */
	uint64_t incarnation;
	const struct blx__peers_cbs *cbs; /* borrowed */
	void *data;
};

int blx__peers_create(const struct blx__peers_opts *opts, struct blx__peers **ret_peers);

/* Closes all connections; calls under way end with BLX_ECANCELED. cb once all is closed. */
void blx__peers_close(struct blx__peers *peers, void (*cb)(void *data), void *data);
void blx__peers_destroy(struct blx__peers *peers);

/* Takes over who is a member: dials the new ones, lets go of those that left. */
void blx__peers_configure(struct blx__peers *peers, const struct raft_configuration *conf);

/* The same where the latest configuration is not committed: a change may be undone, so who is in
 * the committed one (NULL: none) stays a member until it is not. */
void blx__peers_configure2(struct blx__peers *peers, const struct raft_configuration *latest,
	const struct raft_configuration *committed);

/* Should a member of this hello be let in? 0, or negative with the reason. */
int blx__peers_admit(struct blx__peers *peers, const struct blx__hello *hello, blx_error *refusal);

/* A connection whose hello was admitted is the member's from now on. */
void blx__peers_adopt(struct blx__peers *peers, struct blx__conn *conn,
	const struct blx__hello *hello);

bool blx__peers_connected(const struct blx__peers *peers, uint64_t id);

/* When a frame of the member last came in; 0: never. */
uint64_t blx__peers_heard_ns(const struct blx__peers *peers, uint64_t id);

/* Copied. BLX_ECONNECT without a connection; BLX_EBUSY when its queue is full. */
int blx__peers_send(struct blx__peers *peers, uint64_t id, uint16_t kind, const void *payload,
	size_t len);

/* As send, answering a call of that member. */
int blx__peers_reply(struct blx__peers *peers, uint64_t id, uint64_t call_id,
	const struct blx__response *response);

/* Asks a member. On failure cb does not fire. */
int blx__peers_call(struct blx__peers *peers, uint64_t id, const struct blx__call_head *head,
	const void *body, size_t len, blx__peer_call_cb cb, void *data);

/* While held, frames queue and nothing leaves: a term or a vote they may rest on is on its
 * way to the disk (LIBRAFT: set_term and set_vote return at once). */
void blx__peers_hold(struct blx__peers *peers, bool hold);

#endif
