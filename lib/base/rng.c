/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/assert.h"

void blx__rng_init(struct blx__rng *rng, uint64_t seed)
{
	rng->state = seed;
}

uint64_t blx__rng_u64(struct blx__rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t blx__rng_below(struct blx__rng *rng, uint64_t bound)
{
	PRE(bound > 0);

	/* Lemire's multiply-shift; its bias is below 2^-32 for the bounds used here. */
	return (uint64_t)(((unsigned __int128)blx__rng_u64(rng) * bound) >> 64);
}
