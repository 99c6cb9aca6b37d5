/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/segment.h"

#include "base/assert.h"
#include "base/mem.h"
#include "wal/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "wal-"
#define SUFFIX ".seg"
#define DIGITS 20

void blx__wal_segment_name(uint64_t seq, char ret_name[BLX__WAL_NAME_SIZE])
{
	int len =
		snprintf(ret_name, BLX__WAL_NAME_SIZE, PREFIX "%020" PRIu64 SUFFIX, seq);

	POST(len > 0 && len < BLX__WAL_NAME_SIZE);
}

bool blx__wal_segment_parse(const char *name, uint64_t *ret_seq)
{
	size_t prefix = strlen(PREFIX);
	uint64_t seq = 0;
	size_t i;

	if (strlen(name) != prefix + DIGITS + strlen(SUFFIX) ||
		strncmp(name, PREFIX, prefix) != 0 ||
		strcmp(name + prefix + DIGITS, SUFFIX) != 0) {
		return false;
	}
	for (i = prefix; i < prefix + DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9' ||
			__builtin_mul_overflow(seq, 10, &seq) ||
			__builtin_add_overflow(seq, (uint64_t)(name[i] - '0'), &seq)) {
			return false;
		}
	}
	*ret_seq = seq;
	return true;
}

char *blx__wal_path(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = blx__malloc(size);

	if (path != NULL) {
		(void)snprintf(path, size, "%s/%s", dir, name);
	}
	return path;
}

char *blx__wal_segment_path(const char *dir, uint64_t seq)
{
	char name[BLX__WAL_NAME_SIZE];

	blx__wal_segment_name(seq, name);
	return blx__wal_path(dir, name);
}

int blx__wal_segment_open(const struct blx__files *files, const char *dir, uint64_t seq,
	struct blx__wal_segment *ret_segment, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_segment_path(dir, seq);
	struct blx__wal_segment segment = {.seq = seq};
	uint64_t size;
	int rv;

	if (path == NULL) {
		return blx__error_set(
			error, BLX_ENOMEM, "open a segment of %s: out of memory", dir);
	}
	rv = files->ops->open(files, path,
		BLX__OPEN_WRITE | BLX__OPEN_DIRECT | BLX__OPEN_DSYNC, &segment.file,
		error);
	if (rv != 0) {
		return rv;
	}
	rv = files->ops->size(segment.file, &size, error);
	if (rv != 0) {
		files->ops->close(segment.file);
		return rv;
	}
	segment.size = (size_t)(size / BLX__WAL_BLOCK * BLX__WAL_BLOCK);
	*ret_segment = segment;
	return 0;
}

void blx__wal_segment_close(struct blx__wal_segment *segment)
{
	if (segment->file != NULL) {
		segment->file->files->ops->close(segment->file);
	}
	segment->file = NULL;
}

int blx__wal_mem_reserve(struct blx__wal_mem *mem, size_t size)
{
	void *raw;

	if (size <= mem->cap) {
		return 0;
	}
	raw = blx__malloc(size + BLX__WAL_BLOCK);
	if (raw == NULL) {
		return BLX_ENOMEM;
	}
	blx__free(mem->raw);
	mem->raw = raw;
	mem->data = (uint8_t *)blx__wal_round((size_t)(uintptr_t)raw);
	mem->cap = size;
	return 0;
}

void blx__wal_mem_finish(struct blx__wal_mem *mem)
{
	blx__free(mem->raw);
	*mem = (struct blx__wal_mem){0};
}
