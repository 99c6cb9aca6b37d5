/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot file on its way to a member that lags: read in pieces by the one
 * that has it, written in order by the one that wants it, each piece with a
 * checksum and the file with one of its own. What was received stays on disk,
 * so that fetching goes on where it was cut off, after a restart too.
 *
 * All calls block: in a worker only, one at a time for each receiver.
 */
#ifndef BLX_SNAPSHOT_PIECES_H
#define BLX_SNAPSHOT_PIECES_H

#include "base/error.h"
#include "snapshot/manifest.h"
#include "sys/files.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Long enough that the way there and back does not count, short enough that heartbeats
 * on the same connection pass in between. */
#define BLX__SNAPSHOT_PIECE_SIZE (1024 * 1024)

struct blx__piece {
	uint64_t offset; /* in the file */
	uint8_t *data;   /* borrowed */
	size_t len;
	uint32_t crc; /* CRC-32C of data */
};

/*
 * Reads piece->len bytes at piece->offset into piece->data; fewer only at the
 * end of the file. Sets len and crc. BLX_ENOENT: the file is gone, another
 * manifest is due.
 */
int blx__snapshot_read_piece(const struct blx__files *files, const char *path,
	struct blx__piece *piece, blx_error *error);

/* The size and the CRC-32C of a whole file. */
int blx__snapshot_crc(const char *path, const struct blx__snapshot_ctl *ctl,
	uint64_t *ret_size, uint32_t *ret_crc, blx_error *error);

struct blx__snapshot_recv;

struct blx__snapshot_recv_opts {
	const struct blx__files *files;
	const char *dir;                      /* copied */
	const struct blx__manifest *manifest; /* copied */
	const atomic_bool *cancel;            /* borrowed until destroy; may be NULL */
};

/* Opens or resumes the part file: reads again what is there, for its checksum. */
int blx__snapshot_recv_create(const struct blx__snapshot_recv_opts *opts,
	struct blx__snapshot_recv **ret_recv, blx_error *error);

/* Where the next piece begins. */
uint64_t blx__snapshot_recv_offset(const struct blx__snapshot_recv *recv);

/* All bytes are there: commit. */
bool blx__snapshot_recv_complete(const struct blx__snapshot_recv *recv);

/*
 * Writes the next piece. Nothing is written of a piece that is refused:
 * BLX_ECORRUPT its checksum is wrong; BLX_EINVAL it is empty, too long or not
 * the next: ask again for the piece at blx__snapshot_recv_offset().
 */
int blx__snapshot_recv_add(struct blx__snapshot_recv *recv, const struct blx__piece *piece,
	blx_error *error);

/*
 * Checks the whole, makes it durable and gives it its name. *ret_path is freed
 * with blx__free(). The content is not looked at: blx__snapshot_load() does
 * that, then blx__manifest_check().
 * BLX_ECORRUPT: it is not the file that was promised; the part is emptied, so
 * that fetching begins anew. BLX_EINVAL: not complete yet.
 */
int blx__snapshot_recv_commit(struct blx__snapshot_recv *recv, char **ret_path,
	blx_error *error);

/* Closes; the part file stays for later. NULL is allowed. */
void blx__snapshot_recv_destroy(struct blx__snapshot_recv *recv);

#endif
