/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/mem.h"
#include "snapshot/manifest.h"

static struct blx__snapshot_info sample_info(void)
{
	struct blx__snapshot_info info = {
		.meta = {.index = 1234, .term = 7, .revision = 1200},
		.hash = 0x1122334455667788,
		.size = 81920,
		.crc = 0xdeadbeef,
	};

	memset(info.meta.cluster_id, 0xc1, sizeof info.meta.cluster_id);
	return info;
}

static void encode_sample(struct blx__buf *buf)
{
	struct blx__snapshot_info info = sample_info();
	struct blx__manifest manifest;

	blx__manifest_init(&manifest, &info);
	blx__buf_init(buf);
	blx__manifest_encode(&manifest, buf);
	cr_assert(blx__buf_ok(buf));
}

Test(manifest, comes_back_as_it_was_and_is_that_of_its_file)
{
	struct blx__snapshot_info info = sample_info();
	struct blx__manifest manifest;
	struct blx__buf buf;

	encode_sample(&buf);

	cr_assert_eq(buf.len % 8, 0);
	cr_assert_eq(blx__manifest_decode(buf.data, buf.len, &manifest, NULL), 0);
	cr_assert_eq(manifest.index, 1234);
	cr_assert_eq(manifest.term, 7);
	cr_assert_eq(manifest.revision, 1200);
	cr_assert_eq(manifest.size, 81920);
	cr_assert_eq(manifest.hash, 0x1122334455667788);
	cr_assert_eq(manifest.crc, 0xdeadbeef);
	cr_assert_str_eq(
		manifest.name, "snapshot-00000000000000001234-00000000000000000007.db");
	cr_assert_eq(blx__manifest_check(&manifest, &info, NULL), 0);
	blx__buf_finish(&buf);
}

Test(manifest, does_not_look_like_compressed_data)
{
	static const uint8_t lz4[4] = {0x04, 0x22, 0x4d, 0x18};
	struct blx__buf buf;

	encode_sample(&buf);

	cr_assert_neq(memcmp(buf.data, lz4, 4), 0);
	blx__buf_finish(&buf);
}

Test(manifest, another_file_or_cluster_is_told)
{
	struct blx__snapshot_info info = sample_info();
	struct blx__manifest manifest;

	blx__manifest_init(&manifest, &info);
	info.hash ^= 1;
	cr_assert_eq(blx__manifest_check(&manifest, &info, NULL), BLX_ECORRUPT);
	info = sample_info();
	info.crc ^= 1;
	cr_assert_eq(blx__manifest_check(&manifest, &info, NULL), BLX_ECORRUPT);
	info = sample_info();
	info.meta.cluster_id[15] ^= 1;
	cr_assert_eq(blx__manifest_check(&manifest, &info, NULL), BLX_ECLUSTER);
}

Test(manifest, is_refused_when_cut_at_any_byte)
{
	struct blx__manifest manifest;
	struct blx__buf buf;
	size_t cut;

	encode_sample(&buf);
	for (cut = 0; cut < buf.len; cut++) {
		uint8_t *copy = blx__memdup(buf.data, cut);

		cr_assert_eq(
			blx__manifest_decode(copy, cut, &manifest, NULL), BLX_ECORRUPT);
		blx__free(copy);
	}
	blx__buf_finish(&buf);
}

Test(manifest, is_refused_when_any_bit_is_flipped)
{
	struct blx__manifest manifest;
	struct blx__buf buf;
	size_t bit;

	encode_sample(&buf);
	for (bit = 0; bit < buf.len * 8; bit++) {
		int rv;

		buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		rv = blx__manifest_decode(buf.data, buf.len, &manifest, NULL);
		cr_assert(rv == BLX_ECORRUPT || rv == BLX_EVERSION, "bit %zu", bit);
		buf.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	blx__buf_finish(&buf);
}
