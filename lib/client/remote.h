/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle of a member behind a socket. It has a loop and a thread of its
 * own, reconnects by itself, and sends again what was unanswered when the
 * connection broke: reads because they do no harm, writes because their
 * session makes them applied once.
 */
#ifndef BLX_CLIENT_REMOTE_H
#define BLX_CLIENT_REMOTE_H

#include "base/error.h"

#include <blixard/client.h>
#include <stdint.h>

/* Blocks until the first connection stands or has failed. */
int blx__client_remote_open(const char *address, uint32_t timeout_ms, blx_client **ret_client,
	blx_error *error);

#endif
