/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's side of exactly-once (Raft thesis 6.3): each write has the number
 * of its session and one of its own, and tells up to which number all have been
 * answered. Safe from any thread.
 */
#ifndef BLX_CLIENT_SESSION_H
#define BLX_CLIENT_SESSION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Writes of one session under way at once: as many replies as the machine keeps. */
#define BLX__SESSION_CALLS_MAX 1024

/* A session that was not used for this long is left for a new one before the machine
 * forgets it (it does after an hour). */
#define BLX__SESSION_IDLE_MS (20 * 60 * 1000)

struct blx__session {
	pthread_mutex_t lock;
	uint64_t seed;
	uint64_t id; /* 0: none yet */
	int64_t born_ms;
	uint64_t next;  /* number of the next write */
	uint64_t first; /* the lowest not answered; next when there is none */
	uint64_t used_ns;
	uint8_t ended[BLX__SESSION_CALLS_MAX]; /* by number modulo the size */
};

/* What a write needs to know of it. */
struct blx__session_slot {
	uint64_t id;
	int64_t born_ms;
	uint64_t seq;
	uint64_t acked; /* all below this number are answered */
};

void blx__session_init(struct blx__session *session, uint64_t seed);
void blx__session_finish(struct blx__session *session);

/* False: too many are under way. now_ns is monotonic, time_ms the cluster's. */
bool blx__session_begin(struct blx__session *session, uint64_t now_ns, int64_t time_ms,
	struct blx__session_slot *ret_slot);

/* The write was answered or given up. */
void blx__session_end(struct blx__session *session, const struct blx__session_slot *slot);

/* The machine does not know it: the next write opens a new one. */
void blx__session_renew(struct blx__session *session, uint64_t id);

#endif
