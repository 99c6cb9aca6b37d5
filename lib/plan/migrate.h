/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations, one step each look: each step is one transaction that relies on the
 * records of the service and of the migration as they were read, so whoever leads goes on
 * where another stopped, and no step is done twice.
 *
 *	                    answer "yes", there is room          it does not run any more
 *	Preparing ---------------------------------> Stopping -----------------------> Starting
 *	    | no, or the service is not what it was     | too long, undone       |         |
 *	    v                                           v                        |  runs   |
 *	(ended, with the error)                    RollingBack <-----------------+         v
 *	    ^                                           |            fails, lost   Finalizing
 *	    +-------------------------------------------+                                  |
 *	      runs at the source, or is free for any node                (ended) <---------+
 *
 * In Preparing it runs at the source as before. In Stopping nobody may run it; in
 * Starting the target; in RollingBack the target no more, and then the source again.
 * Pure.
 */
#ifndef BLX_PLAN_MIGRATE_H
#define BLX_PLAN_MIGRATE_H

#include "plan/hand.h"

/* So many that have ended are kept. */
#define BLX__MIGRATED_MAX 64

/* For each state of a migration that does not say its own. */
#define BLX__MIGRATION_TIMEOUT_MS 60000

void blx__plan_migrations(struct blx__scene *scene, struct blx__moves *moves);

#endif
