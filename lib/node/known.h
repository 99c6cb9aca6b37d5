/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which data directory each other member was first seen with, for good: the
 * file <data>/known. A member whose disk was lost and that is founded anew
 * under its old name and id has forgotten its votes and what it acknowledged;
 * were it let in, two majorities could disagree. The random instance in its
 * identity tells it from the member that it was.
 *
 * Loading blocks, before the loop runs. Adding is durable before its callback;
 * until then nothing that the member says may count. Loop thread only.
 */
#ifndef BLX_NODE_KNOWN_H
#define BLX_NODE_KNOWN_H

#include "base/error.h"
#include "sys/env.h"

#include <stdbool.h>
#include <stdint.h>

/* Ids are never used again, so those of removed members stay. */
#define BLX__KNOWN_MAX 4096

struct blx__known;

/* A file that is not there is an empty one. BLX_ECORRUPT says what to do. */
int blx__known_load(struct blx__env *env, const char *dir, struct blx__known **ret_known,
	blx_error *error);

/* Nothing is being written. NULL is allowed. */
void blx__known_destroy(struct blx__known *known);

/* 0: never seen. */
uint64_t blx__known_instance(const struct blx__known *known, uint64_t id);

/* Remembers a member that was never seen; cb later, once, with 0 or the failure of the disk. On
 * BLX_ENOMEM or BLX_ETOOBIG, which are returned, cb does not come. */
typedef void (*blx__known_cb)(uint64_t id, int status, void *data);
int blx__known_add(struct blx__known *known, uint64_t id, uint64_t instance, blx__known_cb cb,
	void *data);

bool blx__known_idle(const struct blx__known *known);

#endif
