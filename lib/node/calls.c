/* SPDX-License-Identifier: Apache-2.0 */
#include "node/calls.h"

#include "base/assert.h"
#include "base/mem.h"

struct call {
	struct blx__list link;
	struct blx__timer timer;
	uint64_t id;
	blx__peer_call_cb cb;
	void *data;
};

static struct call *call_of(struct blx__list *link)
{
	return blx__container_of(link, struct call, link);
}

static void on_lost_post(struct blx__post *post)
{
	blx__calls_tell(post->data);
}

void blx__calls_init(struct blx__calls *calls, struct blx__env *env)
{
	*calls = (struct blx__calls){.env = env, .lost_code = BLX_ECONNECT};
	/* A member answers by number, whatever connection the call came over: to count from
	 * 1 in each run would take an answer to the run before for one of this run. */
	calls->id = blx__random_u64(env);
	blx__buf_init(&calls->scratch);
	blx__list_init(&calls->lost);
	blx__post_init(&calls->lost_post, on_lost_post, calls);
}

void blx__calls_finish(struct blx__calls *calls)
{
	PRE(blx__list_empty(&calls->lost));

	blx__buf_finish(&calls->scratch);
}

static void on_late(struct blx__timer *timer)
{
	struct call *call = timer->data;

	blx__list_remove(&call->link);
	call->cb(BLX_ETIMEOUT, NULL, call->data);
	blx__free(call);
}

static int call_send(struct blx__calls *calls, const struct call *call,
	struct blx__conn *conn, const struct blx__ask_peer *ask)
{
	struct blx__buf *head = &calls->scratch;

	blx__buf_reset(head);
	blx__call_head_put(head, ask->head);
	if (!blx__buf_ok(head)) {
		return BLX_ENOMEM;
	}
	return blx__conn_send2(conn, BLX__KIND_CALL, call->id, head->data, head->len,
		ask->body, ask->len);
}

int blx__calls_begin(struct blx__calls *calls, struct blx__list *under_way,
	struct blx__conn *conn, const struct blx__ask_peer *ask)
{
	struct call *call = blx__malloc(sizeof *call);
	int rv;

	if (call == NULL) {
		return BLX_ENOMEM;
	}
	*call = (struct call){.id = ++calls->id, .cb = ask->cb, .data = ask->data};
	blx__timer_init(&call->timer, on_late, call);
	rv = blx__timer_start_ms(calls->env, &call->timer, ask->head->timeout_ms);
	if (rv == 0) {
		rv = call_send(calls, call, conn, ask);
	}
	if (rv != 0) {
		blx__timer_stop(calls->env, &call->timer);
		blx__free(call);
		return rv;
	}
	blx__list_push_back(under_way, &call->link);
	return 0;
}

/* Answers come nearly in the order of the calls: the search is short. */
static struct call *call_find(struct blx__list *under_way, uint64_t id)
{
	struct blx__list *link;

	blx__list_foreach (link, under_way) {
		if (call_of(link)->id == id) {
			return call_of(link);
		}
	}
	return NULL;
}

void blx__calls_on_reply(struct blx__calls *calls, struct blx__list *under_way,
	const struct blx__frame *frame)
{
	struct call *call = call_find(under_way, frame->id);
	struct blx__response response;
	int rv;

	if (call == NULL) {
		return;
	}
	blx__list_remove(&call->link);
	blx__timer_stop(calls->env, &call->timer);
	rv = blx__response_get(frame->payload, frame->len, &response);
	call->cb(rv, rv == 0 ? &response : NULL, call->data);
	blx__free(call);
}

void blx__calls_lose(struct blx__calls *calls, struct blx__list *under_way)
{
	struct blx__list *link;

	if (blx__list_empty(under_way)) {
		return;
	}
	blx__list_foreach (link, under_way) {
		blx__timer_stop(calls->env, &call_of(link)->timer);
	}
	blx__list_splice(&calls->lost, under_way);
	blx__env_post(calls->env, &calls->lost_post);
}

void blx__calls_tell(struct blx__calls *calls)
{
	struct blx__list due;
	struct blx__list *link;

	blx__list_init(&due);
	blx__list_splice(&due, &calls->lost);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct call *call = call_of(link);

		call->cb(calls->lost_code, NULL, call->data);
		blx__free(call);
	}
}
