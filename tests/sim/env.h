/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The env of one simulated process, behind the table of sys/env.h: a clock that
 * runs at its own rate, timers, posts, and two worker threads whose works take
 * virtual time and take effect when that is over. It can be paused, and it can
 * be ended at any moment, in the middle of a work too.
 */
#ifndef SIM_ENV_H
#define SIM_ENV_H

#include "disk.h"
#include "memory.h"
#include "net.h"
#include "sys/env.h"
#include "world.h"

#include <stdbool.h>

/* How long a work takes. */
struct sim_pace {
	uint64_t low_ns;
	uint64_t high_ns;
};

struct sim_queue {
	struct sim_env *env;
	struct blx__list works;
	struct sim_event event; /* the first one's end */
	struct sim_pace pace;
	uint64_t stall_until_ns;
};

struct sim_env {
	struct blx__env env;
	struct sim_host host;
	struct sim_disk disk;
	struct sim_world *world; /* borrowed */
	struct sim_owner owner;
	struct sim_owner *was; /* while it runs */
	struct blx__rng rng;

	/* clock */
	uint64_t world_base_ns;
	uint64_t mono_base_ns;
	uint64_t rate_ppm;
	int64_t wall_offset_ms;
	struct blx__heap timers;
	struct sim_event timer_event;

	struct blx__list posts;
	struct sim_event post_event;
	struct sim_queue queues[BLX__QUEUE_COUNT];

	uint64_t paused_until_ns;

	/* Called after each time it ran. May be NULL. */
	void (*after)(struct sim_env *env, void *data);
	void *data;
};

/* The process that runs now; NULL: none. */
struct sim_env *sim_env_current(void);

void sim_env_init(
	struct sim_env *env, struct sim_net *net, unsigned number, const char *name);
void sim_env_finish(struct sim_env *env);

/* Enters it, or has the event come again when it is not paused any more. */
bool sim_env_wake(struct sim_env *env, struct sim_event *event);

/* What follows is done by the process, file calls allowed or not. */
void sim_env_enter(struct sim_env *env, bool files);
void sim_env_leave(struct sim_env *env);

enum sim_end {
	SIM_END_KILL, /* the process; what it wrote is in the kernel's hands */
	SIM_END_POWER /* the host */
};

/* Ends it now. */
void sim_env_end(struct sim_env *env, enum sim_end how);

/* It ended by itself, in good order: is anything left of it? Says what. */
const char *sim_env_left(const struct sim_env *env);

void sim_env_pause(struct sim_env *env, uint64_t for_ns);
bool sim_env_paused(const struct sim_env *env);

/* Its clock runs so much faster or slower from here on. */
void sim_env_drift(struct sim_env *env, uint64_t rate_ppm);

/* The disk's works get no further for so long. */
void sim_env_stall(struct sim_env *env, uint64_t for_ns);

#endif
