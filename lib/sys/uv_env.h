/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The env of production: a libuv loop, its clock, two worker threads, the
 * files of the host and TCP and unix streams. It blocks SIGPIPE from nobody,
 * installs no handler, and leaves no thread behind but libuv's own, which look
 * up names, take no signal and end with the process. The loop runs on one
 * thread, which may be any: the first to call run or process.
 */
#ifndef BLX_SYS_UV_ENV_H
#define BLX_SYS_UV_ENV_H

#include "base/error.h"
#include "sys/env.h"

#include <stdbool.h>
#include <stdint.h>

int blx__uv_env_create(struct blx__env **ret_env, blx_error *error);

/* When nothing of it is in use: all streams, listeners and works have ended. Joins the
 * worker threads. */
void blx__uv_env_destroy(struct blx__env *env);

/* Runs until blx__uv_env_stop(). */
void blx__uv_env_run(struct blx__env *env);

/* ANY THREAD. Ends the run in progress after the present iteration, or the next one at
 * once. */
void blx__uv_env_stop(struct blx__env *env);

/* In somebody's loop: readable when there is something to do. */
int blx__uv_env_fd(struct blx__env *env);
int blx__uv_env_timeout_ms(struct blx__env *env); /* -1: none */
void blx__uv_env_process(struct blx__env *env);   /* all that is ready, without waiting */

/* The longest time between waking up and waiting again, in ns, since it was last reset.
 * ANY THREAD. */
uint64_t blx__uv_env_busy_max_ns(struct blx__env *env, bool reset);

#endif
