/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member with a loop of its own: node/ on an env of libuv, on a thread or in
 * the host's loop.
 */
#include <blixard/node.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/functions.h"
#include "node/node.h"
#include "sys/host.h"
#include "sys/unit_bus.h"
#include "sys/uv_env.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define STOP_TIMEOUT_MS 5000

struct blx_node {
	struct blx__env *env;   /* owned */
	struct blx__node *node; /* owned */
	blx_client *client;     /* owned */
	struct blx__units *units; /* owned; NULL: it is no host */
	bool host_loop;
	bool started;
	bool stopped;
	pthread_t thread;       /* that runs the loop */
	_Atomic bool has_thread;
	struct blx__post stop_post;
	uint32_t stop_timeout_ms;
	sem_t stop_done;
	_Atomic bool shut;
	void (*on_change)(blx_node *node, void *data);
	void *data;
};

void blx_node_opts_init(blx_node_opts *opts)
{
	*opts = (blx_node_opts)BLX_NODE_OPTS_INIT;
}

static bool on_loop(void *data)
{
	blx_node *node = data;

	return atomic_load(&node->has_thread) && pthread_equal(node->thread, pthread_self()) != 0;
}

static void on_change(void *data)
{
	blx_node *node = data;

	if (node->on_change != NULL) {
		node->on_change(node, node->data);
	}
}

static void inner_opts(const blx_node_opts *opts, blx_node *node, blx_node_info *host,
	struct blx__node_opts *ret)
{
	bool services = (opts->flags & BLX_NODE_SERVICES) != 0;

	if (services) {
		blx__host_detect(host);
	}
	*ret = (struct blx__node_opts){
		.env = node->env,
		.data_dir = opts->data_dir,
		.socket_path = opts->socket_path,
		.listen = opts->listen,
		.insecure_transport = (opts->flags & BLX_NODE_INSECURE_TRANSPORT) != 0,
		.lease_reads = (opts->flags & BLX_NODE_LEASE_READS) != 0,
		.host = services ? host : NULL,
		.election_timeout_ms = opts->election_timeout_ms,
		.heartbeat_ms = opts->heartbeat_ms,
		.snapshot_bytes = opts->snapshot_bytes,
		.snapshot_entries = opts->snapshot_entries,
		.segment_bytes = opts->segment_bytes,
		.on_change = on_change,
		.data = node,
	};
}

static void node_release(blx_node *node)
{
	blx__client_local_destroy(node->client);
	blx__node_free(node->node);
	blx__unit_bus_destroy(node->units);
	if (node->env != NULL) {
		blx__uv_env_destroy(node->env);
	}
	(void)sem_destroy(&node->stop_done);
	blx__free(node);
}

static int open_inner(const blx_node_opts *opts, blx_node *node, blx_error *error)
{
	blx_node_info *host = blx__malloc(sizeof *host);
	struct blx__node_opts inner;
	int rv;

	if (host == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "create a member: out of memory");
	}
	inner_opts(opts, node, host, &inner);
	rv = blx__node_open(&inner, &node->node, error);
	blx__free(host);
	return rv;
}

/* The last that is made: it is closed while the member shuts. */
static int open_units(const blx_node_opts *opts, blx_node *node, blx_error *error)
{
	struct blx__unit_bus_opts inner = {.address = opts->bus_address,
		.manager = opts->manager,
		.run_dir = opts->run_dir,
		.unit_dir = opts->unit_dir,
		.allow_file = opts->allow_units,
		.guard_command = opts->guard_command};
	int rv;

	if ((opts->flags & BLX_NODE_SERVICES) == 0) {
		return 0;
	}
	rv = blx__unit_bus_create(node->env, &inner, &node->units, error);
	if (rv == BLX_EPERM && opts->run_dir == NULL && opts->allow_units == NULL) {
		/* Not root: it is a node, but runs nothing. */
		blx__log(BLX__LOG_WARN, "node", "no service is run here: %s",
			error != NULL ? error->message : "no run directory");
		return 0;
	}
	if (rv == 0) {
		blx__node_units(node->node, node->units);
	}
	return rv;
}

int blx_node_create(const blx_node_opts *user_opts, blx_node **ret_node, blx_error *error)
{
	blx_node_opts opts;
	blx_node *node;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (opts.data_dir == NULL || ret_node == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"create a member: no data directory given");
	}
	node = blx__calloc(1, sizeof *node);
	if (node == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "create a member: out of memory");
	}
	(void)sem_init(&node->stop_done, 0, 0);
	node->host_loop = (opts.flags & BLX_NODE_HOST_LOOP) != 0;
	node->on_change = opts.on_change;
	node->data = opts.data;
	rv = blx__uv_env_create(&node->env, error);
	if (rv == 0) {
		rv = open_inner(&opts, node, error);
	}
	if (rv == 0) {
		rv = blx__client_local_create(node->node, on_loop, node, &node->client);
	}
	if (rv == 0) {
		rv = open_units(&opts, node, error);
	}
	if (rv != 0) {
		node_release(node);
		return rv;
	}
	*ret_node = node;
	return 0;
}

/* ---- running ------------------------------------------------------------- */

static void *loop_thread(void *data)
{
	blx_node *node = data;

	blx__uv_env_run(node->env);
	return NULL;
}

static int thread_start(blx_node *node, blx_error *error)
{
	/* Set before it runs: its callbacks ask for it. */
	int rv = pthread_create(&node->thread, NULL, loop_thread, node);

	if (rv != 0) {
		return blx__error_set(error, BLX_ENOMEM, "start a thread: %s", strerror(rv));
	}
	atomic_store(&node->has_thread, true);
	return 0;
}

int blx_node_start(blx_node *node, blx_error *error)
{
	int rv;

	if (node == NULL || node->started || node->stopped) {
		return blx__error_set(error, BLX_EINVAL, "start a member: it was started already");
	}
	rv = blx__node_begin(node->node, error);
	if (rv != 0) {
		return rv;
	}
	if (!node->host_loop) {
		rv = thread_start(node, error);
		if (rv != 0) {
			return rv;
		}
	}
	node->started = true;
	return 0;
}

int blx_node_fd(blx_node *node)
{
	return blx__uv_env_fd(node->env);
}

int blx_node_timeout_ms(blx_node *node)
{
	return blx__uv_env_timeout_ms(node->env);
}

int blx_node_process(blx_node *node)
{
	if (!node->host_loop) {
		return BLX_EINVAL;
	}
	node->thread = pthread_self();
	atomic_store(&node->has_thread, true);
	blx__uv_env_process(node->env);
	return 0;
}

/* ---- ending --------------------------------------------------------------- */

static void on_shut(void *data)
{
	blx_node *node = data;

	atomic_store(&node->shut, true);
	blx__uv_env_stop(node->env);
	(void)sem_post(&node->stop_done);
}

static void on_stop_post(struct blx__post *post)
{
	blx_node *node = post->data;

	blx__node_shut(node->node, node->stop_timeout_ms, on_shut, node);
}

/* The loop is ours to run: in the host's thread, or because no thread was started. */
static void run_until_shut(blx_node *node)
{
	blx__node_shut(node->node, node->stop_timeout_ms, on_shut, node);
	blx__uv_env_run(node->env);
}

int blx_node_stop(blx_node *node, uint32_t timeout_ms, blx_error *error)
{
	if (node == NULL || node->stopped) {
		return blx__error_set(error, BLX_EINVAL, "stop a member: it was stopped already");
	}
	if (!node->host_loop && on_loop(node)) {
		return blx__error_set(error, BLX_EINVAL,
			"stop a member: not from its own callbacks");
	}
	node->stop_timeout_ms = timeout_ms != 0 ? timeout_ms : STOP_TIMEOUT_MS;
	if (node->started && !node->host_loop) {
		blx__post_init(&node->stop_post, on_stop_post, node);
		blx__env_post(node->env, &node->stop_post);
		(void)pthread_join(node->thread, NULL);
	} else {
		run_until_shut(node);
	}
	atomic_store(&node->has_thread, false);
	node->stopped = true;
	return 0;
}

void blx_node_destroy(blx_node *node)
{
	if (node == NULL) {
		return;
	}
	if (!node->stopped) {
		(void)blx_node_stop(node, 0, NULL);
	}
	node_release(node);
}

/* ---- asking ---------------------------------------------------------------- */

blx_client *blx_node_client(blx_node *node)
{
	return node->client;
}

int blx_node_state_get(blx_node *node, blx_node_state *ret_state)
{
	const struct blx__identity *identity;
	struct blx__node_view view;
	struct blx__machine_stats stats;
	blx_node_state state = { .size = sizeof state };

	if (node == NULL || ret_state == NULL) {
		return BLX_EINVAL;
	}
	identity = blx__node_identity(node->node);
	blx__node_view(node->node, &view);
	blx__machine_stats_get(blx__node_machine(node->node), &stats);
	(void)snprintf(state.name, sizeof state.name, "%s", identity->name);
	(void)snprintf(state.leader, sizeof state.leader, "%s", view.leader);
	state.id = identity->id;
	state.term = view.term;
	state.applied_index = view.applied_index;
	state.commit_index = view.commit_index;
	state.revision = stats.revision;
	state.is_leader = view.is_leader;
	state.is_caught_up = view.is_caught_up;
	state.is_failed = view.is_failed;
	BLX__OUT(ret_state, &state);
	return 0;
}

int blx_node_failure(blx_node *node, blx_error *error)
{
	return blx__node_failed(node->node, error);
}

int blx_node_serve(
	blx_node *node, const char *name, blx_function function, void *data, blx_error *error)
{
	int rv;

	if (node == NULL || !blx__function_is_name(name)) {
		return blx__error_set(error, BLX_EINVAL,
			"serve: no member, or no name of 1 to %d bytes", BLX_CALL_NAME_MAX - 1);
	}
	rv = blx__functions_serve(blx__node_functions(node->node), name, function, data);
	return rv == 0 ? 0 : blx__error_set(error, rv, "serve %s: out of memory", name);
}

uint64_t blx_node_loop_busy_max_ns(blx_node *node)
{
	return blx__uv_env_busy_max_ns(node->env, true);
}
