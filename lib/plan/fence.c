/* SPDX-License-Identifier: Apache-2.0 */
/* The one number that all of it rests on. */
#include "base/assert.h"
#include "plan/scene.h"

#define NS_PER_MS INT64_C(1000000)

int64_t blx__fence_ns(int64_t lease_ms, int64_t stop_ms, int64_t margin_ns)
{
	PRE(lease_ms >= 0 && stop_ms >= 0 && margin_ns >= 0);

	return (lease_ms + 2 * stop_ms) * NS_PER_MS / 4 * 5 + margin_ns;
}
