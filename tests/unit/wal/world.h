/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log on the fake disk, and beside it what it should hold: a model of each
 * group, moved by the requests one by one. What recovery finds must be the
 * model after some number of them, at least as many as were acknowledged.
 */
#ifndef BLX_TESTS_WAL_WORLD_H
#define BLX_TESTS_WAL_WORLD_H

#include "support/test.h"
#include "unit/wal/fake.h"
#include "wal/wal.h"

#define GROUPS     3
#define DIR        "/data/wal"
#define MODEL_MAX  4096
#define FIRST_SEG  DIR "/wal-00000000000000000001.seg"
#define SECOND_SEG DIR "/wal-00000000000000000002.seg"

struct model {
	uint64_t term;
	uint64_t vote;
	bool has_snapshot;
	uint64_t snapshot_index;
	uint64_t snapshot_term;
	uint64_t first;
	uint64_t next;
	uint64_t ids[MODEL_MAX]; /* of the entry at an index; its bytes follow from it */
};

enum kind { APPEND, TRUNCATE, HARD_STATE, SNAPSHOT };

struct request {
	struct blx__wal_req req;
	struct world *world;
	enum kind kind;
	unsigned group;
	size_t n;
	uint64_t ids[4];
	void *bytes[4]; /* owned until the cb */
	size_t lens[4];
	uint64_t index;
	uint64_t term;
	uint64_t vote;
	uint64_t keep_from;
	int status;
	bool done;
};

struct world {
	struct fake fake;
	struct blx__wal *wal;
	size_t segment_size;
	unsigned groups;
	uint8_t cluster;
	uint64_t member;
	struct model base[GROUPS];  /* what the log held when it was opened */
	struct model state[GROUPS]; /* and with all requests since */
	struct request **requests;  /* owned; since it was opened */
	size_t count;
	size_t acked; /* with status 0 */
	size_t ended; /* with any */
	uint64_t id;  /* of the entry made last */
	unsigned fatals;
	int fatal_code;
	char fatal[BLX_ERROR_MESSAGE_SIZE];
	bool closed;
	bool inside; /* of a call */
};

void world_init(struct world *world, uint64_t seed);
void world_finish(struct world *world);

int world_open(struct world *world, bool create, blx_error *error);
void world_create(struct world *world);
/* Ends what is pending and closes. */
void world_close(struct world *world);
/* Closes, and opens again what must be all there. */
void world_reopen(struct world *world);

void world_append(struct world *world, unsigned group, size_t n, size_t len);
void world_truncate(struct world *world, unsigned group, uint64_t index);
void world_hard_state(struct world *world, unsigned group, uint64_t term, uint64_t vote);
void world_snapshot(
	struct world *world, unsigned group, uint64_t index, uint64_t keep_from);
/* Any of them. */
void world_random(struct world *world, struct blx__rng *rng);

/* Takes the state of all groups from the log just opened. It is the model after some of
 * the requests, from those acknowledged on: the model is set to it; else the test fails.
 */
void world_check(struct world *world);

struct blx__wal_stats world_stats(const struct world *world);
uint64_t world_seed(void);

#endif
