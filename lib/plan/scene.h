/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services, nodes and migrations as the leader sees them when it looks: what the
 * deciders need of each, from one tree, and how long ago each node had itself kept. What
 * did not change since the look before is not read again. Pure.
 */
#ifndef BLX_PLAN_SCENE_H
#define BLX_PLAN_SCENE_H

#include "base/error.h"
#include "plan/model.h"
#include "store/tree.h"

#include <blixard/record.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a service's record, what decides: the rest is read where it is changed. */
struct blx__scene_service {
	char name[BLX_NAME_MAX];
	uint64_t revision;
	int state;
	int wanted;
	int seen;
	bool shared;
	int64_t priority;
	int64_t stop_agreed;
	int64_t failures;
	int64_t failures_max;
	char node[BLX_NAME_MAX];
	char owner[BLX_NAME_MAX];
	char seen_node[BLX_NAME_MAX];
	char migration[BLX_NAME_MAX];
};

struct blx__scene_node {
	char name[BLX_NAME_MAX];
	int health;
	bool draining;
	bool evicted;
	int64_t lease_ms;
	int64_t drain_deadline;
	bool taken; /* a move of this look puts something there already */
};

struct blx__scene_migration {
	char id[BLX_NAME_MAX];
	uint64_t revision;
	blx_migration record; /* extra is NULL */
};

/* How long ago the node of that name had itself kept. */
typedef int64_t (*blx__kept_ago)(const char *node, void *data);

/* One that has ended. */
struct blx__scene_migrated {
	char id[BLX_NAME_MAX];
	uint64_t revision;
	char service[BLX_NAME_MAX];
	int64_t ended_at;
	bool failed;
};

struct blx__scene {
	/* of this look, borrowed until the next */
	const struct blx__tree *tree;
	blx__kept_ago kept_ago;
	void *data;
	uint64_t revision;
	int64_t time_ns;
	blx_place_model *model; /* owned; NULL: not needed so far */
	/* owned */
	struct blx__scene_service *services; /* by name, in the order of keys */
	size_t services_count;
	struct blx__scene_node *nodes;
	size_t nodes_count;
	struct blx__scene_migration *migrations;
	size_t migrations_count;
	struct blx__scene_migrated *migrated; /* the oldest first */
	size_t migrated_count;
	int64_t margin_ns;
	int64_t failed_ns; /* after so long a node counts as Failed */
	size_t drain_parallel;
	size_t next_checked; /* of services, for their constraints */
};

void blx__scene_init(struct blx__scene *scene);
void blx__scene_finish(struct blx__scene *scene);

/* The tree must outlive what is decided by it. BLX_ENOMEM: it is as if there were nothing. */
int blx__scene_look(struct blx__scene *scene, const struct blx__tree *tree,
	uint64_t revision, int64_t time_ns, blx__kept_ago kept_ago, void *data);

/* NULL: there is none. */
const struct blx__scene_service *blx__scene_service_of(
	const struct blx__scene *scene, const char *name);
struct blx__scene_node *blx__scene_node_of(struct blx__scene *scene, const char *name);

/* The whole record, into memory of its struct; *ret_revision 0: there is none, and it is
 * zeroed. Its extra is the caller's. BLX_ENOMEM, BLX_EINVAL. */
int blx__scene_read(const struct blx__scene *scene, int kind, const char *name,
	void *ret_record, uint64_t *ret_revision);

/* The nodes and what is on them; NULL: no memory. */
blx_place_model *blx__scene_model(struct blx__scene *scene);

/* ---- when it may be given away -------------------------------------------------------- */

/* No lease of a host is longer; so long is one that is not known. */
#define BLX__LEASE_MAX_MS 60000

/* How long a service may take to be stopped where its record does not say. */
#define BLX__STOP_TIMEOUT_MS 5000

/*
 * A host that was not kept for that long runs no exclusive service any more: its lease is
 * over, and what it had to stop has been stopped (twice the agreed time: its own stop
 * command, and the signal, have one each) or killed. By clocks that run within 10 % of
 * true time: 1.1 / 0.9 is less than 5/4.
 */
int64_t blx__fence_ns(int64_t lease_ms, int64_t stop_ms, int64_t margin_ns);

/* Has that time come for what the service may still be doing on the node? One that is
 * shared need not be waited for. */
bool blx__scene_is_fenced(struct blx__scene *scene, const struct blx__scene_service *service,
	const char *node);

/* Has it a member that runs services? */
bool blx__scene_is_host(struct blx__scene *scene, const char *node);

/* Runs nowhere, and will not before it is given to a node. */
bool blx__scene_is_clear(
	struct blx__scene *scene, const struct blx__scene_service *service);

/* Is nothing to be expected of the node any more? Its health is Failed, an operator says
 * so, or it did not have its lease kept for as long: whatever its member may do else, and
 * if it is a member no more. */
bool blx__scene_is_lost(struct blx__scene *scene, const char *node);

#endif
