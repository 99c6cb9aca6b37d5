/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/quota.h"

#include "record/settings.h"
#include "store/path.h"

#include <string.h>

#define CONFIG     ":config"
#define CONFIG_LEN (sizeof CONFIG - 1)

struct blx__quota blx__quota_of(const struct blx__tree *tree)
{
	return (struct blx__quota){.bytes = blx__setting_of(tree, BLX__SETTING_QUOTA_BYTES),
		.keys = blx__setting_of(tree, BLX__SETTING_QUOTA_KEYS)};
}

/* ---- admission ---------------------------------------------------------------------- */

/* Could the transaction take the tree beyond a limit? It adds less than its own bytes, and a
 * key at most for every operation. */
static bool is_near(
	const struct blx__quota *quota, const struct blx__tree *tree, size_t txn_len)
{
	return (quota->bytes != 0 && blx__tree_bytes(tree) + txn_len > quota->bytes) ||
	       (quota->keys != 0 && blx__tree_count(tree) + BLX_TXN_OPS_MAX > quota->keys);
}

static bool is_beyond(uint64_t limit, uint64_t before, uint64_t after)
{
	return limit != 0 && after > before && after > limit;
}

bool blx__quota_is_setting(const struct blx__item *item)
{
	const uint8_t *key = blx__item_key(item);

	return item->key_len >= CONFIG_LEN && memcmp(key, CONFIG, CONFIG_LEN) == 0 &&
	       (item->key_len == CONFIG_LEN || key[CONFIG_LEN] == BLX__KEY_SEPARATOR);
}

static bool on_change(void *data, struct blx__item *old_item, struct blx__item *new_item)
{
	bool *config = data;

	*config = *config || blx__quota_is_setting(new_item != NULL ? new_item : old_item);
	return !*config; /* one is enough */
}

/* Applied to another root, for the outcome alone. */
static int try_it(struct blx__tree **tree, uint64_t revision, const void *txn, size_t len,
	bool *ret_config)
{
	struct blx__txn_changes changes = {.cb = on_change, .data = ret_config};
	struct blx__txn_target target = {
		.tree = tree, .revision = revision, .changes = &changes};
	struct blx__txn_outcome outcome;
	struct blx__buf result;
	int rv;

	*ret_config = false;
	blx__buf_init(&result);
	rv = blx__txn_apply_to(&target, txn, len, &outcome, &result);
	blx__buf_finish(&result);
	return rv;
}

int blx__quota_admits(const struct blx__quota *quota, struct blx__tree *tree,
	uint64_t revision, const void *txn, size_t len)
{
	struct blx__tree *after;
	bool config;
	int rv;

	if (!is_near(quota, tree, len)) {
		return 0;
	}
	after = blx__tree_ref(tree);
	rv = try_it(&after, revision, txn, len, &config);
	if (rv == 0 && !config &&
		(is_beyond(quota->bytes, blx__tree_bytes(tree), blx__tree_bytes(after)) ||
			is_beyond(quota->keys, blx__tree_count(tree),
				blx__tree_count(after)))) {
		rv = BLX_EQUOTA;
	}
	blx__tree_unref(after);
	return rv;
}
