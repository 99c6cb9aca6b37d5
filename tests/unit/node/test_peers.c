/* SPDX-License-Identifier: Apache-2.0 */
/* Three members' peers over one net in memory. */
#include "support/test.h"

#include "node/peers.h"
#include "support/pipe_net.h"

#include <stdio.h>
#include <string.h>

#define MEMBERS 3

/* How long it takes at most until all have found each other. */
#define SETTLE_MS 3000

struct member {
	struct blx__identity identity;
	struct blx__peers *peers; /* NULL: not running */
	struct blx__listener *listener;
	struct blx__conn *guest; /* came in, has not said hello or is refused */
	uint64_t incarnation;
	unsigned links[MEMBERS + 1];
	unsigned lost[MEMBERS + 1];
	unsigned raft_frames;
	uint64_t call_from;
	uint64_t call_id;
	unsigned calls;
	blx_error refused; /* whom it refused last, and why */
	bool closed;
};

static struct pipe_net net;
static struct member members[MEMBERS + 1]; /* by id */
static struct raft_configuration conf;

/* ---- a member ---- */

static void on_frame(uint64_t id, const struct blx__frame *frame, void *data)
{
	struct member *member = data;

	if (frame->kind == BLX__KIND_CALL) {
		member->call_from = id;
		member->call_id = frame->id;
		member->calls++;
	} else {
		member->raft_frames++;
	}
}

static void on_link(uint64_t id, bool connected, void *data)
{
	struct member *member = data;

	if (connected) {
		member->links[id]++;
	} else {
		member->lost[id]++;
	}
}

static int64_t time_ms(void *data)
{
	return 1000;
}

static const struct blx__peers_cbs peers_cbs = {
	.on_frame = on_frame, .on_link = on_link, .time_ms = time_ms};

static void on_hello(struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct member *member = data;
	struct blx__hello own = {.major = BLX__HELLO_MAJOR,
		.role = BLX__ROLE_MEMBER,
		.id = member->identity.id,
		.instance = member->identity.instance,
		.incarnation = member->incarnation};
	blx_error refusal = BLX_ERROR_INIT;

	memcpy(own.cluster_id, member->identity.cluster_id, sizeof own.cluster_id);
	(void)snprintf(own.name, sizeof own.name, "%s", member->identity.name);
	if (blx__peers_admit(member->peers, hello, &refusal) != 0) {
		member->refused = refusal;
		blx__conn_refuse(conn, &own, &refusal);
		return;
	}
	blx__conn_welcome(conn, &own);
	blx__peers_adopt(member->peers, conn, hello);
}

static void on_guest_close(struct blx__conn *conn, const blx_error *why, void *data)
{
}

static const struct blx__conn_cbs guest_cbs = {
	.on_hello = on_hello, .on_close = on_guest_close};

static void on_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	struct blx__conn *conn;

	cr_assert_eq(blx__conn_accept(&net.env, stream, &guest_cbs, data, &conn), 0);
}

static void start(unsigned id)
{
	struct member *member = &members[id];
	struct blx__peers_opts opts = {.env = &net.env,
		.identity = &member->identity,
		.incarnation = ++member->incarnation,
		.cbs = &peers_cbs,
		.data = member};

	member->closed = false;
	cr_assert_eq(blx__peers_create(&opts, &member->peers), 0);
	cr_assert_eq(net.net.ops->listen(&net.net, member->identity.address, on_accept,
			     member, &member->listener, NULL),
		0);
}

static void on_closed(void *data)
{
	struct member *member = data;

	member->closed = true;
}

static void stop(unsigned id)
{
	struct member *member = &members[id];

	if (member->peers == NULL) {
		return;
	}
	net.net.ops->listener_close(member->listener);
	blx__peers_close(member->peers, on_closed, member);
	cr_assert_not(member->closed, "never inside the call");
	pipe_net_run(&net);
	cr_assert(member->closed);
	blx__peers_destroy(member->peers);
	member->peers = NULL;
}

static void begin(void)
{
	unsigned id;

	pipe_net_init(&net, 7);
	memset(members, 0, sizeof members);
	raft_configuration_init(&conf);
	for (id = 1; id <= MEMBERS; id++) {
		struct blx__identity *identity = &members[id].identity;
		char server[BLX__SERVER_ADDRESS_SIZE];

		memcpy(identity->cluster_id, "one and the same",
			sizeof identity->cluster_id);
		identity->id = id;
		identity->instance = 1000 + id;
		(void)snprintf(identity->name, sizeof identity->name, "m%u", id);
		(void)snprintf(
			identity->address, sizeof identity->address, "127.0.0.1:%u", id);
		(void)snprintf(server, sizeof server, "%s@%s", identity->name,
			identity->address);
		cr_assert_eq(raft_configuration_add(&conf, id, server, RAFT_VOTER), 0);
		start(id);
	}
}

static void end(void)
{
	unsigned id;

	net.cut = false;
	for (id = 1; id <= MEMBERS; id++) {
		stop(id);
	}
	raft_configuration_close(&conf);
	pipe_net_finish(&net);
}

static void configure_all(void)
{
	unsigned id;

	for (id = 1; id <= MEMBERS; id++) {
		if (members[id].peers != NULL) {
			blx__peers_configure(members[id].peers, &conf);
		}
	}
}

static void settle(void)
{
	pipe_net_pass(&net, SETTLE_MS);
}

static bool connected(unsigned a, unsigned b)
{
	return blx__peers_connected(members[a].peers, b) &&
	       blx__peers_connected(members[b].peers, a);
}

/* A configuration without the member. */
static void conf_without(unsigned id, struct raft_configuration *ret_conf)
{
	unsigned i;

	raft_configuration_init(ret_conf);
	for (i = 0; i < conf.n; i++) {
		if (conf.servers[i].id != id) {
			cr_assert_eq(
				raft_configuration_add(ret_conf, conf.servers[i].id,
					conf.servers[i].address, conf.servers[i].role),
				0);
		}
	}
}

struct answer {
	unsigned count;
	int code;
	int response_code;
	char body[16];
};

static void on_answer(int code, const struct blx__response *response, void *data)
{
	struct answer *answer = data;

	answer->count++;
	answer->code = code;
	if (response != NULL) {
		answer->response_code = response->code;
		memcpy(answer->body, response->body, response->body_len);
	}
}

static uint32_t timeout_ms = 500;

static int call(unsigned from, unsigned to, struct answer *answer)
{
	struct blx__call_head head = {.op = BLX__OP_READ_INDEX, .timeout_ms = timeout_ms};

	return blx__peers_call(members[from].peers, to, &head, "q", 1, on_answer, answer);
}

static int reply(unsigned from)
{
	struct blx__response response = {
		.code = BLX_ECONFLICT, .body = (const uint8_t *)"body", .body_len = 4};

	return blx__peers_reply(members[from].peers, members[from].call_from,
		members[from].call_id, &response);
}

#define PEERS_TEST(name) Test(peers, name, .init = begin, .fini = end)

/* ---- connections ---- */

PEERS_TEST(all_members_of_a_configuration_find_each_other_by_one_connection_each)
{
	configure_all();
	settle();

	cr_assert(connected(1, 2));
	cr_assert(connected(1, 3));
	cr_assert(connected(2, 3));
	cr_assert_eq(net.streams_count, 2 * 3);
	cr_assert_eq(members[1].lost[2], 0);
	cr_assert_gt(blx__peers_heard_ns(members[1].peers, 2), 0);
	cr_assert_eq(blx__peers_heard_ns(members[1].peers, 9), 0);
}

PEERS_TEST(where_only_the_smaller_id_knows_the_other_it_dials_and_is_let_in)
{
	blx__peers_configure(members[1].peers, &conf);
	settle();

	cr_assert(connected(1, 2), "one that knows nobody yet trusts the cluster's id");
	cr_assert(connected(1, 3));
}

PEERS_TEST(when_both_dial_at_once_the_connection_of_the_larger_id_stays)
{
	net.cut = true; /* so that both are under way */
	configure_all();
	pipe_net_pass(&net, 450);
	net.cut = false;
	settle();

	cr_assert(connected(1, 2));
	cr_assert(connected(1, 3));
	cr_assert(connected(2, 3));
	cr_assert_eq(net.streams_count, 2 * 3);
	cr_assert_eq(blx__peers_send(members[2].peers, 1, BLX__KIND_RAFT, "x", 1), 0);
	cr_assert_eq(blx__peers_send(members[1].peers, 2, BLX__KIND_RAFT, "x", 1), 0);
	pipe_net_run(&net);
	cr_assert_eq(members[1].raft_frames, 1);
	cr_assert_eq(members[2].raft_frames, 1);
}

PEERS_TEST(lost_connection_is_told_and_made_anew)
{
	configure_all();
	settle();
	pipe_net_break(&net);
	pipe_net_run(&net);
	cr_assert_eq(members[1].lost[2], 1);
	cr_assert_eq(members[2].lost[1], 1);
	cr_assert_not(connected(1, 2));
	cr_assert_eq(blx__peers_send(members[1].peers, 2, BLX__KIND_RAFT, "x", 1),
		BLX_ECONNECT);

	settle();
	cr_assert(connected(1, 2));
	cr_assert(connected(1, 3));
	cr_assert(connected(2, 3));
}

PEERS_TEST(one_that_comes_back_after_minutes_is_connected_within_seconds)
{
	configure_all();
	settle();
	stop(2);
	pipe_net_pass(&net, 5 * 60 * 1000);
	cr_assert_not(blx__peers_connected(members[1].peers, 2));

	start(2);
	blx__peers_configure(members[2].peers, &conf);
	settle();
	cr_assert(connected(1, 2));
	cr_assert(connected(2, 3));
}

PEERS_TEST(restarted_smaller_id_is_let_in_though_its_dead_connection_still_stands)
{
	struct blx__hello hello = {.role = BLX__ROLE_MEMBER, .id = 1, .name = "m1"};
	blx_error refusal = BLX_ERROR_INIT;

	configure_all();
	settle();
	memcpy(hello.cluster_id, members[1].identity.cluster_id, sizeof hello.cluster_id);
	hello.instance = members[1].identity.instance;
	hello.incarnation = members[1].incarnation;
	cr_assert_eq(blx__peers_admit(members[2].peers, &hello, &refusal), BLX_EBUSY);

	hello.incarnation++;
	cr_assert_eq(blx__peers_admit(members[2].peers, &hello, &refusal), 0);
}

/* ---- who is let in ---- */

PEERS_TEST(member_of_another_cluster_is_refused_by_both_names)
{
	memcpy(members[3].identity.cluster_id, "quite another one", 16);
	configure_all();
	settle();

	cr_assert(connected(1, 2));
	cr_assert_not(blx__peers_connected(members[1].peers, 3));
	cr_assert_not(blx__peers_connected(members[3].peers, 1));
	cr_assert_eq(members[1].refused.code, BLX_ECLUSTER);
	cr_assert_not_null(strstr(members[1].refused.message, "m3"));
	cr_assert_not_null(strstr(members[1].refused.message, "m1"));
}

PEERS_TEST(wiped_directory_that_kept_its_id_is_refused)
{
	configure_all();
	settle();
	stop(3);
	members[3].identity.instance++;
	start(3);
	blx__peers_configure(members[3].peers, &conf);
	settle();

	cr_assert_not(blx__peers_connected(members[1].peers, 3));
	cr_assert_eq(members[1].refused.code, BLX_EPERM);
	cr_assert_not_null(strstr(members[1].refused.message, "directory"));
}

PEERS_TEST(wiped_directory_is_not_taken_either_when_it_is_dialled)
{
	configure_all();
	settle();
	stop(1);
	members[1].identity.instance++;
	start(1);
	settle();

	cr_assert_not(blx__peers_connected(members[2].peers, 1));
	cr_assert_not(blx__peers_connected(members[3].peers, 1));
}

PEERS_TEST(member_by_another_name_or_with_our_own_id_is_refused)
{
	struct blx__hello hello = {.role = BLX__ROLE_MEMBER, .id = 3, .name = "m7"};
	blx_error refusal = BLX_ERROR_INIT;

	configure_all();
	memcpy(hello.cluster_id, members[1].identity.cluster_id, sizeof hello.cluster_id);
	cr_assert_eq(blx__peers_admit(members[1].peers, &hello, &refusal), BLX_EPERM);
	hello.id = 1;
	cr_assert_eq(blx__peers_admit(members[1].peers, &hello, &refusal), BLX_EPERM);
}

PEERS_TEST(one_that_is_not_known_yet_is_refused_until_the_configuration_names_it)
{
	struct raft_configuration two;

	conf_without(3, &two);
	blx__peers_configure(members[1].peers, &two);
	blx__peers_configure(members[2].peers, &two);
	blx__peers_configure(members[3].peers, &conf);
	settle();
	cr_assert_not(blx__peers_connected(members[1].peers, 3));
	cr_assert_eq(members[1].refused.code, BLX_ENOTMEMBER);

	blx__peers_configure(members[1].peers, &conf);
	settle();
	cr_assert(connected(1, 3));
	cr_assert_not(blx__peers_connected(members[2].peers, 3));
	raft_configuration_close(&two);
}

PEERS_TEST(removed_member_hears_what_it_waits_for_then_is_let_go_and_not_let_in_again)
{
	struct raft_configuration two;
	struct answer answer = {0};

	configure_all();
	settle();
	conf_without(3, &two);
	cr_assert_eq(call(3, 1, &answer), 0);
	pipe_net_run(&net);
	blx__peers_configure(members[1].peers, &two);
	blx__peers_configure(members[2].peers, &two);
	cr_assert_eq(reply(1), 0);
	pipe_net_run(&net);
	cr_assert_eq(answer.response_code, BLX_ECONFLICT);
	cr_assert(connected(1, 3));
	settle();

	cr_assert_not(blx__peers_connected(members[1].peers, 3));
	cr_assert_eq(members[1].lost[3], 1);
	cr_assert_eq(members[1].links[3], 1);
	cr_assert_eq(members[1].refused.code, BLX_ENOTMEMBER);
	cr_assert(connected(1, 2));
	raft_configuration_close(&two);
}

PEERS_TEST(removal_that_is_undone_keeps_the_member)
{
	struct raft_configuration two;

	configure_all();
	settle();
	conf_without(3, &two);
	blx__peers_configure(members[1].peers, &two);
	blx__peers_configure(members[1].peers, &conf);
	settle();
	cr_assert(connected(1, 3));
	cr_assert_eq(members[1].lost[3], 0);

	pipe_net_break(&net);
	settle();
	cr_assert(connected(1, 3));
	raft_configuration_close(&two);
}

PEERS_TEST(single_member_does_not_trust_everybody_who_knows_its_cluster)
{
	struct blx__hello hello = {
		.role = BLX__ROLE_MEMBER, .id = 3, .instance = 1003, .name = "m3"};
	struct raft_configuration two;
	struct raft_configuration one;
	blx_error refusal = BLX_ERROR_INIT;

	memcpy(hello.cluster_id, members[1].identity.cluster_id, sizeof hello.cluster_id);
	conf_without(3, &two);
	raft_configuration_init(&one);
	cr_assert_eq(
		raft_configuration_add(&one, 1, two.servers[0].address, RAFT_VOTER), 0);
	blx__peers_configure(members[1].peers, &one);

	cr_assert_eq(
		blx__peers_admit(members[1].peers, &hello, &refusal), BLX_ENOTMEMBER);
	raft_configuration_close(&one);
	raft_configuration_close(&two);
}

/* ---- calls ---- */

PEERS_TEST(call_is_answered_once)
{
	struct answer answer = {0};

	configure_all();
	settle();
	cr_assert_eq(call(1, 3, &answer), 0);
	pipe_net_run(&net);
	cr_assert_eq(members[3].calls, 1);
	cr_assert_eq(members[3].call_from, 1);
	cr_assert_eq(reply(3), 0);
	cr_assert_eq(reply(3), 0);
	cr_assert_eq(answer.count, 0, "never inside a call");
	pipe_net_pass(&net, 1000);

	cr_assert_eq(answer.count, 1);
	cr_assert_eq(answer.code, 0);
	cr_assert_eq(answer.response_code, BLX_ECONFLICT);
	cr_assert_str_eq(answer.body, "body");
}

PEERS_TEST(answers_find_their_calls_in_any_order)
{
	struct answer answers[3] = {{0}};
	uint64_t ids[3];
	unsigned i;

	configure_all();
	settle();
	for (i = 0; i < 3; i++) {
		cr_assert_eq(call(2, 1, &answers[i]), 0);
		pipe_net_run(&net);
		ids[i] = members[1].call_id;
	}
	members[1].call_id = ids[1];
	cr_assert_eq(reply(1), 0);
	pipe_net_run(&net);
	cr_assert_eq(answers[1].count, 1);
	cr_assert_eq(answers[0].count + answers[2].count, 0);
	pipe_net_pass(&net, 500);

	cr_assert_eq(answers[0].code, BLX_ETIMEOUT);
	cr_assert_eq(answers[2].code, BLX_ETIMEOUT);
}

PEERS_TEST(call_that_nobody_answers_ends_at_its_deadline_and_a_late_answer_is_dropped)
{
	struct answer answer = {0};

	configure_all();
	settle();
	cr_assert_eq(call(1, 2, &answer), 0);
	pipe_net_pass(&net, 499);
	cr_assert_eq(answer.count, 0);
	pipe_net_pass(&net, 1);
	cr_assert_eq(answer.code, BLX_ETIMEOUT);
	cr_assert_eq(reply(2), 0);
	pipe_net_run(&net);

	cr_assert_eq(answer.count, 1);
}

PEERS_TEST(call_under_way_ends_when_the_connection_is_lost)
{
	struct answer answer = {0};

	configure_all();
	settle();
	cr_assert_eq(call(1, 2, &answer), 0);
	pipe_net_break(&net);
	pipe_net_run(&net);

	cr_assert_eq(answer.count, 1);
	cr_assert_eq(answer.code, BLX_ECONNECT);
}

PEERS_TEST(call_under_way_ends_when_the_member_is_removed_or_we_close)
{
	struct raft_configuration two;
	struct answer answers[2] = {{0}};

	configure_all();
	settle();
	conf_without(3, &two);
	timeout_ms = 5000;
	cr_assert_eq(call(1, 3, &answers[0]), 0);
	cr_assert_eq(call(1, 2, &answers[1]), 0);
	blx__peers_configure(members[1].peers, &two);
	cr_assert_eq(answers[0].count, 0, "never inside a call");
	pipe_net_pass(&net, 1000);
	cr_assert_eq(answers[0].count, 1);
	cr_assert_eq(answers[0].code, BLX_ECONNECT);
	stop(1);

	cr_assert_eq(answers[1].count, 1);
	cr_assert_eq(answers[1].code, BLX_ECANCELED);
	timeout_ms = 500;
	raft_configuration_close(&two);
}

PEERS_TEST(call_without_a_connection_fails_at_once_and_no_answer_comes)
{
	struct answer answer = {0};

	cr_assert_eq(call(1, 2, &answer), BLX_ECONNECT);
	cr_assert_eq(call(1, 77, &answer), BLX_ECONNECT);
	pipe_net_pass(&net, 1000);

	cr_assert_eq(answer.count, 0);
}

PEERS_TEST(answer_that_does_not_decode_ends_the_call_as_a_protocol_error)
{
	struct blx__response response = {.outcome = 77};
	struct answer answer = {0};

	configure_all();
	settle();
	cr_assert_eq(call(1, 2, &answer), 0);
	pipe_net_run(&net);
	cr_assert_eq(
		blx__peers_reply(members[2].peers, 1, members[2].call_id, &response), 0);
	pipe_net_run(&net);

	cr_assert_eq(answer.count, 1);
	cr_assert_eq(answer.code, BLX_EPROTO);
	cr_assert(connected(1, 2));
}

/* ---- holding ---- */

PEERS_TEST(held_peers_send_nothing_also_over_a_connection_made_meanwhile)
{
	configure_all();
	settle();
	blx__peers_hold(members[1].peers, true);
	cr_assert_eq(blx__peers_send(members[1].peers, 2, BLX__KIND_RAFT, "x", 1), 0);
	settle();
	cr_assert_eq(members[2].raft_frames, 0);

	pipe_net_break(&net);
	settle();
	cr_assert(connected(1, 2));
	cr_assert_eq(blx__peers_send(members[1].peers, 2, BLX__KIND_RAFT, "x", 1), 0);
	settle();
	cr_assert_eq(members[2].raft_frames, 0);
	cr_assert_eq(blx__peers_send(members[2].peers, 1, BLX__KIND_RAFT, "x", 1), 0);
	pipe_net_run(&net);
	cr_assert_eq(members[1].raft_frames, 1, "what comes in is not held");

	blx__peers_hold(members[1].peers, false);
	pipe_net_run(&net);
	cr_assert_eq(
		members[2].raft_frames, 1, "the one before was lost with its connection");
}
