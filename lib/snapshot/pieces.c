/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/pieces.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* So much is received between two syncs: the last one is short, and the log, which waits
 * for its own syncs on the same disk, never waits behind a whole snapshot. */
#define SYNC_BYTES (16 * BLX__SNAPSHOT_PIECE_SIZE)

struct blx__snapshot_recv {
	const struct blx__files *files;
	struct blx__manifest manifest;
	const atomic_bool *cancel; /* borrowed, may be NULL */
	char *dir;                 /* owned */
	char *path;                /* owned; of the part */
	struct blx__file *file;    /* owned; NULL after commit */
	uint64_t offset;           /* bytes that are there, all counted in crc */
	uint64_t synced;
	uint32_t crc;
};

static int no_memory(blx_error *error, const char *path)
{
	return blx__error_set(error, BLX_ENOMEM, "snapshot %s: out of memory", path);
}

int blx__snapshot_read_piece(const struct blx__files *files, const char *path,
	struct blx__piece *piece, blx_error *error)
{
	struct blx__file *file;
	size_t len;
	int rv;

	PRE(piece->len > 0 && piece->len <= BLX__SNAPSHOT_PIECE_SIZE);
	rv = files->ops->open(files, path, BLX__OPEN_READ, &file, error);
	if (rv != BLX_OK) {
		return rv;
	}
	rv = files->ops->read(file, piece->data, piece->len, piece->offset, &len, error);
	files->ops->close(file);
	if (rv != BLX_OK) {
		return rv;
	}
	piece->len = len;
	piece->crc = blx__crc32c(0, piece->data, len);
	return BLX_OK;
}

/* A pass over a file from its beginning. */
struct scan {
	const atomic_bool *cancel;
	uint64_t len; /* bytes read */
	uint32_t crc; /* of them */
};

static int scan_with(struct scan *scan, struct blx__file *file, uint8_t *data, blx_error *error)
{
	size_t len = BLX__SNAPSHOT_PIECE_SIZE;

	while (len == BLX__SNAPSHOT_PIECE_SIZE) {
		int rv;

		if (scan->cancel != NULL && atomic_load(scan->cancel)) {
			return blx__error_set(error, BLX_ECANCELED, "reading %s: canceled",
				file->path);
		}
		rv = file->files->ops->read(file, data, BLX__SNAPSHOT_PIECE_SIZE, scan->len, &len,
			error);
		if (rv != BLX_OK) {
			return rv;
		}
		scan->crc = blx__crc32c(scan->crc, data, len);
		scan->len += len;
	}
	return BLX_OK;
}

static int scan_file(struct scan *scan, struct blx__file *file, blx_error *error)
{
	BLX__CLEANUP_FREE uint8_t *data = blx__malloc(BLX__SNAPSHOT_PIECE_SIZE);

	if (data == NULL) {
		return no_memory(error, file->path);
	}
	return scan_with(scan, file, data, error);
}

int blx__snapshot_crc(const char *path, const struct blx__snapshot_ctl *ctl,
	uint64_t *ret_size, uint32_t *ret_crc, blx_error *error)
{
	struct scan scan = { .cancel = ctl->cancel };
	struct blx__file *file;
	int rv = ctl->files->ops->open(ctl->files, path, BLX__OPEN_READ, &file, error);

	if (rv != BLX_OK) {
		return rv;
	}
	rv = scan_file(&scan, file, error);
	file->files->ops->close(file);
	if (rv == BLX_OK) {
		*ret_size = scan.len;
		*ret_crc = scan.crc;
	}
	return rv;
}

/* Begins anew: nothing of what is there counts. */
static int recv_empty(struct blx__snapshot_recv *recv, blx_error *error)
{
	recv->offset = 0;
	recv->synced = 0;
	recv->crc = 0;
	return recv->files->ops->truncate(recv->file, 0, error);
}

/* After a failed sync nobody knows which bytes are on disk, and a second one would not
 * tell: none of them count. */
static int recv_sync(struct blx__snapshot_recv *recv, blx_error *error)
{
	int rv = recv->files->ops->sync(recv->file, error);

	if (rv != BLX_OK) {
		(void)recv_empty(recv, NULL); /* the first failure is the one to tell */
		return rv;
	}
	recv->synced = recv->offset;
	return BLX_OK;
}

/* Counts what an earlier receiver left. */
static int recv_resume(struct blx__snapshot_recv *recv, blx_error *error)
{
	struct scan scan = { .cancel = recv->cancel };
	uint64_t size;
	int rv = recv->files->ops->size(recv->file, &size, error);

	if (rv != BLX_OK) {
		return rv;
	}
	if (size > recv->manifest.size) {
		return recv_empty(recv, error);
	}
	rv = scan_file(&scan, recv->file, error);
	if (rv == BLX_OK) {
		recv->offset = scan.len;
		recv->crc = scan.crc;
	}
	return rv;
}

static int recv_open(struct blx__snapshot_recv *recv, const char *dir, blx_error *error)
{
	char name[BLX__SNAPSHOT_NAME_SIZE];
	int rv;

	blx__snapshot_part_name(recv->manifest.index, recv->manifest.term, recv->manifest.crc,
		name);
	recv->dir = blx__strdup(dir);
	recv->path = blx__snapshot_join(dir, name);
	if (recv->dir == NULL || recv->path == NULL) {
		return no_memory(error, name);
	}
	rv = recv->files->ops->open(recv->files, recv->path,
		BLX__OPEN_WRITE | BLX__OPEN_CREATE, &recv->file, error);
	if (rv != BLX_OK) {
		recv->file = NULL;
		return rv;
	}
	return recv_resume(recv, error);
}

int blx__snapshot_recv_create(const struct blx__snapshot_recv_opts *opts,
	struct blx__snapshot_recv **ret_recv, blx_error *error)
{
	struct blx__snapshot_recv *recv = blx__malloc(sizeof *recv);
	int rv;

	if (recv == NULL) {
		return no_memory(error, opts->manifest->name);
	}
	*recv = (struct blx__snapshot_recv){
		.files = opts->files,
		.manifest = *opts->manifest,
		.cancel = opts->cancel,
	};
	rv = recv_open(recv, opts->dir, error);
	if (rv != BLX_OK) {
		blx__snapshot_recv_destroy(recv);
		return rv;
	}
	POST(recv->offset <= recv->manifest.size);
	*ret_recv = recv;
	return BLX_OK;
}

uint64_t blx__snapshot_recv_offset(const struct blx__snapshot_recv *recv)
{
	return recv->offset;
}

bool blx__snapshot_recv_complete(const struct blx__snapshot_recv *recv)
{
	return recv->offset == recv->manifest.size;
}

static int recv_check(const struct blx__snapshot_recv *recv, const struct blx__piece *piece,
	blx_error *error)
{
	if (piece->offset != recv->offset) {
		return blx__error_set(error, BLX_EINVAL,
			"snapshot %s: a piece at %" PRIu64 " came, the next one begins at %" PRIu64,
			recv->manifest.name, piece->offset, recv->offset);
	}
	if (piece->len == 0 || piece->len > BLX__SNAPSHOT_PIECE_SIZE ||
		piece->len > recv->manifest.size - recv->offset) {
		return blx__error_set(error, BLX_EINVAL,
			"snapshot %s: a piece of %zu bytes at %" PRIu64 " of %" PRIu64,
			recv->manifest.name, piece->len, piece->offset, recv->manifest.size);
	}
	if (blx__crc32c(0, piece->data, piece->len) != piece->crc) {
		return blx__error_set(error, BLX_ECORRUPT,
			"snapshot %s: the piece at %" PRIu64 " was damaged on its way; it is "
			"asked for again",
			recv->manifest.name, piece->offset);
	}
	return BLX_OK;
}

int blx__snapshot_recv_add(struct blx__snapshot_recv *recv, const struct blx__piece *piece,
	blx_error *error)
{
	int rv;

	PRE(recv->file != NULL);
	rv = recv_check(recv, piece, error);
	if (rv != BLX_OK) {
		return rv;
	}
	rv = recv->files->ops->write(recv->file, piece->data, piece->len, piece->offset, error);
	if (rv != BLX_OK) {
		return rv;
	}
	recv->crc = blx__crc32c(recv->crc, piece->data, piece->len);
	recv->offset += piece->len;
	if (recv->offset - recv->synced < SYNC_BYTES) {
		return BLX_OK;
	}
	return recv_sync(recv, error);
}

/* Durable first, then under its name, then the name durable. */
static int recv_publish(struct blx__snapshot_recv *recv, const char *path, blx_error *error)
{
	const struct blx__files_ops *ops = recv->files->ops;
	int rv = recv_sync(recv, error);

	if (rv != BLX_OK) {
		return rv;
	}
	ops->close(recv->file);
	recv->file = NULL;
	rv = ops->rename(recv->files, recv->path, path, error);
	return rv != BLX_OK ? rv : ops->sync_dir(recv->files, recv->dir, error);
}

int blx__snapshot_recv_commit(struct blx__snapshot_recv *recv, char **ret_path, blx_error *error)
{
	char *path;
	int rv;

	PRE(recv->file != NULL);
	if (!blx__snapshot_recv_complete(recv)) {
		return blx__error_set(error, BLX_EINVAL,
			"snapshot %s: %" PRIu64 " of %" PRIu64 " bytes are there",
			recv->manifest.name, recv->offset, recv->manifest.size);
	}
	if (recv->crc != recv->manifest.crc) {
		uint32_t crc = recv->crc;

		rv = recv_empty(recv, error);
		return rv != BLX_OK ? rv : blx__error_set(error, BLX_ECORRUPT,
			"snapshot %s: its checksum is %08" PRIx32 " instead of %08" PRIx32
			"; it is fetched anew", recv->manifest.name, crc, recv->manifest.crc);
	}
	path = blx__snapshot_join(recv->dir, recv->manifest.name);
	if (path == NULL) {
		return no_memory(error, recv->manifest.name);
	}
	rv = recv_publish(recv, path, error);
	if (rv != BLX_OK) {
		blx__free(path);
		return rv;
	}
	*ret_path = path;
	return BLX_OK;
}

void blx__snapshot_recv_destroy(struct blx__snapshot_recv *recv)
{
	if (recv == NULL) {
		return;
	}
	if (recv->file != NULL) {
		recv->files->ops->close(recv->file);
	}
	blx__free(recv->path);
	blx__free(recv->dir);
	blx__free(recv);
}
