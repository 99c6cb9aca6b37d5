/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to other members that are under way: each has a number, a deadline and
 * a callback that fires once, never inside the call that made it or ended it.
 * The calls over one connection are in a list of its owner's. Loop thread only.
 */
#ifndef BLX_NODE_CALLS_H
#define BLX_NODE_CALLS_H

#include "base/buf.h"
#include "base/list.h"
#include "node/protocol.h"
#include "rpc/conn.h"
#include "sys/env.h"

#include <stddef.h>
#include <stdint.h>

/* The answer to a call, once: response is NULL when none came, code says why
 * (BLX_ECONNECT, BLX_ETIMEOUT, BLX_ECANCELED, BLX_EPROTO). */
typedef void (*blx__peer_call_cb)(
	int code, const struct blx__response *response, void *data);

struct blx__calls {
	struct blx__env *env; /* borrowed */
	uint64_t id;          /* of the last one */
	struct blx__buf scratch;
	struct blx__list lost; /* connection lost, to be told */
	int lost_code;         /* what they are told: BLX_ECONNECT, or BLX_ECANCELED */
	struct blx__post lost_post;
};

void blx__calls_init(struct blx__calls *calls, struct blx__env *env);

/* None is under way. */
void blx__calls_finish(struct blx__calls *calls);

/* What is asked, and who is told. */
struct blx__ask_peer {
	const struct blx__call_head *head;
	const void *body; /* borrowed until return */
	size_t len;
	blx__peer_call_cb cb;
	void *data;
};

/* Asks over the connection. On failure, that of blx__conn_send() or BLX_ENOMEM, cb does
 * not fire. */
int blx__calls_begin(struct blx__calls *calls, struct blx__list *under_way,
	struct blx__conn *conn, const struct blx__ask_peer *ask);

/* An answer came over the connection; one that is too late is dropped. */
void blx__calls_on_reply(struct blx__calls *calls, struct blx__list *under_way,
	const struct blx__frame *frame);

/* The connection is lost: they end soon. */
void blx__calls_lose(struct blx__calls *calls, struct blx__list *under_way);

/* Tells those that were lost now. */
void blx__calls_tell(struct blx__calls *calls);

#endif
