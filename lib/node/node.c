/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The member as a whole: what it looks at after each event, and where a
 * request goes next. How it is opened is in life.c, how it ends in end.c.
 */
#include "node/node.h"

#include "base/assert.h"
#include "base/log.h"
#include "node/impl.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A member that heard no leader for so many election timeouts knows that it has none, and
 * refuses at once instead of letting callers wait. Elections are over within two. */
#define LEADERLESS_TIMEOUTS 2

struct blx__machine *blx__node_machine(struct blx__node *node)
{
	return node->machine;
}

const struct blx__identity *blx__node_identity(const struct blx__node *node)
{
	return &node->identity;
}

bool blx__node_current_within(struct blx__node *node, uint64_t max_age_ms)
{
	return blx__reads_current_within(&node->reads, max_age_ms);
}

struct blx__views *blx__node_views(struct blx__node *node)
{
	return node->watches.views;
}

bool blx__node_lease_holds(struct blx__node *node)
{
	return blx__read_lease_holds(&node->read_lease);
}

struct blx__functions *blx__node_functions(struct blx__node *node)
{
	return &node->functions;
}

struct blx__env *blx__node_env(struct blx__node *node)
{
	return node->env;
}

bool blx__node_is_leader(const struct blx__node *node)
{
	return node->raft_started && !node->failed && !node->closing &&
		node->raft.state == RAFT_LEADER;
}

/* A member without a vote never forgets its leader by itself (libraft clears it only on
 * becoming a candidate), so how long ago it was heard counts as well. */
static bool leader_is_heard(struct blx__node *node)
{
	uint64_t heard = atomic_load(&node->heard_ns);
	uint64_t limit = 2 * (uint64_t)node->opts.election_timeout_ms * 1000000;

	return heard != 0 && blx__mono_ns(node->env) - heard < limit;
}

raft_id blx__node_leader(struct blx__node *node)
{
	raft_id id = 0;
	const char *address;

	if (!node->raft_started || node->failed || node->closing) {
		return 0;
	}
	raft_leader(&node->raft, &id, &address);
	if (id == 0 || id == node->identity.id) {
		return blx__node_is_leader(node) ? node->identity.id : 0;
	}
	return leader_is_heard(node) ? id : 0;
}

bool blx__node_has_contact(struct blx__node *node)
{
	const struct raft_configuration *conf = &node->raft.configuration;
	uint64_t now = blx__mono_ns(node->env);
	uint64_t limit = (uint64_t)node->opts.election_timeout_ms * 1000000;
	unsigned voters = 0;
	unsigned heard = 0;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		const struct raft_server *server = &conf->servers[i];

		if (server->role != RAFT_VOTER) {
			continue;
		}
		voters++;
		heard += server->id == node->identity.id ||
			now - blx__peers_heard_ns(node->peers, server->id) < limit;
	}
	return heard > voters / 2;
}

const char *blx__node_member_name(struct blx__node *node, raft_id id, char *buf, size_t size)
{
	const struct raft_configuration *conf = &node->raft.configuration;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		char name[BLX__NAME_LEN_MAX + 1];
		char address[BLX__ADDRESS_LEN_MAX + 1];

		if (conf->servers[i].id == id &&
			blx__server_address_split(conf->servers[i].address, name, address) == 0) {
			(void)snprintf(buf, size, "%s", name);
			return buf;
		}
	}
	(void)snprintf(buf, size, "member %llu", id);
	return buf;
}

raft_id blx__node_member_id(struct blx__node *node, const char *name)
{
	const struct raft_configuration *conf = &node->raft.configuration;
	char member[BLX__NAME_LEN_MAX + 32];
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		raft_id id = conf->servers[i].id;

		if (strcmp(blx__node_member_name(node, id, member, sizeof member), name) == 0) {
			return id;
		}
	}
	return 0;
}

uint64_t blx__node_leader_age_ms(struct blx__node *node)
{
	uint64_t heard;

	if (atomic_load(&node->is_leader)) {
		return 0;
	}
	heard = atomic_load(&node->heard_ns);
	return heard == 0 ? UINT64_MAX : (blx__mono_ns(node->env) - heard) / 1000000;
}

int blx__node_failed(struct blx__node *node, blx_error *error)
{
	int code;

	(void)pthread_mutex_lock(&node->view_lock);
	code = node->failure.code;
	blx__error_copy(error, &node->failure);
	(void)pthread_mutex_unlock(&node->view_lock);
	return code;
}

void blx__node_view(struct blx__node *node, struct blx__node_view *ret_view)
{
	(void)pthread_mutex_lock(&node->view_lock);
	*ret_view = node->view;
	(void)pthread_mutex_unlock(&node->view_lock);
}

/* ---- what changed ---------------------------------------------------- */

static void view_update(struct blx__node *node)
{
	struct blx__node_view view = {
		.term = node->raft.current_term,
		.commit_index = node->raft.commit_index,
		.applied_index = node->raft.last_applied,
		.leader_id = node->leader,
		.is_leader = blx__node_is_leader(node),
		.is_caught_up = node->caught_up,
		.is_failed = node->failed,
	};

	if (node->leader != 0) {
		(void)blx__node_member_name(node, node->leader, view.leader, sizeof view.leader);
	}
	(void)pthread_mutex_lock(&node->view_lock);
	node->view = view;
	(void)pthread_mutex_unlock(&node->view_lock);
	atomic_store(&node->is_leader, view.is_leader);
}

static void on_leader_changed(struct blx__node *node, raft_id leader)
{
	char name[BLX__NAME_LEN_MAX + 32];

	node->leader = leader;
	node->counters.leader_changes++;
	if (leader != 0) {
		node->leaderless_since_ns = 0;
		blx__log(BLX__LOG_INFO, "node", "%s: term %llu: leader is %s", node->identity.name,
			node->raft.current_term,
			blx__node_member_name(node, leader, name, sizeof name));
	} else {
		node->leaderless_since_ns = blx__mono_ns(node->env);
		blx__log(BLX__LOG_WARN, "node", "%s: term %llu: no leader", node->identity.name,
			node->raft.current_term);
	}
}

/* Caught up: all that the leader had committed when it was first heard is applied here, and
 * all that this member had in its log when it began, but what was truncated since. The second,
 * because it may have answered from there before it was stopped, and a leader that is new may
 * not know yet how much is committed. A leader is, once an entry of its own term is. */
static void catch_up_check(struct blx__node *node)
{
	bool ok;

	if (node->caught_up || node->leader == 0) {
		return;
	}
	if (blx__node_is_leader(node)) {
		(void)blx__guard_read_index(node->guard, &ok);
		node->caught_up = ok;
	} else {
		node->caught_up = node->leader_commit_heard &&
			node->raft.last_applied >= node->catch_up_index;
	}
	if (node->caught_up) {
		blx__node_wake_waiting(node);
	}
}

void blx__node_hear_commit(struct blx__node *node, raft_index commit)
{
	if (!node->leader_commit_heard) {
		node->leader_commit_heard = true;
		if (commit > node->catch_up_index) {
			node->catch_up_index = commit;
		}
	}
}

void blx__node_log_cut(struct blx__node *node, raft_index index)
{
	if (!node->leader_commit_heard && node->catch_up_index >= index) {
		node->catch_up_index = index - 1;
	}
}

raft_index blx__node_conf_index(const struct blx__node *node)
{
	return node->raft.configuration_uncommitted_index != 0
		? node->raft.configuration_uncommitted_index
		: node->raft.configuration_index;
}

static bool role_changed(struct blx__node *node)
{
	int role = raft_state(&node->raft);
	bool was_leader = node->role == RAFT_LEADER;
	bool changed = role != node->role || node->term != node->raft.current_term;

	if (!changed) {
		return false;
	}
	if (role == RAFT_LEADER && (!was_leader || node->term != node->raft.current_term)) {
		node->counters.elections_won++;
	}
	node->role = role;
	node->term = node->raft.current_term;
	if (was_leader) {
		blx__proposals_on_lost(&node->proposals);
	}
	return true;
}

/* Both the latest configuration and the committed one count: the latest may be undone. */
static bool conf_check(struct blx__node *node)
{
	uint64_t committed_index = 0;
	const struct raft_configuration *committed =
		blx__guard_committed_conf(node->guard, &committed_index);

	if (blx__node_conf_index(node) == node->conf_seen &&
		committed_index == node->conf_committed_seen) {
		return false;
	}
	node->conf_seen = blx__node_conf_index(node);
	node->conf_committed_seen = committed_index;
	blx__peers_configure2(node->peers, &node->raft.configuration, committed);
	return true;
}

void blx__node_poll(struct blx__node *node)
{
	raft_id leader;
	bool changed;

	if (!node->raft_started || node->failed || node->closing) {
		return;
	}
	blx__guard_poll(node->guard);
	changed = role_changed(node);
	leader = blx__node_leader(node);
	if (leader != node->leader) {
		on_leader_changed(node, leader);
		changed = true;
	}
	changed = conf_check(node) || changed;
	if (node->raft.commit_index != node->commit_seen) {
		node->commit_seen = node->raft.commit_index;
		blx__io_commit_notice(node->io);
		blx__node_wake_applying(node);
	}
	blx__watches_poll(&node->watches);
	catch_up_check(node);
	blx__steward_poll(&node->steward);
	blx__overseer_poll(&node->overseer);
	blx__reads_on_change(&node->reads);
	view_update(node);
	blx__changes_poll(&node->changes);
	if (changed) {
		blx__node_wake_waiting(node);
		if (node->opts.on_change != NULL) {
			node->opts.on_change(node->opts.data);
		}
	}
	blx__proposals_pump(&node->proposals);
}

/* ---- where a request goes -------------------------------------------- */

static bool leaderless_for_long(const struct blx__node *node)
{
	uint64_t limit = LEADERLESS_TIMEOUTS * (uint64_t)node->opts.election_timeout_ms * 1000000;

	return node->leader == 0 && node->leaderless_since_ns != 0 &&
		blx__mono_ns(node->env) - node->leaderless_since_ns > limit;
}

static void fail_no_leader(struct blx__node *node, struct blx__request *request)
{
	blx__request_fail(request, BLX_ENOQUORUM,
		"no quorum: %s knows no leader, a majority of the voters cannot be reached; "
		"local reads work",
		node->identity.name);
}

/* Is the op performed by the leader? */
static bool op_is_leaders(uint8_t op)
{
	switch (op) {
	case BLX__OP_WRITE:
	case BLX__OP_READ_INDEX:
	case BLX__OP_LEASE_KEEP:
	case BLX__OP_HEALTH:
	case BLX__OP_HOST_KEEP:
	case BLX__OP_PROMOTE:
	case BLX__OP_DEMOTE:
	case BLX__OP_REMOVE:
	case BLX__OP_TRANSFER:
	case BLX__OP_JOIN:
		return true;
	default:
		return false;
	}
}

/* Is it answered from the replica, so that a caller would notice time going back? */
static bool op_is_read(uint8_t op)
{
	return op == BLX__OP_GET || op == BLX__OP_LIST || op == BLX__OP_WATCH ||
		op == BLX__OP_VIEW || op == BLX__OP_SQL;
}

static void perform_as_leader(struct blx__node *node, struct blx__request *request)
{
	if (request->op == BLX__OP_WRITE) {
		blx__proposals_add(&node->proposals, request);
	} else if (request->op == BLX__OP_LEASE_KEEP) {
		blx__keeper_hear(&node->keeper, request);
	} else if (request->op == BLX__OP_HOST_KEEP) {
		blx__hosts_hear(&node->hosts, request);
	} else if (request->op == BLX__OP_READ_INDEX || request->op == BLX__OP_HEALTH) {
		blx__reads_add(&node->reads, request);
	} else {
		blx__changes_add(&node->changes, request);
	}
}

/* Can it be sent once more without harm? A write can under its session, which makes it
 * applied once; a change of the membership cannot. */
static bool may_repeat(const struct blx__request *request)
{
	if (!blx__request_is_write(request)) {
		return true;
	}
	return request->op == BLX__OP_WRITE &&
		blx__command_has_session(request->body, request->body_len);
}

static void dispatch_to_leader(struct blx__node *node, struct blx__request *request)
{
	raft_id leader = blx__node_leader(node);

	if (request->maybe_applied && !may_repeat(request)) {
		blx__request_fail(request, BLX_ENOTLEADER,
			"the leader was lost while it performed this; look whether it was done");
	} else if (leader == node->identity.id) {
		perform_as_leader(node, request);
	} else if ((request->flags & BLX__CALL_FORWARDED) != 0) {
		blx__request_fail(request, BLX_ENOTLEADER, "%s is not the leader",
			node->identity.name);
	} else if (leader != 0) {
		blx__forward_begin(node, request, leader);
	} else if (leaderless_for_long(node)) {
		fail_no_leader(node, request);
	} else {
		blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
	}
}

/* Must the replica be confirmed first? What
 * lists, reads views or runs SQL begins with a flag that says so. */
static bool wants_confirmed(struct blx__node *node, const struct blx__request *request)
{
	struct blx__get get;

	if (request->op == BLX__OP_LIST || request->op == BLX__OP_VIEW ||
		request->op == BLX__OP_SQL) {
		return request->body_len > 0 && request->body[0] != 0;
	}
	if (request->op == BLX__OP_BARRIER) {
		return true;
	}
	if (request->op != BLX__OP_GET ||
		blx__get_get(request->body, request->body_len, &get) != 0) {
		return false; /* or it is refused where it is answered */
	}
	return get.mode == BLX__GET_CONSISTENT ||
		(get.mode == BLX__GET_MAX_AGE &&
			!blx__reads_current_within(&node->reads, get.max_age_ms));
}

void blx__node_dispatch(struct blx__node *node, struct blx__request *request)
{
	bool consistent = wants_confirmed(node, request);

	if (node->failed) {
		blx__request_fail(request, BLX_EUNAVAILABLE, "%s has stopped: %s",
			node->identity.name, node->failure.message);
	} else if (node->closing || (node->stopping && blx__request_is_write(request))) {
		blx__request_fail(request, BLX_ECANCELED, "%s is stopping", node->identity.name);
	} else if (op_is_leaders(request->op)) {
		dispatch_to_leader(node, request);
	} else if (consistent && leaderless_for_long(node)) {
		fail_no_leader(node, request);
	} else if (consistent) {
		blx__reads_add(&node->reads, request);
	} else if (op_is_read(request->op) && !node->caught_up && !leaderless_for_long(node)) {
		/* It has just begun and will know more in a moment; where no leader comes it
		 * answers from what it has. */
		blx__request_move(request, BLX__REQUEST_WAITING, &node->waiting);
	} else {
		blx__node_answer_local(node, request);
	}
}

void blx__node_wake_waiting(struct blx__node *node)
{
	struct blx__list again;
	struct blx__list *link;

	blx__list_init(&again);
	blx__list_splice(&again, &node->waiting);
	while ((link = blx__list_pop_front(&again)) != NULL) {
		blx__node_dispatch(node, blx__container_of(link, struct blx__request, link));
	}
}

/* Consistent reads that wait for a leader which does not come. */
void blx__node_fail_leaderless(struct blx__node *node)
{
	struct blx__list *link;
	struct blx__list *tmp;

	if (!leaderless_for_long(node)) {
		return;
	}
	blx__list_foreach_safe(link, tmp, &node->reads.wanted) {
		fail_no_leader(node, blx__container_of(link, struct blx__request, link));
	}
}

void blx__node_wake_applying(struct blx__node *node)
{
	struct blx__list *link;
	struct blx__list *tmp;
	raft_index applied = node->raft.last_applied;

	blx__reads_applied(&node->reads, applied);
	blx__list_foreach_safe(link, tmp, &node->applying) {
		struct blx__request *request = blx__container_of(link, struct blx__request, link);

		if (request->index <= applied) {
			blx__node_answer_local(node, request);
		}
	}
}
