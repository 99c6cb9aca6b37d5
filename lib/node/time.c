/* SPDX-License-Identifier: Apache-2.0 */
/* What members think of their clocks. */
#include "node/impl.h"

/* Entries carry it, and so it never goes back. */
int64_t blx__node_time_ms(struct blx__node *node)
{
	int64_t wall_ms = blx__wall_ms(node->env);
	int64_t time_ms = blx__machine_time_ms(node->machine);

	return wall_ms > time_ms ? wall_ms : time_ms;
}

uint64_t blx__read_lease_ns(uint32_t promise_ms)
{
	return (uint64_t)promise_ms * 1000000 * 3 / 4;
}
