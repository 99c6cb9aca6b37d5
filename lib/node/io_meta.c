/* SPDX-License-Identifier: Apache-2.0 */
/* The log's record of a snapshot, as bytes. */
#include "base/codec.h"
#include "node/conf.h"
#include "node/io_impl.h"

#define META_VERSION 1

/* A bound for what a record in the log may claim: as many servers as there may be, each with
 * id, role and address. */
#define CONF_LEN_MAX (16 + BLX__CONF_SERVERS_MAX * (BLX__CONF_ADDRESS_LEN_MAX + 16))

void blx__io_snapshot_meta_put(struct blx__buf *buf, const struct blx__io_snapshot_meta *meta)
{
	blx__put_u8(buf, META_VERSION);
	blx__put_u64(buf, meta->conf_index);
	blx__put_bytes(buf, meta->conf, meta->conf_len);
	blx__put_bytes(buf, meta->manifest, meta->manifest_len);
}

int blx__io_snapshot_meta_get(const void *data, size_t len,
	struct blx__io_snapshot_meta *ret_meta)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__io_snapshot_meta meta = { 0 };
	uint8_t version = blx__get_u8(&reader);

	meta.conf_index = blx__get_u64(&reader);
	meta.conf = blx__get_bytes(&reader, CONF_LEN_MAX, &meta.conf_len);
	meta.manifest = blx__get_bytes(&reader, BLX__MANIFEST_LEN_MAX, &meta.manifest_len);
	if (!blx__reader_done(&reader) || version != META_VERSION) {
		return BLX_ECORRUPT;
	}
	*ret_meta = meta;
	return 0;
}
