/* SPDX-License-Identifier: Apache-2.0 */
#include "store/path.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/* A zero of a component is written 1 1, a one 1 2, so that 0 is free for the separator.
 */
#define ESCAPE      1
#define ESCAPE_ZERO 1
#define ESCAPE_ONE  2

/* How much of a long path a message shows. */
#define SHOWN_MAX 96

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int refuse(
	const char *path, size_t len, int code, const char *why, blx_error *error)
{
	return blx__error_set(error, code, "%.*s%s: %s",
		(int)(len < SHOWN_MAX ? len : SHOWN_MAX), path,
		len > SHOWN_MAX ? "..." : "", why);
}

/* A path on its way to a key. */
struct parse {
	const char *path;
	size_t len;
	size_t at;
	uint8_t *key;
	size_t key_len;
	size_t key_max;
	unsigned depth;
	bool wild;       /* a pattern: '*' is let in */
	const char *why; /* it is refused */
};

static void key_add(struct parse *parse, uint8_t byte)
{
	/* Only bytes that took three to write take two here: a key is never longer than
	 * its path, whose length was looked at. */
	INVARIANT(parse->key_len < parse->key_max);
	if (byte == 0 || byte == ESCAPE) {
		INVARIANT(parse->key_len + 2 <= parse->key_max);
		parse->key[parse->key_len++] = ESCAPE;
		parse->key[parse->key_len++] = byte == 0 ? ESCAPE_ZERO : ESCAPE_ONE;
		return;
	}
	parse->key[parse->key_len++] = byte;
}

/* One '*', or two that are a whole component. */
static void parse_star(struct parse *parse, bool first)
{
	size_t end = parse->at + 2;
	bool two = first && end <= parse->len && parse->path[parse->at + 1] == '*' &&
		   (end == parse->len || parse->path[end] == '/');

	INVARIANT(parse->key_len + 2 <= parse->key_max);
	parse->key[parse->key_len++] = ESCAPE;
	parse->key[parse->key_len++] = two ? BLX__KEY_ANY_DEPTH : BLX__KEY_ANY_BYTES;
	parse->at += two ? 2 : 1;
}

/* One byte of a component, escaped or not. */
static void parse_byte(struct parse *parse, bool first)
{
	unsigned char c = (unsigned char)parse->path[parse->at];
	int high;
	int low;

	if (c == '%') {
		high = parse->at + 2 < parse->len ? hex_digit(parse->path[parse->at + 1])
						  : -1;
		low = high >= 0 ? hex_digit(parse->path[parse->at + 2]) : -1;
		if (low < 0) {
			parse->why = "'%' must be followed by two hexadecimal digits; "
				     "write %25 for "
				     "the character itself";
			return;
		}
		parse->at += 3;
		key_add(parse, (uint8_t)(high * 16 + low));
		return;
	}
	if (c < 0x20 || c == 0x7f) {
		parse->why = "control bytes must be written %XX";
	} else if (c == '*' && parse->wild) {
		parse_star(parse, first);
	} else if (c == '*') {
		parse->why = "'*' is for patterns; write %2A for the character itself";
	} else if (c == '.' && first) {
		parse->why = "a name may not begin with '.'; write %2E for the character "
			     "itself";
	} else {
		parse->at++;
		key_add(parse, c);
	}
}

static void parse_component(struct parse *parse)
{
	size_t begin = parse->at;

	if (++parse->depth > BLX_PATH_DEPTH_MAX) {
		parse->why = "deeper than 32 levels";
		return;
	}
	while (parse->why == NULL && parse->at < parse->len &&
		parse->path[parse->at] != '/') {
		parse_byte(parse, parse->at == begin);
	}
	if (parse->why == NULL && parse->at == begin) {
		parse->why = "a name between two '/' is empty";
	}
}

/* Components from parse->at on, and perhaps one '/' after the last. */
static bool parse_components(struct parse *parse)
{
	bool dir = false;

	while (parse->why == NULL && parse->at < parse->len) {
		if (parse->depth > 0) {
			parse->key[parse->key_len++] = BLX__KEY_SEPARATOR;
		}
		parse_component(parse);
		if (parse->why == NULL && parse->at < parse->len) {
			parse->at++;
			dir = parse->at == parse->len;
		}
	}
	return dir;
}

static int parse_path(struct parse *parse, bool *ret_dir, blx_error *error)
{
	if (parse->len > BLX_PATH_LEN_MAX) {
		return refuse(parse->path, parse->len, BLX_ETOOBIG,
			"the path is longer than 1024 bytes", error);
	}
	if (parse->len == 0 || parse->path[0] != '/') {
		return refuse(parse->path, parse->len, BLX_EINVAL,
			"a path begins with '/'", error);
	}
	*ret_dir = parse_components(parse) || parse->len == 1;
	if (parse->why != NULL) {
		return refuse(parse->path, parse->len,
			parse->depth > BLX_PATH_DEPTH_MAX ? BLX_ETOOBIG : BLX_EINVAL,
			parse->why, error);
	}
	return 0;
}

int blx__path_parse(const char *path, size_t len, uint8_t ret_key[BLX__KEY_LEN_MAX],
	size_t *ret_key_len, bool *ret_dir, blx_error *error)
{
	struct parse parse = {.path = path,
		.len = len,
		.at = 1,
		.key = ret_key,
		.key_max = BLX__KEY_LEN_MAX};
	bool dir;
	int rv = parse_path(&parse, &dir, error);

	if (rv != 0) {
		return rv;
	}
	*ret_key_len = parse.key_len;
	if (ret_dir != NULL) {
		*ret_dir = dir;
	}
	return 0;
}

int blx__path_parse_pattern(const char *text, size_t len,
	uint8_t ret_key[BLX__PATTERN_LEN_MAX], size_t *ret_key_len, blx_error *error)
{
	struct parse parse = {.path = text,
		.len = len,
		.at = 1,
		.key = ret_key,
		.key_max = BLX__PATTERN_LEN_MAX,
		.wild = true};
	bool dir;
	int rv = parse_path(&parse, &dir, error);

	if (rv == 0) {
		*ret_key_len = parse.key_len;
	}
	return rv;
}

int blx__path_parse_name(const char *name, size_t len, uint8_t ret_key[BLX__KEY_LEN_MAX],
	size_t *ret_key_len, blx_error *error)
{
	struct parse parse = {
		.path = name, .len = len, .key = ret_key, .key_max = BLX__KEY_LEN_MAX};
	bool dir;

	if (len > BLX_PATH_LEN_MAX) {
		return refuse(name, len, BLX_ETOOBIG,
			"the name is longer than 1024 bytes", error);
	}
	dir = parse_components(&parse);
	if (len == 0 || dir) {
		parse.why = "not the name of a child";
	}
	if (parse.why != NULL) {
		return refuse(name, len, BLX_EINVAL, parse.why, error);
	}
	*ret_key_len = parse.key_len;
	return 0;
}

/* ---- back ------------------------------------------------------------------- */

static bool is_plain(uint8_t c, bool first)
{
	return c >= 0x20 && c != 0x7f && c != '/' && c != '%' && c != '*' &&
	       !(c == '.' && first);
}

/* The next byte of a component at key[*at], and steps behind it. */
static uint8_t component_byte(const uint8_t *key, size_t key_len, size_t *at)
{
	uint8_t c = key[(*at)++];

	if (c == ESCAPE && *at < key_len) {
		c = key[(*at)++] == ESCAPE_ZERO ? 0 : 1;
	}
	return c;
}

size_t blx__path_format_name(
	const uint8_t *key, size_t key_len, char ret_name[BLX__PATH_TEXT_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t at = 0;
	size_t len = 0;
	bool first = true;

	while (at < key_len) {
		uint8_t c;

		if (key[at] == BLX__KEY_SEPARATOR) {
			at++;
			ret_name[len++] = '/';
			first = true;
			continue;
		}
		c = component_byte(key, key_len, &at);
		if (is_plain(c, first)) {
			ret_name[len++] = (char)c;
		} else {
			PRE(len + 3 < BLX__PATH_TEXT_SIZE);
			ret_name[len++] = '%';
			ret_name[len++] = digits[c >> 4];
			ret_name[len++] = digits[c & 15];
		}
		first = false;
		PRE(len < BLX__PATH_TEXT_SIZE);
	}
	ret_name[len] = '\0';
	return len;
}

size_t blx__path_format(
	const uint8_t *key, size_t key_len, char ret_path[BLX__PATH_TEXT_SIZE])
{
	char name[BLX__PATH_TEXT_SIZE];
	size_t len = blx__path_format_name(key, key_len, name);

	PRE(len + 1 < BLX__PATH_TEXT_SIZE);
	ret_path[0] = '/';
	memcpy(ret_path + 1, name, len + 1);
	return len + 1;
}

/* How long its path is with all that must be escaped; 0: it is no key. */
static size_t path_len_of(const uint8_t *key, size_t key_len, unsigned *ret_depth)
{
	size_t at = 0;
	size_t len = 1;
	unsigned depth = 1;
	bool first = true;

	while (at < key_len) {
		uint8_t c;

		if (key[at] == BLX__KEY_SEPARATOR) {
			if (first || at + 1 == key_len) {
				return 0;
			}
			at++;
			len++;
			depth++;
			first = true;
			continue;
		}
		if (key[at] == ESCAPE &&
			(at + 1 == key_len || (key[at + 1] != ESCAPE_ZERO &&
						      key[at + 1] != ESCAPE_ONE))) {
			return 0;
		}
		c = component_byte(key, key_len, &at);
		len += is_plain(c, first) ? 1 : 3;
		first = false;
	}
	*ret_depth = depth;
	return len;
}

bool blx__key_valid(const uint8_t *key, size_t key_len)
{
	unsigned depth = 0;
	size_t len;

	if (key_len == 0) {
		return true;
	}
	if (key_len > BLX__KEY_LEN_MAX) {
		return false;
	}
	len = path_len_of(key, key_len, &depth);
	return len > 0 && len <= BLX_PATH_LEN_MAX && depth <= BLX_PATH_DEPTH_MAX;
}

int blx__key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t len = a_len < b_len ? a_len : b_len;
	int order = len > 0 ? memcmp(a, b, len) : 0;

	if (order != 0) {
		return order;
	}
	return (a_len > b_len) - (a_len < b_len);
}

bool blx__key_is_system(const uint8_t *key, size_t key_len)
{
	return key_len > 0 && key[0] == ':';
}

bool blx__path_child(const char *dir, const char *name, char ret_path[BLX__PATH_TEXT_SIZE])
{
	return name != NULL && name[0] != '\0' && strchr(name, '/') == NULL &&
	       (size_t)snprintf(ret_path, BLX__PATH_TEXT_SIZE, "/%s/%s", dir, name) <
		       BLX__PATH_TEXT_SIZE;
}

int blx__key_child(const char *what, const char *dir, const char *name,
	struct blx__key *ret_key, blx_error *error)
{
	char path[BLX__PATH_TEXT_SIZE];

	if (!blx__path_child(dir, name, path)) {
		return blx__error_set(error, BLX_EINVAL,
			"%s \"%.80s\": its name must be there, without \"/\"", what,
			name != NULL ? name : "");
	}
	return blx__path_parse(
		path, strlen(path), ret_key->bytes, &ret_key->len, NULL, error);
}
