/* SPDX-License-Identifier: Apache-2.0 */
/* What a member tells of itself: the answer to BLX__OP_STATUS. */
#include "node/impl.h"

#include <blixard/blixard.h>
#include <jansson.h>
#include <stdio.h>

static const char *role_text(int role)
{
	switch (role) {
	case RAFT_VOTER:
		return "voter";
	case RAFT_STANDBY:
		return "learner";
	default:
		return "spare";
	}
}

static const char *state_text(struct blx__node *node)
{
	if (node->failed) {
		return "stopped";
	}
	switch (node->raft.state) {
	case RAFT_LEADER:
		return "leader";
	case RAFT_FOLLOWER:
		return blx__node_leader(node) != 0 ? "follower" : "read-only";
	case RAFT_CANDIDATE:
		/* Asking in vain again and again is what a cut-off member does. */
		return node->leaderless_since_ns != 0 ? "read-only" : "candidate";
	default:
		return "stopped";
	}
}

static json_t *member_json(struct blx__node *node, unsigned i)
{
	const struct raft_server *server = &node->raft.configuration.servers[i];
	char name[BLX__NAME_LEN_MAX + 1] = "?";
	char address[BLX__ADDRESS_LEN_MAX + 1] = "?";
	bool self = server->id == node->identity.id;
	json_t *member;

	(void)blx__server_address_split(server->address, name, address);
	member = json_pack("{s:s, s:I, s:s, s:s, s:b}", "name", name, "id",
		(json_int_t)server->id, "address", address, "role", role_text(server->role),
		"connected", self || blx__peers_connected(node->peers, server->id));
	if (member != NULL && blx__node_is_leader(node)) {
		raft_index match = self ? node->raft.last_stored
					: node->raft.leader_state.progress[i].match_index;

		(void)json_object_set_new(member, "match_index", json_integer((json_int_t)match));
	}
	return member;
}

static json_t *members_json(struct blx__node *node)
{
	json_t *members = json_array();
	unsigned i;

	for (i = 0; members != NULL && i < node->raft.configuration.n; i++) {
		(void)json_array_append_new(members, member_json(node, i));
	}
	return members;
}

static json_t *counters_json(struct blx__node *node)
{
	const struct blx__counters *c = &node->counters;
	struct blx__wal_stats wal;

	blx__wal_stats_get(node->wal, &wal);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:I, s:I, s:I}",
		"requests", (json_int_t)c->requests, "requests_failed",
		(json_int_t)c->requests_failed, "proposals", (json_int_t)c->proposals, "entries",
		(json_int_t)c->entries, "applied_commands", (json_int_t)c->applied_commands,
		"elections_won", (json_int_t)c->elections_won, "leader_changes",
		(json_int_t)c->leader_changes, "forwarded", (json_int_t)c->forwarded,
		"read_rounds", (json_int_t)node->reads.rounds, "snapshots_taken",
		(json_int_t)c->snapshots_taken, "snapshots_installed",
		(json_int_t)c->snapshots_installed, "log_bytes_written",
		(json_int_t)wal.bytes_written, "log_syncs", (json_int_t)wal.syncs,
		"watch_events", (json_int_t)node->watches.events_told, "watches_compacted",
		(json_int_t)node->watches.compacted_told, "read_leases",
		(json_int_t)node->read_lease.taken, "read_lease_reads",
		(json_int_t)node->read_lease.reads);
}

static int own_role(const struct blx__node *node)
{
	unsigned i;

	for (i = 0; i < node->raft.configuration.n; i++) {
		if (node->raft.configuration.servers[i].id == node->identity.id) {
			return node->raft.configuration.servers[i].role;
		}
	}
	return RAFT_SPARE;
}

static void add_identity(struct blx__node *node, json_t *root)
{
	char cluster_id[BLX__CLUSTER_ID_TEXT];
	char leader[BLX__NAME_LEN_MAX + 32];

	blx__cluster_id_text(node->identity.cluster_id, cluster_id);
	(void)json_object_set_new(root, "name", json_string(node->identity.name));
	(void)json_object_set_new(root, "id", json_integer((json_int_t)node->identity.id));
	(void)json_object_set_new(root, "cluster", json_string(node->identity.cluster));
	(void)json_object_set_new(root, "cluster_id", json_string(cluster_id));
	(void)json_object_set_new(root, "role", json_string(role_text(own_role(node))));
	(void)json_object_set_new(root, "state", json_string(state_text(node)));
	(void)json_object_set_new(root, "leader",
		blx__node_leader(node) != 0 ? json_string(blx__node_member_name(node,
						      blx__node_leader(node), leader,
						      sizeof leader))
					    : json_null());
}

static void add_progress(struct blx__node *node, json_t *root)
{
	uint64_t age = blx__node_leader_age_ms(node);
	struct blx__machine_stats stats;
	char hash[17];

	blx__machine_stats_get(node->machine, &stats);
	(void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)stats.hash);
	(void)json_object_set_new(root, "term", json_integer((json_int_t)node->raft.current_term));
	(void)json_object_set_new(root, "commit_index",
		json_integer((json_int_t)node->raft.commit_index));
	(void)json_object_set_new(root, "applied_index",
		json_integer((json_int_t)node->raft.last_applied));
	(void)json_object_set_new(root, "snapshot_index",
		json_integer((json_int_t)blx__io_snapshot_index(node->io)));
	(void)json_object_set_new(root, "revision", json_integer((json_int_t)stats.revision));
	(void)json_object_set_new(root, "keys", json_integer((json_int_t)stats.keys));
	(void)json_object_set_new(root, "bytes", json_integer((json_int_t)stats.bytes));
	if (stats.quota_bytes != 0) {
		(void)json_object_set_new(root, "quota_bytes",
			json_integer((json_int_t)stats.quota_bytes));
	}
	if (stats.quota_keys != 0) {
		(void)json_object_set_new(root, "quota_keys",
			json_integer((json_int_t)stats.quota_keys));
	}
	(void)json_object_set_new(root, "sessions", json_integer((json_int_t)stats.sessions));
	(void)json_object_set_new(root, "hash", json_string(hash));
	(void)json_object_set_new(root, "leader_age_ms",
		age == UINT64_MAX ? json_null() : json_integer((json_int_t)age));
	(void)json_object_set_new(root, "caught_up", json_boolean(node->caught_up));
}

char *blx__node_status_text(struct blx__node *node)
{
	json_t *root = json_object();
	char *text;

	if (root == NULL) {
		return NULL;
	}
	add_identity(node, root);
	add_progress(node, root);
	(void)json_object_set_new(root, "insecure_transport",
		json_boolean(node->opts.insecure_transport));
	(void)json_object_set_new(root, "version", json_string(BLX_VERSION_STRING));
	if (node->failed) {
		(void)json_object_set_new(root, "failure", json_string(node->failure.message));
	}
	(void)json_object_set_new(root, "members", members_json(node));
	(void)json_object_set_new(root, "counters", counters_json(node));
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}
