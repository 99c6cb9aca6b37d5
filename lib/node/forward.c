/* SPDX-License-Identifier: Apache-2.0 */
#include "node/forward.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"

#include <string.h>

/* Outlives its request when that ends first. */
struct forward {
	struct blx__request *request; /* borrowed; NULL: ended */
	bool was_maybe_applied;       /* by an attempt before this one */
};

/* Would every copy of the command have come to the same? What the machine says of a command
 * of a session it says of all copies; what is wrong with its bytes is wrong with all. */
static bool is_for_all_copies(int code)
{
	return code == BLX_ECONFLICT || code == BLX_EINVAL || code == BLX_ETOOBIG ||
		code == BLX_EPROTO || code == BLX_EQUOTA;
}

/* The leader answers for the copy that it got; of the attempt before, which may be in its log
 * or on its way still, that says nothing: its session is gone, it is busy, it has stopped. */
static void answer(struct blx__request *request, const struct blx__response *response,
	bool was_maybe_applied)
{
	struct blx__response told = *response;

	if (told.outcome == BLX_NOT_APPLIED && was_maybe_applied &&
		!is_for_all_copies(told.code)) {
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
	if (blx__request_is_of_a_member(request)) {
		blx__request_fail(request, BLX_ECONNECT,
			"the member was lost while it performed this; it may have been done");
		return;
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
	*forward = (struct forward){ .request = request,
		.was_maybe_applied = request->maybe_applied };
	if (blx__peers_call(node->peers, leader, &head, request->body, request->body_len,
		    on_answer, forward) != 0) {
		blx__free(forward);
		if (blx__request_is_of_a_member(request)) {
			blx__request_fail(request, BLX_ECONNECT,
				"%s is not connected to that member", node->identity.name);
		} else {
			blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
		}
		return;
	}
	request->maybe_applied = true;
	node->counters.forwarded++;
	blx__request_move(request, BLX__REQUEST_FORWARDED, &node->forwarded);
	request->place = forward;
}

bool blx__forward_to(struct blx__node *node, struct blx__request *request, const char *name)
{
	raft_id id = blx__node_member_id(node, name);

	if (strcmp(name, node->identity.name) == 0) {
		return false;
	}
	if (id == 0) {
		blx__request_fail(request, BLX_ENOTMEMBER, "there is no member %s", name);
	} else if ((request->flags & BLX__CALL_FORWARDED) != 0) {
		blx__request_fail(
			request, BLX_EPROTO, "%s is not %s", node->identity.name, name);
	} else {
		blx__forward_begin(node, request, id);
	}
	return true;
}

void blx__forward_forget(struct blx__request *request)
{
	struct forward *forward = request->place;

	if (forward != NULL) {
		forward->request = NULL;
		request->place = NULL;
	}
}
