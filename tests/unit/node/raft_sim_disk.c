/* SPDX-License-Identifier: Apache-2.0 */
#include "raft_sim.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/conf.h"

#include <string.h>

raft_index raft_sim_disk_last(const struct raft_sim_disk *disk)
{
	return disk->start + disk->count - 1;
}

void raft_sim_disk_add(struct raft_sim_disk *disk, const struct raft_entry *entry)
{
	struct raft_sim_entry *added;

	if (disk->count == disk->cap) {
		disk->cap = disk->cap == 0 ? 64 : 2 * disk->cap;
		disk->entries =
			blx__realloc(disk->entries, disk->cap * sizeof *disk->entries);
		INVARIANT(disk->entries != NULL);
	}
	added = &disk->entries[disk->count++];
	*added = (struct raft_sim_entry){.term = entry->term,
		.type = entry->type,
		.len = entry->buf.len,
		.data = blx__memdup(entry->buf.base, entry->buf.len)};
	INVARIANT(added->data != NULL);
}

void raft_sim_disk_drop_last(struct raft_sim_disk *disk, size_t count)
{
	while (disk->count > count) {
		blx__free(disk->entries[--disk->count].data);
	}
}

void raft_sim_disk_drop_first(struct raft_sim_disk *disk, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		blx__free(disk->entries[i].data);
	}
	disk->count -= count;
	disk->start += count;
	memmove(disk->entries, disk->entries + count,
		disk->count * sizeof *disk->entries);
}

void raft_sim_disk_finish(struct raft_sim_disk *disk)
{
	raft_sim_disk_drop_last(disk, 0);
	blx__free(disk->entries);
	if (disk->snapshot.index != 0) {
		raft_configuration_close(&disk->snapshot.conf);
	}
	*disk = (struct raft_sim_disk){0};
}

void raft_sim_disk_store(struct raft_sim_disk *disk, const struct raft_snapshot *snapshot)
{
	struct raft_sim_snapshot *stored = &disk->snapshot;

	if (stored->index != 0) {
		raft_configuration_close(&stored->conf);
	}
	stored->index = snapshot->index;
	stored->term = snapshot->term;
	stored->conf_index = snapshot->configuration_index;
	INVARIANT(blx__conf_copy(&snapshot->configuration, &stored->conf) == 0);
	INVARIANT(snapshot->n_bufs == 1 && snapshot->bufs[0].len == sizeof stored->state);
	memcpy(&stored->state, snapshot->bufs[0].base, sizeof stored->state);
}
