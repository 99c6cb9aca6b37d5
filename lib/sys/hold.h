/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may run on this host and until when, in a file below the run directory, which is on
 * a tmpfs: written by the member, read by the guard and by the gate. Whatever is odd about
 * it means no.
 */
#ifndef BLX_SYS_HOLD_H
#define BLX_SYS_HOLD_H

#include "sys/unit.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int blx__hold_write(const char *run_dir, const struct blx__hold *hold, blx_error *error);

/* Until when, by the monotonic clock; 0: nothing is held. */
uint64_t blx__hold_until(const char *run_dir);

/* May the unit run, for all the file says? */
bool blx__hold_has(
	const char *run_dir, const char *manager, const char *unit, uint64_t *ret_epoch);

uint64_t blx__hold_now_ns(void);

/* Until nothing is held any more, or stop_fd is readable: the main loop of the guard. It
 * tells the service manager that it is ready, and how long it may be silent. */
int blx__guard_wait(const char *run_dir, int stop_fd, blx_error *error);

#endif
