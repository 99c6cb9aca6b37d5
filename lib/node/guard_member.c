/* SPDX-License-Identifier: Apache-2.0 */
#include "node/guard_member.h"

#include "base/assert.h"
#include "node/conf.h"
#include "node/guard_impl.h"

#include <string.h>

/* What every change needs. */
static enum blx__member_verdict check_ready(const struct blx__member_model *model)
{
	if (!model->leader) {
		return BLX__MEMBER_NOT_LEADER;
	}
	if (model->transferring) {
		return BLX__MEMBER_TRANSFERRING;
	}
	if (!model->own_term_committed) {
		return BLX__MEMBER_NOT_READY;
	}
	return model->changing ? BLX__MEMBER_CHANGING : BLX__MEMBER_OK;
}

enum blx__member_verdict blx__member_add(const struct blx__member_model *model,
	const char *address)
{
	unsigned i;

	for (i = 0; i < model->conf->n; i++) {
		if (strcmp(model->conf->servers[i].address, address) == 0) {
			return BLX__MEMBER_EXISTS;
		}
	}
	if (model->conf->n >= BLX__CONF_SERVERS_MAX) {
		return BLX__MEMBER_TOO_MANY;
	}
	return check_ready(model);
}

enum blx__member_verdict blx__member_promote(const struct blx__member_model *model, raft_id id)
{
	const struct raft_server *server = blx__conf_find(model->conf, id);

	if (server == NULL) {
		return BLX__MEMBER_UNKNOWN;
	}
	if (server->role == RAFT_VOTER) {
		return BLX__MEMBER_IS_VOTER;
	}
	if (blx__conf_voters(model->conf) == 1) {
		return BLX__MEMBER_ONE_TO_TWO;
	}
	return check_ready(model);
}

/* Taking a vote away, by whichever way. */
static enum blx__member_verdict check_unvote(const struct blx__member_model *model,
	const struct raft_server *server)
{
	if (server->id == model->self) {
		return BLX__MEMBER_IS_LEADER;
	}
	if (server->role == RAFT_VOTER && blx__conf_voters(model->conf) <= 2) {
		return BLX__MEMBER_TWO_TO_ONE;
	}
	return check_ready(model);
}

enum blx__member_verdict blx__member_demote(const struct blx__member_model *model, raft_id id)
{
	const struct raft_server *server = blx__conf_find(model->conf, id);

	if (server == NULL) {
		return BLX__MEMBER_UNKNOWN;
	}
	return server->role != RAFT_VOTER ? BLX__MEMBER_NO_VOTER : check_unvote(model, server);
}

enum blx__member_verdict blx__member_remove(const struct blx__member_model *model, raft_id id)
{
	const struct raft_server *server = blx__conf_find(model->conf, id);

	return server == NULL ? BLX__MEMBER_UNKNOWN : check_unvote(model, server);
}

static const struct {
	int code;
	const char *text;
} verdicts[] = {
	[BLX__MEMBER_OK] = { 0, "allowed" },
	[BLX__MEMBER_NOT_LEADER] = { BLX_ENOTLEADER, "this member does not lead" },
	[BLX__MEMBER_TRANSFERRING] = { BLX_EBUSY, "leadership is being handed over; try again" },
	[BLX__MEMBER_NOT_READY] = { BLX_EBUSY, "leadership began just now; try again" },
	[BLX__MEMBER_CHANGING] = { BLX_ECHANGING,
		"another membership change is under way; try again" },
	[BLX__MEMBER_UNKNOWN] = { BLX_ENOTMEMBER, "no such member" },
	[BLX__MEMBER_EXISTS] = { BLX_EEXIST, "a member has that name and address already" },
	[BLX__MEMBER_TOO_MANY] = { BLX_ETOOBIG, "the cluster has as many members as it can" },
	[BLX__MEMBER_IS_LEADER] = { BLX_EINVAL,
		"the leader does not change itself; hand leadership over first" },
	[BLX__MEMBER_IS_VOTER] = { BLX_EEXIST, "it is a voter already" },
	[BLX__MEMBER_NO_VOTER] = { BLX_EINVAL, "it is no voter" },
	[BLX__MEMBER_ONE_TO_TWO] = { BLX_EINVAL,
		"a cluster with one voter cannot get a second: found it anew with two or more" },
	[BLX__MEMBER_TWO_TO_ONE] = { BLX_EINVAL,
		"the last two voters stay voters: promote another first" },
};

const char *blx__member_verdict_text(enum blx__member_verdict verdict)
{
	PRE((size_t)verdict < sizeof verdicts / sizeof verdicts[0]);
	return verdicts[verdict].text;
}

int blx__member_verdict_code(enum blx__member_verdict verdict)
{
	PRE((size_t)verdict < sizeof verdicts / sizeof verdicts[0]);
	return verdicts[verdict].code;
}

raft_id blx__member_next_id(const struct raft_configuration *conf, raft_index last_index)
{
	raft_id id = last_index + BLX__MEMBER_JOINED_ID_MIN;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		if (conf->servers[i].id >= id) {
			id = conf->servers[i].id + 1;
		}
	}
	return id;
}

static struct blx__member_model model_of(const struct blx__guard *guard)
{
	const struct raft *raft = guard->raft;
	bool leader = raft->state == RAFT_LEADER && !guard->failed;

	return (struct blx__member_model){ .conf = &raft->configuration,
		.self = raft->id,
		.leader = leader,
		.transferring = raft->transfer != NULL,
		.own_term_committed = blx__guard_own_term_committed(guard),
		.changing = raft->configuration_uncommitted_index != 0 ||
			(leader && raft->leader_state.promotee_id != 0) };
}

static int fill(enum blx__member_verdict verdict, blx_error *error)
{
	int code = blx__member_verdict_code(verdict);

	return code == 0 ? 0
			 : blx__error_set(error, code, "%s", blx__member_verdict_text(verdict));
}

int blx__member_may_add(const struct blx__guard *guard, const char *address, blx_error *error)
{
	struct blx__member_model model = model_of(guard);

	return fill(blx__member_add(&model, address), error);
}

int blx__member_may_promote(const struct blx__guard *guard, raft_id id, blx_error *error)
{
	struct blx__member_model model = model_of(guard);

	return fill(blx__member_promote(&model, id), error);
}

int blx__member_may_demote(const struct blx__guard *guard, raft_id id, blx_error *error)
{
	struct blx__member_model model = model_of(guard);

	return fill(blx__member_demote(&model, id), error);
}

int blx__member_may_remove(const struct blx__guard *guard, raft_id id, blx_error *error)
{
	struct blx__member_model model = model_of(guard);

	return fill(blx__member_remove(&model, id), error);
}

raft_id blx__member_new_id(const struct blx__guard *guard)
{
	return blx__member_next_id(&guard->raft->configuration, raft_last_index(guard->raft));
}
