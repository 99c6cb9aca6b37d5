/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include "ctx.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int out_json(const struct ctx *ctx, json_t *root)
{
	char *text =
		root != NULL ? json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(root);
	if (text == NULL) {
		return fail_with(ctx, BLX_ENOMEM, "make the JSON of the answer");
	}
	printf("%s\n", text);
	free(text);
	return EXIT_OK;
}

int out_revision(const struct ctx *ctx, const char *path, uint64_t revision)
{
	if (ctx->json) {
		return out_json(ctx,
			json_pack("{s:o, s:I}", "path", out_json_text(path), "revision",
				(json_int_t)revision));
	}
	printf("revision %" PRIu64 "\n", revision);
	return EXIT_OK;
}

int out_finish(const struct ctx *ctx, int exit_code)
{
	bool failed = ferror(stdout) != 0;

	if (fflush(stdout) != 0 || failed) {
		(void)fail_with(ctx, errno == ENOSPC ? BLX_ENOSPC : BLX_EIO,
			"write to standard output: %s", strerror(errno));
		return exit_code == EXIT_OK ? EXIT_FAILED : exit_code;
	}
	return exit_code;
}

/* ---- bytes as text ----------------------------------------------------------- */

/* Length of the UTF-8 sequence at the start, 0 when there is none. Overlong forms and
 * surrogates are no UTF-8: jansson refuses them, too. */
static size_t utf8_len(const unsigned char *p, size_t len)
{
	size_t want = p[0] < 0x80 ? 1 : (p[0] >= 0xf0 ? 4 : (p[0] >= 0xe0 ? 3 : 2));
	uint32_t point;
	size_t i;

	if (want == 1) {
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4 || want > len) {
		return 0;
	}
	point = p[0] & (0xffu >> (want + 1));
	for (i = 1; i < want; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
		point = point << 6 | (p[i] & 0x3fu);
	}
	if ((want == 3 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
		(want == 4 && (point < 0x10000 || point > 0x10ffff))) {
		return 0;
	}
	return want;
}

static bool is_utf8(const unsigned char *p, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t step = utf8_len(p + i, len - i);

		if (step == 0) {
			return false;
		}
		i += step;
	}
	return true;
}

void out_printable(FILE *to, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i = 0;

	while (i < len) {
		size_t step = utf8_len(p + i, len - i);
		/* C1 controls, too: a terminal obeys them. */
		bool control = p[i] < 0x20 || p[i] == 0x7f ||
			       (step == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0);

		if (step == 0 || control) {
			fprintf(to, "\\x%02x", p[i]);
			step = step == 2 ? (fprintf(to, "\\x%02x", p[i + 1]), 2) : 1;
		} else {
			(void)fwrite(p + i, 1, step, to);
		}
		i += step;
	}
}

json_t *out_json_text(const char *text)
{
	size_t len = strlen(text);
	char *escaped;
	size_t used = 0;
	size_t i;
	json_t *json;

	if (is_utf8((const unsigned char *)text, len)) {
		return json_string(text);
	}
	escaped = malloc(3 * len + 1);
	if (escaped == NULL) {
		return NULL;
	}
	for (i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x80) {
			escaped[used++] = text[i];
		} else {
			used += (size_t)snprintf(escaped + used, 4, "%%%02X",
				(unsigned)(unsigned char)text[i]);
		}
	}
	json = json_stringn(escaped, used);
	free(escaped);
	return json;
}

static char *base64(const unsigned char *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((len + 2) / 3 * 4 + 1);
	size_t used = 0;
	size_t i;

	for (i = 0; text != NULL && i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t word = (uint32_t)p[i] << 16 |
				(uint32_t)(n > 1 ? p[i + 1] : 0) << 8 |
				(n > 2 ? p[i + 2] : 0);

		text[used++] = digits[word >> 18];
		text[used++] = digits[word >> 12 & 63];
		text[used++] = n > 1 ? digits[word >> 6 & 63] : '=';
		text[used++] = n > 2 ? digits[word & 63] : '=';
	}
	if (text != NULL) {
		text[used] = '\0';
	}
	return text;
}

int out_json_value(json_t *object, const void *bytes, size_t len)
{
	char *text;
	int rv;

	if (is_utf8(bytes, len)) {
		return json_object_set_new(
			object, "value", json_stringn(len > 0 ? bytes : "", len));
	}
	text = base64(bytes, len);
	if (text == NULL) {
		return -1;
	}
	rv = json_object_set_new(object, "value_base64", json_string(text));
	free(text);
	return rv;
}

/* ---- tables -------------------------------------------------------------------- */

void out_table_init(struct out_table *table, size_t columns)
{
	*table = (struct out_table){.columns = columns};
}

/* text is taken; NULL counts as out of memory. */
static void add_taken(struct out_table *table, char *text)
{
	if (text != NULL && table->count == table->room) {
		size_t room = table->room > 0 ? 2 * table->room : 64;
		char **cells = reallocarray(table->cells, room, sizeof *cells);

		if (cells == NULL) {
			free(text);
			text = NULL;
		} else {
			table->cells = cells;
			table->room = room;
		}
	}
	if (text == NULL) {
		table->failed = true;
		return;
	}
	table->cells[table->count++] = text;
}

void out_table_add(struct out_table *table, const char *text)
{
	add_taken(table, strdup(text));
}

void out_table_add_bytes(struct out_table *table, const void *bytes, size_t len)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (to == NULL) {
		table->failed = true;
		return;
	}
	out_printable(to, bytes, len);
	if (fclose(to) != 0) {
		free(text);
		text = NULL;
	}
	add_taken(table, text);
}

void out_table_add_number(struct out_table *table, uint64_t number)
{
	char text[24];

	(void)snprintf(text, sizeof text, "%" PRIu64, number);
	out_table_add(table, text);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return width;
}

static size_t column_width(const struct out_table *table, size_t column)
{
	size_t width = 0;
	size_t i;

	for (i = column; i < table->count; i += table->columns) {
		size_t w = width_of(table->cells[i]);

		width = w > width ? w : width;
	}
	return width;
}

static int print_table(const struct ctx *ctx, const struct out_table *table)
{
	size_t *widths = calloc(table->columns, sizeof *widths);
	size_t i;

	if (table->failed || widths == NULL) {
		free(widths);
		return fail_with(ctx, BLX_ENOMEM, "make the table of the answer");
	}
	for (i = 0; i < table->columns; i++) {
		widths[i] = column_width(table, i);
	}
	for (i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		bool last = column + 1 == table->columns;
		int pad =
			last ? 0 : (int)(widths[column] - width_of(table->cells[i]) + 2);

		printf("%s%*s%s", table->cells[i], pad, "", last ? "\n" : "");
	}
	free(widths);
	return EXIT_OK;
}

int out_table_finish(const struct ctx *ctx, struct out_table *table)
{
	int rv = print_table(ctx, table);
	size_t i;

	for (i = 0; i < table->count; i++) {
		free(table->cells[i]);
	}
	free(table->cells);
	*table = (struct out_table){0};
	return rv;
}
