/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a history of one key linearizable: can the operations be put into an order
 * that explains every answer, with each between its call and its return? The
 * search of Wing and Gong (1993), as Lowe (2017) makes it fast: an operation is
 * placed as soon as it can be, and a set of placed operations that led to a
 * value is not tried twice.
 */
#ifndef SIM_LINCHECK_H
#define SIM_LINCHECK_H

#include "history.h"

enum sim_verdict {
	SIM_LINEARIZABLE,
	SIM_NOT_LINEARIZABLE,
	SIM_TOO_HARD /* not decided in so many steps */
};

/* On SIM_NOT_LINEARIZABLE *ret_stuck is the operation that no order found could get past.
 */
enum sim_verdict sim_lincheck(
	const struct sim_history *history, uint64_t steps_max, size_t *ret_stuck);

#endif
