/* SPDX-License-Identifier: Apache-2.0 */
/* How a member ends: by a failure that it must not go on from, or step by step when told to. */
#include "base/assert.h"
#include "base/log.h"
#include "node/impl.h"

/* While stopping, how often it is looked whether a step is done. */
#define SHUT_STEP_MS 5

/* ---- a failure -------------------------------------------------------- */

void blx__node_fail(struct blx__node *node, const blx_error *why)
{
	(void)pthread_mutex_lock(&node->view_lock);
	if (node->failure.code == 0) {
		blx__error_copy(&node->failure, why);
	}
	(void)pthread_mutex_unlock(&node->view_lock);
	blx__read_lease_end(&node->read_lease);
	node->failed = true; /* nothing more is told to raft or to others from here on */
	atomic_store(&node->is_leader, false);
	blx__env_post(node->env, &node->fail_post);
}

static void fail_all(struct blx__list *list, int code, const char *text)
{
	while (!blx__list_empty(list)) {
		struct blx__request *request =
			blx__container_of(list->next, struct blx__request, link);

		blx__request_fail(request, code, "%s", text);
	}
}

static void fail_pending(struct blx__node *node, int code, const char *text)
{
	blx__proposals_fail(&node->proposals, code, text);
	fail_all(&node->reads.wanted, code, text);
	fail_all(&node->reads.round, code, text);
	fail_all(&node->waiting, code, text);
	fail_all(&node->forwarded, code, text);
	fail_all(&node->applying, code, text);
	fail_all(&node->working, code, text);
	fail_all(&node->watches.waiting, code, text);
}

static void on_fail_post(struct blx__post *post)
{
	struct blx__node *node = post->data;

	blx__log(BLX__LOG_ERROR, "node", "%s has stopped: %s", node->identity.name,
		node->failure.message);
	(void)pthread_mutex_lock(&node->view_lock);
	node->view.is_failed = true;
	node->view.is_leader = false;
	(void)pthread_mutex_unlock(&node->view_lock);
	fail_pending(node, BLX_EUNAVAILABLE, node->failure.message);
	if (node->opts.on_change != NULL) {
		node->opts.on_change(node->opts.data);
	}
}

/* ---- ending ----------------------------------------------------------- */

/*
 * Stopping is a row of steps, each looked at until it is done:
 * hand leadership over - close the doors and end the requests - let go of the
 * units - let the disk finish - close raft - close the connections and the log - tell.
 */
enum shut_step {
	SHUT_TRANSFER = 0,
	SHUT_DOORS,
	SHUT_UNITS,
	SHUT_DRAIN,
	SHUT_RAFT,
	SHUT_PEERS,
	SHUT_LOG,
	SHUT_DONE
};

static void shut_next(struct blx__node *node)
{
	node->shut_step++;
	(void)blx__timer_start_ms(node->env, &node->shut_timer, 0);
}

static void on_part_closed(void *data)
{
	shut_next(data);
}

static void on_raft_closed(struct raft *raft)
{
	struct blx__node *node = raft->data;

	node->raft_closed = true;
	node->raft_started = false;
	shut_next(node);
}

static bool has_other_voter(const struct blx__node *node)
{
	const struct raft_configuration *conf = &node->raft.configuration;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		if (conf->servers[i].role == RAFT_VOTER &&
			conf->servers[i].id != node->identity.id) {
			return true;
		}
	}
	return false;
}

static void shut_transfer(struct blx__node *node)
{
	if (!blx__node_is_leader(node) || !has_other_voter(node) ||
		!blx__node_has_contact(node) ||
		blx__mono_ns(node->env) > node->shut_deadline_ns) {
		shut_next(node);
		return;
	}
	if (!node->transferring && node->raft.transfer == NULL) {
		(void)blx__changes_transfer_begin(node, 0);
	}
	(void)blx__timer_start_ms(node->env, &node->shut_timer, SHUT_STEP_MS);
}

static void shut_doors(struct blx__node *node)
{
	node->closing = true;
	blx__read_lease_end(&node->read_lease);
	atomic_store(&node->is_leader, false);
	blx__timer_stop(node->env, &node->tick);
	fail_pending(node, BLX_ECANCELED, "the member is stopping");
	blx__guard_stop(node->guard);
	blx__lists_finish(&node->lists);
	blx__images_finish(&node->images);
	blx__queries_finish(&node->queries);
	if (node->server == NULL) {
		shut_next(node);
		return;
	}
	blx__server_close(node->server, on_part_closed, node);
}

/* What runs goes on, for as long as the lease does. */
static void shut_units(struct blx__node *node)
{
	if (node->steward.units == NULL) {
		shut_next(node);
		return;
	}
	blx__steward_end(&node->steward, on_part_closed, node);
}

static void shut_drain(struct blx__node *node)
{
	blx__io_cancel(node->io);
	/* Also after a failure: raft frees entries that the disk's thread may still be reading. */
	if (blx__guard_drained(node->guard) && blx__io_idle(node->io) && node->releases == 0 &&
		blx__images_idle(&node->images) && node->own_writes == 0 &&
		blx__queries_idle(&node->queries) &&
		blx__known_idle(node->known)) {
		shut_next(node);
		return;
	}
	(void)blx__timer_start_ms(node->env, &node->shut_timer, SHUT_STEP_MS);
}

static void shut_raft(struct blx__node *node)
{
	if (!node->raft_inited) {
		shut_next(node);
		return;
	}
	node->raft.data = node;
	raft_close(&node->raft, on_raft_closed);
}

static void on_shut_step(struct blx__timer *timer)
{
	struct blx__node *node = timer->data;

	switch ((enum shut_step)node->shut_step) {
	case SHUT_TRANSFER:
		shut_transfer(node);
		break;
	case SHUT_DOORS:
		shut_doors(node);
		break;
	case SHUT_UNITS:
		shut_units(node);
		break;
	case SHUT_DRAIN:
		shut_drain(node);
		break;
	case SHUT_RAFT:
		shut_raft(node);
		break;
	case SHUT_PEERS:
		if (node->peers == NULL) {
			shut_next(node);
		} else {
			blx__peers_close(node->peers, on_part_closed, node);
		}
		break;
	case SHUT_LOG:
		blx__wal_close(node->wal, on_part_closed, node);
		break;
	case SHUT_DONE:
		node->wal = NULL;
		node->shut_cb(node->shut_data);
		break;
	}
}

void blx__node_shut(struct blx__node *node, uint32_t timeout_ms, void (*cb)(void *data),
	void *data)
{
	PRE(!node->stopping);

	node->stopping = true;
	node->shut_cb = cb;
	node->shut_data = data;
	node->shut_deadline_ns = blx__mono_ns(node->env) + (uint64_t)timeout_ms * 1000000;
	node->shut_step = SHUT_TRANSFER;
	(void)blx__timer_start_ms(node->env, &node->shut_timer, 0);
}

void blx__node_end_init(struct blx__node *node)
{
	blx__post_init(&node->fail_post, on_fail_post, node);
	blx__timer_init(&node->shut_timer, on_shut_step, node);
}
