/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sessions of those who write: which of a session's commands have been
 * applied, and what they came to, so that one that is sent again is applied
 * once (Raft thesis 6.3). Part of the replicated state: what happens here
 * follows from the log alone.
 *
 * The sessions lie in pages. Pages and sessions are shared with the images
 * that pin them and copied when they are changed, so pinning costs a step for
 * each page only. Finding one by its id and the order of their last use are an
 * index beside that, which belongs to the table alone.
 *
 * Changed by the applying thread under the machine's lock.
 */
#ifndef BLX_MACHINE_CALLERS_H
#define BLX_MACHINE_CALLERS_H

#include "base/buf.h"
#include "machine/command.h"
#include "machine/machine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sessions of a page. */
#define BLX__CALLERS_PAGE 256

struct blx__caller;

struct blx__callers_page {
	_Atomic uint32_t refs;
	struct blx__caller *slots[BLX__CALLERS_PAGE]; /* owned; NULL: free */
};

/* What an image holds of it. */
struct blx__callers_set {
	struct blx__callers_page **pages; /* owned, each with a reference */
	size_t pages_count;
	size_t count;
	uint64_t hash;
	int64_t floor_ms;
};

struct blx__callers_links {
	uint32_t prev;
	uint32_t next;
};

struct blx__callers {
	struct blx__callers_set set;
	struct blx__callers_links
		*links;       /* owned; by slot: in the order of use, or free */
	uint32_t *buckets;    /* owned; slot + 1 by hash of the id, 0: empty */
	size_t buckets_count; /* a power of two, 0 in the beginning */
	uint32_t oldest;
	uint32_t newest;
	uint32_t free;
	size_t max; /* BLX__SESSIONS_MAX; less in tests */
};

void blx__callers_init(struct blx__callers *callers);
void blx__callers_finish(struct blx__callers *callers);

/* When a command is applied. */
struct blx__callers_now {
	int64_t time_ms;
	uint64_t index;
	uint32_t position;
};

/* Forgets sessions that were not used for BLX__SESSION_TTL_MS. BLX_ENOMEM. */
int blx__callers_expire(struct blx__callers *callers, int64_t time_ms);

enum blx__callers_verdict {
	BLX__CALLERS_APPLY,  /* new: apply it and record the reply */
	BLX__CALLERS_KNOWN,  /* applied before: *ret_reply is what it came to */
	BLX__CALLERS_REFUSED /* *ret_reply says why */
};

/* Looks a command's session up, makes it if it is new, and takes over what the caller has
 * seen. *ret_slot is for blx__callers_record(). BLX_ENOMEM. */
int blx__callers_begin(struct blx__callers *callers, const struct blx__command *command,
	const struct blx__callers_now *now, enum blx__callers_verdict *ret_verdict,
	struct blx__reply *ret_reply, uint32_t *ret_slot);

/* Keeps the reply. BLX_ENOMEM. */
int blx__callers_record(struct blx__callers *callers, uint32_t slot, uint64_t seq,
	const struct blx__reply *reply);

/* O(pages). BLX_ENOMEM. */
int blx__callers_pin(
	const struct blx__callers *callers, struct blx__callers_set *ret_set);

/* Becomes what the set is; the set stays the caller's. BLX_ENOMEM: nothing was changed.
 */
int blx__callers_restore(
	struct blx__callers *callers, const struct blx__callers_set *set);

void blx__callers_set_finish(struct blx__callers_set *set);

/* Ascending ids; the floor, if there is one, as id 0. */
int blx__callers_set_each(const struct blx__callers_set *set,
	int (*cb)(uint64_t id, const void *state, size_t len, void *data), void *data);

/* The next of blx__callers_set_each(), into a set under construction. BLX_ECORRUPT. */
int blx__callers_set_add(
	struct blx__callers_set *set, uint64_t id, const void *state, size_t len);

#endif
