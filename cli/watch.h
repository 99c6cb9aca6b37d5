/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BLX_CLI_WATCH_H
#define BLX_CLI_WATCH_H

#include <blixard/watch.h>

struct ctx;

/* The next event, however long that takes; what was printed is written before there is a
 * wait for it. 0, or the exit code after the fault was printed. */
int watch_next(const struct ctx *ctx, blx_watch *watch, blx_event *event);

#endif
