/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of hosts, as the leader keeps them: when each host's request for its own
 * came, so that what it runs can be given to another once it cannot be running it any
 * more (plan/scene.h has the time).
 *
 * What makes that safe: a host counts its lease from before it sent the request, so it is
 * over no later than a lease after the request came. A request is answered when a round of
 * reads.h that began after it came is confirmed, so none that came to another leader after
 * this one was elected is; those before came before this leader's time, from which it counts
 * hosts that it did not hear. And none is answered that comes while something is being
 * taken from the host: until that is known to be applied or never to be, for the host
 * would have a lease with what was true before. The answer names the revision that the
 * host's own replica must have reached.
 *
 * Loop thread only.
 */
#ifndef BLX_NODE_HOSTS_H
#define BLX_NODE_HOSTS_H

#include "node/request.h"

#include <blixard/record.h>
#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

/* As many as there may be members. */
#define BLX__HOSTS_MAX 64

struct blx__host_kept {
	char name[BLX_NAME_MAX];
	uint64_t kept_ns;   /* 0: not by this leader */
	unsigned taking;    /* transactions under way that take something from it */
	raft_index settled; /* to be applied before it is kept again */
};

struct blx__hosts {
	struct blx__node *node; /* borrowed */
	raft_term term;         /* that this is of */
	struct blx__host_kept list[BLX__HOSTS_MAX];
	unsigned count;
};

void blx__hosts_init(struct blx__hosts *hosts, struct blx__node *node);

/* When it was kept last by this leader; 0: not yet. */
uint64_t blx__hosts_kept_ns(struct blx__hosts *hosts, const char *name);

/* A transaction that takes something from it begins, and ends. False: there is no room to
 * note it, and it must not begin. */
bool blx__hosts_take(struct blx__hosts *hosts, const char *name);
void blx__hosts_taken(struct blx__hosts *hosts, const char *name, int code);

/* As the leader: a request BLX__OP_HOST_KEEP came, and goes on as a read, or is refused. */
void blx__hosts_hear(struct blx__hosts *hosts, struct blx__request *request);
/* The leader is confirmed since it came. */
void blx__hosts_answer(struct blx__hosts *hosts, struct blx__request *request);

#endif
