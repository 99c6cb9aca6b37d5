/* SPDX-License-Identifier: Apache-2.0 */
/* A machine fed with entries, for tests: what it answered is kept as numbers. */
#ifndef BLX_TESTS_MACHINE_DRIVE_H
#define BLX_TESTS_MACHINE_DRIVE_H

#include "base/buf.h"
#include "base/rng.h"
#include "machine/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVE_REPLIES_MAX 64

struct drive_reply {
	int code;
	uint64_t revision;
	size_t body_len;
	uint32_t body_crc;
};

struct drive {
	struct blx__machine *machine;
	uint64_t index;
	struct drive_reply replies[DRIVE_REPLIES_MAX]; /* of the last entry */
	unsigned replies_count;
};

/* One key put, deleted (value NULL), or read (get). */
struct drive_write {
	uint64_t session; /* 0: none */
	uint64_t born_ms;
	uint64_t seq;
	uint64_t acked;
	const char *key;
	const char *value;
	bool get;
	bool if_absent;
};

void drive_init(struct drive *drive);
void drive_finish(struct drive *drive);

/* The bytes of a command, of an entry with the commands of some writes. */
void drive_command(const struct drive_write *write, struct blx__buf *buf);
void drive_entry(int64_t time_ms, const struct drive_write *writes, size_t count,
	struct blx__buf *buf);

/* Applies bytes at the next index; the replies go to drive->replies. */
int drive_bytes(struct drive *drive, const void *data, size_t len);

/* An entry of one write; it must be applied. Gives the reply. */
struct drive_reply drive_one(
	struct drive *drive, int64_t time_ms, const struct drive_write *write);

/* A put without a session. */
void drive_put(struct drive *drive, const char *key, const char *value);

/* Of many callers, some of which send again, ack, lose their session; and time goes on.
 */
void drive_random_entry(struct blx__rng *rng, int64_t *time_ms, struct blx__buf *buf);

/* The same replies, and all that a machine tells of itself. */
bool drive_same(const struct drive *a, const struct drive *b);

uint64_t drive_hash(const struct drive *drive);

/* An image taken apart and built anew. BLX_ENOMEM, BLX_ECORRUPT. */
int drive_rebuild(const struct blx__image *image, struct blx__image **ret_image);

/* All of an image's content as bytes. */
void drive_content(const struct blx__image *image, struct blx__buf *buf);

/* BLX_SEED, or of the clock; told. */
uint64_t drive_seed(void);

/* The k-th allocation from now on and all after it fail (k from 1; 0: none do), and what
 * is not freed is counted. */
void drive_memory_begin(unsigned long k);
long drive_memory_end(void); /* allocations that are left */

#endif
