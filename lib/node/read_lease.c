/* SPDX-License-Identifier: Apache-2.0 */
#include "node/read_lease.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"
#include "snapshot/dir.h"

#include <string.h>

/* In the data directory of a member that may have promised. Empty. */
#define MARK "lease-reads"

void blx__read_lease_init(struct blx__read_lease *lease, struct blx__node *node)
{
	*lease = (struct blx__read_lease){.node = node};
}

/* ---- promises ---------------------------------------------------------------------- */

uint32_t blx__read_lease_promise_ms(const struct blx__read_lease *lease)
{
	const struct blx__node *node = lease->node;

	if (!node->opts.lease_reads || lease->barred_term == node->raft.current_term) {
		return 0;
	}
	return node->raft.election_timeout;
}

bool blx__read_lease_promise(struct blx__read_lease *lease, uint32_t promise_ms)
{
	struct blx__node *node = lease->node;

	/* After a restart it is quiet for its own election timeout, and no longer. */
	if (!node->opts.lease_reads || promise_ms == 0 ||
		promise_ms > node->raft.election_timeout) {
		return false;
	}
	blx__guard_be_silent(node->guard, promise_ms);
	return true;
}

/* ---- the leader's ------------------------------------------------------------------- */

static void let_go(struct blx__read_lease *lease)
{
	lease->waiting = false;
	atomic_store(&lease->until_ns, 0);
}

static bool is_of_now(const struct blx__read_lease *lease)
{
	const struct blx__node *node = lease->node;

	return blx__node_is_leader(node) && !node->failed && !node->closing &&
	       node->raft.current_term == lease->round.term &&
	       lease->barred_term != lease->round.term &&
	       blx__node_conf_index(node) == lease->round.conf_index;
}

void blx__read_lease_take(struct blx__read_lease *lease, const struct blx__read_round *round)
{
	lease->round = *round;
	if (!is_of_now(lease)) {
		let_go(lease);
		return;
	}
	lease->waiting = true;
	lease->taken++;
	blx__read_lease_applied(lease, lease->node->raft.last_applied);
}

void blx__read_lease_applied(struct blx__read_lease *lease, uint64_t applied)
{
	if (!lease->waiting || lease->round.index > applied) {
		return;
	}
	lease->waiting = false;
	if (is_of_now(lease)) {
		atomic_store(&lease->until_ns,
			lease->round.noted_ns +
				blx__read_lease_ns(lease->node->raft.election_timeout));
	}
}

void blx__read_lease_on_change(struct blx__read_lease *lease)
{
	if (!is_of_now(lease)) {
		let_go(lease);
	}
}

void blx__read_lease_bar(struct blx__read_lease *lease)
{
	lease->barred_term = lease->node->raft.current_term;
	let_go(lease);
}

void blx__read_lease_end(struct blx__read_lease *lease)
{
	let_go(lease);
}

bool blx__read_lease_holds(struct blx__read_lease *lease)
{
	return blx__mono_ns(lease->node->env) < atomic_load(&lease->until_ns);
}

/* ---- that it may have promised ------------------------------------------------------ */

static void look_for_mark(const char *name, void *data)
{
	bool *found = data;

	*found = *found || strcmp(name, MARK) == 0;
}

static int mark_set(const struct blx__files *files, const char *path, blx_error *error)
{
	struct blx__file *file;
	int rv = files->ops->open(files, path, BLX__OPEN_WRITE | BLX__OPEN_CREATE, &file, error);

	if (rv != 0) {
		return rv;
	}
	rv = files->ops->sync(file, error);
	files->ops->close(file);
	return rv;
}

int blx__read_lease_open(const struct blx__files *files, const char *data_dir, bool in_use,
	bool *ret_quiet, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__snapshot_join(data_dir, MARK);
	bool found = false;
	int rv;

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", data_dir);
	}
	rv = files->ops->list(files, data_dir, look_for_mark, &found, error);
	*ret_quiet = found;
	if (rv != 0 || found == in_use) {
		return rv;
	}
	rv = in_use ? mark_set(files, path, error) : files->ops->remove(files, path, error);
	return rv != 0 ? rv : files->ops->sync_dir(files, data_dir, error);
}
