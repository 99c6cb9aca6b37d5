/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where something can run: what each node has left, by the records of the store at
 * one revision, against what is asked. Pure functions: the same model and the same
 * request give the same answer on every member.
 *
 * A node is left out with every reason there is for it, not only the first: what it
 * lacks, its status, its taints, each constraint. Among the others the strategy
 * chooses, and of equal ones the first by name.
 */
#ifndef BLIXARD_PLACEMENT_H
#define BLIXARD_PLACEMENT_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/record.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the model: nodes, and what is on them ------------------------------------------- */

typedef struct blx_place_model blx_place_model;

BLX_API int blx_place_model_create(blx_place_model **ret_model);
BLX_API void blx_place_model_destroy(blx_place_model *model); /* NULL is allowed */

/* What the store has, at one revision: nodes, reservations, services and machines that
 * are on one. At most BLX_SQL_BYTES_MAX of records: BLX_ETOOBIG. */
BLX_API int blx_place_model_read(blx_client *client, int consistent, uint32_t timeout_ms,
	blx_place_model **ret_model, blx_error *error);

/* All is copied. A node of that name is replaced, with what was on it. BLX_ENOMEM. */
BLX_API int blx_place_model_add_node(
	blx_place_model *model, const char *name, const blx_node_info *info);

/* Something on a node. Of one name on one node the larger amounts count, once: a
 * reservation, and what it was made for. BLX_ENOENT: there is no such node. */
typedef struct blx_place_use {
	size_t size;
	const char *name;
	const char *group; /* NULL: none */
	int64_t cpu;
	int64_t memory;
	const blx_constraint *constraints; /* for blx_place_what_if(); NULL: none */
	size_t constraints_count;
} blx_place_use;
BLX_API int blx_place_model_add_use(
	blx_place_model *model, const char *node, const blx_place_use *use);

/* As if there were no such node, with what is on it. BLX_ENOENT. */
BLX_API int blx_place_model_remove_node(blx_place_model *model, const char *node);

BLX_API size_t blx_place_model_nodes(const blx_place_model *model);
BLX_API uint64_t blx_place_model_revision(const blx_place_model *model); /* 0: not read */

/* Capacity, and what is left of it: never negative. Nodes are in the order of their names. */
typedef struct blx_place_node {
	size_t size;
	const char *name; /* borrowed from the model */
	int64_t cpu;
	int64_t memory;
	int64_t cpu_free;
	int64_t memory_free;
	size_t uses;
} blx_place_node;
BLX_API int blx_place_model_node_at(
	const blx_place_model *model, size_t i, blx_place_node *ret_node);

/* ---- a request, and its plan ------------------------------------------------------------ */

enum blx_place_strategy {
	BLX_PLACE_LEAST_ALLOCATED = 0, /* where most is left, of cpu and memory on average */
	BLX_PLACE_BIN_PACK = 1,        /* where least is left */
	BLX_PLACE_FIRST_FIT = 2        /* the first by name */
};

typedef struct blx_place_request {
	size_t size;
	const char *name;  /* what is to be placed; on the node it is on already it does not
			    * count against itself */
	const char *group; /* NULL: none */
	int64_t cpu;
	int64_t memory;
	int strategy;
	const blx_constraint *constraints; /* all borrowed until return */
	size_t constraints_count;
} blx_place_request;

#define BLX_PLACE_REQUEST_INIT                                                           \
	{                                                                                \
		sizeof(blx_place_request), NULL, NULL, 0, 0, 0, NULL, 0                  \
	}

typedef struct blx_place_plan blx_place_plan;

/*
 * Always gives a plan, unless the request is wrong (BLX_EINVAL) or there is no memory.
 * BLX_ENOPLACE: no node will do; the plan says why. Free it in both cases with
 * blx_place_plan_free(). It borrows from the model.
 */
BLX_API int blx_place(const blx_place_model *model, const blx_place_request *request,
	blx_place_plan **ret_plan, blx_error *error);

/* The node chosen; NULL: none. */
BLX_API const char *blx_place_plan_node(const blx_place_plan *plan);

typedef struct blx_place_verdict {
	size_t size;
	const char *node;
	int fits;
	int64_t score;  /* of those that fit: the greater the better */
	size_t reasons; /* why not */
} blx_place_verdict;

/* One for each node of the model, in its order. */
BLX_API size_t blx_place_plan_count(const blx_place_plan *plan);
BLX_API int blx_place_plan_at(
	const blx_place_plan *plan, size_t i, blx_place_verdict *ret_verdict);

#define BLX_PLACE_REASON_SIZE 256

/* Reason number k why node i will not do, as text. BLX_EINVAL. */
BLX_API int blx_place_plan_reason(const blx_place_plan *plan, size_t i, size_t k,
	char ret_text[BLX_PLACE_REASON_SIZE]);

/* The node with the fewest reasons: what would have to give way for it to do. -1: one
 * fits, or there are no nodes. */
BLX_API int64_t blx_place_plan_nearest(const blx_place_plan *plan);
BLX_API void blx_place_plan_free(blx_place_plan *plan); /* NULL is allowed */

/* ---- what if ------------------------------------------------------------------------------- */

typedef struct blx_place_moves blx_place_moves;

/* What was on a node that is gone. All texts are borrowed from the model and the moves. */
typedef struct blx_place_move {
	size_t size;
	const char *name;
	const char *from;
	const char *to;      /* NULL: it has no place */
	const char *nearest; /* then the node with the fewest reasons against it */
	const char *why;     /* and the first of them; with nearest NULL: why it can have no
			      * place anywhere; both NULL: no node is left, or it has one */
} blx_place_move;

/*
 * Where would everything go if these nodes were gone? The model is changed to show it:
 * the nodes are taken out, and what was on them, placed one after the other by its own
 * constraints, the largest first, is on others, or nowhere. A reservation without a
 * service or a machine of its name has no constraints. The records of the store stay as
 * they are.
 * 0 also when something has no place. BLX_ENOENT: there is no such node, BLX_EINVAL:
 * bad arguments; nothing was changed.
 */
BLX_API int blx_place_what_if(blx_place_model *model, const char *const *nodes, size_t count,
	int strategy, blx_place_moves **ret_moves, blx_error *error);

/* In the order in which they were placed at first: the largest first. */
BLX_API size_t blx_place_moves_count(const blx_place_moves *moves);
BLX_API int blx_place_moves_at(
	const blx_place_moves *moves, size_t i, blx_place_move *ret_move);
BLX_API void blx_place_moves_free(blx_place_moves *moves); /* NULL is allowed */

/* ---- reservations ------------------------------------------------------------------------ */

/*
 * Chooses a node for the request and reserves it there: a record at
 * /:reservations/<name>, Pending, bound to the lease. The transaction relies on nothing
 * having been reserved on that node, and on the node being as it was, since the model
 * was read, and is tried again with a new one otherwise: what is reserved on a node
 * never exceeds what it has. ret_node has room for a name.
 * BLX_ENOPLACE "No suitable nodes available"; BLX_ERESERVED: there is one of that name.
 */
BLX_API int blx_reserve(blx_client *client, const blx_place_request *request,
	uint64_t lease_id, uint32_t timeout_ms, char ret_node[BLX_NAME_MAX], blx_error *error);

/* From Pending to Bound: it stays when the lease ends. BLX_ECONFLICT: it is another one's. */
BLX_API int blx_reservation_bind(blx_client *client, const char *name, uint64_t lease_id,
	uint32_t timeout_ms, blx_error *error);

/* BLX_ENOENT: there is none. */
BLX_API int blx_reservation_release(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error);

#ifdef __cplusplus
}
#endif

#endif
