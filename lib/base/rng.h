/* SPDX-License-Identifier: Apache-2.0 */
/* A small seeded generator (splitmix64). Not for secrets. Same seed, same numbers. */
#ifndef BLX_BASE_RNG_H
#define BLX_BASE_RNG_H

#include <stdint.h>

struct blx__rng {
	uint64_t state;
};

void blx__rng_init(struct blx__rng *rng, uint64_t seed);
uint64_t blx__rng_u64(struct blx__rng *rng);

/* Uniform in [0, bound); bound is not 0. */
uint64_t blx__rng_below(struct blx__rng *rng, uint64_t bound);

#endif
