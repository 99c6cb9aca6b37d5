/* SPDX-License-Identifier: Apache-2.0 */
#include "machine/machine.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "machine/callers.h"
#include "machine/image_impl.h"
#include "machine/keeps.h"
#include "machine/quota.h"
#include "store/txn.h"

#include <pthread.h>
#include <string.h>

/* An observer. */
struct watcher {
	struct blx__machine_observer observer;
	bool done; /* it wants to hear no more of this transaction */
};

struct blx__machine {
	pthread_mutex_t lock;
	struct blx__image_meta meta; /* under lock */
	struct blx__tree *tree;      /* under lock; owned reference */
	struct blx__callers callers; /* under lock */
	struct blx__keeps keeps;     /* under lock */
	struct blx__quota quota;     /* as the tree says */
	bool quota_stale;            /* it may say otherwise now; applying thread */
	struct blx__buf result;      /* of the command being applied; applying thread */
	struct watcher watchers[BLX__OBSERVERS_MAX]; /* applying thread */
	unsigned watchers_count;
};

int blx__machine_create(const uint8_t cluster_id[16], struct blx__machine **ret_machine)
{
	struct blx__machine *machine = blx__calloc(1, sizeof *machine);

	if (machine == NULL || blx__tree_create(&machine->tree) != 0 ||
		blx__keeps_init(&machine->keeps) != 0) {
		if (machine != NULL) {
			blx__tree_unref(machine->tree);
		}
		blx__free(machine);
		return BLX_ENOMEM;
	}
	memcpy(machine->meta.cluster_id, cluster_id, sizeof machine->meta.cluster_id);
	(void)pthread_mutex_init(&machine->lock, NULL);
	blx__callers_init(&machine->callers);
	blx__buf_init(&machine->result);
	*ret_machine = machine;
	return 0;
}

void blx__machine_destroy(struct blx__machine *machine)
{
	if (machine == NULL) {
		return;
	}
	blx__tree_unref(machine->tree);
	blx__keeps_finish(&machine->keeps);
	blx__callers_finish(&machine->callers);
	blx__buf_finish(&machine->result);
	(void)pthread_mutex_destroy(&machine->lock);
	blx__free(machine);
}

static void lock(struct blx__machine *machine)
{
	(void)pthread_mutex_lock(&machine->lock);
}

static void unlock(struct blx__machine *machine)
{
	(void)pthread_mutex_unlock(&machine->lock);
}

/* ---- applying --------------------------------------------------------------------- */

/* Is there anything in the entry that only a later version knows? Nothing of it is
 * applied then, for this member must stop and be upgraded. */
static bool is_of_later_version(struct blx__entry entry)
{
	const uint8_t *bytes;
	size_t len;

	while (blx__entry_next(&entry, &bytes, &len)) {
		struct blx__command command;
		int rv = blx__command_decode(bytes, len, &command);

		if (rv == 0) {
			rv = blx__txn_check(command.body, command.body_len, NULL);
		}
		if (rv == BLX_EVERSION) {
			return true;
		}
	}
	return false;
}

static void take_change(
	struct blx__machine *machine, const struct blx__machine_change *change)
{
	struct blx__item *item = change->new_item != NULL ? change->new_item : change->old_item;
	unsigned i;

	blx__keeps_changed(&machine->keeps, change->old_item, change->new_item);
	if (blx__quota_is_setting(item)) {
		machine->quota_stale = true;
	}
	for (i = 0; i < machine->watchers_count; i++) {
		struct watcher *watcher = &machine->watchers[i];

		if (!watcher->done) {
			watcher->done = !watcher->observer.changed(
				watcher->observer.data, machine->meta.revision + 1, change);
		}
	}
}

static bool on_changed(void *data, struct blx__item *old_item, struct blx__item *new_item)
{
	struct blx__machine_change change = {.old_item = old_item, .new_item = new_item};

	take_change(data, &change);
	return true;
}

/* What an item lives by does not hold any more. */
static int keep_remove(
	struct blx__item *item, const uint8_t *cause, size_t cause_len, void *data)
{
	struct blx__machine *machine = data;
	struct blx__machine_change change = {
		.old_item = item, .cause = cause, .cause_len = cause_len};
	bool found;
	int rv = blx__tree_delete(
		&machine->tree, blx__item_key(item), item->key_len, &found);

	if (rv == 0) {
		INVARIANT(found);
		take_change(machine, &change);
	}
	return rv;
}

static void revision_up(struct blx__machine *machine)
{
	unsigned i;

	machine->meta.revision++;
	for (i = 0; i < machine->watchers_count; i++) {
		struct watcher *watcher = &machine->watchers[i];

		watcher->observer.committed(
			watcher->observer.data, machine->meta.revision, machine->tree);
		watcher->done = false;
	}
	if (machine->quota_stale) {
		machine->quota = blx__quota_of(machine->tree);
		machine->quota_stale = false;
	}
}

static int txn_apply(struct blx__machine *machine, const struct blx__command *command,
	struct blx__reply *ret_reply)
{
	struct blx__txn_changes changes = {.cb = on_changed, .data = machine};
	struct blx__txn_target target = {.tree = &machine->tree,
		.revision = machine->meta.revision + 1,
		.changes = &changes};
	struct blx__txn_outcome outcome;
	int rv = blx__quota_admits(&machine->quota, machine->tree, target.revision,
		command->body, command->body_len);

	if (rv == BLX_EQUOTA) {
		*ret_reply = (struct blx__reply){
			.code = rv, .revision = machine->meta.revision};
		return 0;
	}
	if (rv != 0) {
		return rv;
	}
	blx__buf_reset(&machine->result);
	rv = blx__txn_apply_to(
		&target, command->body, command->body_len, &outcome, &machine->result);
	if (rv == 0) {
		rv = blx__keeps_settle(&machine->keeps, &machine->tree, keep_remove, machine);
	}
	if (rv != 0) {
		return rv;
	}
	if (outcome.changed) {
		revision_up(machine);
	}
	*ret_reply = (struct blx__reply){.code = outcome.code,
		.revision = outcome.code == BLX_ECONFLICT ? outcome.conflict_revision
							  : machine->meta.revision};
	if (outcome.code == 0) {
		ret_reply->body = machine->result.data;
		ret_reply->body_len = machine->result.len;
	}
	return 0;
}

static int session_apply(struct blx__machine *machine, const struct blx__command *command,
	uint32_t position, struct blx__reply *ret_reply)
{
	struct blx__callers_now now = {.time_ms = machine->meta.time_ms,
		.index = machine->meta.index,
		.position = position};
	enum blx__callers_verdict verdict;
	uint32_t slot;
	int rv = blx__callers_begin(
		&machine->callers, command, &now, &verdict, ret_reply, &slot);

	if (rv != 0 || verdict != BLX__CALLERS_APPLY) {
		return rv;
	}
	rv = txn_apply(machine, command, ret_reply);
	return rv != 0 ? rv
		       : blx__callers_record(
				 &machine->callers, slot, command->seq, ret_reply);
}

static int command_apply(struct blx__machine *machine, const uint8_t *bytes, size_t len,
	uint32_t position, struct blx__reply *ret_reply)
{
	struct blx__command command;
	int rv = blx__command_decode(bytes, len, &command);

	if (rv != 0) {
		*ret_reply = (struct blx__reply){.code = rv};
		return 0;
	}
	lock(machine);
	rv = command.session != 0 ? session_apply(machine, &command, position, ret_reply)
				  : txn_apply(machine, &command, ret_reply);
	unlock(machine);
	return rv;
}

static int entry_begin(
	struct blx__machine *machine, uint64_t index, uint64_t term, int64_t time_ms)
{
	int rv = 0;

	lock(machine);
	machine->meta.index = index;
	machine->meta.term = term;
	if (time_ms > machine->meta.time_ms) {
		machine->meta.time_ms = time_ms;
		rv = blx__callers_expire(&machine->callers, time_ms);
	}
	unlock(machine);
	return rv;
}

int blx__machine_apply(struct blx__machine *machine, uint64_t index, uint64_t term,
	const void *data, size_t len, blx__reply_cb cb, void *cb_data)
{
	struct blx__entry entry;
	const uint8_t *bytes;
	size_t bytes_len;
	uint32_t position = 0;
	int rv = blx__entry_read(data, len, &entry);

	PRE(index > machine->meta.index);

	if (rv == BLX_EVERSION) {
		return rv;
	}
	if (rv != 0) {
		blx__machine_skip(machine, index, term);
		return 0;
	}
	if (is_of_later_version(entry)) {
		return BLX_EVERSION;
	}
	rv = entry_begin(machine, index, term, entry.header.time_ms);
	while (rv == 0 && blx__entry_next(&entry, &bytes, &bytes_len)) {
		struct blx__reply reply;

		rv = command_apply(machine, bytes, bytes_len, position, &reply);
		if (rv == 0) {
			cb(cb_data, &entry.header, position, &reply);
			position++;
		}
	}
	return rv;
}

void blx__machine_skip(struct blx__machine *machine, uint64_t index, uint64_t term)
{
	(void)entry_begin(
		machine, index, term, 0); /* time stands still: nothing can fail */
}

void blx__machine_observe(
	struct blx__machine *machine, const struct blx__machine_observer *observer)
{
	lock(machine);
	if (observer == NULL) {
		machine->watchers_count = 0;
	} else {
		INVARIANT(machine->watchers_count < BLX__OBSERVERS_MAX);
		machine->watchers[machine->watchers_count++] =
			(struct watcher){.observer = *observer};
		observer->replaced(observer->data, machine->meta.revision, machine->tree);
	}
	unlock(machine);
}

/* ---- reading ------------------------------------------------------------------------
 */

int blx__machine_get(struct blx__machine *machine, const uint8_t *key, size_t key_len,
	struct blx__item **ret_item, uint64_t *ret_revision)
{
	struct blx__item *item;
	int rv = 0;

	lock(machine);
	*ret_revision = machine->meta.revision;
	item = blx__tree_get(machine->tree, key, key_len);
	if (item != NULL) {
		blx__item_ref(item);
	} else {
		rv = blx__tree_has_below(machine->tree, key, key_len) ? BLX_ENOVALUE
								      : BLX_ENOENT;
	}
	unlock(machine);
	if (rv == 0) {
		*ret_item = item;
	}
	return rv;
}

uint64_t blx__machine_revision(struct blx__machine *machine)
{
	uint64_t revision;

	lock(machine);
	revision = machine->meta.revision;
	unlock(machine);
	return revision;
}

int64_t blx__machine_time_ms(struct blx__machine *machine)
{
	int64_t time_ms;

	lock(machine);
	time_ms = machine->meta.time_ms;
	unlock(machine);
	return time_ms;
}

struct blx__image *blx__machine_pin(struct blx__machine *machine)
{
	struct blx__image *image = blx__calloc(1, sizeof *image);
	int rv;

	if (image == NULL) {
		return NULL;
	}
	image->refs = 1;
	lock(machine);
	rv = blx__callers_pin(&machine->callers, &image->callers);
	if (rv == 0) {
		image->meta = machine->meta;
		image->tree = blx__tree_ref(machine->tree);
		image->kept = blx__tree_ref(machine->keeps.kept);
	}
	unlock(machine);
	if (rv != 0) {
		blx__free(image);
		return NULL;
	}
	return image;
}

int blx__machine_restore(struct blx__machine *machine, const struct blx__image *image)
{
	struct blx__tree *old = NULL;
	struct blx__keeps keeps;
	unsigned i;
	int rv;

	if (memcmp(machine->meta.cluster_id, image->meta.cluster_id,
		    sizeof image->meta.cluster_id) != 0) {
		return BLX_ECLUSTER;
	}
	lock(machine);
	rv = blx__keeps_of(image->kept, &keeps);
	if (rv == 0) {
		rv = blx__callers_restore(&machine->callers, &image->callers);
		if (rv != 0) {
			blx__keeps_finish(&keeps);
		}
	}
	if (rv == 0) {
		blx__keeps_become(&machine->keeps, &keeps);
		old = machine->tree;
		machine->tree = blx__tree_ref(image->tree);
		machine->meta = image->meta;
		machine->quota = blx__quota_of(machine->tree);
		for (i = 0; i < machine->watchers_count; i++) {
			const struct blx__machine_observer *observer =
				&machine->watchers[i].observer;

			observer->replaced(
				observer->data, machine->meta.revision, machine->tree);
		}
	}
	unlock(machine);
	blx__tree_unref(old);
	return rv;
}

void blx__machine_stats_get(
	struct blx__machine *machine, struct blx__machine_stats *ret_stats)
{
	lock(machine);
	*ret_stats = (struct blx__machine_stats){.index = machine->meta.index,
		.revision = machine->meta.revision,
		.keys = blx__tree_count(machine->tree),
		.bytes = blx__tree_bytes(machine->tree),
		.sessions = machine->callers.set.count,
		.kept = machine->keeps.keeps.count,
		.quota_bytes = machine->quota.bytes,
		.quota_keys = machine->quota.keys,
		.hash = blx__content_hash(machine->tree, &machine->callers.set)};
	unlock(machine);
}
