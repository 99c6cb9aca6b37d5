/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table whose links are inside its elements. It finds the elements of a
 * hash, whoever asks compares them; several may have the same. Pure; a zeroed
 * one is empty.
 */
#ifndef BLX_BASE_TABLE_H
#define BLX_BASE_TABLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct blx__table_link {
	struct blx__table_link *next;
	struct blx__table_link **at; /* what points here; NULL: it is in no table */
	uint64_t hash;
};

struct blx__table {
	struct blx__table_link **buckets; /* owned */
	size_t buckets_count;             /* 0 or a power of two */
	size_t count;
};

/* Frees the buckets; the elements are their owner's. */
void blx__table_finish(struct blx__table *table);

/* BLX_ENOMEM: only while it has no buckets at all; one that cannot grow gets slower. */
int blx__table_add(struct blx__table *table, struct blx__table_link *link, uint64_t hash);
void blx__table_remove(struct blx__table *table, struct blx__table_link *link);

/* The first element of the hash, and the one after an element; NULL: no more. */
struct blx__table_link *blx__table_find(const struct blx__table *table, uint64_t hash);
struct blx__table_link *blx__table_find_next(const struct blx__table_link *link);

/* All of them, in no order: the first one at or behind a bucket, from 0. */
struct blx__table_link *blx__table_first(const struct blx__table *table, size_t *at);

uint64_t blx__table_hash(const void *data, size_t len);

#endif
