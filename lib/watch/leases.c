/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/leases.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "machine/lease_record.h"

#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define MIX       UINT64_C(0x9e3779b97f4a7c15)

enum lease_state {
	LEASE_RUNS,
	LEASE_OVER, /* its time is, and nobody was told yet */
	LEASE_TOLD  /* it is being ended */
};

struct lease {
	struct blx__table_link link;
	uint64_t id;
	uint64_t revision;
	uint64_t period_ns;
	uint64_t until_ns; /* by the clock that counts */
	enum lease_state state;
};

static struct lease *lease_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct lease, link);
}

static uint64_t hash_of(uint64_t id)
{
	return (id ^ id >> 32) * MIX;
}

static struct lease *find(const struct blx__leases *leases, uint64_t id)
{
	struct blx__table_link *link = blx__table_find(&leases->table, hash_of(id));

	while (link != NULL && lease_of(link)->id != id) {
		link = blx__table_find_next(link);
	}
	return link != NULL ? lease_of(link) : NULL;
}

static void drop(struct blx__leases *leases, struct lease *lease)
{
	blx__table_remove(&leases->table, &lease->link);
	blx__free(lease);
}

void blx__leases_finish(struct blx__leases *leases)
{
	struct blx__table_link *link;
	size_t at = 0;

	while ((link = blx__table_first(&leases->table, &at)) != NULL) {
		drop(leases, lease_of(link));
	}
	blx__table_finish(&leases->table);
	*leases = (struct blx__leases){0};
}

/* ---- which there are ------------------------------------------------------------ */

static void run(struct blx__leases *leases, struct lease *lease)
{
	lease->state = LEASE_RUNS;
	lease->until_ns = leases->clock_ns + lease->period_ns;
	if (lease->until_ns < leases->next_ns) {
		leases->next_ns = lease->until_ns;
	}
}

/* One that is written anew begins anew. */
static int take_in(struct blx__leases *leases, const struct blx__item *item, uint64_t id)
{
	struct lease *lease = find(leases, id);
	uint64_t ttl_ms;
	int rv = blx__lease_ttl(blx__item_value(item), item->value_len, &ttl_ms);

	if (rv != 0) {
		/* What is no lease was refused before it could be logged; it has no end. */
		return rv == BLX_EINVAL ? 0 : rv;
	}
	if (lease == NULL) {
		lease = blx__calloc(1, sizeof *lease);
		if (lease == NULL ||
			blx__table_add(&leases->table, &lease->link, hash_of(id)) != 0) {
			blx__free(lease);
			return BLX_ENOMEM;
		}
		lease->id = id;
	}
	lease->revision = item->mod_revision;
	lease->period_ns = (ttl_ms + ttl_ms / BLX__LEASE_DRIFT_PART) * NS_PER_MS;
	run(leases, lease);
	return 0;
}

int blx__leases_begin(
	struct blx__leases *leases, const struct blx__tree *tree, uint64_t revision)
{
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, tree,
		(const uint8_t *)BLX__LEASES_DIR, BLX__LEASES_DIR_LEN);
	int rv = 0;

	blx__leases_finish(leases);
	leases->seen = revision;
	leases->next_ns = UINT64_MAX;
	for (; rv == 0 && blx__item_begins(item, BLX__LEASES_DIR, BLX__LEASES_DIR_LEN);
		item = blx__cursor_next(&cursor)) {
		uint64_t id;

		if (blx__lease_key_is(blx__item_key(item), item->key_len, &id)) {
			rv = take_in(leases, item, id);
		}
	}
	if (rv != 0) {
		blx__leases_finish(leases);
	}
	return rv;
}

static int take_change(struct blx__leases *leases, const struct blx__change *change)
{
	const struct blx__item *item =
		change->new_item != NULL ? change->new_item : change->old_item;
	struct lease *lease;
	uint64_t id;

	if (!blx__lease_key_is(blx__item_key(item), item->key_len, &id)) {
		return 0;
	}
	if (change->new_item != NULL) {
		return take_in(leases, change->new_item, id);
	}
	lease = find(leases, id);
	if (lease != NULL) {
		drop(leases, lease);
	}
	return 0;
}

int blx__leases_follow(struct blx__leases *leases, const struct blx__history *history)
{
	int rv = 0;

	if (leases->seen < blx__history_floor(history)) {
		return BLX_ECOMPACTED;
	}
	while (rv == 0 && leases->seen < blx__history_last(history)) {
		size_t count;
		const struct blx__change *changes =
			blx__history_at(history, leases->seen + 1, &count);
		size_t i;

		for (i = 0; rv == 0 && i < count; i++) {
			rv = take_change(leases, &changes[i]);
		}
		leases->seen++;
	}
	return rv;
}

/* ---- when each is due ----------------------------------------------------------- */

void blx__leases_pass(struct blx__leases *leases, uint64_t ns)
{
	leases->clock_ns += ns;
}

bool blx__leases_keep(struct blx__leases *leases, uint64_t id)
{
	struct lease *lease = find(leases, id);

	if (lease == NULL || lease->state == LEASE_TOLD) {
		return false;
	}
	run(leases, lease);
	return true;
}

bool blx__leases_has(const struct blx__leases *leases, uint64_t id)
{
	return find(leases, id) != NULL;
}

/* True: it is to be told. */
static bool look(struct blx__leases *leases, struct lease *lease)
{
	if (lease->state == LEASE_TOLD) {
		return false;
	}
	if (lease->until_ns > leases->clock_ns) {
		if (lease->until_ns < leases->next_ns) {
			leases->next_ns = lease->until_ns;
		}
		return false;
	}
	leases->next_ns = leases->clock_ns; /* look again at the next call */
	if (lease->state == LEASE_RUNS) {
		lease->state = LEASE_OVER;
		return false;
	}
	return true;
}

size_t blx__leases_due(
	struct blx__leases *leases, struct blx__lease_due *ret_due, size_t max)
{
	struct blx__table_link *link;
	size_t count = 0;
	size_t at = 0;

	if (leases->clock_ns < leases->next_ns) {
		return 0;
	}
	leases->next_ns = UINT64_MAX;
	for (; (link = blx__table_first(&leases->table, &at)) != NULL; at++) {
		for (; link != NULL; link = link->next) {
			struct lease *lease = lease_of(link);

			if (look(leases, lease) && count < max) {
				lease->state = LEASE_TOLD;
				ret_due[count++] = (struct blx__lease_due){
					.id = lease->id, .revision = lease->revision};
			}
		}
	}
	return count;
}

void blx__leases_again(struct blx__leases *leases, uint64_t id)
{
	struct lease *lease = find(leases, id);

	if (lease != NULL && lease->state == LEASE_TOLD) {
		lease->state = LEASE_OVER;
		leases->next_ns = 0;
	}
}
