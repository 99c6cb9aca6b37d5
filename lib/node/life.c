/* SPDX-License-Identifier: Apache-2.0 */
/* How a member is opened, begun, run and freed; how it ends is in end.c. */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/heap.h"
#include "node/impl.h"
#include "snapshot/dir.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ELECTION_TIMEOUT_MS 1000
#define SNAPSHOT_BYTES      (UINT64_C(64) << 20)
#define SNAPSHOT_ENTRIES    100000
#define SEGMENT_BYTES       (UINT64_C(32) << 20)

/* Sent once a minute at most; the transfer of a manifest is short, but the file behind it is
 * fetched before the answer comes. */
#define INSTALL_TIMEOUT_MS 60000

/* libraft's rule would take a snapshot by count of entries; ours is in fsm.c. */
#define NEVER 0x7fffffffu

/* libraft's state of a follower that is asked what it has; it is in none of its headers. */
#define PROGRESS_PROBE 0

static void opts_default(struct blx__node_opts *opts)
{
	if (opts->election_timeout_ms == 0) {
		opts->election_timeout_ms = ELECTION_TIMEOUT_MS;
	}
	if (opts->heartbeat_ms == 0) {
		opts->heartbeat_ms = opts->election_timeout_ms / 10;
	}
	if (opts->snapshot_bytes == 0) {
		opts->snapshot_bytes = SNAPSHOT_BYTES;
	}
	if (opts->snapshot_entries == 0) {
		opts->snapshot_entries = SNAPSHOT_ENTRIES;
	}
	if (opts->segment_bytes == 0) {
		opts->segment_bytes = SEGMENT_BYTES;
	}
}

static int opts_check(const struct blx__node_opts *opts, blx_error *error)
{
	if (opts->election_timeout_ms < 20 || opts->election_timeout_ms > 60000) {
		return blx__error_set(error, BLX_EINVAL,
			"election timeout %u ms: must be from 20 to 60000",
			(unsigned)opts->election_timeout_ms);
	}
	if (opts->heartbeat_ms == 0 || opts->heartbeat_ms * 2 > opts->election_timeout_ms) {
		return blx__error_set(error, BLX_EINVAL,
			"heartbeat %u ms: must be at least 1 and at most half the election timeout",
			(unsigned)opts->heartbeat_ms);
	}
	if (opts->segment_bytes < 65536 || opts->segment_bytes > (UINT64_C(1) << 30)) {
		return blx__error_set(error, BLX_EINVAL,
			"segment size %llu: must be from 64 KiB to 1 GiB",
			(unsigned long long)opts->segment_bytes);
	}
	return 0;
}

/* libraft's own timers run for once to twice what it is told, and a voter that still hears its
 * leader votes for nobody, so the last of a majority to miss it decides. With three quarters a
 * new leader is there within twice the election timeout, as callers are promised. */
static unsigned raft_timeout_ms(const struct blx__node *node)
{
	return node->opts.election_timeout_ms * 3 / 4;
}

static void on_tick(struct blx__timer *timer);

static void node_init(struct blx__node *node, const struct blx__node_opts *opts)
{
	*node = (struct blx__node){ .env = opts->env, .opts = *opts };
	opts_default(&node->opts);
	(void)pthread_mutex_init(&node->intake_lock, NULL);
	(void)pthread_mutex_init(&node->view_lock, NULL);
	blx_error_init(&node->failure);
	blx__list_init(&node->intake);
	blx__list_init(&node->waiting);
	blx__list_init(&node->forwarded);
	blx__list_init(&node->applying);
	blx__list_init(&node->working);
	blx__post_init(&node->intake_post, blx__request_intake, node);
	blx__timer_init(&node->tick, on_tick, node);
	blx__node_end_init(node);
	blx__proposals_init(&node->proposals, node);
	blx__reads_init(&node->reads, node);
	blx__read_lease_init(&node->read_lease, node);
	blx__changes_init(&node->changes, node);
	blx__lists_init(&node->lists, node);
	blx__images_init(&node->images, node);
	blx__watches_init(&node->watches, node);
	blx__keeper_init(&node->keeper, node);
	blx__queries_init(&node->queries, node);
	blx__overseer_init(&node->overseer, node);
	blx__hosts_init(&node->hosts, node);
	blx__steward_init(&node->steward, node);
	node->incarnation = blx__random_u64(opts->env);
	node->role = RAFT_UNAVAILABLE;
}

static int node_strings(struct blx__node *node)
{
	const struct blx__node_opts *opts = &node->opts;

	node->data_dir = blx__strdup(opts->data_dir);
	if (opts->socket_path != NULL) {
		node->socket_path = blx__strdup(opts->socket_path);
	}
	if (opts->listen != NULL) {
		node->listen = blx__strdup(opts->listen);
	}
	return node->data_dir == NULL || (opts->socket_path != NULL && node->socket_path == NULL) ||
			(opts->listen != NULL && node->listen == NULL)
		? BLX_ENOMEM
		: 0;
}

static void on_wal_fatal(void *data, const blx_error *error)
{
	blx__node_fail(data, error);
}

static void on_guard_fail(void *data, int status, const char *what)
{
	struct blx__node *node = data;
	blx_error error = BLX_ERROR_INIT;

	(void)blx__error_set(&error, status == RAFT_NOSPACE ? BLX_ENOSPC : BLX_EIO,
		"%s: %s: %s", node->data_dir, what, raft_strerror(status));
	blx__node_fail(node, &error);
}

static int open_wal(struct blx__node *node, blx_error *error)
{
	BLX__CLEANUP_FREE char *dir = blx__snapshot_join(node->data_dir, "wal");
	struct blx__wal_opts opts = {
		.env = node->env,
		.dir = dir,
		.segment_size = (size_t)node->opts.segment_bytes,
		.member_id = node->identity.id,
		.groups_max = 1,
		.on_fatal = on_wal_fatal,
		.data = node,
	};

	if (dir == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", node->data_dir);
	}
	memcpy(opts.cluster_id, node->identity.cluster_id, sizeof opts.cluster_id);
	return blx__wal_open(&opts, &node->wal, error);
}

static int open_snapshots(struct blx__node *node, blx_error *error)
{
	BLX__CLEANUP_FREE char *dir = blx__snapshot_join(node->data_dir, "snapshots");
	int rv;

	if (dir == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", node->data_dir);
	}
	rv = node->env->files->ops->make_dir(node->env->files, dir, error);
	return rv != 0 ? rv : blx__snapshot_dir_clean(node->env->files, dir, error);
}

static int open_raft(struct blx__node *node, blx_error *error)
{
	struct blx__guard_opts opts = {
		.raft = &node->raft,
		.election_timeout_ms = raft_timeout_ms(node),
		.vote_guard_ms = node->quiet_start ? raft_timeout_ms(node) : 0,
		.on_fail = on_guard_fail,
		.data = node,
	};
	char server[BLX__SERVER_ADDRESS_SIZE];
	int rv = blx__io_create(node, &node->io);

	if (rv == 0) {
		opts.inner = blx__io_raft(node->io);
		rv = blx__guard_create(&opts, &node->guard);
	}
	if (rv == 0) {
		rv = blx__server_address_join(node->identity.name, node->identity.address, server,
			sizeof server);
	}
	if (rv != 0) {
		return blx__error_set(error, rv, "open %s: %s", node->data_dir, blx_strerror(rv));
	}
	blx__fsm_init(node);
	rv = raft_init(&node->raft, blx__guard_io(node->guard), &node->fsm, node->identity.id,
		server);
	if (rv != 0) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: raft: %s", node->data_dir,
			raft_strerror(rv));
	}
	node->raft_inited = true;
	raft_set_election_timeout(&node->raft, raft_timeout_ms(node));
	raft_set_heartbeat_timeout(&node->raft, node->opts.heartbeat_ms);
	raft_set_install_snapshot_timeout(&node->raft, INSTALL_TIMEOUT_MS);
	raft_set_snapshot_threshold(&node->raft, NEVER);
	raft_set_pre_vote(&node->raft, true);
	raft_set_max_catch_up_round_duration(&node->raft, 5 * node->opts.election_timeout_ms);
	return 0;
}

static int node_open(struct blx__node *node, blx_error *error)
{
	const struct blx__files *files = node->env->files;
	int rv = opts_check(&node->opts, error);

	if (rv == 0 &&
		(node_strings(node) != 0 || blx__functions_init(&node->functions, node) != 0)) {
		rv = blx__error_set(error, BLX_ENOMEM, "open %s: out of memory",
			node->opts.data_dir);
	}
	if (rv == 0 && node->opts.host != NULL &&
		blx__overseer_host(&node->overseer, node->opts.host) != 0) {
		rv = blx__error_set(error, BLX_ENOMEM, "open %s: out of memory",
			node->opts.data_dir);
	}
	if (rv == 0) {
		rv = blx__identity_read(files, node->data_dir, &node->identity, error);
	}
	if (rv == 0) {
		rv = blx__identity_lock(files, node->data_dir, &node->lock, error);
	}
	if (rv == 0) {
		rv = blx__known_load(node->env, node->data_dir, &node->known, error);
	}
	if (rv == 0) {
		rv = blx__read_lease_open(files, node->data_dir, node->opts.lease_reads,
			&node->quiet_start, error);
	}
	if (rv == 0) {
		rv = open_wal(node, error);
	}
	if (rv == 0) {
		rv = open_snapshots(node, error);
	}
	if (rv == 0) {
		rv = blx__machine_create(node->identity.cluster_id, &node->machine);
		if (rv == 0) {
			rv = blx__watches_begin(&node->watches, node->machine);
		}
		if (rv == 0) {
			blx__steward_begin(&node->steward);
		}
		if (rv != 0) {
			(void)blx__error_set(error, rv, "open %s: out of memory", node->data_dir);
		}
	}
	return rv != 0 ? rv : open_raft(node, error);
}

int blx__node_open(const struct blx__node_opts *opts, struct blx__node **ret_node,
	blx_error *error)
{
	struct blx__node *node;
	int rv;

	if (opts->data_dir == NULL) {
		return blx__error_set(error, BLX_EINVAL, "open a member: no data directory given");
	}
	node = blx__malloc(sizeof *node);
	if (node == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", opts->data_dir);
	}
	blx__raft_heap_set();
	node_init(node, opts);
	rv = node_open(node, error);
	if (rv != 0) {
		blx__node_free(node);
		return rv;
	}
	*ret_node = node;
	return 0;
}

void blx__node_units(struct blx__node *node, struct blx__units *units)
{
	PRE(!node->raft_started);

	blx__steward_units(&node->steward, units);
}

/* ---- beginning -------------------------------------------------------- */

/* Promised first: the term that is told is one this member stays in for as long. */
static void on_probe(struct blx__node *node, uint64_t id, struct blx__reader *reader)
{
	uint64_t nonce = blx__get_u64(reader);
	uint32_t promise_ms = blx__get_u32(reader);
	uint8_t reply[17];

	if (!blx__reader_done(reader)) {
		return;
	}
	reply[16] = blx__read_lease_promise(&node->read_lease, promise_ms);
	blx__store_u64(reply, nonce);
	blx__store_u64(reply + 8, node->raft.current_term);
	(void)blx__peers_send(node->peers, id, BLX__KIND_PROBE_REPLY, reply, sizeof reply);
}

static void on_probe_reply(struct blx__node *node, uint64_t id, struct blx__reader *reader)
{
	struct blx__probe_reply reply = {.nonce = blx__get_u64(reader)};

	reply.term = blx__get_u64(reader);
	reply.promised = blx__get_u8(reader) != 0;
	if (blx__reader_done(reader)) {
		blx__reads_on_probe_reply(&node->reads, id, &reply);
	}
}

static void on_peer_frame(uint64_t id, const struct blx__frame *frame, void *data)
{
	struct blx__node *node = data;
	struct blx__reader reader;

	if (node->failed || node->closing) {
		return; /* a member whose disk failed answers nobody */
	}
	switch (frame->kind) {
	case BLX__KIND_RAFT:
		blx__io_on_frame(node->io, id, frame);
		break;
	case BLX__KIND_PROBE:
		reader = blx__reader_of(frame->payload, frame->len);
		on_probe(node, id, &reader);
		break;
	case BLX__KIND_PROBE_REPLY:
		reader = blx__reader_of(frame->payload, frame->len);
		on_probe_reply(node, id, &reader);
		break;
	case BLX__KIND_CALL:
		blx__server_on_peer_call(node->server, id, frame);
		break;
	default:
		break; /* of a later version */
	}
}

/* As progressAbortSnapshot() of libraft: an offer of a snapshot that went out on a connection
 * that is gone may never have arrived, or its taker is gone, and libraft would wait for the
 * answer as long as a fetch may take. */
static void snapshot_offer_again(struct blx__node *node, raft_id id)
{
	unsigned i;

	if (!blx__node_is_leader(node)) {
		return;
	}
	for (i = 0; i < node->raft.configuration.n; i++) {
		struct raft_progress *progress = &node->raft.leader_state.progress[i];

		if (node->raft.configuration.servers[i].id == id && progress->snapshot_index != 0) {
			progress->snapshot_index = 0;
			progress->state = PROGRESS_PROBE;
		}
	}
}

static void on_peer_link(uint64_t id, bool connected, void *data)
{
	struct blx__node *node = data;
	char name[BLX__NAME_LEN_MAX + 32];

	blx__log(BLX__LOG_INFO, "node", "%s: %s to %s", node->identity.name,
		connected ? "connected" : "lost the connection",
		blx__node_member_name(node, id, name, sizeof name));
	if (connected) {
		snapshot_offer_again(node, id);
		blx__node_wake_waiting(node);
		blx__reads_pump(&node->reads);
	}
}

static int64_t cluster_time_ms(void *data)
{
	return blx__node_time_ms(data);
}

static bool is_lost(void *data)
{
	return blx__node_leader(data) == 0;
}

static const struct blx__peers_cbs peers_cbs = {
	.on_frame = on_peer_frame,
	.on_link = on_peer_link,
	.time_ms = cluster_time_ms,
	.is_lost = is_lost,
};

static int begin_network(struct blx__node *node, blx_error *error)
{
	struct blx__peers_opts opts = {
		.env = node->env,
		.identity = &node->identity,
		.known = node->known,
		.incarnation = node->incarnation,
		.cbs = &peers_cbs,
		.data = node,
	};
	const char *listen = node->listen != NULL ? node->listen : node->identity.address;
	int rv;

	if (!blx__address_valid(listen)) {
		return blx__error_set(error, BLX_EINVAL, "listen at %s: not HOST:PORT", listen);
	}
	if (!node->opts.insecure_transport && !blx__address_is_loopback(listen)) {
		return blx__error_set(error, BLX_EPERM,
			"listen at %s: not a loopback address, and connections are not encrypted; "
			"allow it with --insecure-transport if the network is yours alone",
			listen);
	}
	rv = blx__peers_create(&opts, &node->peers);
	if (rv == 0) {
		rv = blx__server_create(node, &node->server);
	}
	if (rv != 0) {
		return blx__error_set(error, rv, "start %s: %s", node->identity.name,
			blx_strerror(rv));
	}
	return blx__server_listen(node->server, error);
}

int blx__node_begin(struct blx__node *node, blx_error *error)
{
	int rv = begin_network(node, error);

	if (rv != 0) {
		return rv;
	}
	rv = raft_start(&node->raft);
	if (rv != 0) {
		const blx_error *why = blx__io_load_error(node->io);

		if (why->code != 0) {
			blx__error_copy(error, why);
			return why->code;
		}
		return blx__error_set(error, BLX_ECORRUPT, "start %s from %s: raft: %s",
			node->identity.name, node->data_dir, raft_strerror(rv));
	}
	node->raft_started = true;
	node->leaderless_since_ns = blx__mono_ns(node->env);
	node->catch_up_index = raft_last_index(&node->raft);
	(void)blx__timer_start_ms(node->env, &node->tick, node->opts.heartbeat_ms);
	blx__node_poll(node);
	return 0;
}

/* ---- running ---------------------------------------------------------- */

static void on_tick(struct blx__timer *timer)
{
	struct blx__node *node = timer->data;

	if (node->closing) {
		return;
	}
	(void)blx__timer_start_ms(node->env, &node->tick, node->opts.heartbeat_ms);
	if (node->failed) {
		return;
	}
	if (blx__node_is_leader(node) && blx__node_has_contact(node)) {
		/* Should it be deposed, this is how current its replica is. */
		atomic_store(&node->heard_ns, blx__mono_ns(node->env));
	}
	blx__node_poll(node);
	blx__changes_poll(&node->changes);
	blx__reads_tick(&node->reads);
	blx__lists_tick(&node->lists);
	blx__images_tick(&node->images);
	blx__keeper_tick(&node->keeper);
	blx__overseer_tick(&node->overseer);
	blx__steward_tick(&node->steward);
	blx__node_wake_waiting(node);
	blx__node_fail_leaderless(node);
	blx__proposals_pump(&node->proposals);
}

/* ---- ended ------------------------------------------------------------ */

void blx__node_free(struct blx__node *node)
{
	if (node == NULL) {
		return;
	}
	blx__server_destroy(node->server);
	blx__peers_destroy(node->peers);
	blx__known_destroy(node->known);
	blx__guard_destroy(node->guard);
	blx__io_destroy(node->io);
	blx__proposals_finish(&node->proposals);
	blx__machine_destroy(node->machine);
	blx__watches_finish(&node->watches);
	blx__keeper_finish(&node->keeper);
	blx__overseer_finish(&node->overseer);
	blx__steward_finish(&node->steward);
	blx__functions_finish(&node->functions);
	if (node->lock != NULL) {
		node->lock->files->ops->close(node->lock);
	}
	blx__free(node->data_dir);
	blx__free(node->socket_path);
	blx__free(node->listen);
	(void)pthread_mutex_destroy(&node->intake_lock);
	(void)pthread_mutex_destroy(&node->view_lock);
	blx__free(node);
}
