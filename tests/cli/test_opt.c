/* SPDX-License-Identifier: Apache-2.0 */
#include "opt.h"

#include "support/test.h"

#include <stdio.h>
#include <string.h>

static const struct opt own[] = {
	{"recursive", 'r', NULL, ""},
	{"limit", 0, "N", ""},
	{0},
};

static const struct opt common[] = {
	{"output", 'o', "FORM", ""},
	{0},
};

static const struct opt *const tables[] = {own, common, NULL};

/* Takes one option from the words given; returns how many words it took, or -1. */
static int take(struct opt_args *args, char **words, int count, char *fault)
{
	int i = 0;

	return opt_take(args, count, words, &i, tables, fault) == 0 ? i : -1;
}

Test(opt, a_value_is_taken_from_the_same_word_or_from_the_next)
{
	char *joined[] = {(char[]){"--limit=5"}, NULL};
	char *apart[] = {(char[]){"--limit"}, (char[]){"6"}, NULL};
	char *letter[] = {(char[]){"-ojson"}, NULL};
	char fault[OPT_FAULT_SIZE];
	struct opt_args args;

	cr_assert_eq(opt_args_init(&args, 4), 0);

	cr_assert_eq(take(&args, joined, 1, fault), 1);
	cr_assert_str_eq(opt_text(&args, "limit"), "5");
	cr_assert_eq(take(&args, apart, 2, fault), 2);
	cr_assert_str_eq(opt_text(&args, "limit"), "6", "the last one counts");
	cr_assert_eq(take(&args, letter, 1, fault), 1);
	cr_assert_str_eq(opt_text(&args, "output"), "json");

	opt_args_finish(&args);
}

Test(opt, an_empty_value_is_a_value)
{
	char *words[] = {(char[]){"--limit="}, NULL};
	char fault[OPT_FAULT_SIZE];
	struct opt_args args;

	cr_assert_eq(opt_args_init(&args, 1), 0);

	cr_assert_eq(take(&args, words, 1, fault), 1);
	cr_assert_str_eq(opt_text(&args, "limit"), "");

	opt_args_finish(&args);
}

Test(opt, what_is_wrong_with_an_option_is_told)
{
	static const struct {
		const char *word;
		const char *fault;
	} cases[] = {
		{"--nope", "unknown option --nope"},
		{"--limi", "unknown option --limi"},
		{"--recursive=yes", "--recursive takes no value"},
		{"--limit", "--limit needs N"},
		{"-o", "-o needs FORM"},
		{"-rf", "unknown option -rf"},
		{"-5", "behind --"},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char word[32];
		char *words[] = {word, NULL};
		char fault[OPT_FAULT_SIZE] = "";
		struct opt_args args;

		(void)snprintf(word, sizeof word, "%s", cases[i].word);
		cr_assert_eq(opt_args_init(&args, 1), 0);
		cr_assert_eq(take(&args, words, 1, fault), -1);
		cr_assert_not_null(strstr(fault, cases[i].fault), "%s", fault);
		cr_assert_eq(args.given_count, 0);
		opt_args_finish(&args);
	}
}

Test(opt, a_number_is_all_digits_and_within_its_bounds)
{
	static const char *const bad[] = {"", " 1", "+1", "-1", "1 ", "0x1", "1k", "9",
		"21", "18446744073709551616", "99999999999999999999999"};
	uint64_t number = 7;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_not(opt_parse_number(bad[i], 10, 20, &number), "%s", bad[i]);
		cr_assert_eq(number, 7);
	}
	cr_assert(opt_parse_number("10", 10, 20, &number) && number == 10);
	cr_assert(opt_parse_number("20", 10, 20, &number) && number == 20);
	cr_assert(opt_parse_number("18446744073709551615", 0, UINT64_MAX, &number));
	cr_assert_eq(number, UINT64_MAX);
}

Test(opt, a_duration_has_a_unit_or_is_in_milliseconds)
{
	static const char *const bad[] = {"", "s", "0", "0s", "-1s", "5x", "5 s", "1.5s",
		"5S", "1441m", "86400001", "99999999999s"};
	uint32_t ms = 7;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_not(opt_parse_duration(bad[i], &ms), "%s", bad[i]);
		cr_assert_eq(ms, 7);
	}
	cr_assert(opt_parse_duration("5000", &ms) && ms == 5000);
	cr_assert(opt_parse_duration("500ms", &ms) && ms == 500);
	cr_assert(opt_parse_duration("5s", &ms) && ms == 5000);
	cr_assert(opt_parse_duration("1440m", &ms) && ms == 86400000);
}

Test(opt, names_have_commas_between_them)
{
	static const char *const bad[] = {",", "a,,b", ",a", "toolong", "a,b,c,d"};
	char names[3][4] = {"xyz"};
	size_t count = 7;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		cr_assert_not(opt_parse_names(bad[i], names[0], 4, 3, &count), "%s", bad[i]);
	}
	cr_assert(opt_parse_names("", names[0], 4, 3, &count) && count == 0);
	cr_assert(opt_parse_names("abc,d,e", names[0], 4, 3, &count) && count == 3);
	cr_assert_str_eq(names[0], "abc");
	cr_assert_str_eq(names[1], "d");
	cr_assert_str_eq(names[2], "e");
	cr_assert(opt_parse_names("f", names[0], 4, 3, &count) && count == 1);
	cr_assert_str_eq(names[0], "f");
}
