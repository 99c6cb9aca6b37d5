/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of paths: as a path, but in a component '*' stands for any bytes of
 * it (none, too), and a component "**" for any number of components, none
 * included. Plain memory of its owner's; nothing to finish. Pure.
 */
#ifndef BLX_STORE_PATTERN_H
#define BLX_STORE_PATTERN_H

#include "base/error.h"
#include "store/path.h"

struct blx__pattern {
	uint8_t key[BLX__PATTERN_LEN_MAX];
	size_t key_len;
	size_t fixed_len; /* before the first '*': every match begins with these bytes,
			   * but perhaps for the separator at their end before a "**" */
};

/* The codes and messages of blx__path_parse(). */
int blx__pattern_parse(
	const char *text, size_t len, struct blx__pattern *ret_pattern, blx_error *error);

bool blx__pattern_matches(
	const struct blx__pattern *pattern, const uint8_t *key, size_t key_len);

#endif
