/* SPDX-License-Identifier: Apache-2.0 */
#include "record/settings.h"

#include "store/path.h"

#include <string.h>

#define CONFIG     ":config"
#define CONFIG_LEN (sizeof CONFIG - 1)

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* A day: more is a mistake. */
#define DURATION_MAX_NS (86400 * NS_PER_S)

/* More may not fit 64 bits. */
#define DIGITS_MAX 19

static const struct {
	const char *name;
	bool duration;
	uint64_t otherwise;
} settings[BLX__SETTINGS] = {
	[BLX__SETTING_DEGRADED_AFTER] = {"health.degraded_after", true, 5 * NS_PER_S},
	[BLX__SETTING_FAILED_AFTER] = {"health.failed_after", true, 30 * NS_PER_S},
	[BLX__SETTING_QUOTA_BYTES] = {"quota.bytes", false, 0},
	[BLX__SETTING_QUOTA_KEYS] = {"quota.keys", false, 0},
	[BLX__SETTING_HOST_LEASE] = {"host.lease", true, 10 * NS_PER_S},
	[BLX__SETTING_FENCE_MARGIN] = {"fence.margin", true, NS_PER_S},
	[BLX__SETTING_DRAIN_PARALLEL] = {"drain.parallel", false, 2},
};

const char *blx__setting_name(int setting)
{
	return setting >= 0 && setting < BLX__SETTINGS ? settings[setting].name : NULL;
}

uint64_t blx__setting_default(enum blx__setting setting)
{
	return settings[setting].otherwise;
}

/* ---- values --------------------------------------------------------------------- */

/* The digits at the beginning; how many there are, 0: none, or too many. */
static size_t parse_digits(const char *text, size_t len, uint64_t *ret_number)
{
	size_t i;

	*ret_number = 0;
	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		if (i == DIGITS_MAX) {
			return 0;
		}
		*ret_number = *ret_number * 10 + (uint64_t)(text[i] - '0');
	}
	return i;
}

/* What a number of this unit is in ns; 0: there is no such unit. */
static uint64_t unit_of(const char *text, size_t len)
{
	if (len == 0 || (len == 2 && memcmp(text, "ms", 2) == 0)) {
		return NS_PER_MS;
	}
	if (len == 1 && text[0] == 's') {
		return NS_PER_S;
	}
	return len == 1 && text[0] == 'm' ? 60 * NS_PER_S : 0;
}

bool blx__setting_parse(
	enum blx__setting setting, const void *value, size_t len, uint64_t *ret_value)
{
	const char *text = value;
	uint64_t number;
	uint64_t unit;
	size_t digits;

	if (len > 0 && text[len - 1] == '\n') {
		len--; /* of echo */
	}
	digits = parse_digits(text, len, &number);
	if (digits == 0 || (!settings[setting].duration && digits != len)) {
		return false;
	}
	if (settings[setting].duration) {
		unit = unit_of(text + digits, len - digits);
		if (unit == 0 || number > DURATION_MAX_NS / unit) {
			return false;
		}
		number *= unit;
	}
	*ret_value = number;
	return true;
}

/* ---- in a tree ------------------------------------------------------------------ */

uint64_t blx__setting_of(const struct blx__tree *tree, enum blx__setting setting)
{
	uint8_t key[64] = CONFIG; /* and a 0 byte between the components */
	size_t len = strlen(settings[setting].name);
	uint64_t value = settings[setting].otherwise;
	const struct blx__item *item;

	memcpy(key + CONFIG_LEN + 1, settings[setting].name, len);
	item = blx__tree_get(tree, key, CONFIG_LEN + 1 + len);
	if (item != NULL) {
		(void)blx__setting_parse(setting, blx__item_value(item),
			blx__item_value_len(item), &value);
	}
	return value;
}

/* ---- in a transaction ----------------------------------------------------------- */

/* -1: it is no setting that anyone acts on. */
static int setting_of_key(const uint8_t *key, size_t key_len)
{
	int i;

	if (key_len <= CONFIG_LEN || memcmp(key, CONFIG, CONFIG_LEN) != 0 ||
		key[CONFIG_LEN] != BLX__KEY_SEPARATOR) {
		return -1;
	}
	for (i = 0; i < BLX__SETTINGS; i++) {
		if (key_len - CONFIG_LEN - 1 == strlen(settings[i].name) &&
			memcmp(key + CONFIG_LEN + 1, settings[i].name,
				strlen(settings[i].name)) == 0) {
			return i;
		}
	}
	return -1;
}

int blx__setting_put_check(const struct blx__txn_line *put, blx_error *error)
{
	int setting = setting_of_key(put->key, put->key_len);
	uint64_t value;

	if (setting < 0 || blx__setting_parse((enum blx__setting)setting, put->value,
				   put->value_len, &value)) {
		return 0;
	}
	return blx__error_set(error, BLX_EINVAL, "/" CONFIG "/%s: must be %s",
		settings[setting].name,
		settings[setting].duration ? "a duration of at most a day, like 5s, 500ms or 2m"
					   : "a decimal number; 0: no limit");
}
