/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BLX_CLI_CONSTRAINTS_H
#define BLX_CLI_CONSTRAINTS_H

#include "ctx.h"

/* Those that were given, zeroed before. 0, or the exit code after the fault was printed. */
int constraints_of(const struct ctx *ctx, blx_constraint constraints[BLX_CONSTRAINTS_MAX],
	size_t *ret_count);

#endif
