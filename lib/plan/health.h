/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health of nodes, from when each was last heard by the leader's monotonic clock:
 * less than degraded_after ago it is Healthy, less than failed_after ago Degraded, and
 * Failed otherwise. What is told is what changes. Pure.
 */
#ifndef BLX_PLAN_HEALTH_H
#define BLX_PLAN_HEALTH_H

#include "base/error.h"
#include "store/tree.h"

#include <blixard/record.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__health_limits {
	int64_t degraded_ns;
	int64_t failed_ns;
};

/* As /:config/health.degraded_after and health.failed_after say ("5s", "500ms", or ms), or
 * the defaults; what is no duration, or the wrong way round, counts as not set. */
struct blx__health_limits blx__health_limits_of(const struct blx__tree *tree);

int blx__health_of(const struct blx__health_limits *limits, int64_t age_ns);

/* What the record becomes when the node was last heard so long ago. False: it stays as it
 * is. time_ns: of now, for its timestamp. */
bool blx__health_change(const struct blx__health_limits *limits, int64_t age_ns,
	int64_t time_ns, blx_node_info *info);

#endif
