/* SPDX-License-Identifier: Apache-2.0 */
#include "store/path.h"

#include "base/rng.h"
#include "store/pattern.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *path, uint8_t *key, size_t *len)
{
	bool dir;

	return blx__path_parse(path, strlen(path), key, len, &dir, NULL);
}

static void becomes(const char *path, const char *canonical)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	char text[BLX__PATH_TEXT_SIZE];
	size_t len;

	cr_assert_eq(parse(path, key, &len), 0, "%s", path);
	cr_assert(blx__key_valid(key, len), "%s", path);
	(void)blx__path_format(key, len, text);
	cr_assert_str_eq(text, canonical, "%s", path);
}

static void is_refused(const char *path, int code)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	blx_error error = BLX_ERROR_INIT;
	size_t len;

	cr_assert_eq(blx__path_parse(path, strlen(path), key, &len, NULL, &error), code,
		"%s", path);
	cr_assert_eq(error.code, code);
	cr_assert_not_null(strstr(error.message, ": "));
}

Test(path, has_one_canonical_form)
{
	becomes("/", "/");
	becomes("/a", "/a");
	becomes("/a/", "/a");
	becomes("/:services/microvm@web.service", "/:services/microvm@web.service");
	becomes("/a%2fb", "/a%2Fb");
	becomes("/a%2Fb/%41", "/a%2Fb/A");
	becomes("/%2e/%2E.", "/%2E/%2E.");
	becomes("/%00%01%02/%7f", "/%00%01%02/%7F");
	becomes("/%2A%25", "/%2A%25");
	becomes("/gr\xc3\xbc n", "/gr\xc3\xbc n");
}

Test(path, refuses_what_is_not_of_the_documented_form)
{
	is_refused("", BLX_EINVAL);
	is_refused("a", BLX_EINVAL);
	is_refused("//", BLX_EINVAL);
	is_refused("/a//b", BLX_EINVAL);
	is_refused("/.a", BLX_EINVAL);
	is_refused("/a/..", BLX_EINVAL);
	is_refused("/a*", BLX_EINVAL);
	is_refused("/a%", BLX_EINVAL);
	is_refused("/a%2", BLX_EINVAL);
	is_refused("/a%2x", BLX_EINVAL);
	is_refused("/a\n", BLX_EINVAL);
	is_refused("/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3",
		BLX_ETOOBIG);
}

Test(path, of_the_greatest_length_is_taken_and_one_more_is_not)
{
	char path[BLX_PATH_LEN_MAX + 2];
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len;

	memset(path, 'x', sizeof path);
	path[0] = '/';

	cr_assert_eq(blx__path_parse(path, BLX_PATH_LEN_MAX, key, &len, NULL, NULL), 0);
	cr_assert(blx__key_valid(key, len));
	cr_assert_eq(blx__path_parse(path, BLX_PATH_LEN_MAX + 1, key, &len, NULL, NULL),
		BLX_ETOOBIG);
}

Test(path, keys_sort_as_a_walk_through_the_tree_does)
{
	static const char *const paths[] = {"/a", "/a/b", "/a/b/c", "/a/b%00", "/a/bb",
		"/a%00", "/a%01", "/a!", "/aa", "/b"};
	uint8_t last[BLX__KEY_LEN_MAX];
	size_t last_len = 0;
	size_t i;

	for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		uint8_t key[BLX__KEY_LEN_MAX];
		size_t len;

		cr_assert_eq(parse(paths[i], key, &len), 0);
		cr_assert_lt(
			blx__key_compare(last, last_len, key, len), 0, "%s", paths[i]);
		memcpy(last, key, len);
		last_len = len;
	}
}

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 0) : 7;
}

Test(path, of_any_bytes_comes_back_as_the_same)
{
	struct blx__rng rng;
	unsigned i;

	blx__rng_init(&rng, seed_of());
	cr_log_info("BLX_SEED=%llu", (unsigned long long)seed_of());
	for (i = 0; i < 50000; i++) {
		char path[BLX__PATH_TEXT_SIZE] = "";
		char text[BLX__PATH_TEXT_SIZE];
		uint8_t key[BLX__KEY_LEN_MAX];
		uint8_t again[BLX__KEY_LEN_MAX];
		size_t names = 1 + blx__rng_below(&rng, 5);
		size_t at = 0;
		size_t len;
		size_t again_len;

		while (names-- > 0) {
			size_t n = 1 + blx__rng_below(&rng, 12);

			path[at++] = '/';
			while (n-- > 0) {
				at += (size_t)snprintf(path + at, 4, "%%%02x",
					(unsigned)blx__rng_below(&rng, 256));
			}
		}
		cr_assert_eq(blx__path_parse(path, at, key, &len, NULL, NULL), 0);
		cr_assert(blx__key_valid(key, len));
		at = blx__path_format(key, len, text);
		cr_assert_eq(blx__path_parse(text, at, again, &again_len, NULL, NULL), 0);
		cr_assert_eq(again_len, len);
		cr_assert_arr_eq(again, key, len);
	}
}

Test(path, a_key_that_no_path_gives_is_not_valid)
{
	cr_assert(blx__key_valid(NULL, 0));
	cr_assert_not(blx__key_valid((const uint8_t *)"\0a", 2));
	cr_assert_not(blx__key_valid((const uint8_t *)"a\0", 2));
	cr_assert_not(blx__key_valid((const uint8_t *)"a\0\0b", 4));
	cr_assert_not(blx__key_valid((const uint8_t *)"a\1", 2));
	cr_assert_not(blx__key_valid((const uint8_t *)"a\1\3", 3));
	cr_assert(blx__key_valid((const uint8_t *)"a\1\2", 3));
}

/* ---- patterns ---------------------------------------------------------------- */

static bool matches(const char *pattern, const char *path)
{
	struct blx__pattern compiled;
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len;

	cr_assert_eq(blx__pattern_parse(pattern, strlen(pattern), &compiled, NULL), 0,
		"%s", pattern);
	cr_assert_eq(parse(path, key, &len), 0, "%s", path);
	return blx__pattern_matches(&compiled, key, len);
}

Test(pattern, stars_stand_for_parts_of_a_name_and_for_levels)
{
	cr_assert(matches("/a/*", "/a/b"));
	cr_assert_not(matches("/a/*", "/a"));
	cr_assert_not(matches("/a/*", "/a/b/c"));
	cr_assert(matches("/a/x*z", "/a/xyz"));
	cr_assert(matches("/a/x*z", "/a/xz"));
	cr_assert_not(matches("/a/x*z", "/a/xzy"));
	cr_assert(matches("/**", "/"));
	cr_assert(matches("/**", "/a/b/c"));
	cr_assert(matches("/a/**", "/a"));
	cr_assert(matches("/a/**/z", "/a/z"));
	cr_assert(matches("/a/**/z", "/a/b/c/z"));
	cr_assert_not(matches("/a/**/z", "/a/b/c/y"));
	cr_assert(matches("/**/m/**/n", "/m/m/n/n"));
	cr_assert(matches("/*%2A*", "/a%2Ab"));
	cr_assert_not(matches("/%2A", "/a"));
	cr_assert_not(matches("/a/*/*", "/a/b"));
}

/* By trying everything. */
static bool naive(const char *p, const char *s)
{
	if (strncmp(p, "/**", 3) == 0 && (p[3] == '/' || p[3] == '\0') &&
		(*s == '/' || *s == '\0')) {
		const char *next = *s == '/' ? strchr(s + 1, '/') : NULL;

		return naive(p + 3, s) ||
		       (*s == '/' && naive(p, next != NULL ? next : s + strlen(s)));
	}
	if (*p == '\0') {
		return *s == '\0';
	}
	if (*p == '*') {
		return naive(p + 1, s) || (*s != '\0' && *s != '/' && naive(p, s + 1));
	}
	return *p == *s && naive(p + 1, s + 1);
}

static void random_text(
	struct blx__rng *rng, const char *const *parts, size_t count, char *text)
{
	size_t names = 1 + blx__rng_below(rng, 4);

	text[0] = '\0';
	while (names-- > 0) {
		(void)strcat(text, "/");
		(void)strcat(text, parts[blx__rng_below(rng, count)]);
	}
}

Test(pattern, agrees_with_trying_everything)
{
	static const char *const stars[] = {
		"*", "**", "a", "b", "a*", "*b", "*a*b", "a*b*"};
	static const char *const names[] = {"a", "b", "ab", "aab", "bab", "abb"};
	struct blx__rng rng;
	unsigned hits = 0;
	unsigned i;

	blx__rng_init(&rng, seed_of());
	for (i = 0; i < 200000; i++) {
		char pattern[64];
		char path[64];
		bool expected;

		random_text(&rng, stars, sizeof stars / sizeof stars[0], pattern);
		random_text(&rng, names, sizeof names / sizeof names[0], path);
		expected = naive(pattern, path);
		cr_assert_eq(matches(pattern, path), expected, "%s %s", pattern, path);
		hits += expected;
	}
	cr_assert_gt(hits, 1000);
}
