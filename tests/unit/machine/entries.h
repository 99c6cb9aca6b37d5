/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as a caller sends them, entries as a leader makes them, and what a machine
 * answers. */
#ifndef BLX_TESTS_MACHINE_ENTRIES_H
#define BLX_TESTS_MACHINE_ENTRIES_H

#include "machine/machine.h"
#include "store/txn.h"

/* The cluster's time when a test begins. */
#define ENTRIES_TIME_MS     INT64_C(1700000000000)

#define ENTRIES_REPLIES_MAX 64

struct entries_reply {
	int code;
	uint64_t revision;
	size_t body_len;
	uint64_t body_hash;
};

/* One member: its machine, the entry under construction, and the last entry's replies. */
struct entries {
	struct blx__machine *machine; /* owned */
	struct blx__buf entry;
	uint64_t index;
	int64_t time_ms;
	struct entries_reply replies[ENTRIES_REPLIES_MAX];
	unsigned count;
};

struct blx__machine *entries_machine(void);

void entries_init(struct entries *entries);
void entries_finish(struct entries *entries);

/* The body of a transaction of one line. */
void entries_body(struct blx__buf *body, uint8_t kind, const char *key, const void *value,
	size_t len);

/* Begins an entry at the time, adds to it, and applies it. */
void entries_begin(struct entries *entries);
void entries_add(struct entries *entries, const struct blx__command *command);
int entries_end(struct entries *entries);

/* An entry of one put, of no session, or of one that was born when the test began. */
const struct entries_reply *entries_put(
	struct entries *entries, const char *key, const char *value);
const struct entries_reply *entries_write(struct entries *entries, uint64_t session,
	uint64_t seq, uint64_t acked, const char *key);

/* The same, of a session born at the time given. */
const struct entries_reply *entries_write_born(struct entries *entries, uint64_t session,
	int64_t born_ms, uint64_t seq, uint64_t acked, const char *key);

uint64_t entries_hash(struct entries *entries);

/* A copy of the image by way of what a file would hold of it. */
struct blx__image *entries_copy_image(struct blx__image *image);

#endif
