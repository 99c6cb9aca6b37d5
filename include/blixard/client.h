/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle through which everything is asked: blx_client.
 *
 * There are two ways to get one, and every call takes either: blx_node_client()
 * gives the one that lives in this process, blx_client_open() one that talks to
 * a member in another process over its unix socket. Same functions, same errors.
 *
 * A blx_client may be used from any thread at once. Blocking calls wait in the
 * calling thread and must not be made from a callback of this library, nor, for
 * a member that runs in the host's own loop, from that loop's thread (both give
 * BLX_EINVAL; local reads are allowed everywhere). Asynchronous calls return at
 * once; their callback fires exactly once, on the library's loop thread, never
 * inside the call, also when the handle is closed (BLX_ECANCELED).
 */
#ifndef BLIXARD_CLIENT_H
#define BLIXARD_CLIENT_H

#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blx_client blx_client;

/* How long a call may take where its options do not say: 5 s. */
#define BLX_TIMEOUT_DEFAULT_MS 5000

/* Options of blx_client_open(). Zero means the default. */
typedef struct blx_client_opts {
	size_t size;
	uint32_t connect_timeout_ms; /* default BLX_TIMEOUT_DEFAULT_MS */
} blx_client_opts;

#define BLX_CLIENT_OPTS_INIT                                                             \
	{                                                                                \
		sizeof(blx_client_opts), 0                                               \
	}
BLX_API void blx_client_opts_init(blx_client_opts *opts);

/*
 * Connects to a member. address is "unix:PATH". opts may be NULL; all arguments
 * are borrowed until return. The handle reconnects by itself when the
 * connection is lost, and retries a write under the same key, so that it is
 * applied once. Close it with blx_client_close().
 *
 * BLX_ECONNECT nobody answers there; BLX_EPERM this user may not; BLX_EINVAL
 * the address is malformed; BLX_ETIMEOUT.
 */
BLX_API int blx_client_open(const char *address, const blx_client_opts *opts,
	blx_client **ret_client, blx_error *error);

/*
 * Ends the handle; what is pending ends with BLX_ECANCELED before this returns.
 * NULL is allowed. Not for the handle of blx_node_client(), which ends with its
 * node. Not from a callback.
 */
BLX_API void blx_client_close(blx_client *client);

/* Frees text that a call here gave. NULL is allowed. */
BLX_API void blx_text_free(char *text);

/*
 * What the member that answers knows of itself and its cluster, as JSON text:
 * {"name","id","cluster_id","role","state","leader","term","commit_index",
 *  "applied_index","revision","keys","bytes","hash","leader_age_ms",
 *  "insecure_transport","version","members":[{"name","id","address","role",
 *  "connected","match_index"}],"counters":{...}}.
 * role: "voter", "learner", "spare". state: "leader", "follower", "candidate",
 * "read-only" (a follower that has no leader), "stopped". hash: 16 hex digits
 * of the content of the store; equal revisions have equal hashes on all members.
 * Free with blx_text_free(). Answers without a quorum.
 */
BLX_API int blx_status(blx_client *client, uint32_t timeout_ms, char **ret_json,
	blx_error *error);

/*
 * How the members are, as the leader hears them, as JSON text: {"leader","health",
 * "quorum_margin","members":[{"name","health","voter","heard_ms_ago"}]}. health is that of
 * the worst voter: "Healthy" if it was heard less than 5 s ago, "Degraded" less than 30 s,
 * "Failed" otherwise (/:config/health.degraded_after, health.failed_after). quorum_margin:
 * how many voters may fail still. Free with blx_text_free(). Needs a quorum.
 */
BLX_API int blx_health_get(blx_client *client, uint32_t timeout_ms, char **ret_json,
	blx_error *error);

/*
 * Membership. Each is one change of the replicated configuration, performed by
 * the leader (a follower forwards) and confirmed when committed (Raft thesis
 * 4.1: one server at a time; an entry of the leader's own term committed first,
 * Ongaro 2015). BLX_ENOTMEMBER no such name; BLX_ECHANGING another change is
 * under way; BLX_EINVAL the change is not a safe one, the message says why.
 */

/* Makes a learner a voter, once it has caught up. */
BLX_API int blx_member_promote(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error);

/* Makes a voter a learner: it goes on replicating and no longer counts. */
BLX_API int blx_member_demote(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error);

/* Removes a member for good: its id and its data directory are never used again. */
BLX_API int blx_member_remove(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error);

/* Hands leadership to the named voter, or to the best one when name is NULL. */
BLX_API int blx_leader_transfer(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error);

/*
 * Has the member write a snapshot of its present state (an SQLite file) and
 * fetches it to path, which must not exist. The file appears whole or not at
 * all. Answers without a quorum: the file tells its revision.
 */
BLX_API int blx_snapshot_save(blx_client *client, const char *path, uint32_t timeout_ms,
	blx_error *error);

#ifdef __cplusplus
}
#endif

#endif
