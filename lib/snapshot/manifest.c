/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot/manifest.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"

#include <inttypes.h>
#include <string.h>

/*
 * u32 magic, u16 format, u16 length of all of it; cluster id, six u64, the
 * CRC of the file, its name; zeros up to a multiple of 8 less 4; CRC-32C of
 * everything before.
 */
#define HEAD_LEN 8

void blx__manifest_init(struct blx__manifest *manifest, const struct blx__snapshot_info *info)
{
	*manifest = (struct blx__manifest){
		.index = info->meta.index,
		.term = info->meta.term,
		.revision = info->meta.revision,
		.size = info->size,
		.hash = info->hash,
		.crc = info->crc,
	};
	memcpy(manifest->cluster_id, info->meta.cluster_id, sizeof manifest->cluster_id);
	blx__snapshot_name(manifest->index, manifest->term, manifest->name);
}

void blx__manifest_encode(const struct blx__manifest *manifest, struct blx__buf *buf)
{
	size_t start = buf->len;
	size_t len;

	blx__put_u32(buf, BLX__MANIFEST_MAGIC);
	blx__put_u16(buf, BLX__MANIFEST_FORMAT);
	blx__put_u16(buf, 0);
	blx__buf_append(buf, manifest->cluster_id, sizeof manifest->cluster_id);
	blx__put_u64(buf, manifest->index);
	blx__put_u64(buf, manifest->term);
	blx__put_u64(buf, manifest->revision);
	blx__put_u64(buf, manifest->size);
	blx__put_u64(buf, manifest->hash);
	blx__put_u32(buf, manifest->crc);
	blx__put_text(buf, manifest->name);
	while (blx__buf_ok(buf) && (buf->len - start) % 8 != 4) {
		blx__put_u8(buf, 0);
	}
	if (!blx__buf_ok(buf)) {
		return;
	}
	len = buf->len - start + 4;
	POST(len % 8 == 0 && len <= BLX__MANIFEST_LEN_MAX);
	blx__store_u16(buf->data + start + 6, (uint16_t)len);
	blx__put_u32(buf, blx__crc32c(0, buf->data + start, len - 4));
}

static int corrupt(blx_error *error, const char *what)
{
	return blx__error_set(error, BLX_ECORRUPT,
		"the manifest of a snapshot is damaged: %s", what);
}

static int check_frame(const uint8_t *data, size_t len, blx_error *error)
{
	if (len < HEAD_LEN || blx__load_u32(data) != BLX__MANIFEST_MAGIC) {
		return corrupt(error, "it is none");
	}
	if (blx__load_u16(data + 4) > BLX__MANIFEST_FORMAT) {
		return blx__error_set(error, BLX_EVERSION,
			"the manifest of a snapshot has format %u, this program reads up to %d: "
			"upgrade it",
			blx__load_u16(data + 4), BLX__MANIFEST_FORMAT);
	}
	if (blx__load_u16(data + 6) != len || len > BLX__MANIFEST_LEN_MAX || len % 8 != 0) {
		return corrupt(error, "its length is wrong");
	}
	if (blx__load_u32(data + len - 4) != blx__crc32c(0, data, len - 4)) {
		return corrupt(error, "its checksum is wrong");
	}
	return BLX_OK;
}

int blx__manifest_decode(const void *data, size_t len, struct blx__manifest *ret_manifest,
	blx_error *error)
{
	struct blx__manifest manifest = { 0 };
	struct blx__reader reader;
	const uint8_t *bytes;
	size_t name_len = 0;
	int rv = check_frame(data, len, error);

	if (rv != BLX_OK) {
		return rv;
	}
	reader = blx__reader_of((const uint8_t *)data + HEAD_LEN, len - HEAD_LEN - 4);
	bytes = blx__get_raw(&reader, sizeof manifest.cluster_id);
	if (bytes != NULL) {
		memcpy(manifest.cluster_id, bytes, sizeof manifest.cluster_id);
	}
	manifest.index = blx__get_u64(&reader);
	manifest.term = blx__get_u64(&reader);
	manifest.revision = blx__get_u64(&reader);
	manifest.size = blx__get_u64(&reader);
	manifest.hash = blx__get_u64(&reader);
	manifest.crc = blx__get_u32(&reader);
	bytes = blx__get_bytes(&reader, sizeof manifest.name - 1, &name_len);
	if (bytes == NULL || !blx__reader_ok(&reader) || manifest.size == 0) {
		return corrupt(error, "its fields are wrong");
	}
	/* The name becomes a path: it is never taken from elsewhere than index and term. */
	blx__snapshot_name(manifest.index, manifest.term, manifest.name);
	if (name_len != strlen(manifest.name) || memcmp(bytes, manifest.name, name_len) != 0) {
		return corrupt(error, "its name is not that of its index and term");
	}
	*ret_manifest = manifest;
	return BLX_OK;
}

int blx__manifest_check(const struct blx__manifest *manifest,
	const struct blx__snapshot_info *info, blx_error *error)
{
	if (memcmp(manifest->cluster_id, info->meta.cluster_id, sizeof manifest->cluster_id) != 0) {
		return blx__error_set(error, BLX_ECLUSTER, "snapshot %s is of another cluster",
			manifest->name);
	}
	if (manifest->index != info->meta.index || manifest->term != info->meta.term ||
		manifest->revision != info->meta.revision || manifest->hash != info->hash ||
		manifest->size != info->size || manifest->crc != info->crc) {
		return blx__error_set(error, BLX_ECORRUPT,
			"snapshot %s is not the one of its manifest (index %" PRIu64
			" instead of %" PRIu64 ", crc %08" PRIx32 " instead of %08" PRIx32
			"): remove it, it is fetched again",
			manifest->name, info->meta.index, manifest->index, info->crc,
			manifest->crc);
	}
	return BLX_OK;
}
