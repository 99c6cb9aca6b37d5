/* SPDX-License-Identifier: Apache-2.0 */
/* The power fails at every call that changes the disk, with any part of what was not
 * synced left. BLX_SEED chooses the seed the runs begin with. */
#include "unit/wal/world.h"

#include <stdio.h>
#include <stdlib.h>

/* Opens what a crash left; the power may fail again meanwhile. */
static void recover(struct world *world, struct blx__rng *rng, uint64_t seed)
{
	for (;;) {
		blx_error error = BLX_ERROR_INIT;
		int rv;

		fake_crash(&world->fake, rng);
		if (blx__rng_below(rng, 4) == 0) {
			world->fake.crash_at =
				world->fake.ops + 1 + blx__rng_below(rng, 6);
		}
		rv = world_open(world, false, &error);
		if (rv == 0) {
			break;
		}
		cr_assert(world->fake.crashed, "seed %llu: %s", (unsigned long long)seed,
			error.message);
	}
	world_check(world);
}

static void work(struct world *world, struct blx__rng *rng, unsigned requests)
{
	unsigned i;

	for (i = 0; i < requests && !world->fake.crashed; i++) {
		uint64_t steps = blx__rng_below(rng, 4);

		world_random(world, rng);
		while (steps-- > 0 && fake_step(&world->fake)) {
		}
		if (blx__rng_below(rng, 20) == 0) {
			fake_advance_ms(&world->fake, 1000);
		}
	}
}

/* Several lives of one log, each ended by a crash. */
static void lives(uint64_t seed, unsigned count)
{
	struct world *world = malloc(sizeof *world);
	struct blx__rng rng;
	unsigned i;

	blx__rng_init(&rng, seed);
	world_init(world, seed);
	world_create(world);
	for (i = 0; i < count; i++) {
		world->fake.crash_at = world->fake.ops + 1 + blx__rng_below(&rng, 60);
		work(world, &rng, 40);
		if (!world->fake.crashed && blx__rng_below(&rng, 2) == 0) {
			world->fake.crashed = true; /* with requests under way */
		}
		world_close(world);
		recover(world, &rng, seed);
	}
	world->fake.crash_at = 0;
	world_close(world);
	world_finish(world);
	free(world);
}

Test(crash, at_any_call_loses_nothing_acknowledged_and_invents_nothing)
{
	uint64_t first = world_seed() != 0 ? world_seed() : 1;
	uint64_t seed;

	printf("seeds %llu to %llu\n", (unsigned long long)first,
		(unsigned long long)first + 399);
	for (seed = first; seed < first + 400; seed++) {
		lives(seed, 6);
	}
}

/* The same requests each time; the power fails at call 1, then at call 2, and so on. */
Test(crash, at_each_call_of_one_run)
{
	uint64_t k;
	bool crashed = true;

	for (k = 1; crashed; k++) {
		struct world *world = malloc(sizeof *world);
		struct blx__rng rng;

		world_init(world, 42);
		world_create(world);
		world->fake.crash_at = world->fake.ops + k;
		blx__rng_init(&rng, 42);
		work(world, &rng, 120);
		fake_run(&world->fake);
		crashed = world->fake.crashed;
		world_close(world);
		recover(world, &rng, k);
		world_close(world);
		world_finish(world);
		free(world);
	}
	cr_assert_gt(k, 50);
}

/* One that was being made is made anew, or is there. */
Test(crash, while_the_log_is_made)
{
	uint64_t k;
	bool crashed = true;

	for (k = 1; crashed; k++) {
		struct world *world = malloc(sizeof *world);
		blx_error error = BLX_ERROR_INIT;
		struct blx__rng rng;
		int rv;

		world_init(world, k);
		blx__rng_init(&rng, k);
		world->fake.crash_at = k;
		rv = world_open(world, true, &error);
		crashed = world->fake.crashed;
		cr_assert_eq(rv == 0, !crashed);
		if (crashed) {
			fake_crash(&world->fake, &rng);
			rv = world_open(world, true, &error);
			if (rv == BLX_EINUSE) {
				rv = world_open(world, false, &error);
			}
			cr_assert_eq(rv, 0, "call %llu: %s", (unsigned long long)k,
				error.message);
			world_check(world);
		}
		world_close(world);
		world_finish(world);
		free(world);
	}
	cr_assert_gt(k, 5);
}
