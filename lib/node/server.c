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

/* Bytes of the calls of one connection under way: beyond it nothing more is read from it
 * until half of them are answered. */
#define CALLS_BYTES_MAX ((size_t)32 * 1024 * 1024)

/* Of all members together. A member has clients of its own, and its other traffic is on
 * the same connection, so it is not kept from reading but answered with BLX_EBUSY. */
#define PEER_CALLS_MAX       (16 * BLX__SERVER_CALLS_MAX)
#define PEER_CALLS_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* Connections by the address that have not become a member's: they are short. They must
 * not be able to keep clients out. */
#define STRANGERS_MAX 256

/* Of those that are too many, so many are told so; the others are closed. */
#define TOLD_MAX 32

/* The same refusal is logged once in so long. */
#define REFUSAL_LOG_MS 60000

/* A connection that came in. It stays for as long as it is open or a call of it is under
 * way. */
struct guest {
	struct blx__list link;
	struct blx__server *server;
	struct blx__conn *conn; /* NULL: closed, or the peers' now */
	bool is_local;          /* came by the unix socket */
	bool is_too_many;       /* it is let in to be told so */
	bool paused;
	uint8_t role; /* 0: has not said hello */
	unsigned calls;
	size_t calls_bytes;
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
	unsigned locals_count; /* of them, by the unix socket */
	unsigned peer_calls;
	size_t peer_calls_bytes;
	char refusal[BLX_ERROR_MESSAGE_SIZE]; /* that was logged last, and when */
	uint64_t refusal_ns;
	struct blx__buf scratch;
	bool closing;
	void (*closed_cb)(void *data);
	void *closed_data;
	struct blx__post closed_post;
};

/* ---- the end ---- */

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
		server->locals_count -= guest->is_local;
		blx__free(guest);
		closed_check(server);
	}
}

/* ---- calls ---- */

static void reply_to_guest(
	struct guest *guest, uint64_t id, const struct blx__response *response)
{
	struct blx__server *server = guest->server;
	int rv;

	if (guest->conn == NULL) {
		return; /* nobody is left to hear it */
	}
	blx__buf_reset(&server->scratch);
	blx__response_put(&server->scratch, response);
	rv = blx__buf_ok(&server->scratch)
		     ? blx__conn_send2(guest->conn, BLX__KIND_REPLY, id,
			       server->scratch.data, server->scratch.len, NULL, 0)
		     : BLX_ENOMEM;
	if (rv != 0 && rv != BLX_ECONNECT) {
		blx__conn_close(guest->conn); /* it would wait for an answer in vain */
	}
}

static void guest_call_ended(struct guest *guest, const struct call *call)
{
	guest->calls--;
	guest->calls_bytes -= call->request.body_len;
	if (guest->paused && guest->conn != NULL &&
		guest->calls_bytes < CALLS_BYTES_MAX / 2) {
		guest->paused = false;
		blx__conn_pause(guest->conn, false);
	}
	guest_check(guest); /* may free it */
}

static void guest_call_began(struct guest *guest, const struct call *call)
{
	guest->calls++;
	guest->calls_bytes += call->request.body_len;
	if (!guest->paused && guest->calls_bytes > CALLS_BYTES_MAX) {
		guest->paused = true;
		blx__conn_pause(guest->conn, true);
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
		guest_call_ended(guest, call);
	} else {
		/* One that is not connected any more asks again, or has given up. */
		(void)blx__peers_reply(
			server->node->peers, call->from, call->id, response);
		server->peer_calls--;
		server->peer_calls_bytes -= request->body_len;
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
	guest_call_began(guest, call);
	blx__request_submit(server->node, &call->request);
}

static void refuse_peer_call(struct blx__server *server, uint64_t from, uint64_t id,
	int code, const char *text)
{
	struct blx__response response = {.code = code,
		.outcome = BLX_NOT_APPLIED,
		.message = text,
		.message_len = strlen(text)};

	/* One that is not connected any more has learned so by itself. */
	(void)blx__peers_reply(server->node->peers, from, id, &response);
}

void blx__server_on_peer_call(
	struct blx__server *server, uint64_t from, const struct blx__frame *frame)
{
	struct call *call;
	int code;

	if (server->closing) {
		/* It was not begun: whoever leads next may do it. */
		refuse_peer_call(server, from, frame->id, BLX_ENOTLEADER,
			"the member is stopping");
		return;
	}
	if (server->peer_calls >= PEER_CALLS_MAX ||
		server->peer_calls_bytes + frame->len > PEER_CALLS_BYTES_MAX) {
		refuse_peer_call(server, from, frame->id, BLX_EBUSY,
			"too many calls of members are under way");
		return;
	}
	call = call_create(server, frame, &code);
	if (call == NULL) {
		refuse_peer_call(server, from, frame->id, code, blx_strerror(code));
		return;
	}
	call->from = from;
	server->peer_calls++;
	server->peer_calls_bytes += call->request.body_len;
	blx__request_submit(server->node, &call->request);
}

/* ---- coming in ---- */

static void own_hello(struct blx__node *node, struct blx__hello *ret_hello)
{
	*ret_hello = (struct blx__hello){.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_MEMBER,
		.id = node->identity.id,
		.instance = node->identity.instance,
		.incarnation = node->incarnation,
		.time_ms = blx__node_time_ms(node)};
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
	if (guest->is_too_many) {
		return blx__error_set(refusal, BLX_EBUSY,
			"%s has as many connections as it takes; close some",
			node->identity.name);
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

/* Who is refused tries again, and again. */
static void refusal_log(
	struct blx__server *server, const struct blx__hello *hello, const char *text)
{
	uint64_t now = blx__mono_ns(server->node->env);
	bool again = strcmp(server->refusal, text) == 0 &&
		     now - server->refusal_ns < (uint64_t)REFUSAL_LOG_MS * 1000000;

	blx__log(again ? BLX__LOG_DEBUG : BLX__LOG_WARN, "server", "%s: refused %s: %s",
		server->node->identity.name,
		hello != NULL && hello->name[0] != '\0' ? hello->name : "a connection",
		text);
	if (!again) {
		(void)snprintf(server->refusal, sizeof server->refusal, "%s", text);
		server->refusal_ns = now;
	}
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
		refusal_log(guest->server, hello, refusal.message);
		blx__conn_refuse(conn, &own, &refusal);
		return;
	}
	guest->role = hello->role;
	if (hello->role != BLX__ROLE_MEMBER) {
		blx__conn_limit(conn, BLX__CONN_QUEUE_CLIENT_MAX);
	}
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
	if (why->code == BLX_EPROTO || why->code == BLX_ECORRUPT) {
		refusal_log(guest->server, NULL, why->message);
	}
	guest->conn = NULL;
	guest_check(guest);
}

static const struct blx__conn_cbs guest_cbs = {
	.on_hello = on_guest_hello,
	.on_frame = on_guest_frame,
	.on_close = on_guest_close,
};

static struct guest *guest_create(struct blx__server *server, bool is_local)
{
	unsigned count = is_local ? server->locals_count
				  : server->guests_count - server->locals_count;
	unsigned max = is_local ? BLX__SERVER_CLIENTS_MAX : STRANGERS_MAX;
	struct guest *guest;

	if (count >= max + TOLD_MAX || server->closing) {
		return NULL;
	}
	guest = blx__calloc(1, sizeof *guest);
	if (guest != NULL) {
		guest->server = server;
		guest->is_local = is_local;
		guest->is_too_many = count >= max;
	}
	return guest;
}

static void on_accept(
	struct blx__listener *listener, struct blx__stream *stream, void *data)
{
	struct blx__server *server = data;
	struct blx__env *env = server->node->env;
	struct guest *guest = guest_create(server, listener == server->local);

	if (guest == NULL) {
		refusal_log(server, NULL, "too many connections");
		env->net->ops->close(stream);
		return;
	}
	if (blx__conn_accept(env, stream, &guest_cbs, guest, &guest->conn) != 0) {
		blx__free(guest);
		return;
	}
	server->guests_count++;
	server->locals_count += guest->is_local;
	blx__list_push_back(&server->guests, &guest->link);
}

/* ---- the whole ---- */

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
			blx__conn_leave(guest->conn); /* with the last answers */
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
