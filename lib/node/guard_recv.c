/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages in, and above all the AppendEntries of a leader.
 *
 * From below what is compacted (in every version). A follower refuses a request
 * whose prev_log_index it has compacted away, though that is committed and so
 * the same everywhere: it is stuck for ever. With prev_log_index 0 it does worse
 * and appends at the wrong place. What must hold (leader completeness, Raft
 * 5.4.3): all up to our commit index is in the leader's log. So a request that
 * begins below is cut to begin there.
 *
 * Commits beyond the request (cowsql 000eacf2). A follower commits up to
 * min(leader_commit, what it has stored), where what it has stored beyond the
 * request was not compared with the leader's log. What must hold (Raft figure 2,
 * AppendEntries 5): up to the last entry that the request covers.
 *
 * An entry that comes back (8be539d, 8664f007). Entries are counted by (index,
 * term). One that is truncated while its old copy is being written or sent, and
 * then comes again from a third leader, is counted in two places as one: memory
 * is freed in use, and the end of the old write is taken for that of the new.
 * What must hold: nothing is truncated that is in use. The request is dropped;
 * the leader sends it again.
 *
 * What no correct leader sends is a reason to end, and malformed entries are
 * dropped: libraft reads a configuration beyond its end. A leader that meets
 * another of its own term would write a follower's state over its own.
 */
#include "base/assert.h"
#include "base/log.h"
#include "node/guard_impl.h"

#include <string.h>

/* Drops the first count entries, which are all of one batch. */
static void drop_entries(struct raft_append_entries *args, raft_index count)
{
	if (count < args->n_entries) {
		args->n_entries -= (unsigned)count;
		memmove(args->entries, args->entries + count,
			args->n_entries * sizeof *args->entries);
		return;
	}
	if (args->n_entries > 0) {
		raft_free(args->entries[0].batch);
	}
	raft_free(args->entries);
	args->entries = NULL;
	args->n_entries = 0;
}

static void trim(struct blx__guard *guard, struct raft_append_entries *args)
{
	raft_index commit = guard->raft->commit_index;
	raft_term term = blx__guard_term_of(guard, commit);

	if (guard->installing || term == 0 || args->prev_log_index >= commit ||
		!blx__guard_cures(guard, BLX__CURE_TRIM)) {
		return;
	}
	drop_entries(args, commit - args->prev_log_index);
	args->prev_log_index = commit;
	args->prev_log_term = term;
	guard->stats.trimmed++;
}

static void limit_commit(struct blx__guard *guard, struct raft_append_entries *args)
{
	raft_index covered = args->prev_log_index + args->n_entries;

	if (args->leader_commit > covered && blx__guard_cures(guard, BLX__CURE_COMMIT_LIMIT)) {
		args->leader_commit = covered;
	}
}

static bool fits(const struct blx__guard *guard, const struct raft_append_entries *args)
{
	if (guard->installing && args->n_entries > 0) {
		return false; /* raft ignores it */
	}
	return args->prev_log_index == 0 ||
		blx__guard_term_of(guard, args->prev_log_index) == args->prev_log_term;
}

/* The first index where our log has another entry; 0: none. */
static raft_index conflict_of(const struct blx__guard *guard,
	const struct raft_append_entries *args)
{
	unsigned i;

	for (i = 0; i < args->n_entries; i++) {
		raft_index index = args->prev_log_index + 1 + i;
		raft_term term = blx__guard_term_of(guard, index);

		if (term == 0) {
			return 0;
		}
		if (term != args->entries[i].term) {
			return index;
		}
	}
	return 0;
}

static bool in_use(const struct blx__guard *guard)
{
	return (guard->appends > 0 || guard->entry_sends > 0) &&
		blx__guard_cures(guard, BLX__CURE_REWRITE);
}

/* Makes ready for raft to truncate from the index on; false: the request must not be seen. */
static bool conflict_prepare(struct blx__guard *guard, raft_index conflict)
{
	if (conflict <= guard->raft->commit_index) {
		blx__guard_fail(guard, RAFT_CORRUPT,
			"the leader's log differs from what is committed here");
		return false;
	}
	if (in_use(guard)) {
		return false;
	}
	blx__guard_conf_rollback(guard, conflict);
	return !guard->failed;
}

/* Only a fault of another member makes two leaders of one term. False: the message is gone. */
static bool check_sender(struct blx__guard *guard, struct raft_message *message, raft_term term)
{
	if (guard->raft->state != RAFT_LEADER || term != guard->raft->current_term ||
		!blx__guard_cures(guard, BLX__CURE_CHECK)) {
		return true;
	}
	blx__guard_fail(guard, RAFT_INVALID, "another member leads in the same term");
	blx__guard_drop(guard, message);
	return false;
}

static void recv_append_entries(struct blx__guard *guard, struct raft_message *message)
{
	struct raft_append_entries *args = &message->append_entries;
	raft_index conflict;

	if (args->term < guard->raft->current_term) {
		blx__guard_deliver(guard, message); /* raft refuses it */
		return;
	}
	if (blx__guard_cures(guard, BLX__CURE_CHECK) &&
		!blx__guard_check_entries(args->entries, args->n_entries, args->term)) {
		blx__log(BLX__LOG_WARN, "guard",
			"member %llu: entries of member %llu are malformed",
			guard->raft->id, message->server_id);
		blx__guard_drop(guard, message);
		return;
	}
	trim(guard, args);
	limit_commit(guard, args);
	if (fits(guard, args)) {
		conflict = conflict_of(guard, args);
		if (conflict != 0 && !conflict_prepare(guard, conflict)) {
			blx__guard_drop(guard, message);
			return;
		}
		blx__guard_ack_note(guard, args->term, args->prev_log_index + args->n_entries);
	}
	blx__guard_deliver(guard, message);
}

void blx__guard_recv(struct blx__guard *guard, struct raft_message *message)
{
	if (message->server_id == 0) {
		blx__guard_drop(guard, message);
		return;
	}
	switch (message->type) {
	case RAFT_IO_APPEND_ENTRIES:
		if (check_sender(guard, message, message->append_entries.term)) {
			recv_append_entries(guard, message);
		}
		break;
	case RAFT_IO_APPEND_ENTRIES_RESULT:
		blx__guard_lead_result(guard, message);
		break;
	case RAFT_IO_REQUEST_VOTE:
		blx__guard_vote_request(guard, message);
		break;
	case RAFT_IO_INSTALL_SNAPSHOT:
		if (check_sender(guard, message, message->install_snapshot.term)) {
			blx__guard_install_recv(guard, message);
		}
		break;
	case RAFT_IO_TIMEOUT_NOW:
		if (!blx__guard_vote_timeout_now_ok(guard)) {
			blx__guard_drop(guard, message);
			break;
		}
		guard->told_term = message->timeout_now.term;
		blx__guard_deliver(guard, message);
		break;
	default:
		blx__guard_deliver(guard, message);
		break;
	}
}
