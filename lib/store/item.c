/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"

#include <string.h>

static void copy(uint8_t *to, const void *from, size_t len)
{
	if (len > 0) {
		memcpy(to, from, len);
	}
}

struct blx__item *blx__item_create_of(const struct blx__item_parts *parts)
{
	size_t value_at = parts->key_len;
	size_t keep_at = value_at + parts->value_len;
	struct blx__item *item;

	PRE(parts->key_len <= BLX__KEY_LEN_MAX && parts->value_len <= UINT32_MAX &&
		parts->keep_len <= UINT32_MAX);

	item = blx__malloc(sizeof *item + keep_at + parts->keep_len);
	if (item == NULL) {
		return NULL;
	}
	*item = (struct blx__item){.refs = 1,
		.key_len = (uint32_t)parts->key_len,
		.value_len = (uint32_t)parts->value_len,
		.keep_len = (uint32_t)parts->keep_len};
	copy(item->bytes, parts->key, parts->key_len);
	copy(item->bytes + value_at, parts->value, parts->value_len);
	copy(item->bytes + keep_at, parts->keep, parts->keep_len);
	return item;
}

struct blx__item *blx__item_create(
	const void *key, size_t key_len, const void *value, size_t value_len)
{
	struct blx__item_parts parts = {
		.key = key, .key_len = key_len, .value = value, .value_len = value_len};

	return blx__item_create_of(&parts);
}

void blx__item_ref(struct blx__item *item)
{
	(void)atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
}

void blx__item_unref(struct blx__item *item)
{
	if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1) {
		blx__free(item);
	}
}

/* Odd constants with about half their bits set (fractions of the square roots of primes).
 */
#define MIX_A UINT64_C(0x9e3779b97f4a7c15)
#define MIX_B UINT64_C(0xbb67ae8584caa73b)
#define MIX_C UINT64_C(0x3c6ef372fe94f82b)

/* Both halves of the product folded into one: every bit of either input reaches every
 * bit. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *data, size_t len)
{
	uint8_t last[16] = {0};

	hash = mix(hash ^ MIX_B, (uint64_t)len ^ MIX_C);
	while (len > 16) {
		hash = mix(blx__load_u64(data) ^ MIX_A ^ hash,
			blx__load_u64(data + 8) ^ MIX_B);
		data += 16;
		len -= 16;
	}
	if (len > 0) {
		memcpy(last, data, len);
	}
	return mix(blx__load_u64(last) ^ MIX_A ^ hash, blx__load_u64(last + 8) ^ MIX_C);
}

uint64_t blx__item_hash(const struct blx__item *item)
{
	uint64_t hash = mix(item->create_revision ^ MIX_A, item->mod_revision ^ MIX_B);

	hash = mix(hash ^ item->version, MIX_C);
	hash = hash_bytes(hash, blx__item_key(item), item->key_len);
	hash = hash_bytes(hash, blx__item_value(item), item->value_len);
	return item->keep_len == 0
		       ? hash
		       : hash_bytes(hash, blx__item_keep(item), item->keep_len);
}
