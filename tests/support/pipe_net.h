/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An env in one thread whose time passes when the test says so, and a net of
 * streams in memory. Bytes move when the test runs it, in pieces of any size;
 * every piece is handed over in memory of exactly its length. Streams that the
 * test opens through the table itself play a peer of any manners.
 */
#ifndef BLX_TESTS_PIPE_NET_H
#define BLX_TESTS_PIPE_NET_H

#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "sys/env.h"
#include "sys/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct pipe_net {
	struct blx__env env; /* what is tested gets this */
	struct blx__net net;
	uint64_t now_ns;
	struct blx__heap timers;
	struct blx__list posts;
	struct blx__list streams;
	struct blx__list listeners;
	struct blx__rng rng;
	size_t piece_max; /* 0: as much as there is; else pieces of 1 to so many bytes */
	bool cut;         /* nothing arrives */
	bool stalled;     /* what is written is not taken */
	uint32_t uid;     /* at the other end of unix streams */
	unsigned writes;  /* that were asked for */
	unsigned streams_count;
};

void pipe_net_init(struct pipe_net *net, uint64_t seed);

/* Fails the test if a stream, a listener, a timer or a post is left. */
void pipe_net_finish(struct pipe_net *net);

/* Until nothing moves any more; time stands still. */
void pipe_net_run(struct pipe_net *net);

/* Runs, with so much time passing. */
void pipe_net_pass(struct pipe_net *net, uint64_t ms);

/* All connections that stand break. */
void pipe_net_break(struct pipe_net *net);

/* The seed of a random test, from BLX_SEED if that is set; printed. */
uint64_t pipe_net_seed(void);

#endif
