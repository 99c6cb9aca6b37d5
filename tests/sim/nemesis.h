/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong: one thing after another, by chance, of the kinds that the plan allows.
 */
#ifndef SIM_NEMESIS_H
#define SIM_NEMESIS_H

#include "admin.h"
#include "cluster.h"

struct sim_nemesis {
	struct sim_cluster *cluster; /* borrowed */
	struct sim_admin *admin;     /* borrowed */
	struct blx__rng rng;
	struct sim_event next;
	struct sim_event mend; /* of the network */
	struct sim_event room; /* on disks that are full */
	unsigned lost;         /* disks, so far */
	uint64_t count[SIM_FAULTS];
};

void sim_nemesis_init(struct sim_nemesis *nemesis, struct sim_cluster *cluster,
	struct sim_admin *admin);
void sim_nemesis_begin(struct sim_nemesis *nemesis);

/* No more of it, and all that can be mended is. */
void sim_nemesis_end(struct sim_nemesis *nemesis);

#endif
