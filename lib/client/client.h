/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of blx_client: one handle over two ways to reach a member, the
 * one in this process (local.c) and one behind a socket (remote.c). What is
 * above it (api/) does not know which it has.
 */
#ifndef BLX_CLIENT_CLIENT_H
#define BLX_CLIENT_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "client/session.h"
#include "machine/machine.h"
#include "node/protocol.h"
#include "node/request.h"

#include <blixard/client.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct blx__client_ops {
	/* Hands the request over; its done fires once, on the loop thread. ANY THREAD. */
	void (*submit)(blx_client *client, struct blx__request *request);
	/* The replica in this process; NULL: there is none. ANY THREAD. */
	struct blx__machine *(*machine)(blx_client *client);
	/* Is this the loop thread, where nothing may wait? ANY THREAD. */
	bool (*on_loop)(blx_client *client);
	/* Cluster time for a new session. ANY THREAD. */
	int64_t (*time_ms)(blx_client *client);
	/* Ends it; nothing is pending after it. */
	void (*close)(blx_client *client);
};

struct blx_client {
	const struct blx__client_ops *ops;
	struct blx__session session; /* has a lock of its own */
	unsigned forks;              /* of the process when made: after one it is of no use */
	struct blx__node *node;      /* borrowed; NULL: remote */
	_Atomic bool closing;        /* what ends now is not to be tried again */
};

void blx__client_init(blx_client *client, const struct blx__client_ops *ops, uint64_t seed);
void blx__client_finish(blx_client *client);

/* The handle of a member in this process. */
int blx__client_local_create(struct blx__node *node, bool (*on_loop)(void *data), void *data,
	blx_client **ret_client);
void blx__client_local_destroy(blx_client *client);

/* An answer that was kept: the blocking form's. */
struct blx__answer {
	int code;
	int outcome;
	uint64_t revision;
	uint8_t *body; /* owned */
	size_t body_len;
	char message[BLX_ERROR_MESSAGE_SIZE];
};
void blx__answer_finish(struct blx__answer *answer);

/* By the monotonic clock. */
uint64_t blx__client_now_ns(void);

/* What is asked. */
struct blx__ask {
	uint8_t op;
	uint32_t timeout_ms; /* 0: the default */
	const void *body;    /* borrowed: blocking until return, asynchronous copied */
	size_t body_len;
};

/* Asks and waits. 0 or negative is the code of the answer, which is filled either way. */
int blx__client_call(blx_client *client, const struct blx__ask *ask,
	struct blx__answer *ret_answer, blx_error *error);

/* Asks; cb later, once. */
typedef void (*blx__client_cb)(const struct blx__response *response, void *data);
int blx__client_start(blx_client *client, const struct blx__ask *ask, blx__client_cb cb,
	void *data);

/*
 * A write: body is a transaction of store/txn.h. It is made a command of this
 * client's session, so that however often it is sent it is applied once.
 */
int blx__client_write(blx_client *client, const struct blx__ask *ask,
	struct blx__answer *ret_answer, blx_error *error);
int blx__client_write_start(blx_client *client, const struct blx__ask *ask, blx__client_cb cb,
	void *data);

bool blx__client_forked(const blx_client *client);

/* May this thread wait here? 0, BLX_EINVAL on the loop thread, BLX_EFORK. */
int blx__client_may_wait(blx_client *client, blx_error *error);

#endif
