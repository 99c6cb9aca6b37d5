/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system as a table. Calls block: they are made before the loop runs
 * or from a worker, never on the loop thread. Paths are complete. Every
 * failure is 0 or negative and, where error is not NULL, names the path and
 * what the system said. Files and directories are made 0600 and 0700, are
 * opened O_CLOEXEC and O_NOFOLLOW, and offsets and lengths are in bytes.
 */
#ifndef BLX_SYS_FILES_H
#define BLX_SYS_FILES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__files;

/* An open file. Used by one thread at a time. */
struct blx__file {
	const struct blx__files *files;
	char *path; /* owned */
};

enum blx__open_flags {
	BLX__OPEN_READ = 0,      /* for reading only */
	BLX__OPEN_WRITE = 1,     /* for reading and writing */
	BLX__OPEN_CREATE = 2,    /* make it if it is not there */
	BLX__OPEN_EXCLUSIVE = 4, /* with CREATE: fail if it is there (BLX_EEXIST) */
	BLX__OPEN_DIRECT = 8, /* past the page cache where the system can; then buffers,
			       * offsets and lengths are multiples of 4096 */
	BLX__OPEN_DSYNC = 16  /* each write is durable when it returns */
};

struct blx__files_ops {
	int (*open)(const struct blx__files *files, const char *path, unsigned flags,
		struct blx__file **ret_file, blx_error *error);
	void (*close)(struct blx__file *file);
	/* All len bytes, or a failure. */
	int (*write)(struct blx__file *file, const void *data, size_t len,
		uint64_t offset, blx_error *error);
	/* At most len bytes; *ret_len is less only at the end of the file. */
	int (*read)(struct blx__file *file, void *data, size_t len, uint64_t offset,
		size_t *ret_len, blx_error *error);
	int (*sync)(struct blx__file *file, blx_error *error); /* fdatasync */
	/* Reserves blocks for [0, size) and makes the file that long. */
	int (*allocate)(struct blx__file *file, uint64_t size, blx_error *error);
	int (*truncate)(struct blx__file *file, uint64_t size, blx_error *error);
	int (*size)(struct blx__file *file, uint64_t *ret_size, blx_error *error);
	int (*rename)(const struct blx__files *files, const char *from, const char *to,
		blx_error *error);
	int (*remove)(const struct blx__files *files, const char *path, blx_error *error);
	/* BLX_OK when it exists already. */
	int (*make_dir)(
		const struct blx__files *files, const char *path, blx_error *error);
	/* Makes names made, renamed and removed in the directory durable. */
	int (*sync_dir)(
		const struct blx__files *files, const char *path, blx_error *error);
	/* Calls cb with each name in the directory but . and .., in ascending byte order.
	 */
	int (*list)(const struct blx__files *files, const char *path,
		void (*cb)(const char *name, void *data), void *data, blx_error *error);
	/* Free bytes of the file system that holds path, for an ordinary user. */
	int (*free_space)(const struct blx__files *files, const char *path,
		uint64_t *ret_bytes, blx_error *error);
	/* Takes an exclusive lock that ends with the file; BLX_EINUSE when another has
	 * it. */
	int (*lock)(struct blx__file *file, blx_error *error);
};

struct blx__files {
	const struct blx__files_ops *ops;
	void *impl;
};

/* The host's own file system. */
extern const struct blx__files blx__files_posix;

#endif
