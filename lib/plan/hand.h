/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may run a service, changed: the steps that give it to a node, take it from one, or
 * end it, on its record, and a transaction that does one step with all that belongs to
 * it. It relies on the record as it was read, so a step is done once. Pure.
 */
#ifndef BLX_PLAN_HAND_H
#define BLX_PLAN_HAND_H

#include "plan/scene.h"
#include "store/txn.h"

#include <blixard/record.h>
#include <stdbool.h>
#include <stddef.h>

/* ---- what was decided in one look ----------------------------------------------------- */

struct blx__move {
	struct blx__txn txn;
	/* Something is taken from that node because it was not heard: its lease is not
	 * confirmed until the end of this is known. Empty: nothing is. */
	char from[BLX_NAME_MAX];
};

#define BLX__MOVES_MAX 64

struct blx__moves {
	struct blx__move list[BLX__MOVES_MAX];
	size_t count;
};

void blx__moves_finish(struct blx__moves *moves);

static inline bool blx__moves_full(const struct blx__moves *moves)
{
	return moves->count == BLX__MOVES_MAX;
}

/* ---- steps on a record ---------------------------------------------------------------- */

/* With the time, if it is another one. */
void blx__service_set(blx_service *service, int state, const char *node, int64_t time_ns);
/* The node may run it, under a new token. */
void blx__service_give(blx_service *service, const char *node);
/* The one that had it may still, as if nobody had taken it: under the same token. */
void blx__service_return(blx_service *service);
/* Nobody may, and the owner has to say that it does not run any more. */
void blx__service_revoke(blx_service *service);

/* ---- a step as a transaction ----------------------------------------------------------- */

struct blx__hand {
	struct blx__scene *scene;
	blx_service *service; /* owned; the record, to be changed; NULL: it is of no service */
	char name[BLX_NAME_MAX];
	uint64_t revision;
	struct blx__txn txn;
	int code; /* the first that went wrong */
};

/* False: no memory, or there is no such record. Then there is nothing to be ended. */
bool blx__hand_begin(struct blx__hand *hand, struct blx__scene *scene, const char *name);
/* Of no service. */
void blx__hand_begin_bare(struct blx__hand *hand, struct blx__scene *scene);

/* The node must be as the scene has it, and nothing was put there since. */
void blx__hand_occupy(struct blx__hand *hand, const char *node);

/* Another record, if what is there is of that revision. */
void blx__hand_put(struct blx__hand *hand, int kind, const char *name, const void *record,
	uint64_t revision);
void blx__hand_delete(struct blx__hand *hand, int kind, const char *name);

/* The placement as the service's record has it now. */
void blx__hand_place(struct blx__hand *hand);

/* Nothing is to be done after all. */
void blx__hand_drop(struct blx__hand *hand);

/* With the record: one more move. from may be NULL. */
void blx__hand_end(struct blx__hand *hand, struct blx__moves *moves, const char *from);

/* ---- a place -------------------------------------------------------------------------- */

/*
 * Where it is to go; the record's prefer counts, avoid (may be NULL) does not get it.
 * False: nowhere, and ret_why says why.
 */
bool blx__hand_choose(const struct blx__hand *hand, const char *avoid,
	char ret_node[BLX_NAME_MAX], char ret_why[BLX_TEXT_MAX]);

/* What there is against that one, as enum blx__plan_reason; all bits: there is no such
 * node. */
uint64_t blx__hand_reasons(const struct blx__hand *hand, const char *node);

/* Would that one do? False: ret_why has the reasons. */
bool blx__hand_fits(
	const struct blx__hand *hand, const char *node, char ret_why[BLX_TEXT_MAX]);

#endif
