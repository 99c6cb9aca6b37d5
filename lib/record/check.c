/* SPDX-License-Identifier: Apache-2.0 */
#include "record/check.h"

#include "base/mem.h"
#include "record/fields.h"
#include "store/path.h"
#include "store/txn.h"

#include <blixard/record.h>
#include <string.h>

/* The design has the name of a node, and nothing else, as a placement. */
static bool is_plain_placement(int kind, const struct blx__txn_line *line)
{
	return kind == BLX_RECORD_PLACEMENT && line->value_len > 0 &&
	       line->value_len < BLX_NAME_MAX && line->value[0] != '{';
}

static int check_value(int kind, const struct blx__txn_line *line, blx_error *error)
{
	const struct blx__record *record = blx__record_of(kind);
	BLX__CLEANUP_FREE void *struct_of = blx__malloc(record->size);
	char path[BLX__PATH_TEXT_SIZE];
	blx_error why = BLX_ERROR_INIT;
	int rv;

	if (struct_of == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "a record: out of memory");
	}
	rv = blx__record_decode(record, line->value, line->value_len, struct_of, &why);
	if (rv == 0) {
		blx__free(*(char **)((char *)struct_of + record->extra_at));
		return 0;
	}
	(void)blx__path_format(line->key, line->key_len, path);
	return blx__error_set(error, rv, "%.80s: %.200s", path, why.message);
}

int blx__record_put_check(const struct blx__txn_line *put, blx_error *error)
{
	const uint8_t *name;
	size_t name_len;
	int kind = blx__record_kind_of_key(put->key, put->key_len, &name, &name_len);

	return kind < 0 || is_plain_placement(kind, put) ? 0 : check_value(kind, put, error);
}
