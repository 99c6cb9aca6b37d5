/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members say to each other and to clients, above the frames of rpc/:
 * the kinds of frames, the requests and their answers. Decoders check bounds;
 * what does not decode is BLX_EPROTO, never a crash.
 */
#ifndef BLX_NODE_PROTOCOL_H
#define BLX_NODE_PROTOCOL_H

#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Kinds of frames after the handshake. rpc/ keeps those below 16 for itself. */
enum blx__kind {
	BLX__KIND_RAFT = 16,        /* a raft message, node/wire.h */
	BLX__KIND_PROBE = 17,       /* u64 nonce: which term are you in? u32 promise_ms: and
				     * do you promise silence for so long (read_lease.h)? */
	BLX__KIND_PROBE_REPLY = 18, /* u64 nonce, u64 term, u8 promised */
	BLX__KIND_CALL = 19,        /* struct blx__call_head, body; frame id names the call */
	BLX__KIND_REPLY = 20        /* struct blx__response */
};

/* What is asked. The numbers are on the wire. */
enum blx__op {
	BLX__OP_WRITE = 1,       /* a command of machine/command.h */
	BLX__OP_GET = 2,         /* struct blx__get */
	BLX__OP_LIST = 3,        /* node/list.h */
	BLX__OP_BARRIER = 4,     /* u64 min revision; answered when the replica is current */
	BLX__OP_READ_INDEX = 5,  /* between members: answer u64 index */
	BLX__OP_STATUS = 6,      /* answer: JSON text */
	BLX__OP_PROMOTE = 7,     /* name */
	BLX__OP_DEMOTE = 8,      /* name */
	BLX__OP_REMOVE = 9,      /* name */
	BLX__OP_TRANSFER = 10,   /* name, may be empty */
	BLX__OP_JOIN = 11,       /* name, address; answer u64 id, cluster id, members */
	BLX__OP_SNAP_MAKE = 12,  /* answer: u64 token, u64 size, u32 crc */
	BLX__OP_SNAP_PIECE = 13, /* u64 token, u64 offset; answer u32 crc, bytes */
	BLX__OP_IMAGE_PIECE = 14, /* between members: u64 index, u64 term, u64 offset */
	BLX__OP_WATCH = 15,       /* watch/stream.h; answered when there is something to tell */
	BLX__OP_SQL = 16,         /* snapshot/query.h */
	BLX__OP_LEASE_KEEP = 17,  /* u64 id; answered when the leader is confirmed */
	BLX__OP_VIEW = 18,        /* watch/views.h */
	BLX__OP_HEALTH = 19,      /* of the members, as the leader hears them; answer: JSON text */
	BLX__OP_HOST_KEEP = 20,   /* between members: name; answered when the leader is confirmed,
				   * node/hosts.h */
	BLX__OP_CAN_RUN = 21,     /* node, service: asked of that node; answer: "yes", or why not */
	BLX__OP_CALL = 22         /* member, function, id, arguments: of that member,
				   * node/functions.h */
};

enum blx__call_flags {
	BLX__CALL_FORWARDED = 1 /* comes from a member that took it for the leader's; it is
				 * not forwarded again */
};

struct blx__call_head {
	uint8_t op;
	uint8_t flags;
	uint32_t timeout_ms; /* what is left of the caller's patience */
};

void blx__call_head_put(struct blx__buf *buf, const struct blx__call_head *head);
int blx__call_head_get(struct blx__reader *reader, struct blx__call_head *ret_head);

/* The answer to a request. Text and body are borrowed wherever it is passed. */
struct blx__response {
	int code;          /* enum blx_code */
	int outcome;       /* enum blx_outcome */
	uint64_t revision; /* of the store after it, or what a conflict met */
	const char *message;
	size_t message_len;
	const uint8_t *body;
	size_t body_len;
};

void blx__response_put(struct blx__buf *buf, const struct blx__response *response);
int blx__response_get(const void *data, size_t len, struct blx__response *ret_response);

/* Fills an error from an answer that is one, and returns its code. */
int blx__response_error(const struct blx__response *response, blx_error *error);

enum blx__get_mode {
	BLX__GET_LOCAL = 0,
	BLX__GET_CONSISTENT = 1,
	BLX__GET_MAX_AGE = 2 /* local, if the replica is known to be that current */
};

/* What is to be read, the body of BLX__OP_GET. */
struct blx__get {
	uint8_t mode; /* enum blx__get_mode */
	uint64_t min_revision;
	uint64_t max_age_ms; /* with MAX_AGE alone */
	const uint8_t *key;  /* borrowed */
	size_t key_len;
};
void blx__get_put(struct blx__buf *buf, const struct blx__get *get);
int blx__get_get(const void *data, size_t len, struct blx__get *ret_get);

/* A read value, as the answer to BLX__OP_GET. */
struct blx__got {
	uint64_t revision; /* of the store */
	uint64_t age_ms;
	uint64_t create_revision;
	uint64_t mod_revision;
	uint64_t version;
	const uint8_t *value;
	size_t value_len;
};

void blx__got_put(struct blx__buf *buf, const struct blx__got *got);
int blx__got_get(const void *data, size_t len, struct blx__got *ret_got);

#endif
