/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to a message bus on the loop of an env: it comes back by itself, with its
 * user told of each coming and going. What is behind it is sd-bus, and is called by the
 * files of sys/ that know what to say. Loop thread only.
 */
#ifndef BLX_SYS_BUS_H
#define BLX_SYS_BUS_H

#include "base/error.h"
#include "sys/env.h"

#include <stdbool.h>
#include <systemd/sd-bus.h>

struct blx__bus;

struct blx__bus_cbs {
	/* It is there: matches and calls may be made. */
	void (*up)(sd_bus *bus, void *data);
	/* It is gone: calls that were under way have been told so by sd-bus. */
	void (*down)(void *data);
};

/* manager as in sys/unit.h; address NULL: where that manager's is found. One that begins with
 * "direct:" is a peer's, without a bus between. Connecting begins at once, and does not
 * fail. BLX_EINVAL: no such manager; BLX_ENOMEM. */
int blx__bus_create(struct blx__env *env, const char *manager, const char *address,
	const struct blx__bus_cbs *cbs, void *data, struct blx__bus **ret_bus,
	blx_error *error);

/* NULL: it is not there. */
sd_bus *blx__bus_get(struct blx__bus *bus);
bool blx__bus_is_direct(const struct blx__bus *bus);

/* Nothing of it is told any more; its memory is gone when cb is called. */
void blx__bus_close(struct blx__bus *bus, void (*cb)(void *data), void *data);

#endif
