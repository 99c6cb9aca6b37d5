/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/callers.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"
#include "machine/caller.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* ---- pages -------------------------------------------------------------------- */

static void page_unref(struct blx__callers_page *page)
{
	unsigned i;

	if (atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) != 1) {
		return;
	}
	for (i = 0; i < BLX__CALLERS_PAGE; i++) {
		if (page->slots[i] != NULL) {
			blx__caller_unref(page->slots[i]);
		}
	}
	blx__free(page);
}

static struct blx__callers_page *page_create(void)
{
	struct blx__callers_page *page = blx__calloc(1, sizeof *page);

	if (page != NULL) {
		page->refs = 1;
	}
	return page;
}

static int page_own(struct blx__callers_page **slot)
{
	struct blx__callers_page *copy;
	unsigned i;

	if (atomic_load_explicit(&(*slot)->refs, memory_order_acquire) == 1) {
		return 0;
	}
	copy = page_create();
	if (copy == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < BLX__CALLERS_PAGE; i++) {
		copy->slots[i] = (*slot)->slots[i];
		if (copy->slots[i] != NULL) {
			blx__caller_ref(copy->slots[i]);
		}
	}
	page_unref(*slot);
	*slot = copy;
	return 0;
}

static struct blx__caller *caller_at(const struct blx__callers_set *set, uint32_t slot)
{
	return set->pages[slot / BLX__CALLERS_PAGE]->slots[slot % BLX__CALLERS_PAGE];
}

/* The session in the slot, to be changed: a copy if an image has it. */
static int caller_own(
	struct blx__callers_set *set, uint32_t slot, struct blx__caller **ret)
{
	struct blx__callers_page **page = &set->pages[slot / BLX__CALLERS_PAGE];
	struct blx__caller **place;
	struct blx__caller *copy;
	int rv = page_own(page);

	if (rv != 0) {
		return rv;
	}
	place = &(*page)->slots[slot % BLX__CALLERS_PAGE];
	if (atomic_load_explicit(&(*place)->refs, memory_order_acquire) != 1) {
		copy = blx__caller_copy(*place);
		if (copy == NULL) {
			return BLX_ENOMEM;
		}
		blx__caller_unref(*place);
		*place = copy;
	}
	*ret = *place;
	return 0;
}

static int set_grow(struct blx__callers_set *set)
{
	struct blx__callers_page **pages =
		blx__realloc(set->pages, (set->pages_count + 1) * sizeof *set->pages);

	if (pages == NULL) {
		return BLX_ENOMEM;
	}
	set->pages = pages;
	pages[set->pages_count] = page_create();
	if (pages[set->pages_count] == NULL) {
		return BLX_ENOMEM;
	}
	set->pages_count++;
	return 0;
}

void blx__callers_set_finish(struct blx__callers_set *set)
{
	size_t i;

	for (i = 0; i < set->pages_count; i++) {
		page_unref(set->pages[i]);
	}
	blx__free(set->pages);
	*set = (struct blx__callers_set){.pages = NULL};
}

int blx__callers_pin(const struct blx__callers *callers, struct blx__callers_set *ret_set)
{
	struct blx__callers_set set = callers->set;
	size_t i;

	set.pages = blx__malloc(set.pages_count * sizeof *set.pages + 1);
	if (set.pages == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < set.pages_count; i++) {
		set.pages[i] = callers->set.pages[i];
		(void)atomic_fetch_add_explicit(
			&set.pages[i]->refs, 1, memory_order_relaxed);
	}
	*ret_set = set;
	return 0;
}

/* ---- the index by id -------------------------------------------------------------- */

static size_t bucket_of(const struct blx__callers *callers, uint64_t id)
{
	uint64_t hash = (id ^ id >> 32) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(hash >> 20) & (callers->buckets_count - 1);
}

static uint32_t index_find(const struct blx__callers *callers, uint64_t id)
{
	size_t i;

	if (callers->buckets_count == 0) {
		return NONE;
	}
	for (i = bucket_of(callers, id); callers->buckets[i] != 0;
		i = (i + 1) & (callers->buckets_count - 1)) {
		uint32_t slot = callers->buckets[i] - 1;

		if (caller_at(&callers->set, slot)->id == id) {
			return slot;
		}
	}
	return NONE;
}

static void index_add(struct blx__callers *callers, uint64_t id, uint32_t slot)
{
	size_t i = bucket_of(callers, id);

	while (callers->buckets[i] != 0) {
		i = (i + 1) & (callers->buckets_count - 1);
	}
	callers->buckets[i] = slot + 1;
}

/* The slot still holds the session. What follows in the run moves up where it may. */
static void index_remove(struct blx__callers *callers, uint32_t slot)
{
	size_t mask = callers->buckets_count - 1;
	size_t hole = bucket_of(callers, caller_at(&callers->set, slot)->id);
	size_t i;

	while (callers->buckets[hole] != slot + 1) {
		hole = (hole + 1) & mask;
	}
	for (i = (hole + 1) & mask; callers->buckets[i] != 0; i = (i + 1) & mask) {
		size_t home = bucket_of(
			callers, caller_at(&callers->set, callers->buckets[i] - 1)->id);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			callers->buckets[hole] = callers->buckets[i];
			hole = i;
		}
	}
	callers->buckets[hole] = 0;
}

/* ---- the order of use -------------------------------------------------------------- */

static void use_remove(struct blx__callers *callers, uint32_t slot)
{
	struct blx__callers_links *links = &callers->links[slot];

	if (links->prev != NONE) {
		callers->links[links->prev].next = links->next;
	} else {
		callers->oldest = links->next;
	}
	if (links->next != NONE) {
		callers->links[links->next].prev = links->prev;
	} else {
		callers->newest = links->prev;
	}
}

static void use_add(struct blx__callers *callers, uint32_t slot)
{
	callers->links[slot] =
		(struct blx__callers_links){.prev = callers->newest, .next = NONE};
	if (callers->newest != NONE) {
		callers->links[callers->newest].next = slot;
	} else {
		callers->oldest = slot;
	}
	callers->newest = slot;
}

/* ---- slots --------------------------------------------------------------------------
 */

static void slot_free(struct blx__callers *callers, uint32_t slot)
{
	callers->links[slot].next = callers->free;
	callers->free = slot;
}

/* Room in the index and the links for a page more. */
static int index_grow(struct blx__callers *callers)
{
	size_t slots = (callers->set.pages_count + 1) * BLX__CALLERS_PAGE;
	size_t buckets_count = callers->buckets_count > 0 ? callers->buckets_count : 64;
	struct blx__callers_links *links =
		blx__realloc(callers->links, slots * sizeof *links);
	uint32_t *buckets;
	uint32_t slot;

	if (links == NULL) {
		return BLX_ENOMEM;
	}
	callers->links = links;
	while (buckets_count < 2 * slots) {
		buckets_count *= 2;
	}
	if (buckets_count == callers->buckets_count) {
		return 0;
	}
	buckets = blx__calloc(buckets_count, sizeof *buckets);
	if (buckets == NULL) {
		return BLX_ENOMEM;
	}
	blx__free(callers->buckets);
	callers->buckets = buckets;
	callers->buckets_count = buckets_count;
	for (slot = callers->oldest; slot != NONE; slot = callers->links[slot].next) {
		index_add(callers, caller_at(&callers->set, slot)->id, slot);
	}
	return 0;
}

static int slots_grow(struct blx__callers *callers)
{
	uint32_t first = (uint32_t)(callers->set.pages_count * BLX__CALLERS_PAGE);
	uint32_t i;
	int rv = index_grow(callers);

	if (rv == 0) {
		rv = set_grow(&callers->set);
	}
	for (i = 0; rv == 0 && i < BLX__CALLERS_PAGE; i++) {
		slot_free(callers, first + BLX__CALLERS_PAGE - 1 - i);
	}
	return rv;
}

static int forget(struct blx__callers *callers, uint32_t slot)
{
	struct blx__callers_page **page = &callers->set.pages[slot / BLX__CALLERS_PAGE];
	struct blx__caller *caller;
	int rv = page_own(page);

	if (rv != 0) {
		return rv;
	}
	caller = caller_at(&callers->set, slot);
	use_remove(callers, slot);
	index_remove(callers, slot);
	callers->set.hash -= blx__caller_hash(caller);
	callers->set.count--;
	(*page)->slots[slot % BLX__CALLERS_PAGE] = NULL;
	blx__caller_unref(caller);
	slot_free(callers, slot);
	return 0;
}

/* ---- the whole -----------------------------------------------------------------------
 */

void blx__callers_init(struct blx__callers *callers)
{
	*callers = (struct blx__callers){
		.oldest = NONE, .newest = NONE, .free = NONE, .max = BLX__SESSIONS_MAX};
}

void blx__callers_finish(struct blx__callers *callers)
{
	blx__callers_set_finish(&callers->set);
	blx__free(callers->links);
	blx__free(callers->buckets);
	blx__callers_init(callers);
}

static bool is_forgotten_at(const struct blx__caller *caller, int64_t time_ms)
{
	int64_t last =
		caller->used_ms > caller->born_ms ? caller->used_ms : caller->born_ms;

	return time_ms - last > BLX__SESSION_TTL_MS;
}

/* From the one that was used longest ago on. One whose caller's clock is ahead holds up
 * those behind it for a while, on every member alike. */
int blx__callers_expire(struct blx__callers *callers, int64_t time_ms)
{
	int rv = 0;

	while (rv == 0 && callers->oldest != NONE &&
		is_forgotten_at(caller_at(&callers->set, callers->oldest), time_ms)) {
		rv = forget(callers, callers->oldest);
	}
	return rv;
}

static void refuse(struct blx__reply *ret_reply, int code)
{
	*ret_reply = (struct blx__reply){.code = code};
}

/* May a session of this birth be begun now? Not if it may have been here and forgotten.
 * The floor is 0 in the beginning, so one born at time 0 is never let in: none that is
 * evicted may be above the floor that it leaves behind. */
static bool may_begin(const struct blx__callers *callers,
	const struct blx__command *command, int64_t time_ms)
{
	int64_t born = (int64_t)command->session_born_ms;

	return born >= time_ms - BLX__SESSION_TTL_MS && born > callers->set.floor_ms &&
	       born - BLX__SESSION_TTL_MS <= time_ms;
}

static int evict_oldest(struct blx__callers *callers)
{
	int64_t born = caller_at(&callers->set, callers->oldest)->born_ms;
	int rv = forget(callers, callers->oldest);

	if (rv == 0 && born > callers->set.floor_ms) {
		callers->set.floor_ms = born;
	}
	return rv;
}

static int begin_new(struct blx__callers *callers, const struct blx__command *command,
	uint32_t *ret_slot)
{
	struct blx__callers_page **page;
	struct blx__caller *caller;
	uint32_t slot;
	int rv = 0;

	if (callers->set.count >= callers->max) {
		rv = evict_oldest(callers);
	}
	if (rv == 0 && callers->free == NONE) {
		rv = slots_grow(callers);
	}
	if (rv != 0) {
		return rv;
	}
	slot = callers->free;
	page = &callers->set.pages[slot / BLX__CALLERS_PAGE];
	caller = blx__caller_create(command->session, (int64_t)command->session_born_ms);
	if (caller == NULL || page_own(page) != 0) {
		if (caller != NULL) {
			blx__caller_unref(caller);
		}
		return BLX_ENOMEM;
	}
	callers->free = callers->links[slot].next;
	(*page)->slots[slot % BLX__CALLERS_PAGE] = caller;
	callers->set.count++;
	callers->set.hash += blx__caller_hash(caller);
	index_add(callers, caller->id, slot);
	use_add(callers, slot);
	*ret_slot = slot;
	return 0;
}

static enum blx__callers_verdict look_up_reply(
	const struct blx__caller *caller, uint64_t seq, struct blx__reply *ret_reply)
{
	const struct blx__kept_reply *kept;

	if (seq < caller->acked) {
		refuse(ret_reply, BLX_ESESSION);
		return BLX__CALLERS_REFUSED;
	}
	if (seq - caller->acked >= BLX__SESSION_REPLIES_MAX) {
		refuse(ret_reply, BLX_EBUSY);
		return BLX__CALLERS_REFUSED;
	}
	kept = blx__caller_find(caller, seq);
	if (kept == NULL) {
		return BLX__CALLERS_APPLY;
	}
	*ret_reply = (struct blx__reply){.code = kept->code,
		.revision = kept->revision,
		.body = blx__kept_reply_body(kept),
		.body_len = kept->len};
	return BLX__CALLERS_KNOWN;
}

int blx__callers_begin(struct blx__callers *callers, const struct blx__command *command,
	const struct blx__callers_now *now, enum blx__callers_verdict *ret_verdict,
	struct blx__reply *ret_reply, uint32_t *ret_slot)
{
	uint32_t slot = index_find(callers, command->session);
	struct blx__caller *caller;
	int rv = 0;

	if (slot == NONE) {
		if (!may_begin(callers, command, now->time_ms)) {
			refuse(ret_reply, BLX_ESESSION);
			*ret_verdict = BLX__CALLERS_REFUSED;
			return 0;
		}
		rv = begin_new(callers, command, &slot);
	}
	if (rv == 0) {
		rv = caller_own(&callers->set, slot, &caller);
	}
	if (rv != 0) {
		return rv;
	}
	callers->set.hash -= blx__caller_hash(caller);
	caller->used_ms = now->time_ms;
	caller->used_index = now->index;
	caller->used_position = now->position;
	blx__caller_ack(caller, command->acked);
	callers->set.hash += blx__caller_hash(caller);
	use_remove(callers, slot);
	use_add(callers, slot);
	*ret_verdict = look_up_reply(caller, command->seq, ret_reply);
	*ret_slot = slot;
	return 0;
}

int blx__callers_record(struct blx__callers *callers, uint32_t slot, uint64_t seq,
	const struct blx__reply *reply)
{
	struct blx__caller *caller = caller_at(&callers->set, slot);
	int rv;

	/* blx__callers_begin() has made it our own. */
	callers->set.hash -= caller->replies_hash;
	rv = blx__caller_keep(caller, seq, reply);
	callers->set.hash += caller->replies_hash;
	return rv;
}

/* ---- images
 * ------------------------------------------------------------------------------ */

static int compare_use(const void *a, const void *b)
{
	const struct blx__caller *x = *(struct blx__caller *const *)a;
	const struct blx__caller *y = *(struct blx__caller *const *)b;

	if (x->used_index != y->used_index) {
		return x->used_index < y->used_index ? -1 : 1;
	}
	if (x->used_position != y->used_position) {
		return x->used_position < y->used_position ? -1 : 1;
	}
	return (x->id > y->id) - (x->id < y->id);
}

static int compare_id(const void *a, const void *b)
{
	const struct blx__caller *x = *(struct blx__caller *const *)a;
	const struct blx__caller *y = *(struct blx__caller *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

/* All sessions of a set, sorted; NULL without memory. */
static struct blx__caller **set_sorted(
	const struct blx__callers_set *set, int (*compare)(const void *a, const void *b))
{
	struct blx__caller **all = blx__malloc(set->count * sizeof *all + 1);
	size_t count = 0;
	size_t i;
	unsigned k;

	if (all == NULL) {
		return NULL;
	}
	for (i = 0; i < set->pages_count; i++) {
		for (k = 0; k < BLX__CALLERS_PAGE; k++) {
			if (set->pages[i]->slots[k] != NULL) {
				INVARIANT(count < set->count);
				all[count++] = set->pages[i]->slots[k];
			}
		}
	}
	INVARIANT(count == set->count);
	qsort(all, count, sizeof *all, compare);
	return all;
}

/* Puts a session into the table as its newest; the table has a reference of its own. */
static int restore_one(struct blx__callers *callers, struct blx__caller *caller)
{
	uint32_t slot;

	if (callers->free == NONE && slots_grow(callers) != 0) {
		return BLX_ENOMEM;
	}
	slot = callers->free;
	callers->free = callers->links[slot].next;
	blx__caller_ref(caller);
	callers->set.pages[slot / BLX__CALLERS_PAGE]->slots[slot % BLX__CALLERS_PAGE] =
		caller;
	callers->set.count++;
	index_add(callers, caller->id, slot);
	use_add(callers, slot);
	return 0;
}

int blx__callers_restore(struct blx__callers *callers, const struct blx__callers_set *set)
{
	struct blx__caller **all = set_sorted(set, compare_use);
	struct blx__callers fresh;
	size_t i;
	int rv = all == NULL ? BLX_ENOMEM : 0;

	blx__callers_init(&fresh);
	fresh.max = callers->max;
	for (i = 0; rv == 0 && i < set->count; i++) {
		rv = restore_one(&fresh, all[i]);
	}
	blx__free(all);
	if (rv != 0) {
		blx__callers_finish(&fresh);
		return rv;
	}
	fresh.set.hash = set->hash;
	fresh.set.floor_ms = set->floor_ms;
	blx__callers_finish(callers);
	*callers = fresh;
	return 0;
}

int blx__callers_set_each(const struct blx__callers_set *set,
	int (*cb)(uint64_t id, const void *state, size_t len, void *data), void *data)
{
	struct blx__caller **all = set_sorted(set, compare_id);
	struct blx__buf buf;
	size_t i;
	int rv = all == NULL ? BLX_ENOMEM : 0;

	blx__buf_init(&buf);
	if (rv == 0 && set->floor_ms != 0) {
		blx__put_u64(&buf, (uint64_t)set->floor_ms);
		rv = blx__buf_ok(&buf) ? cb(0, buf.data, buf.len, data) : BLX_ENOMEM;
	}
	for (i = 0; rv == 0 && i < set->count; i++) {
		blx__buf_reset(&buf);
		blx__caller_encode(all[i], &buf);
		rv = blx__buf_ok(&buf) ? cb(all[i]->id, buf.data, buf.len, data)
				       : BLX_ENOMEM;
	}
	blx__buf_finish(&buf);
	blx__free(all);
	return rv;
}

static int set_add_floor(struct blx__callers_set *set, const void *state, size_t len)
{
	struct blx__reader reader = blx__reader_of(state, len);
	int64_t floor = (int64_t)blx__get_u64(&reader);

	if (!blx__reader_done(&reader) || floor <= 0 || set->count > 0 ||
		set->floor_ms != 0) {
		return BLX_ECORRUPT;
	}
	set->floor_ms = floor;
	return 0;
}

int blx__callers_set_add(
	struct blx__callers_set *set, uint64_t id, const void *state, size_t len)
{
	struct blx__caller *caller;
	int rv;

	if (id == 0) {
		return set_add_floor(set, state, len);
	}
	if (set->count > 0 && caller_at(set, (uint32_t)set->count - 1)->id >= id) {
		return BLX_ECORRUPT;
	}
	if (set->count >= BLX__SESSIONS_MAX) {
		return BLX_ECORRUPT;
	}
	rv = blx__caller_decode(id, state, len, &caller);
	if (rv == 0 && set->count == set->pages_count * BLX__CALLERS_PAGE) {
		rv = set_grow(set);
		if (rv != 0) {
			blx__caller_unref(caller);
		}
	}
	if (rv != 0) {
		return rv;
	}
	set->pages[set->count / BLX__CALLERS_PAGE]
		->slots[set->count % BLX__CALLERS_PAGE] = caller;
	set->count++;
	set->hash += blx__caller_hash(caller);
	return 0;
}
