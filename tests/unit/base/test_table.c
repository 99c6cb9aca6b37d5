/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include "base/list.h"
#include "base/rng.h"
#include "support/test.h"

#include <string.h>

#define COUNT 1000

struct thing {
	struct blx__table_link link;
	bool in;
};

static struct thing things[COUNT];

/* Few hashes, so that many have the same. */
static uint64_t hash_of(size_t i)
{
	return (i % 100) * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t count_found(const struct blx__table *table, uint64_t hash)
{
	struct blx__table_link *link = blx__table_find(table, hash);
	size_t count = 0;

	for (; link != NULL; link = blx__table_find_next(link)) {
		cr_assert_eq(link->hash, hash);
		count++;
	}
	return count;
}

static void check(const struct blx__table *table)
{
	size_t in = 0;
	size_t i;

	for (i = 0; i < COUNT; i++) {
		in += things[i].in;
	}
	cr_assert_eq(table->count, in);
	for (i = 0; i < 100; i++) {
		size_t want = 0;
		size_t k;

		for (k = i; k < COUNT; k += 100) {
			want += things[k].in;
		}
		cr_assert_eq(count_found(table, hash_of(i)), want);
	}
}

Test(table, it_finds_what_is_in_it_and_nothing_else)
{
	struct blx__table table = {0};
	struct blx__rng rng;
	struct blx__table_link *link;
	size_t at = 0;
	unsigned step;

	memset(things, 0, sizeof things);
	blx__rng_init(&rng, 1);
	cr_assert_null(blx__table_find(&table, 0));
	for (step = 0; step < 20000; step++) {
		size_t i = blx__rng_below(&rng, COUNT);

		if (things[i].in) {
			blx__table_remove(&table, &things[i].link);
		} else {
			cr_assert_eq(blx__table_add(&table, &things[i].link, hash_of(i)), 0);
		}
		things[i].in = !things[i].in;
		if (step % 500 == 0) {
			check(&table);
		}
	}
	while ((link = blx__table_first(&table, &at)) != NULL) {
		struct thing *thing = blx__container_of(link, struct thing, link);

		cr_assert(thing->in);
		thing->in = false;
		blx__table_remove(&table, link);
	}
	check(&table);
	blx__table_finish(&table);
}

Test(table, a_hash_tells_bytes_and_lengths_apart)
{
	static const char zeros[20] = {0};
	uint64_t seen[20];
	size_t i;
	size_t k;

	for (i = 0; i < 20; i++) {
		seen[i] = blx__table_hash(zeros, i);
		for (k = 0; k < i; k++) {
			cr_assert_neq(seen[i], seen[k]);
		}
	}
	cr_assert_neq(blx__table_hash("abcdefgh", 8), blx__table_hash("abcdefgi", 8));
	cr_assert_eq(blx__table_hash("abc", 3), blx__table_hash("abcd", 3));
}
