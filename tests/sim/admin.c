/* SPDX-License-Identifier: Apache-2.0 */
#include "admin.h"

#include "base/codec.h"
#include "memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 4000

struct sim_admin_call {
	struct blx__request request;
	struct blx__buf body;
	struct sim_admin *admin;
	struct sim_member *via;
	struct sim_member *target;
	struct blx__identity identity; /* of who joins */
	struct sim_event after;        /* what is to be done about the answer */
	int code;
};

static const char *op_name(uint8_t op)
{
	switch (op) {
	case BLX__OP_JOIN:
		return "joined";
	case BLX__OP_PROMOTE:
		return "promoted";
	case BLX__OP_DEMOTE:
		return "demoted";
	case BLX__OP_REMOVE:
		return "removed";
	default:
		return "made the leader";
	}
}

void sim_admin_init(struct sim_admin *admin, struct sim_cluster *cluster)
{
	*admin = (struct sim_admin){.cluster = cluster};
}

static void call_end(struct sim_admin *admin)
{
	sim_event_cancel(admin->cluster->world, &admin->call->after);
	blx__buf_finish(&admin->call->body);
	free(admin->call);
	admin->call = NULL;
}

void sim_admin_finish(struct sim_admin *admin)
{
	if (admin->call != NULL) {
		call_end(admin);
	}
}

bool sim_admin_busy(const struct sim_admin *admin)
{
	return admin->call != NULL;
}

void sim_admin_on_end(struct sim_admin *admin, const struct sim_member *member)
{
	if (admin->call != NULL && admin->call->via == member &&
		!sim_event_pending(&admin->call->after)) {
		admin->code = BLX_ECONNECT;
		call_end(admin);
	}
}

/* ---- answers ---- */

static bool parse_join(struct sim_admin_call *call, const struct blx__response *response)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	const uint8_t *cluster_id;
	const uint8_t *cluster;
	size_t len;

	call->identity.id = blx__get_u64(&reader);
	cluster_id = blx__get_raw(&reader, BLX__CLUSTER_ID_LEN);
	cluster = blx__get_bytes(&reader, BLX__NAME_LEN_MAX, &len);
	if (!blx__reader_ok(&reader)) {
		return false;
	}
	memcpy(call->identity.cluster_id, cluster_id, BLX__CLUSTER_ID_LEN);
	memcpy(call->identity.cluster, cluster, len);
	(void)strcpy(call->identity.name, call->target->name);
	(void)strcpy(call->identity.address, call->target->address);
	return true;
}

/* The answer came, and the member that gave it is done with it. */
static void on_after(struct sim_event *event)
{
	struct sim_admin_call *call = event->data;
	struct sim_admin *admin = call->admin;
	struct sim_member *target = call->target;
	uint8_t op = call->request.op;

	admin->code = call->code;
	call->via = NULL; /* it may be the one that goes now */
	if (call->code == 0 && op == BLX__OP_JOIN) {
		if (sim_member_join(target, &call->identity)) {
			sim_member_start_after(target, 10 * SIM_MS);
		}
	} else if (call->code == 0 && op == BLX__OP_REMOVE) {
		sim_member_end(target, SIM_END_KILL);
		target->state = SIM_MEMBER_GONE;
	}
	call_end(admin);
}

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct sim_admin_call *call = request->data;
	struct sim_world *world = call->admin->cluster->world;

	call->code = response->code;
	if (response->code == 0) {
		call->admin->done++;
		sim_tell(world, call->target->name, "is %s", op_name(request->op));
	} else {
		call->admin->refused++;
		sim_tell(world, call->target->name, "is not %s: %.*s%s",
			op_name(request->op), (int)response->message_len,
			response->message,
			response->outcome == BLX_UNKNOWN ? " (or may be yet)" : "");
	}
	if (response->code == 0 && request->op == BLX__OP_JOIN &&
		!parse_join(call, response)) {
		sim_fail(world, "the answer to a join is malformed");
	}
	sim_event_after(world, &call->after, SIM_US);
}

/* ---- asking ---- */

bool sim_admin_ask(struct sim_admin *admin, struct sim_member *via, uint8_t op,
	struct sim_member *target)
{
	struct sim_admin_call *call;

	if (admin->call != NULL) {
		return false;
	}
	call = sim_alloc(sizeof *call);
	call->admin = admin;
	call->via = via;
	call->target = target;
	sim_event_init(&call->after, on_after, call);
	blx__buf_init(&call->body);
	if (op == BLX__OP_JOIN) {
		blx__put_text(&call->body, target->name);
		blx__put_text(&call->body, target->address);
	} else {
		blx__buf_append(&call->body, target->name, strlen(target->name));
	}
	call->request.op = op;
	call->request.timeout_ms = TIMEOUT_MS;
	call->request.body = call->body.data;
	call->request.body_len = call->body.len;
	call->request.done = on_done;
	call->request.data = call;
	blx__list_init(&call->request.link);
	admin->call = call;
	sim_env_enter(&via->env, false);
	blx__request_submit(via->node, &call->request);
	sim_env_leave(&via->env);
	return true;
}
