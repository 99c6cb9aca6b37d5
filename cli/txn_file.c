/* SPDX-License-Identifier: Apache-2.0 */
#include "txn_file.h"

#include "opt.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	const char *args; /* p: path, v: value, n: number */
} kinds[] = {
	[TXN_IF_ABSENT] = {"if-absent", "p"},
	[TXN_IF_EXISTS] = {"if-exists", "p"},
	[TXN_IF_VALUE] = {"if-value", "pv"},
	[TXN_IF_REVISION] = {"if-rev", "pn"},
	[TXN_IF_VERSION] = {"if-version", "pn"},
	[TXN_IF_FIELDS] = {"if-fields", "pv"},
	[TXN_IF_CHILDREN] = {"if-children", "pn"},
	[TXN_IF_FEWER] = {"if-fewer", "pn"},
	[TXN_IF_MORE] = {"if-more", "pn"},
	[TXN_ALL] = {"all", ""},
	[TXN_ANY] = {"any", ""},
	[TXN_NONE] = {"none", ""},
	[TXN_END] = {"end", ""},
	[TXN_PUT] = {"put", "pv"},
	[TXN_PUT_WHILE] = {"put-while", "pv"},
	[TXN_RM] = {"rm", "p"},
	[TXN_RM_TREE] = {"rm-tree", "p"},
	[TXN_GET] = {"get", "p"},
	[TXN_ELSE] = {"else", ""},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

/* A line being read. */
struct cursor {
	const char *at;
	const char *end;
	unsigned number;
	char *fault;
};

const char *txn_kind_name(enum txn_kind kind)
{
	return kinds[kind].name;
}

static int fault_at(const struct cursor *cursor, const char *what)
{
	(void)snprintf(
		cursor->fault, TXN_FAULT_SIZE, "line %u: %s", cursor->number, what);
	return -1;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_spaces(struct cursor *cursor)
{
	while (cursor->at < cursor->end && is_space(*cursor->at)) {
		cursor->at++;
	}
}

static char *copy_of(const char *bytes, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy != NULL) {
		memcpy(copy, bytes, len);
		copy[len] = '\0';
	}
	return copy;
}

static int take_bare(struct cursor *cursor, char **ret_text, size_t *ret_len)
{
	const char *begin = cursor->at;

	while (cursor->at < cursor->end && !is_space(*cursor->at)) {
		cursor->at++;
	}
	*ret_len = (size_t)(cursor->at - begin);
	*ret_text = copy_of(begin, *ret_len);
	return *ret_text != NULL ? 0 : fault_at(cursor, "out of memory");
}

static int take_quoted(struct cursor *cursor, char **ret_text, size_t *ret_len)
{
	json_error_t error;
	json_t *string = json_loadb(cursor->at, (size_t)(cursor->end - cursor->at),
		JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);

	if (string == NULL) {
		return fault_at(cursor, "what begins with \" must be a JSON string");
	}
	cursor->at += error.position; /* bytes read, on success */
	*ret_len = json_string_length(string);
	*ret_text = copy_of(json_string_value(string), *ret_len);
	json_decref(string);
	if (*ret_text == NULL) {
		return fault_at(cursor, "out of memory");
	}
	if (cursor->at < cursor->end && !is_space(*cursor->at)) {
		free(*ret_text);
		*ret_text = NULL;
		return fault_at(cursor, "a space is missing behind the closing \"");
	}
	return 0;
}

static int take_token(
	struct cursor *cursor, const char *missing, char **ret_text, size_t *ret_len)
{
	skip_spaces(cursor);
	if (cursor->at == cursor->end) {
		return fault_at(cursor, missing);
	}
	return *cursor->at == '"' ? take_quoted(cursor, ret_text, ret_len)
				  : take_bare(cursor, ret_text, ret_len);
}

static int take_path(struct cursor *cursor, struct txn_line *line)
{
	size_t len;

	if (take_token(cursor, "PATH is missing", &line->path, &len) != 0) {
		return -1;
	}
	if (strlen(line->path) != len) {
		return fault_at(cursor, "NUL in a path is written %00");
	}
	return 0;
}

static int take_number(struct cursor *cursor, struct txn_line *line)
{
	char *text;
	size_t len;
	bool ok;

	if (take_token(cursor, "the number is missing", &text, &len) != 0) {
		return -1;
	}
	ok = strlen(text) == len &&
	     opt_parse_number(text, 0, UINT64_MAX, &line->revision);
	free(text);
	return ok ? 0 : fault_at(cursor, "the number must be of digits");
}

static int take_kind(struct cursor *cursor, enum txn_kind *ret_kind)
{
	const char *begin = cursor->at;
	char what[TXN_FAULT_SIZE / 2];
	size_t len;
	size_t i;

	while (cursor->at < cursor->end && !is_space(*cursor->at)) {
		cursor->at++;
	}
	len = (size_t)(cursor->at - begin);
	for (i = 0; i < KINDS; i++) {
		if (strlen(kinds[i].name) == len &&
			memcmp(kinds[i].name, begin, len) == 0) {
			*ret_kind = (enum txn_kind)i;
			return 0;
		}
	}
	(void)snprintf(what, sizeof what, "unknown word \"%.*s\"",
		(int)(len < 40 ? len : 40), begin);
	return fault_at(cursor, what);
}

static int take_args(struct cursor *cursor, struct txn_line *line)
{
	const char *arg;
	int rv = 0;

	for (arg = kinds[line->kind].args; rv == 0 && *arg != '\0'; arg++) {
		switch (*arg) {
		case 'p':
			rv = take_path(cursor, line);
			break;
		case 'v':
			rv = take_token(cursor, "VALUE is missing", &line->value,
				&line->value_len);
			break;
		default:
			rv = take_number(cursor, line);
			break;
		}
	}
	skip_spaces(cursor);
	if (rv == 0 && cursor->at < cursor->end) {
		return fault_at(
			cursor, "more than is wanted; values with spaces go in \"...\"");
	}
	return rv;
}

static bool has_else(const struct txn_file *file)
{
	size_t i;

	for (i = 0; i < file->count; i++) {
		if (file->lines[i].kind == TXN_ELSE) {
			return true;
		}
	}
	return false;
}

/* A slot for one more line, counted at once so that finish frees what it gets. */
static struct txn_line *next_line(struct txn_file *file)
{
	if (file->count == file->room) {
		size_t room = file->room > 0 ? 2 * file->room : 32;
		struct txn_line *lines = reallocarray(file->lines, room, sizeof *lines);

		if (lines == NULL) {
			return NULL;
		}
		file->lines = lines;
		file->room = room;
	}
	file->lines[file->count] = (struct txn_line){0};
	return &file->lines[file->count++];
}

static void while_follow(struct txn_file *file, enum txn_kind kind)
{
	if (kind == TXN_PUT_WHILE) {
		file->while_depth = 1;
	} else if (file->while_depth > 0 && kind == TXN_END) {
		file->while_depth--;
	} else if (file->while_depth > 0 &&
		   (kind == TXN_ALL || kind == TXN_ANY || kind == TXN_NONE)) {
		file->while_depth++;
	}
}

static int parse_line(struct cursor *cursor, struct txn_file *file)
{
	struct txn_line *line;
	enum txn_kind kind;

	skip_spaces(cursor);
	if (cursor->at == cursor->end || *cursor->at == '#') {
		return 0;
	}
	if (take_kind(cursor, &kind) != 0) {
		return -1;
	}
	if (kind == TXN_ELSE && has_else(file)) {
		return fault_at(cursor, "a second else");
	}
	if (kind <= TXN_END && has_else(file) && file->while_depth == 0) {
		return fault_at(cursor, "a guard behind else");
	}
	if (kind > TXN_END && file->while_depth > 0) {
		return fault_at(cursor, "the conditions of put-while have no end");
	}
	line = next_line(file);
	if (line == NULL) {
		return fault_at(cursor, "out of memory");
	}
	line->kind = kind;
	line->of_while = file->while_depth > 0;
	while_follow(file, kind);
	return take_args(cursor, line);
}

int txn_file_parse(const char *text, size_t len, struct txn_file *ret_file,
	char fault[TXN_FAULT_SIZE])
{
	struct cursor cursor = {.fault = fault};
	const char *end = text + len;

	*ret_file = (struct txn_file){0};
	while (len > 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		cursor.at = text;
		cursor.end = newline != NULL ? newline : end;
		cursor.number++;
		if (parse_line(&cursor, ret_file) != 0) {
			txn_file_finish(ret_file);
			return -1;
		}
		text = newline != NULL ? newline + 1 : end;
	}
	if (ret_file->count == 0) {
		(void)snprintf(fault, TXN_FAULT_SIZE, "the transaction is empty");
		return -1;
	}
	if (ret_file->while_depth > 0) {
		(void)fault_at(&cursor, "the conditions of put-while have no end");
		txn_file_finish(ret_file);
		return -1;
	}
	return 0;
}

void txn_file_finish(struct txn_file *file)
{
	size_t i;

	for (i = 0; i < file->count; i++) {
		free(file->lines[i].path);
		free(file->lines[i].value);
	}
	free(file->lines);
	*file = (struct txn_file){0};
}
