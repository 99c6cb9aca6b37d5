/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include "base/assert.h"
#include "base/mem.h"
#include "machine/command.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How often this process was forked off since the library was loaded. getpid() would tell
 * as well, but is a system call, and a local read has no time for one. */
static atomic_uint forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void on_fork_child(void)
{
	(void)atomic_fetch_add(&forks, 1);
}

static void forks_watch(void)
{
	(void)pthread_atfork(NULL, NULL, on_fork_child);
}

bool blx__client_forked(const blx_client *client)
{
	return client->forks != atomic_load_explicit(&forks, memory_order_relaxed);
}

void blx__client_init(blx_client *client, const struct blx__client_ops *ops, uint64_t seed)
{
	(void)pthread_once(&forks_once, forks_watch);
	client->ops = ops;
	client->forks = atomic_load(&forks);
	blx__session_init(&client->session, seed);
}

void blx__client_finish(blx_client *client)
{
	blx__session_finish(&client->session);
}

void blx__answer_finish(struct blx__answer *answer)
{
	blx__free(answer->body);
	*answer = (struct blx__answer){ 0 };
}

int blx__client_may_wait(blx_client *client, blx_error *error)
{
	if (blx__client_forked(client)) {
		return blx__error_set(error, BLX_EFORK,
			"this handle was made before a fork(); open another one in the child");
	}
	if (client->ops->on_loop(client)) {
		return blx__error_set(error, BLX_EINVAL,
			"a blocking call on the library's loop thread would wait for ever; use the "
			"asynchronous form");
	}
	return 0;
}

/* ---- waiting --------------------------------------------------------------- */

struct waiter {
	struct blx__request request;
	sem_t done;
	struct blx__answer *answer;
};

static void answer_fill(struct blx__answer *answer, const struct blx__response *response)
{
	size_t len = response->message_len;

	answer->code = response->code;
	answer->outcome = response->outcome;
	answer->revision = response->revision;
	if (len > sizeof answer->message - 1) {
		len = sizeof answer->message - 1;
	}
	if (len > 0) {
		memcpy(answer->message, response->message, len);
	}
	answer->message[len] = '\0';
	if (response->body_len > 0) {
		answer->body = blx__memdup(response->body, response->body_len);
		if (answer->body == NULL) {
			answer->code = BLX_ENOMEM;
			answer->outcome = BLX_UNKNOWN;
			return;
		}
		answer->body_len = response->body_len;
	}
}

static void on_waited(struct blx__request *request, const struct blx__response *response)
{
	struct waiter *waiter = request->data;

	answer_fill(waiter->answer, response);
	(void)sem_post(&waiter->done); /* the waiter's memory is gone after this */
}

static void answer_to_error(const struct blx__answer *answer, blx_error *error)
{
	if (error != NULL && answer->code < 0) {
		error->code = answer->code;
		error->outcome = answer->outcome;
		error->revision = answer->revision;
		memcpy(error->message, answer->message, sizeof error->message);
	}
}

int blx__client_call(blx_client *client, const struct blx__ask *ask,
	struct blx__answer *ret_answer, blx_error *error)
{
	struct waiter waiter = { .answer = ret_answer };
	int rv = blx__client_may_wait(client, error);

	*ret_answer = (struct blx__answer){ .code = rv };
	if (rv != 0) {
		return rv;
	}
	waiter.request = (struct blx__request){ .op = ask->op,
		.timeout_ms = ask->timeout_ms,
		.body = ask->body,
		.body_len = ask->body_len,
		.done = on_waited,
		.data = &waiter };
	blx__list_init(&waiter.request.link);
	(void)sem_init(&waiter.done, 0, 0);
	client->ops->submit(client, &waiter.request);
	while (sem_wait(&waiter.done) != 0) {
		/* A signal came: it is the host's business, we go on waiting. */
	}
	(void)sem_destroy(&waiter.done);
	answer_to_error(ret_answer, error);
	return ret_answer->code;
}

/* ---- not waiting ------------------------------------------------------------ */

struct pending {
	struct blx__request request;
	blx_client *client;
	blx__client_cb cb;
	void *data;
	struct blx__session_slot slot; /* of a write */
	struct blx__buf body;          /* owned */
};

static void pending_free(struct pending *pending)
{
	blx__buf_finish(&pending->body);
	blx__free(pending);
}

static void on_pending_done(struct blx__request *request, const struct blx__response *response)
{
	struct pending *pending = request->data;
	blx__client_cb cb = pending->cb;
	void *data = pending->data;

	if (pending->slot.seq != 0) {
		blx__session_end(&pending->client->session, &pending->slot);
		if (response->code == BLX_ESESSION) {
			blx__session_renew(&pending->client->session, pending->slot.id);
		}
	}
	cb(response, data);
	pending_free(pending);
}

static struct pending *pending_create(blx_client *client, const struct blx__ask *ask,
	blx__client_cb cb, void *data)
{
	struct pending *pending = blx__calloc(1, sizeof *pending);

	if (pending == NULL) {
		return NULL;
	}
	pending->client = client;
	pending->cb = cb;
	pending->data = data;
	blx__buf_init(&pending->body);
	pending->request = (struct blx__request){ .op = ask->op,
		.timeout_ms = ask->timeout_ms,
		.done = on_pending_done,
		.data = pending };
	blx__list_init(&pending->request.link);
	return pending;
}

static void pending_submit(struct pending *pending)
{
	pending->request.body = pending->body.data;
	pending->request.body_len = pending->body.len;
	pending->client->ops->submit(pending->client, &pending->request);
}

int blx__client_start(blx_client *client, const struct blx__ask *ask, blx__client_cb cb,
	void *data)
{
	struct pending *pending;

	if (blx__client_forked(client)) {
		return BLX_EFORK;
	}
	pending = pending_create(client, ask, cb, data);
	if (pending == NULL) {
		return BLX_ENOMEM;
	}
	blx__buf_append(&pending->body, ask->body, ask->body_len);
	if (!blx__buf_ok(&pending->body)) {
		pending_free(pending);
		return BLX_ENOMEM;
	}
	pending_submit(pending);
	return 0;
}

/* ---- writes ------------------------------------------------------------------ */

uint64_t blx__client_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int command_make(const struct blx__session_slot *slot, const struct blx__ask *ask,
	struct blx__buf *buf)
{
	struct blx__command command = { .kind = BLX__COMMAND_TXN,
		.session = slot->id,
		.session_born_ms = (uint64_t)slot->born_ms,
		.seq = slot->seq,
		.acked = slot->acked,
		.body = ask->body,
		.body_len = ask->body_len };

	blx__command_encode(&command, buf);
	return blx__buf_ok(buf) ? 0 : BLX_ENOMEM;
}

static int write_once(blx_client *client, const struct blx__ask *ask,
	struct blx__answer *ret_answer, blx_error *error)
{
	struct blx__ask command_ask = { .op = BLX__OP_WRITE, .timeout_ms = ask->timeout_ms };
	struct blx__session_slot slot;
	struct blx__buf buf;
	int rv;

	if (!blx__session_begin(&client->session, blx__client_now_ns(),
		    client->ops->time_ms(client), &slot)) {
		*ret_answer = (struct blx__answer){ .code = BLX_EBUSY };
		return blx__error_set_write(error, BLX_EBUSY, BLX_NOT_APPLIED,
			"%d writes are under way on this handle; wait for one to end",
			BLX__SESSION_CALLS_MAX);
	}
	blx__buf_init(&buf);
	rv = command_make(&slot, ask, &buf);
	if (rv == 0) {
		command_ask.body = buf.data;
		command_ask.body_len = buf.len;
		rv = blx__client_call(client, &command_ask, ret_answer, error);
	} else {
		*ret_answer = (struct blx__answer){ .code = rv };
		(void)blx__error_set_write(error, rv, BLX_NOT_APPLIED, "out of memory");
	}
	blx__buf_finish(&buf);
	blx__session_end(&client->session, &slot);
	if (rv == BLX_ESESSION) {
		blx__session_renew(&client->session, slot.id);
	}
	return rv;
}

int blx__client_write(blx_client *client, const struct blx__ask *ask,
	struct blx__answer *ret_answer, blx_error *error)
{
	int rv = blx__client_may_wait(client, error);

	*ret_answer = (struct blx__answer){ .code = rv };
	if (rv != 0) {
		return rv;
	}
	rv = write_once(client, ask, ret_answer, error);
	if (rv == BLX_ESESSION && ret_answer->outcome == BLX_NOT_APPLIED) {
		/* The session was too old, or the clocks differ: a new one knows the time. */
		blx__answer_finish(ret_answer);
		rv = write_once(client, ask, ret_answer, error);
	}
	return rv;
}

int blx__client_write_start(blx_client *client, const struct blx__ask *ask, blx__client_cb cb,
	void *data)
{
	struct pending *pending;

	if (blx__client_forked(client)) {
		return BLX_EFORK;
	}
	pending = pending_create(client, ask, cb, data);
	if (pending == NULL) {
		return BLX_ENOMEM;
	}
	pending->request.op = BLX__OP_WRITE;
	if (!blx__session_begin(&client->session, blx__client_now_ns(),
		    client->ops->time_ms(client), &pending->slot)) {
		pending_free(pending);
		return BLX_EBUSY;
	}
	if (command_make(&pending->slot, ask, &pending->body) != 0) {
		blx__session_end(&client->session, &pending->slot);
		pending_free(pending);
		return BLX_ENOMEM;
	}
	pending_submit(pending);
	return 0;
}
