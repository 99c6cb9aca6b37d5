/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notify protocol of systemd, sd_notify(3): one datagram a message to the
 * socket that NOTIFY_SOCKET names, a path or, with '@', an abstract name.
 */
#ifndef BLX_CLI_NOTIFY_H
#define BLX_CLI_NOTIFY_H

#include <stdint.h>

/* 1: sent. 0: nobody asked for it. Negative errno: it could not be sent. */
__attribute__((format(printf, 1, 2))) int notify(const char *format, ...);

/* How often this process must say WATCHDOG=1, in us; 0: not at all. */
uint64_t notify_watchdog_us(void);

#endif
