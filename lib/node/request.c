/* SPDX-License-Identifier: Apache-2.0 */
#include "node/request.h"

#include "base/assert.h"
#include "node/impl.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct blx__request *request_of(struct blx__list *link)
{
	return blx__container_of(link, struct blx__request, link);
}

void blx__request_submit(struct blx__node *node, struct blx__request *request)
{
	PRE(request->done != NULL);

	request->node = node;
	request->state = BLX__REQUEST_NEW;
	request->maybe_applied = false;
	request->place = NULL;
	(void)pthread_mutex_lock(&node->intake_lock);
	blx__list_push_back(&node->intake, &request->link);
	(void)pthread_mutex_unlock(&node->intake_lock);
	blx__env_post(node->env, &node->intake_post);
}

bool blx__request_is_of_a_member(const struct blx__request *request)
{
	return request->op == BLX__OP_CAN_RUN || request->op == BLX__OP_CALL;
}

bool blx__request_is_write(const struct blx__request *request)
{
	switch (request->op) {
	case BLX__OP_WRITE:
	case BLX__OP_PROMOTE:
	case BLX__OP_DEMOTE:
	case BLX__OP_REMOVE:
	case BLX__OP_TRANSFER:
	case BLX__OP_JOIN:
	case BLX__OP_CALL:
		return true;
	default:
		return false;
	}
}

uint32_t blx__request_left_ms(const struct blx__request *request)
{
	uint64_t gone = (blx__mono_ns(request->node->env) - request->since_ns) / 1000000;

	return gone < request->timeout_ms ? (uint32_t)(request->timeout_ms - gone) : 0;
}

void blx__request_move(struct blx__request *request, enum blx__request_state state,
	struct blx__list *list)
{
	blx__list_remove(&request->link);
	request->state = state;
	if (list != NULL) {
		blx__list_push_back(list, &request->link);
	}
}

/* Whoever works for it is told that it is gone. */
static void request_detach(struct blx__request *request)
{
	struct blx__node *node = request->node;

	if (request->state == BLX__REQUEST_PROPOSED || request->state == BLX__REQUEST_QUEUED) {
		blx__proposals_forget(&node->proposals, request);
	} else if (request->state == BLX__REQUEST_FORWARDED) {
		blx__forward_forget(request);
	} else if (request->state == BLX__REQUEST_WORKING) {
		blx__changes_forget(&node->changes, request);
		blx__images_forget(request);
		blx__queries_forget(request);
		blx__functions_forget(request);
	} else if (request->state == BLX__REQUEST_WATCHING) {
		blx__watches_forget(&node->watches, request);
	}
	blx__list_remove(&request->link);
	request->place = NULL;
}

void blx__request_finish(struct blx__request *request, const struct blx__response *response)
{
	struct blx__node *node = request->node;

	INVARIANT(request->state != BLX__REQUEST_DONE);

	request_detach(request);
	request->state = BLX__REQUEST_DONE;
	blx__timer_stop(node->env, &request->timer);
	node->counters.requests++;
	node->counters.requests_failed += response->code < 0;
	request->done(request, response); /* may free the request */
}

void blx__request_fail(struct blx__request *request, int code, const char *format, ...)
{
	struct blx__response response = { .code = code };
	char text[BLX_ERROR_MESSAGE_SIZE];
	va_list args;

	PRE(code < 0);

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (blx__request_is_write(request)) {
		response.outcome = request->maybe_applied ? BLX_UNKNOWN : BLX_NOT_APPLIED;
	}
	response.message = text;
	response.message_len = strlen(text);
	blx__request_finish(request, &response);
}

static const char *why_late(const struct blx__request *request)
{
	switch (request->state) {
	case BLX__REQUEST_FORWARDED:
		return blx__request_is_of_a_member(request) ? "that member has not answered"
							    : "the leader has not answered";
	case BLX__REQUEST_APPLYING:
		return "this replica has not caught up";
	case BLX__REQUEST_READING:
		return "the leader is not confirmed";
	case BLX__REQUEST_WORKING:
		return "the work is not done";
	case BLX__REQUEST_WATCHING:
		return "nothing that it waits for was changed";
	default:
		return "it is not committed";
	}
}

static void on_deadline(struct blx__timer *timer)
{
	struct blx__request *request = timer->data;
	struct blx__node *node = request->node;
	bool leader = blx__node_is_leader(node);

	if ((leader && !blx__node_has_contact(node)) || (!leader && blx__node_leader(node) == 0)) {
		blx__request_fail(request, BLX_ENOQUORUM,
			"no quorum: %s reaches no majority of the voters; local reads work",
			node->identity.name);
		return;
	}
	blx__request_fail(request, BLX_ETIMEOUT, "timed out after %u ms: %s",
		(unsigned)request->timeout_ms, why_late(request));
}

static void request_begin(struct blx__node *node, struct blx__request *request)
{
	request->since_ns = blx__mono_ns(node->env);
	if (request->timeout_ms == 0) {
		request->timeout_ms = BLX__REQUEST_TIMEOUT_MS;
	}
	blx__timer_init(&request->timer, on_deadline, request);
	if (blx__timer_start_ms(node->env, &request->timer, request->timeout_ms) != 0) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	blx__node_dispatch(node, request);
}

void blx__request_intake(struct blx__post *post)
{
	struct blx__node *node = post->data;
	struct blx__list taken;
	struct blx__list *link;

	blx__list_init(&taken);
	(void)pthread_mutex_lock(&node->intake_lock);
	blx__list_splice(&taken, &node->intake);
	(void)pthread_mutex_unlock(&node->intake_lock);
	while ((link = blx__list_pop_front(&taken)) != NULL) {
		request_begin(node, request_of(link));
	}
	/* What came in together leaves together: the queue is looked at once, here. */
	blx__proposals_pump(&node->proposals);
	blx__node_poll(node);
}
