/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a member knows of the outside: clock, timers, randomness, work on
 * other threads, files and byte streams, as tables of functions. Production
 * fills them with libuv and POSIX (sys/uv_env.c); the simulator fills them
 * with a virtual clock, disk and network and runs the same code above.
 *
 * One env serves one loop thread. Every call is for that thread only, unless
 * it says otherwise. Callbacks run on that thread, never inside the call that
 * asked for them.
 */
#ifndef BLX_SYS_ENV_H
#define BLX_SYS_ENV_H

#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blx__env;
struct blx__files;
struct blx__net;

/* A one-shot timer. Plain memory of its owner's; nothing to close but stop it. */
struct blx__timer {
	struct blx__heap_item item;
	void (*cb)(struct blx__timer *timer);
	void *data;
};

/* Something to run on the loop thread soon. Must stay valid until it ran. */
struct blx__post {
	struct blx__list link;
	void (*cb)(struct blx__post *post);
	void *data;
	bool queued;
};

/* Which thread runs a work: each queue is one thread, first in first out. */
enum blx__queue {
	BLX__QUEUE_DISK = 0, /* the log writer; nothing slow but its own writes */
	BLX__QUEUE_WORK = 1, /* snapshots and the like; may take seconds */
	BLX__QUEUE_READ = 2, /* what is read for others; may take seconds */
	BLX__QUEUE_COUNT = 3
};

/* run() on another thread, then done() on the loop thread, always. run() touches only
 * what nobody else touches until done(). */
struct blx__work {
	struct blx__list link;
	void (*run)(struct blx__work *work);
	void (*done)(struct blx__work *work);
	void *data;
};

struct blx__env_ops {
	/* Monotonic, not stopped by a wall clock that jumps. Any thread. */
	uint64_t (*mono_ns)(struct blx__env *env);
	/* Since the epoch. For people and for entries' time stamps only. Any thread. */
	int64_t (*wall_ms)(struct blx__env *env);
	/* Any thread. */
	uint64_t (*random_u64)(struct blx__env *env);
	/* cb after delay_ns at the earliest. Restarts a timer that runs. */
	int (*timer_start)(
		struct blx__env *env, struct blx__timer *timer, uint64_t delay_ns);
	void (*timer_stop)(struct blx__env *env, struct blx__timer *timer);
	/* Runs post->cb on the loop thread, after the present callback. ANY THREAD.
	 * Posting one that is queued already does nothing. */
	void (*post)(struct blx__env *env, struct blx__post *post);
	void (*submit)(
		struct blx__env *env, enum blx__queue queue, struct blx__work *work);
};

struct blx__env {
	const struct blx__env_ops *ops;
	const struct blx__files *files; /* sys/files.h */
	struct blx__net *net;           /* sys/stream.h */
	void *impl;
};

static inline uint64_t blx__mono_ns(struct blx__env *env)
{
	return env->ops->mono_ns(env);
}

static inline uint64_t blx__mono_ms(struct blx__env *env)
{
	return env->ops->mono_ns(env) / 1000000;
}

static inline int64_t blx__wall_ms(struct blx__env *env)
{
	return env->ops->wall_ms(env);
}

static inline uint64_t blx__random_u64(struct blx__env *env)
{
	return env->ops->random_u64(env);
}

static inline void blx__timer_init(
	struct blx__timer *timer, void (*cb)(struct blx__timer *timer), void *data)
{
	*timer = (struct blx__timer){.cb = cb, .data = data};
}

static inline int blx__timer_start_ms(
	struct blx__env *env, struct blx__timer *timer, uint64_t delay_ms)
{
	/* One of centuries does not come around. */
	return env->ops->timer_start(env, timer,
		delay_ms < INT64_MAX / 1000000 ? delay_ms * 1000000 : INT64_MAX);
}

static inline void blx__timer_stop(struct blx__env *env, struct blx__timer *timer)
{
	env->ops->timer_stop(env, timer);
}

static inline void blx__post_init(
	struct blx__post *post, void (*cb)(struct blx__post *post), void *data)
{
	*post = (struct blx__post){.cb = cb, .data = data};
	blx__list_init(&post->link);
}

static inline void blx__env_post(struct blx__env *env, struct blx__post *post)
{
	env->ops->post(env, post);
}

static inline void blx__env_submit(
	struct blx__env *env, enum blx__queue queue, struct blx__work *work)
{
	env->ops->submit(env, queue, work);
}

#endif
