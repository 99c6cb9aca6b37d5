/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/mark.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "wal/record.h"

#include <string.h>

#define SLOTS 2

enum slot_at {
	AT_MAGIC = 0,
	AT_FORMAT = 8,
	AT_CLUSTER = 16,
	AT_MEMBER = 32,
	AT_GENERATION = 40,
	AT_LSN = 48,
	AT_CRC = 56,
	SLOT_LEN = 60
};

static const char magic[8] = "BLXMARK\n";

static void slot_put(const struct blx__wal_mark *mark, uint8_t *block)
{
	memset(block, 0, BLX__WAL_BLOCK);
	memcpy(block + AT_MAGIC, magic, sizeof magic);
	blx__store_u32(block + AT_FORMAT, BLX__WAL_FORMAT);
	memcpy(block + AT_CLUSTER, mark->cluster_id, sizeof mark->cluster_id);
	blx__store_u64(block + AT_MEMBER, mark->member_id);
	blx__store_u64(block + AT_GENERATION, mark->generation);
	blx__store_u64(block + AT_LSN, mark->lsn);
	blx__store_u32(block + AT_CRC, blx__crc32c(0, block, AT_CRC));
}

static bool slot_valid(const uint8_t *block)
{
	return memcmp(block, magic, sizeof magic) == 0 &&
	       blx__load_u32(block + AT_CRC) == blx__crc32c(0, block, AT_CRC);
}

static int slot_take(struct blx__wal_mark *mark, const uint8_t *block, const char *path,
	blx_error *error)
{
	if (blx__load_u32(block + AT_FORMAT) != BLX__WAL_FORMAT) {
		return blx__error_set(error, BLX_EVERSION,
			"open %s: it has format %u, this version reads %d", path,
			blx__load_u32(block + AT_FORMAT), BLX__WAL_FORMAT);
	}
	if (memcmp(block + AT_CLUSTER, mark->cluster_id, sizeof mark->cluster_id) != 0 ||
		blx__load_u64(block + AT_MEMBER) != mark->member_id) {
		return blx__error_set(error, BLX_ECLUSTER,
			"open %s: it belongs to another cluster or member (%llu); use "
			"the directory "
			"of this one",
			path, (unsigned long long)blx__load_u64(block + AT_MEMBER));
	}
	if (blx__load_u64(block + AT_GENERATION) > mark->generation) {
		mark->generation = blx__load_u64(block + AT_GENERATION);
		mark->lsn = blx__load_u64(block + AT_LSN);
	}
	return 0;
}

static int read_slots(struct blx__wal_mark *mark, const char *path, blx_error *error)
{
	size_t len;
	unsigned valid = 0;
	unsigned i;
	int rv = mark->file->files->ops->read(
		mark->file, mark->mem.data, SLOTS * BLX__WAL_BLOCK, 0, &len, error);

	for (i = 0; rv == 0 && i < SLOTS && len >= (i + 1) * (size_t)BLX__WAL_BLOCK;
		i++) {
		const uint8_t *block = mark->mem.data + i * (size_t)BLX__WAL_BLOCK;

		if (slot_valid(block)) {
			valid++;
			rv = slot_take(mark, block, path, error);
		}
	}
	if (rv == 0 && valid == 0) {
		return blx__error_set(error, BLX_ECORRUPT,
			"open %s: no valid mark in it, so nobody can tell whether the "
			"log is whole; "
			"remove this member and join anew with an empty directory",
			path);
	}
	return rv;
}

static int make(struct blx__wal_mark *mark, const struct blx__files *files,
	const char *dir, blx_error *error)
{
	int rv = files->ops->allocate(mark->file, SLOTS * BLX__WAL_BLOCK, error);

	if (rv == 0) {
		rv = blx__wal_mark_write(mark, 0, error);
	}
	if (rv == 0) {
		rv = blx__wal_mark_write(mark, 0, error);
	}
	return rv == 0 ? files->ops->sync_dir(files, dir, error) : rv;
}

int blx__wal_mark_open(struct blx__wal_mark *mark, const struct blx__files *files,
	const char *dir, bool create, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__wal_path(dir, BLX__WAL_MARK_NAME);
	unsigned flags = BLX__OPEN_WRITE | BLX__OPEN_DIRECT | BLX__OPEN_DSYNC;
	int rv;

	if (path == NULL ||
		blx__wal_mem_reserve(&mark->mem, SLOTS * BLX__WAL_BLOCK) != 0) {
		return blx__error_set(
			error, BLX_ENOMEM, "open the mark of %s: out of memory", dir);
	}
	rv = files->ops->open(files, path, create ? flags | BLX__OPEN_CREATE : flags,
		&mark->file, error);
	if (rv != 0) {
		return rv;
	}
	return create ? make(mark, files, dir, error) : read_slots(mark, path, error);
}

int blx__wal_mark_write(struct blx__wal_mark *mark, uint64_t lsn, blx_error *error)
{
	PRE(lsn >= mark->lsn);

	mark->generation++;
	mark->lsn = lsn;
	slot_put(mark, mark->mem.data);
	return mark->file->files->ops->write(mark->file, mark->mem.data, BLX__WAL_BLOCK,
		mark->generation % SLOTS * BLX__WAL_BLOCK, error);
}

void blx__wal_mark_finish(struct blx__wal_mark *mark)
{
	if (mark->file != NULL) {
		mark->file->files->ops->close(mark->file);
	}
	mark->file = NULL;
	blx__wal_mem_finish(&mark->mem);
}
