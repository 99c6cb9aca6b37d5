/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of a member behind a socket; the test plays the member on a thread of its
 * own. */
#include "support/test.h"

#include "client/client.h"
#include "client/remote.h"
#include "machine/command.h"
#include "rpc/conn.h"
#include "sys/uv_env.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What no test waits for unless it fails. */
#define LONG_MS    60000

#define CLUSTER_MS INT64_C(1767225600000)

enum manner {
	ANSWERS, /* each call with its own body */
	MUTE,    /* takes calls and does not answer */
	DROPS,   /* breaks the connection at the first so many calls */
	REFUSES, /* lets nobody in */
	NO_HELLO /* takes connections and says nothing */
};

static struct {
	struct blx__env *env;
	pthread_t thread;
	char dir[64];
	char address[96];
	struct blx__listener *listener;
	struct blx__conn *conn; /* the last one that came */
	unsigned conns;
	struct blx__post away_post;
	struct blx__post back_post;
	struct blx__post end_post;
	sem_t done;
	sem_t called;
	atomic_int manner;
	atomic_uint drops;
	atomic_uint calls;
	bool ending;
} member;

static blx_client *client;
static blx_error error;

/* ---- the member, on its loop ---- */

static void reply(struct blx__conn *conn, uint64_t id, const uint8_t *body, size_t len)
{
	struct blx__response response = {.revision = 5, .body = body, .body_len = len};
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__response_put(&buf, &response);
	(void)blx__conn_send2(conn, BLX__KIND_REPLY, id, buf.data, buf.len, NULL, 0);
	blx__buf_finish(&buf);
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct blx__reader reader = blx__reader_of(frame->payload, frame->len);
	struct blx__call_head head;

	if (frame->kind != BLX__KIND_CALL || blx__call_head_get(&reader, &head) != 0) {
		return;
	}
	atomic_fetch_add(&member.calls, 1);
	if (atomic_load(&member.manner) == DROPS && atomic_load(&member.drops) > 0) {
		atomic_fetch_sub(&member.drops, 1);
		blx__conn_close(conn);
	} else if (atomic_load(&member.manner) != MUTE) {
		reply(conn, frame->id, frame->payload + reader.at,
			blx__reader_left(&reader));
	}
	(void)sem_post(&member.called);
}

static void on_hello(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct blx__hello own = {.major = BLX__HELLO_MAJOR,
		.role = BLX__ROLE_MEMBER,
		.id = 1,
		.time_ms = CLUSTER_MS,
		.name = "m1"};
	blx_error why = BLX_ERROR_INIT;

	if (atomic_load(&member.manner) == REFUSES) {
		why.code = BLX_EPERM;
		(void)snprintf(why.message, sizeof why.message, "user 7 may not");
		blx__conn_refuse(conn, &own, &why);
	} else if (atomic_load(&member.manner) != NO_HELLO) {
		blx__conn_welcome(conn, &own);
	}
}

static void end_check(void)
{
	if (member.ending && member.conns == 0 && member.listener == NULL) {
		blx__uv_env_stop(member.env);
	}
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	member.conns--;
	if (member.conn == conn) {
		member.conn = NULL;
	}
	end_check();
}

static const struct blx__conn_cbs member_cbs = {
	.on_hello = on_hello, .on_frame = on_frame, .on_close = on_close};

static void on_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	if (blx__conn_accept(member.env, stream, &member_cbs, NULL, &member.conn) == 0) {
		member.conns++;
	}
}

static void go_away(void)
{
	if (member.listener != NULL) {
		member.env->net->ops->listener_close(member.listener);
		member.listener = NULL;
	}
	if (member.conn != NULL) {
		blx__conn_close(member.conn);
	}
}

static void on_away(struct blx__post *post)
{
	go_away();
	(void)sem_post(&member.done);
}

static void on_back(struct blx__post *post)
{
	(void)member.env->net->ops->listen(
		member.env->net, member.address, on_accept, NULL, &member.listener, NULL);
	(void)sem_post(&member.done);
}

static void on_end(struct blx__post *post)
{
	member.ending = true;
	go_away();
	end_check();
}

static void *member_run(void *data)
{
	blx__uv_env_run(member.env);
	return NULL;
}

/* ---- from the test's thread ---- */

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0) {
	}
}

static void tell(struct blx__post *post)
{
	blx__env_post(member.env, post);
	wait_for(&member.done);
}

static void member_begin(void)
{
	memset(&member, 0, sizeof member);
	blx_error_init(&error);
	(void)snprintf(member.dir, sizeof member.dir, "/tmp/blx-remote-XXXXXX");
	cr_assert_not_null(mkdtemp(member.dir));
	(void)snprintf(member.address, sizeof member.address, "unix:%s/sock", member.dir);
	(void)sem_init(&member.done, 0, 0);
	(void)sem_init(&member.called, 0, 0);
	blx__post_init(&member.away_post, on_away, NULL);
	blx__post_init(&member.back_post, on_back, NULL);
	blx__post_init(&member.end_post, on_end, NULL);
	cr_assert_eq(blx__uv_env_create(&member.env, &error), 0);
	cr_assert_eq(pthread_create(&member.thread, NULL, member_run, NULL), 0);
	tell(&member.back_post);
	cr_assert_not_null(member.listener);
}

static void member_end(void)
{
	blx__env_post(member.env, &member.end_post);
	(void)pthread_join(member.thread, NULL);
	blx__uv_env_process(member.env);
	blx__uv_env_destroy(member.env);
	(void)sem_destroy(&member.done);
	(void)sem_destroy(&member.called);
	(void)rmdir(member.dir);
}

static void begin(void)
{
	member_begin();
	cr_assert_eq(blx__client_remote_open(member.address, LONG_MS, &client, &error), 0,
		"%s", error.message);
}

static void end(void)
{
	if (client != NULL) {
		client->ops->close(client);
		client = NULL;
	}
	member_end();
}

static int call(uint8_t op, uint32_t timeout_ms, struct blx__answer *ret_answer)
{
	struct blx__ask ask = {
		.op = op, .timeout_ms = timeout_ms, .body = "question", .body_len = 8};

	return op == BLX__OP_WRITE ? blx__client_write(client, &ask, ret_answer, &error)
				   : blx__client_call(client, &ask, ret_answer, &error);
}

/* What a call comes to, where its body does not matter. */
static int outcome_of(uint8_t op, uint32_t timeout_ms)
{
	struct blx__answer answer;
	int rv = call(op, timeout_ms, &answer);

	blx__answer_finish(&answer);
	return rv;
}

/* ---- opening ---- */

Test(remote, opens_asks_and_knows_the_cluster_s_time, .init = begin, .fini = end)
{
	struct blx__answer answer;
	int64_t now;

	cr_assert_eq(call(BLX__OP_GET, LONG_MS, &answer), 0);
	cr_assert_eq(answer.revision, 5);
	cr_assert_eq(answer.body_len, 8);
	cr_assert_arr_eq(answer.body, "question", 8);
	blx__answer_finish(&answer);
	now = client->ops->time_ms(client);
	cr_assert_geq(now, CLUSTER_MS);
	cr_assert_lt(now, CLUSTER_MS + LONG_MS);
	cr_assert_null(client->ops->machine(client));
}

static int open_at(const char *address, uint32_t timeout_ms)
{
	return blx__client_remote_open(address, timeout_ms, &client, &error);
}

Test(remote, opening_where_nobody_listens_says_what_to_do, .init = member_begin,
	.fini = member_end)
{
	tell(&member.away_post);

	cr_assert_eq(open_at(member.address, LONG_MS), BLX_ECONNECT);
	cr_assert_eq(error.code, BLX_ECONNECT);
	cr_assert_eq(strncmp(error.message, "connect unix:", 13), 0, "%s", error.message);
	cr_assert_not_null(strstr(error.message, "; is the member running?"));
}

Test(remote, one_who_is_refused_learns_why, .init = member_begin, .fini = member_end)
{
	atomic_store(&member.manner, REFUSES);

	cr_assert_eq(open_at(member.address, LONG_MS), BLX_EPERM);
	cr_assert_not_null(strstr(error.message, "user 7 may not"), "%s", error.message);
	cr_assert_not_null(strstr(error.message, member.address), "%s", error.message);
}

Test(remote, opening_ends_in_time_where_nobody_says_hello, .init = member_begin,
	.fini = member_end)
{
	atomic_store(&member.manner, NO_HELLO);

	cr_assert_eq(open_at(member.address, 50), BLX_ETIMEOUT);
	cr_assert_not_null(strstr(error.message, "50 ms"), "%s", error.message);
}

Test(remote, malformed_address_is_refused, .init = member_begin, .fini = member_end)
{
	cr_assert_eq(open_at("unix:", LONG_MS), BLX_EINVAL);
	cr_assert_eq(open_at("nowhere", LONG_MS), BLX_EINVAL);
}

/* ---- connections that break ---- */

static void drop_first(unsigned count)
{
	atomic_store(&member.drops, count);
	atomic_store(&member.manner, DROPS);
}

Test(remote, read_that_a_broken_connection_left_open_is_asked_again, .init = begin,
	.fini = end)
{
	drop_first(3);
	cr_assert_eq(outcome_of(BLX__OP_GET, LONG_MS), 0, "%s", error.message);

	cr_assert_eq(atomic_load(&member.calls), 4);
}

Test(remote, write_is_sent_again_as_the_same_command, .init = begin, .fini = end)
{
	struct blx__answer answer;
	struct blx__command command;

	drop_first(2);
	cr_assert_eq(call(BLX__OP_WRITE, LONG_MS, &answer), 0, "%s", error.message);

	cr_assert_eq(atomic_load(&member.calls), 3);
	cr_assert_eq(blx__command_decode(answer.body, answer.body_len, &command), 0);
	cr_assert_neq(command.session, 0);
	cr_assert_eq(command.seq, 1);
	blx__answer_finish(&answer);
}

Test(remote, change_of_the_membership_is_not_sent_again, .init = begin, .fini = end)
{
	drop_first(1);

	cr_assert_eq(outcome_of(BLX__OP_PROMOTE, LONG_MS), BLX_ECONNECT);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
	cr_assert_eq(outcome_of(BLX__OP_GET, LONG_MS), 0);
	cr_assert_eq(atomic_load(&member.calls), 2);
}

/* What is asked before the connection's end is seen has left: that is a timeout. */
static void wait_until_away(void)
{
	int rv;

	do {
		rv = outcome_of(BLX__OP_GET, 20);
	} while (rv == BLX_ETIMEOUT);
	cr_assert_eq(rv, BLX_ECONNECT, "%s", error.message);
}

static void on_counted(const struct blx__response *response, void *data)
{
	sem_t *sem = data;

	if (response->code == 0) {
		(void)sem_post(sem);
	}
}

Test(remote, what_is_asked_while_the_member_is_away_is_answered_when_it_is_back,
	.init = begin, .fini = end)
{
	struct blx__ask ask = {
		.op = BLX__OP_GET, .timeout_ms = LONG_MS, .body = "x", .body_len = 1};
	sem_t answered;
	unsigned i;

	(void)sem_init(&answered, 0, 0);
	tell(&member.away_post);
	for (i = 0; i < 50; i++) {
		cr_assert_eq(blx__client_start(client, &ask, on_counted, &answered), 0);
	}
	wait_until_away();
	tell(&member.back_post);
	for (i = 0; i < 50; i++) {
		wait_for(&answered);
	}
	(void)sem_destroy(&answered);
}

/* ---- deadlines ---- */

Test(remote, write_that_left_and_was_not_answered_is_unknown, .init = begin, .fini = end)
{
	atomic_store(&member.manner, MUTE);

	cr_assert_eq(outcome_of(BLX__OP_WRITE, 50), BLX_ETIMEOUT);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
	cr_assert_eq(outcome_of(BLX__OP_GET, 50), BLX_ETIMEOUT);
	cr_assert_eq(error.outcome, BLX_OUTCOME_NONE);
}

Test(remote, write_that_never_left_is_not_applied, .init = begin, .fini = end)
{
	tell(&member.away_post);
	wait_until_away();

	cr_assert_eq(outcome_of(BLX__OP_WRITE, 50), BLX_ECONNECT);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_not_null(strstr(error.message, "is the member running?"));
}

/* ---- the end ---- */

struct ended {
	atomic_uint count;
	atomic_uint canceled;
	atomic_uint again; /* so often a callback asks anew */
};

static void on_ended(const struct blx__response *response, void *data)
{
	struct ended *ended = data;
	struct blx__ask ask = {
		.op = BLX__OP_GET, .timeout_ms = LONG_MS, .body = "x", .body_len = 1};

	atomic_fetch_add(&ended->count, 1);
	atomic_fetch_add(&ended->canceled, response->code == BLX_ECANCELED);
	if (atomic_load(&ended->again) > 0) {
		atomic_fetch_sub(&ended->again, 1);
		(void)blx__client_start(client, &ask, on_ended, ended);
	}
}

Test(remote, close_ends_all_that_is_pending_also_what_callbacks_ask_then, .init = begin,
	.fini = end)
{
	struct blx__ask ask = {
		.op = BLX__OP_WRITE, .timeout_ms = LONG_MS, .body = "x", .body_len = 1};
	struct ended ended = {.again = 5};
	unsigned i;

	atomic_store(&member.manner, MUTE);
	for (i = 0; i < 30; i++) {
		cr_assert_eq(blx__client_write_start(client, &ask, on_ended, &ended), 0);
	}
	wait_for(&member.called); /* some have left, some may not */
	client->ops->close(client);
	client = NULL;

	cr_assert_eq(atomic_load(&ended.count), 35);
	cr_assert_eq(atomic_load(&ended.canceled), 35);
}

Test(remote, close_while_the_member_is_away_does_not_wait, .init = begin, .fini = end)
{
	tell(&member.away_post);
	client->ops->close(client);
	client = NULL;
}

static void on_answer_wait(const struct blx__response *response, void *data)
{
	*(int *)data = outcome_of(BLX__OP_GET, LONG_MS);
	(void)sem_post(&member.done);
}

Test(remote, callback_that_would_wait_for_itself_is_told_so, .init = begin, .fini = end)
{
	struct blx__ask ask = {
		.op = BLX__OP_GET, .timeout_ms = LONG_MS, .body = "x", .body_len = 1};
	int rv = 0;

	cr_assert_eq(blx__client_start(client, &ask, on_answer_wait, &rv), 0);
	wait_for(&member.done);

	cr_assert_eq(rv, BLX_EINVAL);
}

/* ---- many at once ---- */

static void *ask_often(void *data)
{
	uintptr_t failed = 0;
	unsigned i;

	for (i = 0; i < 200; i++) {
		uint64_t number = (uintptr_t)data * 1000 + i;
		struct blx__ask ask = {.op = BLX__OP_GET,
			.timeout_ms = LONG_MS,
			.body = &number,
			.body_len = sizeof number};
		struct blx__answer answer;

		if (blx__client_call(client, &ask, &answer, NULL) != 0 ||
			answer.body_len != sizeof number ||
			memcmp(answer.body, &number, sizeof number) != 0) {
			failed++;
		}
		blx__answer_finish(&answer);
	}
	return (void *)failed;
}

Test(remote, threads_that_share_it_get_each_its_own_answers, .init = begin, .fini = end)
{
	pthread_t threads[16];
	uintptr_t i;

	for (i = 0; i < 16; i++) {
		cr_assert_eq(pthread_create(&threads[i], NULL, ask_often, (void *)i), 0);
	}
	drop_first(5);
	for (i = 0; i < 16; i++) {
		void *failed;

		(void)pthread_join(threads[i], &failed);
		cr_assert_null(failed);
	}
	cr_assert_geq(atomic_load(&member.calls), 16 * 200);
}
