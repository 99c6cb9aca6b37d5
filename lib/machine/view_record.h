/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view is declared by a value at /:views/<name>: a JSON object with "pattern",
 * and, if it is to be grouped, "by", and "sum", a list of what is to be added up.
 * Those name fields of the values that match, "a.b" for b in the object a. Pure.
 */
#ifndef BLX_MACHINE_VIEW_RECORD_H
#define BLX_MACHINE_VIEW_RECORD_H

#include "base/error.h"
#include "store/pattern.h"
#include "store/txn.h"

#include <blixard/view.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__VIEWS_DIR     ":views"
#define BLX__VIEWS_DIR_LEN (sizeof BLX__VIEWS_DIR - 1)

struct blx__view_spec {
	struct blx__pattern pattern;
	char by[BLX_VIEW_FIELD_LEN_MAX + 1]; /* empty: all in one group */
	unsigned sums_count;
	char sums[BLX_VIEW_SUMS_MAX][BLX_VIEW_FIELD_LEN_MAX + 1];
};

/* The name, borrowed from the key; false: it is not that of a view. */
bool blx__view_key_is(const uint8_t *key, size_t key_len, const uint8_t **ret_name,
	size_t *ret_name_len);

/* BLX_EINVAL, with what is wrong; BLX_ENOMEM. */
int blx__view_spec_parse(
	const void *value, size_t len, struct blx__view_spec *ret_spec, blx_error *error);

/* What is put there and is no declaration: BLX_EINVAL. */
blx__put_check blx__view_put_check;

#endif
