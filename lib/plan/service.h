/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the leader does about a service that is not being migrated: a place for one that
 * wants one, another for one whose node is lost, fails too often, or is drained and out
 * of time, and none for one that was stopped. Pure.
 */
#ifndef BLX_PLAN_SERVICE_H
#define BLX_PLAN_SERVICE_H

#include "plan/hand.h"

/* For each service at most one move. */
void blx__plan_services(struct blx__scene *scene, struct blx__moves *moves);

/* Migrations off the nodes that are drained, and of those whose constraints do not hold
 * any more where they are; of the latter one at a time. */
void blx__plan_drain(struct blx__scene *scene, struct blx__moves *moves);
void blx__plan_rebalance(struct blx__scene *scene, struct blx__moves *moves);

/* One more migration, of a service that runs, away from its node to wherever is best. False:
 * there is nowhere, or no memory. */
bool blx__plan_migration(struct blx__scene *scene, struct blx__moves *moves,
	const struct blx__scene_service *service, const char *reason);

#endif
