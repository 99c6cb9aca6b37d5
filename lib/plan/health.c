/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/health.h"

#include "store/path.h"

#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* A day: more is a mistake. */
#define DURATION_MAX_NS (86400 * NS_PER_S)

/* As keys: a 0 byte between the components. */
#define DEGRADED_KEY ":config\0health.degraded_after"
#define FAILED_KEY   ":config\0health.failed_after"

/* What a number of this unit is in ns; 0: there is no such unit. */
static int64_t unit_of(const char *text, size_t len)
{
	if (len == 0 || (len == 2 && memcmp(text, "ms", 2) == 0)) {
		return NS_PER_MS;
	}
	if (len == 1 && text[0] == 's') {
		return NS_PER_S;
	}
	return len == 1 && text[0] == 'm' ? 60 * NS_PER_S : 0;
}

bool blx__duration_parse(const char *text, size_t len, int64_t *ret_ns)
{
	int64_t number = 0;
	int64_t unit;
	size_t i;

	if (len > 0 && text[len - 1] == '\n') {
		len--; /* of echo */
	}
	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9' && number <= DURATION_MAX_NS;
		i++) {
		number = number * 10 + (text[i] - '0');
	}
	unit = unit_of(text + i, len - i);
	if (i == 0 || unit == 0 || number > DURATION_MAX_NS / unit) {
		return false;
	}
	*ret_ns = number * unit;
	return true;
}

static int64_t setting(const struct blx__tree *tree, const char *key, size_t len, int64_t otherwise)
{
	const struct blx__item *item = blx__tree_get(tree, (const uint8_t *)key, len);
	int64_t ns;

	if (item == NULL || !blx__duration_parse((const char *)blx__item_value(item),
				    blx__item_value_len(item), &ns)) {
		return otherwise;
	}
	return ns;
}

struct blx__health_limits blx__health_limits_of(const struct blx__tree *tree)
{
	struct blx__health_limits limits = {
		.degraded_ns = setting(tree, DEGRADED_KEY, sizeof DEGRADED_KEY - 1,
			BLX__HEALTH_DEGRADED_NS),
		.failed_ns = setting(
			tree, FAILED_KEY, sizeof FAILED_KEY - 1, BLX__HEALTH_FAILED_NS)};

	if (limits.degraded_ns <= 0 || limits.failed_ns < limits.degraded_ns) {
		limits.degraded_ns = BLX__HEALTH_DEGRADED_NS;
		limits.failed_ns = BLX__HEALTH_FAILED_NS;
	}
	return limits;
}

int blx__health_of(const struct blx__health_limits *limits, int64_t age_ns)
{
	if (age_ns < limits->degraded_ns) {
		return BLX_HEALTH_HEALTHY;
	}
	return age_ns < limits->failed_ns ? BLX_HEALTH_DEGRADED : BLX_HEALTH_FAILED;
}

/* A node that an operator drains is that as long as it lives. */
static int status_of(int health, int draining)
{
	if (health == BLX_HEALTH_FAILED) {
		return BLX_NODE_FAILED;
	}
	return draining ? BLX_NODE_DRAINING : BLX_NODE_ACTIVE;
}

bool blx__health_change(const struct blx__health_limits *limits, int64_t age_ns,
	int64_t time_ns, blx_node_info *info)
{
	int health = blx__health_of(limits, age_ns);
	int status = status_of(health, info->draining);

	if (health == info->health && status == info->status) {
		return false;
	}
	info->health = health;
	info->status = status;
	info->timestamp = time_ns;
	info->last_heartbeat = (time_ns - age_ns) / NS_PER_S;
	return true;
}
