/* SPDX-License-Identifier: Apache-2.0 */
#include "record/replace.h"

#include <stdlib.h>
#include <string.h>

int blx__record_replace(struct blx__txn *txn, const struct blx__record *of, const void *record,
	const uint8_t *key, size_t key_len, uint64_t revision)
{
	struct blx__txn_line line = {.kind = BLX__TXN_IF_REVISION,
		.key = key,
		.key_len = key_len,
		.revision = revision};
	blx_error why = BLX_ERROR_INIT;
	char *text = blx__record_encode(of, record, &why);
	int rv;

	if (text == NULL) {
		return why.code;
	}
	rv = blx__txn_add(txn, &line);
	line.kind = BLX__TXN_PUT;
	line.value = (const uint8_t *)text;
	line.value_len = strlen(text);
	if (rv == 0) {
		rv = blx__txn_add(txn, &line);
	}
	free(text);
	return rv;
}
