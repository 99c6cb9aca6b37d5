/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records by tables: what a struct has where, under which name, and what it may be.
 * One table a record; reading, writing and comparing know nothing else. Pure.
 */
#ifndef BLX_RECORD_FIELDS_H
#define BLX_RECORD_FIELDS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum blx__field_type {
	BLX__FIELD_TEXT,    /* char[size] */
	BLX__FIELD_ENUM,    /* int; names */
	BLX__FIELD_BOOL,    /* int */
	BLX__FIELD_INTEGER, /* int64_t, from min to max */
	BLX__FIELD_TIME,    /* int64_t, ns */
	BLX__FIELD_TEXTS,   /* char[][size], size_t count at count_at, at most max */
	BLX__FIELD_MAP,     /* blx_label[], likewise; a JSON object */
	BLX__FIELD_OBJECTS  /* structs of size, likewise; of */
};

struct blx__record;

struct blx__field {
	const char *name;
	enum blx__field_type type;
	size_t at;
	size_t size;
	size_t count_at;
	int64_t min;
	int64_t max;
	const char *const *names; /* by value, ends with NULL */
	const struct blx__record *of;
	bool always; /* written also where it has its default */
};

struct blx__record {
	const char *what; /* "a node" */
	const char *dir;  /* ":nodes"; NULL: a part of others */
	size_t size;
	size_t extra_at; /* char *; 0: unknown fields are an error */
	const struct blx__field *fields;
	size_t count;
};

/* By enum blx_record_kind; NULL: no such kind. */
const struct blx__record *blx__record_of(int kind);

/* The kind of the record that has its value at the key, and its name, borrowed; -1: none. */
int blx__record_kind_of_key(
	const uint8_t *key, size_t key_len, const uint8_t **ret_name, size_t *ret_len);

const struct blx__field *blx__field_find(const struct blx__record *record, const char *name);

/* The struct is zeroed before, and on failure after. BLX_EINVAL, with the field; BLX_ENOMEM. */
int blx__record_read(
	const struct blx__record *record, const json_t *root, void *to, blx_error *error);
int blx__record_decode(const struct blx__record *record, const void *text, size_t len,
	void *to, blx_error *error);

/* NULL, with the error. */
json_t *blx__record_write(
	const struct blx__record *record, const void *from, blx_error *error);

/* As compact text, to be freed with free(); NULL, with the error. */
char *blx__record_encode(
	const struct blx__record *record, const void *from, blx_error *error);

/* One field as JSON; NULL: no memory. */
json_t *blx__field_write(const struct blx__field *field, const void *from);

/* ---- time.c ---- */

#define BLX__TIME_SIZE 40

/* "2026-11-25T15:04:05.678Z"; empty for 0. */
void blx__time_format(int64_t ns, char ret_text[BLX__TIME_SIZE]);
bool blx__time_parse(const char *text, int64_t *ret_ns);

#endif
