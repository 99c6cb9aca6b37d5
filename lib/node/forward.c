/* SPDX-License-Identifier: Apache-2.0 */
#include "node/forward.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"

/* Outlives its request when that ends first. */
struct forward {
	struct blx__request *request; /* borrowed; NULL: ended */
	bool was_maybe_applied;       /* by an attempt before this one */
};

/* A retry that is refused because its session is gone says nothing of the attempt before. */
static void answer(struct blx__request *request, const struct blx__response *response,
	bool was_maybe_applied)
{
	struct blx__response told = *response;

	if (told.code < 0 && told.outcome == BLX_NOT_APPLIED && was_maybe_applied &&
		(told.code == BLX_ESESSION || told.code == BLX_EBUSY ||
			told.code == BLX_ETIMEOUT)) {
		told.outcome = BLX_UNKNOWN;
	}
	blx__request_finish(request, &told);
}

static void on_answer(int code, const struct blx__response *response, void *data)
{
	struct forward *forward = data;
	struct blx__request *request = forward->request;
	bool was_maybe_applied = forward->was_maybe_applied;
	struct blx__node *node;

	blx__free(forward);
	if (request == NULL) {
		return;
	}
	INVARIANT(request->state == BLX__REQUEST_FORWARDED);
	node = request->node;
	request->place = NULL;
	if (code == 0 && response->code != BLX_ENOTLEADER) {
		answer(request, response, was_maybe_applied);
		return;
	}
	if (code == 0 && response->outcome == BLX_NOT_APPLIED) {
		request->maybe_applied = was_maybe_applied; /* it did nothing */
	}
	/* No longer the leader, or the connection is gone: with the next one. */
	blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
}

void blx__forward_begin(struct blx__node *node, struct blx__request *request, raft_id leader)
{
	struct blx__call_head head = {
		.op = request->op,
		.flags = BLX__CALL_FORWARDED,
		.timeout_ms = blx__request_left_ms(request),
	};
	struct forward *forward = blx__malloc(sizeof *forward);

	if (forward == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	*forward = (struct forward){ .request = request, .sent_before = request->maybe_applied };
	forward->was_maybe_applied = request->maybe_applied;
	if (blx__peers_call(node->peers, leader, &head, request->body, request->body_len,
		    on_answer, forward) != 0) {
		blx__free(forward);
		blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
		return;
	}
	request->maybe_applied = true;
	node->counters.forwarded++;
	blx__request_move(request, BLX__REQUEST_FORWARDED, &node->forwarded);
	request->place = forward;
}

void blx__forward_forget(struct blx__request *request)
{
	struct forward *forward = request->place;

	if (forward != NULL) {
		forward->request = NULL;
		request->place = NULL;
	}
}
