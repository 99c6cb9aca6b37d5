/* SPDX-License-Identifier: Apache-2.0 */
#include "acks.h"

#include "memory.h"

#include <stdlib.h>

void sim_acks_finish(struct sim_acks *acks)
{
	free(acks->list);
	*acks = (struct sim_acks){0};
}

void sim_acks_add(struct sim_acks *acks, uint64_t at_ns, uint64_t revision)
{
	if (acks->count > 0 && acks->list[acks->count - 1].revision >= revision) {
		return;
	}
	if (acks->count == acks->cap) {
		acks->cap = acks->cap * 2 + 256;
		acks->list = sim_resize(acks->list, acks->cap * sizeof acks->list[0]);
	}
	acks->list[acks->count++] = (struct sim_ack){.at_ns = at_ns, .revision = revision};
}

uint64_t sim_acks_before(const struct sim_acks *acks, uint64_t at_ns)
{
	size_t low = 0;
	size_t high = acks->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (acks->list[middle].at_ns < at_ns) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 ? acks->list[low - 1].revision : 0;
}
