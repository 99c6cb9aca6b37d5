/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/dir.h"

#include "base/assert.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits of a number in a name: UINT64_MAX has 20, so that names sort as numbers do. */
#define NUMBER_DIGITS 20
#define CRC_DIGITS    8

void blx__snapshot_name(uint64_t index, uint64_t term, char ret_name[BLX__SNAPSHOT_NAME_SIZE])
{
	int len = snprintf(ret_name, BLX__SNAPSHOT_NAME_SIZE,
		"snapshot-%020" PRIu64 "-%020" PRIu64 ".db", index, term);

	POST(len > 0 && len + (int)sizeof BLX__SNAPSHOT_TMP_SUFFIX <= BLX__SNAPSHOT_NAME_SIZE);
}

void blx__snapshot_part_name(uint64_t index, uint64_t term, uint32_t crc,
	char ret_name[BLX__SNAPSHOT_NAME_SIZE])
{
	int len = snprintf(ret_name, BLX__SNAPSHOT_NAME_SIZE,
		"incoming-%020" PRIu64 "-%020" PRIu64 "-%08" PRIx32 ".part", index, term, crc);

	POST(len > 0 && len < BLX__SNAPSHOT_NAME_SIZE);
}

/* Takes exactly the text off the front of *at. */
static bool take_text(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0) {
		return false;
	}
	*at += len;
	return true;
}

/* Takes exactly so many decimal digits that fit 64 bits off the front of *at. */
static bool take_number(const char **at, uint64_t *ret_number)
{
	uint64_t number = 0;
	unsigned i;

	for (i = 0; i < NUMBER_DIGITS; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, (uint64_t)(c - '0'), &number)) {
			return false;
		}
	}
	*at += NUMBER_DIGITS;
	*ret_number = number;
	return true;
}

bool blx__snapshot_name_parse(const char *name, uint64_t *ret_index, uint64_t *ret_term)
{
	uint64_t index;
	uint64_t term;

	if (!take_text(&name, "snapshot-") || !take_number(&name, &index) ||
		!take_text(&name, "-") || !take_number(&name, &term) ||
		strcmp(name, ".db") != 0) {
		return false;
	}
	if (ret_index != NULL) {
		*ret_index = index;
	}
	if (ret_term != NULL) {
		*ret_term = term;
	}
	return true;
}

/* Is it the name of a part file, and of which snapshot? */
static bool part_name_parse(const char *name, uint64_t *ret_index, uint64_t *ret_term)
{
	if (!take_text(&name, "incoming-") || !take_number(&name, ret_index) ||
		!take_text(&name, "-") || !take_number(&name, ret_term) ||
		!take_text(&name, "-")) {
		return false;
	}
	return strspn(name, "0123456789abcdef") == CRC_DIGITS &&
		strcmp(name + CRC_DIGITS, ".part") == 0;
}

/* Is it the name of a snapshot while it is written? */
static bool tmp_name_parse(const char *name)
{
	char base[BLX__SNAPSHOT_NAME_SIZE];
	size_t len = strlen(name);
	size_t suffix = strlen(BLX__SNAPSHOT_TMP_SUFFIX);

	if (len <= suffix || len >= sizeof base ||
		strcmp(name + len - suffix, BLX__SNAPSHOT_TMP_SUFFIX) != 0) {
		return false;
	}
	memcpy(base, name, len - suffix);
	base[len - suffix] = '\0';
	return blx__snapshot_name_parse(base, NULL, NULL);
}

char *blx__snapshot_join(const char *dir, const char *name)
{
	size_t dir_len = strlen(dir);
	size_t name_len = strlen(name);
	char *path = blx__malloc(dir_len + 1 + name_len + 1);

	if (path == NULL) {
		return NULL;
	}
	memcpy(path, dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, name, name_len + 1);
	return path;
}

/* All names of ours in a directory; what to do with them is decided after listing, as a
 * directory must not change while it is read. */
struct names {
	struct blx__snapshot_entry *entries; /* owned */
	size_t count;
	size_t cap;
	bool (*want)(const char *name, uint64_t *ret_index, uint64_t *ret_term);
	bool failed;
};

static void on_name(const char *name, void *data)
{
	struct names *names = data;
	struct blx__snapshot_entry *entry;
	uint64_t index = 0;
	uint64_t term = 0;

	if (names->failed || !names->want(name, &index, &term)) {
		return;
	}
	if (names->count == names->cap) {
		size_t cap = names->cap == 0 ? 8 : 2 * names->cap;
		void *entries = blx__realloc(names->entries, cap * sizeof *names->entries);

		if (entries == NULL) {
			names->failed = true;
			return;
		}
		names->entries = entries;
		names->cap = cap;
	}
	INVARIANT(strlen(name) < sizeof entry->name);
	entry = &names->entries[names->count++];
	*entry = (struct blx__snapshot_entry){ .index = index, .term = term };
	memcpy(entry->name, name, strlen(name) + 1);
}

static int names_list(struct names *names, const struct blx__files *files, const char *dir,
	blx_error *error)
{
	int rv = files->ops->list(files, dir, on_name, names, error);

	if (rv == BLX_OK && names->failed) {
		rv = blx__error_set(error, BLX_ENOMEM, "listing %s: out of memory", dir);
	}
	if (rv != BLX_OK) {
		blx__free(names->entries);
		names->entries = NULL;
	}
	return rv;
}

static int compare_newest_first(const void *a, const void *b)
{
	const struct blx__snapshot_entry *x = a;
	const struct blx__snapshot_entry *y = b;

	if (x->index != y->index) {
		return x->index > y->index ? -1 : 1;
	}
	if (x->term != y->term) {
		return x->term > y->term ? -1 : 1;
	}
	return strcmp(x->name, y->name);
}

int blx__snapshot_dir_list(const struct blx__files *files, const char *dir,
	struct blx__snapshot_dir *ret_dir, blx_error *error)
{
	struct names names = { .want = blx__snapshot_name_parse };
	int rv = names_list(&names, files, dir, error);

	if (rv != BLX_OK) {
		return rv;
	}
	if (names.count > 1) {
		qsort(names.entries, names.count, sizeof *names.entries, compare_newest_first);
	}
	*ret_dir = (struct blx__snapshot_dir){ .entries = names.entries, .count = names.count };
	return BLX_OK;
}

void blx__snapshot_dir_finish(struct blx__snapshot_dir *dir)
{
	blx__free(dir->entries);
	*dir = (struct blx__snapshot_dir){ 0 };
}

static int remove_name(const struct blx__files *files, const char *dir, const char *name,
	blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__snapshot_join(dir, name);

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "removing %s: out of memory", name);
	}
	return files->ops->remove(files, path, error);
}

static bool leftover_name_parse(const char *name, uint64_t *ret_index, uint64_t *ret_term)
{
	return tmp_name_parse(name) || part_name_parse(name, ret_index, ret_term);
}

/* Can the part still become the newest snapshot? */
static bool part_is_wanted(const struct blx__snapshot_entry *part,
	const struct blx__snapshot_dir *complete)
{
	return !tmp_name_parse(part->name) &&
		(complete->count == 0 || part->index > complete->entries[0].index);
}

int blx__snapshot_dir_clean(const struct blx__files *files, const char *dir, blx_error *error)
{
	struct names names = { .want = leftover_name_parse };
	struct blx__snapshot_dir complete;
	size_t i;
	int rv = blx__snapshot_dir_list(files, dir, &complete, error);

	if (rv != BLX_OK) {
		return rv;
	}
	rv = names_list(&names, files, dir, error);
	for (i = 0; rv == BLX_OK && i < names.count; i++) {
		if (!part_is_wanted(&names.entries[i], &complete)) {
			rv = remove_name(files, dir, names.entries[i].name, error);
		}
	}
	if (rv == BLX_OK) {
		rv = files->ops->sync_dir(files, dir, error);
	}
	blx__free(names.entries);
	blx__snapshot_dir_finish(&complete);
	return rv;
}
