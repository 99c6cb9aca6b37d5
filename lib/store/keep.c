/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keep.h"

#include "base/assert.h"
#include "store/txn_impl.h"

void blx__keep_encode(const struct blx__txn *guards, struct blx__buf *buf)
{
	blx__put_varint(buf, guards->guards_count);
	blx__buf_append(buf, guards->guards.data, guards->guards.len);
}

int blx__keep_check(const void *keep, size_t len, blx_error *error)
{
	struct blx__reader reader = blx__reader_of(keep, len);
	struct blx__txn_section section;
	int rv = blx__txn_section_get(&reader, &section, true, error);

	if (rv != 0) {
		return rv;
	}
	if (section.count > BLX_KEEP_GUARDS_MAX || len > BLX_KEEP_BYTES_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"a value may live while %d guards of %d bytes in all hold",
			BLX_KEEP_GUARDS_MAX, BLX_KEEP_BYTES_MAX);
	}
	return blx__reader_done(&reader)
		       ? 0
		       : blx__error_set(error, BLX_EPROTO, "a transaction: malformed");
}

/* The reader stands behind it. */
static uint32_t count_get(struct blx__reader *reader)
{
	uint64_t count = blx__get_varint(reader);

	INVARIANT(blx__reader_ok(reader) && count <= BLX_KEEP_GUARDS_MAX);
	return (uint32_t)count;
}

bool blx__keep_is_none(const void *keep, size_t len)
{
	struct blx__reader reader = blx__reader_of(keep, len);

	return count_get(&reader) == 0;
}

int blx__keep_holds(const struct blx__tree *tree, const void *keep, size_t len,
	bool *ret_holds, const uint8_t **ret_cause, size_t *ret_cause_len)
{
	struct blx__reader reader = blx__reader_of(keep, len);
	uint32_t count = count_get(&reader);
	struct blx__txn_verdict verdict;
	int rv = blx__txn_guards_hold(tree, &reader, count, &verdict);

	*ret_holds = verdict.held;
	*ret_cause = verdict.key;
	*ret_cause_len = verdict.key_len;
	return rv;
}

int blx__keep_each(const void *keep, size_t len,
	int (*cb)(const uint8_t *key, size_t key_len, bool children, void *data), void *data)
{
	struct blx__reader reader = blx__reader_of(keep, len);
	uint32_t count = count_get(&reader);
	int rv = 0;

	while (rv == 0 && count-- > 0) {
		struct blx__txn_line line;
		int got = blx__txn_line_get(&reader, &line);

		INVARIANT(got == 0); /* was looked at */
		if (!blx__txn_is_group(line.kind)) {
			rv = cb(line.key, line.key_len, blx__txn_counts_children(line.kind),
				data);
		}
	}
	return rv;
}
