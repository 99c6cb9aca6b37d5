/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WATCHDOG=1 is said only after the member's loop has answered: a read goes
 * through it, one at a time, three in each period that systemd allows. A loop
 * that hangs does not answer, and systemd restarts the member.
 */
#ifndef BLX_CLI_WATCHDOG_H
#define BLX_CLI_WATCHDOG_H

#include <blixard/blixard.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog {
	blx_client *client; /* borrowed from the node */
	int wake_fd;        /* eventfd, written to when the loop answered */
	uint64_t period_ms; /* 0: nobody asked for it */
	int64_t next_ms;    /* when to ask again */
	bool asking;
	atomic_bool answered;
};

void watchdog_init(struct watchdog *watchdog, blx_client *client, int wake_fd);
/* Does what is due at this time of the monotonic clock. It must outlive the node. */
void watchdog_tick(struct watchdog *watchdog, int64_t now_ms);
/* How long nothing will be due; -1: for ever. */
int watchdog_wait_ms(const struct watchdog *watchdog, int64_t now_ms);

#endif
