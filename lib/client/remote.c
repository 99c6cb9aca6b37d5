/* SPDX-License-Identifier: Apache-2.0 */
#include "client/remote.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "client/client.h"
#include "machine/command.h"
#include "rpc/conn.h"
#include "sys/uv_env.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define REDIAL_MIN_MS 20
#define REDIAL_MAX_MS 500

/* The member is told a deadline a little before ours, so that its answer, which knows the
 * reason, comes first. */
#define MARGIN_PART 10
#define MARGIN_MS   100

struct remote {
	blx_client client;
	struct blx__env *env;
	pthread_t thread;
	char *address;
	struct blx__conn *conn; /* NULL: none, neither open nor being dialled */
	bool open;
	bool closing;
	uint32_t backoff_ms;
	struct blx__timer redial;
	uint64_t call_id;
	struct blx__list waiting; /* requests, for a connection */
	struct blx__list sent;    /* requests, for an answer */
	struct blx__buf scratch;
	blx_error why; /* the last connection failed */

	pthread_mutex_t lock;
	struct blx__list intake; /* under lock */
	struct blx__post intake_post;
	struct blx__post close_post;

	pthread_cond_t opened; /* with lock: the first connection stands or has failed */
	bool tried;            /* under lock, as the next two */
	int open_code;
	blx_error open_why;

	/* The cluster's time less our monotonic one, at the last hello. */
	_Atomic int64_t time_offset_ms;
};

static struct remote *remote_of(blx_client *client)
{
	return blx__container_of(client, struct remote, client);
}

static struct blx__request *request_of(struct blx__list *link)
{
	return blx__container_of(link, struct blx__request, link);
}

/* ---- the end of a request ---- */

static void finish(struct remote *remote, struct blx__request *request,
	const struct blx__response *response)
{
	blx__timer_stop(remote->env, &request->timer);
	blx__list_remove(&request->link);
	request->state = BLX__REQUEST_DONE;
	request->done(request, response); /* may free it */
}

__attribute__((format(printf, 4, 5))) static void fail(struct remote *remote,
	struct blx__request *request, int code, const char *format, ...)
{
	char text[BLX_ERROR_MESSAGE_SIZE];
	struct blx__response response = {.code = code, .message = text};
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (blx__request_is_write(request)) {
		response.outcome = request->maybe_applied ? BLX_UNKNOWN : BLX_NOT_APPLIED;
	}
	response.message_len = strlen(text);
	finish(remote, request, &response);
}

static void on_deadline(struct blx__timer *timer)
{
	struct blx__request *request = timer->data;
	struct remote *remote = request->place;

	bool is_away = !remote->open && remote->why.code != 0;

	if (is_away && !request->maybe_applied) {
		fail(remote, request, BLX_ECONNECT, "%s", remote->why.message);
	} else if (is_away) {
		fail(remote, request, BLX_ETIMEOUT, "timed out after %u ms: %.200s",
			(unsigned)request->timeout_ms, remote->why.message);
	} else {
		fail(remote, request, BLX_ETIMEOUT,
			"timed out after %u ms: %s has not answered",
			(unsigned)request->timeout_ms, remote->address);
	}
}

/* ---- sending ---- */

static uint32_t left_ms(const struct remote *remote, const struct blx__request *request)
{
	uint64_t gone = (blx__mono_ns(remote->env) - request->since_ns) / 1000000;

	return gone < request->timeout_ms ? (uint32_t)(request->timeout_ms - gone) : 0;
}

static void send_one(struct remote *remote, struct blx__request *request)
{
	uint32_t left = left_ms(remote, request);
	uint32_t margin = left / MARGIN_PART < MARGIN_MS ? left / MARGIN_PART : MARGIN_MS;
	struct blx__call_head head = {.op = request->op, .timeout_ms = left - margin};
	struct blx__buf *bytes = &remote->scratch;
	int rv;

	if (head.timeout_ms == 0) {
		head.timeout_ms = 1; /* 0 would mean the default */
	}
	request->call_id = ++remote->call_id;
	blx__buf_reset(bytes);
	blx__call_head_put(bytes, &head);
	rv = blx__buf_ok(bytes)
		     ? blx__conn_send2(remote->conn, BLX__KIND_CALL, request->call_id,
			       bytes->data, bytes->len, request->body, request->body_len)
		     : BLX_ENOMEM;
	if (rv != 0) {
		fail(remote, request, rv, "send to %s: %s", remote->address,
			blx_strerror(rv));
		return;
	}
	request->maybe_applied = true;
	blx__list_remove(&request->link);
	blx__list_push_back(&remote->sent, &request->link);
}

static void send_waiting(struct remote *remote)
{
	struct blx__list *link;
	struct blx__list *tmp;

	if (!remote->open) {
		return;
	}
	blx__list_foreach_safe (link, tmp, &remote->waiting) {
		send_one(remote, request_of(link));
	}
}

/* Can it be sent once more without harm? */
static bool may_repeat(const struct blx__request *request)
{
	return !blx__request_is_write(request) || !request->maybe_applied ||
	       (request->op == BLX__OP_WRITE &&
		       blx__command_has_session(request->body, request->body_len));
}

/* ---- the connection ---- */

static void tried(struct remote *remote, int code)
{
	(void)pthread_mutex_lock(&remote->lock);
	if (!remote->tried) {
		remote->tried = true;
		remote->open_code = code;
		remote->open_why = remote->why;
		(void)pthread_cond_signal(&remote->opened);
	}
	(void)pthread_mutex_unlock(&remote->lock);
}

static void on_open(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct remote *remote = data;

	(void)conn;
	remote->open = true;
	remote->backoff_ms = REDIAL_MIN_MS;
	atomic_store(&remote->time_offset_ms,
		hello->time_ms - (int64_t)blx__mono_ms(remote->env));
	tried(remote, 0);
	send_waiting(remote);
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct remote *remote = data;
	struct blx__response response;
	struct blx__list *link;

	if (frame->kind != BLX__KIND_REPLY) {
		return;
	}
	blx__list_foreach (link, &remote->sent) {
		struct blx__request *request = request_of(link);

		if (request->call_id == frame->id) {
			if (blx__response_get(frame->payload, frame->len, &response) !=
				0) {
				blx__conn_close(conn);
				return;
			}
			finish(remote, request, &response);
			return;
		}
	}
}

/* What was unanswered goes in front of what waits, in its order, or ends. */
static void sent_take_back(struct remote *remote)
{
	struct blx__list again;
	struct blx__list *link;

	blx__list_init(&again);
	while ((link = blx__list_pop_front(&remote->sent)) != NULL) {
		struct blx__request *request = request_of(link);

		if (may_repeat(request)) {
			blx__list_push_back(&again, link);
		} else {
			fail(remote, request, BLX_ECONNECT,
				"the connection to %s was lost while it performed this; "
				"look whether it was done",
				remote->address);
		}
	}
	blx__list_splice(&again, &remote->waiting);
	blx__list_splice(&remote->waiting, &again);
}

static void intake_take(struct remote *remote);

/* What a callback handed in at the very end ends, too, before the loop does. */
static void stop_if_done(struct remote *remote)
{
	if (remote->closing && remote->conn == NULL) {
		intake_take(remote);
		blx__uv_env_stop(remote->env);
	}
}

/* Some texts of why name the address, others only say what is wrong there. */
static void explain(struct remote *remote, const blx_error *why)
{
	bool is_lost = why->code == BLX_OK || why->code == BLX_ECONNECT;
	const char *text = why->message;
	size_t len = strlen(remote->address);

	if (strncmp(text, "connect ", 8) == 0) {
		text += 8;
	}
	if (strncmp(text, remote->address, len) == 0 &&
		strncmp(text + len, ": ", 2) == 0) {
		text += len + 2;
	}
	(void)blx__error_set(&remote->why, is_lost ? BLX_ECONNECT : why->code,
		"connect %.120s: %.80s%s", remote->address, text,
		is_lost ? "; is the member running?" : "");
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct remote *remote = data;

	(void)conn;
	remote->conn = NULL;
	remote->open = false;
	if (remote->closing) {
		stop_if_done(remote);
		return;
	}
	explain(remote, why);
	sent_take_back(remote);
	tried(remote, remote->why.code);
	(void)blx__timer_start_ms(remote->env, &remote->redial, remote->backoff_ms);
	remote->backoff_ms = remote->backoff_ms * 2 < REDIAL_MAX_MS
				     ? remote->backoff_ms * 2
				     : REDIAL_MAX_MS;
}

static const struct blx__conn_cbs conn_cbs = {
	.on_open = on_open,
	.on_frame = on_frame,
	.on_close = on_close,
};

static void on_redial(struct blx__timer *timer)
{
	struct remote *remote = timer->data;
	struct blx__hello hello = {.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_CLIENT};
	int rv;

	if (remote->closing || remote->conn != NULL) {
		return;
	}
	rv = blx__conn_connect(remote->env, remote->address, &hello, &conn_cbs, remote,
		&remote->conn, &remote->why);
	if (rv != 0) {
		tried(remote, rv);
		(void)blx__timer_start_ms(remote->env, &remote->redial, REDIAL_MAX_MS);
	}
}

/* ---- coming in ---- */

static void request_begin(struct remote *remote, struct blx__request *request)
{
	request->since_ns = blx__mono_ns(remote->env);
	if (request->timeout_ms == 0) {
		request->timeout_ms = BLX_TIMEOUT_DEFAULT_MS;
	}
	request->place = remote;
	blx__list_push_back(&remote->waiting, &request->link);
	blx__timer_init(&request->timer, on_deadline, request);
	if (remote->closing) {
		fail(remote, request, BLX_ECANCELED, "the handle is closed");
	} else if (blx__timer_start_ms(
			   remote->env, &request->timer, request->timeout_ms) != 0) {
		fail(remote, request, BLX_ENOMEM, "out of memory");
	}
}

static bool intake_splice(struct remote *remote, struct blx__list *taken)
{
	(void)pthread_mutex_lock(&remote->lock);
	blx__list_splice(taken, &remote->intake);
	(void)pthread_mutex_unlock(&remote->lock);
	return !blx__list_empty(taken);
}

static void intake_take(struct remote *remote)
{
	struct blx__list taken;
	struct blx__list *link;

	blx__list_init(&taken);
	while (intake_splice(remote, &taken)) {
		while ((link = blx__list_pop_front(&taken)) != NULL) {
			request_begin(remote, request_of(link));
		}
	}
}

static void on_intake(struct blx__post *post)
{
	struct remote *remote = post->data;

	intake_take(remote);
	send_waiting(remote);
}

static void remote_submit(blx_client *client, struct blx__request *request)
{
	struct remote *remote = remote_of(client);

	request->node = NULL;
	request->state = BLX__REQUEST_NEW;
	request->maybe_applied = false;
	(void)pthread_mutex_lock(&remote->lock);
	blx__list_push_back(&remote->intake, &request->link);
	(void)pthread_mutex_unlock(&remote->lock);
	blx__env_post(remote->env, &remote->intake_post);
}

static struct blx__machine *remote_machine(blx_client *client)
{
	(void)client;
	return NULL;
}

static bool remote_on_loop(blx_client *client)
{
	return pthread_equal(remote_of(client)->thread, pthread_self()) != 0;
}

/* The cluster's clock, not ours: they may differ by more than a session lives. */
static int64_t remote_time_ms(blx_client *client)
{
	struct remote *remote = remote_of(client);

	return atomic_load(&remote->time_offset_ms) + (int64_t)blx__mono_ms(remote->env);
}

/* ---- life ---- */

static void fail_all(struct remote *remote, struct blx__list *list)
{
	while (!blx__list_empty(list)) {
		fail(remote, request_of(list->next), BLX_ECANCELED,
			"the handle was closed");
	}
}

static void on_close_post(struct blx__post *post)
{
	struct remote *remote = post->data;

	remote->closing = true;
	intake_take(remote);
	fail_all(remote, &remote->sent);
	fail_all(remote, &remote->waiting);
	blx__timer_stop(remote->env, &remote->redial);
	if (remote->conn != NULL) {
		blx__conn_close(remote->conn);
	}
	stop_if_done(remote);
}

static void remote_free(struct remote *remote)
{
	blx__client_finish(&remote->client);
	blx__buf_finish(&remote->scratch);
	(void)pthread_mutex_destroy(&remote->lock);
	(void)pthread_cond_destroy(&remote->opened);
	blx__free(remote->address);
	blx__free(remote);
}

static void remote_close(blx_client *client)
{
	struct remote *remote = remote_of(client);

	if (blx__client_forked(client)) {
		/* The loop and its thread are in the parent; what is left is leaked. */
		return;
	}
	blx__env_post(remote->env, &remote->close_post);
	(void)pthread_join(remote->thread, NULL);
	/* What our connection may have posted last. */
	blx__uv_env_process(remote->env);
	blx__uv_env_destroy(remote->env);
	remote_free(remote);
}

static const struct blx__client_ops remote_ops = {
	.submit = remote_submit,
	.machine = remote_machine,
	.on_loop = remote_on_loop,
	.time_ms = remote_time_ms,
	.close = remote_close,
};

static void *loop_thread(void *data)
{
	struct remote *remote = data;

	blx__uv_env_run(remote->env);
	return NULL;
}

/* Signals are the host's business: none is delivered here. */
static int thread_start(struct remote *remote)
{
	sigset_t all;
	sigset_t before;
	int rv;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rv = pthread_create(&remote->thread, NULL, loop_thread, remote);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rv == 0) {
		(void)pthread_setname_np(remote->thread, "blixard-client");
	}
	return rv;
}

/* A wall clock that jumps must not change how long opening takes. */
static void opened_init(struct remote *remote)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&remote->opened, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static int remote_create(
	const char *address, struct remote **ret_remote, blx_error *error)
{
	struct remote *remote = blx__calloc(1, sizeof *remote);
	int rv;

	if (remote != NULL) {
		remote->address = blx__strdup(address);
	}
	if (remote == NULL || remote->address == NULL) {
		blx__free(remote);
		return blx__error_set(
			error, BLX_ENOMEM, "open %s: out of memory", address);
	}
	rv = blx__uv_env_create(&remote->env, error);
	if (rv != 0) {
		blx__free(remote->address);
		blx__free(remote);
		return rv;
	}
	remote->backoff_ms = REDIAL_MIN_MS;
	blx_error_init(&remote->why);
	blx__buf_init(&remote->scratch);
	blx__list_init(&remote->waiting);
	blx__list_init(&remote->sent);
	blx__list_init(&remote->intake);
	(void)pthread_mutex_init(&remote->lock, NULL);
	opened_init(remote);
	blx__post_init(&remote->intake_post, on_intake, remote);
	blx__post_init(&remote->close_post, on_close_post, remote);
	blx__timer_init(&remote->redial, on_redial, remote);
	blx__client_init(&remote->client, &remote_ops, blx__random_u64(remote->env));
	*ret_remote = remote;
	return 0;
}

static struct timespec deadline_of(uint32_t timeout_ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return until;
}

/* 0, or why there is no connection. */
static int wait_opened(struct remote *remote, uint32_t timeout_ms, blx_error *error)
{
	struct timespec until = deadline_of(timeout_ms);
	int waited = 0;
	int rv;

	(void)pthread_mutex_lock(&remote->lock);
	while (!remote->tried && waited == 0) {
		waited = pthread_cond_timedwait(&remote->opened, &remote->lock, &until);
	}
	if (!remote->tried) {
		rv = blx__error_set(error, BLX_ETIMEOUT,
			"open %s: nobody answered within %u ms", remote->address,
			(unsigned)timeout_ms);
	} else {
		rv = remote->open_code;
		if (rv != 0) {
			blx__error_copy(error, &remote->open_why);
		}
	}
	(void)pthread_mutex_unlock(&remote->lock);
	return rv;
}

int blx__client_remote_open(const char *address, uint32_t timeout_ms,
	blx_client **ret_client, blx_error *error)
{
	struct remote *remote = NULL;
	int rv = remote_create(address, &remote, error);

	if (rv != 0) {
		return rv;
	}
	(void)blx__timer_start_ms(remote->env, &remote->redial, 0);
	rv = thread_start(remote);
	if (rv != 0) {
		blx__uv_env_destroy(remote->env);
		remote_free(remote);
		return blx__error_set(error, BLX_EBUSY, "open %s: start a thread: %s",
			address, strerror(rv));
	}
	rv = wait_opened(remote, timeout_ms, error);
	if (rv != 0) {
		remote_close(&remote->client);
		return rv;
	}
	*ret_client = &remote->client;
	return 0;
}
