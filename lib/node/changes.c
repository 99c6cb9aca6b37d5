/* SPDX-License-Identifier: Apache-2.0 */
#include "node/changes.h"

#include "base/assert.h"
#include "base/log.h"
#include "node/guard_member.h"
#include "node/impl.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void blx__changes_init(struct blx__changes *changes, struct blx__node *node)
{
	*changes = (struct blx__changes){ .node = node };
}

void blx__changes_forget(struct blx__changes *changes, struct blx__request *request)
{
	if (changes->request == request) {
		changes->request = NULL;
	}
	if (changes->transfer == request) {
		changes->transfer = NULL;
	}
}

static void answer_ok(struct blx__request *request)
{
	struct blx__response response = { .code = 0 };

	blx__request_finish(request, &response);
}

static void fail_by_raft(struct blx__request *request, int status, const char *what)
{
	request->maybe_applied = status == RAFT_LEADERSHIPLOST;
	switch (status) {
	case RAFT_LEADERSHIPLOST:
		blx__request_fail(request, BLX_ENOTLEADER,
			"%s: leadership was lost meanwhile; look at the members and try again",
			what);
		break;
	case RAFT_NOTLEADER:
		blx__request_fail(request, BLX_ENOTLEADER, "%s: not the leader", what);
		break;
	case RAFT_CANTCHANGE:
		blx__request_fail(request, BLX_ECHANGING,
			"%s: another membership change is under way; try again", what);
		break;
	case RAFT_NOCONNECTION:
		blx__request_fail(request, BLX_ECONNECT,
			"%s: the member did not catch up in time; is it running?", what);
		break;
	default:
		blx__request_fail(request, BLX_EBUSY, "%s: %s; try again", what,
			raft_strerror(status));
		break;
	}
}

static const struct raft_server *server_by_name(struct blx__node *node, const char *wanted)
{
	const struct raft_configuration *conf = &node->raft.configuration;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		char name[BLX__NAME_LEN_MAX + 1];
		char address[BLX__ADDRESS_LEN_MAX + 1];

		if (blx__server_address_split(conf->servers[i].address, name, address) == 0 &&
			strcmp(name, wanted) == 0) {
			return &conf->servers[i];
		}
	}
	return NULL;
}

/* ---- adding, promoting, demoting, removing ---------------------------- */

static void on_changed(struct raft_change *change, int status);

static void join_answer(struct blx__changes *changes, struct blx__request *request)
{
	struct blx__node *node = changes->node;
	struct blx__response response = { .code = 0 };
	struct blx__buf body;

	blx__buf_init(&body);
	blx__put_u64(&body, changes->joining_id);
	blx__buf_append(&body, node->identity.cluster_id, BLX__CLUSTER_ID_LEN);
	blx__put_text(&body, node->identity.cluster);
	if (!blx__buf_ok(&body)) {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
	} else {
		response.body = body.data;
		response.body_len = body.len;
		blx__request_finish(request, &response);
	}
	blx__buf_finish(&body);
}

/* A new server starts as a spare, which gets nothing; the second step makes it a learner. */
static void join_make_learner(struct blx__changes *changes)
{
	struct blx__node *node = changes->node;
	int rv = raft_assign(&node->raft, &changes->change, changes->joining_id, RAFT_STANDBY,
		on_changed);

	changes->running = rv == 0;
	if (rv != 0 && changes->request != NULL) {
		fail_by_raft(changes->request, rv, "make the new member a learner");
	}
}

static void on_changed(struct raft_change *change, int status)
{
	struct blx__changes *changes = blx__container_of(change, struct blx__changes, change);
	struct blx__request *request = changes->request;
	bool joining = request != NULL && request->op == BLX__OP_JOIN;

	changes->running = false;
	if (request == NULL) {
		return;
	}
	if (status != 0) {
		fail_by_raft(request, status, "change the membership");
	} else if (joining && request->place == NULL) {
		/* The first of two steps is done. The second is taken outside of raft's
		 * apply, which this is called from. */
		request->place = request;
		changes->learner_due = true;
	} else if (joining) {
		join_answer(changes, request);
	} else {
		answer_ok(request);
	}
}

static void change_begun(struct blx__changes *changes, struct blx__request *request, int rv,
	const char *what)
{
	if (rv != 0) {
		fail_by_raft(request, rv, what);
		return;
	}
	blx__request_move(request, BLX__REQUEST_WORKING, &changes->node->working);
	changes->running = true;
	changes->request = request;
	blx__guard_poll(changes->node->guard);
}

static bool parse_name(struct blx__request *request, char ret_name[BLX__NAME_LEN_MAX + 1])
{
	if (request->body_len == 0 || request->body_len > BLX__NAME_LEN_MAX) {
		return false;
	}
	memcpy(ret_name, request->body, request->body_len);
	ret_name[request->body_len] = '\0';
	return blx__name_valid(ret_name);
}

/* The leader does not change itself: another leads first, and performs it then. */
static void change_self(struct blx__changes *changes, struct blx__request *request)
{
	struct blx__node *node = changes->node;
	int rv = blx__changes_transfer_begin(node, 0);

	if (rv != 0 && rv != BLX_EBUSY) {
		blx__request_fail(request, BLX_EINVAL,
			"%s leads, and no other voter can take over, so it cannot change itself",
			node->identity.name);
		return;
	}
	if ((request->flags & BLX__CALL_FORWARDED) != 0) {
		blx__request_fail(request, BLX_ENOTLEADER, "%s is handing leadership over",
			node->identity.name);
		return;
	}
	blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
}

/* Refused. What only needs a moment, because leadership is new, waits for it. */
static void change_refused(struct blx__changes *changes, struct blx__request *request, int code,
	const char *what, const blx_error *why)
{
	if (code == BLX_EBUSY) {
		blx__request_move(request, BLX__REQUEST_WAITING, &changes->node->waiting);
		return;
	}
	blx__request_fail(request, code, "%s: %s", what, why->message);
}

static void change_one(struct blx__changes *changes, struct blx__request *request)
{
	struct blx__node *node = changes->node;
	const struct raft_server *server;
	char name[BLX__NAME_LEN_MAX + 1];
	blx_error why = BLX_ERROR_INIT;
	int rv;

	if (!parse_name(request, name)) {
		blx__request_fail(request, BLX_EINVAL,
			"change the membership: not a member's name");
		return;
	}
	server = server_by_name(node, name);
	if (server == NULL) {
		blx__request_fail(request, BLX_ENOTMEMBER, "%s: no member of that name", name);
		return;
	}
	if (server->id == node->identity.id && request->op != BLX__OP_PROMOTE) {
		change_self(changes, request);
		return;
	}
	if (request->op == BLX__OP_PROMOTE) {
		rv = blx__member_may_promote(node->guard, server->id, &why);
	} else if (request->op == BLX__OP_DEMOTE) {
		rv = blx__member_may_demote(node->guard, server->id, &why);
	} else {
		rv = blx__member_may_remove(node->guard, server->id, &why);
	}
	if (rv != 0) {
		change_refused(changes, request, rv, name, &why);
		return;
	}
	if (request->op == BLX__OP_REMOVE) {
		rv = raft_remove(&node->raft, &changes->change, server->id, on_changed);
	} else {
		rv = raft_assign(&node->raft, &changes->change, server->id,
			request->op == BLX__OP_PROMOTE ? RAFT_VOTER : RAFT_STANDBY, on_changed);
	}
	change_begun(changes, request, rv, name);
}

static void change_join(struct blx__changes *changes, struct blx__request *request)
{
	struct blx__node *node = changes->node;
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);
	char *name = blx__get_text(&reader, BLX__NAME_LEN_MAX);
	char *address = blx__get_text(&reader, BLX__ADDRESS_LEN_MAX);
	char server[BLX__SERVER_ADDRESS_SIZE];
	blx_error why = BLX_ERROR_INIT;
	int rv;

	if (!blx__reader_done(&reader) || !blx__name_valid(name) ||
		!blx__address_valid(address)) {
		blx__request_fail(request, BLX_EINVAL,
			"join: the name or the address is not of the documented form");
	} else if (server_by_name(node, name) != NULL) {
		blx__request_fail(request, BLX_EEXIST,
			"join: %s is a member already; choose another name, or remove it first",
			name);
	} else if (blx__server_address_join(name, address, server, sizeof server) != 0 ||
		(rv = blx__member_may_add(node->guard, server, &why)) != 0) {
		change_refused(changes, request, why.code != 0 ? why.code : BLX_EINVAL, "join",
			&why);
	} else {
		changes->joining_id = blx__member_new_id(node->guard);
		rv = raft_add(&node->raft, &changes->change, changes->joining_id, server,
			on_changed);
		change_begun(changes, request, rv, "join");
	}
	blx__free(name);
	blx__free(address);
}

/* ---- leadership ------------------------------------------------------- */

static void on_transferred(struct raft_transfer *transfer)
{
	struct blx__node *node = transfer->data;

	node->transferring = false;
}

int blx__changes_transfer_begin(struct blx__node *node, raft_id id)
{
	int rv;

	if (node->transferring || node->raft.transfer != NULL) {
		return BLX_EBUSY;
	}
	node->transfer.data = node;
	blx__read_lease_bar(&node->read_lease);
	rv = raft_transfer(&node->raft, &node->transfer, id, on_transferred);
	if (rv != 0) {
		return rv == RAFT_NOTLEADER ? BLX_ENOTLEADER : BLX_EINVAL;
	}
	node->transferring = true;
	node->changes.transfer_began_ns = blx__mono_ns(node->env);
	return 0;
}

static void transfer_request(struct blx__changes *changes, struct blx__request *request)
{
	struct blx__node *node = changes->node;
	const struct raft_server *server = NULL;
	char name[BLX__NAME_LEN_MAX + 1] = "";
	int rv;

	if (request->body_len > 0) {
		server = parse_name(request, name) ? server_by_name(node, name) : NULL;
		if (server == NULL) {
			blx__request_fail(request, BLX_ENOTMEMBER, "%s: no member of that name",
				name);
			return;
		}
		if (server->id == node->identity.id) {
			answer_ok(request);
			return;
		}
	}
	rv = blx__changes_transfer_begin(node, server != NULL ? server->id : 0);
	if (rv == BLX_EBUSY) {
		blx__request_fail(request, rv, "leadership is being handed over already");
	} else if (rv != 0) {
		blx__request_fail(request, rv, "%s: not a voter that could lead",
			server != NULL ? name : "no other member");
	} else {
		changes->transfer = request;
		changes->transfer_to = server != NULL ? server->id : 0;
		blx__request_move(request, BLX__REQUEST_WORKING, &node->working);
	}
}

static void transfer_poll(struct blx__changes *changes)
{
	struct blx__node *node = changes->node;
	raft_id leader = blx__node_leader(node);
	bool over = !node->transferring;

	if (changes->transfer == NULL) {
		return;
	}
	if (leader != 0 && leader != node->identity.id &&
		(changes->transfer_to == 0 || leader == changes->transfer_to)) {
		answer_ok(changes->transfer);
	} else if (over && leader != 0) {
		changes->transfer->maybe_applied = false;
		blx__request_fail(changes->transfer, BLX_EBUSY,
			"the member did not take over in time; it may lag behind, try again");
	}
}

void blx__changes_add(struct blx__changes *changes, struct blx__request *request)
{
	if (request->op == BLX__OP_TRANSFER) {
		transfer_request(changes, request);
	} else if (changes->running) {
		blx__request_fail(request, BLX_ECHANGING,
			"another membership change is under way; try again");
	} else if (request->op == BLX__OP_JOIN) {
		change_join(changes, request);
	} else {
		change_one(changes, request);
	}
}

void blx__changes_poll(struct blx__changes *changes)
{
	if (changes->learner_due && !changes->running) {
		changes->learner_due = false;
		join_make_learner(changes);
	}
	transfer_poll(changes);
}
