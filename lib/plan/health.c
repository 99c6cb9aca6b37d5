/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/health.h"

#include "record/settings.h"

#include <string.h>

#define NS_PER_S  INT64_C(1000000000)

struct blx__health_limits blx__health_limits_of(const struct blx__tree *tree)
{
	struct blx__health_limits limits = {
		.degraded_ns = (int64_t)blx__setting_of(tree, BLX__SETTING_DEGRADED_AFTER),
		.failed_ns = (int64_t)blx__setting_of(tree, BLX__SETTING_FAILED_AFTER)};

	if (limits.degraded_ns <= 0 || limits.failed_ns < limits.degraded_ns) {
		limits.degraded_ns =
			(int64_t)blx__setting_default(BLX__SETTING_DEGRADED_AFTER);
		limits.failed_ns = (int64_t)blx__setting_default(BLX__SETTING_FAILED_AFTER);
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
