/* SPDX-License-Identifier: Apache-2.0 */
#include "node/server.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/impl.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* No caller waits longer than this, whatever it says. */
#define TIMEOUT_MAX_MS (10u * 60 * 1000)

/* A connection that came in. It stays for as long as it is open or a call of it is under
 * way. */
struct guest {
	struct blx__list link;
	struct blx__server *server;
	struct blx__conn *conn; /* NULL: closed, or the peers' now */
	bool is_local;          /* came by the unix socket */
	uint8_t role;           /* 0: has not said hello */
	unsigned calls;
};

struct call {
	struct blx__request request;
	struct blx__server *server;
	struct guest *guest; /* NULL: of a member */
	uint64_t from;       /* that member's id */
	uint64_t id;
	uint8_t body[];
};

struct blx__server {
	struct blx__node *node;
	struct blx__listener *tcp;
	struct blx__listener *local;
	struct blx__list guests;
	unsigned guests_count;
	unsigned peer_calls;
	struct blx__buf scratch;
	bool closing;
	void (*closed_cb)(void *data);
	void *closed_data;
	struct blx__post closed_post;
};

/* ---- the end --------------------------------------------------------------------- */

static void closed_check(struct blx__server *server)
{
	if (server->closing && server->guests_count == 0 && server->peer_calls == 0) {
		blx__env_post(server->node->env, &server->closed_post);
	}
}

static void on_closed_post(struct blx__post *post)
{
	struct blx__server *server = post->data;

	server->closed_cb(server->closed_data);
}

static void guest_check(struct guest *guest)
{
	struct blx__server *server = guest->server;

	if (guest->conn == NULL && guest->calls == 0) {
		blx__list_remove(&guest->link);
		server->guests_count--;
		blx__free(guest);
		closed_check(server);
	}
}

/* ---- calls --------------------------------------------------------------------------
 */

static void reply_to_guest(
	struct guest *guest, uint64_t id, const struct blx__response *response)
{
	struct blx__server *server = guest->server;

	if (guest->conn == NULL) {
		return; /* nobody is left to hear it */
	}
	blx__buf_reset(&server->scratch);
	blx__response_put(&server->scratch, response);
	if (!blx__buf_ok(&server->scratch) ||
		blx__conn_send2(guest->conn, BLX__KIND_REPLY, id, server->scratch.data,
			server->scratch.len, NULL, 0) != 0) {
		blx__conn_close(guest->conn); /* it would wait for an answer in vain */
	}
}

static void on_call_done(
	struct blx__request *request, const struct blx__response *response)
{
	struct call *call = request->data;
	struct blx__server *server = call->server;
	struct guest *guest = call->guest;

	if (guest != NULL) {
		reply_to_guest(guest, call->id, response);
		guest->calls--;
		guest_check(guest);
	} else {
		/* One that is not connected any more asks again, or has given up. */
		(void)blx__peers_reply(
			server->node->peers, call->from, call->id, response);
		server->peer_calls--;
		closed_check(server);
	}
	blx__free(call);
}

static struct call *call_create(
	struct blx__server *server, const struct blx__frame *frame, int *ret_code)
{
	struct blx__reader reader = blx__reader_of(frame->payload, frame->len);
	struct blx__call_head head;
	struct call *call;
	size_t len;

	if (blx__call_head_get(&reader, &head) != 0) {
		*ret_code = BLX_EPROTO;
		return NULL;
	}
	len = blx__reader_left(&reader);
	call = blx__malloc(sizeof *call + len);
	if (call == NULL) {
		*ret_code = BLX_ENOMEM;
		return NULL;
	}
	memset(call, 0, sizeof *call);
	memcpy(call->body, frame->payload + reader.at, len);
	call->server = server;
	call->id = frame->id;
	call->request = (struct blx__request){.op = head.op,
		.flags = head.flags,
		.timeout_ms = head.timeout_ms < TIMEOUT_MAX_MS ? head.timeout_ms
							       : TIMEOUT_MAX_MS,
		.body = call->body,
		.body_len = len,
		.done = on_call_done,
		.data = call};
	blx__list_init(&call->request.link);
	return call;
}

static void refuse_call(struct guest *guest, uint64_t id, int code, const char *text)
{
	struct blx__response response = {.code = code,
		.outcome = BLX_NOT_APPLIED,
		.message = text,
		.message_len = strlen(text)};

	reply_to_guest(guest, id, &response);
}

/* What may somebody ask who is not a member yet? */
static bool may_ask(const struct guest *guest, uint8_t op)
{
	return guest->role == BLX__ROLE_CLIENT || op == BLX__OP_JOIN ||
	       op == BLX__OP_STATUS;
}

static void on_guest_frame(
	struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct guest *guest = data;
	struct blx__server *server = guest->server;
	struct call *call;
	int code;

	if (frame->kind != BLX__KIND_CALL) {
		return; /* of a later version */
	}
	if (server->closing) {
		refuse_call(guest, frame->id, BLX_ECANCELED, "the member is stopping");
		return;
	}
	if (guest->calls >= BLX__SERVER_CALLS_MAX) {
		refuse_call(guest, frame->id, BLX_EBUSY,
			"too many calls are under way on this connection");
		return;
	}
	call = call_create(server, frame, &code);
	if (call == NULL) {
		blx__conn_close(conn); /* malformed, or no memory to say so */
		return;
	}
	if (!may_ask(guest, call->request.op) ||
		(call->request.flags & BLX__CALL_FORWARDED) != 0) {
		refuse_call(
			guest, frame->id, BLX_EPERM, "not allowed on this connection");
		blx__free(call);
		return;
	}
	call->guest = guest;
	guest->calls++;
	blx__request_submit(server->node, &call->request);
}

void blx__server_on_peer_call(
	struct blx__server *server, uint64_t from, const struct blx__frame *frame)
{
	struct call *call;
	int code;

	if (server->closing) {
		return;
	}
	call = call_create(server, frame, &code);
	if (call == NULL) {
		struct blx__response response = {
			.code = code, .outcome = BLX_NOT_APPLIED};

		(void)blx__peers_reply(server->node->peers, from, frame->id, &response);
		return;
	}
	call->from = from;
	server->peer_calls++;
	blx__request_submit(server->node, &call->request);
}

/* ---- coming in ------------------------------------------------------------------------
 */

static void own_hello(const struct blx__node *node, struct blx__hello *ret_hello)
{
	int64_t wall_ms = blx__wall_ms(node->env);
	int64_t time_ms =
		blx__machine_time_ms(node->machine); /* old if nothing was written */

	*ret_hello = (struct blx__hello){.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_MEMBER,
		.id = node->identity.id,
		.instance = node->identity.instance,
		.incarnation = node->incarnation,
		.time_ms = wall_ms > time_ms ? wall_ms : time_ms};
	memcpy(ret_hello->cluster_id, node->identity.cluster_id,
		sizeof ret_hello->cluster_id);
	(void)snprintf(
		ret_hello->name, sizeof ret_hello->name, "%s", node->identity.name);
}

static int admit_local(
	struct guest *guest, const struct blx__hello *hello, blx_error *refusal)
{
	uint32_t uid;

	if (hello->role != BLX__ROLE_CLIENT) {
		return blx__error_set(refusal, BLX_EPROTO,
			"this is a socket for clients; members use the address");
	}
	if (blx__conn_peer_uid(guest->conn, &uid) != 0) {
		return blx__error_set(
			refusal, BLX_EPERM, "the user at the other end is not known");
	}
	if (uid != 0 && uid != geteuid()) {
		return blx__error_set(refusal, BLX_EPERM,
			"user %u may not: this socket admits root and user %u, which the "
			"member runs as",
			(unsigned)uid, (unsigned)geteuid());
	}
	return 0;
}

static int admit(struct guest *guest, const struct blx__hello *hello, blx_error *refusal)
{
	struct blx__node *node = guest->server->node;

	if (guest->server->closing || node->failed) {
		return blx__error_set(
			refusal, BLX_EUNAVAILABLE, "%s has stopped", node->identity.name);
	}
	if (guest->is_local) {
		return admit_local(guest, hello, refusal);
	}
	if (hello->role == BLX__ROLE_CLIENT) {
		return blx__error_set(
			refusal, BLX_EPERM, "clients connect by the unix socket");
	}
	return hello->role == BLX__ROLE_MEMBER
		       ? blx__peers_admit(node->peers, hello, refusal)
		       : 0;
}

static void on_guest_hello(
	struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct guest *guest = data;
	struct blx__node *node = guest->server->node;
	struct blx__hello own;
	blx_error refusal = BLX_ERROR_INIT;

	own_hello(node, &own);
	if (admit(guest, hello, &refusal) != 0) {
		blx__log(BLX__LOG_WARN, "server", "%s: refused %s: %s",
			node->identity.name,
			hello->name[0] != '\0' ? hello->name : "a client",
			refusal.message);
		blx__conn_refuse(conn, &own, &refusal);
		return;
	}
	guest->role = hello->role;
	blx__conn_welcome(conn, &own);
	if (hello->role == BLX__ROLE_MEMBER) {
		guest->conn = NULL;
		blx__peers_adopt(node->peers, conn, hello);
		guest_check(guest);
	}
}

static void on_guest_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct guest *guest = data;

	(void)conn;
	(void)why;
	guest->conn = NULL;
	guest_check(guest);
}

static const struct blx__conn_cbs guest_cbs = {
	.on_hello = on_guest_hello,
	.on_frame = on_guest_frame,
	.on_close = on_guest_close,
};

static void on_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	struct blx__server *server = data;
	struct blx__env *env = server->node->env;
	struct guest *guest = NULL;

	if (server->guests_count < BLX__SERVER_CLIENTS_MAX && !server->closing) {
		guest = blx__calloc(1, sizeof *guest);
	}
	if (guest == NULL) {
		blx__log(BLX__LOG_WARN, "server",
			"%s: a connection is turned away: there are %u",
			server->node->identity.name, server->guests_count);
		env->net->ops->close(stream);
		return;
	}
	guest->server = server;
	guest->is_local = listener == server->local;
	if (blx__conn_accept(env, stream, &guest_cbs, guest, &guest->conn) != 0) {
		blx__free(guest);
		return;
	}
	server->guests_count++;
	blx__list_push_back(&server->guests, &guest->link);
}

/* ---- the whole
 * --------------------------------------------------------------------------- */

int blx__server_create(struct blx__node *node, struct blx__server **ret_server)
{
	struct blx__server *server = blx__calloc(1, sizeof *server);

	if (server == NULL) {
		return BLX_ENOMEM;
	}
	server->node = node;
	blx__list_init(&server->guests);
	blx__buf_init(&server->scratch);
	blx__post_init(&server->closed_post, on_closed_post, server);
	*ret_server = server;
	return 0;
}

int blx__server_listen(struct blx__server *server, blx_error *error)
{
	struct blx__node *node = server->node;
	struct blx__net *net = node->env->net;
	const char *address =
		node->listen != NULL ? node->listen : node->identity.address;
	char local[BLX__ADDRESS_LEN_MAX + 8];
	int rv = net->ops->listen(net, address, on_accept, server, &server->tcp, error);

	if (rv != 0 || node->socket_path == NULL) {
		return rv;
	}
	if (snprintf(local, sizeof local, "unix:%s", node->socket_path) >=
		(int)sizeof local) {
		return blx__error_set(error, BLX_EINVAL,
			"listen at %s: the path is too long", node->socket_path);
	}
	return net->ops->listen(net, local, on_accept, server, &server->local, error);
}

static void listeners_close(struct blx__server *server)
{
	struct blx__net *net = server->node->env->net;

	if (server->tcp != NULL) {
		net->ops->listener_close(server->tcp);
		server->tcp = NULL;
	}
	if (server->local != NULL) {
		net->ops->listener_close(server->local);
		server->local = NULL;
	}
}

void blx__server_close(struct blx__server *server, void (*cb)(void *data), void *data)
{
	struct blx__list *link;
	struct blx__list *tmp;

	server->closing = true;
	server->closed_cb = cb;
	server->closed_data = data;
	listeners_close(server);
	blx__list_foreach_safe (link, tmp, &server->guests) {
		struct guest *guest = blx__container_of(link, struct guest, link);

		if (guest->conn != NULL) {
			blx__conn_close(guest->conn);
		}
	}
	closed_check(server);
}

void blx__server_destroy(struct blx__server *server)
{
	if (server == NULL) {
		return;
	}
	listeners_close(server);
	PRE(server->guests_count == 0);
	blx__buf_finish(&server->scratch);
	blx__free(server);
}
