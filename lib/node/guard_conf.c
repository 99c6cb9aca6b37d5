/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations that are not committed (baa8f52, 4c96b75, 17298d8, 0eade85).
 *
 * 0.15.0 remembers one committed configuration by the index of its entry. To go
 * back to it, it reads that entry, which is gone when it was compacted: a NULL
 * pointer. After a restart it takes the newest configuration of the log for
 * committed, never goes back, and goes on with members that never were. The
 * snapshot of a leader leaves the old uncommitted index in place. What must hold
 * (dissertation 4.1): the configuration in use is the newest one in the log, and
 * when its entry is truncated it is the one before.
 *
 * So the guard keeps all configurations of the log from the newest committed one
 * on, and puts the right one in place before libraft would go back by itself. A
 * snapshot would carry the uncommitted one: see blx__guard_snapshot_ok().
 */
#include "base/assert.h"
#include "node/conf.h"
#include "node/guard_impl.h"

#include <blixard/error.h>

static int raft_status(int code)
{
	return code == 0 ? 0 : code == BLX_ENOMEM ? RAFT_NOMEM : RAFT_CORRUPT;
}

static int load_history(struct blx__guard *guard, const struct blx__guard_loaded *loaded)
{
	raft_index known = 0;
	size_t i;
	int rv = 0;

	if (loaded->snapshot != NULL) {
		known = loaded->snapshot->configuration_index;
		guard->loaded_snapshot = loaded->snapshot->index;
		rv = blx__conf_history_push(&guard->history, known,
			&loaded->snapshot->configuration);
	}
	for (i = 0; i < loaded->n && rv == 0; i++) {
		raft_index index = loaded->start_index + i;

		if (loaded->entries[i].type == RAFT_CHANGE && index > known) {
			rv = blx__conf_history_push_encoded(&guard->history, index,
				&loaded->entries[i].buf);
		}
	}
	return raft_status(rv);
}

int blx__guard_conf_load(struct blx__guard *guard, const struct blx__guard_loaded *loaded)
{
	const struct blx__conf_version *last;
	int rv = load_history(guard, loaded);

	if (rv != 0) {
		return rv;
	}
	last = blx__conf_history_last(&guard->history);
	if (last != NULL && blx__conf_sole_voter(&last->conf, guard->raft->id) &&
		blx__guard_cures(guard, BLX__CURE_SOLE_VOTER)) {
		/* A term of its own for this run: see guard_lead.c. */
		rv = guard->inner->set_term(guard->inner, *loaded->term + 1);
		if (rv != 0) {
			return rv;
		}
		*loaded->term += 1;
		*loaded->vote = 0;
	}
	return 0;
}

/* Which configurations are committed, as raft is to see it. */
static void mark_uncommitted(struct blx__guard *guard)
{
	struct raft *raft = guard->raft;
	const struct blx__conf_version *last = blx__conf_history_last(&guard->history);
	const struct blx__conf_version *committed =
		blx__conf_history_at(&guard->history, raft->commit_index);

	raft->configuration_uncommitted_index = 0;
	if (committed != NULL) {
		raft->configuration_index = committed->index;
	}
	if (last != NULL && last->index > raft->commit_index) {
		raft->configuration_uncommitted_index = last->index;
	}
}

/* The commit index is that of the snapshot, or 1: the founding configuration. */
void blx__guard_conf_start(struct blx__guard *guard)
{
	if (blx__guard_cures(guard, BLX__CURE_CONF)) {
		mark_uncommitted(guard);
	}
}

void blx__guard_conf_append(struct blx__guard *guard, const struct raft_entry *entries,
	unsigned n)
{
	raft_index index = raft_last_index(guard->raft) - n + 1;
	unsigned i;

	blx__conf_history_commit(&guard->history, guard->raft->commit_index);
	for (i = 0; i < n; i++) {
		int rv = 0;

		if (entries[i].type == RAFT_CHANGE) {
			rv = blx__conf_history_push_encoded(&guard->history, index + i,
				&entries[i].buf);
		}
		if (rv != 0) {
			blx__guard_fail(guard, raft_status(rv), "keep a configuration");
			return;
		}
	}
}

void blx__guard_conf_rollback(struct blx__guard *guard, raft_index conflict)
{
	struct raft *raft = guard->raft;
	const struct blx__conf_version *last = blx__conf_history_last(&guard->history);
	struct raft_configuration conf;

	PRE(conflict > raft->commit_index);

	if (last == NULL || last->index < conflict) {
		return;
	}
	blx__conf_history_truncate(&guard->history, conflict);
	last = blx__conf_history_last(&guard->history);
	if (last == NULL || blx__conf_copy(&last->conf, &conf) != 0) {
		blx__guard_fail(guard, last == NULL ? RAFT_CORRUPT : RAFT_NOMEM,
			"go back to an older configuration");
		return;
	}
	if (blx__guard_cures(guard, BLX__CURE_CONF)) {
		raft_configuration_close(&raft->configuration);
		raft->configuration = conf;
		mark_uncommitted(guard);
	} else {
		raft_configuration_close(&conf);
	}
	guard->stats.rollbacks++;
}

int blx__guard_conf_install(struct blx__guard *guard, raft_index index,
	const struct raft_configuration *conf)
{
	blx__conf_history_truncate(&guard->history, 0);
	if (blx__guard_cures(guard, BLX__CURE_CONF)) {
		guard->raft->configuration_uncommitted_index = 0;
	}
	return raft_status(blx__conf_history_push(&guard->history, index, conf));
}

const struct raft_configuration *blx__guard_committed_conf(const struct blx__guard *guard,
	uint64_t *ret_index)
{
	const struct blx__conf_version *version =
		blx__conf_history_at(&guard->history, guard->raft->commit_index);

	if (version == NULL) {
		return NULL;
	}
	*ret_index = version->index;
	return &version->conf;
}

const struct raft_configuration *blx__guard_uncommitted_conf(const struct blx__guard *guard,
	uint64_t *ret_index)
{
	const struct blx__conf_version *last = blx__conf_history_last(&guard->history);

	if (last == NULL || last->index <= guard->raft->commit_index) {
		return NULL;
	}
	*ret_index = last->index;
	return &last->conf;
}
