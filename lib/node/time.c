/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's time, as a member sees it: entries carry it, and it never goes back. */
#include "node/impl.h"

int64_t blx__node_time_ms(struct blx__node *node)
{
	int64_t wall_ms = blx__wall_ms(node->env);
	int64_t time_ms = blx__machine_time_ms(node->machine);

	return wall_ms > time_ms ? wall_ms : time_ms;
}
