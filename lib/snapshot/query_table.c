/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/mem.h"
#include "snapshot/db.h"
#include "snapshot/query_impl.h"
#include "store/path.h"

#include <string.h>

static const char schema[] =
	"CREATE TABLE kv(path TEXT PRIMARY KEY, value, create_revision INTEGER, "
	"mod_revision INTEGER, version INTEGER) WITHOUT ROWID";

enum column { COLUMN_PATH, COLUMN_VALUE, COLUMN_CREATE, COLUMN_MOD, COLUMN_VERSION };

/* What the arguments of a scan are, in this order: bits of idxNum. */
enum scan {
	SCAN_EQUAL = 1,
	SCAN_GLOB = 2,
	SCAN_FROM = 4, /* both, or none */
	SCAN_TO = 8
};

struct table {
	sqlite3_vtab base;
	const struct blx__image *image; /* borrowed */
};

struct scanner {
	sqlite3_vtab_cursor base;
	const struct blx__image *image;
	struct blx__cursor cursor;
	const struct blx__item *item; /* NULL: at the end */
	uint8_t prefix[BLX__KEY_LEN_MAX];
	size_t prefix_len;
	bool exact; /* the prefix is the key */
};

/* ---- what a text says of keys --------------------------------------------------- */

/* Does the byte stand for itself in the text of a path, wherever it is? */
static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c != 0x7f && c != '%' && c != '*' && c != '/' && c != '.';
}

size_t blx__query_prefix(const char *text, size_t len, uint8_t *ret_key, bool *ret_none)
{
	size_t i;

	*ret_none = len > 0 && text[0] != '/';
	for (i = 1; i < len && i <= BLX__KEY_LEN_MAX; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c == '/' && text[i - 1] != '/') {
			ret_key[i - 1] = BLX__KEY_SEPARATOR;
		} else if (is_plain(c) || (c == '.' && text[i - 1] != '/')) {
			ret_key[i - 1] = c;
		} else {
			break; /* from here on the key is not the text */
		}
	}
	return i > 1 ? i - 1 : 0;
}

static size_t glob_fixed_len(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && text[i] != '*' && text[i] != '?' && text[i] != '[') {
		i++;
	}
	return i;
}

static size_t common_len(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i = 0;

	while (i < a_len && i < b_len && a[i] == b[i]) {
		i++;
	}
	return i;
}

static bool is_text(sqlite3_value *value)
{
	return sqlite3_value_type(value) == SQLITE_TEXT;
}

/* ---- which scan ----------------------------------------------------------------- */

static int bit_of(unsigned char op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return SCAN_EQUAL;
	case SQLITE_INDEX_CONSTRAINT_GLOB:
		return SCAN_GLOB;
	case SQLITE_INDEX_CONSTRAINT_GE:
	case SQLITE_INDEX_CONSTRAINT_GT:
		return SCAN_FROM;
	case SQLITE_INDEX_CONSTRAINT_LE:
	case SQLITE_INDEX_CONSTRAINT_LT:
		return SCAN_TO;
	default:
		return 0;
	}
}

/* The first constraint of each kind that can be used, by bit number; -1: none. */
static void constraints_find(sqlite3_index_info *info, int at[4])
{
	int i;
	int bit;

	at[0] = at[1] = at[2] = at[3] = -1;
	for (i = 0; i < info->nConstraint; i++) {
		const struct sqlite3_index_constraint *one = &info->aConstraint[i];
		int kind = bit_of(one->op);

		if (!one->usable || one->iColumn != COLUMN_PATH || kind == 0 ||
			sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
			continue;
		}
		for (bit = 0; bit < 4; bit++) {
			if (kind == 1 << bit && at[bit] < 0) {
				at[bit] = i;
			}
		}
	}
}

static void use(sqlite3_index_info *info, int constraint, int *count)
{
	/* SQLite looks at each row itself, too: what is skipped here is only what
	 * cannot match. */
	info->aConstraintUsage[constraint].argvIndex = ++*count;
	info->aConstraintUsage[constraint].omit = 0;
}

static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	const struct table *table = (const struct table *)base;
	double all = (double)blx__image_items(table->image) + 1;
	int count = 0;
	int at[4];

	constraints_find(info, at);
	info->idxNum = 0;
	info->estimatedCost = all * 10;
	info->estimatedRows = (sqlite3_int64)all;
	if (at[0] >= 0) {
		info->idxNum = SCAN_EQUAL;
		use(info, at[0], &count);
		info->estimatedCost = 10;
		info->estimatedRows = 1;
		info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
		return SQLITE_OK;
	}
	if (at[1] >= 0) {
		info->idxNum |= SCAN_GLOB;
		use(info, at[1], &count);
	}
	if (at[2] >= 0 && at[3] >= 0) {
		info->idxNum |= SCAN_FROM | SCAN_TO;
		use(info, at[2], &count);
		use(info, at[3], &count);
	}
	if (count > 0) {
		info->estimatedCost = all;
		info->estimatedRows = (sqlite3_int64)(all / 10) + 1;
	}
	return SQLITE_OK;
}

/* ---- scanning ------------------------------------------------------------------- */

/* What does not begin with the prefix ends it. */
static void settle(struct scanner *scanner)
{
	if (!blx__item_begins(scanner->item, scanner->prefix, scanner->prefix_len)) {
		scanner->item = NULL;
	}
}

/* The longer one of two limits holds: both do. */
static void limit(struct scanner *scanner, const char *text, size_t len, bool *none)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	bool no_path;
	size_t key_len = blx__query_prefix(text, len, key, &no_path);

	*none = *none || no_path;
	if (key_len > scanner->prefix_len) {
		memcpy(scanner->prefix, key, key_len);
		scanner->prefix_len = key_len;
	}
}

static void limit_by_glob(struct scanner *scanner, sqlite3_value *value, bool *none)
{
	const char *text;

	if (is_text(value)) {
		text = (const char *)sqlite3_value_text(value);
		limit(scanner, text, glob_fixed_len(text, (size_t)sqlite3_value_bytes(value)),
			none);
	}
}

/* All that is between two texts begins with what both begin with. */
static void limit_by_range(
	struct scanner *scanner, sqlite3_value *from, sqlite3_value *to, bool *none)
{
	const char *a;
	const char *b;

	if (is_text(from) && is_text(to)) {
		a = (const char *)sqlite3_value_text(from);
		b = (const char *)sqlite3_value_text(to);
		limit(scanner, a,
			common_len(a, (size_t)sqlite3_value_bytes(from), b,
				(size_t)sqlite3_value_bytes(to)),
			none);
	}
}

static void find_exact(struct scanner *scanner, sqlite3_value *value)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	const char *text = (const char *)sqlite3_value_text(value);
	size_t key_len;

	scanner->exact = true;
	if (blx__path_parse(text, (size_t)sqlite3_value_bytes(value), key, &key_len, NULL,
		    NULL) == 0) {
		scanner->item =
			blx__tree_get(blx__image_tree(scanner->image), key, key_len);
	}
}

static int filter(sqlite3_vtab_cursor *base, int scan, const char *name, int argc,
	sqlite3_value **argv)
{
	struct scanner *scanner = (struct scanner *)base;
	bool none = false;
	int i = 0;

	(void)name;
	(void)argc;
	scanner->item = NULL;
	scanner->prefix_len = 0;
	scanner->exact = false;
	if ((scan & SCAN_EQUAL) != 0 && is_text(argv[0])) {
		find_exact(scanner, argv[0]);
		return SQLITE_OK;
	}
	if ((scan & SCAN_GLOB) != 0) {
		limit_by_glob(scanner, argv[i++], &none);
	}
	if ((scan & SCAN_FROM) != 0) {
		limit_by_range(scanner, argv[i], argv[i + 1], &none);
	}
	if (!none) {
		scanner->item = blx__cursor_seek(&scanner->cursor,
			blx__image_tree(scanner->image), scanner->prefix, scanner->prefix_len);
		settle(scanner);
	}
	return SQLITE_OK;
}

static int next(sqlite3_vtab_cursor *base)
{
	struct scanner *scanner = (struct scanner *)base;

	if (scanner->exact) {
		scanner->item = NULL;
	} else {
		scanner->item = blx__cursor_next(&scanner->cursor);
		settle(scanner);
	}
	return SQLITE_OK;
}

static int at_end(sqlite3_vtab_cursor *base)
{
	return ((struct scanner *)base)->item == NULL;
}

static void tell_path(sqlite3_context *context, const struct blx__item *item)
{
	char path[BLX__PATH_TEXT_SIZE];
	size_t len = blx__path_format(blx__item_key(item), item->key_len, path);

	sqlite3_result_text(context, path, (int)len, SQLITE_TRANSIENT);
}

/* The item stays for as long as the image, and so the connection. */
static void tell_value(sqlite3_context *context, const struct blx__item *item)
{
	const uint8_t *bytes = blx__item_value(item);
	size_t len = item->value_len;

	if (len == 0) {
		sqlite3_result_text(context, "", 0, SQLITE_STATIC);
	} else if (blx__db_is_text(bytes, len)) {
		sqlite3_result_text64(
			context, (const char *)bytes, len, SQLITE_STATIC, SQLITE_UTF8);
	} else {
		sqlite3_result_blob64(context, bytes, len, SQLITE_STATIC);
	}
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
	const struct blx__item *item = ((struct scanner *)base)->item;

	switch ((enum column)number) {
	case COLUMN_PATH:
		tell_path(context, item);
		break;
	case COLUMN_VALUE:
		tell_value(context, item);
		break;
	case COLUMN_CREATE:
		sqlite3_result_int64(context, (sqlite3_int64)item->create_revision);
		break;
	case COLUMN_MOD:
		sqlite3_result_int64(context, (sqlite3_int64)item->mod_revision);
		break;
	case COLUMN_VERSION:
		sqlite3_result_int64(context, (sqlite3_int64)item->version);
		break;
	}
	return SQLITE_OK;
}

static int row_id(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_id)
{
	(void)base;
	*ret_id = 0;
	return SQLITE_ERROR; /* it has none, and nobody asks */
}

/* ---- the table ------------------------------------------------------------------ */

static int scanner_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret_cursor)
{
	struct scanner *scanner = blx__calloc(1, sizeof *scanner);

	if (scanner == NULL) {
		return SQLITE_NOMEM;
	}
	scanner->image = ((struct table *)base)->image;
	*ret_cursor = &scanner->base;
	return SQLITE_OK;
}

static int scanner_close(sqlite3_vtab_cursor *base)
{
	blx__free(base);
	return SQLITE_OK;
}

static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
	sqlite3_vtab **ret_table, char **ret_error)
{
	struct table *table;
	int rc = sqlite3_declare_vtab(db, schema);

	(void)argc;
	(void)argv;
	(void)ret_error;
	if (rc != SQLITE_OK) {
		return rc;
	}
	table = blx__calloc(1, sizeof *table);
	if (table == NULL) {
		return SQLITE_NOMEM;
	}
	table->image = aux;
	*ret_table = &table->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *base)
{
	blx__free(base);
	return SQLITE_OK;
}

/* Without xCreate it is there by its name, and cannot be made. */
static const sqlite3_module module = {
	.xConnect = table_connect,
	.xBestIndex = best_index,
	.xDisconnect = table_disconnect,
	.xOpen = scanner_open,
	.xClose = scanner_close,
	.xFilter = filter,
	.xNext = next,
	.xEof = at_end,
	.xColumn = column,
	.xRowid = row_id,
};

int blx__query_table(sqlite3 *db, const struct blx__image *image)
{
	return sqlite3_create_module(db, "kv", &module, (void *)(uintptr_t)image);
}
