/* SPDX-License-Identifier: Apache-2.0 */
#include "node/proposals.h"

#include "base/assert.h"
#include "base/mem.h"
#include "machine/command.h"
#include "node/impl.h"

#include <stddef.h>
#include <string.h>

struct slot {
	struct blx__request *request; /* borrowed; NULL: answered or gone */
	bool sent_before;             /* in an entry, or to a leader, earlier than this */
};

/* An entry under way. Lives from raft_apply() to its callback, which raft makes right after
 * apply, or when leadership is lost. */
struct batch {
	struct blx__list link;
	struct blx__proposals *proposals;
	struct raft_apply req;
	uint64_t token;
	unsigned count;
	struct slot slots[];
};

static struct blx__request *request_of(struct blx__list *link)
{
	return blx__container_of(link, struct blx__request, link);
}

static struct batch *batch_of(struct blx__list *link)
{
	return blx__container_of(link, struct batch, link);
}

void blx__proposals_init(struct blx__proposals *proposals, struct blx__node *node)
{
	*proposals = (struct blx__proposals){ .node = node };
	blx__list_init(&proposals->queued);
	blx__list_init(&proposals->batches);
}

void blx__proposals_finish(struct blx__proposals *proposals)
{
	struct blx__list *link;

	/* raft_close() has called back for all of them, unless it never came to that. */
	while ((link = blx__list_pop_front(&proposals->batches)) != NULL) {
		blx__free(batch_of(link));
	}
	proposals->batches_count = 0;
}

/* ---- the queue ---------------------------------------------------------- */

/* Out of the queue, whatever becomes of it. */
static void queue_drop(struct blx__proposals *proposals, struct blx__request *request)
{
	INVARIANT(request->state == BLX__REQUEST_QUEUED);
	INVARIANT(proposals->queued_count > 0);
	INVARIANT(proposals->queued_bytes >= request->body_len);

	proposals->queued_count--;
	proposals->queued_bytes -= request->body_len;
}

void blx__proposals_add(struct blx__proposals *proposals, struct blx__request *request)
{
	blx_error why = BLX_ERROR_INIT;
	int rv;

	if (proposals->queued_count >= BLX__PROPOSALS_QUEUE_MAX) {
		blx__request_fail(request, BLX_EBUSY,
			"%u writes wait already; try again when some have ended",
			(unsigned)BLX__PROPOSALS_QUEUE_MAX);
		return;
	}
	rv = blx__command_check(request->body, request->body_len, &why);
	if (rv != 0) {
		blx__request_fail(request, rv, "%s", why.message);
		return;
	}
	proposals->queued_count++;
	proposals->queued_bytes += request->body_len;
	blx__request_move(request, BLX__REQUEST_QUEUED, &proposals->queued);
}

void blx__proposals_forget(struct blx__proposals *proposals, struct blx__request *request)
{
	struct slot *slot = request->place;

	if (request->state == BLX__REQUEST_QUEUED) {
		queue_drop(proposals, request);
	} else if (slot != NULL) {
		INVARIANT(slot->request == request);
		slot->request = NULL;
		request->place = NULL;
	}
}

/* ---- entries -------------------------------------------------------------- */

/* The requests of a batch that is lost go where the next leader is. */
static void batch_release(struct batch *batch)
{
	struct blx__node *node = batch->proposals->node;
	unsigned i;

	for (i = 0; i < batch->count; i++) {
		struct blx__request *request = batch->slots[i].request;

		if (request != NULL) {
			batch->slots[i].request = NULL;
			request->place = NULL;
			blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
		}
	}
}

/* Inside of raft: the entry was applied, and then all were answered from there, or it is no
 * longer ours to wait for. It may still be committed by another leader: what is sent again
 * is sent under its session, and what has none ends as unknown (see blx__node_dispatch). */
static void on_raft_done(struct raft_apply *req, int status, void *result)
{
	struct batch *batch = req->data;

	(void)status;
	(void)result;
	batch_release(batch);
	blx__list_remove(&batch->link);
	INVARIANT(batch->proposals->batches_count > 0);
	batch->proposals->batches_count--;
	blx__free(batch);
}

/* How many of the queued fit in the next entry: at least one. */
static unsigned batch_fit(const struct blx__proposals *proposals)
{
	struct blx__list *link;
	unsigned count = 0;
	size_t bytes = 0;

	blx__list_foreach(link, &proposals->queued) {
		bytes += request_of(link)->body_len;
		if (count == BLX__BATCH_COMMANDS_MAX ||
			(count > 0 && bytes > BLX__BATCH_BYTES_MAX)) {
			break;
		}
		count++;
	}
	return count;
}

static void entry_encode(struct blx__proposals *proposals, unsigned count, struct blx__buf *buf)
{
	struct blx__node *node = proposals->node;
	struct blx__entry_header header = { .origin = node->identity.id,
		.incarnation = node->incarnation,
		.token = proposals->token + 1,
		.time_ms = blx__node_time_ms(node) };
	struct blx__list *link = &proposals->queued;
	unsigned i;

	blx__entry_begin(buf, &header);
	for (i = 0; i < count; i++) {
		link = link->next;
		blx__entry_add(buf, request_of(link)->body, request_of(link)->body_len);
	}
	blx__entry_end(buf);
}

/* The entry in memory of raft's. */
static int entry_make(struct blx__proposals *proposals, unsigned count, struct raft_buffer *ret_buf)
{
	struct blx__buf bytes;
	int rv = BLX_ENOMEM;

	blx__buf_init(&bytes);
	entry_encode(proposals, count, &bytes);
	if (blx__buf_ok(&bytes)) {
		INVARIANT(bytes.len % 8 == 0);
		ret_buf->len = bytes.len;
		ret_buf->base = raft_malloc(bytes.len);
		if (ret_buf->base != NULL) {
			memcpy(ret_buf->base, bytes.data, bytes.len);
			rv = 0;
		}
	}
	blx__buf_finish(&bytes);
	return rv;
}

static void batch_take(struct batch *batch)
{
	struct blx__proposals *proposals = batch->proposals;
	unsigned i;

	for (i = 0; i < batch->count; i++) {
		struct blx__request *request = request_of(proposals->queued.next);

		queue_drop(proposals, request);
		blx__request_move(request, BLX__REQUEST_PROPOSED, NULL);
		batch->slots[i] = (struct slot){ .request = request,
			.sent_before = request->maybe_applied };
		request->maybe_applied = true;
		request->place = &batch->slots[i];
	}
}

/* One entry of what waits. When it cannot be made all stays in the queue. */
static bool propose(struct blx__proposals *proposals)
{
	struct blx__node *node = proposals->node;
	unsigned count = batch_fit(proposals);
	struct batch *batch = blx__calloc(1, sizeof *batch + count * sizeof batch->slots[0]);
	struct raft_buffer buf;

	if (batch == NULL || entry_make(proposals, count, &buf) != 0) {
		blx__free(batch);
		return false;
	}
	batch->proposals = proposals;
	batch->count = count;
	batch->token = proposals->token + 1;
	batch->req.data = batch;
	if (raft_apply(&node->raft, &batch->req, &buf, 1, on_raft_done) != 0) {
		raft_free(buf.base);
		blx__free(batch);
		return false;
	}
	proposals->token++;
	batch_take(batch);
	blx__list_push_back(&proposals->batches, &batch->link);
	proposals->batches_count++;
	node->counters.proposals += count;
	node->counters.entries++;
	return true;
}

static bool may_propose(const struct blx__proposals *proposals)
{
	const struct blx__node *node = proposals->node;
	bool full = proposals->queued_count >= BLX__BATCH_COMMANDS_MAX ||
		proposals->queued_bytes >= BLX__BATCH_BYTES_MAX;

	/* A leader that hands over takes no more: the one it hands over to would never
	 * catch up. */
	return proposals->queued_count > 0 && blx__node_is_leader(node) && !node->transferring &&
		node->raft.transfer == NULL &&
		proposals->batches_count < (full ? BLX__BATCHES_MAX : BLX__BATCHES_PART_MAX);
}

void blx__proposals_pump(struct blx__proposals *proposals)
{
	bool any = false;

	while (may_propose(proposals) && propose(proposals)) {
		any = true;
	}
	if (any) {
		blx__guard_poll(proposals->node->guard);
	}
}

/* ---- answers -------------------------------------------------------------- */

static struct batch *batch_find(const struct blx__proposals *proposals, uint64_t token)
{
	struct blx__list *link;

	blx__list_foreach(link, &proposals->batches) {
		if (batch_of(link)->token == token) {
			return batch_of(link);
		}
	}
	return NULL;
}

/* A verdict is the last word on the command, but that a session is not known tells nothing
 * of what became of it when it was sent before. */
static int outcome_of(const struct slot *slot, int code)
{
	if (code == 0) {
		return BLX_OUTCOME_NONE;
	}
	return code == BLX_ESESSION && slot->sent_before ? BLX_UNKNOWN : BLX_NOT_APPLIED;
}

void blx__proposals_on_reply(struct blx__proposals *proposals, uint64_t token, unsigned position,
	const struct blx__reply *reply)
{
	struct batch *batch = batch_find(proposals, token);
	struct blx__response response = { .code = reply->code,
		.revision = reply->revision,
		.body = reply->body,
		.body_len = reply->body_len };
	struct slot *slot;

	if (batch == NULL) {
		return; /* leadership was lost meanwhile: its requests went on to the next one */
	}
	INVARIANT(position < batch->count);
	slot = &batch->slots[position];
	if (slot->request == NULL) {
		return; /* its deadline came first */
	}
	response.outcome = outcome_of(slot, reply->code);
	if (reply->code != 0) {
		response.message = blx_strerror(reply->code);
		response.message_len = strlen(response.message);
	}
	blx__request_finish(slot->request, &response);
}

void blx__proposals_fail(struct blx__proposals *proposals, int code, const char *text)
{
	struct blx__list *link;
	unsigned i;

	while (!blx__list_empty(&proposals->queued)) {
		blx__request_fail(request_of(proposals->queued.next), code, "%s", text);
	}
	blx__list_foreach(link, &proposals->batches) {
		struct batch *batch = batch_of(link);

		for (i = 0; i < batch->count; i++) {
			if (batch->slots[i].request != NULL) {
				blx__request_fail(batch->slots[i].request, code, "%s", text);
			}
		}
	}
}

void blx__proposals_on_lost(struct blx__proposals *proposals)
{
	struct blx__node *node = proposals->node;
	struct blx__list *link;

	/* First what was proposed, in the order it came. */
	blx__list_foreach(link, &proposals->batches) {
		batch_release(batch_of(link));
	}
	while (!blx__list_empty(&proposals->queued)) {
		struct blx__request *request = request_of(proposals->queued.next);

		queue_drop(proposals, request);
		blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
	}
}
