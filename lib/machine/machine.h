/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicated state machine: the tree, the callers' sessions and the
 * cluster's clock, moved on by the entries of the log and by nothing else. The
 * same entries give the same bytes on every member: no clock, random number,
 * address or memory shortage decides anything here.
 *
 * One thread applies. Reading functions are safe from any thread at the same
 * time: they take a short lock, under which the applier publishes each
 * transaction, so that a reader sees whole transactions only.
 */
#ifndef BLX_MACHINE_MACHINE_H
#define BLX_MACHINE_MACHINE_H

#include "base/error.h"
#include "machine/command.h"
#include "machine/image.h"
#include "store/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__machine;

/* A session that was not used for this long of cluster time is forgotten: a retry after
 * that is refused with BLX_ESESSION instead of being applied twice. */
#define BLX__SESSION_TTL_MS (60 * 60 * 1000)

/* Replies kept for one session: as many as it may have under way. */
#define BLX__SESSION_REPLIES_MAX 1024

/* Sessions at once; beyond it the least recently used is forgotten. */
#define BLX__SESSIONS_MAX 100000

/* A reply longer than this is not kept for a retry: the retry is told the outcome only.
 */
#define BLX__REPLY_KEPT_MAX 4096

int blx__machine_create(const uint8_t cluster_id[16], struct blx__machine **ret_machine);
void blx__machine_destroy(struct blx__machine *machine); /* NULL is allowed */

/* What a command came to. Borrowed until the callback returns. */
struct blx__reply {
	int code; /* BLX_OK, BLX_ECONFLICT, BLX_ESESSION, or of blx__command_check() */
	uint64_t
		revision; /* of the store after it; on BLX_ECONFLICT: what stands there */
	const uint8_t *
		body; /* on BLX_OK: the result of store/txn.h; may be empty (see above) */
	size_t body_len;
};

typedef void (*blx__reply_cb)(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply);

/*
 * Applies the command entry at the index: cb once for each command, in order.
 * BLX_EVERSION: it holds what this version does not know; nothing was done and
 * this member must stop. BLX_ENOMEM: the member must stop, too; its state is of
 * no more use. Bytes that are no entry at all are passed over, the same way on
 * every member, and 0 is returned.
 */
int blx__machine_apply(struct blx__machine *machine, uint64_t index, uint64_t term,
	const void *data, size_t len, blx__reply_cb cb, void *cb_data);

/* An entry that is not a command (barrier, configuration): the index goes on. */
void blx__machine_skip(struct blx__machine *machine, uint64_t index, uint64_t term);

/* One change, all borrowed. */
struct blx__machine_change {
	struct blx__item *old_item; /* NULL: there was none */
	struct blx__item *new_item; /* NULL: it was removed */
	const uint8_t *cause; /* the key whose change made the conditions of old_item fail;
			       * NULL: the transaction itself changed it */
	size_t cause_len;
};

/*
 * Who is told what the transactions change: on the applying thread and under
 * the machine's lock, so short work only, and no call of the machine. What it
 * does with it is no part of the replicated state.
 */
struct blx__machine_observer {
	/* One change of the transaction of this revision. False: it wants to hear no more
	 * of this transaction. */
	bool (*changed)(
		void *data, uint64_t revision, const struct blx__machine_change *change);
	/* That transaction is whole, and the tree, borrowed, as it has made it. Revisions
	 * come one after the other. */
	void (*committed)(void *data, uint64_t revision, const struct blx__tree *tree);
	/* The state is another one, of this revision: what lies between is not told. */
	void (*replaced)(void *data, uint64_t revision, const struct blx__tree *tree);
	void *data;
};

#define BLX__OBSERVERS_MAX 3

/* One more, at most BLX__OBSERVERS_MAX; NULL: none from now on. The struct is copied;
 * replaced() is called at once. Applying thread only. */
void blx__machine_observe(
	struct blx__machine *machine, const struct blx__machine_observer *observer);

/* ANY THREAD from here on. */

/* *ret_item is the caller's reference. BLX_ENOENT; BLX_ENOVALUE: only something below.
 * *ret_revision (of the store) is written always. */
int blx__machine_get(struct blx__machine *machine, const uint8_t *key, size_t key_len,
	struct blx__item **ret_item, uint64_t *ret_revision);

uint64_t blx__machine_revision(struct blx__machine *machine);
int64_t blx__machine_time_ms(struct blx__machine *machine);

/* The image of now; NULL without memory. The caller's reference. */
struct blx__image *blx__machine_pin(struct blx__machine *machine);

/* Becomes what the image is. The image stays the caller's. The old state is let go, all
 * at once unless it is pinned. Applying thread only. BLX_ENOMEM; BLX_ECLUSTER. */
int blx__machine_restore(struct blx__machine *machine, const struct blx__image *image);

struct blx__machine_stats {
	uint64_t index;
	uint64_t revision;
	uint64_t keys;
	uint64_t bytes;
	uint64_t sessions;
	uint64_t kept; /* keys that live while conditions hold */
	uint64_t quota_bytes; /* 0: no limit */
	uint64_t quota_keys;
	uint64_t hash; /* as blx__image_hash() */
};
void blx__machine_stats_get(
	struct blx__machine *machine, struct blx__machine_stats *ret_stats);

#endif
