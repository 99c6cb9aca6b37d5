/* SPDX-License-Identifier: Apache-2.0 */
#include "txn_file.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static int parse(const char *text, struct txn_file *file, char *fault)
{
	return txn_file_parse(text, strlen(text), file, fault);
}

Test(txn_file, every_kind_of_line_is_read)
{
	static const enum txn_kind kinds[] = {TXN_IF_ABSENT, TXN_IF_EXISTS, TXN_IF_VALUE,
		TXN_IF_REVISION, TXN_PUT, TXN_RM, TXN_ELSE, TXN_RM_TREE, TXN_GET};
	static const enum txn_kind more[] = {TXN_IF_VERSION, TXN_IF_FIELDS, TXN_IF_CHILDREN,
		TXN_IF_FEWER, TXN_IF_MORE, TXN_ANY, TXN_NONE, TXN_ALL, TXN_END};
	char fault[TXN_FAULT_SIZE];
	struct txn_file file;
	size_t i;

	cr_assert_eq(
		parse("# a comment\n\n  if-absent /a\r\nif-exists\t/b\nif-value /c v\n"
		      "if-rev /d 18446744073709551615\nput /e w\nrm /f\nelse\nrm-tree "
		      "/g\nget /h",
			&file, fault),
		0, "%s", fault);

	cr_assert_eq(file.count, sizeof kinds / sizeof kinds[0]);
	for (i = 0; i < file.count; i++) {
		cr_assert_eq(file.lines[i].kind, kinds[i]);
	}
	cr_assert_str_eq(file.lines[0].path, "/a");
	cr_assert_str_eq(file.lines[2].value, "v");
	cr_assert_eq(file.lines[3].revision, UINT64_MAX);
	cr_assert_str_eq(file.lines[4].path, "/e");
	cr_assert_eq(file.lines[4].value_len, 1);
	cr_assert_null(file.lines[6].path);
	txn_file_finish(&file);

	cr_assert_eq(parse("if-version /a 3\nif-fields /b \"{\\\"x\\\": 1}\"\nif-children /c 0\n"
			   "if-fewer /d 9\nif-more /e 1\nany\nnone\nall\nend\n",
			     &file, fault),
		0, "%s", fault);
	for (i = 0; i < sizeof more / sizeof more[0]; i++) {
		cr_assert_eq(file.lines[i].kind, more[i]);
	}
	cr_assert_eq(file.lines[0].revision, 3);
	cr_assert_str_eq(file.lines[1].value, "{\"x\": 1}");
	cr_assert_eq(file.lines[4].revision, 1);
	txn_file_finish(&file);
}

Test(txn_file, conditions_follow_what_lives_by_them_up_to_their_end)
{
	static const bool of_while[] = {false, true, true, true, true, true, false};
	char fault[TXN_FAULT_SIZE];
	struct txn_file file;
	size_t i;

	cr_assert_eq(parse("put-while /a v\n if-exists /b\n any\n  if-more /c 1\n end\nend\n"
			   "get /a\n",
			     &file, fault),
		0, "%s", fault);
	for (i = 0; i < file.count; i++) {
		cr_assert_eq(file.lines[i].of_while, of_while[i], "%zu", i);
	}
	cr_assert_str_eq(file.lines[0].value, "v");
	txn_file_finish(&file);
	cr_assert_eq(parse("else\nput-while /a v\nif-exists /b\nend", &file, fault), 0, "%s",
		fault);
	txn_file_finish(&file);

	cr_assert_eq(parse("put-while /a v\nif-exists /b\n", &file, fault), -1);
	cr_assert_eq(parse("put-while /a v\nget /a\nend\n", &file, fault), -1);
	cr_assert_not_null(strstr(fault, "line 2"));
	cr_assert_eq(parse("else\nput-while /a v\nend\nif-exists /b\n", &file, fault), -1);
}

Test(txn_file, a_quoted_value_holds_spaces_quotes_and_nul)
{
	static const char want[] = "two \"words\"\n\0end";
	char fault[TXN_FAULT_SIZE];
	struct txn_file file;

	cr_assert_eq(
		parse("put \"/a b\" \"two \\\"words\\\"\\n\\u0000end\"  \nput /e \"\"",
			&file, fault),
		0, "%s", fault);

	cr_assert_str_eq(file.lines[0].path, "/a b");
	cr_assert_eq(file.lines[0].value_len, sizeof want - 1);
	cr_assert_arr_eq(file.lines[0].value, want, sizeof want - 1);
	cr_assert_eq(file.lines[1].value_len, 0);
	txn_file_finish(&file);
}

Test(txn_file, a_bad_line_is_told_by_its_number)
{
	static const struct {
		const char *text;
		const char *fault;
	} cases[] = {
		{"", "empty"},
		{"# nothing\n\n", "empty"},
		{"put /a 1\nput /b", "line 2: VALUE is missing"},
		{"get", "line 1: PATH is missing"},
		{"if-rev /a", "line 1: the number is missing"},
		{"if-rev /a x", "line 1: the number must be of digits"},
		{"if-rev /a -1", "line 1: the number must be of digits"},
		{"if-rev /a \"1\\u0000\"", "line 1: the number must be of digits"},
		{"\nputt /a 1", "line 2: unknown word \"putt\""},
		{"put /a two words", "line 1: more than is wanted"},
		{"else /a", "line 1: more than is wanted"},
		{"get /a\nelse\nelse", "line 3: a second else"},
		{"else\nif-absent /a", "line 2: a guard behind else"},
		{"put /a \"open", "line 1: what begins with \" must be a JSON string"},
		{"put /a \"\\q\"", "line 1: what begins with \" must be a JSON string"},
		{"put /a \"x\"y", "line 1: a space is missing"},
		{"get \"/a\\u0000\"", "line 1: NUL in a path"},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char fault[TXN_FAULT_SIZE] = "";
		struct txn_file file;

		cr_assert_eq(parse(cases[i].text, &file, fault), -1, "%s", cases[i].text);
		cr_assert_not_null(
			strstr(fault, cases[i].fault), "%s: %s", cases[i].text, fault);
		cr_assert_eq(file.count, 0);
		cr_assert_null(file.lines);
	}
}

Test(txn_file, a_text_cut_at_any_byte_is_read_or_refused)
{
	static const char text[] =
		"if-value /a \"x y\"\nput /b \"\\u00e4\"\nelse\nget /c\n";
	size_t len;

	for (len = 0; len < sizeof text - 1; len++) {
		char *copy = malloc(
			len > 0 ? len : 1); /* exact, for the sanitizer to see the end */
		char fault[TXN_FAULT_SIZE];
		struct txn_file file;

		memcpy(copy, text, len);
		if (txn_file_parse(copy, len, &file, fault) == 0) {
			txn_file_finish(&file);
		}
		free(copy);
	}
}
