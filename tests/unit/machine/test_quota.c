/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/quota.h"

#include "base/rng.h"
#include "entries.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_KEY ":config\0quota.bytes"
#define KEYS_KEY  ":config\0quota.keys"

static struct entries e;

static void begin(void)
{
	entries_init(&e);
}

static void end(void)
{
	entries_finish(&e);
}

/* A transaction of a session, so that it may be sent again. */
static struct entries_reply commit(const struct blx__txn *txn, uint64_t seq)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = seq != 0 ? 9 : 0,
		.session_born_ms = ENTRIES_TIME_MS,
		.seq = seq};
	struct blx__buf body;

	blx__buf_init(&body);
	blx__txn_encode(txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	entries_begin(&e);
	entries_add(&e, &command);
	cr_assert_eq(entries_end(&e), 0);
	blx__buf_finish(&body);
	return e.replies[0];
}

static void line(struct blx__txn *txn, uint8_t kind, const char *key, size_t key_len,
	const char *value)
{
	struct blx__txn_line op = {.kind = kind,
		.key = (const uint8_t *)key,
		.key_len = key_len,
		.value = (const uint8_t *)value,
		.value_len = value != NULL ? strlen(value) : 0};

	cr_assert_eq(blx__txn_add(txn, &op), 0);
}

static int one(uint8_t kind, const char *key, size_t key_len, const char *value)
{
	struct blx__txn txn;
	int code;

	blx__txn_init(&txn);
	line(&txn, kind, key, key_len, value);
	code = commit(&txn, 0).code;
	blx__txn_finish(&txn);
	return code;
}

static int put(const char *key, const char *value)
{
	return one(BLX__TXN_PUT, key, strlen(key), value);
}

static int limit_keys(const char *value)
{
	return one(BLX__TXN_PUT, KEYS_KEY, sizeof KEYS_KEY - 1, value);
}

static int limit_bytes(const char *value)
{
	return one(BLX__TXN_PUT, BYTES_KEY, sizeof BYTES_KEY - 1, value);
}

static struct blx__machine_stats stats(void)
{
	struct blx__machine_stats now;

	blx__machine_stats_get(e.machine, &now);
	return now;
}

Test(quota, without_one_there_is_no_limit, .init = begin, .fini = end)
{
	cr_assert_eq(put("a", "1"), 0);
	cr_assert_eq(stats().quota_keys, 0);
	cr_assert_eq(stats().quota_bytes, 0);
}

Test(quota, beyond_so_many_keys_puts_are_refused_and_nothing_is_changed, .init = begin,
	.fini = end)
{
	uint64_t revision;

	cr_assert_eq(limit_keys("3"), 0); /* itself one of them */
	cr_assert_eq(stats().quota_keys, 3);
	cr_assert_eq(put("a", "1"), 0);
	cr_assert_eq(put("b", "1"), 0);
	revision = stats().revision;

	cr_assert_eq(put("c", "1"), BLX_EQUOTA);

	cr_assert_eq(stats().revision, revision);
	cr_assert_eq(stats().keys, 3);
	cr_assert_eq(put("b", "longer"), 0, "no key more");
	cr_assert_eq(one(BLX__TXN_GET, "a", 1, NULL), 0);
}

Test(quota, it_clears_by_itself, .init = begin, .fini = end)
{
	cr_assert_eq(limit_keys("2"), 0);
	cr_assert_eq(put("a", "1"), 0);
	cr_assert_eq(put("b", "1"), BLX_EQUOTA);
	cr_assert_eq(one(BLX__TXN_DELETE, "a", 1, NULL), 0);
	cr_assert_eq(put("b", "1"), 0);
}

Test(quota, bytes_are_those_of_keys_and_values, .init = begin, .fini = end)
{
	char value[64];
	uint64_t left;

	cr_assert_eq(limit_bytes("60"), 0);
	left = 60 - stats().bytes;
	memset(value, 'x', sizeof value);
	value[left - 1] = '\0'; /* and a key of one byte: just right */

	cr_assert_eq(put("a", value), 0);
	cr_assert_eq(stats().bytes, 60);
	cr_assert_eq(put("b", ""), BLX_EQUOTA);
	cr_assert_eq(put("a", "shorter"), 0);
}

Test(quota, what_was_there_before_may_be_made_less, .init = begin, .fini = end)
{
	cr_assert_eq(put("a", "0123456789"), 0);
	cr_assert_eq(put("b", "0123456789"), 0);
	cr_assert_eq(limit_bytes("10"), 0);

	cr_assert_eq(put("a", "0123456789a"), BLX_EQUOTA);
	cr_assert_eq(put("a", "9876543210"), 0, "not more than it was");
	cr_assert_eq(put("a", "1"), 0);
}

Test(quota, settings_are_not_refused, .init = begin, .fini = end)
{
	cr_assert_eq(limit_keys("1"), 0);
	cr_assert_eq(put("a", "1"), BLX_EQUOTA);
	cr_assert_eq(limit_bytes("1000"), 0, "a key more, and allowed");
	cr_assert_eq(limit_keys("10"), 0);
	cr_assert_eq(put("a", "1"), 0);
}

Test(quota, it_ends_with_its_setting, .init = begin, .fini = end)
{
	cr_assert_eq(limit_keys("1"), 0);
	cr_assert_eq(one(BLX__TXN_DELETE_TREE, ":config", 7, NULL), 0);
	cr_assert_eq(stats().quota_keys, 0);
	cr_assert_eq(put("a", "1"), 0);
	cr_assert_eq(limit_keys("0"), 0);
	cr_assert_eq(put("b", "1"), 0);
}

Test(quota, a_transaction_is_judged_as_a_whole, .init = begin, .fini = end)
{
	struct blx__txn txn;

	cr_assert_eq(limit_keys("2"), 0);
	cr_assert_eq(put("a", "1"), 0);
	blx__txn_init(&txn);
	line(&txn, BLX__TXN_PUT, "b", 1, "1");
	line(&txn, BLX__TXN_DELETE, "a", 1, NULL);
	cr_assert_eq(commit(&txn, 0).code, 0, "one for the other");
	line(&txn, BLX__TXN_PUT, "c", 1, "1");
	cr_assert_eq(commit(&txn, 0).code, BLX_EQUOTA);
	cr_assert_eq(stats().keys, 2);
	blx__txn_finish(&txn);
}

Test(quota, a_guard_that_does_not_hold_is_told_as_ever, .init = begin, .fini = end)
{
	struct blx__txn txn;

	cr_assert_eq(limit_keys("1"), 0);
	blx__txn_init(&txn);
	line(&txn, BLX__TXN_IF_EXISTS, "x", 1, NULL);
	line(&txn, BLX__TXN_PUT, "y", 1, "1");
	cr_assert_eq(commit(&txn, 0).code, BLX_ECONFLICT);
	blx__txn_finish(&txn);
}

Test(quota, a_refusal_sent_again_is_refused_again_also_when_there_is_room, .init = begin,
	.fini = end)
{
	struct blx__txn txn;

	cr_assert_eq(limit_keys("1"), 0);
	blx__txn_init(&txn);
	line(&txn, BLX__TXN_PUT, "a", 1, "1");
	cr_assert_eq(commit(&txn, 1).code, BLX_EQUOTA);
	cr_assert_eq(limit_keys("10"), 0);
	cr_assert_eq(commit(&txn, 1).code, BLX_EQUOTA, "the caller was told so");
	cr_assert_eq(commit(&txn, 2).code, 0);
	blx__txn_finish(&txn);
}

static bool count_change(
	void *data, uint64_t revision, const struct blx__machine_change *change)
{
	(void)revision;
	(void)change;
	(*(unsigned *)data)++;
	return true;
}

static void on_revision(void *data, uint64_t revision, const struct blx__tree *tree)
{
	(void)tree;
	(void)data;
	(void)revision;
}

Test(quota, nobody_is_told_of_what_was_refused, .init = begin, .fini = end)
{
	unsigned told = 0;
	struct blx__machine_observer observer = {.changed = count_change,
		.committed = on_revision,
		.replaced = on_revision,
		.data = &told};

	blx__machine_observe(e.machine, &observer);
	cr_assert_eq(limit_keys("1"), 0);
	cr_assert_eq(put("a", "1"), BLX_EQUOTA);
	cr_assert_eq(told, 1);
	blx__machine_observe(e.machine, NULL);
}

Test(quota, an_image_brings_it_along, .init = begin, .fini = end)
{
	struct entries other;
	struct blx__image *image;
	struct blx__machine_stats there;

	cr_assert_eq(limit_keys("7"), 0);
	image = blx__machine_pin(e.machine);
	entries_init(&other);
	cr_assert_eq(blx__machine_restore(other.machine, image), 0);
	blx__machine_stats_get(other.machine, &there);
	cr_assert_eq(there.quota_keys, 7);
	entries_finish(&other);
	blx__image_unref(image);
}

Test(quota, what_is_no_number_sets_no_limit_if_it_comes_all_the_same, .init = begin,
	.fini = end)
{
	cr_assert_eq(limit_keys("many"), 0);
	cr_assert_eq(stats().quota_keys, 0);
	cr_assert_eq(put("a", "1"), 0);
}

/* Whatever is done, what the machine admits is what a look at the whole tree would. */
Test(quota, random_writes_never_grow_the_store_beyond_it, .init = begin, .fini = end)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 4711;
	struct blx__rng rng;
	unsigned refused = 0;
	unsigned i;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed);
	blx__rng_init(&rng, seed);
	cr_assert_eq(limit_bytes("400"), 0);
	cr_assert_eq(limit_keys("20"), 0);
	for (i = 0; i < 5000; i++) {
		struct blx__machine_stats before = stats();
		char key[2] = {(char)('a' + blx__rng_below(&rng, 26)), '\0'};
		char value[65];
		size_t len = blx__rng_below(&rng, 64);
		int code;

		memset(value, 'v', len);
		value[len] = '\0';
		code = blx__rng_below(&rng, 3) == 0 ? one(BLX__TXN_DELETE, key, 1, NULL)
						    : put(key, value);
		cr_assert(code == 0 || code == BLX_EQUOTA);
		cr_assert_leq(stats().bytes, 400);
		cr_assert_leq(stats().keys, 20);
		if (code == BLX_EQUOTA) {
			refused++;
			cr_assert_eq(stats().revision, before.revision);
			cr_assert_eq(stats().keys, before.keys);
			cr_assert_eq(stats().bytes, before.bytes);
		}
	}
	cr_assert_gt(refused, 100);
}
