/* SPDX-License-Identifier: Apache-2.0 */
/* Joining, against a member that the test plays on a thread of its own. */
#include "support/test.h"

#include "base/codec.h"
#include "client/join.h"
#include "node/protocol.h"
#include "rpc/conn.h"
#include "sys/stream.h"
#include "sys/uv_env.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum answer { ANSWER_YES, ANSWER_EXISTS, ANSWER_GARBAGE, ANSWER_NOTHING, ANSWER_CLOSE, REFUSE };

static struct {
	struct blx__env *env;
	struct blx__listener *listener;
	struct blx__conn *conn;
	struct blx__post stop;
	pthread_t thread;
	enum answer answer;
	char address[64];
	char name[64]; /* that was asked for */
	unsigned role;
} member;

static blx_error error;

static void answer_with(struct blx__conn *conn, uint64_t id)
{
	struct blx__response response = { .message = "" };
	struct blx__frame frame = { .kind = BLX__KIND_REPLY, .id = id };
	struct blx__buf body;
	struct blx__buf buf;

	blx__buf_init(&body);
	blx__buf_init(&buf);
	if (member.answer == ANSWER_EXISTS) {
		response = (struct blx__response){ .code = BLX_EEXIST,
			.outcome = BLX_NOT_APPLIED,
			.message = "d is a member",
			.message_len = 13 };
	} else {
		blx__put_u64(&body, member.answer == ANSWER_GARBAGE ? 0 : 300);
		blx__buf_append(&body, "0123456789abcdef", 16);
		blx__put_text(&body, "blixard");
		response.body = body.data;
		response.body_len = body.len;
	}
	blx__response_put(&buf, &response);
	frame.payload = buf.data;
	frame.len = buf.len;
	(void)blx__conn_send(conn, &frame);
	blx__buf_finish(&buf);
	blx__buf_finish(&body);
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct blx__reader reader = blx__reader_of(frame->payload, frame->len);
	struct blx__call_head head;
	const uint8_t *name;
	size_t len;

	(void)data;
	if (blx__call_head_get(&reader, &head) != 0 || head.op != BLX__OP_JOIN) {
		return;
	}
	name = blx__get_bytes(&reader, sizeof member.name - 1, &len);
	if (name != NULL) {
		memcpy(member.name, name, len);
	}
	if (member.answer == ANSWER_CLOSE) {
		blx__conn_close(conn);
	} else if (member.answer != ANSWER_NOTHING) {
		answer_with(conn, frame->id);
	}
}

static void on_hello(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct blx__hello own = { .major = BLX__HELLO_MAJOR, .role = BLX__ROLE_MEMBER, .id = 1 };
	blx_error why = BLX_ERROR_INIT;

	(void)data;
	member.role = hello->role;
	if (member.answer == REFUSE) {
		why.code = BLX_EPERM;
		(void)snprintf(why.message, sizeof why.message, "not here");
		blx__conn_refuse(conn, &own, &why);
		return;
	}
	blx__conn_welcome(conn, &own);
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	(void)conn;
	(void)why;
	(void)data;
	member.conn = NULL;
}

static const struct blx__conn_cbs conn_cbs = { .on_hello = on_hello,
	.on_frame = on_frame,
	.on_close = on_close };

static void on_accept(struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	(void)listener;
	(void)data;
	(void)blx__conn_accept(member.env, stream, &conn_cbs, NULL, &member.conn);
}

static void *member_run(void *data)
{
	(void)data;
	blx__uv_env_run(member.env);
	return NULL;
}

/* On the member's loop: the last connection goes, then the loop ends. */
static void on_stop(struct blx__post *post)
{
	if (member.listener != NULL) {
		member.env->net->ops->listener_close(member.listener);
		member.listener = NULL;
	}
	if (member.conn != NULL) {
		blx__conn_close(member.conn);
		blx__env_post(member.env, post);
		return;
	}
	blx__uv_env_stop(member.env);
}

static void begin(void)
{
	blx_error_init(&error);
	memset(&member, 0, sizeof member);
	cr_assert_eq(blx__uv_env_create(&member.env, &error), 0);
	cr_assert_eq(member.env->net->ops->listen(member.env->net, "127.0.0.1:0", on_accept, NULL,
			     &member.listener, &error),
		0, "%s", error.message);
	(void)snprintf(member.address, sizeof member.address, "%s",
		member.env->net->ops->listener_address(member.listener));
	blx__post_init(&member.stop, on_stop, NULL);
	cr_assert_eq(pthread_create(&member.thread, NULL, member_run, NULL), 0);
}

static void end(void)
{
	blx__env_post(member.env, &member.stop);
	(void)pthread_join(member.thread, NULL);
	blx__uv_env_destroy(member.env);
}

static int join(enum answer answer, uint32_t timeout_ms, struct blx__identity *ret_identity)
{
	struct blx__join_opts opts = { .via = member.address,
		.name = "d",
		.address = "127.0.0.1:4",
		.timeout_ms = timeout_ms };

	member.answer = answer;
	return blx__join(&opts, ret_identity, &error);
}

Test(join, the_answer_is_who_the_new_member_is, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_eq(join(ANSWER_YES, 10000, &identity), 0, "%s", error.message);
	cr_assert_eq(identity.id, 300);
	cr_assert_arr_eq(identity.cluster_id, "0123456789abcdef", 16);
	cr_assert_str_eq(identity.cluster, "blixard");
	cr_assert_str_eq(identity.name, "d");
	cr_assert_str_eq(identity.address, "127.0.0.1:4");
	cr_assert_str_eq(member.name, "d");
	cr_assert_eq(member.role, BLX__ROLE_JOINER);
}

Test(join, a_refusal_is_passed_on_with_its_outcome, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_eq(join(ANSWER_EXISTS, 10000, &identity), BLX_EEXIST);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_not_null(strstr(error.message, "d is a member"), "%s", error.message);
}

Test(join, one_that_is_not_let_in_is_told_why, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_eq(join(REFUSE, 10000, &identity), BLX_EPERM);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_not_null(strstr(error.message, "not here"), "%s", error.message);
}

Test(join, a_connection_lost_after_the_question_leaves_it_unknown, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_lt(join(ANSWER_CLOSE, 10000, &identity), 0);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
}

Test(join, no_answer_ends_at_the_deadline, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_eq(join(ANSWER_NOTHING, 100, &identity), BLX_ETIMEOUT);
	cr_assert_eq(error.code, BLX_ETIMEOUT);
}

Test(join, a_malformed_answer_is_refused, .init = begin, .fini = end)
{
	struct blx__identity identity;

	cr_assert_eq(join(ANSWER_GARBAGE, 10000, &identity), BLX_EPROTO);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
}

Test(join, nobody_there_is_told_at_once, .init = begin, .fini = end)
{
	struct blx__identity identity;
	struct blx__join_opts opts = { .via = "127.0.0.1:1",
		.name = "d",
		.address = "127.0.0.1:4",
		.timeout_ms = 10000 };

	cr_assert_eq(blx__join(&opts, &identity, &error), BLX_ECONNECT, "%d %s", error.code,
		error.message);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
}
