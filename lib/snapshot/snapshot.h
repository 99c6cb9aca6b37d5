/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image of the store as a file, and back. The file is a plain SQLite
 * database that opens in the sqlite3 shell:
 *
 *	kv(path, value, create_revision, mod_revision, version, keep)
 *	session(id, state)        what the machine remembers of its callers
 *	member(id, name, address, role)
 *	meta(key, value)          format, cluster_id, revision, index, term, time_ms, ...
 *
 * A value that is UTF-8 without NUL is stored as TEXT, so that json_extract()
 * works on it, any other as BLOB; both come back as the same bytes. keep is what
 * the value lives by (store/keep.h), NULL for most. Numbers of
 * 64 bits without a sign (ids) are stored as SQLite's signed ones: the same
 * bits. A file is made under another name, synced and renamed into place, so
 * that one that is there is complete.
 *
 * All calls block, for seconds if the store is large: they run before the loop
 * or in a worker, never on the loop thread. They hold no state between calls;
 * an image is read only, so that writing it disturbs nobody.
 */
#ifndef BLX_SNAPSHOT_SNAPSHOT_H
#define BLX_SNAPSHOT_SNAPSHOT_H

#include "base/error.h"
#include "machine/image.h"
#include "sys/files.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Grows when an older reader could no longer understand the file. */
#define BLX__SNAPSHOT_FORMAT 2

/* application_id in the header of the database, "BLXD". */
#define BLX__SNAPSHOT_APPLICATION_ID 0x424c5844

/* Length of what the member table and the product name may hold: a longer text is damage. */
#define BLX__SNAPSHOT_TEXT_MAX 255

/* More members than any cluster has; bounds what a damaged file makes us hold. */
#define BLX__SNAPSHOT_MEMBERS_MAX 1024

/* Where a call that takes long works, and how it is watched and stopped. */
struct blx__snapshot_ctl {
	const struct blx__files *files; /* the only field that must be set */
	/* Set by any thread: the call ends with BLX_ECANCELED within some tens of
	 * milliseconds, and the time it takes to free what it made so far. */
	const atomic_bool *cancel;
	/* Rows or bytes done, from the thread of the call. total is 0 if not known. */
	void (*progress)(uint64_t done, uint64_t total, void *data);
	void *data;
};

/* A member as the file tells it, for people and for recovery; nothing here depends on it. */
struct blx__snapshot_member {
	uint64_t id;
	const char *name;
	const char *address;
	const char *role; /* "voter", "standby", "spare" */
};

struct blx__snapshot_write_opts {
	struct blx__snapshot_ctl ctl;
	const char *path; /* complete; the file is replaced if it is there */
	const struct blx__image *image;             /* borrowed until return */
	const struct blx__snapshot_member *members; /* borrowed until return */
	size_t members_count;
	const char *product; /* name and version of the program; may be NULL */
};

/* What is known of a file. */
struct blx__snapshot_info {
	struct blx__image_meta meta;
	uint64_t hash; /* blx__image_hash() of the content */
	uint64_t items;
	uint64_t sessions;
	uint64_t size; /* of the file in bytes */
	uint32_t crc;  /* CRC-32C of the whole file; 0 from inspect, which does not read it */
	uint32_t format;
	char product[BLX__SNAPSHOT_TEXT_MAX + 1];
	/* Not filled by write. */
	struct blx__snapshot_member *members; /* owned, with its texts */
	size_t members_count;
};

/* Frees what the struct holds; a zeroed one is allowed. */
void blx__snapshot_info_finish(struct blx__snapshot_info *info);

/*
 * Writes the image to opts->path: all of it, durable, or nothing. ret_info may
 * be NULL. BLX_ECANCELED; BLX_ENOSPC, BLX_EIO: the disk; BLX_ENOMEM.
 */
int blx__snapshot_write(const struct blx__snapshot_write_opts *opts,
	struct blx__snapshot_info *ret_info, blx_error *error);

/*
 * Reads the file and checks everything before it gives an image: that it is a
 * sound database of ours, every path, every revision, the counts and the hash
 * of the content. ret_info may be NULL; an info is finished by the caller.
 * *ret_image is the caller's reference.
 * BLX_ENOENT no such file; BLX_ECORRUPT the message says what is wrong and
 * what to do; BLX_EVERSION a newer format; BLX_ECANCELED.
 */
int blx__snapshot_load(const char *path, const struct blx__snapshot_ctl *ctl,
	struct blx__image **ret_image, struct blx__snapshot_info *ret_info, blx_error *error);

/* As blx__snapshot_load(), for the verdict only. */
int blx__snapshot_verify(const char *path, const struct blx__snapshot_ctl *ctl,
	struct blx__snapshot_info *ret_info, blx_error *error);

/*
 * Reads what the file says of itself, with its members, and no more: cheap,
 * and no proof that the rest is sound. Outcomes as blx__snapshot_load().
 */
int blx__snapshot_inspect(const struct blx__files *files, const char *path,
	struct blx__snapshot_info *ret_info, blx_error *error);

#endif
