/* SPDX-License-Identifier: Apache-2.0 */
/* What a member answers from its own replica. */
#include "base/mem.h"
#include "node/impl.h"

#include <stdlib.h>
#include <string.h>

static void answer_body(struct blx__request *request, int code, const struct blx__buf *body)
{
	struct blx__response response = { .code = code };

	if (!blx__buf_ok(body)) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	response.body = body->data;
	response.body_len = body->len;
	blx__request_finish(request, &response);
}

/* Waits in APPLYING until the replica has the revision; false: it has it now. */
static bool waits_for_revision(struct blx__request *request, uint64_t revision)
{
	struct blx__node *node = request->node;

	if (revision <= blx__machine_revision(node->machine)) {
		return false;
	}
	if (request->state != BLX__REQUEST_APPLYING) {
		request->index = 0;
		blx__request_move(request, BLX__REQUEST_APPLYING, &node->applying);
	}
	return true;
}

static void answer_get(struct blx__request *request)
{
	struct blx__node *node = request->node;
	struct blx__get get;
	struct blx__got got = { 0 };
	struct blx__item *item = NULL;
	struct blx__buf body;
	int rv;

	if (blx__get_get(request->body, request->body_len, &get) != 0) {
		blx__request_fail(request, BLX_EPROTO, "get: the request is malformed");
		return;
	}
	if (waits_for_revision(request, get.min_revision)) {
		return;
	}
	rv = blx__machine_get(node->machine, get.key, get.key_len, &item, &got.revision);
	got.age_ms = blx__node_leader_age_ms(node);
	if (rv == 0) {
		got.create_revision = item->create_revision;
		got.mod_revision = item->mod_revision;
		got.version = item->version;
		got.value = blx__item_value(item);
		got.value_len = blx__item_value_len(item);
	}
	blx__buf_init(&body);
	blx__got_put(&body, &got);
	answer_body(request, rv, &body);
	blx__buf_finish(&body);
	if (item != NULL) {
		blx__item_unref(item);
	}
}

static void answer_barrier(struct blx__request *request)
{
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);
	uint64_t min_revision = blx__get_u64(&reader);
	struct blx__buf body;

	if (!blx__reader_done(&reader)) {
		blx__request_fail(request, BLX_EPROTO, "barrier: the request is malformed");
		return;
	}
	if (waits_for_revision(request, min_revision)) {
		return;
	}
	blx__buf_init(&body);
	answer_body(request, 0, &body);
	blx__buf_finish(&body);
}

static void answer_read_index(struct blx__request *request)
{
	struct blx__buf body;

	blx__buf_init(&body);
	blx__put_u64(&body, request->index);
	answer_body(request, 0, &body);
	blx__buf_finish(&body);
}

static void answer_status(struct blx__request *request)
{
	char *text = blx__node_status_text(request->node);
	struct blx__response response = { .code = 0 };

	if (text == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	response.body = (const uint8_t *)text;
	response.body_len = strlen(text);
	blx__request_finish(request, &response);
	free(text);
}

static void answer_view(struct blx__request *request)
{
	struct blx__node *node = request->node;
	struct blx__views_spec spec;
	struct blx__views_head head;
	struct blx__buf entries;
	struct blx__buf body;
	int rv;

	if (blx__views_spec_get(request->body, request->body_len, &spec) != 0) {
		blx__request_fail(request, BLX_EPROTO, "view: the request is malformed");
		return;
	}
	blx__buf_init(&entries);
	blx__buf_init(&body);
	rv = blx__views_read(node->watches.views, &spec, &head, &entries);
	head.age_ms = blx__node_leader_age_ms(node);
	blx__views_head_put(&body, &head);
	blx__buf_append(&body, entries.data, entries.len);
	answer_body(request, rv, &body);
	blx__buf_finish(&entries);
	blx__buf_finish(&body);
}

void blx__node_answer_local(struct blx__node *node, struct blx__request *request)
{
	switch (request->op) {
	case BLX__OP_GET:
		answer_get(request);
		break;
	case BLX__OP_LIST:
		blx__lists_answer(&node->lists, request);
		break;
	case BLX__OP_BARRIER:
		answer_barrier(request);
		break;
	case BLX__OP_READ_INDEX:
		answer_read_index(request);
		break;
	case BLX__OP_STATUS:
		answer_status(request);
		break;
	case BLX__OP_HEALTH:
		blx__overseer_answer(&node->overseer, request);
		break;
	case BLX__OP_SQL:
		blx__queries_add(&node->queries, request);
		break;
	case BLX__OP_VIEW:
		answer_view(request);
		break;
	case BLX__OP_LEASE_KEEP:
		blx__keeper_answer(&node->keeper, request);
		break;
	case BLX__OP_HOST_KEEP:
		blx__hosts_answer(&node->hosts, request);
		break;
	case BLX__OP_CAN_RUN:
		blx__steward_can_run(&node->steward, request);
		break;
	case BLX__OP_CALL:
		blx__functions_add(&node->functions, request);
		break;
	case BLX__OP_WATCH:
		blx__watches_add(&node->watches, request);
		break;
	case BLX__OP_SNAP_MAKE:
	case BLX__OP_SNAP_PIECE:
	case BLX__OP_IMAGE_PIECE:
		blx__images_add(&node->images, request);
		break;
	default:
		blx__request_fail(request, BLX_ENOSYS, "request %u is not known here",
			(unsigned)request->op);
		break;
	}
}
