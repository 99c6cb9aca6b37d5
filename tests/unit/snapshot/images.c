/* SPDX-License-Identifier: Apache-2.0 */
#include "images.h"

#include "support/test.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "store/path.h"

#include <stdio.h>
#include <string.h>

static const struct blx__image_meta sample_meta = {
	.cluster_id = {0xc1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	.revision = 100000000,
	.index = 1234,
	.term = 7,
	.time_ms = 1700000000123,
};

static struct blx__image_builder *begin(void)
{
	struct blx__image_builder *builder;

	cr_assert_eq(blx__image_builder_create(&sample_meta, &builder), 0);
	return builder;
}

static struct blx__image *end(struct blx__image_builder *builder)
{
	struct blx__image *image;

	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	return image;
}

/* That /bin exists, as store/keep.h has it: a count, the kind, the key. */
static const uint8_t while_bin[] = {1, 2, 3, 'b', 'i', 'n'};

static void add_kept(struct blx__image_builder *builder, const char *path,
	const void *value, size_t len, const uint8_t *keep, size_t keep_len)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__image_item item = {
		.key = key,
		.value = value,
		.value_len = len,
		.keep = keep,
		.keep_len = keep_len,
		.create_revision = 3,
		.mod_revision = 5,
		.version = 2,
	};

	cr_assert_eq(blx__path_parse(path, strlen(path), key, &item.key_len, NULL, NULL),
		0, "%s", path);
	cr_assert_eq(blx__image_builder_add_item(builder, &item), 0);
}

static void add(struct blx__image_builder *builder, const char *path, const void *value,
	size_t len)
{
	add_kept(builder, path, value, len, NULL, 0);
}

/* A session as the machine encodes it: born, last used, index, place, acknowledged. */
static void add_session(struct blx__image_builder *builder, uint64_t id)
{
	struct blx__buf state;

	blx__buf_init(&state);
	blx__put_u64(&state, 1000);
	blx__put_u64(&state, 2000 + id % 7);
	blx__put_u64(&state, 9);
	blx__put_u32(&state, 1);
	blx__put_u64(&state, 3);
	cr_assert_eq(
		blx__image_builder_add_session(builder, id, state.data, state.len), 0);
	blx__buf_finish(&state);
}

struct blx__image *images_small(void)
{
	struct blx__image_builder *builder = begin();

	add(builder, "/a/b", "{\"n\": 5}", 8);
	add(builder, "/bin", "\xff\xfe\x01", 3);
	add(builder, "/empty", "", 0);
	add_kept(builder, "/kept", "1", 1, while_bin, sizeof while_bin);
	add(builder, "/nul", "a\0b", 3);
	add_session(builder, 5);
	add_session(builder, UINT64_MAX - 2);
	return end(builder);
}

struct blx__image *images_regular(size_t items, size_t value_len)
{
	struct blx__image_builder *builder = begin();
	char *value = blx__malloc(value_len + 1);
	size_t i;

	memset(value, 'v', value_len + 1);
	for (i = 0; i < items; i++) {
		char path[64];

		(void)snprintf(path, sizeof path, "/app/service-%04zu/instance-%06zu",
			i / 1000, i % 1000);
		add(builder, path, value, value_len);
	}
	blx__free(value);
	return end(builder);
}

static int on_item(const struct blx__item *item, void *data)
{
	struct blx__buf *buf = data;

	blx__put_bytes(buf, blx__item_key(item), item->key_len);
	blx__put_bytes(buf, blx__item_value(item), item->value_len);
	blx__put_bytes(buf, blx__item_keep(item), item->keep_len);
	blx__put_u64(buf, item->create_revision);
	blx__put_u64(buf, item->mod_revision);
	blx__put_u64(buf, item->version);
	return 0;
}

static int on_session(uint64_t id, const void *bytes, size_t len, void *data)
{
	blx__put_u64(data, id);
	blx__put_bytes(data, bytes, len);
	return 0;
}

static void collect(struct blx__image *image, struct blx__buf *buf)
{
	const struct blx__image_meta *meta = blx__image_meta(image);

	blx__buf_init(buf);
	blx__buf_append(buf, meta->cluster_id, sizeof meta->cluster_id);
	blx__put_u64(buf, meta->revision);
	blx__put_u64(buf, meta->index);
	blx__put_u64(buf, meta->term);
	blx__put_u64(buf, (uint64_t)meta->time_ms);
	cr_assert_eq(blx__image_each_item(image, on_item, buf), 0);
	cr_assert_eq(blx__image_each_session(image, on_session, buf), 0);
	cr_assert(blx__buf_ok(buf));
}

bool images_equal(struct blx__image *a, struct blx__image *b)
{
	struct blx__buf x;
	struct blx__buf y;
	bool equal;

	collect(a, &x);
	collect(b, &y);
	equal = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	blx__buf_finish(&x);
	blx__buf_finish(&y);
	return equal && blx__image_hash(a) == blx__image_hash(b);
}

struct blx__image *images_random(struct blx__rng *rng, size_t items, size_t value_len_max)
{
	struct blx__image_builder *builder = begin();
	char *value = blx__malloc(value_len_max + 1);
	size_t i, k;

	for (i = 0; i < items; i++) {
		char path[64];
		size_t n = blx__rng_below(rng, value_len_max);
		for (k = 0; k < n; k++)
			value[k] = (char)blx__rng_u64(rng);
		if (i % 2)
			memset(value, 'x', n);

		(void)snprintf(path, sizeof path, "/app/service-%04zu/instance-%06zu",
			i / 1000, i % 1000);
		add(builder, path, value, n);
	}
	add_session(builder, 7);
	blx__free(value);
	return end(builder);
}
