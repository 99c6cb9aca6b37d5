/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual network between hosts, behind the table of sys/stream.h. A stream
 * delivers in order what it delivers at all, as TCP does; a link has a latency
 * in each direction, may be cut in one or both, and what was on its way waits
 * for it to come back, or for TCP to give up. Connections are reset, accepted
 * late, and half of one may outlive the other.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "base/list.h"
#include "sys/stream.h"
#include "world.h"

#define SIM_HOSTS_MAX 16

struct sim_link {
	bool cut;
	uint64_t latency_ns;
	uint64_t jitter_ns;
};

struct sim_net {
	struct sim_world *world; /* borrowed */
	struct blx__rng rng;
	struct sim_host *hosts[SIM_HOSTS_MAX];               /* borrowed */
	struct sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* from, to */
	struct blx__list conns;
	uint64_t give_up_ns; /* a TCP that gets nothing through ends after this */
	uint64_t messages;   /* counters */
	uint64_t bytes;
	uint64_t resets;
};

/* What the network needs to know of a host; inside of what a host is. */
struct sim_host {
	struct blx__net table; /* impl is this struct */
	struct sim_net *net;   /* borrowed */
	unsigned number;
	const char *name; /* borrowed */
	struct blx__list listeners;
	bool up; /* there is a kernel to answer */
	/* What follows is done as the host's process, until leave; false: it is paused
	 * now, and the event comes again. */
	bool (*enter)(struct sim_host *host, struct sim_event *event);
	void (*leave)(struct sim_host *host);
};

void sim_net_init(struct sim_net *net, struct sim_world *world);
void sim_net_finish(struct sim_net *net);

void sim_host_init(
	struct sim_host *host, struct sim_net *net, unsigned number, const char *name);

/* Its process ended. Polite: the kernel tells the others; not: power went. */
void sim_host_end(struct sim_host *host, bool polite);

/* Power is back. */
void sim_host_up(struct sim_host *host);

/* Nothing is open. */
bool sim_host_idle(const struct sim_host *host);

void sim_net_cut(struct sim_net *net, unsigned from, unsigned to, bool cut);

/* Resets what connects the two now. */
void sim_net_reset(struct sim_net *net, unsigned a, unsigned b);

#endif
