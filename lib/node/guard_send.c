/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages out.
 *
 * A send that fails (libraft 0.15.0 recv_append_entries.c, recv.c). When io->send()
 * returns an error for the answer to an AppendEntries, the entries were freed
 * already and are freed again. What must hold: send() returns 0, and failures
 * come by callback, after raft has returned.
 *
 * The life of a transfer (c6cfe58). struct raft_transfer has the send request of
 * its TimeoutNow inside, and its callback may fire, and the memory go, before
 * the message left. What must hold: the inner raft_io never sees that request.
 * It also has no callback, which not every raft_io looks at.
 *
 * A member that is away (in every version; found by simulation). A new leader
 * probes from the end of its log. When it cannot send a probe, it begins anew
 * from the first entry, and if that was compacted, it sends its snapshot to a
 * member that lacks a few entries: to each leader that crashed, when it comes
 * back. What must hold: a probe that did not leave is a probe that got lost,
 * and is sent again at the next heartbeat.
 *
 * An answer without a leader (05746af). A write or an install that ends when
 * the leader is no longer known is answered to member 0. What must hold:
 * nothing is sent to a member that is not named.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "node/guard_impl.h"

#include <stddef.h>

struct send {
	struct raft_io_send req;
	struct blx__list link;      /* in guard->sends or guard->unsent */
	struct blx__guard *guard;   /* borrowed; NULL: closed meanwhile */
	struct raft_io_send *outer; /* borrowed from raft; NULL: it wants no callback */
	bool entries;
	raft_id probed; /* an AppendEntries for that member; 0: another message */
};

/* As progress.h of libraft has it, which it does not install. */
#define PROGRESS_PROBE 0

/* Does the leader go on from where it is without being told of a failure? */
static bool is_probe(const struct send *send)
{
	const struct raft *raft = send->guard->raft;
	unsigned i;

	if (send->probed == 0 || raft->state != RAFT_LEADER ||
		!blx__guard_cures(send->guard, BLX__CURE_AWAY)) {
		return false;
	}
	for (i = 0; i < raft->configuration.n; i++) {
		if (raft->configuration.servers[i].id == send->probed) {
			return raft->leader_state.progress[i].state == PROGRESS_PROBE;
		}
	}
	return false;
}

/* Raft frees the outer request in its callback, so the status is told exactly once. */
static void send_complete(struct send *send, int status)
{
	struct raft_io_send *outer = send->outer;

	if (status != 0 && is_probe(send)) {
		status = 0;
	}

	if (send->entries) {
		INVARIANT(send->guard->entry_sends > 0);
		send->guard->entry_sends--;
	}
	blx__free(send);
	if (outer != NULL) {
		outer->cb(outer, status);
	}
}

static void on_sent(struct raft_io_send *req, int status)
{
	struct send *send = blx__container_of(req, struct send, req);
	struct blx__guard *guard = send->guard;

	if (guard == NULL) {
		blx__free(send);
		return;
	}
	blx__list_remove(&send->link);
	send_complete(send, status);
}

void blx__guard_unsent_pump(struct blx__guard *guard)
{
	struct blx__list *link;

	while ((link = blx__list_pop_front(&guard->unsent)) != NULL) {
		send_complete(blx__container_of(link, struct send, link), RAFT_NOCONNECTION);
	}
}

void blx__guard_sends_orphan(struct blx__guard *guard)
{
	struct blx__list *link;

	blx__guard_unsent_pump(guard);
	while ((link = blx__list_pop_front(&guard->sends)) != NULL) {
		struct send *send = blx__container_of(link, struct send, link);
		struct raft_io_send *outer = send->outer;

		send->guard = NULL; /* frees itself if it is called back after all */
		if (outer != NULL && guard->closed) {
			outer->cb(outer, RAFT_CANCELED);
		}
	}
}

/* False: it is not to leave. Sets right what is not true in it. */
static bool may_leave(struct blx__guard *guard, struct raft_message *message)
{
	if (guard->failed || guard->closed || message->server_id == 0) {
		return false;
	}
	if (message->type == RAFT_IO_REQUEST_VOTE_RESULT) {
		blx__guard_vote_result_raise(guard, &message->request_vote_result);
	}
	if (message->type == RAFT_IO_REQUEST_VOTE) {
		return blx__guard_vote_ask(guard, &message->request_vote);
	}
	return message->type != RAFT_IO_APPEND_ENTRIES_RESULT ||
		blx__guard_ack_lower(guard, &message->append_entries_result);
}

static int send_plain(struct blx__guard *guard, struct raft_io_send *req,
	const struct raft_message *message, raft_io_send_cb cb)
{
	return guard->inner->send(guard->inner, req, message, cb);
}

int blx__guard_send(struct raft_io *io, struct raft_io_send *req,
	const struct raft_message *message, raft_io_send_cb cb)
{
	struct blx__guard *guard = blx__guard_of(io);
	struct raft_message corrected = *message;
	bool leaves = may_leave(guard, &corrected);
	struct send *send;

	if (cb == NULL && !blx__guard_cures(guard, BLX__CURE_TRANSFER) && leaves) {
		return send_plain(guard, req, &corrected, cb);
	}
	send = blx__calloc(1, sizeof *send);
	req->cb = cb;
	if (send == NULL) {
		blx__guard_fail(guard, RAFT_NOMEM, "send a message");
		return 0; /* libraft's request is lost with it */
	}
	send->guard = guard;
	send->outer = cb != NULL ? req : NULL;
	send->entries = message->type == RAFT_IO_APPEND_ENTRIES &&
		message->append_entries.n_entries > 0;
	send->probed = message->type == RAFT_IO_APPEND_ENTRIES ? message->server_id : 0;
	guard->entry_sends += send->entries;
	if (leaves) {
		int rv = guard->inner->send(guard->inner, &send->req, &corrected, on_sent);

		if (rv == 0) {
			blx__list_push_back(&guard->sends, &send->link);
			return 0;
		}
		if (!blx__guard_cures(guard, BLX__CURE_SEND)) {
			guard->entry_sends -= send->entries;
			blx__free(send);
			return rv;
		}
	}
	blx__list_push_back(&guard->unsent, &send->link);
	return 0;
}
