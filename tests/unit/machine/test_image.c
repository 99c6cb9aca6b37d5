/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/image.h"

#include "base/codec.h"
#include "entries.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct entries e;
static struct blx__image_builder *builder;

static void begin(void)
{
	struct blx__image_meta meta = {
		.revision = 10, .index = 20, .term = 1, .time_ms = 5};

	entries_init(&e);
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
}

static void end(void)
{
	blx__image_builder_destroy(builder);
	entries_finish(&e);
}

static struct blx__image_item item_of(const char *key, size_t key_len)
{
	return (struct blx__image_item){.key = (const uint8_t *)key,
		.key_len = key_len,
		.value = (const uint8_t *)"v",
		.value_len = 1,
		.create_revision = 3,
		.mod_revision = 5,
		.version = 2};
}

static int add(struct blx__image_item item)
{
	return blx__image_builder_add_item(builder, &item);
}

Test(image, takes_no_key_that_no_path_gives_and_none_twice, .init = begin, .fini = end)
{
	cr_assert_eq(add(item_of("a", 1)), 0);
	cr_assert_eq(add(item_of("a", 1)), BLX_ECORRUPT);
	cr_assert_eq(add(item_of("", 0)), BLX_ECORRUPT);
	cr_assert_eq(add(item_of("a\0", 2)), BLX_ECORRUPT);
	cr_assert_eq(add(item_of("\0a", 2)), BLX_ECORRUPT);
	cr_assert_eq(add(item_of("\1", 1)), BLX_ECORRUPT);
	cr_assert_eq(add(item_of("a\0b", 3)), 0);
}

static int add_revisions(uint64_t create, uint64_t mod, uint64_t version)
{
	struct blx__image_item item = item_of("r", 1);

	item.create_revision = create;
	item.mod_revision = mod;
	item.version = version;
	return add(item);
}

Test(image, takes_no_revisions_that_cannot_be, .init = begin, .fini = end)
{
	cr_assert_eq(add_revisions(0, 5, 1), BLX_ECORRUPT);
	cr_assert_eq(add_revisions(6, 5, 1), BLX_ECORRUPT);
	cr_assert_eq(add_revisions(5, 11, 1), BLX_ECORRUPT);
	cr_assert_eq(add_revisions(5, 5, 0), BLX_ECORRUPT);
	cr_assert_eq(add_revisions(10, 10, 1), 0);
}

Test(image, takes_no_value_that_is_too_long, .init = begin, .fini = end)
{
	static uint8_t big[BLX_VALUE_LEN_MAX + 1];
	struct blx__image_item item = item_of("a", 1);

	item.value = big;
	item.value_len = sizeof big;
	cr_assert_eq(add(item), BLX_ECORRUPT);
	item.value_len--;
	cr_assert_eq(add(item), 0);
}

static int add_session(uint64_t id, uint64_t acked)
{
	struct blx__buf state;
	int rv;

	blx__buf_init(&state);
	blx__put_u64(&state, 1);
	blx__put_u64(&state, 2);
	blx__put_u64(&state, 3);
	blx__put_u32(&state, 0);
	blx__put_u64(&state, acked);
	rv = blx__image_builder_add_session(builder, id, state.data, state.len);
	blx__buf_finish(&state);
	return rv;
}

static int add_floor(uint64_t floor_ms)
{
	uint8_t state[8];

	blx__store_u64(state, floor_ms);
	return blx__image_builder_add_session(builder, 0, state, sizeof state);
}

Test(image, takes_sessions_in_their_order_only, .init = begin, .fini = end)
{
	cr_assert_eq(add_floor(0), BLX_ECORRUPT);
	cr_assert_eq(add_floor(UINT64_MAX), BLX_ECORRUPT);
	cr_assert_eq(add_floor(7), 0);
	cr_assert_eq(add_floor(7), BLX_ECORRUPT);
	cr_assert_eq(add_session(5, 0), BLX_ECORRUPT);
	cr_assert_eq(add_session(5, 1), 0);
	cr_assert_eq(add_session(5, 1), BLX_ECORRUPT);
	cr_assert_eq(add_session(4, 1), BLX_ECORRUPT);
	cr_assert_eq(add_floor(8), BLX_ECORRUPT);
	cr_assert_eq(blx__image_builder_add_session(builder, 6, "", 0), BLX_ECORRUPT);
	cr_assert_eq(add_session(6, 1), 0);
}

Test(image, one_that_was_never_finished_is_let_go, .init = begin, .fini = end)
{
	cr_assert_eq(add(item_of("a", 1)), 0);
	cr_assert_eq(add_session(5, 1), 0);
}

static void fill(unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++) {
		char key[32];

		(void)snprintf(key, sizeof key, "key%u", i * 7919 % 1000);
		cr_assert_eq(
			entries_write(&e, 1 + i % 300, 1 + i / 300, 1, key)->code, 0);
	}
}

Test(image, stays_what_it_was_while_writes_go_on, .init = begin, .fini = end)
{
	struct blx__image *image;
	struct blx__image *copy;
	uint64_t hash;

	fill(0, 2000);
	image = blx__machine_pin(e.machine);
	hash = blx__image_hash(image);
	cr_assert_eq(hash, entries_hash(&e));
	cr_assert_eq(blx__image_sessions(image), 300);

	fill(2000, 4000);
	e.time_ms += BLX__SESSION_TTL_MS + 1;
	(void)entries_put(&e, "late", "all sessions are forgotten");

	cr_assert_neq(entries_hash(&e), hash);
	cr_assert_eq(blx__image_sessions(image), 300);
	cr_assert_eq(blx__image_meta(image)->revision, 2000);
	copy = entries_copy_image(image);
	cr_assert_eq(blx__image_hash(copy), hash);
	cr_assert_eq(blx__image_items(copy), blx__image_items(image));
	blx__image_unref(copy);
	blx__image_unref(image);
}

/* Of a machine that goes on, and of one that is made anew from the image's bytes: the
 * same entries, retries among them, give the same. */
Test(image, a_machine_made_from_one_goes_on_as_the_first_does, .init = begin, .fini = end)
{
	struct entries other;
	struct blx__image *image;
	struct blx__image *copy;
	unsigned i;

	fill(0, 3000);
	image = blx__machine_pin(e.machine);
	copy = entries_copy_image(image);
	entries_init(&other);
	cr_assert_eq(blx__machine_restore(other.machine, copy), 0);
	blx__image_unref(copy);
	blx__image_unref(image);
	other.index = e.index;

	for (i = 0; i < 3000; i++) {
		uint64_t seq = 1 + (i % 20);
		struct entries_reply a = *entries_write(&e, 1 + i % 310, seq, 0, "k");
		struct entries_reply b = *entries_write(&other, 1 + i % 310, seq, 0, "k");

		cr_assert_eq(a.code, b.code);
		cr_assert_eq(a.revision, b.revision);
		cr_assert_eq(a.body_hash, b.body_hash);
		cr_assert_eq(entries_hash(&e), entries_hash(&other), "%u", i);
		e.time_ms += i % 500 == 0 ? BLX__SESSION_TTL_MS / 2 : 1;
		other.time_ms = e.time_ms;
	}
	entries_finish(&other);
}
