/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the system's own namespace: what is known of nodes, services,
 * placements, reservations, machines and migrations. In the store each is one JSON
 * object at /:<directory>/<name>, written compactly, with the fields of its struct
 * under the same names; what is left out has its default. Fields that this version
 * does not know are kept, so that an older program that changes a record loses
 * nothing. Put by hand they are checked like any other: what is known must be right.
 *
 * The structs are plain memory but for "extra". Times are ns since 1970, as text
 * RFC 3339 in UTC with milliseconds; cpu is in thousandths of a processor, memory in
 * MiB.
 */
#ifndef BLIXARD_RECORD_H
#define BLIXARD_RECORD_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/store.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_NAME_MAX        64 /* of a text, with its NUL */
#define BLX_LABELS_MAX      32
#define BLX_CAPABILITIES_MAX 32
#define BLX_TAINTS_MAX      16
#define BLX_FIXED_MAX       4
#define BLX_CONSTRAINTS_MAX 32
#define BLX_VALUES_MAX      8
#define BLX_NETWORKS_MAX    8
#define BLX_WORDS_MAX       16  /* of a command line */
#define BLX_TEXT_MAX        256 /* of a longer text, with its NUL */

typedef struct blx_label {
	char key[BLX_NAME_MAX];
	char value[BLX_NAME_MAX];
} blx_label;

/* ---- constraints ----------------------------------------------------------------- */

/* As text: "node", "not-node", "capability", "label-in", "label-not-in", "apart-from",
 * "together-with", "max-per-node", "spread", "tolerate". */
enum blx_constraint_kind {
	BLX_ON_NODE = 1,       /* values: one of these nodes */
	BLX_NOT_ON_NODE = 2,   /* values: none of these */
	BLX_NEEDS = 3,         /* values: all of these capabilities */
	BLX_LABEL_IN = 4,      /* key, values: the label is one of these */
	BLX_LABEL_NOT_IN = 5,  /* key, values: it is absent, or none of these */
	BLX_APART_FROM = 6,    /* values: services or machines that must not be on the node */
	BLX_TOGETHER_WITH = 7, /* values: all of them must be on the node */
	BLX_MAX_PER_NODE = 8,  /* key: a group (the label "group" of others), limit: how many */
	BLX_SPREAD = 9,        /* key: a label ("zone"), limit: by how many the fullest of its
				* values may exceed the emptiest, counting those of the group */
	BLX_TOLERATE = 10      /* values: taints that do not matter */
};

typedef struct blx_constraint {
	int kind;
	char key[BLX_NAME_MAX];
	size_t values_count;
	char values[BLX_VALUES_MAX][BLX_NAME_MAX];
	int64_t limit;
} blx_constraint;

/* ---- the records ------------------------------------------------------------------- */

enum blx_record_kind {
	BLX_RECORD_SERVICE = 0,     /* /:services */
	BLX_RECORD_NODE = 1,        /* /:nodes */
	BLX_RECORD_PLACEMENT = 2,   /* /:placement */
	BLX_RECORD_RESERVATION = 3, /* /:reservations */
	BLX_RECORD_VM = 4,          /* /:vms */
	BLX_RECORD_MIGRATION = 5,   /* /:migrations: those under way */
	BLX_RECORD_MIGRATED = 6     /* /:migrated: the last that have ended; the same struct */
};
#define BLX_RECORD_KINDS 7

enum blx_service_state {
	BLX_SERVICE_UNKNOWN = 0, /* "Unknown", and so on: the texts are those names */
	BLX_SERVICE_RUNNING = 1,
	BLX_SERVICE_STOPPED = 2,
	BLX_SERVICE_FAILED = 3,
	BLX_SERVICE_MIGRATING = 4,
	BLX_SERVICE_STARTING = 5,
	BLX_SERVICE_STOPPING = 6
};

typedef struct blx_service {
	int state;               /* enum blx_service_state */
	char node[BLX_NAME_MAX]; /* that manages it; empty: none */
	int64_t timestamp;       /* of the last change of state or node */
	int wanted;              /* Running or Stopped */
	char unit[256];          /* of systemd */
	int shared;              /* 1: may run on several nodes at once */
	int64_t cpu;
	int64_t memory;
	int64_t priority;
	char group[BLX_NAME_MAX]; /* for spreading */
	int64_t epoch; /* the fencing token: greater with each node that gets it */
	size_t constraints_count;
	blx_constraint constraints[BLX_CONSTRAINTS_MAX];

	/* How it is run. */
	char manager[24];     /* empty: the system's service manager; "user", "user:UID" */
	size_t command_count; /* a command line, run as a transient unit; 0: the unit is
			       * installed */
	char command[BLX_WORDS_MAX][BLX_TEXT_MAX];
	int64_t stop_timeout; /* ms, after which it is killed; 0: 5000 */
	int64_t failures_max; /* so many, and it is moved to another node; 0: never */
	char prefer[BLX_NAME_MAX]; /* the node that an operator wants it started on */
	int64_t restart;           /* greater: it is to be restarted once more */

	/* What the cluster does with it: not for hand. */
	char owner[BLX_NAME_MAX];     /* the node that may run it now; empty: none */
	char migration[BLX_NAME_MAX]; /* id of the one under way; empty: none */
	int64_t stop_agreed; /* stop_timeout as it was when the owner got it */

	/* What its owner, or the last one, has seen of the unit since it became that or
	 * ceased to be it. */
	char seen_node[BLX_NAME_MAX]; /* empty: it was never run */
	int seen;                     /* Unknown: nothing yet */
	int64_t seen_at;
	int64_t restarted;            /* of restart: so far it was done */
	int64_t failures;             /* they are forgotten one after the other */
	int64_t failed_at;            /* the last */
	char detail[BLX_TEXT_MAX];    /* for a person: why it is not as it should be */
	char *extra; /* owned: unknown fields, JSON; NULL: none */
} blx_service;

enum blx_node_status {
	BLX_NODE_ACTIVE = 0,   /* "Active" */
	BLX_NODE_DRAINING = 1, /* "Draining": nothing is placed there any more */
	BLX_NODE_FAILED = 2    /* "Failed" */
};

enum blx_health_status {
	BLX_HEALTH_HEALTHY = 0, /* "Healthy" */
	BLX_HEALTH_DEGRADED = 1,
	BLX_HEALTH_FAILED = 2
};

typedef struct blx_node_info {
	int status; /* enum blx_node_status */
	size_t capabilities_count;
	char capabilities[BLX_CAPABILITIES_MAX][BLX_NAME_MAX];
	int64_t last_heartbeat; /* seconds since 1970, as it was when this was written */
	int health;             /* enum blx_health_status */
	int draining;           /* 1: by an operator, whatever its health */
	int64_t timestamp;      /* of the last change of status or health */
	int64_t cpu;            /* capacity that may be given away */
	int64_t memory;
	char zone[BLX_NAME_MAX];
	char address[BLX_NAME_MAX];
	size_t labels_count;
	blx_label labels[BLX_LABELS_MAX];
	size_t taints_count;
	char taints[BLX_TAINTS_MAX][BLX_NAME_MAX];
	size_t fixed_count;
	char fixed[BLX_FIXED_MAX][BLX_NAME_MAX]; /* of "cpu", "memory" and "capabilities":
						  * an operator set them, and the member does
						  * not say what its host has instead */
	int64_t lease;          /* ms: so long the host runs exclusive services without
				 * word from the leader; written by the host */
	int evicted;            /* 1: an operator says that it is dead */
	int64_t drain_deadline; /* what is there then is stopped; 0: none */
	char *extra;
} blx_node_info;

typedef struct blx_placement {
	char node[BLX_NAME_MAX];
	int64_t timestamp;
	int64_t epoch;
	char migration[BLX_NAME_MAX]; /* id of the one under way; empty: none */
	char *extra;
} blx_placement;

enum blx_reservation_state {
	BLX_RESERVATION_PENDING = 0, /* "Pending": goes with its lease */
	BLX_RESERVATION_BOUND = 1    /* "Bound": what it is for runs */
};

typedef struct blx_reservation {
	char node[BLX_NAME_MAX];
	int64_t cpu;
	int64_t memory;
	int state;
	char holder[BLX_NAME_MAX]; /* lease id while Pending */
	char group[BLX_NAME_MAX];
	int64_t timestamp;
	char *extra;
} blx_reservation;

enum blx_vm_state {
	BLX_VM_STOPPED = 0,
	BLX_VM_STARTING = 1,
	BLX_VM_RUNNING = 2,
	BLX_VM_STOPPING = 3,
	BLX_VM_CREATING = 4,
	BLX_VM_FAILED = 5
};

typedef struct blx_network {
	char address[BLX_NAME_MAX]; /* with its prefix length */
	int64_t vlan;
	char mac[BLX_NAME_MAX];
	char tap[BLX_NAME_MAX];
} blx_network;

typedef struct blx_vm {
	int state;
	char host_node[BLX_NAME_MAX];
	char config_hash[128];
	int64_t cpu;
	int64_t memory;
	int64_t timestamp;
	char group[BLX_NAME_MAX];
	size_t networks_count;
	blx_network networks[BLX_NETWORKS_MAX];
	size_t constraints_count;
	blx_constraint constraints[BLX_CONSTRAINTS_MAX];
	char *extra;
} blx_vm;

enum blx_migration_state {
	BLX_MIGRATION_PREPARING = 0,
	BLX_MIGRATION_STOPPING = 1,
	BLX_MIGRATION_STARTING = 2,
	BLX_MIGRATION_FINALIZING = 3,
	BLX_MIGRATION_ROLLING_BACK = 4 /* "RollingBack" */
};

typedef struct blx_migration {
	char service[BLX_NAME_MAX];
	char from[BLX_NAME_MAX];
	char to[BLX_NAME_MAX];
	int state;
	int64_t started_at;
	int64_t state_at; /* when the present state began */
	int64_t timeout;  /* ms for each state; 0: 60000 */
	char reason[BLX_NAME_MAX]; /* "operator", "drain", "rebalance", "failures" */
	int abort;                 /* 1: an operator wants it undone */
	char answer[BLX_TEXT_MAX]; /* of the target: "yes", or why it cannot take it */
	char error[BLX_TEXT_MAX];  /* why it is undone, or was */
	int64_t ended_at;          /* of one that has ended */
	char *extra;
} blx_migration;

/* ---- reading and writing them --------------------------------------------------------- */

/* record points to the struct of that kind, everywhere below. Zeroes it. */
BLX_API void blx_record_init(int kind, void *record);
/* Frees what it holds, and zeroes it. */
BLX_API void blx_record_clear(int kind, void *record);

/* The kind that has its values there, and -1: none; *ret_name, borrowed from the path,
 * may be NULL. */
BLX_API int blx_record_kind_of(const char *path, const char **ret_name);

/* BLX_EINVAL: the message says which field, and what it must be. record is initialised
 * before; on failure it is as if cleared. */
BLX_API int blx_record_decode(
	int kind, const void *text, size_t len, void *record, blx_error *error);
/* *ret_text is freed with blx_text_free(). BLX_EINVAL: a field is not what it may be. */
BLX_API int blx_record_encode(
	int kind, const void *record, char **ret_text, blx_error *error);

/* The value of a field of an enum as text, and back; NULL, -1: there is none. field is its
 * name. */
BLX_API const char *blx_record_text(int kind, const char *field, int value);
BLX_API int blx_record_value(int kind, const char *field, const char *text);

/* As blx_get() and blx_get_consistent() (opts->flags BLX_READ_CONSISTENT has no meaning;
 * consistent: 1). ret_revision may be NULL. */
BLX_API int blx_record_get(blx_client *client, int kind, const char *name, int consistent,
	uint32_t timeout_ms, void *record, uint64_t *ret_revision, blx_error *error);
BLX_API int blx_record_put(blx_client *client, int kind, const char *name,
	const void *record, uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error);

/*
 * Compare and set: record is written if what is there agrees with expect in the
 * fields that are named, "state,node"; the others do not matter. BLX_ECONFLICT.
 */
BLX_API int blx_record_cas(blx_client *client, int kind, const char *name,
	const void *expect, const char *fields, const void *record, uint32_t timeout_ms,
	uint64_t *ret_revision, blx_error *error);

/* ---- settings ---------------------------------------------------------------------------- */

/*
 * What members act on, of the values below /:config: decimal numbers, and durations as
 * "5s", "500ms", "2m" or milliseconds. What is put there and cannot be is refused with
 * BLX_EINVAL.
 */
typedef struct blx_config {
	size_t size;
	uint64_t health_degraded_after_ms; /* health.degraded_after; 5000 */
	uint64_t health_failed_after_ms;   /* health.failed_after; 30000; less than
					    * degraded_after: both count as not set */
	uint64_t quota_bytes;              /* quota.bytes; 0: no limit */
	uint64_t quota_keys;               /* quota.keys; 0: no limit */
	uint64_t host_lease_ms;            /* host.lease; 10000. So long a host that hears
					    * nothing runs exclusive services; at least
					    * two election timeouts, at most 60000 */
	uint64_t fence_margin_ms; /* fence.margin; 1000. On top of what a lease and stopping
				   * take, before they are given to another host */
	uint64_t drain_parallel;  /* drain.parallel; 2. Migrations at once from one node */
} blx_config;

#define BLX_CONFIG_INIT                                                                  \
	{                                                                                \
		sizeof(blx_config), 0, 0, 0, 0, 0, 0, 0                                  \
	}

/* With the defaults for what is not set. BLX_EINVAL: ret_config->size. */
BLX_API int blx_config_get(blx_client *client, int consistent, uint32_t timeout_ms,
	blx_config *ret_config, blx_error *error);
/* name: "quota.keys"; value NULL: the default again (BLX_ENOENT: it was). BLX_EINVAL: there is no
 * such setting, or it cannot be that. ret_revision may be NULL. Every member holds by it
 * once it has applied the write. */
BLX_API int blx_config_set(blx_client *client, const char *name, const char *value,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error);

#ifdef __cplusplus
}
#endif

#endif
