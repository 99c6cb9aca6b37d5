/* SPDX-License-Identifier: Apache-2.0 */
/* What clients were told: taken into the histories, and held against what is known. */
#ifndef SIM_ANSWERS_H
#define SIM_ANSWERS_H

#include "workload.h"

/* An answer to the operation under way. False: it is none, the operation is not over. */
bool sim_answers_take(struct sim_client *client, struct sim_member *member,
	const struct blx__response *response);

/* The write under way is given up. Maybe: it may have been done, or may be yet. */
void sim_answers_none(struct sim_client *client, bool maybe);

#endif
