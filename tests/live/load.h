/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers and readers that know what must be true. Each writer has keys of its
 * own and writes values that never repeat; it remembers the last value that was
 * acknowledged and those whose outcome is unknown since. Readers look that the
 * revision of a member never goes back.
 */
#ifndef BLX_TESTS_LIVE_LOAD_H
#define BLX_TESTS_LIVE_LOAD_H

#include "live.h"

#include <pthread.h>
#include <stdatomic.h>

#define LOAD_KEYS        8
#define LOAD_WRITERS_MAX 128

/* Values of unknown outcome since the last acknowledged one; a writer that has more stops. */
#define LOAD_OPEN_MAX 4096

struct load_key {
	uint64_t acked;      /* number of the last value acknowledged; 0: none */
	uint64_t first_open; /* those from here to next may have been written as well */
	uint64_t next;
	/* Of unknown outcome when their client was closed: another client's writes do not
	 * keep them from being applied later. Empty: both are 0. */
	uint64_t ghosts_from;
	uint64_t ghosts_to;
};

struct load;

struct load_writer {
	struct load *load;
	unsigned number;
	unsigned member; /* that it talks to now */
	pthread_t thread;
	struct load_key keys[LOAD_KEYS];
};

struct load_reader {
	struct load *load;
	unsigned member;
	pthread_t thread;
	uint64_t revision;
};

struct load {
	struct live *live;
	unsigned writers_count;
	struct load_writer writers[LOAD_WRITERS_MAX];
	struct load_reader readers[LIVE_MEMBERS_MAX];
	atomic_bool stop;
	_Atomic uint64_t acked;
	_Atomic uint64_t unknown;
	_Atomic uint64_t refused;
	_Atomic uint64_t reads;
	_Atomic uint64_t went_back; /* how often a revision did */
	uint32_t timeout_ms;
};

void load_start(struct load *load, struct live *live, unsigned writers);

/* Ends the threads. */
void load_stop(struct load *load);

/* Reads every key through one member, consistently; exits through live_fail() if what is there
 * is not what may be. Returns how many keys have a value. */
unsigned load_verify(struct load *load, unsigned member);

#endif
