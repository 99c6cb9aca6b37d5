/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"

#include <string.h>

#define BUCKETS_MIN 16

/* Odd constants with about half their bits set. */
#define MIX_A UINT64_C(0x9e3779b97f4a7c15)
#define MIX_B UINT64_C(0xbf58476d1ce4e5b9)

void blx__table_finish(struct blx__table *table)
{
	blx__free(table->buckets);
	*table = (struct blx__table){0};
}

static struct blx__table_link **bucket_of(const struct blx__table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->buckets_count - 1)];
}

static void push(struct blx__table *table, struct blx__table_link *link)
{
	struct blx__table_link **bucket = bucket_of(table, link->hash);

	link->next = *bucket;
	link->at = bucket;
	if (link->next != NULL) {
		link->next->at = &link->next;
	}
	*bucket = link;
}

static void pull(struct blx__table_link *link)
{
	*link->at = link->next;
	if (link->next != NULL) {
		link->next->at = link->at;
	}
	link->next = NULL;
	link->at = NULL;
}

static int grow(struct blx__table *table)
{
	struct blx__table bigger = {
		.buckets_count = table->buckets_count == 0 ? BUCKETS_MIN
							   : 2 * table->buckets_count,
		.count = table->count};
	size_t i;

	bigger.buckets = blx__calloc(bigger.buckets_count, sizeof(struct blx__table_link *));
	if (bigger.buckets == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < table->buckets_count; i++) {
		while (table->buckets[i] != NULL) {
			struct blx__table_link *link = table->buckets[i];

			pull(link);
			push(&bigger, link);
		}
	}
	blx__free(table->buckets);
	*table = bigger;
	return 0;
}

int blx__table_add(struct blx__table *table, struct blx__table_link *link, uint64_t hash)
{
	if (table->count >= table->buckets_count && grow(table) != 0 &&
		table->buckets_count == 0) {
		return BLX_ENOMEM;
	}
	link->hash = hash;
	push(table, link);
	table->count++;
	return 0;
}

void blx__table_remove(struct blx__table *table, struct blx__table_link *link)
{
	PRE(link->at != NULL && table->count > 0);

	pull(link);
	table->count--;
}

static struct blx__table_link *of_hash(struct blx__table_link *link, uint64_t hash)
{
	while (link != NULL && link->hash != hash) {
		link = link->next;
	}
	return link;
}

struct blx__table_link *blx__table_find(const struct blx__table *table, uint64_t hash)
{
	return table->count == 0 ? NULL : of_hash(*bucket_of(table, hash), hash);
}

struct blx__table_link *blx__table_find_next(const struct blx__table_link *link)
{
	return of_hash(link->next, link->hash);
}

struct blx__table_link *blx__table_first(const struct blx__table *table, size_t *at)
{
	while (*at < table->buckets_count && table->buckets[*at] == NULL) {
		++*at;
	}
	return *at < table->buckets_count ? table->buckets[*at] : NULL;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * MIX_B;
	return hash ^ hash >> 29;
}

uint64_t blx__table_hash(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t hash = (uint64_t)len * MIX_A;
	uint8_t last[8] = {0};

	for (; len >= 8; p += 8, len -= 8) {
		hash = mix(hash, blx__load_u64(p));
	}
	if (len > 0) {
		memcpy(last, p, len);
	}
	hash = mix(mix(hash, blx__load_u64(last)), MIX_A);
	return hash ^ hash >> 32;
}
