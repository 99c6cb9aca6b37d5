/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/lease_record.h"

#include "store/path.h"

#include <jansson.h>
#include <string.h>

#define DIGITS "0123456789abcdef"

void blx__lease_key(uint64_t id, uint8_t ret_key[BLX__LEASE_KEY_LEN])
{
	uint8_t *digit = ret_key + BLX__LEASE_KEY_LEN;

	memcpy(ret_key, BLX__LEASES_DIR, BLX__LEASES_DIR_LEN);
	ret_key[BLX__LEASES_DIR_LEN] = BLX__KEY_SEPARATOR;
	while (digit > ret_key + BLX__LEASES_DIR_LEN + 1) {
		*--digit = (uint8_t)DIGITS[id & 15];
		id >>= 4;
	}
}

static bool is_below(const uint8_t *key, size_t key_len)
{
	return key_len > BLX__LEASES_DIR_LEN &&
	       memcmp(key, BLX__LEASES_DIR, BLX__LEASES_DIR_LEN) == 0 &&
	       key[BLX__LEASES_DIR_LEN] == BLX__KEY_SEPARATOR;
}

bool blx__lease_key_is(const uint8_t *key, size_t key_len, uint64_t *ret_id)
{
	uint64_t id = 0;
	size_t i;

	if (key_len != BLX__LEASE_KEY_LEN || !is_below(key, key_len)) {
		return false;
	}
	for (i = BLX__LEASES_DIR_LEN + 1; i < key_len; i++) {
		const char *digit = key[i] != 0 ? strchr(DIGITS, key[i]) : NULL;

		if (digit == NULL) {
			return false;
		}
		id = id << 4 | (uint64_t)(digit - DIGITS);
	}
	*ret_id = id;
	return true;
}

int blx__lease_ttl(const void *value, size_t len, uint64_t *ret_ttl_ms)
{
	json_error_t why;
	json_t *root;
	json_t *ttl;
	json_int_t ttl_ms;

	if (len > BLX_LEASE_RECORD_MAX) {
		return BLX_EINVAL;
	}
	root = json_loadb(value, len, 0, &why);
	if (root == NULL && json_error_code(&why) == json_error_out_of_memory) {
		return BLX_ENOMEM;
	}
	ttl = json_object_get(root, "ttl_ms");
	ttl_ms = json_is_integer(ttl) ? json_integer_value(ttl) : 0;
	json_decref(root);
	*ret_ttl_ms = (uint64_t)ttl_ms;
	return ttl_ms >= BLX_LEASE_TTL_MIN_MS && ttl_ms <= BLX_LEASE_TTL_MAX_MS ? 0
										: BLX_EINVAL;
}

int blx__lease_put_check(const struct blx__txn_line *put, blx_error *error)
{
	char path[BLX__PATH_TEXT_SIZE];
	uint64_t ttl_ms;
	uint64_t id;
	int rv = BLX_EINVAL;

	if (!is_below(put->key, put->key_len)) {
		return 0;
	}
	if (blx__lease_key_is(put->key, put->key_len, &id) && id != 0) {
		rv = blx__lease_ttl(put->value, put->value_len, &ttl_ms);
	}
	if (rv != BLX_EINVAL) {
		return rv;
	}
	(void)blx__path_format(put->key, put->key_len, path);
	return blx__error_set(error, BLX_EINVAL,
		"%.80s: a lease has a name of 16 hexadecimal digits, not all 0, and is a JSON "
		"object of at most %d bytes with \"ttl_ms\" from %d to %d",
		path, BLX_LEASE_RECORD_MAX, BLX_LEASE_TTL_MIN_MS, BLX_LEASE_TTL_MAX_MS);
}

