/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checked state machine: a table of states, each with the set of states that
 * may follow it. Moving where the table does not allow is a bug and asserts.
 */
#ifndef BLX_BASE_SM_H
#define BLX_BASE_SM_H

#include <stdint.h>

struct blx__sm_state {
	const char *name;
	uint32_t next; /* bit i: state i may follow */
};

struct blx__sm {
	const struct blx__sm_state *states; /* borrowed, static */
	unsigned count;
	unsigned state;
};

#define BLX__SM_TO(state) (UINT32_C(1) << (state))

void blx__sm_init(struct blx__sm *sm, const struct blx__sm_state *states, unsigned count,
	unsigned first);
void blx__sm_move(struct blx__sm *sm, unsigned to);

static inline unsigned blx__sm_state(const struct blx__sm *sm)
{
	return sm->state;
}

const char *blx__sm_name(const struct blx__sm *sm);

#endif
