/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGTERM and SIGINT: the first asks to stop, the second ends the process at
 * once, whatever its other threads are waiting for. A thread of its own takes
 * them; it must be started before any other thread, which then inherits that
 * they are blocked.
 */
#ifndef BLX_CLI_STOPPER_H
#define BLX_CLI_STOPPER_H

#include <stdbool.h>

/* wake_fd is an eventfd, written to when stopping is asked for. Negative errno. */
int stopper_start(int wake_fd);
/* The signal that asked to stop; 0: none yet. */
int stopper_signal(void);

#endif
