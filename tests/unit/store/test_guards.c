/* SPDX-License-Identifier: Apache-2.0 */
/* Guards on versions, on fields of JSON values, and on how many children there are. */
#include "store/txn.h"

#include "base/rng.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blx__tree *tree;

static void begin(void)
{
	cr_assert_eq(blx__tree_create(&tree), 0);
}

static void end(void)
{
	blx__tree_unref(tree);
}

static void put(const char *key, size_t key_len, const char *value)
{
	struct blx__item *item = blx__item_create(key, key_len, value, strlen(value));

	item->version = 1;
	cr_assert_eq(blx__tree_put(&tree, item), 0);
}

static struct blx__txn_line guard_of(uint8_t kind, const char *key, size_t key_len)
{
	return (struct blx__txn_line){
		.kind = kind, .key = (const uint8_t *)key, .key_len = key_len};
}

/* What blx__txn_check() says, and what came of it. */
struct verdict {
	int check;
	int code;
};

static struct verdict judge(struct blx__txn *txn)
{
	struct blx__txn_outcome outcome = {0};
	struct verdict verdict;
	struct blx__buf bytes;
	struct blx__buf result;

	blx__buf_init(&bytes);
	blx__buf_init(&result);
	blx__txn_encode(txn, &bytes);
	verdict.check = blx__txn_check(bytes.data, bytes.len, NULL);
	cr_assert_eq(blx__txn_apply(&tree, bytes.data, bytes.len, 1, &outcome, &result), 0);
	verdict.code = outcome.code;
	cr_assert(verdict.check == 0 || verdict.code == verdict.check,
		"what is refused before is refused after");
	blx__buf_finish(&result);
	blx__buf_finish(&bytes);
	blx__txn_finish(txn);
	return verdict;
}

static int ask(const struct blx__txn_line *guard, unsigned times)
{
	struct blx__txn txn;

	blx__txn_init(&txn);
	while (times-- > 0) {
		cr_assert_eq(blx__txn_add(&txn, guard), 0);
	}
	return judge(&txn).code;
}

/* ---- versions ---- */

static int version_is(const char *key, uint64_t version)
{
	struct blx__txn_line guard = guard_of(BLX__TXN_IF_VERSION, key, strlen(key));

	guard.revision = version;
	return ask(&guard, 1);
}

Test(guards, a_version_is_compared_and_none_is_zero, .init = begin, .fini = end)
{
	put("a", 1, "x");
	cr_assert_eq(version_is("a", 1), 0);
	cr_assert_eq(version_is("a", 0), BLX_ECONFLICT);
	cr_assert_eq(version_is("b", 0), 0);
	cr_assert_eq(version_is("b", 1), BLX_ECONFLICT);
}

/* ---- fields ---- */

static int fields_are(const char *fields)
{
	struct blx__txn_line guard = guard_of(BLX__TXN_IF_FIELDS, "a", 1);

	guard.value = (const uint8_t *)fields;
	guard.value_len = strlen(fields);
	return ask(&guard, 1);
}

Test(guards, fields_that_are_not_asked_for_do_not_matter, .init = begin, .fini = end)
{
	put("a", 1,
		"{\"state\":\"Running\",\"node\":\"n1\",\"at\":17,"
		"\"r\":{\"cpu\":2,\"mem\":4}}");

	cr_assert_eq(fields_are("{}"), 0);
	cr_assert_eq(fields_are("{\"state\":\"Running\",\"node\":\"n1\"}"), 0);
	cr_assert_eq(fields_are("{\"node\":\"n1\",\"state\":\"Running\"}"), 0);
	cr_assert_eq(fields_are("{\"state\":\"Running\",\"node\":\"n2\"}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"at\":17}"), 0);
	cr_assert_eq(fields_are("{\"at\":17.0}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"at\":\"17\"}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"other\":null}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"r\":{\"cpu\":2}}"), 0);
	cr_assert_eq(fields_are("{\"r\":{\"cpu\":3}}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"r\":2}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"state\":{}}"), BLX_ECONFLICT);
}

Test(guards, an_array_is_compared_as_a_whole, .init = begin, .fini = end)
{
	put("a", 1, "{\"l\":[1,{\"x\":1,\"y\":2}]}");
	cr_assert_eq(fields_are("{\"l\":[1,{\"y\":2,\"x\":1}]}"), 0);
	cr_assert_eq(fields_are("{\"l\":[1,{\"x\":1}]}"), BLX_ECONFLICT);
	cr_assert_eq(fields_are("{\"l\":[1]}"), BLX_ECONFLICT);
}

Test(guards, what_is_no_object_has_no_fields, .init = begin, .fini = end)
{
	static const char *const values[] = {"", "text", "[1]", "17", "{\"a\":1", "{\"a\":1}x",
		"{\"a\":1,\"a\":1}", "{\"a\":\"\xff\"}"};
	size_t i;

	cr_assert_eq(fields_are("{}"), BLX_ECONFLICT, "nothing is there");
	for (i = 0; i < sizeof values / sizeof values[0]; i++) {
		put("a", 1, values[i]);
		cr_assert_eq(fields_are("{}"), BLX_ECONFLICT, "%s", values[i]);
	}
}

Test(guards, fields_of_a_value_that_is_too_long_are_not_looked_at, .init = begin, .fini = end)
{
	char *value = malloc(BLX_TXN_FIELDS_VALUE_MAX + 2);

	memset(value, ' ', BLX_TXN_FIELDS_VALUE_MAX + 1);
	memcpy(value, "{}", 2);
	value[BLX_TXN_FIELDS_VALUE_MAX] = '\0';
	put("a", 1, value);
	cr_assert_eq(fields_are("{}"), 0);
	value[BLX_TXN_FIELDS_VALUE_MAX] = ' ';
	value[BLX_TXN_FIELDS_VALUE_MAX + 1] = '\0';
	put("a", 1, value);
	cr_assert_eq(fields_are("{}"), BLX_ECONFLICT);
	free(value);
}

static void nest(char *text, unsigned levels)
{
	unsigned i;

	text[0] = '\0';
	for (i = 1; i < levels; i++) {
		strcat(text, "{\"a\":");
	}
	strcat(text, "{}");
	for (i = 1; i < levels; i++) {
		strcat(text, "}");
	}
}

Test(guards, what_asks_wrongly_is_refused, .init = begin, .fini = end)
{
	char text[256];

	put("a", 1, "{}");
	cr_assert_eq(fields_are(""), BLX_EINVAL);
	cr_assert_eq(fields_are("[]"), BLX_EINVAL);
	cr_assert_eq(fields_are("{\"a\":1"), BLX_EINVAL);
	cr_assert_eq(fields_are("{\"a\":1,\"a\":2}"), BLX_EINVAL);
	nest(text, BLX_TXN_FIELDS_DEPTH_MAX);
	cr_assert_eq(fields_are(text), BLX_ECONFLICT);
	nest(text, BLX_TXN_FIELDS_DEPTH_MAX + 1);
	cr_assert_eq(fields_are(text), BLX_EINVAL);
}

Test(guards, there_may_be_so_many_on_fields, .init = begin, .fini = end)
{
	struct blx__txn_line guard = guard_of(BLX__TXN_IF_FIELDS, "a", 1);

	guard.value = (const uint8_t *)"{}";
	guard.value_len = 2;
	put("a", 1, "{}");
	cr_assert_eq(ask(&guard, BLX_TXN_FIELDS_MAX), 0);
	cr_assert_eq(ask(&guard, BLX_TXN_FIELDS_MAX + 1), BLX_EINVAL);
}

/* ---- children ---- */

static int children(uint8_t kind, const char *key, size_t key_len, uint64_t count)
{
	struct blx__txn_line guard = guard_of(kind, key, key_len);

	guard.revision = count;
	return ask(&guard, 1);
}

static void assert_children(const char *key, size_t key_len, uint64_t count)
{
	cr_assert_eq(children(BLX__TXN_IF_CHILDREN, key, key_len, count), 0);
	cr_assert_eq(children(BLX__TXN_IF_CHILDREN, key, key_len, count + 1), BLX_ECONFLICT);
	cr_assert_eq(children(BLX__TXN_IF_FEWER, key, key_len, count + 1), 0);
	cr_assert_eq(children(BLX__TXN_IF_FEWER, key, key_len, count), BLX_ECONFLICT);
	cr_assert_eq(children(BLX__TXN_IF_MORE, key, key_len, count), BLX_ECONFLICT);
	if (count > 0) {
		cr_assert_eq(children(BLX__TXN_IF_MORE, key, key_len, count - 1), 0);
		cr_assert_eq(children(BLX__TXN_IF_CHILDREN, key, key_len, count - 1),
			BLX_ECONFLICT);
	}
}

Test(guards, children_are_what_a_list_would_show, .init = begin, .fini = end)
{
	assert_children("", 0, 0);
	put("d", 1, "not a child of itself");
	assert_children("d", 1, 0);
	put("d\0a", 3, "1");
	put("d\0b\0x", 5, "below a child without a value");
	put("d\0b\0y", 5, "the same child");
	put("d\0c", 3, "1");
	put("d\0c\0z", 5, "1");
	put("d-e", 3, "a neighbour whose name begins alike");
	put("dd\0a", 4, "1");

	assert_children("d", 1, 3);
	assert_children("d\0b", 3, 2);
	assert_children("d\0a", 3, 0);
	assert_children("", 0, 3);
	assert_children("x", 1, 0);
}

Test(guards, counting_has_a_bound, .init = begin, .fini = end)
{
	struct blx__txn_line guard = guard_of(BLX__TXN_IF_MORE, "d", 1);

	guard.revision = BLX_TXN_CHILDREN_MAX;
	cr_assert_eq(ask(&guard, 1), BLX_ECONFLICT);
	cr_assert_eq(ask(&guard, 2), BLX_EINVAL);
	guard.revision = BLX_TXN_CHILDREN_MAX + 1;
	cr_assert_eq(ask(&guard, 1), BLX_EINVAL);
	guard.revision = UINT64_MAX;
	cr_assert_eq(ask(&guard, 2), BLX_EINVAL);
}

/* Children by their first bytes behind the directory, counted one by one. */
Test(guards, random_trees_have_as_many_children_as_a_walk_finds, .init = begin, .fini = end)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 99;
	struct blx__rng rng;
	unsigned round;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed);
	blx__rng_init(&rng, seed);
	for (round = 0; round < 300; round++) {
		char key[7] = {'d', 0, (char)('a' + blx__rng_below(&rng, 20)), 0,
			(char)('a' + blx__rng_below(&rng, 3)), 0, 'x'};
		size_t len = 3 + 2 * blx__rng_below(&rng, 3);
		struct blx__cursor cursor;
		struct blx__item *item;
		bool seen[256] = {false};
		uint64_t count = 0;
		bool found;

		if (blx__rng_below(&rng, 3) == 0) {
			cr_assert_eq(blx__tree_delete(
					     &tree, (const uint8_t *)key, len, &found),
				0);
		} else {
			put(key, len, "v");
		}
		item = blx__cursor_seek(&cursor, tree, (const uint8_t *)"d", 2);
		while (item != NULL) {
			count += !seen[blx__item_key(item)[2]];
			seen[blx__item_key(item)[2]] = true;
			item = blx__cursor_next(&cursor);
		}
		assert_children("d", 1, count);
	}
}

/* ---- groups ---- */

/* T and F are guards that hold and do not; & | ! open groups (all, any, none); ) ends one. */
static int ask_of(const char *text, bool *ret_holds)
{
	struct verdict verdict;
	struct blx__txn txn;

	blx__txn_init(&txn);
	for (; *text != '\0'; text++) {
		struct blx__txn_line line = {.kind = *text == '&' ? BLX__TXN_ALL
						     : *text == '|' ? BLX__TXN_ANY
						     : *text == '!' ? BLX__TXN_NONE
						     : *text == ')' ? BLX__TXN_END
								    : BLX__TXN_IF_EXISTS};

		if (line.kind == BLX__TXN_IF_EXISTS) {
			line.key = (const uint8_t *)text;
			line.key_len = 1;
		}
		cr_assert_eq(blx__txn_add(&txn, &line), 0);
	}
	verdict = judge(&txn);
	cr_assert(verdict.check != 0 || verdict.code == 0 || verdict.code == BLX_ECONFLICT);
	*ret_holds = verdict.code == 0;
	return verdict.check;
}

static bool holds(const char *text)
{
	bool yes;

	cr_assert_eq(ask_of(text, &yes), 0, "%s", text);
	return yes;
}

Test(guards, groups_of_all_any_and_none, .init = begin, .fini = end)
{
	put("T", 1, "");
	cr_assert(holds("") && holds("T") && !holds("F") && !holds("TF"));
	cr_assert(holds("&)") && holds("&TT)") && !holds("&TF)") && !holds("&T)F"));
	cr_assert(!holds("|)") && holds("|FT)") && holds("|TF)") && !holds("|FF)"));
	cr_assert(holds("!)") && holds("!FF)") && !holds("!FT)") && !holds("!TF)"));
	cr_assert(holds("|F&TT))") && !holds("|F&TF))") && holds("!&TF)F)T"));
	cr_assert(holds("|T&FF)F)T") && !holds("!T|F))"));
}

Test(guards, groups_are_balanced_and_not_too_deep, .init = begin, .fini = end)
{
	bool yes;

	cr_assert_eq(ask_of("&", &yes), BLX_EINVAL);
	cr_assert_eq(ask_of(")", &yes), BLX_EINVAL);
	cr_assert_eq(ask_of("&))", &yes), BLX_EINVAL);
	cr_assert_eq(ask_of(")&", &yes), BLX_EINVAL);
	cr_assert_eq(ask_of("&&&&&&&&))))))))", &yes), 0);
	cr_assert_eq(ask_of("&&&&&&&&&)))))))))", &yes), BLX_EINVAL);
}

/* Writes a random run of guards and groups; returns what it comes to in that group. */
static bool random_run(struct blx__rng *rng, char kind, unsigned depth, char **at, const char *end)
{
	unsigned count = (unsigned)blx__rng_below(rng, 4);
	bool all = true;
	bool any = false;

	while (count-- > 0 && *at + 2 * depth + 4 < end) {
		unsigned what = (unsigned)blx__rng_below(rng, depth < 8 ? 5 : 2);
		bool one = what % 2 == 0;

		if (what < 2) {
			*(*at)++ = one ? 'T' : 'F';
		} else {
			char group = "&|!"[what - 2];

			*(*at)++ = group;
			one = random_run(rng, group, depth + 1, at, end);
			*(*at)++ = ')';
		}
		all = all && one;
		any = any || one;
	}
	return kind == '&' ? all : kind == '|' ? any : !any;
}

Test(guards, random_groups_come_to_what_they_mean, .init = begin, .fini = end)
{
	const char *seed_text = getenv("BLX_SEED");
	uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : 5;
	struct blx__rng rng;
	unsigned round;
	unsigned held = 0;

	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed);
	put("T", 1, "");
	blx__rng_init(&rng, seed);
	for (round = 0; round < 20000; round++) {
		char text[200];
		char *at = text;
		bool should = random_run(&rng, '&', 0, &at, text + sizeof text);

		*at = '\0';
		cr_assert_eq(holds(text), should, "%s", text);
		held += should;
	}
	cr_assert(held > 2000 && held < 18000, "%u", held);
}
