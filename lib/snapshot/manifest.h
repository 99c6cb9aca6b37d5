/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What raft carries in place of a snapshot: which file it is, and enough to
 * know that what was fetched is that file. Plain memory of its owner's.
 */
#ifndef BLX_SNAPSHOT_MANIFEST_H
#define BLX_SNAPSHOT_MANIFEST_H

#include "base/buf.h"
#include "base/error.h"
#include "snapshot/dir.h"
#include "snapshot/snapshot.h"

#include <stddef.h>
#include <stdint.h>

/* "BLXM". Must not be 04 22 4D 18, by which raft takes a snapshot for a compressed one. */
#define BLX__MANIFEST_MAGIC 0x4d584c42u

/* Grows when an older reader could no longer understand the bytes. */
#define BLX__MANIFEST_FORMAT 1

/* Encoded length at most; a longer one is damage. */
#define BLX__MANIFEST_LEN_MAX 512

struct blx__manifest {
	uint8_t cluster_id[16];
	uint64_t index; /* of the last entry in it */
	uint64_t term;  /* of that entry */
	uint64_t revision;
	uint64_t size; /* of the file in bytes */
	uint64_t hash; /* of the content */
	uint32_t crc;  /* of the file */
	char name[BLX__SNAPSHOT_NAME_SIZE]; /* of the file; follows from index and term */
};

/* The manifest of a file that was written or verified. */
void blx__manifest_init(struct blx__manifest *manifest, const struct blx__snapshot_info *info);

/* Appends a multiple of 8 bytes; check blx__buf_ok(). */
void blx__manifest_encode(const struct blx__manifest *manifest, struct blx__buf *buf);

/* BLX_ECORRUPT; BLX_EVERSION: of a newer format. */
int blx__manifest_decode(const void *data, size_t len, struct blx__manifest *ret_manifest,
	blx_error *error);

/* Is this file the one? BLX_ECORRUPT if not; BLX_ECLUSTER if it is of another cluster.
 * info is from blx__snapshot_load(), write or verify. */
int blx__manifest_check(const struct blx__manifest *manifest,
	const struct blx__snapshot_info *info, blx_error *error);

#endif
