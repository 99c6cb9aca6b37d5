/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ends of a connection, and what came to each; and a peer without manners,
 * whose every byte the test writes.
 */
#ifndef BLX_TESTS_RPC_TALK_H
#define BLX_TESTS_RPC_TALK_H

#include "base/buf.h"
#include "rpc/conn.h"
#include "support/pipe_net.h"

#define TALK_ADDRESS "unix:/m"
#define TALK_KIND    19

/* One end. */
struct talk_end {
	struct blx__conn *conn; /* NULL: gone */
	bool refuses;
	bool is_mute; /* does not answer the hello */
	bool pauses;  /* after the first frame */
	unsigned opened;
	unsigned closed;
	struct blx__hello hello; /* of the other */
	blx_error why;
	unsigned frames;
	uint64_t last_id;
	uint64_t out_of_order;
	uint32_t crc; /* of all payloads */
	size_t bytes;
};

struct talk {
	struct pipe_net net;
	struct blx__listener *listener;
	struct talk_end dials;
	struct talk_end listens;
};

extern struct talk talk;
extern const struct blx__conn_cbs talk_cbs; /* data is a struct talk_end */

void talk_begin(void);
void talk_end(void);

struct blx__hello talk_hello(const char *name, uint64_t id);

/* Dials and runs: both are open after it. */
void talk_open(void);
int talk_dial(void);
int talk_send(struct talk_end *end, uint64_t id, const void *payload, size_t len);

/* The peer without manners. It dials, or takes what dials at its address. */
struct talk_raw {
	struct blx__stream *stream; /* NULL: gone */
	struct blx__buf out;
	struct blx__buf in;
	bool writing;
	int status;
};

extern struct talk_raw raw;

void raw_dial(void);
void raw_listen(void);
void raw_write(const void *bytes, size_t len);
void raw_frame(uint16_t kind, uint64_t id, const void *payload, size_t len);
void raw_hello(void);

/* The own kinds of rpc/conn.c, as they are on the wire. */
#define RAW_HELLO   1
#define RAW_WELCOME 2
#define RAW_PING    3
#define RAW_PONG    4

/* So many frames of the kind came to it. */
unsigned raw_count(uint16_t kind);

#endif
