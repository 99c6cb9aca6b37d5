/* SPDX-License-Identifier: Apache-2.0 */
#include "wal/loaded.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

/* Bytes of entries are gathered in pieces so large, or as large as one entry. */
#define CHUNK_SIZE ((size_t)256 * 1024)

struct blx__wal_chunk {
	struct blx__wal_chunk *next;
	size_t len;
	size_t cap;
	uint8_t data[];
};

static void chunks_free(struct blx__wal_chunk *chunk)
{
	while (chunk != NULL) {
		struct blx__wal_chunk *next = chunk->next;

		blx__free(chunk);
		chunk = next;
	}
}

static void *chunk_copy(struct blx__wal_loaded *loaded, const void *data, size_t len)
{
	struct blx__wal_chunk *chunk = loaded->chunks;
	void *copy;

	if (chunk == NULL || chunk->cap - chunk->len < len) {
		size_t cap = len > CHUNK_SIZE ? len : CHUNK_SIZE;

		chunk = blx__malloc(sizeof *chunk + cap);
		if (chunk == NULL) {
			return NULL;
		}
		*chunk = (struct blx__wal_chunk){.next = loaded->chunks, .cap = cap};
		loaded->chunks = chunk;
	}
	copy = chunk->data + chunk->len;
	if (len > 0) {
		memcpy(copy, data, len);
	}
	chunk->len += (len + 7) / 8 * 8 < chunk->cap - chunk->len
			      ? (len + 7) / 8 * 8
			      : chunk->cap - chunk->len;
	return copy;
}

void blx__wal_loaded_restart(struct blx__wal_loaded *loaded, uint64_t index)
{
	chunks_free(loaded->chunks);
	loaded->chunks = NULL;
	loaded->gone = 0;
	loaded->count = 0;
	loaded->first = index;
}

int blx__wal_loaded_append(
	struct blx__wal_loaded *loaded, const struct blx__wal_entry *entry)
{
	size_t at = loaded->gone + loaded->count;
	struct blx__wal_entry copy = *entry;

	PRE(entry->index == loaded->first + loaded->count);

	if (at == loaded->cap) {
		size_t cap = at == 0 ? 256 : 2 * at;
		struct blx__wal_entry *entries =
			blx__realloc(loaded->entries, cap * sizeof *entries);

		if (entries == NULL) {
			return BLX_ENOMEM;
		}
		loaded->entries = entries;
		loaded->cap = cap;
	}
	copy.data = chunk_copy(loaded, entry->data, entry->len);
	if (copy.data == NULL) {
		return BLX_ENOMEM;
	}
	loaded->entries[at] = copy;
	loaded->count++;
	return 0;
}

void blx__wal_loaded_truncate(struct blx__wal_loaded *loaded, uint64_t index)
{
	if (index <= loaded->first) {
		blx__wal_loaded_restart(loaded, index);
	} else if (index - loaded->first < loaded->count) {
		loaded->count = (size_t)(index - loaded->first);
	}
}

void blx__wal_loaded_drop_before(struct blx__wal_loaded *loaded, uint64_t index)
{
	size_t drop;

	if (index <= loaded->first) {
		return;
	}
	if (index - loaded->first >= loaded->count) {
		blx__wal_loaded_restart(loaded, loaded->first + loaded->count);
		return;
	}
	drop = (size_t)(index - loaded->first);
	loaded->gone += drop;
	loaded->count -= drop;
	loaded->first = index;
}

void blx__wal_loaded_finish(struct blx__wal_loaded *loaded)
{
	chunks_free(loaded->chunks);
	blx__free(loaded->entries);
	*loaded = (struct blx__wal_loaded){0};
}

int blx__wal_loaded_take(struct blx__wal_loaded *loaded,
	const struct blx__wal_group *group, struct blx__wal_state *ret_state)
{
	void *meta = NULL;

	if (group->has_snapshot) {
		meta = blx__memdup(group->meta, group->meta_len);
		if (meta == NULL) {
			return BLX_ENOMEM;
		}
	}
	if (loaded->count > 0) {
		memmove(loaded->entries, loaded->entries + loaded->gone,
			loaded->count * sizeof *loaded->entries);
	}
	*ret_state = (struct blx__wal_state){.term = group->term,
		.vote = group->vote,
		.has_snapshot = group->has_snapshot,
		.snapshot_index = group->snapshot_index,
		.snapshot_term = group->snapshot_term,
		.snapshot_meta = meta,
		.snapshot_meta_len = group->has_snapshot ? group->meta_len : 0,
		.first_index = group->first,
		.count = loaded->count,
		.entries = loaded->entries,
		.arena = loaded->chunks};
	*loaded = (struct blx__wal_loaded){0};
	return 0;
}

void blx__wal_state_finish(struct blx__wal_state *state)
{
	chunks_free(state->arena);
	blx__free(state->entries);
	blx__free(state->snapshot_meta);
	*state = (struct blx__wal_state){0};
}
