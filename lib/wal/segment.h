/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the log: wal-<sequence number>.seg. One that has the name but
 * no header of that number is prepared and not begun; there is at most one,
 * the newest. Blocking calls all, for the thread that writes.
 */
#ifndef BLX_WAL_SEGMENT_H
#define BLX_WAL_SEGMENT_H

#include "base/error.h"
#include "sys/files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "wal-", 20 digits, ".seg" */
#define BLX__WAL_NAME_SIZE 32

/* What is being prepared has this name until it is whole. */
#define BLX__WAL_TMP_NAME "next.tmp"

struct blx__wal_segment {
	struct blx__file *file; /* owned; NULL: none */
	uint64_t seq;
	size_t size;
};

void blx__wal_segment_name(uint64_t seq, char ret_name[BLX__WAL_NAME_SIZE]);
/* The number in a name of that form; false for any other. */
bool blx__wal_segment_parse(const char *name, uint64_t *ret_seq);

/* dir/name; NULL without memory. */
char *blx__wal_path(const char *dir, const char *name);
char *blx__wal_segment_path(const char *dir, uint64_t seq);

/* For writing records: past the page cache, durable when a write returns. */
int blx__wal_segment_open(const struct blx__files *files, const char *dir, uint64_t seq,
	struct blx__wal_segment *ret_segment, blx_error *error);
void blx__wal_segment_close(struct blx__wal_segment *segment);

/* Memory that begins at a multiple of 4096, as writes past the page cache need it. */
struct blx__wal_mem {
	void *raw;     /* owned */
	uint8_t *data; /* in raw */
	size_t cap;
};

/* Makes it at least so large; the content is undefined after it. BLX_ENOMEM. */
int blx__wal_mem_reserve(struct blx__wal_mem *mem, size_t size);
void blx__wal_mem_finish(struct blx__wal_mem *mem);

#endif
