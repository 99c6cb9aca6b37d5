/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include "base/crc32c.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

void sim_feed_finish(struct sim_feed *feed)
{
	free(feed->digests);
}

static uint64_t mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 31;
}

static uint64_t mix_bytes(uint64_t digest, const uint8_t *bytes, size_t len)
{
	if (bytes == NULL) {
		return mix(digest, UINT64_MAX);
	}
	return mix(digest, (uint64_t)blx__crc32c(0, bytes, len) << 32 | len);
}

uint64_t sim_feed_mix(uint64_t digest, const struct blx__watch_event *event)
{
	digest = mix(digest, event->is_delete + 2u);
	digest = mix(digest, event->create_revision);
	digest = mix(digest, event->version);
	digest = mix(digest, event->prev_revision);
	digest = mix_bytes(digest, event->key, event->key_len);
	digest = mix_bytes(digest, event->value, event->value_len);
	digest = mix_bytes(digest, event->prev, event->prev_len);
	return mix_bytes(digest, event->cause, event->cause_len) | 1;
}

static struct blx__watch_event event_of(const struct blx__change *change)
{
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	struct blx__watch_event event = {.is_delete = change->new_item == NULL,
		.create_revision = item->create_revision,
		.version = item->version,
		.key = blx__item_key(item),
		.key_len = item->key_len};

	if (change->new_item != NULL) {
		event.value = blx__item_value(item);
		event.value_len = item->value_len;
	}
	if (change->old_item != NULL) {
		event.prev_revision = change->old_item->mod_revision;
		event.prev = blx__item_value(change->old_item);
		event.prev_len = change->old_item->value_len;
	}
	if (change->cause != NULL) {
		event.cause = blx__item_key(change->cause);
		event.cause_len = change->cause->key_len;
	}
	return event;
}

void sim_feed_add(
	struct sim_feed *feed, const struct blx__history *history, uint64_t revision)
{
	const struct blx__change *changes;
	size_t count;
	size_t i;

	if (revision >= feed->size) {
		size_t size = (size_t)(revision + 1) * 2 + 256;

		feed->digests = sim_resize(feed->digests, size * sizeof feed->digests[0]);
		memset(feed->digests + feed->size, 0,
			(size - feed->size) * sizeof feed->digests[0]);
		feed->size = size;
	}
	changes = blx__history_at(history, revision, &count);
	feed->digests[revision] = 0;
	for (i = 0; i < count; i++) {
		struct blx__watch_event event = event_of(&changes[i]);

		feed->digests[revision] = sim_feed_mix(feed->digests[revision], &event);
	}
	feed->last = revision > feed->last ? revision : feed->last;
}

uint64_t sim_feed_digest(const struct sim_feed *feed, uint64_t revision)
{
	return revision < feed->size ? feed->digests[revision] : 0;
}
