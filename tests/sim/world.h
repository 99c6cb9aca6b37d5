/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world a simulated cluster lives in: a virtual clock that jumps from event
 * to event, the seed that all chance comes from, the story that is told of it,
 * and the first thing that was found to be wrong. One thread.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/heap.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SIM_US UINT64_C(1000)
#define SIM_MS UINT64_C(1000000)
#define SIM_S  UINT64_C(1000000000)

/* Something that will happen. Memory of its owner's, who cancels it before that goes. */
struct sim_event {
	struct blx__heap_item item;
	void (*cb)(struct sim_event *event);
	void *data;
};

struct sim_world {
	uint64_t seed;
	uint64_t now_ns;
	uint64_t steps;
	uint64_t hash; /* of all that happened, in order */
	struct blx__heap events;
	FILE *story; /* borrowed; NULL: nobody listens */
	bool failed;
	char failure[1024];
};

void sim_world_init(struct sim_world *world, uint64_t seed, FILE *story);
void sim_world_finish(struct sim_world *world);

/* A source of chance of its own for each part, so that leaving one part out changes the
 * others as little as can be. */
void sim_world_rng(const struct sim_world *world, const char *part, unsigned number,
	struct blx__rng *ret_rng);

void sim_event_init(
	struct sim_event *event, void (*cb)(struct sim_event *event), void *data);

/* Moves one that is due already. */
void sim_event_at(struct sim_world *world, struct sim_event *event, uint64_t at_ns);
void sim_event_after(struct sim_world *world, struct sim_event *event, uint64_t delay_ns);
void sim_event_cancel(struct sim_world *world, struct sim_event *event);
bool sim_event_pending(const struct sim_event *event);

/* The next event. False: there is none up to that time, which it is now; or something is
 * wrong. */
bool sim_world_step(struct sim_world *world, uint64_t until_ns);

/* Takes numbers into the hash. */
void sim_world_mix(struct sim_world *world, uint64_t a, uint64_t b);

/* A line of the story; who may be NULL. */
__attribute__((format(printf, 3, 4))) void sim_tell(
	struct sim_world *world, const char *who, const char *format, ...);

/* Something is wrong; the first one counts, and ends the run. */
__attribute__((format(printf, 2, 3))) void sim_fail(
	struct sim_world *world, const char *format, ...);

/* ---- chance ---- */

static inline bool sim_chance(struct blx__rng *rng, unsigned per_mille)
{
	return blx__rng_below(rng, 1000) < per_mille;
}

/* From low to high, both included. */
static inline uint64_t sim_between(struct blx__rng *rng, uint64_t low, uint64_t high)
{
	return low + blx__rng_below(rng, high - low + 1);
}

/* From low to high with small ones as likely as large ones: each doubling has the same
 * chance. */
uint64_t sim_spread(struct blx__rng *rng, uint64_t low, uint64_t high);

#endif
