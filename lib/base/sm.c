/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sm.h"

#include "base/assert.h"

void blx__sm_init(struct blx__sm *sm, const struct blx__sm_state *states, unsigned count,
	unsigned first)
{
	PRE(count > 0 && count <= 32);
	PRE(first < count);

	sm->states = states;
	sm->count = count;
	sm->state = first;
}

void blx__sm_move(struct blx__sm *sm, unsigned to)
{
	PRE(to < sm->count);
	INVARIANT((sm->states[sm->state].next & BLX__SM_TO(to)) != 0);

	sm->state = to;
}

const char *blx__sm_name(const struct blx__sm *sm)
{
	return sm->states[sm->state].name;
}
