/* SPDX-License-Identifier: Apache-2.0 */
/* The doors of a member that is played: its requests come to the test. */
#include "support/test.h"

#include "node/impl.h"
#include "support/pipe_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOCAL  "unix:/m.sock"
#define REMOTE "127.0.0.1:7"

static struct pipe_net net;
static struct blx__node node;
static struct blx__list asked; /* requests that are not answered */
static unsigned asked_count;
static bool closed;

/* ---- the member ---- */

void blx__request_submit(struct blx__node *to, struct blx__request *request)
{
	cr_assert_eq(to, &node);
	blx__list_push_back(&asked, &request->link);
	asked_count++;
}

int64_t blx__machine_time_ms(struct blx__machine *machine)
{
	return 1767225600000;
}

static void on_peer_frame(uint64_t id, const struct blx__frame *frame, void *data)
{
	if (frame->kind == BLX__KIND_CALL) {
		blx__server_on_peer_call(node.server, id, frame);
	}
}

static void on_peer_link(uint64_t id, bool connected, void *data)
{
}

static int64_t time_ms(void *data)
{
	return 0;
}

static const struct blx__peers_cbs peers_cbs = {
	.on_frame = on_peer_frame, .on_link = on_peer_link, .time_ms = time_ms};

static void on_closed(void *data)
{
	closed = true;
}

static void server_close(void)
{
	blx__server_close(node.server, on_closed, NULL);
	cr_assert_not(closed, "never inside the call");
}

static void begin(void)
{
	struct blx__peers_opts opts = {
		.env = &net.env, .identity = &node.identity, .cbs = &peers_cbs};

	pipe_net_init(&net, 3);
	net.uid = (uint32_t)geteuid();
	closed = false;
	asked_count = 0;
	blx__list_init(&asked);
	memset(&node, 0, sizeof node);
	node.env = &net.env;
	node.identity = (struct blx__identity){
		.cluster_id = "0123456789abcde", .id = 1, .instance = 11, .name = "m1"};
	node.incarnation = 111;
	node.socket_path = (char *)"/m.sock";
	node.listen = (char *)REMOTE;
	cr_assert_eq(blx__peers_create(&opts, &node.peers), 0);
	cr_assert_eq(blx__server_create(&node, &node.server), 0);
	cr_assert_eq(blx__server_listen(node.server, NULL), 0);
}

static void answer(int code, const void *body, size_t len)
{
	struct blx__list *link = blx__list_pop_front(&asked);
	struct blx__request *request = blx__container_of(link, struct blx__request, link);
	struct blx__response response = {
		.code = code, .revision = 42, .body = body, .body_len = len};

	cr_assert_not_null(link);
	request->done(request, &response);
}

static void end(void)
{
	bool peers_closed = false;

	net.stalled = false;
	if (!closed) {
		server_close();
	}
	while (!blx__list_empty(&asked)) {
		answer(BLX_ECANCELED, NULL, 0);
	}
	pipe_net_run(&net);
	cr_assert(closed);
	closed = false;
	blx__peers_close(node.peers, on_closed, NULL);
	pipe_net_run(&net);
	peers_closed = closed;
	cr_assert(peers_closed);
	blx__server_destroy(node.server);
	blx__peers_destroy(node.peers);
	pipe_net_finish(&net);
}

static struct blx__request *first_asked(void)
{
	cr_assert_not(blx__list_empty(&asked));
	return blx__container_of(asked.next, struct blx__request, link);
}

/* ---- somebody who connects ---- */

struct caller {
	struct blx__conn *conn; /* NULL: gone */
	bool open;
	struct blx__hello hello;
	blx_error why;
	unsigned replies;
	uint64_t reply_id;
	int code;
	int outcome;
	uint64_t revision;
	char body[32];
};

static struct caller caller;

static void on_open(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct caller *to = data;

	to->open = true;
	to->hello = *hello;
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct caller *to = data;
	struct blx__response response;

	cr_assert_eq(frame->kind, BLX__KIND_REPLY);
	cr_assert_eq(blx__response_get(frame->payload, frame->len, &response), 0);
	to->replies++;
	to->reply_id = frame->id;
	to->code = response.code;
	to->outcome = response.outcome;
	to->revision = response.revision;
	if (response.body_len < sizeof to->body) {
		memcpy(to->body, response.body, response.body_len);
		to->body[response.body_len] = '\0';
	}
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct caller *to = data;

	to->conn = NULL;
	to->open = false;
	to->why = *why;
}

static const struct blx__conn_cbs caller_cbs = {
	.on_open = on_open, .on_frame = on_frame, .on_close = on_close};

static void dial(struct caller *from, const char *address, uint8_t role)
{
	struct blx__hello hello = {.major = BLX__HELLO_MAJOR, .role = role};

	if (role == BLX__ROLE_MEMBER) {
		hello.id = 2;
		hello.instance = 22;
		(void)snprintf(hello.name, sizeof hello.name, "m2");
		memcpy(hello.cluster_id, node.identity.cluster_id,
			sizeof hello.cluster_id);
	}
	memset(from, 0, sizeof *from);
	cr_assert_eq(blx__conn_connect(&net.env, address, &hello, &caller_cbs, from,
			     &from->conn, NULL),
		0);
	pipe_net_run(&net);
}

static void ask_with(uint8_t op, uint8_t flags, uint32_t timeout_ms, uint64_t id)
{
	struct blx__call_head head = {.op = op, .flags = flags, .timeout_ms = timeout_ms};
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__call_head_put(&buf, &head);
	cr_assert_eq(blx__conn_send2(caller.conn, BLX__KIND_CALL, id, buf.data, buf.len,
			     "body", 4),
		0);
	blx__buf_finish(&buf);
}

static void ask(uint8_t op, uint64_t id)
{
	ask_with(op, 0, 1000, id);
	pipe_net_run(&net);
}

static void hang_up(struct caller *who)
{
	if (who->conn != NULL) {
		blx__conn_close(who->conn);
	}
	pipe_net_run(&net);
}

static void end_with_caller(void)
{
	hang_up(&caller);
	end();
}

#define SERVER_TEST(name) Test(server, name, .init = begin, .fini = end_with_caller)

/* ---- coming in ---- */

SERVER_TEST(client_on_the_socket_is_welcomed_by_the_member)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);

	cr_assert(caller.open);
	cr_assert_str_eq(caller.hello.name, "m1");
	cr_assert_eq(caller.hello.id, 1);
	cr_assert_eq(caller.hello.instance, 11);
	cr_assert_eq(caller.hello.incarnation, 111);
	cr_assert_arr_eq(caller.hello.cluster_id, node.identity.cluster_id, 16);
	cr_assert_eq(
		caller.hello.time_ms, 1767225600000, "the cluster's, not the wall's");
}

SERVER_TEST(root_and_the_member_s_user_may_and_nobody_else)
{
	net.uid = 0;
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert(caller.open);
	hang_up(&caller);

	net.uid = (uint32_t)geteuid() + 1;
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert_null(caller.conn);
	cr_assert_eq(caller.why.code, BLX_EPERM);
	cr_assert_not_null(strstr(caller.why.message, "user"));
}

SERVER_TEST(each_comes_by_its_own_door)
{
	dial(&caller, REMOTE, BLX__ROLE_CLIENT);
	cr_assert_eq(caller.why.code, BLX_EPERM);
	dial(&caller, LOCAL, BLX__ROLE_MEMBER);
	cr_assert_eq(caller.why.code, BLX_EPROTO);
	dial(&caller, LOCAL, BLX__ROLE_JOINER);
	cr_assert_eq(caller.why.code, BLX_EPROTO);
	dial(&caller, REMOTE, BLX__ROLE_JOINER);
	cr_assert(caller.open);
}

SERVER_TEST(address_that_is_taken_is_named)
{
	struct blx__server *other;
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__server_create(&node, &other), 0);
	cr_assert_eq(blx__server_listen(other, &error), BLX_EINUSE);
	cr_assert_not_null(strstr(error.message, REMOTE));
	blx__server_destroy(other);
}

SERVER_TEST(member_that_has_failed_lets_nobody_in)
{
	node.failed = true;
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);

	cr_assert_eq(caller.why.code, BLX_EUNAVAILABLE);
}

SERVER_TEST(one_client_too_many_is_told_so_and_members_still_come_in)
{
	static struct caller many[BLX__SERVER_CLIENTS_MAX];
	unsigned i;

	for (i = 0; i < BLX__SERVER_CLIENTS_MAX; i++) {
		dial(&many[i], LOCAL, BLX__ROLE_CLIENT);
		cr_assert(many[i].open);
	}
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert_eq(caller.why.code, BLX_EBUSY);
	dial(&caller, REMOTE, BLX__ROLE_MEMBER);
	cr_assert(caller.open);

	hang_up(&many[0]);
	hang_up(&caller);
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert(caller.open);
	for (i = 0; i < BLX__SERVER_CLIENTS_MAX; i++) {
		hang_up(&many[i]);
	}
}

SERVER_TEST(strangers_who_say_nothing_keep_no_client_out)
{
	static struct caller many[600];
	unsigned held = 0;
	unsigned i;

	for (i = 0; i < 600; i++) {
		dial(&many[i], REMOTE, BLX__ROLE_JOINER);
		held += many[i].open;
	}
	cr_assert_lt(held, 600, "they are bounded");
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert(caller.open);
	for (i = 0; i < 600; i++) {
		hang_up(&many[i]);
	}
}

/* ---- calls ---- */

SERVER_TEST(call_becomes_a_request_and_its_answer_a_reply)
{
	struct blx__request *request;

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask(BLX__OP_WRITE, 77);
	request = first_asked();
	cr_assert_eq(request->op, BLX__OP_WRITE);
	cr_assert_eq(request->timeout_ms, 1000);
	cr_assert_eq(request->body_len, 4);
	cr_assert_arr_eq(request->body, "body", 4);
	answer(BLX_ECONFLICT, "answer", 6);
	cr_assert_eq(caller.replies, 0, "never inside a call");
	pipe_net_run(&net);

	cr_assert_eq(caller.replies, 1);
	cr_assert_eq(caller.reply_id, 77);
	cr_assert_eq(caller.code, BLX_ECONFLICT);
	cr_assert_eq(caller.revision, 42);
	cr_assert_str_eq(caller.body, "answer");
}

SERVER_TEST(answers_go_to_their_calls_in_any_order_and_leave_together)
{
	unsigned before;
	unsigned i;

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	for (i = 1; i <= 100; i++) {
		ask_with(BLX__OP_GET, 0, 0, i);
	}
	pipe_net_run(&net);
	cr_assert_eq(asked_count, 100);
	before = net.writes;
	for (i = 1; i <= 100; i++) {
		answer(0, NULL, 0);
	}
	pipe_net_run(&net);

	cr_assert_eq(caller.replies, 100);
	cr_assert_eq(caller.reply_id, 100);
	cr_assert_eq(net.writes - before, 1);
}

SERVER_TEST(patience_of_a_caller_is_capped)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask_with(BLX__OP_GET, 0, UINT32_MAX, 1);
	pipe_net_run(&net);

	cr_assert_eq(first_asked()->timeout_ms, 10 * 60 * 1000);
}

SERVER_TEST(client_may_not_pass_for_a_member)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask_with(BLX__OP_WRITE, BLX__CALL_FORWARDED, 1000, 5);
	pipe_net_run(&net);

	cr_assert_eq(asked_count, 0);
	cr_assert_eq(caller.code, BLX_EPERM);
	cr_assert_eq(caller.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(caller.reply_id, 5);
}

SERVER_TEST(joiner_may_ask_to_join_and_for_the_status_and_no_more)
{
	uint8_t op;

	dial(&caller, REMOTE, BLX__ROLE_JOINER);
	for (op = BLX__OP_WRITE; op <= BLX__OP_IMAGE_PIECE; op++) {
		bool may = op == BLX__OP_JOIN || op == BLX__OP_STATUS;
		unsigned before = asked_count;

		ask(op, op);
		cr_assert_eq(asked_count - before, may, "op %u", op);
		if (!may) {
			cr_assert_eq(caller.reply_id, op);
			cr_assert_eq(caller.code, BLX_EPERM);
		}
	}
}

SERVER_TEST(malformed_call_ends_the_connection)
{
	struct blx__frame frame = {
		.kind = BLX__KIND_CALL, .payload = (const uint8_t *)"abc", .len = 3};

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert_eq(blx__conn_send(caller.conn, &frame), 0);
	pipe_net_run(&net);

	cr_assert_null(caller.conn);
	cr_assert_eq(asked_count, 0);
}

SERVER_TEST(frame_of_a_later_version_is_passed_over)
{
	struct blx__frame frame = {.kind = 999};

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	cr_assert_eq(blx__conn_send(caller.conn, &frame), 0);
	ask(BLX__OP_GET, 1);

	cr_assert_eq(asked_count, 1);
}

SERVER_TEST(more_calls_than_the_limit_are_answered_busy)
{
	unsigned i;

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	for (i = 1; i <= BLX__SERVER_CALLS_MAX + 1; i++) {
		ask_with(BLX__OP_GET, 0, 1000, i);
	}
	pipe_net_run(&net);
	cr_assert_eq(asked_count, BLX__SERVER_CALLS_MAX);
	cr_assert_eq(caller.replies, 1);
	cr_assert_eq(caller.code, BLX_EBUSY);
	cr_assert_eq(caller.reply_id, BLX__SERVER_CALLS_MAX + 1);

	answer(0, NULL, 0);
	ask(BLX__OP_GET, 9999);
	cr_assert_eq(asked_count, BLX__SERVER_CALLS_MAX + 1);
}

SERVER_TEST(calls_of_many_bytes_stop_the_reading_until_some_are_answered)
{
	enum { SIZE = 4 * 1024 * 1024, COUNT = 14 };
	uint8_t *body = calloc(1, SIZE);
	unsigned held;
	unsigned i;

	body[0] = BLX__OP_WRITE; /* a head: op, flags, timeout */
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	for (i = 1; i <= COUNT; i++) {
		struct blx__frame frame = {
			.kind = BLX__KIND_CALL, .id = i, .payload = body, .len = SIZE};

		cr_assert_eq(blx__conn_send(caller.conn, &frame), 0);
		pipe_net_run(&net);
	}
	free(body);
	held = asked_count;
	cr_assert_lt(held, COUNT);
	while (!blx__list_empty(&asked)) {
		answer(0, NULL, 0);
		pipe_net_run(&net);
	}

	cr_assert_geq(held, 8);
	cr_assert_eq(asked_count, COUNT);
	cr_assert_eq(caller.replies, COUNT);
}

SERVER_TEST(client_that_does_not_read_its_answers_is_closed)
{
	static uint8_t body[1024 * 1024];
	unsigned i;

	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	for (i = 1; i <= 20; i++) {
		ask(BLX__OP_GET, i);
	}
	net.stalled = true;
	for (i = 1; i <= 20; i++) {
		answer(0, body, sizeof body);
		pipe_net_run(&net);
	}

	cr_assert_null(caller.conn, "16 MiB wait at most");
}

SERVER_TEST(client_that_left_is_answered_by_nobody_and_nothing_dangles)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask(BLX__OP_WRITE, 1);
	ask(BLX__OP_WRITE, 2);
	hang_up(&caller);
	answer(0, "x", 1);
	answer(0, "x", 1);
	pipe_net_run(&net);

	cr_assert_eq(caller.replies, 0);
}

/* ---- members ---- */

SERVER_TEST(member_that_is_let_in_is_the_peers_and_its_calls_are_forwarded_ones)
{
	dial(&caller, REMOTE, BLX__ROLE_MEMBER);
	cr_assert(caller.open);
	cr_assert(blx__peers_connected(node.peers, 2));
	ask_with(BLX__OP_WRITE, BLX__CALL_FORWARDED, 1000, 8);
	pipe_net_run(&net);
	cr_assert_eq(first_asked()->flags, BLX__CALL_FORWARDED);
	answer(0, "done", 4);
	pipe_net_run(&net);

	cr_assert_eq(caller.reply_id, 8);
	cr_assert_str_eq(caller.body, "done");
}

SERVER_TEST(member_that_left_is_answered_by_nobody)
{
	dial(&caller, REMOTE, BLX__ROLE_MEMBER);
	ask(BLX__OP_WRITE, 1);
	hang_up(&caller);
	cr_assert_not(blx__peers_connected(node.peers, 2));
	answer(0, "x", 1);

	cr_assert_eq(caller.replies, 0);
}

/* ---- the end ---- */

SERVER_TEST(close_waits_for_the_calls_under_way)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask(BLX__OP_WRITE, 1);
	server_close();
	pipe_net_run(&net);
	cr_assert_null(caller.conn);
	cr_assert_not(closed);
	answer(BLX_ECANCELED, NULL, 0);
	pipe_net_run(&net);

	cr_assert(closed);
}

SERVER_TEST(last_answers_leave_before_the_connection_closes)
{
	dial(&caller, LOCAL, BLX__ROLE_CLIENT);
	ask(BLX__OP_WRITE, 1);
	answer(BLX_ECANCELED, NULL, 0);
	server_close();
	pipe_net_run(&net);

	cr_assert(closed);
	cr_assert_eq(caller.replies, 1);
	cr_assert_eq(caller.code, BLX_ECANCELED);
}

SERVER_TEST(call_of_a_member_while_we_stop_is_for_the_next_leader)
{
	dial(&caller, REMOTE, BLX__ROLE_MEMBER);
	server_close();
	pipe_net_run(&net);
	cr_assert(closed, "the peers are not the server's to close");
	ask(BLX__OP_WRITE, 4);

	cr_assert_eq(asked_count, 0);
	cr_assert_eq(caller.reply_id, 4);
	cr_assert_eq(caller.code, BLX_ENOTLEADER);
	cr_assert_eq(caller.outcome, BLX_NOT_APPLIED);
}
