/* SPDX-License-Identifier: Apache-2.0 */
/* When writes were acknowledged to anybody, for reads that say how old they may be. */
#ifndef SIM_ACKS_H
#define SIM_ACKS_H

#include <stddef.h>
#include <stdint.h>

struct sim_ack {
	uint64_t at_ns;
	uint64_t revision; /* the newest that was acknowledged by then */
};

struct sim_acks {
	struct sim_ack *list; /* owned; times and revisions ascend */
	size_t count;
	size_t cap;
};

void sim_acks_finish(struct sim_acks *acks);

/* Times come in order; revisions need not. */
void sim_acks_add(struct sim_acks *acks, uint64_t at_ns, uint64_t revision);

/* The newest revision that was acknowledged before then; 0: none. */
uint64_t sim_acks_before(const struct sim_acks *acks, uint64_t at_ns);

#endif
