/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as people write them, and the keys they stand for. Pure.
 *
 * A path is '/' and components separated by '/'. In a component '/', '%', '*',
 * bytes below 0x20, 0x7f and a leading '.' are written %XX; every other byte
 * stands for itself. A key is the components' bytes with a 0 byte between them, in which
 * 0 and 1 of a component are written 1 1 and 1 2: keys compared as bytes
 * are in the order of a walk through the tree, and what is below a directory
 * lies together. The root has the empty key. A key is never longer than its
 * path.
 */
#ifndef BLX_STORE_PATH_H
#define BLX_STORE_PATH_H

#include "base/error.h"

#include <blixard/store.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLX__KEY_LEN_MAX BLX_PATH_LEN_MAX

/* Between the components of a key. */
#define BLX__KEY_SEPARATOR 0

/* A path, or a name in a list, with its NUL: whatever is made of a valid key fits. */
#define BLX__PATH_TEXT_SIZE (BLX_PATH_LEN_MAX + 1)

/*
 * BLX_EINVAL: the message has the path and what is wrong with it. BLX_ETOOBIG:
 * longer or deeper than the limits. A path that ends in '/' names the same
 * directory as without; ret_dir (may be NULL) tells that it did.
 */
int blx__path_parse(const char *path, size_t len, uint8_t ret_key[BLX__KEY_LEN_MAX],
	size_t *ret_key_len, bool *ret_dir, blx_error *error);

/* The one canonical path of a valid key, terminated; returns its length. */
size_t blx__path_format(
	const uint8_t *key, size_t key_len, char ret_path[BLX__PATH_TEXT_SIZE]);

/* As above without the leading '/': of a key relative to a directory. */
size_t blx__path_format_name(
	const uint8_t *key, size_t key_len, char ret_name[BLX__PATH_TEXT_SIZE]);

/* The key of a name as blx__path_format_name() gives it (one or more components). */
int blx__path_parse_name(const char *name, size_t len, uint8_t ret_key[BLX__KEY_LEN_MAX],
	size_t *ret_key_len, blx_error *error);

/* The text of the path of a child of a directory below the root (both without "/"). False:
 * the name is NULL, empty, has a "/", or the path would be too long. */
bool blx__path_child(
	const char *dir, const char *name, char ret_path[BLX__PATH_TEXT_SIZE]);

struct blx__key {
	uint8_t bytes[BLX__KEY_LEN_MAX];
	size_t len;
};

/* The key of such a child. BLX_EINVAL, BLX_ETOOBIG: the error begins with what, and has the
 * name, or is that of blx__path_parse(). */
int blx__key_child(const char *what, const char *dir, const char *name,
	struct blx__key *ret_key, blx_error *error);

/* In a pattern's key, behind a byte 1: any bytes of one component; any components. */
#define BLX__KEY_ANY_BYTES   3
#define BLX__KEY_ANY_DEPTH   4
#define BLX__PATTERN_LEN_MAX (2 * BLX_PATH_LEN_MAX)

/* As blx__path_parse() of a pattern; store/pattern.h. */
int blx__path_parse_pattern(const char *text, size_t len,
	uint8_t ret_key[BLX__PATTERN_LEN_MAX], size_t *ret_key_len, blx_error *error);

/* Could blx__path_parse() have made it? For keys that come from elsewhere. The root is
 * valid. */
bool blx__key_valid(const uint8_t *key, size_t key_len);

/* Byte order, a shorter one before those that begin with it. */
int blx__key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* Is it of the system's own namespace, below "/:..."? */
bool blx__key_is_system(const uint8_t *key, size_t key_len);

#endif
