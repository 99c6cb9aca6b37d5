/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where others come in: the TCP address for members and for those who join,
 * the unix socket for clients. Every connection says hello first and is let in
 * or refused with the reason; then its calls become requests. Loop thread only.
 */
#ifndef BLX_NODE_SERVER_H
#define BLX_NODE_SERVER_H

#include "base/error.h"
#include "node/protocol.h"
#include "rpc/conn.h"

#include <stdint.h>

struct blx__node;
struct blx__server;

/* Connections from clients at once; more are refused with BLX_EBUSY. */
#define BLX__SERVER_CLIENTS_MAX 1024

/* Calls of one connection under way at once; more are answered with BLX_EBUSY. */
#define BLX__SERVER_CALLS_MAX 2048

int blx__server_create(struct blx__node *node, struct blx__server **ret_server);

/* Listens at both places. BLX_EINUSE names the one that is taken. */
int blx__server_listen(struct blx__server *server, blx_error *error);

/* Refuses new connections and closes those there are; cb when none is left. */
void blx__server_close(struct blx__server *server, void (*cb)(void *data), void *data);
void blx__server_destroy(struct blx__server *server);

/* A call of a member came in on its connection. */
void blx__server_on_peer_call(struct blx__server *server, uint64_t from,
	const struct blx__frame *frame);

#endif
