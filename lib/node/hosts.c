/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hosts.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/impl.h"

#include <stdio.h>
#include <string.h>

void blx__hosts_init(struct blx__hosts *hosts, struct blx__node *node)
{
	*hosts = (struct blx__hosts){.node = node};
}

/* ---- which there are ------------------------------------------------------------ */

/* What a leader of another term knew is void. Transactions of its are told as ended, too:
 * so they stay counted. */
static void follow(struct blx__hosts *hosts)
{
	unsigned i;
	unsigned left = 0;

	if (hosts->term == hosts->node->raft.current_term) {
		return;
	}
	hosts->term = hosts->node->raft.current_term;
	for (i = 0; i < hosts->count; i++) {
		hosts->list[i].kept_ns = 0;
		if (hosts->list[i].taking > 0) {
			hosts->list[left++] = hosts->list[i];
		}
	}
	hosts->count = left;
}

static struct blx__host_kept *host_of(struct blx__hosts *hosts, const char *name, bool make)
{
	unsigned i;

	follow(hosts);
	for (i = 0; i < hosts->count; i++) {
		if (strcmp(hosts->list[i].name, name) == 0) {
			return &hosts->list[i];
		}
	}
	if (!make || hosts->count == BLX__HOSTS_MAX) {
		return NULL;
	}
	hosts->list[hosts->count] = (struct blx__host_kept){.kept_ns = 0};
	(void)snprintf(hosts->list[hosts->count].name, BLX_NAME_MAX, "%s", name);
	return &hosts->list[hosts->count++];
}

uint64_t blx__hosts_kept_ns(struct blx__hosts *hosts, const char *name)
{
	const struct blx__host_kept *host = host_of(hosts, name, false);

	return host != NULL ? host->kept_ns : 0;
}

/* ---- what is taken from them ---------------------------------------------------- */

bool blx__hosts_take(struct blx__hosts *hosts, const char *name)
{
	struct blx__host_kept *host = host_of(hosts, name, true);

	if (host == NULL) {
		return false;
	}
	host->taking++;
	return true;
}

void blx__hosts_taken(struct blx__hosts *hosts, const char *name, int code)
{
	struct blx__host_kept *host = host_of(hosts, name, false);

	INVARIANT(host != NULL && host->taking > 0);
	host->taking--;
	if (code != 0 && code != BLX_ECONFLICT) {
		/* It may be in the log, and be applied yet: not behind what is there now. */
		host->settled = raft_last_index(&hosts->node->raft);
	}
}

/* ---- keeping them --------------------------------------------------------------- */

static bool name_of(const struct blx__request *request, char ret_name[BLX_NAME_MAX])
{
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);
	BLX__CLEANUP_FREE char *name = blx__get_text(&reader, BLX_NAME_MAX - 1);

	if (!blx__reader_done(&reader) || name == NULL || name[0] == '\0') {
		return false;
	}
	memcpy(ret_name, name, strlen(name) + 1);
	return true;
}

/* By its record: is it a node, and one that nobody has given up? */
static bool is_to_be_kept(struct blx__node *node, const char *name)
{
	BLX__CLEANUP_FREE blx_node_info *info = blx__malloc(sizeof *info);
	uint64_t revision;
	bool ok = info != NULL && blx__node_record(node, name, info, &revision);

	if (ok) {
		blx__free(info->extra);
	}
	return ok && !info->evicted;
}

void blx__hosts_hear(struct blx__hosts *hosts, struct blx__request *request)
{
	struct blx__node *node = hosts->node;
	struct blx__host_kept *host;
	char name[BLX_NAME_MAX];
	bool known;

	if (!name_of(request, name)) {
		blx__request_fail(
			request, BLX_EPROTO, "keep a host's lease: the request is malformed");
		return;
	}
	known = is_to_be_kept(node, name);
	host = known ? host_of(hosts, name, true) : NULL; /* no other takes up a place */
	if (host == NULL || host->taking > 0 || host->settled > node->raft.last_applied) {
		blx__log(BLX__LOG_DEBUG, "hosts", "%s: the lease of %s is not kept: %s",
			node->identity.name, name,
			!known             ? "it is no node, or said to be dead"
			: host == NULL     ? "there are too many hosts"
			: host->taking > 0 ? "something is being taken from it"
					   : "something may yet be taken from it");
		blx__request_fail(request, BLX_EBUSY,
			"keep the lease of %s: what it ran is being given to others, or it is "
			"said to be dead",
			name);
		return;
	}
	host->kept_ns = blx__mono_ns(node->env);
	blx__reads_add(&node->reads, request);
}

void blx__hosts_answer(struct blx__hosts *hosts, struct blx__request *request)
{
	struct blx__response response = {
		.revision = blx__machine_revision(hosts->node->machine)};

	if (!blx__node_is_leader(hosts->node)) {
		blx__request_fail(request, BLX_ENOTLEADER,
			"keep a host's lease: %s does not lead any more",
			hosts->node->identity.name);
		return;
	}
	blx__request_finish(request, &response);
}
