/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes of one line: put, put_if_absent, cas, delete, each a transaction of a
 * guard or none and one operation, and what its reply means in their terms.
 */
#ifndef BLX_API_WRITE_H
#define BLX_API_WRITE_H

#include <blixard/store.h>

#include <stddef.h>
#include <stdint.h>

enum blx__line_kind {
	BLX__LINE_PUT,
	BLX__LINE_PUT_IF_ABSENT,
	BLX__LINE_CAS,
	BLX__LINE_CAS_REVISION,
	BLX__LINE_DELETE
};

/* All borrowed until return. */
struct blx__line {
	enum blx__line_kind kind;
	const char *path;
	const void *value;
	size_t len;
	const void *expect;
	size_t expect_len;
	uint64_t expect_revision;
};

int blx__line_write(blx_client *client, const struct blx__line *line,
	const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error);
int blx__line_start(blx_client *client, const struct blx__line *line,
	const blx_write_opts *opts, blx_write_cb cb, void *data);

#endif
