/* SPDX-License-Identifier: Apache-2.0 */
/* What recovery makes of each kind of damage. */
#include "base/crc32c.h"
#include "base/codec.h"
#include "unit/wal/world.h"

#include <stdlib.h>
#include <string.h>

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

/* The process is killed: what was written stays as it is, and the mark is behind. */
static void killed(void)
{
	world->fake.crashed = true;
	world_close(world);
	world->fake.crashed = false;
}

static void append_one(size_t len)
{
	world_append(world, 0, 1, len);
	fake_run(&world->fake);
}

/* Opens and closes again; the code, or how many entries group 0 has. */
static int opened(blx_error *error)
{
	struct blx__wal_state state;
	int count;
	int rv = world_open(world, false, error);

	if (rv != 0) {
		return rv;
	}
	cr_assert_eq(blx__wal_state_take(world->wal, 0, &state), 0);
	count = (int)state.count;
	blx__wal_state_finish(&state);
	world->fake.crashed = true; /* the mark shall not move */
	blx__wal_close_sync(world->wal);
	world->fake.crashed = false;
	return count;
}

static int opens(void)
{
	blx_error error = BLX_ERROR_INIT;

	return opened(&error);
}

struct image {
	uint8_t *bytes; /* owned */
	uint8_t *copy;  /* owned by the fake */
	size_t len;
};

static struct image image_take(const char *path)
{
	struct image image;

	image.copy = fake_bytes(&world->fake, path, &image.len);
	cr_assert_not_null(image.copy);
	image.bytes = malloc(image.len);
	memcpy(image.bytes, image.copy, image.len);
	return image;
}

static void image_restore(const struct image *image)
{
	memcpy(image->copy, image->bytes, image->len);
}

static size_t used_end(const struct image *image)
{
	size_t used = image->len;

	while (used > 0 && image->bytes[used - 1] == 0) {
		used--;
	}
	return used;
}

Test(recover, a_tail_torn_at_any_byte_is_cut, .init = begin, .fini = end)
{
	struct image image;
	size_t last;
	size_t used;
	size_t at;

	append_one(700);
	append_one(5000);
	image = image_take(FIRST_SEG);
	last = (used_end(&image) + 4095) / 4096 * 4096;
	free(image.bytes);
	append_one(6000);
	killed();
	image = image_take(FIRST_SEG);
	used = used_end(&image);
	cr_assert_gt(used, last + 6000);
	cr_assert_eq(opens(), 3);

	for (at = last; at < used; at += at < last + 128 ? 1 : 37) {
		image_restore(&image);
		memset(image.copy + at, 0, used - at);
		cr_assert_eq(opens(), 2, "torn at %zu", at);
	}
	free(image.bytes);
}

Test(recover, what_was_cut_once_is_gone_for_good, .init = begin, .fini = end)
{
	struct image image;
	size_t used;

	append_one(700);
	append_one(3000);
	killed();
	image = image_take(FIRST_SEG);
	used = used_end(&image);
	image.copy[used - 1] ^= 1;
	cr_assert_eq(opens(), 1);

	memcpy(image.copy + used - 1, image.bytes + used - 1, 1);

	cr_assert_eq(opens(), 1);
	free(image.bytes);
}

Test(recover, a_log_cut_goes_on_and_is_whole, .init = begin, .fini = end)
{
	struct image image;
	blx_error error = BLX_ERROR_INIT;

	append_one(700);
	append_one(9000);
	killed();
	image = image_take(FIRST_SEG);
	image.copy[used_end(&image) - 1] ^= 1;
	free(image.bytes);
	world->acked = 1; /* the disk kept the first one only */
	cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
	world_check(world);

	append_one(100);
	append_one(100);

	world_reopen(world);
	world_close(world);
}

/* The process dies while its write is in the disk's cache; the next one finds the record
 * there, and then the power fails: what was found once must stay. */
Test(recover, what_was_found_once_is_durable)
{
	uint64_t seed;

	for (seed = 0; seed < 20; seed++) {
		blx_error error = BLX_ERROR_INIT;
		struct blx__rng rng;

		begin();
		append_one(700);
		world->fake.crash_at = world->fake.ops + 1;
		append_one(3000);
		killed();
		world->fake.crash_at = 0;
		cr_assert_eq(opened(&error), 2, "%s", error.message);

		blx__rng_init(&rng, seed);
		fake_crash(&world->fake, &rng);

		cr_assert_eq(opened(&error), 2, "seed %d: %s", (int)seed, error.message);
		end();
	}
}

/* Every byte of what was written, a bit of it: found, or the end is cut where it may be.
 */
static void flip_all(const char *path, size_t from, size_t to, int expect)
{
	struct image image = image_take(path);
	size_t at;

	for (at = from; at < to; at += at % 4096 < 256 ? 1 : 11) {
		image_restore(&image);
		image.copy[at] ^= (uint8_t)(1u << (at % 8));
		cr_assert_eq(opens(), expect, "flipped at %zu", at);
	}
	image_restore(&image);
	free(image.bytes);
}

Test(recover, a_flipped_bit_before_the_end_is_damage, .init = begin, .fini = end)
{
	struct image image;
	size_t last;

	append_one(700);
	append_one(5000);
	image = image_take(FIRST_SEG);
	last = (used_end(&image) + 4095) / 4096 * 4096;
	free(image.bytes);
	append_one(300);
	killed();

	flip_all(FIRST_SEG, 0, last, BLX_ECORRUPT);
	flip_all(FIRST_SEG, last, last + 4096, 2);
}

Test(recover, a_flipped_bit_below_the_mark_is_damage_even_at_the_end, .init = begin,
	.fini = end)
{
	append_one(700);
	append_one(300);
	world_close(world);

	flip_all(FIRST_SEG, 0, 4096 * 4, BLX_ECORRUPT);
}

Test(recover, a_flipped_bit_in_a_segment_before_the_last_is_damage, .init = begin,
	.fini = end)
{
	struct image image;
	size_t used;

	append_one(30000);
	append_one(20000);
	append_one(30000);
	killed();
	image = image_take(FIRST_SEG);
	used = used_end(&image);
	free(image.bytes);

	flip_all(FIRST_SEG, 0, (used + 4095) / 4096 * 4096, BLX_ECORRUPT);
}

/* Nothing but the chain tells: the state is the same without the record. */
Test(recover, a_lost_record_that_changed_nothing_is_damage, .init = begin, .fini = end)
{
	struct image image;

	append_one(10); /* keeps the segment from being recycled */
	world_hard_state(world, 0, 1, 1);
	fake_run(&world->fake);
	world_hard_state(world, 0, 1, 1);
	fake_run(&world->fake);
	image = image_take(FIRST_SEG);
	append_one(60000);
	killed();
	image.copy[used_end(&image) - 10] ^= 1;

	cr_assert_eq(opens(), BLX_ECORRUPT);
	free(image.bytes);
}

Test(recover, damage_is_told_with_file_and_offset_and_advice, .init = begin, .fini = end)
{
	struct image image;
	blx_error error = BLX_ERROR_INIT;

	append_one(700);
	append_one(300);
	append_one(300);
	killed();
	image = image_take(FIRST_SEG);
	image.copy[2 * 4096 + 100] ^= 1;
	free(image.bytes);

	cr_assert_eq(opened(&error), BLX_ECORRUPT);
	cr_assert_not_null(strstr(error.message, FIRST_SEG), "%s", error.message);
	cr_assert_not_null(strstr(error.message, "offset 8192"), "%s", error.message);
	cr_assert_not_null(strstr(error.message, "empty directory"), "%s", error.message);
}

static void three_segments(void)
{
	unsigned i;

	for (i = 0; i < 5; i++) {
		append_one(30000);
	}
	cr_assert_eq(world_stats(world).segments, 5);
}

Test(recover, a_missing_segment_in_the_middle_is_damage, .init = begin, .fini = end)
{
	three_segments();
	world_close(world);

	fake_remove(&world->fake, SECOND_SEG);

	cr_assert_eq(opens(), BLX_ECORRUPT);
}

Test(recover, a_missing_oldest_segment_that_is_needed_is_damage, .init = begin,
	.fini = end)
{
	three_segments();
	world_close(world);

	fake_remove(&world->fake, FIRST_SEG);

	cr_assert_eq(opens(), BLX_ECORRUPT);
}

Test(recover, a_missing_newest_segment_is_found_by_the_mark, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	three_segments();
	world_close(world);

	fake_remove(&world->fake, DIR "/wal-00000000000000000005.seg");
	fake_remove(&world->fake, DIR "/wal-00000000000000000006.seg");

	cr_assert_eq(opened(&error), BLX_ECORRUPT);
	cr_assert_not_null(strstr(error.message, "lost writes it had confirmed"));
	cr_assert_not_null(strstr(error.message, "must not vote"));
}

Test(recover, all_segments_missing_is_not_an_empty_log, .init = begin, .fini = end)
{
	append_one(10);
	world_close(world);

	fake_remove(&world->fake, FIRST_SEG);
	fake_remove(&world->fake, SECOND_SEG);

	cr_assert_eq(opens(), BLX_ECORRUPT);
}

Test(recover, a_missing_mark_is_damage, .init = begin, .fini = end)
{
	append_one(10);
	world_close(world);

	fake_remove(&world->fake, DIR "/wal.mark");

	cr_assert_eq(opens(), BLX_ECORRUPT);
}

Test(recover, one_block_of_the_mark_is_enough, .init = begin, .fini = end)
{
	struct image image;
	unsigned block;

	append_one(10);
	world_close(world);
	image = image_take(DIR "/wal.mark");

	for (block = 0; block < 2; block++) {
		image_restore(&image);
		image.copy[4096 * block + 50] ^= 4;
		cr_assert_eq(opens(), 1);
	}
	image.copy[50] ^= 4;
	cr_assert_eq(opens(), BLX_ECORRUPT);
	free(image.bytes);
}

Test(recover, the_mark_follows_within_a_second, .init = begin, .fini = end)
{
	struct image image;
	size_t used;

	append_one(100);
	append_one(100);
	fake_advance_ms(&world->fake, 1000);
	fake_run(&world->fake);
	killed();
	image = image_take(FIRST_SEG);
	used = used_end(&image);

	memset(image.copy + used - 200, 0, 200);

	cr_assert_eq(opens(), BLX_ECORRUPT);
	free(image.bytes);
}

Test(recover, no_log_is_never_taken_for_an_empty_one, .init = begin, .fini = end)
{
	struct world *other = malloc(sizeof *other);
	blx_error error = BLX_ERROR_INIT;

	world_init(other, 1);

	cr_assert_eq(world_open(other, false, &error), BLX_ENOENT);
	cr_assert_eq(other->fake.live.count, 0);

	world_close(world);
	world_finish(other);
	free(other);
}

Test(recover, a_log_is_not_made_over_another, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	append_one(10);
	world_close(world);

	cr_assert_eq(world_open(world, true, &error), BLX_EINUSE);
	cr_assert_eq(opens(), 1);
}

Test(recover, a_log_is_not_made_where_one_was_lost, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	append_one(10);
	world_close(world);
	fake_remove(&world->fake, FIRST_SEG);
	fake_remove(&world->fake, SECOND_SEG);

	cr_assert_eq(world_open(world, true, &error), BLX_EINUSE);
}

Test(recover, another_clusters_or_members_log_is_refused, .init = begin, .fini = end)
{
	append_one(10);
	world_close(world);

	world->cluster = 8;
	cr_assert_eq(opens(), BLX_ECLUSTER);
	world->cluster = 7;
	world->member = 2;
	cr_assert_eq(opens(), BLX_ECLUSTER);
	world->member = 1;
	cr_assert_eq(opens(), 1);
}

/* A segment of another member among one's own: the mark is right, the header is not. */
Test(recover, a_foreign_segment_is_refused, .init = begin, .fini = end)
{
	struct image image;
	size_t at = 4096 - 4;

	append_one(10);
	world_close(world);
	image = image_take(FIRST_SEG);
	image.copy[32] = 9;
	blx__store_u32(image.copy + at, blx__crc32c(0, image.copy, at));

	cr_assert_eq(opens(), BLX_ECLUSTER);
	free(image.bytes);
}

Test(recover, a_format_of_the_future_is_refused, .init = begin, .fini = end)
{
	struct image image;
	size_t at = 4096 - 4;

	append_one(10);
	world_close(world);
	image = image_take(FIRST_SEG);
	image.copy[8] = 2;
	blx__store_u32(image.copy + at, blx__crc32c(0, image.copy, at));

	cr_assert_eq(opens(), BLX_EVERSION);
	free(image.bytes);
}

Test(recover, a_log_of_more_groups_than_allowed_is_refused, .init = begin, .fini = end)
{
	append_one(10);
	world_close(world);
	world->groups = 1;

	cr_assert_eq(opens(), BLX_EINVAL);
}

/* Random bytes over any part of the log: an error or a prefix, never a crash of ours. */
Test(recover, of_garbage_ends_cleanly, .init = begin, .fini = end)
{
	struct image image;
	struct blx__rng rng;
	unsigned i;

	blx__rng_init(&rng, world_seed());
	append_one(700);
	append_one(5000);
	append_one(300);
	killed();
	image = image_take(FIRST_SEG);
	for (i = 0; i < 2000; i++) {
		uint64_t at = blx__rng_below(&rng, 20000);
		uint64_t len = 1 + blx__rng_below(&rng, 64);
		int rv;

		image_restore(&image);
		while (len-- > 0) {
			image.copy[at + len] = (uint8_t)blx__rng_u64(&rng);
		}
		rv = opens();
		cr_assert(rv == 2 || rv == 3 || rv == BLX_ECORRUPT, "%d", rv);
	}
	free(image.bytes);
}
