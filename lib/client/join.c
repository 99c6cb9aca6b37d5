/* SPDX-License-Identifier: Apache-2.0 */
#include "client/join.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "node/protocol.h"
#include "rpc/conn.h"
#include "sys/uv_env.h"

#include <stdio.h>
#include <string.h>

/* There is one call on the connection. */
#define CALL_ID 1

struct join {
	const struct blx__join_opts *opts;
	struct blx__env *env;
	struct blx__conn *conn; /* NULL: gone */
	struct blx__timer deadline;
	struct blx__identity *identity; /* filled when ended with 0 */
	blx_error *error;               /* may be NULL */
	bool asked;                     /* the request has been handed to the connection */
	bool ended;
	int code;
};

/* The first word on what came of it counts; then the connection goes, and then the loop. */
static void join_end(struct join *join, int code)
{
	if (join->ended) {
		return;
	}
	join->ended = true;
	join->code = code;
	blx__timer_stop(join->env, &join->deadline);
	if (join->conn != NULL) {
		blx__conn_close(join->conn);
	} else {
		blx__uv_env_stop(join->env);
	}
}

static int outcome_of(const struct join *join)
{
	return join->asked ? BLX_UNKNOWN : BLX_NOT_APPLIED;
}

static void on_deadline(struct blx__timer *timer)
{
	struct join *join = timer->data;

	join_end(join,
		blx__error_set_write(join->error, BLX_ETIMEOUT, outcome_of(join),
			"join via %s: no answer within %u ms%s", join->opts->via,
			(unsigned)join->opts->timeout_ms,
			join->asked ? "; look whether the member is there, and remove it first"
				    : ""));
}

static void send_call(struct join *join)
{
	struct blx__call_head head = { .op = BLX__OP_JOIN, .timeout_ms = join->opts->timeout_ms };
	struct blx__frame frame = { .kind = BLX__KIND_CALL, .id = CALL_ID };
	struct blx__buf buf;
	int rv;

	blx__buf_init(&buf);
	blx__call_head_put(&buf, &head);
	blx__put_text(&buf, join->opts->name);
	blx__put_text(&buf, join->opts->address);
	frame.payload = buf.data;
	frame.len = buf.len;
	rv = blx__buf_ok(&buf) ? blx__conn_send(join->conn, &frame) : BLX_ENOMEM;
	blx__buf_finish(&buf);
	join->asked = rv == 0;
	if (rv != 0) {
		join_end(join,
			blx__error_set_write(join->error, rv, BLX_NOT_APPLIED, "join via %s: %s",
				join->opts->via, blx_strerror(rv)));
	}
}

static void on_open(struct blx__conn *conn, const struct blx__hello *peer, void *data)
{
	(void)conn;
	(void)peer;
	send_call(data);
}

/* u64 id, the cluster's id, its name: what the leader answers. */
static int identity_read(const struct blx__response *response, struct blx__identity *ret_identity)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__identity identity = { .id = blx__get_u64(&reader) };
	const uint8_t *id = blx__get_raw(&reader, BLX__CLUSTER_ID_LEN);
	BLX__CLEANUP_FREE char *cluster = blx__get_text(&reader, BLX__NAME_LEN_MAX);

	if (!blx__reader_done(&reader) || identity.id == 0 || !blx__name_valid(cluster)) {
		return BLX_EPROTO;
	}
	memcpy(identity.cluster_id, id, sizeof identity.cluster_id);
	(void)snprintf(identity.cluster, sizeof identity.cluster, "%s", cluster);
	*ret_identity = identity;
	return 0;
}

static int answer_read(struct join *join, const struct blx__frame *frame)
{
	struct blx__response response;
	struct blx__identity identity;
	int rv = blx__response_get(frame->payload, frame->len, &response);

	if (rv == 0 && response.code != 0) {
		return blx__error_set_write(join->error, response.code, response.outcome,
			"join via %s: %.*s", join->opts->via, (int)response.message_len,
			response.message);
	}
	if (rv == 0) {
		rv = identity_read(&response, &identity);
	}
	if (rv != 0) {
		return blx__error_set_write(join->error, rv, BLX_UNKNOWN,
			"join via %s: the answer is malformed", join->opts->via);
	}
	(void)snprintf(identity.name, sizeof identity.name, "%s", join->opts->name);
	(void)snprintf(identity.address, sizeof identity.address, "%s", join->opts->address);
	*join->identity = identity;
	return 0;
}

static void on_frame(struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct join *join = data;

	(void)conn;
	if (!join->ended && frame->kind == BLX__KIND_REPLY && frame->id == CALL_ID) {
		join_end(join, answer_read(join, frame));
	}
}

static void on_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct join *join = data;

	(void)conn;
	join->conn = NULL;
	if (join->ended) {
		blx__uv_env_stop(join->env);
		return;
	}
	join_end(join,
		blx__error_set_write(join->error, why->code != 0 ? why->code : BLX_ECONNECT,
			outcome_of(join), "join via %s: %s", join->opts->via,
			why->message[0] != '\0' ? why->message : "the connection was closed"));
}

static const struct blx__conn_cbs conn_cbs = { .on_open = on_open,
	.on_frame = on_frame,
	.on_close = on_close };

static int join_run(struct join *join)
{
	struct blx__hello hello = { .major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_JOINER,
		.incarnation = blx__random_u64(join->env) };
	int rv;

	(void)snprintf(hello.name, sizeof hello.name, "%s", join->opts->name);
	blx__timer_init(&join->deadline, on_deadline, join);
	if (blx__timer_start_ms(join->env, &join->deadline, join->opts->timeout_ms) != 0) {
		return blx__error_set_write(join->error, BLX_ENOMEM, BLX_NOT_APPLIED,
			"join via %s: out of memory", join->opts->via);
	}
	rv = blx__conn_connect(join->env, join->opts->via, &hello, &conn_cbs, join, &join->conn,
		join->error);
	if (rv != 0) {
		blx__timer_stop(join->env, &join->deadline);
		return rv;
	}
	blx__uv_env_run(join->env);
	INVARIANT(join->ended && join->conn == NULL);
	return join->code;
}

int blx__join(const struct blx__join_opts *opts, struct blx__identity *ret_identity,
	blx_error *error)
{
	struct join join = { .opts = opts, .identity = ret_identity, .error = error };
	int rv = blx__uv_env_create(&join.env, error);

	if (rv != 0) {
		return rv;
	}
	rv = join_run(&join);
	blx__uv_env_destroy(join.env);
	return rv;
}
