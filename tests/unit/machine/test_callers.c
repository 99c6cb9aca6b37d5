/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/callers.h"

#include "base/codec.h"
#include "base/mem.h"
#include "drive.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#define HOUR BLX__SESSION_TTL_MS
#define NOW  (INT64_C(10) * HOUR)

static struct drive drive;

static void begin(void)
{
	drive_init(&drive);
	cr_assert_not_null(drive.machine);
}

static void end(void)
{
	drive_finish(&drive);
}

static struct drive_write put_of(uint64_t session, uint64_t seq)
{
	return (struct drive_write){.session = session,
		.born_ms = NOW,
		.seq = seq,
		.acked = 1,
		.key = "k",
		.value = "v"};
}

static uint64_t sessions(void)
{
	struct blx__machine_stats stats;

	blx__machine_stats_get(drive.machine, &stats);
	return stats.sessions;
}

/* ---- once, however often it is sent --------------------------------------------------
 */

Test(callers, what_is_sent_again_is_applied_once_and_answered_the_same, .init = begin,
	.fini = end)
{
	struct drive_write write = put_of(1, 1);
	struct drive_reply first = drive_one(&drive, NOW, &write);
	struct drive_reply again;

	drive_put(&drive, "other", "x");
	again = drive_one(&drive, NOW, &write);
	cr_assert_eq(first.code, 0);
	cr_assert_gt(first.body_len, 0);
	cr_assert_eq(again.code, 0);
	cr_assert_eq(again.revision, 1, "of the store when it was applied");
	cr_assert_eq(again.body_len, first.body_len);
	cr_assert_eq(again.body_crc, first.body_crc);
	cr_assert_eq(blx__machine_revision(drive.machine), 2);

	/* Another session's write of that number is another one. */
	write.session = 2;
	cr_assert_eq(drive_one(&drive, NOW, &write).revision, 3);
}

Test(callers, a_conflict_is_answered_the_same_though_it_would_hold_by_now, .init = begin,
	.fini = end)
{
	struct drive_write write = put_of(1, 1);
	struct drive_write del = {.key = "k"};

	drive_put(&drive, "k", "there");
	write.if_absent = true;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ECONFLICT);
	(void)drive_one(&drive, NOW, &del);
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ECONFLICT);
	cr_assert_eq(drive_one(&drive, NOW, &write).revision, 1, "what stood there");
	cr_assert_eq(blx__machine_revision(drive.machine), 2);
}

Test(callers, of_a_long_reply_only_the_outcome_is_kept, .init = begin, .fini = end)
{
	static const size_t lens[] = {BLX__REPLY_KEPT_MAX - 20, BLX__REPLY_KEPT_MAX};
	char value[BLX__REPLY_KEPT_MAX + 1];
	struct drive_write get;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct drive_reply first;
		struct drive_reply again;

		memset(value, 'v', sizeof value);
		value[lens[i]] = '\0';
		drive_put(&drive, "k", value);
		get = put_of(1, 1 + i);
		get.get = true;
		first = drive_one(&drive, NOW, &get);
		again = drive_one(&drive, NOW, &get);
		cr_assert_gt(first.body_len, lens[i]);
		cr_assert_eq(again.code, 0);
		cr_assert_eq(again.revision, first.revision);
		cr_assert_eq(again.body_len, i == 0 ? first.body_len : 0);
	}
}

Test(callers, what_the_caller_has_is_forgotten_and_refused, .init = begin, .fini = end)
{
	struct drive_write write = put_of(1, 1);
	uint64_t revision;

	(void)drive_one(&drive, NOW, &write);
	write.seq = 2;
	(void)drive_one(&drive, NOW, &write);
	write.seq = 3;
	write.acked = 2;
	(void)drive_one(&drive, NOW, &write);
	revision = blx__machine_revision(drive.machine);

	write = put_of(1, 1);
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ESESSION);
	write.seq = 2;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0, "not acknowledged yet");
	cr_assert_eq(blx__machine_revision(drive.machine), revision);
}

Test(callers, a_write_beyond_the_window_is_refused_until_there_is_room, .init = begin,
	.fini = end)
{
	struct drive_write write = put_of(1, BLX__SESSION_REPLIES_MAX);

	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0, "the last of the window");
	write.seq = BLX__SESSION_REPLIES_MAX + 1;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_EBUSY);
	cr_assert_eq(blx__machine_revision(drive.machine), 1);

	write.acked = 2;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
	cr_assert_eq(blx__machine_revision(drive.machine), 2);
	write.acked = 1; /* an old message: what was acknowledged stays so */
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
	cr_assert_eq(blx__machine_revision(drive.machine), 2);
}

Test(callers, a_full_window_out_of_order_keeps_every_reply, .init = begin, .fini = end)
{
	struct drive_write write;
	uint64_t seq;

	/* Downwards, and in strides, so that the window grows while it is in use. */
	for (seq = 1; seq <= BLX__SESSION_REPLIES_MAX; seq++) {
		write = put_of(1, 1 + (seq * 389) % BLX__SESSION_REPLIES_MAX);
		cr_assert_eq(drive_one(&drive, NOW, &write).revision, seq);
	}
	for (seq = 1; seq <= BLX__SESSION_REPLIES_MAX; seq++) {
		write = put_of(1, 1 + (seq * 389) % BLX__SESSION_REPLIES_MAX);
		cr_assert_eq(drive_one(&drive, NOW, &write).revision, seq);
	}
	cr_assert_eq(blx__machine_revision(drive.machine), BLX__SESSION_REPLIES_MAX);
}

/* ---- forgetting ----------------------------------------------------------------------
 */

Test(callers, a_session_not_used_for_long_is_forgotten_and_not_begun_again, .init = begin,
	.fini = end)
{
	struct drive_write old = put_of(1, 1);
	struct drive_write young = put_of(2, 1);

	(void)drive_one(&drive, NOW, &old);
	(void)drive_one(&drive, NOW + 1000, &young);
	(void)drive_one(&drive, NOW + HOUR, &young);
	cr_assert_eq(sessions(), 2, "an hour is not more than an hour");
	(void)drive_one(&drive, NOW + HOUR + 1, &young);
	cr_assert_eq(sessions(), 1);
	cr_assert_eq(drive_one(&drive, NOW + HOUR + 1, &old).code, BLX_ESESSION);
	cr_assert_eq(blx__machine_revision(drive.machine), 2);
	cr_assert_eq(sessions(), 1);

	/* In use it stays, however long ago it was born. */
	young.seq = 2;
	(void)drive_one(&drive, NOW + 2 * HOUR, &young);
	young.seq = 3;
	cr_assert_eq(drive_one(&drive, NOW + 3 * HOUR, &young).code, 0);
}

Test(callers, a_session_of_a_time_far_ahead_is_refused, .init = begin, .fini = end)
{
	struct drive_write write = put_of(1, 1);

	write.born_ms = NOW + HOUR + 1;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ESESSION);
	write.born_ms = INT64_MAX;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ESESSION);
	write.born_ms = NOW + HOUR;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0, "clocks differ a little");
	cr_assert_eq(sessions(), 1);
}

Test(callers, a_session_of_a_time_long_gone_is_refused, .init = begin, .fini = end)
{
	struct drive_write write = put_of(1, 1);

	write.born_ms = NOW - HOUR - 1;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, BLX_ESESSION);
	write.born_ms = NOW - HOUR;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
}

/* ---- the table itself
 * ------------------------------------------------------------------ */

/* Begins a write of the session at the index, as the machine does. */
static enum blx__callers_verdict table_use(struct blx__callers *callers, uint64_t id,
	uint64_t born_ms, uint64_t index, int *ret_code)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = id,
		.session_born_ms = born_ms,
		.seq = index,
		.acked = index};
	struct blx__callers_now now = {.time_ms = NOW, .index = index, .position = 1};
	enum blx__callers_verdict verdict;
	struct blx__reply reply = {.code = 0};
	uint32_t slot;

	cr_assert_eq(
		blx__callers_begin(callers, &command, &now, &verdict, &reply, &slot), 0);
	*ret_code = reply.code;
	if (verdict == BLX__CALLERS_APPLY) {
		reply = (struct blx__reply){.revision = index,
			.body = (const uint8_t *)"reply",
			.body_len = 5};
		cr_assert_eq(blx__callers_record(callers, slot, index, &reply), 0);
	}
	return verdict;
}

struct ids {
	uint64_t list[1024];
	size_t count;
};

static int add_id(uint64_t id, const void *state, size_t len, void *data)
{
	struct ids *ids = data;

	(void)state;
	(void)len;
	if (id != 0) {
		ids->list[ids->count++] = id;
	}
	return 0;
}

static bool is_there(const struct blx__callers *callers, uint64_t id)
{
	struct ids ids = {.count = 0};
	size_t i;

	cr_assert_eq(blx__callers_set_each(&callers->set, add_id, &ids), 0);
	for (i = 0; i < ids.count; i++) {
		if (ids.list[i] == id) {
			return true;
		}
	}
	return false;
}

Test(table, beyond_its_size_the_least_recently_used_is_forgotten_for_good)
{
	struct blx__callers callers;
	int code;

	blx__callers_init(&callers);
	callers.max = 3;
	(void)table_use(&callers, 1, NOW + 10, 1, &code);
	(void)table_use(&callers, 2, NOW + 20, 2, &code);
	(void)table_use(&callers, 3, NOW + 30, 3, &code);
	(void)table_use(&callers, 1, NOW + 10, 4, &code);
	cr_assert_eq(table_use(&callers, 4, NOW + 40, 5, &code), BLX__CALLERS_APPLY);
	cr_assert_not(is_there(&callers, 2));
	cr_assert_eq(callers.set.count, 3);

	/* A write of 2 may have been applied: it and all as old are not begun again. */
	cr_assert_eq(table_use(&callers, 2, NOW + 20, 6, &code), BLX__CALLERS_REFUSED);
	cr_assert_eq(code, BLX_ESESSION);
	cr_assert_eq(table_use(&callers, 5, NOW + 20, 7, &code), BLX__CALLERS_REFUSED);
	cr_assert_eq(table_use(&callers, 1, NOW + 10, 8, &code), BLX__CALLERS_APPLY,
		"one that is known goes on, though it is older");
	cr_assert_eq(table_use(&callers, 5, NOW + 21, 9, &code), BLX__CALLERS_APPLY);
	cr_assert_not(is_there(&callers, 3));
	blx__callers_finish(&callers);
}

Test(table, an_older_one_that_is_forgotten_later_does_not_lower_the_floor)
{
	struct blx__callers callers;
	int code;

	blx__callers_init(&callers);
	callers.max = 2;
	(void)table_use(&callers, 1, NOW + 50, 1, &code);
	(void)table_use(&callers, 2, NOW + 10, 2, &code);
	(void)table_use(&callers, 3, NOW + 60, 3, &code); /* 1 goes */
	(void)table_use(&callers, 4, NOW + 70, 4, &code); /* 2 goes */
	cr_assert_eq(callers.set.floor_ms, NOW + 50);
	cr_assert_eq(table_use(&callers, 1, NOW + 50, 5, &code), BLX__CALLERS_REFUSED);
	blx__callers_finish(&callers);
}

/* What the table is to be: ids from the one used longest ago on. */
static void model_use(struct ids *model, uint64_t id, size_t max)
{
	size_t i;

	for (i = 0; i < model->count && model->list[i] != id; i++) {
	}
	if (i == model->count && model->count == max) {
		i = 0;
	}
	if (i < model->count) {
		model->count--;
		memmove(&model->list[i], &model->list[i + 1],
			(model->count - i) * sizeof model->list[0]);
	}
	model->list[model->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int rebuild(uint64_t id, const void *state, size_t len, void *data)
{
	return blx__callers_set_add(data, id, state, len);
}

static void table_equals(const struct blx__callers *callers, const struct ids *model)
{
	struct blx__callers_set copy = {.pages = NULL};
	struct ids seen = {.count = 0};
	struct ids sorted = *model;

	qsort(sorted.list, sorted.count, sizeof sorted.list[0], compare_ids);
	cr_assert_eq(blx__callers_set_each(&callers->set, add_id, &seen), 0);
	cr_assert_eq(seen.count, sorted.count);
	cr_assert_arr_eq(seen.list, sorted.list, seen.count * sizeof seen.list[0]);

	/* The hash that was kept step by step is that of the content. */
	cr_assert_eq(blx__callers_set_each(&callers->set, rebuild, &copy), 0);
	cr_assert_eq(copy.hash, callers->set.hash);
	cr_assert_eq(copy.floor_ms, callers->set.floor_ms);
	blx__callers_set_finish(&copy);
}

Test(table, follows_the_model_through_pins_restores_and_evictions, .timeout = 100)
{
	enum { MAX = 600, STEPS = 20000 };
	struct blx__callers callers;
	struct blx__callers_set pinned = {.pages = NULL};
	struct ids model = {.count = 0};
	struct blx__rng rng;
	uint64_t step;
	int code;

	blx__callers_init(&callers);
	callers.max = MAX;
	blx__rng_init(&rng, drive_seed());
	for (step = 1; step <= STEPS; step++) {
		uint64_t id = 1 + blx__rng_below(&rng, 900);

		/* Born later than all before: never below the floor. */
		cr_assert_eq(table_use(&callers, id, NOW + step, step, &code),
			BLX__CALLERS_APPLY, "step %d", (int)step);
		model_use(&model, id, MAX);
		if (step % 500 == 0) {
			table_equals(&callers, &model);
			blx__callers_set_finish(&pinned);
			cr_assert_eq(blx__callers_pin(&callers, &pinned), 0);
		}
		if (step % 1500 == 0) {
			cr_assert_eq(blx__callers_restore(&callers, &pinned), 0);
			table_equals(&callers, &model);
		}
	}
	cr_assert_eq(callers.set.count, MAX);
	blx__callers_set_finish(&pinned);
	blx__callers_finish(&callers);
}

/* ---- the end of the numbers
 * ------------------------------------------------------------ */

Test(callers, replies_at_the_very_last_numbers_are_in_the_image_too, .init = begin,
	.fini = end)
{
	struct drive_write write = put_of(1, UINT64_MAX - 1);
	struct blx__image *image;
	struct blx__image *copy;

	write.acked = UINT64_MAX - 2;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
	write.seq = UINT64_MAX;
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
	cr_assert_eq(drive_one(&drive, NOW, &write).code, 0);
	cr_assert_eq(blx__machine_revision(drive.machine), 2);

	image = blx__machine_pin(drive.machine);
	cr_assert_eq(drive_rebuild(image, &copy), 0);
	cr_assert_eq(blx__image_hash(copy), blx__image_hash(image));
	blx__image_unref(copy);
	blx__image_unref(image);
}
