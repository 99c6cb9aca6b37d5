/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, batches, segments, and what happens when the disk does not go along. */
#include "base/mem.h"
#include "unit/wal/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct world *world;

static void begin(void)
{
	world = malloc(sizeof *world);
	world_init(world, 1);
	world_create(world);
}

static void end(void)
{
	world_finish(world);
	free(world);
}

Test(wal, what_waits_for_one_write_goes_out_with_the_next, .init = begin, .fini = end)
{
	uint64_t before = world_stats(world).syncs;
	uint64_t writes = world->fake.writes;
	unsigned i;

	world_append(world, 0, 1, 256); /* under way from here on */
	for (i = 0; i < 64; i++) {
		world_append(world, i % GROUPS, 1, 256);
	}
	cr_assert_eq(world->ended, 0);
	fake_step(&world->fake);
	cr_assert_eq(world->acked, 1);
	fake_step(&world->fake);
	cr_assert_eq(world->acked, 65);

	cr_assert_eq(world_stats(world).syncs, before + 2);
	cr_assert_eq(world->fake.writes, writes + 2);
	world_reopen(world);
	world_close(world);
}

Test(wal, gives_back_all_it_was_given, .init = begin, .fini = end)
{
	world_append(world, 0, 4, 100);
	world_hard_state(world, 0, 3, 2);
	world_append(world, 1, 2, 0);
	world_truncate(world, 0, 3);
	world_append(world, 0, 1, 777);
	world_snapshot(world, 0, 2, 2);
	world_hard_state(world, 0, 4, 0);
	world_reopen(world);
	world_append(world, 0, 3, 50);
	world_snapshot(world, 2, 100, 101);
	world_append(world, 2, 1, 9);
	world_reopen(world);
	world_reopen(world);
	world_close(world);
}

Test(wal, a_snapshot_that_restarts_the_log_replaces_entries_behind_it_too, .init = begin,
	.fini = end)
{
	world_append(world, 0, 4, 10);
	world_append(world, 0, 4, 10);
	world_snapshot(world, 0, 5, 6);
	world_append(world, 0, 1, 20); /* at 6 */

	world_reopen(world);
	cr_assert_eq(world->state[0].first, 6);
	cr_assert_eq(world->state[0].next, 7);
	world_close(world);
}

Test(wal, blocking_forms_do_what_the_others_do, .init = begin, .fini = end)
{
	struct blx__wal_entry entry = {
		.index = 1, .term = 4, .type = 1, .data = "x", .len = 1};
	struct blx__wal_snapshot snapshot = {
		.index = 1, .term = 4, .meta = "m", .meta_len = 1, .keep_from = 1};
	struct blx__wal_state state;
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__wal_append_sync(world->wal, 0, &entry, 1, &error), 0);
	cr_assert_eq(blx__wal_write_hard_state_sync(world->wal, 0, 4, 3, &error), 0);
	cr_assert_eq(blx__wal_snapshot_sync(world->wal, 0, &snapshot, &error), 0);
	blx__wal_close_sync(world->wal);
	cr_assert_eq(world_open(world, false, &error), 0);
	cr_assert_eq(blx__wal_state_take(world->wal, 0, &state), 0);

	cr_assert_eq(state.count, 1);
	cr_assert_eq(state.term, 4);
	cr_assert_eq(state.vote, 3);
	cr_assert_eq(state.snapshot_index, 1);
	cr_assert_arr_eq(state.entries[0].data, "x", 1);
	blx__wal_state_finish(&state);
	world_close(world);
}

Test(wal, entries_larger_than_a_segment_get_one_of_their_own, .init = begin, .fini = end)
{
	struct blx__wal_entry entry = {.index = 1, .term = 1, .type = 1, .len = 3 << 20};
	blx_error error = BLX_ERROR_INIT;
	unsigned i;

	for (i = 0; i < 3; i++) {
		world_append(world, 1, 1, 100);
		world_append(world, 0, 1, 5 << 20);
		world_append(world, 0, 4, 70000);
	}
	world_reopen(world);
	world_snapshot(world, 0, world->state[0].next - 1, world->state[0].next - 2);
	for (i = 0; i < 12; i++) {
		world_append(world, 0, 1, 40000);
		fake_run(&world->fake);
	}
	entry.data = calloc(1, entry.len);
	cr_assert_eq(blx__wal_append_sync(world->wal, 2, &entry, 1, &error), 0, "%s",
		error.message);
	free((void *)entry.data);
	world_close(world);
	cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
	world_close(world);
}

/* Three groups, one of them slow to snapshot: nothing it needs is recycled, and what
 * nobody needs is. */
Test(wal, segments_are_recycled_under_load, .init = begin, .fini = end)
{
	unsigned round;
	unsigned g;

	for (round = 0; round < 300; round++) {
		for (g = 0; g < GROUPS; g++) {
			world_append(world, g, 2, 2000);
			world_hard_state(world, g, round + 1, g);
			if (round % (g == 2 ? 40 : 5) == 4) {
				uint64_t last = world->state[g].next - 1;

				world_snapshot(world, g, last - 2, last - 4);
			}
		}
		while (round % 3 != 0 && fake_step(&world->fake)) {
		}
		if (round % 100 == 50) {
			world_reopen(world);
		}
	}
	fake_run(&world->fake);
	cr_assert_gt(world_stats(world).segments_recycled, 5);
	cr_assert_lt(fake_used(&world->fake), 40u * 65536u);
	world_reopen(world);
	world_close(world);
}

/* A group that wrote once, long ago, does not hold up the others: the checkpoints have
 * it. */
Test(wal, a_silent_group_keeps_its_term_vote_and_snapshot, .init = begin, .fini = end)
{
	unsigned i;

	world_snapshot(world, 1, 50, 51);
	world_hard_state(world, 1, 9, 2);
	for (i = 0; i < 100; i++) {
		uint64_t last;

		world_append(world, 0, 1, 20000);
		last = world->state[0].next - 1;
		world_snapshot(world, 0, last, last);
		fake_run(&world->fake);
	}
	cr_assert_gt(world_stats(world).segments_recycled, 0);
	world_reopen(world);
	cr_assert_eq(world->state[1].term, 9);
	cr_assert_eq(world->state[1].snapshot_index, 50);
	world_close(world);
}

/* Requests under way when the log is closed come to their end first. */
Test(wal, closing_waits_for_what_is_pending, .init = begin, .fini = end)
{
	unsigned i;

	for (i = 0; i < 20; i++) {
		world_append(world, 0, 1, 30000);
	}
	world_reopen(world);
	cr_assert_eq(world->state[0].next, 21);
	world_close(world);
}

/* Every change of segment finds the next one ready when commits leave it some time. */
Test(wal, a_commit_waits_for_one_step_of_preparation_at_most, .init = begin, .fini = end)
{
	unsigned i;

	for (i = 0; i < 50; i++) {
		unsigned steps = 0;

		world_append(world, 0, 1, 3000);
		while (world->ended < world->count) {
			cr_assert(fake_step(&world->fake));
			steps++;
		}
		cr_assert_leq(steps, 3, "request %u", i);
	}
	world_close(world);
}

/* ---- the disk is full ---------------------------------------------------- */

Test(wal, a_full_disk_is_told_while_there_is_room_for_what_was_taken, .init = begin,
	.fini = end)
{
	blx_error error = BLX_ERROR_INIT;
	size_t taken;

	world->fake.capacity = fake_used(&world->fake);
	while (world->fatals == 0) {
		world_append(world, 0, 1, 5000);
		world_append(world, 0, 1, 5000);
		fake_step(&world->fake);
	}
	cr_assert_eq(world->fatal_code, BLX_ENOSPC);
	cr_assert_not_null(strstr(world->fatal, "are free"), "%s", world->fatal);
	taken = world->count;
	fake_run(&world->fake);
	cr_assert_eq(world->acked, taken);

	world_hard_state(world, 0, 1, 1);
	fake_run(&world->fake);
	cr_assert_eq(world->ended, taken + 1);
	cr_assert_eq(world->requests[taken]->status, BLX_ENOSPC);
	cr_assert_eq(world->fatals, 1);
	world_close(world);

	cr_assert_eq(world_open(world, false, &error), BLX_ENOSPC);
	world->fake.capacity = 0;
	cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
	world_check(world);
	world_close(world);
}

Test(wal, a_log_that_does_not_fit_is_not_made)
{
	blx_error error = BLX_ERROR_INIT;

	world = malloc(sizeof *world);
	world_init(world, 1);
	world->fake.capacity = 100000;

	cr_assert_eq(world_open(world, true, &error), BLX_ENOSPC);
	cr_assert_eq(world_open(world, false, &error), BLX_ENOENT, "%s", error.message);
	cr_assert_eq(fake_used(&world->fake), 0);
	world->fake.capacity = 0;
	world_create(world);
	world_reopen(world);
	world_close(world);
	end();
}

/* ---- the disk fails ------------------------------------------------------ */

static void fail_at(uint64_t k, int code)
{
	struct blx__rng rng;
	unsigned i;
	blx_error error = BLX_ERROR_INIT;

	begin();
	blx__rng_init(&rng, 5);
	world->fake.fail_at = world->fake.ops + k;
	world->fake.fail_code = code;
	for (i = 0; i < 80; i++) {
		world_random(world, &rng);
		if (i % 3 == 0) {
			fake_step(&world->fake);
		}
		if (i % 20 == 0) {
			fake_advance_ms(&world->fake, 1000);
		}
	}
	fake_run(&world->fake);
	cr_assert_eq(world->ended, world->count, "call %llu", (unsigned long long)k);
	cr_assert_leq(world->fatals, 1);
	if (world->acked < world->count) {
		cr_assert_eq(world->fatals, 1);
		cr_assert_eq(world->fatal_code, code);
		cr_assert_eq(world->requests[world->count - 1]->status, code);
	}
	world_close(world);
	world->fake.fail_at = 0;
	cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
	world_check(world);
	world_close(world);
	end();
}

Test(wal, any_call_that_fails_is_told_once_and_ends_all_requests)
{
	uint64_t k;

	for (k = 1; k < 120; k++) {
		fail_at(k, BLX_EIO);
	}
}

Test(wal, any_call_that_finds_the_disk_full_ends_all_requests)
{
	uint64_t k;

	for (k = 1; k < 120; k++) {
		fail_at(k, BLX_ENOSPC);
	}
}

/* Nothing goes to a disk that has failed once. */
Test(wal, a_failed_write_is_never_repeated, .init = begin, .fini = end)
{
	uint64_t ops;

	world->fake.fail_at = world->fake.ops + 1;
	world->fake.fail_code = BLX_EIO;
	world_append(world, 0, 1, 100);
	world_append(world, 1, 1, 100);
	fake_run(&world->fake);
	ops = world->fake.ops;
	cr_assert_eq(world->ended, 2);

	world_append(world, 0, 1, 100);
	cr_assert_eq(world->ended, 2, "told inside the call");
	fake_run(&world->fake);
	fake_advance_ms(&world->fake, 5000);
	fake_run(&world->fake);
	world_close(world);

	cr_assert_eq(world->fake.ops, ops);
	cr_assert_eq(world->fatals, 1);
}

/* ---- no memory ----------------------------------------------------------- */

static unsigned allocations;
static unsigned allocation_fails;

static void *scarce_malloc(size_t size, void *data)
{
	return ++allocations == allocation_fails ? NULL : malloc(size);
}

static void *scarce_realloc(void *ptr, size_t size, void *data)
{
	return ++allocations == allocation_fails ? NULL : realloc(ptr, size);
}

static void scarce_free(void *ptr, void *data)
{
	free(ptr);
}

static const struct blx__allocator scarce = {
	scarce_malloc, scarce_realloc, scarce_free, NULL};

static void some_requests(void)
{
	unsigned i;

	for (i = 0; i < 12; i++) {
		uint64_t last;

		world_append(world, 0, 2, 9000);
		last = world->state[0].next - 1;
		world_snapshot(world, 0, last, last);
		if (i % 2 == 0) {
			fake_run(&world->fake);
		}
	}
	fake_run(&world->fake);
}

Test(wal, no_memory_at_any_point_while_it_runs_is_an_orderly_end)
{
	unsigned k;
	bool failed = true;

	for (k = 1; failed; k++) {
		blx_error error = BLX_ERROR_INIT;

		blx__allocator_set(&scarce);
		allocation_fails = 0;
		begin();
		allocations = 0;
		allocation_fails = k;
		some_requests();
		failed = allocations >= k;
		allocation_fails = 0;
		cr_assert_eq(world->ended, world->count);
		world_close(world);
		cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
		world_check(world);
		world_close(world);
		end();
	}
	blx__allocator_set(NULL);
	cr_assert_gt(k, 20);
}

Test(wal, no_memory_at_any_point_of_opening_changes_nothing)
{
	unsigned k;
	int rv = BLX_ENOMEM;

	blx__allocator_set(&scarce);
	allocation_fails = 0;
	begin();
	some_requests();
	for (k = 1; rv == BLX_ENOMEM; k++) {
		blx_error error = BLX_ERROR_INIT;

		if (k == 1) {
			world_close(world);
		}
		allocations = 0;
		allocation_fails = k;
		rv = world_open(world, false, &error);
		allocation_fails = 0;
	}
	cr_assert_eq(rv, 0);
	cr_assert_gt(k, 20);
	world_check(world);
	world_close(world);
	end();
	blx__allocator_set(NULL);
}

/* ---- speed, for the reader ----------------------------------------------- */

Test(wal, takes_little_of_the_processor)
{
	struct timespec from;
	struct timespec to;
	unsigned i;

	world = malloc(sizeof *world);
	world_init(world, 1);
	world->segment_size = 8 << 20;
	world_create(world);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 4000; i++) {
		world_append(world, i % GROUPS, 1, 256);
		if (i % 64 == 63) {
			fake_run(&world->fake);
		}
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	printf("4000 entries of 256 bytes, 64 at a time, to memory: %.0f ns each\n",
		((double)(to.tv_sec - from.tv_sec) * 1e9 +
			(double)(to.tv_nsec - from.tv_nsec)) /
			4000);
	world_reopen(world);
	world_close(world);
	end();
}
