/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/callers.h"

#include "base/codec.h"
#include "base/rng.h"
#include "entries.h"
#include "machine/caller.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct entries e;

static void begin(void)
{
	entries_init(&e);
}

static void end(void)
{
	entries_finish(&e);
}

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 20261126;
}

static uint64_t sessions(void)
{
	struct blx__machine_stats stats;

	blx__machine_stats_get(e.machine, &stats);
	return stats.sessions;
}

/* 0: there is none. */
static uint64_t version_of(struct blx__machine *machine, const char *key)
{
	struct blx__item *item;
	uint64_t revision;
	uint64_t version;

	if (blx__machine_get(
		    machine, (const uint8_t *)key, strlen(key), &item, &revision) != 0) {
		return 0;
	}
	version = item->version;
	blx__item_unref(item);
	return version;
}

Test(session, a_retry_gets_the_first_reply_and_is_not_applied, .init = begin, .fini = end)
{
	struct entries_reply first = *entries_write(&e, 5, 1, 1, "a");
	struct entries_reply retry;

	(void)entries_put(&e, "b", "in between");
	retry = *entries_write(&e, 5, 1, 1, "a");

	cr_assert_eq(first.code, 0);
	cr_assert_eq(retry.code, 0);
	cr_assert_eq(retry.revision, first.revision);
	cr_assert_eq(retry.body_len, first.body_len);
	cr_assert_eq(retry.body_hash, first.body_hash);
	cr_assert_eq(version_of(e.machine, "a"), 1);
	cr_assert_eq(blx__machine_revision(e.machine), 2);
}

/* Puts key unless it is there, as the given number of session 5. */
static void add_if_absent(const char *key, uint64_t seq)
{
	struct blx__txn_line guard = {.kind = BLX__TXN_IF_ABSENT,
		.key = (const uint8_t *)key,
		.key_len = strlen(key)};
	struct blx__txn_line put = {.kind = BLX__TXN_PUT,
		.key = (const uint8_t *)key,
		.key_len = strlen(key),
		.value = (const uint8_t *)"x",
		.value_len = 1};
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = 5,
		.session_born_ms = ENTRIES_TIME_MS,
		.seq = seq};
	struct blx__buf body;
	struct blx__txn txn;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	cr_assert_eq(blx__txn_add(&txn, &guard), 0);
	cr_assert_eq(blx__txn_add(&txn, &put), 0);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	entries_add(&e, &command);
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
}

/* Without the session the second copy would find what the first one put. */
Test(session, a_copy_in_the_same_entry_is_a_retry_too, .init = begin, .fini = end)
{
	entries_begin(&e);
	add_if_absent("a", 1);
	add_if_absent("a", 1);
	add_if_absent("a", 2);
	cr_assert_eq(entries_end(&e), 0);

	cr_assert_eq(e.count, 3);
	cr_assert_eq(e.replies[0].code, 0);
	cr_assert_eq(e.replies[1].code, 0);
	cr_assert_eq(e.replies[1].revision, e.replies[0].revision);
	cr_assert_eq(e.replies[2].code, BLX_ECONFLICT);
	cr_assert_eq(version_of(e.machine, "a"), 1);
}

/* The guard would hold the second time: what counts is the first. */
Test(session, the_reply_to_a_conflict_is_kept_as_well, .init = begin, .fini = end)
{
	struct blx__command remove = {.kind = BLX__COMMAND_TXN};
	struct blx__buf body;
	unsigned i;

	(void)entries_put(&e, "a", "1");
	blx__buf_init(&body);
	entries_body(&body, BLX__TXN_DELETE, "a", NULL, 0);
	remove.body = body.data;
	remove.body_len = body.len;
	for (i = 0; i < 2; i++) {
		entries_begin(&e);
		add_if_absent("a", 1);
		entries_add(&e, &remove);
		cr_assert_eq(entries_end(&e), 0);
		cr_assert_eq(e.replies[0].code, BLX_ECONFLICT);
		cr_assert_eq(e.replies[0].revision, 1);
	}
	cr_assert_eq(version_of(e.machine, "a"), 0);
	blx__buf_finish(&body);
}

Test(session, a_number_below_what_the_caller_has_is_refused, .init = begin, .fini = end)
{
	(void)entries_write(&e, 5, 1, 1, "a");
	(void)entries_write(&e, 5, 2, 1, "a");
	(void)entries_write(&e, 5, 3, 3, "a");

	cr_assert_eq(entries_write(&e, 5, 2, 1, "a")->code, BLX_ESESSION);
	cr_assert_eq(entries_write(&e, 5, 3, 1, "a")->code, 0);
	cr_assert_eq(version_of(e.machine, "a"), 3);
}

Test(session, numbers_come_in_any_order, .init = begin, .fini = end)
{
	cr_assert_eq(entries_write(&e, 5, 9, 0, "a")->code, 0);
	cr_assert_eq(entries_write(&e, 5, 2, 0, "a")->code, 0);
	cr_assert_eq(entries_write(&e, 5, 700, 0, "a")->code, 0);
	cr_assert_eq(entries_write(&e, 5, 9, 0, "a")->revision, 1);
	cr_assert_eq(entries_write(&e, 5, 2, 0, "a")->revision, 2);
	cr_assert_eq(entries_write(&e, 5, 700, 0, "a")->revision, 3);
	cr_assert_eq(version_of(e.machine, "a"), 3);
}

Test(session, has_a_bound_of_replies_that_are_kept, .init = begin, .fini = end)
{
	uint64_t max = BLX__SESSION_REPLIES_MAX;
	uint64_t seq;

	for (seq = 1; seq <= max; seq++) {
		cr_assert_eq(entries_write(&e, 5, seq, 1, "a")->code, 0);
	}

	cr_assert_eq(entries_write(&e, 5, max + 1, 1, "a")->code, BLX_EBUSY);
	cr_assert_eq(version_of(e.machine, "a"), max);
	cr_assert_eq(entries_write(&e, 5, max, 1, "a")->revision, max);
	cr_assert_eq(entries_write(&e, 5, max + 1, 2, "a")->code, 0);
	cr_assert_eq(version_of(e.machine, "a"), max + 1);
}

Test(session, one_that_is_not_used_is_forgotten_and_its_retry_refused, .init = begin,
	.fini = end)
{
	(void)entries_write(&e, 5, 1, 1, "a");
	e.time_ms += BLX__SESSION_TTL_MS;
	(void)entries_put(&e, "b", "1");
	cr_assert_eq(sessions(), 1);
	e.time_ms++;
	(void)entries_put(&e, "b", "2");
	cr_assert_eq(sessions(), 0);

	cr_assert_eq(entries_write(&e, 5, 1, 1, "a")->code, BLX_ESESSION);

	cr_assert_eq(version_of(e.machine, "a"), 1);
	cr_assert_eq(sessions(), 0);
}

Test(session, one_that_is_used_now_and_then_is_not_forgotten, .init = begin, .fini = end)
{
	unsigned i;

	for (i = 1; i <= 5; i++) {
		cr_assert_eq(entries_write(&e, 5, i, i, "a")->code, 0);
		e.time_ms += BLX__SESSION_TTL_MS;
	}
	cr_assert_eq(sessions(), 1);
}

Test(session, one_of_a_birth_far_ahead_or_at_no_time_is_not_begun, .init = begin,
	.fini = end)
{
	int64_t ahead = ENTRIES_TIME_MS + BLX__SESSION_TTL_MS;

	cr_assert_eq(entries_write_born(&e, 5, ahead + 1, 1, 1, "a")->code, BLX_ESESSION);
	cr_assert_eq(entries_write_born(&e, 6, 0, 1, 1, "a")->code, BLX_ESESSION);
	cr_assert_eq(entries_write_born(&e, 7, INT64_MAX, 1, 1, "a")->code, BLX_ESESSION);
	cr_assert_eq(entries_write_born(&e, 8, ahead, 1, 1, "a")->code, 0);
	cr_assert_eq(version_of(e.machine, "a"), 1);
}

/* Its caller's clock is ahead: used long ago, but it would be let in again. */
Test(session, one_of_a_birth_ahead_is_not_forgotten_while_it_could_begin_anew,
	.init = begin, .fini = end)
{
	int64_t born = ENTRIES_TIME_MS + BLX__SESSION_TTL_MS;

	(void)entries_write_born(&e, 5, born, 1, 1, "a");
	e.time_ms = born + BLX__SESSION_TTL_MS;

	cr_assert_eq(entries_write_born(&e, 5, born, 1, 1, "a")->code, 0);

	cr_assert_eq(version_of(e.machine, "a"), 1);
}

Test(session, a_long_reply_is_not_kept_but_its_outcome_is, .init = begin, .fini = end)
{
	static char big[BLX__REPLY_KEPT_MAX + 1];
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = 5,
		.session_born_ms = ENTRIES_TIME_MS,
		.seq = 1};
	struct blx__buf body;
	unsigned i;

	memset(big, 'x', sizeof big - 1);
	(void)entries_put(&e, "a", big);
	blx__buf_init(&body);
	entries_body(&body, BLX__TXN_GET, "a", NULL, 0);
	command.body = body.data;
	command.body_len = body.len;
	for (i = 0; i < 2; i++) {
		entries_begin(&e);
		entries_add(&e, &command);
		cr_assert_eq(entries_end(&e), 0);
		cr_assert_eq(e.replies[0].code, 0);
		cr_assert_eq(e.replies[0].body_len > 0, i == 0);
	}
	blx__buf_finish(&body);
}

/* What one that counts as high as it goes leaves behind must be the same after a
 * restore, or replicas differ. */
Test(session, numbers_at_the_end_of_their_range_are_kept_in_an_image, .init = begin,
	.fini = end)
{
	struct blx__image *image;
	struct blx__image *copy;
	struct blx__machine *other = entries_machine();
	struct blx__machine *own = e.machine;

	cr_assert_eq(entries_write(&e, 5, UINT64_MAX - 1, UINT64_MAX - 2, "a")->code, 0);
	cr_assert_eq(entries_write(&e, 5, UINT64_MAX, UINT64_MAX - 2, "a")->code, 0);
	image = blx__machine_pin(e.machine);
	copy = entries_copy_image(image);

	cr_assert_eq(blx__image_hash(copy), blx__image_hash(image));
	cr_assert_eq(blx__machine_restore(other, copy), 0);
	e.machine = other;
	cr_assert_eq(entries_write(&e, 5, UINT64_MAX, 0, "a")->revision, 2);
	cr_assert_eq(version_of(other, "a"), 2);

	e.machine = own;
	blx__machine_destroy(other);
	blx__image_unref(image);
	blx__image_unref(copy);
}

/* ---- more sessions than there is room for ------------------------------------------ */

static enum blx__callers_verdict use(struct blx__callers *callers, uint64_t session,
	int64_t born_ms, uint64_t seq, uint64_t index)
{
	struct blx__command command = {
		.session = session, .session_born_ms = (uint64_t)born_ms, .seq = seq};
	struct blx__callers_now now = {.time_ms = 1000, .index = index};
	struct blx__reply reply = {.code = 0};
	enum blx__callers_verdict verdict;
	uint32_t slot;

	cr_assert_eq(
		blx__callers_begin(callers, &command, &now, &verdict, &reply, &slot), 0);
	if (verdict == BLX__CALLERS_APPLY) {
		cr_assert_eq(blx__callers_record(callers, slot, seq, &reply), 0);
	}
	return verdict;
}

Test(session, beyond_the_greatest_count_the_least_recently_used_is_forgotten_for_good)
{
	struct blx__callers callers;

	blx__callers_init(&callers);
	callers.max = 3;
	cr_assert_eq(use(&callers, 1, 101, 1, 1), BLX__CALLERS_APPLY);
	cr_assert_eq(use(&callers, 2, 102, 1, 2), BLX__CALLERS_APPLY);
	cr_assert_eq(use(&callers, 3, 103, 1, 3), BLX__CALLERS_APPLY);
	cr_assert_eq(use(&callers, 1, 101, 1, 4), BLX__CALLERS_KNOWN);

	cr_assert_eq(use(&callers, 4, 104, 1, 5), BLX__CALLERS_APPLY);

	cr_assert_eq(callers.set.count, 3);
	cr_assert_eq(callers.set.floor_ms, 102);
	cr_assert_eq(use(&callers, 2, 102, 1, 6), BLX__CALLERS_REFUSED);
	cr_assert_eq(use(&callers, 5, 102, 1, 7), BLX__CALLERS_REFUSED);
	cr_assert_eq(use(&callers, 1, 101, 1, 8), BLX__CALLERS_KNOWN);
	cr_assert_eq(use(&callers, 3, 103, 1, 9), BLX__CALLERS_KNOWN);
	cr_assert_eq(use(&callers, 4, 104, 1, 10), BLX__CALLERS_KNOWN);
	cr_assert_eq(use(&callers, 6, 105, 1, 11), BLX__CALLERS_APPLY);
	blx__callers_finish(&callers);
}

static int add_to_set(uint64_t id, const void *state, size_t len, void *data)
{
	return blx__callers_set_add(data, id, state, len);
}

/* The table again, by way of the bytes of a snapshot. */
static void restore_from_bytes(
	const struct blx__callers *callers, struct blx__callers *ret_callers)
{
	struct blx__callers_set pinned;
	struct blx__callers_set read = {.pages = NULL};

	cr_assert_eq(blx__callers_pin(callers, &pinned), 0);
	cr_assert_eq(blx__callers_set_each(&pinned, add_to_set, &read), 0);
	cr_assert_eq(read.hash, pinned.hash);
	blx__callers_init(ret_callers);
	ret_callers->max = callers->max;
	cr_assert_eq(blx__callers_restore(ret_callers, &read), 0);
	blx__callers_set_finish(&read);
	blx__callers_set_finish(&pinned);
}

/* Far more sessions than there is room for, each of whose numbers may come again at any
 * time. A second table is made anew from the first one's bytes now and then. */
Test(session, nothing_is_applied_twice_and_a_restored_table_goes_on_alike)
{
	enum { SESSIONS = 300, SEQS = 8, STEPS = 100000 };
	static uint8_t applied[SESSIONS + 1][SEQS + 1];
	struct blx__callers callers;
	struct blx__callers other;
	struct blx__rng rng;
	unsigned verdicts[3] = {0, 0, 0};
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed_of());
	blx__rng_init(&rng, seed_of());
	blx__callers_init(&callers);
	callers.max = 40;
	blx__callers_init(&other);
	other.max = 40;
	for (i = 1; i <= STEPS; i++) {
		uint64_t youngest = 1 + (uint64_t)i * (SESSIONS - 30) / STEPS;
		uint64_t id = youngest + blx__rng_below(&rng, 30);
		uint64_t seq = 1 + blx__rng_below(&rng, SEQS);
		enum blx__callers_verdict verdict;

		id = blx__rng_below(&rng, 20) == 0 ? 1 + blx__rng_below(&rng, id) : id;
		verdict = use(&callers, id, (int64_t)id, seq, i);
		cr_assert_eq(use(&other, id, (int64_t)id, seq, i), verdict, "%u", i);
		cr_assert_eq(other.set.hash, callers.set.hash, "%u", i);
		cr_assert_eq(other.set.floor_ms, callers.set.floor_ms);
		if (verdict == BLX__CALLERS_APPLY) {
			cr_assert_eq(applied[id][seq], 0, "%u", i);
			applied[id][seq] = 1;
		} else if (verdict == BLX__CALLERS_KNOWN) {
			cr_assert_eq(applied[id][seq], 1);
		}
		verdicts[verdict]++;
		if (blx__rng_below(&rng, 200) == 0) {
			blx__callers_finish(&other);
			restore_from_bytes(&callers, &other);
		}
	}
	cr_assert_gt(verdicts[BLX__CALLERS_APPLY], 1000);
	cr_assert_gt(verdicts[BLX__CALLERS_KNOWN], 1000);
	cr_assert_gt(verdicts[BLX__CALLERS_REFUSED], 100);
	blx__callers_finish(&callers);
	blx__callers_finish(&other);
}

/* ---- the bytes of a session -------------------------------------------------------- */

static void sample_state(struct blx__buf *state)
{
	struct blx__caller *caller = blx__caller_create(9, 1000);
	struct blx__reply reply = {.code = BLX_ECONFLICT, .revision = 300};
	uint8_t body[100] = {1, 2, 3};
	uint64_t seq;

	caller->used_ms = 2000;
	caller->used_index = 12;
	caller->used_position = 3;
	blx__caller_ack(caller, 20);
	for (seq = 20; seq < 26; seq++) {
		reply.body = body;
		reply.body_len = (seq - 20) * 20;
		cr_assert_eq(blx__caller_keep(caller, seq, &reply), 0);
	}
	blx__buf_init(state);
	blx__caller_encode(caller, state);
	cr_assert(blx__buf_ok(state));
	blx__caller_unref(caller);
}

/* Decodes a copy that ends where it ends, so that the sanitizer sees a read behind it. */
static int decode(const uint8_t *state, size_t len, struct blx__caller **ret_caller)
{
	uint8_t *copy = malloc(len + 1);
	int rv;

	memcpy(copy, state, len);
	rv = blx__caller_decode(9, copy, len, ret_caller);
	free(copy);
	return rv;
}

Test(session, the_bytes_of_one_come_back_as_the_same_bytes)
{
	struct blx__caller *caller;
	struct blx__buf state;
	struct blx__buf again;

	sample_state(&state);
	blx__buf_init(&again);

	cr_assert_eq(decode(state.data, state.len, &caller), 0);

	cr_assert_eq(caller->born_ms, 1000);
	cr_assert_eq(caller->used_index, 12);
	cr_assert_eq(caller->acked, 20);
	cr_assert_eq(blx__caller_find(caller, 22)->len, 40);
	cr_assert_null(blx__caller_find(caller, 26));
	blx__caller_encode(caller, &again);
	cr_assert_eq(again.len, state.len);
	cr_assert_arr_eq(again.data, state.data, state.len);
	blx__caller_unref(caller);
	blx__buf_finish(&again);
	blx__buf_finish(&state);
}

Test(session, bytes_cut_short_are_refused_but_at_the_end_of_a_reply)
{
	struct blx__caller *caller;
	struct blx__buf state;
	unsigned whole = 0;
	size_t len;

	sample_state(&state);

	for (len = 0; len < state.len; len++) {
		int rv = decode(state.data, len, &caller);

		if (rv == 0) {
			blx__caller_unref(caller);
			whole++;
		} else {
			cr_assert_eq(rv, BLX_ECORRUPT, "%zu", len);
		}
	}
	cr_assert_eq(whole, 6); /* with 0 to 5 of the 6 replies */
	blx__buf_finish(&state);
}

Test(session, damaged_bytes_do_no_harm)
{
	struct blx__buf state;
	struct blx__rng rng;
	unsigned refused = 0;
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed_of());
	blx__rng_init(&rng, seed_of());
	sample_state(&state);
	for (i = 0; i < 50000; i++) {
		struct blx__caller *caller;
		struct blx__buf again;
		size_t at = blx__rng_below(&rng, state.len);
		uint8_t was = state.data[at];

		state.data[at] = (uint8_t)blx__rng_u64(&rng);
		if (decode(state.data, state.len, &caller) == 0) {
			blx__buf_init(&again);
			blx__caller_encode(caller, &again);
			cr_assert(blx__buf_ok(&again));
			blx__buf_finish(&again);
			blx__caller_unref(caller);
		} else {
			refused++;
		}
		state.data[at] = was;
	}
	cr_assert_gt(refused, 1000);
	blx__buf_finish(&state);
}
