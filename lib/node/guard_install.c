/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot of a leader.
 *
 * Among other disk work (50d72f2, 2a38d3d). raft empties its log in memory and
 * its last_stored at once, with writes of older entries still on their way, and
 * ignores a snapshot altogether while it takes one of its own; the leader asks
 * again after install_snapshot_timeout. What must hold: the disk is idle when
 * raft sees the message. It waits here until then; a newer one replaces it.
 *
 * Ignored for a conflict (cowsql af243f81). "I have all of that" is answered
 * when the entry at the snapshot's last index is of that term or a higher one.
 * A higher one is another entry, of a leader that never committed it, and the
 * answer is counted as a copy. What must hold (log matching): only the same
 * term is the same entry. libraft compares with >=, so it is shown a term
 * higher than ours, and the true one is put back before anything else looks.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "node/guard_impl.h"

#include <stddef.h>

static bool disk_busy(const struct blx__guard *guard)
{
	return guard->appends > 0 || guard->entry_sends > 0 || !blx__guard_disk_idle(guard);
}

static bool covers(const struct blx__guard *guard, const struct raft_install_snapshot *args)
{
	return args->last_index <= guard->raft->log.snapshot.last_index ||
		blx__guard_term_of(guard, args->last_index) == args->last_term;
}

/* Raft sees it now. A snapshot is a committed prefix, so what covers it matches it. */
static void deliver(struct blx__guard *guard, struct raft_message *message)
{
	struct raft_install_snapshot *args = &message->install_snapshot;
	raft_term local = blx__guard_term_of(guard, args->last_index);

	if (args->term < guard->raft->current_term) {
		blx__guard_deliver(guard, message); /* raft refuses it */
		return;
	}
	if (covers(guard, args)) {
		blx__guard_ack_note(guard, args->term, args->last_index);
	} else if (local > args->last_term) {
		if (args->last_index <= guard->raft->commit_index) {
			blx__guard_fail(guard, RAFT_CORRUPT,
				"the leader's snapshot differs from what is committed here");
			blx__guard_drop(guard, message);
			return;
		}
		if (blx__guard_cures(guard, BLX__CURE_INSTALL)) {
			guard->true_term = args->last_term;
			args->last_term = local + 1;
		}
	}
	blx__guard_deliver(guard, message);
	guard->true_term = 0;
}

static void hold(struct blx__guard *guard, struct raft_message *message)
{
	char *address = blx__strdup(message->server_address);

	if (address == NULL) {
		blx__guard_drop(guard, message);
		return;
	}
	blx__guard_install_forget(guard);
	guard->held = *message;
	guard->held_address = address;
}

void blx__guard_install_recv(struct blx__guard *guard, struct raft_message *message)
{
	if (disk_busy(guard) && blx__guard_cures(guard, BLX__CURE_ORDER)) {
		hold(guard, message);
		return;
	}
	deliver(guard, message);
}

void blx__guard_install_pump(struct blx__guard *guard)
{
	struct raft_message message = guard->held;
	char *address = guard->held_address;

	if (address == NULL || guard->failed || disk_busy(guard)) {
		return;
	}
	guard->held_address = NULL;
	message.server_address = address;
	deliver(guard, &message);
	blx__free(address);
}

void blx__guard_install_forget(struct blx__guard *guard)
{
	if (guard->held_address == NULL) {
		return;
	}
	blx__guard_drop(guard, &guard->held);
	blx__free(guard->held_address);
	guard->held_address = NULL;
}
