/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the env of production, shared by uv_env.c, uv_work.c and uv_net.c. */
#ifndef BLX_SYS_UV_IMPL_H
#define BLX_SYS_UV_IMPL_H

#include "base/heap.h"
#include "base/list.h"
#include "sys/env.h"
#include "sys/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

/* One thread that does works one after the other; started with the first. */
struct blx__worker {
	struct blx__uv *uv;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct blx__list pending; /* under lock */
	bool started;             /* loop thread */
	bool ending;              /* under lock */
};

struct blx__uv {
	struct blx__env env;
	struct blx__net net;
	uv_loop_t loop;
	uv_async_t async;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t timer;
	struct blx__heap timers;
	uint64_t armed_ns; /* when the uv timer fires; UINT64_MAX: it does not run */
	bool idling;

	pthread_mutex_t lock;
	struct blx__list posts;    /* under lock */
	struct blx__list finished; /* under lock: works whose run() is over */
	bool woken;                /* under lock: the async handle was told */
	_Atomic uintptr_t running; /* the thread inside uv_run(); 0: none */
	atomic_bool stop;
	struct blx__worker workers[BLX__QUEUE_COUNT];

	uint64_t looked_ns; /* when the loop last went to wait */
	uint64_t looked_idle_ns;
	_Atomic uint64_t busy_max_ns;

	unsigned streams;  /* and listeners: that are not gone yet */
	uint8_t *read_buf; /* owned; one for all streams */
};

#define BLX__UV_READ_SIZE (256 * 1024)

static inline struct blx__uv *blx__uv_of(struct blx__env *env)
{
	return env->impl;
}

/* ANY THREAD: the loop looks at what is posted and finished soon. */
void blx__uv_wake(struct blx__uv *uv);

int blx__worker_init(struct blx__worker *worker, struct blx__uv *uv);
void blx__worker_submit(
	struct blx__worker *worker, struct blx__work *work, const char *name);
/* Joins the thread; nothing is pending. */
void blx__worker_finish(struct blx__worker *worker);

extern const struct blx__net_ops blx__uv_net_ops;

#endif
