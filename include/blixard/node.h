/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member of a cluster, inside this process.
 *
 * A member's identity (its name, id, address and the cluster's id) lives in its
 * data directory, which blx_cluster_init() or blx_cluster_join() makes once.
 * blx_node_create() opens the directory and recovers what is in it,
 * blx_node_start() makes the member take part.
 *
 * A member runs on a thread of its own (the default) or in the host's loop
 * (BLX_NODE_HOST_LOOP): then watch blx_node_fd() for reading, wait no longer
 * than blx_node_timeout_ms(), and call blx_node_process() when either says so.
 *
 * A failed disk stops the member, never the host: its calls then give
 * BLX_EUNAVAILABLE, and blx_node_failure() tells why.
 *
 * All functions are safe from any thread, but not at once with
 * blx_node_destroy(); process, fd and timeout are for one thread.
 */
#ifndef BLIXARD_NODE_H
#define BLIXARD_NODE_H

#include <blixard/client.h>
#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blx_node blx_node;

/* A member as a cluster is founded. */
typedef struct blx_member {
	const char *name;    /* 1 to 63 of a-z A-Z 0-9 - _ . */
	const char *address; /* "HOST:PORT" that the other members reach it at */
} blx_member;

typedef struct blx_init_opts {
	size_t size;
	const char *data_dir;      /* made if absent; must be empty */
	const char *name;          /* which of the members this is */
	const char *cluster;       /* the cluster's name: members of equal name and founding
				    * members are of one cluster; default "blixard" */
	const blx_member *members; /* all voters at the start, the same everywhere */
	size_t members_count;
} blx_init_opts;

#define BLX_INIT_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_init_opts), NULL, NULL, NULL, NULL, 0                         \
	}
BLX_API void blx_init_opts_init(blx_init_opts *opts);

/*
 * Founds a cluster: makes this member's data directory. Call it once on every
 * founding member with the same members, then start them. Start with all the
 * voters that are wanted (three or five): growing from one voter to two is
 * refused later, because stock libraft can then lose its leader for ever.
 * BLX_EINUSE: the directory holds a member already.
 */
BLX_API int blx_cluster_init(const blx_init_opts *opts, blx_error *error);

typedef struct blx_join_opts {
	size_t size;
	const char *data_dir; /* made if absent; must be empty */
	const char *name;     /* of the new member */
	const char *address;  /* "HOST:PORT" that the other members reach it at */
	const char *via;      /* "HOST:PORT" of any member */
	uint32_t timeout_ms;  /* default BLX_TIMEOUT_DEFAULT_MS */
} blx_join_opts;

#define BLX_JOIN_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_join_opts), NULL, NULL, NULL, NULL, 0                         \
	}
BLX_API void blx_join_opts_init(blx_join_opts *opts);

/*
 * Joins a running cluster as a learner: the cluster gives a new id, and this
 * makes the data directory. Start the member, then blx_member_promote() it.
 */
BLX_API int blx_cluster_join(const blx_join_opts *opts, blx_error *error);

enum blx_node_flags {
	BLX_NODE_HOST_LOOP = 1,         /* no thread: the host calls blx_node_process() */
	BLX_NODE_INSECURE_TRANSPORT = 2, /* plain TCP beyond loopback; the status shows it */
	BLX_NODE_LEASE_READS = 4, /* consistent reads ask nobody while the leader has a lease;
				  * set it on all members. A lease holds for 9/16 of the
				  * election timeout after a round that a majority of the
				  * voters with this flag confirmed. It rests on monotonic
				  * clocks that run within 10 % of true time: do not use it
				  * where a host can stand still without its clock noticing
				  * (a guest that is suspended). A process that is stopped
				  * and continued is no danger */
	BLX_NODE_SERVICES = 8 /* this member's host takes services: its record at
			       * /:nodes/<name of the member> is made, and kept to what the
			       * host has (record.h); the leader watches its health */
};

typedef struct blx_node_opts {
	size_t size;
	const char *data_dir;
	const char *socket_path; /* a unix socket for clients; NULL: none. It admits root
				  * and the user the member runs as */
	const char *listen;      /* "HOST:PORT" to listen at, where it is not the address
				  * the others use; NULL: that one */
	uint32_t flags;          /* enum blx_node_flags */
	uint32_t election_timeout_ms;  /* default 1000; 20 to 60000 */
	uint32_t heartbeat_ms;         /* default a tenth of it */
	uint64_t snapshot_bytes;       /* of log that trigger a snapshot; default 64 MiB */
	uint64_t snapshot_entries;     /* likewise entries; default 100000 */
	uint64_t segment_bytes;        /* size of a file of the log; default 32 MiB */
	void (*on_change)(blx_node *node, void *data); /* role, leader or failure changed; on
							* the loop thread; may be NULL */
	void *data;

	/* With BLX_NODE_SERVICES: how its host runs them, unit.h. */
	const char *run_dir;     /* of the guard and the gate, on a tmpfs; NULL: BLX_RUN_DIR */
	const char *unit_dir;    /* for drop-ins; NULL: where the manager looks for them */
	const char *allow_units; /* a file of patterns: no other unit is touched, whatever the
				  * cluster says; NULL: all may be */
	const char *manager;     /* "system", "user"; NULL: the system's */
	const char *bus_address; /* of its bus; NULL: where it is found */
	const char *guard_command; /* the path of the blixard command, which is the guard and
				    * the gate; NULL: services that are not shared do not run
				    * here */
} blx_node_opts;

#define BLX_NODE_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_node_opts), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, NULL,   \
			NULL, NULL, NULL, NULL, NULL, NULL                               \
	}
BLX_API void blx_node_opts_init(blx_node_opts *opts);

/*
 * Opens the data directory: locks it, recovers snapshot and log. Blocks for as
 * long as that takes. opts is borrowed until return.
 * BLX_EINUSE another process has the directory; BLX_ECORRUPT it is damaged, the
 * message says what to do; BLX_ENOENT it holds no member.
 */
BLX_API int blx_node_create(const blx_node_opts *opts, blx_node **ret_node, blx_error *error);

/* Listens and takes part. BLX_EINUSE the address is taken; BLX_EPERM it is not a
 * loopback address and BLX_NODE_INSECURE_TRANSPORT is not set. */
BLX_API int blx_node_start(blx_node *node, blx_error *error);

/*
 * Stops gracefully: hands leadership over first if it has it, refuses new calls,
 * ends the pending ones, closes the log. Waits at most timeout_ms for the
 * handing over. In the host's loop this runs the loop until it is done.
 */
BLX_API int blx_node_stop(blx_node *node, uint32_t timeout_ms, blx_error *error);

/* Frees a member that was stopped or never started; stops it if need be. NULL is allowed. */
BLX_API void blx_node_destroy(blx_node *node);

/* The handle of this process; borrowed from the node. */
BLX_API blx_client *blx_node_client(blx_node *node);

/* What the member is at the moment. Text fields are terminated. */
typedef struct blx_node_state {
	size_t size;
	char name[64];
	char leader[64]; /* empty: none known */
	uint64_t id;
	uint64_t term;
	uint64_t applied_index;
	uint64_t commit_index;
	uint64_t revision;
	int is_leader;
	int is_caught_up; /* it has applied all that its leader had committed when it was
			   * first heard, and so may serve */
	int is_failed;
} blx_node_state;

BLX_API int blx_node_state_get(blx_node *node, blx_node_state *ret_state);

/* Why the member has stopped by itself: BLX_OK while it has not. */
BLX_API int blx_node_failure(blx_node *node, blx_error *error);

/* Longest time since the last call of this that the loop was busy in one go, in ns. */
BLX_API uint64_t blx_node_loop_busy_max_ns(blx_node *node);

/* In the host's loop. */
BLX_API int blx_node_fd(blx_node *node);
BLX_API int blx_node_timeout_ms(blx_node *node); /* -1: no timeout */
BLX_API int blx_node_process(blx_node *node);

/*
 * Snapshot files, without a running member. Both block.
 */

/* Checks all of a snapshot file: format, every row, hash. BLX_ECORRUPT says what is wrong. */
BLX_API int blx_snapshot_verify(const char *path, blx_error *error);

/* What a snapshot file says of itself, as JSON; free with blx_text_free(). */
BLX_API int blx_snapshot_inspect(const char *path, char **ret_json, blx_error *error);

/*
 * Recovery, offline: makes the data directory of the first member of a NEW
 * cluster from a snapshot file or from what is left of a member. The new
 * cluster has a new id; members of the old one are refused by it.
 */
typedef struct blx_recover_opts {
	size_t size;
	const char *from;          /* a snapshot file, or the data directory of a stopped member */
	const char *data_dir;      /* of the new member; must be empty or absent */
	const char *name;          /* which of the members this is */
	const char *cluster;       /* name of the new cluster */
	const blx_member *members; /* voters of the new cluster */
	size_t members_count;
	int confirmed; /* 0: only say what would be done */
} blx_recover_opts;

#define BLX_RECOVER_OPTS_INIT                                                            \
	{                                                                                \
		sizeof(blx_recover_opts), NULL, NULL, NULL, NULL, NULL, 0, 0             \
	}
BLX_API void blx_recover_opts_init(blx_recover_opts *opts);

/* *ret_plan says, for a person, what was or would be done; free with blx_text_free(). */
BLX_API int blx_recover(const blx_recover_opts *opts, char **ret_plan, blx_error *error);

#ifdef __cplusplus
}
#endif

#endif
