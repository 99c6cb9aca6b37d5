/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk in memory and an env that does nothing by itself. What was written is
 * durable after a sync, or at once through a file opened for that; of the
 * rest any of the 512-byte sectors may be left after a crash. Names made,
 * changed and removed are durable after sync_dir; of the rest the first few
 * may be left. Work, posts and timers run when the test says so.
 */
#ifndef BLX_TESTS_WAL_FAKE_H
#define BLX_TESTS_WAL_FAKE_H

#include "base/rng.h"
#include "sys/env.h"
#include "sys/files.h"

struct fake_node;

struct fake_name {
	char *name; /* owned */
	struct fake_node *node;
};

struct fake_dir {
	struct fake_name *names; /* owned */
	size_t count;
};

struct fake {
	struct blx__env env;
	struct blx__files files;
	struct fake_dir live;
	struct fake_dir
		*history; /* after each change of names since sync_dir; [0] is durable */
	size_t history_count;
	struct fake_node *nodes; /* all there ever were */
	uint64_t capacity;       /* bytes of all files; 0: no limit */
	uint64_t ops;            /* calls that change the disk */
	uint64_t writes;         /* durable writes among them */
	uint64_t crash_at; /* the disk is gone at that call, which may be half done; 0:
			      never */
	bool crashed;
	uint64_t fail_at; /* that call fails with fail_code; 0: none */
	int fail_code;
	struct blx__list works[BLX__QUEUE_COUNT];
	struct blx__list posts;
	struct blx__heap timers;
	uint64_t now_ns;
	struct blx__rng rng;
};

void fake_init(struct fake *fake, uint64_t seed);
void fake_finish(struct fake *fake);

/* One post, or else one work, first run and then done; false if there is nothing. */
bool fake_step(struct fake *fake);
void fake_run(struct fake *fake);
void fake_advance_ms(struct fake *fake, uint64_t ms);

/* The power comes back: what was not durable is there or not, by the rng. */
void fake_crash(struct fake *fake, struct blx__rng *rng);

/* The bytes of a file; NULL if there is none. */
uint8_t *fake_bytes(struct fake *fake, const char *path, size_t *ret_len);
bool fake_remove(struct fake *fake, const char *path);
uint64_t fake_used(const struct fake *fake);

#endif
