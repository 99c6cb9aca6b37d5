/* SPDX-License-Identifier: Apache-2.0 */
#include "node/peers.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Dialling anew: at once after a loss, then at longer and longer intervals. */
#define REDIAL_MIN_MS 50
#define REDIAL_MAX_MS 1000

/* A member that is removed keeps its connection for so long: for the answers that it
 * waits for, the one to its own removal among them. */
#define FAREWELL_MS 1000

/* How long the one with the smaller id waits for the other to dial. */
#define PATIENCE_MS 400

struct peer {
	struct blx__list link;
	struct blx__peers *peers;
	uint64_t id;
	uint64_t instance;    /* of its data directory as first seen; 0: not yet */
	uint64_t incarnation; /* of its run that conn is to */
	char name[BLX__NAME_LEN_MAX + 1];
	char address[BLX__ADDRESS_LEN_MAX + 1]; /* empty: not known */
	bool is_member;         /* of the configuration; else only let in */
	bool leaving;           /* no longer of it: gone when the timer runs out */
	bool unproven;          /* its instance is not durable here yet: it is not heard */
	struct blx__conn *conn; /* open; NULL: not connected */
	struct blx__conn *dial; /* of ours, under way */
	struct blx__timer timer;
	uint32_t backoff_ms;
	int dial_code; /* why dialling failed last, so that it is logged once */
	uint64_t heard_ns;
	struct blx__list calls; /* over conn, of peers->calls */
};

struct blx__peers {
	struct blx__peers_opts opts;
	struct blx__list list; /* struct peer */
	struct blx__calls calls;
	unsigned conns; /* of ours that are not gone */
	struct blx__buf scratch;
	bool configured; /* has seen a configuration: knows who is a member */
	uint64_t id_max; /* of all configurations seen: whoever has a greater one is newer */
	bool held;
	bool closing;
	void (*closed_cb)(void *data);
	void *closed_data;
	struct blx__post closed_post;
};

static struct peer *peer_of(struct blx__list *link)
{
	return blx__container_of(link, struct peer, link);
}

static struct peer *find(const struct blx__peers *peers, uint64_t id)
{
	struct blx__list *link;

	blx__list_foreach (link, &peers->list) {
		if (peer_of(link)->id == id) {
			return peer_of(link);
		}
	}
	return NULL;
}

static void own_hello(const struct blx__peers *peers, struct blx__hello *ret_hello)
{
	const struct blx__identity *identity = peers->opts.identity;

	*ret_hello = (struct blx__hello){.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_MEMBER,
		.id = identity->id,
		.instance = identity->instance,
		.incarnation = peers->opts.incarnation,
		.time_ms = peers->opts.cbs->time_ms(peers->opts.data)};
	memcpy(ret_hello->cluster_id, identity->cluster_id, sizeof ret_hello->cluster_id);
	(void)snprintf(ret_hello->name, sizeof ret_hello->name, "%s", identity->name);
}

/* ---- connections ---- */

static void dial_later(struct peer *peer, uint32_t delay_ms)
{
	struct blx__peers *peers = peer->peers;

	if (!peers->closing && peer->is_member && peer->conn == NULL &&
		peer->dial == NULL) {
		/* Without memory for the timer the next change of the configuration
		 * dials. */
		(void)blx__timer_start_ms(peers->opts.env, &peer->timer, delay_ms);
	}
}

static void dial_again(struct peer *peer)
{
	struct blx__peers *peers = peer->peers;
	uint32_t jitter =
		(uint32_t)(blx__random_u64(peers->opts.env) % (peer->backoff_ms + 1));

	dial_later(peer, peer->backoff_ms / 2 + jitter +
				 (peers->opts.identity->id < peer->id ? PATIENCE_MS : 0));
	peer->backoff_ms = peer->backoff_ms * 2 > REDIAL_MAX_MS ? REDIAL_MAX_MS
								: peer->backoff_ms * 2;
}

static void closed_check(struct blx__peers *peers)
{
	if (peers->closing && peers->conns == 0) {
		blx__env_post(peers->opts.env, &peers->closed_post);
	}
}

static void on_closed_post(struct blx__post *post)
{
	struct blx__peers *peers = post->data;

	blx__calls_tell(&peers->calls);
	peers->closed_cb(peers->closed_data);
}

/* One that is nobody's any more: only counted until it is gone. */
static void on_dropped_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct blx__peers *peers = data;

	(void)conn;
	(void)why;
	peers->conns--;
	closed_check(peers);
}

static void on_dropped_frame(
	struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	(void)conn;
	(void)frame;
	(void)data;
}

static void on_dropped_open(
	struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	(void)hello;
	(void)data;
	blx__conn_close(conn);
}

static const struct blx__conn_cbs dropped_cbs = {
	.on_hello = on_dropped_open,
	.on_open = on_dropped_open,
	.on_frame = on_dropped_frame,
	.on_close = on_dropped_close,
};

static void drop(struct blx__peers *peers, struct blx__conn **conn)
{
	if (*conn != NULL) {
		blx__conn_set_cbs(*conn, &dropped_cbs, peers);
		blx__conn_close(*conn);
		*conn = NULL;
	}
}

static void link_lost(struct peer *peer)
{
	struct blx__peers *peers = peer->peers;

	peer->conn = NULL;
	blx__calls_lose(&peers->calls, &peer->calls);
	peers->opts.cbs->on_link(peer->id, false, peers->opts.data);
}

static void on_conn_frame(
	struct blx__conn *conn, const struct blx__frame *frame, void *data)
{
	struct peer *peer = data;
	struct blx__peers *peers = peer->peers;

	(void)conn;
	peer->heard_ns = blx__mono_ns(peers->opts.env);
	if (frame->kind == BLX__KIND_REPLY) {
		blx__calls_on_reply(&peers->calls, &peer->calls, frame);
	} else {
		peers->opts.cbs->on_frame(peer->id, frame, peers->opts.data);
	}
}

/* One line for each kind of failure, until a connection stands again: dialling goes on.
 */
static void dial_failed(struct peer *peer, const blx_error *why)
{
	bool is_plain = why->code == BLX_OK || why->code == BLX_ECONNECT ||
			why->code == BLX_ECANCELED || why->code == BLX_EBUSY ||
			why->code == BLX_ETIMEOUT;

	if (why->code != peer->dial_code) {
		blx__log(is_plain ? BLX__LOG_DEBUG : BLX__LOG_WARN, "peers",
			"%s: dial %s at %s: %s", peer->peers->opts.identity->name,
			peer->name, peer->address, why->message);
		peer->dial_code = why->code;
	}
}

static void on_conn_close(struct blx__conn *conn, const blx_error *why, void *data)
{
	struct peer *peer = data;
	struct blx__peers *peers = peer->peers;
	bool was_open = peer->conn == conn;

	peers->conns--;
	if (!was_open) {
		dial_failed(peer, why);
	}
	if (peer->dial == conn) {
		peer->dial = NULL;
	}
	if (was_open) {
		link_lost(peer);
	}
	dial_again(peer);
	closed_check(peers);
}

/* Is it the one that we know by this id? A directory that was wiped and kept its id has
 * forgotten its votes and entries: to take it for the same member would break raft. */
static int identity_check(
	struct peer *peer, const struct blx__hello *hello, blx_error *error)
{
	if (peer->is_member && peer->name[0] != '\0' &&
		strcmp(peer->name, hello->name) != 0) {
		return blx__error_set(error, BLX_EPERM,
			"member %llu is %s, and %s says it were it",
			(unsigned long long)peer->id, peer->name, hello->name);
	}
	if (hello->instance == 0) {
		return blx__error_set(error, BLX_EPROTO,
			"%s does not tell which data directory it has", hello->name);
	}
	if (peer->instance != 0 && peer->instance != hello->instance) {
		return blx__error_set(error, BLX_EPERM,
			"%s has another data directory than before: a member that lost "
			"its disk must be removed and join anew, with an empty directory",
			hello->name);
	}
	return 0;
}

static void on_conn_open(
	struct blx__conn *conn, const struct blx__hello *hello, void *data);

static const struct blx__conn_cbs conn_cbs = {
	.on_open = on_conn_open,
	.on_frame = on_conn_frame,
	.on_close = on_conn_close,
};

/* The connection is the peer's from now on; one that there was gives way. */
static void on_known(uint64_t id, int status, void *data)
{
	struct blx__peers *peers = data;
	struct peer *peer = find(peers, id);

	if (status != 0) {
		blx__log(BLX__LOG_ERROR, "peers", "%s: remember member %llu: %s",
			peers->opts.identity->name, (unsigned long long)id,
			blx_strerror(status));
	}
	if (peer == NULL) {
		return;
	}
	peer->unproven = false;
	if (status != 0) {
		peer->instance = 0;
	}
	if (peer->conn != NULL && status != 0) {
		blx__conn_close(peer->conn);
	} else if (peer->conn != NULL) {
		blx__conn_pause(peer->conn, false);
	}
}

/* Nothing a member says counts before it is durable which directory it says it from. */
static void prove(struct peer *peer)
{
	struct blx__peers *peers = peer->peers;
	struct blx__known *known = peers->opts.known;

	if (known != NULL && !peer->unproven && blx__known_instance(known, peer->id) == 0) {
		peer->unproven = true;
		if (blx__known_add(known, peer->id, peer->instance, on_known, peers) != 0) {
			peer->unproven = false;
			blx__conn_close(peer->conn); /* no memory; it comes again */
			return;
		}
	}
	if (peer->unproven) {
		blx__conn_pause(peer->conn, true);
	}
}

static void link_made(
	struct peer *peer, struct blx__conn *conn, const struct blx__hello *hello)
{
	struct blx__peers *peers = peer->peers;
	struct blx__conn *old = peer->conn;

	peer->instance = hello->instance;
	peer->incarnation = hello->incarnation;
	peer->dial_code = 0;
	if (old != NULL) {
		link_lost(peer);
		drop(peers, &old);
	}
	peer->conn = conn;
	peer->backoff_ms = REDIAL_MIN_MS;
	peer->heard_ns = blx__mono_ns(peers->opts.env);
	blx__timer_stop(peers->opts.env, &peer->timer);
	blx__conn_hold(conn, peers->held);
	prove(peer);
	peers->opts.cbs->on_link(peer->id, true, peers->opts.data);
}

/* Who answered at the address? */
static int dialled_check(
	struct peer *peer, const struct blx__hello *hello, blx_error *error)
{
	const struct blx__identity *own = peer->peers->opts.identity;

	if (memcmp(hello->cluster_id, own->cluster_id, sizeof own->cluster_id) != 0) {
		return blx__error_set(error, BLX_ECLUSTER,
			"%s answers, of another cluster", hello->name);
	}
	if (hello->role != BLX__ROLE_MEMBER || hello->id != peer->id) {
		return blx__error_set(
			error, BLX_EPERM, "%s answers, another member", hello->name);
	}
	return identity_check(peer, hello, error);
}

static void on_conn_open(
	struct blx__conn *conn, const struct blx__hello *hello, void *data)
{
	struct peer *peer = data;
	struct blx__peers *peers = peer->peers;
	blx_error why = BLX_ERROR_INIT;

	if (dialled_check(peer, hello, &why) != 0) {
		dial_failed(peer, &why);
		blx__conn_close(conn);
		return;
	}
	if (peer->conn != NULL && peer->id > peers->opts.identity->id) {
		blx__conn_close(conn); /* the other's dialling counts */
		return;
	}
	peer->dial = NULL; /* it is peer->conn from here on */
	link_made(peer, conn, hello);
}

static void peer_destroy(struct peer *peer);

static void on_dial_timer(struct blx__timer *timer)
{
	struct peer *peer = timer->data;
	struct blx__peers *peers = peer->peers;
	struct blx__hello hello;
	blx_error error = BLX_ERROR_INIT;

	if (peer->leaving) {
		peer_destroy(peer);
		return;
	}
	if (peer->conn != NULL || peer->dial != NULL || peers->closing ||
		peer->address[0] == '\0') {
		return;
	}
	own_hello(peers, &hello);
	if (blx__conn_connect(peers->opts.env, peer->address, &hello, &conn_cbs, peer,
		    &peer->dial, &error) != 0) {
		dial_failed(peer, &error);
		dial_again(peer);
		return;
	}
	peers->conns++;
}

/* ---- who they are ---- */

static struct peer *peer_create(struct blx__peers *peers, uint64_t id)
{
	struct peer *peer = blx__calloc(1, sizeof *peer);

	if (peer == NULL) {
		return NULL;
	}
	peer->peers = peers;
	peer->id = id;
	if (peers->opts.known != NULL) {
		peer->instance = blx__known_instance(peers->opts.known, id);
	}
	peer->backoff_ms = REDIAL_MIN_MS;
	blx__list_init(&peer->calls);
	blx__timer_init(&peer->timer, on_dial_timer, peer);
	blx__list_push_back(&peers->list, &peer->link);
	return peer;
}

static void peer_destroy(struct peer *peer)
{
	struct blx__peers *peers = peer->peers;
	struct blx__conn *conn = peer->conn;

	blx__timer_stop(peers->opts.env, &peer->timer);
	if (conn != NULL) {
		link_lost(peer);
		drop(peers, &conn);
	}
	drop(peers, &peer->dial);
	blx__list_remove(&peer->link);
	blx__free(peer);
}

static void peer_farewell(struct peer *peer)
{
	struct blx__env *env = peer->peers->opts.env;

	peer->is_member = false;
	peer->leaving = true;
	drop(peer->peers, &peer->dial);
	if (blx__timer_start_ms(env, &peer->timer, FAREWELL_MS) != 0) {
		peer_destroy(peer);
	}
}

static void configure_one(struct blx__peers *peers, const struct raft_server *server)
{
	struct peer *peer = find(peers, server->id);

	if (server->id == peers->opts.identity->id) {
		return;
	}
	if (peer == NULL) {
		peer = peer_create(peers, server->id);
	}
	if (peer == NULL) {
		return; /* no memory: the next change of the configuration tries again */
	}
	if (blx__server_address_split(server->address, peer->name, peer->address) != 0) {
		peer->address[0] = '\0';
	}
	if (!peer->is_member) {
		peer->is_member = true;
		peer->leaving = false;
		dial_later(peer, peers->opts.identity->id > peer->id ? 0 : PATIENCE_MS);
	}
}

static bool has_server(const struct raft_configuration *conf, uint64_t id)
{
	unsigned i;

	for (i = 0; conf != NULL && i < conf->n; i++) {
		if (conf->servers[i].id == id) {
			return true;
		}
	}
	return false;
}

static void configure_all(struct blx__peers *peers, const struct raft_configuration *conf)
{
	unsigned i;

	for (i = 0; conf != NULL && i < conf->n; i++) {
		if (conf->servers[i].id > peers->id_max) {
			peers->id_max = conf->servers[i].id;
		}
		configure_one(peers, &conf->servers[i]);
	}
}

void blx__peers_configure2(struct blx__peers *peers, const struct raft_configuration *latest,
	const struct raft_configuration *committed)
{
	struct blx__list *link;
	struct blx__list *tmp;

	if (peers->closing || latest->n == 0) {
		return;
	}
	peers->configured = true;
	blx__list_foreach_safe (link, tmp, &peers->list) {
		struct peer *peer = peer_of(link);

		if (peer->id <= peers->id_max && !peer->leaving &&
			!has_server(latest, peer->id) && !has_server(committed, peer->id)) {
			peer_farewell(peer);
		}
	}
	configure_all(peers, committed);
	configure_all(peers, latest);
}

void blx__peers_configure(struct blx__peers *peers, const struct raft_configuration *conf)
{
	blx__peers_configure2(peers, conf, NULL);
}

/* One that has just joined knows nobody yet, and trusts whoever knows the cluster's id. So does
 * one that lags behind and has no leader with a newer member, which may lead by now (dissertation
 * 4.1: a server takes entries from a leader that is not in its configuration). Ids grow, so any
 * other that it does not know was removed. */
static bool may_be_leader(const struct blx__peers *peers, const struct blx__hello *hello)
{
	return hello->id > peers->id_max && peers->opts.cbs->is_lost != NULL &&
		peers->opts.cbs->is_lost(peers->opts.data);
}

int blx__peers_admit(
	struct blx__peers *peers, const struct blx__hello *hello, blx_error *refusal)
{
	const struct blx__identity *own = peers->opts.identity;
	char theirs[BLX__CLUSTER_ID_TEXT];
	char ours[BLX__CLUSTER_ID_TEXT];
	struct peer *peer;

	if (memcmp(hello->cluster_id, own->cluster_id, sizeof own->cluster_id) != 0) {
		blx__cluster_id_text(hello->cluster_id, theirs);
		blx__cluster_id_text(own->cluster_id, ours);
		return blx__error_set(refusal, BLX_ECLUSTER,
			"%s is of cluster %s, this is %s of cluster %s", hello->name,
			theirs, own->name, ours);
	}
	if (peers->closing) {
		return blx__error_set(
			refusal, BLX_EUNAVAILABLE, "%s is stopping", own->name);
	}
	if (hello->id == own->id) {
		return blx__error_set(refusal, BLX_EPERM, "%s has the id of %s",
			hello->name, own->name);
	}
	peer = find(peers, hello->id);
	if (peers->configured && (peer == NULL || !peer->is_member) &&
		!may_be_leader(peers, hello)) {
		return blx__error_set(refusal, BLX_ENOTMEMBER,
			"%s does not know %s as a member of the cluster", own->name,
			hello->name);
	}
	/* Of another run: the connection we have is to a process that is gone. */
	if (peer != NULL && peer->conn != NULL && peer->id < own->id &&
		peer->incarnation == hello->incarnation) {
		return blx__error_set(
			refusal, BLX_EBUSY, "%s is connected already", hello->name);
	}
	return peer != NULL ? identity_check(peer, hello, refusal) : 0;
}

void blx__peers_adopt(
	struct blx__peers *peers, struct blx__conn *conn, const struct blx__hello *hello)
{
	struct peer *peer = find(peers, hello->id);

	peers->conns++;
	if (peer == NULL && !peers->closing) {
		peer = peer_create(peers, hello->id);
	}
	if (peer == NULL) {
		blx__conn_set_cbs(conn, &dropped_cbs, peers);
		blx__conn_close(conn);
		return;
	}
	if (peer->name[0] == '\0') {
		(void)snprintf(peer->name, sizeof peer->name, "%s", hello->name);
	}
	blx__conn_set_cbs(conn, &conn_cbs, peer);
	link_made(peer, conn, hello);
}

/* ---- the whole ---- */

int blx__peers_create(const struct blx__peers_opts *opts, struct blx__peers **ret_peers)
{
	struct blx__peers *peers = blx__calloc(1, sizeof *peers);

	if (peers == NULL) {
		return BLX_ENOMEM;
	}
	peers->opts = *opts;
	blx__list_init(&peers->list);
	blx__calls_init(&peers->calls, opts->env);
	blx__buf_init(&peers->scratch);
	blx__post_init(&peers->closed_post, on_closed_post, peers);
	*ret_peers = peers;
	return 0;
}

void blx__peers_close(struct blx__peers *peers, void (*cb)(void *data), void *data)
{
	struct blx__list *link;
	struct blx__list *tmp;

	peers->closing = true;
	peers->calls.lost_code = BLX_ECANCELED;
	peers->closed_cb = cb;
	peers->closed_data = data;
	blx__list_foreach_safe (link, tmp, &peers->list) {
		peer_destroy(peer_of(link));
	}
	closed_check(peers);
}

void blx__peers_destroy(struct blx__peers *peers)
{
	if (peers == NULL) {
		return;
	}
	while (!blx__list_empty(&peers->list)) {
		/* Never begun: nothing is connected. */
		peer_destroy(peer_of(peers->list.next));
	}
	blx__calls_finish(&peers->calls);
	blx__buf_finish(&peers->scratch);
	blx__free(peers);
}

bool blx__peers_connected(const struct blx__peers *peers, uint64_t id)
{
	const struct peer *peer = find(peers, id);

	return peer != NULL && peer->conn != NULL;
}

uint64_t blx__peers_heard_ns(const struct blx__peers *peers, uint64_t id)
{
	const struct peer *peer = find(peers, id);

	return peer != NULL ? peer->heard_ns : 0;
}

int blx__peers_send(struct blx__peers *peers, uint64_t id, uint16_t kind,
	const void *payload, size_t len)
{
	struct peer *peer = find(peers, id);

	if (peer == NULL || peer->conn == NULL) {
		return BLX_ECONNECT;
	}
	return blx__conn_send2(peer->conn, kind, 0, payload, len, NULL, 0);
}

int blx__peers_reply(struct blx__peers *peers, uint64_t id, uint64_t call_id,
	const struct blx__response *response)
{
	struct peer *peer = find(peers, id);
	struct blx__buf *bytes = &peers->scratch;

	if (peer == NULL || peer->conn == NULL) {
		return BLX_ECONNECT;
	}
	blx__buf_reset(bytes);
	blx__response_put(bytes, response);
	return blx__buf_ok(bytes) ? blx__conn_send2(peer->conn, BLX__KIND_REPLY, call_id,
					    bytes->data, bytes->len, NULL, 0)
				  : BLX_ENOMEM;
}

int blx__peers_call(struct blx__peers *peers, uint64_t id,
	const struct blx__call_head *head, const void *body, size_t len,
	blx__peer_call_cb cb, void *data)
{
	struct blx__ask_peer ask = {
		.head = head, .body = body, .len = len, .cb = cb, .data = data};
	struct peer *peer = find(peers, id);

	if (peer == NULL || peer->conn == NULL) {
		return BLX_ECONNECT;
	}
	return blx__calls_begin(&peers->calls, &peer->calls, peer->conn, &ask);
}

void blx__peers_hold(struct blx__peers *peers, bool hold)
{
	struct blx__list *link;

	if (peers == NULL || peers->held == hold) {
		return;
	}
	peers->held = hold;
	blx__list_foreach (link, &peers->list) {
		if (peer_of(link)->conn != NULL) {
			blx__conn_hold(peer_of(link)->conn, hold);
		}
	}
}
