/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an entry of the log holds: a header and the commands of many callers.
 * Bytes are little endian and padded with zeros to a multiple of 8 (libraft
 * reads others wrongly). Pure.
 */
#ifndef BLX_MACHINE_COMMAND_H
#define BLX_MACHINE_COMMAND_H

#include "base/buf.h"
#include "base/error.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows when an older member could not apply the bytes: it stops then (never skips). */
#define BLX__ENTRY_FORMAT 1

/* Numbers are on disk: never reused. */
enum blx__command_kind {
	BLX__COMMAND_TXN = 1 /* body: store/txn.h */
};

struct blx__command {
	uint8_t kind;
	uint64_t session;         /* 0: none, applied as often as it is sent */
	uint64_t session_born_ms; /* cluster time when the session was opened */
	uint64_t seq;             /* of this write in the session, from 1 */
	uint64_t acked;      /* all below this number have been answered to the caller */
	const uint8_t *body; /* borrowed */
	size_t body_len;
};

void blx__command_encode(const struct blx__command *command, struct blx__buf *buf);

/* The transaction as a command of no session. */
void blx__command_of_txn(const struct blx__txn *txn, struct blx__buf *buf);

/* BLX_EPROTO malformed; BLX_EVERSION of a kind not known here. Borrows from data. */
int blx__command_decode(const void *data, size_t len, struct blx__command *ret_command);

/* The whole of what may be refused before it is logged, its body too. error says what. */
int blx__command_check(const void *data, size_t len, blx_error *error);

/* Applied once however often it is sent? False for malformed bytes. */
bool blx__command_has_session(const void *data, size_t len);

struct blx__entry_header {
	uint64_t origin;      /* member id of the leader that made it */
	uint64_t incarnation; /* of that member's run */
	uint64_t token;       /* of the batch in that run */
	int64_t time_ms; /* cluster time proposed; the machine never lets it go back */
	uint32_t count;  /* of commands */
};

/* The bytes of an entry: begin, add each, end. Check blx__buf_ok(). header.count is
 * filled in by end. */
void blx__entry_begin(struct blx__buf *buf, const struct blx__entry_header *header);
void blx__entry_add(struct blx__buf *buf, const void *command, size_t len);
void blx__entry_end(struct blx__buf *buf);

/* Begins to read: the commands follow by blx__entry_next(). BLX_EPROTO, BLX_EVERSION. */
struct blx__entry {
	struct blx__entry_header header;
	const uint8_t *at;
	const uint8_t *end;
	uint32_t left;
};
int blx__entry_read(const void *data, size_t len, struct blx__entry *ret_entry);

/* The next command's bytes, borrowed. False: no more, or malformed. */
bool blx__entry_next(
	struct blx__entry *entry, const uint8_t **ret_command, size_t *ret_len);

#endif
