/* SPDX-License-Identifier: Apache-2.0 */
/* Images of the store to write and to compare. */
#ifndef BLX_TESTS_SNAPSHOT_IMAGES_H
#define BLX_TESTS_SNAPSHOT_IMAGES_H

#include "base/rng.h"
#include "machine/image.h"

#include <stdbool.h>
#include <stddef.h>

/* Some paths that tests name: "/a/b" is {"n": 5}, "/bin" is bytes that are no text,
 * "/empty" is empty, "/nul" is "a\0b"; and two sessions. */
struct blx__image *images_small(void);

/* Paths and values of any bytes, values of up to value_len_max, some sessions. */
struct blx__image *images_random(
	struct blx__rng *rng, size_t items, size_t value_len_max);

/* "/app/service-NNNN/instance-NNNNNN", as many as asked for, with values of text. */
struct blx__image *images_regular(size_t items, size_t value_len);

/* The same meta, items and sessions, byte for byte? */
bool images_equal(struct blx__image *a, struct blx__image *b);

#endif
