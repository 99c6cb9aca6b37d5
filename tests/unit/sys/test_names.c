/* SPDX-License-Identifier: Apache-2.0 */
/* Streams to hosts that are given by name. */
#include "sys/stream.h"

#include "support/test.h"
#include "sys/address.h"
#include "sys/uv_env.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the names of the test's own, in the place of libc's getaddrinfo()
 * ------------------
 */

/* All of 127.0.0.0/8 is this host. Only 127.0.0.1 is listened at; 255.255.255.255 fails
 * in connect() itself. */
static const struct {
	const char *name;
	const char *addresses[4];
} names[] = {
	{"one.test", {"127.0.0.1"}}, {"second.test", {"127.0.0.2", "127.0.0.1"}},
	{"last.test", {"255.255.255.255", "127.0.0.2", "127.0.0.3", "127.0.0.1"}},
	{"dead.test", {"127.0.0.2", "127.0.0.3"}},
	{"nowhere.test", {"127.0.0.2", "255.255.255.255"}},
	{"slow.test", {"127.0.0.1"}}, /* not before let_go */
};

static sigset_t blocked; /* in the thread that looked up */
static atomic_uint looked_up;
static atomic_bool let_go;
static atomic_int found_count; /* that were given out and not freed */

static struct addrinfo *found_make(
	const char *address, const char *port, struct addrinfo *next)
{
	struct addrinfo *found = calloc(1, sizeof *found + sizeof(struct sockaddr_in));
	struct sockaddr_in *in;

	if (found == NULL) {
		abort();
	}
	in = (struct sockaddr_in *)(found + 1);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(port));
	(void)inet_pton(AF_INET, address, &in->sin_addr);
	found->ai_family = AF_INET;
	found->ai_socktype = SOCK_STREAM;
	found->ai_addr = (struct sockaddr *)in;
	found->ai_addrlen = sizeof *in;
	found->ai_next = next;
	atomic_fetch_add(&found_count, 1);
	return found;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *found)
{
	while (found != NULL) {
		struct addrinfo *next = found->ai_next;

		free(found);
		atomic_fetch_sub(&found_count, 1);
		found = next;
	}
}

/* Visible, or libuv would not find it. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node,
	const char *service, const struct addrinfo *hints, struct addrinfo **ret_found)
{
	struct addrinfo *found = NULL;
	size_t i;
	int k;

	(void)hints;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	atomic_fetch_add(&looked_up, 1);
	while (strcmp(node, "slow.test") == 0 && !atomic_load(&let_go)) {
		(void)sched_yield();
	}
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		for (k = 3; k >= 0 && strcmp(node, names[i].name) == 0; k--) {
			if (names[i].addresses[k] != NULL) {
				found = found_make(names[i].addresses[k], service, found);
			}
		}
	}
	*ret_found = found;
	return found != NULL ? 0 : EAI_NONAME;
}

/* ---- one client
 * -------------------------------------------------------------------------
 */

static struct blx__env *env;
static const struct blx__net_ops *net;
static struct blx__listener *listener;
static struct blx__stream *stream;
static unsigned accepted;
static unsigned connected;
static unsigned closed;
static unsigned written;
static int status;
static char text[512];

static void on_connect(struct blx__stream *from, void *data)
{
	(void)data;
	connected++;
	net->write(from, (const uint8_t *)"x", 1);
}

static void on_read(
	struct blx__stream *from, const uint8_t *bytes, size_t len, void *data)
{
	(void)from;
	(void)bytes;
	(void)len;
	(void)data;
}

static void on_written(struct blx__stream *from, void *data)
{
	(void)data;
	written++;
	net->close(from);
}

static void on_close(struct blx__stream *from, int code, const char *why, void *data)
{
	(void)from;
	(void)data;
	closed++;
	status = code;
	stream = NULL;
	(void)snprintf(text, sizeof text, "%s", why);
}

static void on_server_close(
	struct blx__stream *from, int code, const char *why, void *data)
{
	(void)from;
	(void)code;
	(void)why;
	--*(unsigned *)data;
}

static const struct blx__stream_cbs cbs = {.on_connect = on_connect,
	.on_read = on_read,
	.on_written = on_written,
	.on_close = on_close};

static const struct blx__stream_cbs server_cbs = {
	.on_read = on_read, .on_close = on_server_close};

static unsigned served; /* streams of the listener that are open */

static void on_accept(struct blx__listener *from, struct blx__stream *one, void *data)
{
	(void)from;
	(void)data;
	accepted++;
	served++;
	net->accept(one, &server_cbs, &served);
}

static void step(int timeout_max_ms)
{
	struct pollfd fd = {.fd = blx__uv_env_fd(env), .events = POLLIN};
	int timeout_ms = blx__uv_env_timeout_ms(env);

	if (timeout_ms < 0 || timeout_ms > timeout_max_ms) {
		timeout_ms = timeout_max_ms;
	}
	(void)poll(&fd, 1, timeout_ms);
	blx__uv_env_process(env);
}

#define UNTIL(what)                                                                      \
	do {                                                                             \
		while (!(what)) {                                                        \
			step(1000);                                                      \
		}                                                                        \
	} while (0)

static void begin(void)
{
	cr_assert_eq(blx__uv_env_create(&env, NULL), 0);
	net = env->net->ops;
	cr_assert_eq(
		net->listen(env->net, "127.0.0.1:0", on_accept, NULL, &listener, NULL),
		0);
}

/* Of the test itself: what fails in its .fini does not fail it. */
static void end(void)
{
	net->listener_close(listener);
	UNTIL(stream == NULL && served == 0);
	blx__uv_env_destroy(env);
	cr_assert_eq(atomic_load(&found_count), 0, "what was found is kept");
}

/* name:port of the listener. */
static void connect_to(const char *name, char ret_address[BLX__ADDRESS_TEXT_SIZE])
{
	blx_error error = BLX_ERROR_INIT;

	(void)snprintf(ret_address, BLX__ADDRESS_TEXT_SIZE, "%s:%s", name,
		strrchr(net->listener_address(listener), ':') + 1);
	cr_assert_eq(net->connect(env->net, ret_address, &cbs, NULL, &stream, &error), 0,
		"%s", error.message);
	cr_assert_eq(connected + closed, 0, "not inside the call");
}

static void reaches(const char *name)
{
	char address[BLX__ADDRESS_TEXT_SIZE];

	connect_to(name, address);
	UNTIL(closed);
	cr_assert_eq(connected, 1, "%s", text);
	cr_assert_eq(written, 1);
	cr_assert_eq(status, BLX_ECANCELED, "%s", text);
	UNTIL(accepted == 1);
}

Test(names, of_one_address_are_connected, .init = begin, .timeout = 60)
{
	reaches("one.test");
	end();
}

Test(names, whose_first_address_refuses_are_tried_at_the_second, .init = begin,
	.timeout = 60)
{
	reaches("second.test");
	end();
}

Test(names, are_tried_at_each_address_however_the_others_fail, .init = begin,
	.timeout = 60)
{
	reaches("last.test");
	end();
}

static void fails(const char *name, int code, const char *why)
{
	char address[BLX__ADDRESS_TEXT_SIZE];
	char want[BLX__ADDRESS_TEXT_SIZE + 64];

	connect_to(name, address);
	UNTIL(closed);
	(void)snprintf(want, sizeof want, why, address);
	cr_assert_str_eq(text, want);
	cr_assert_eq(status, code);
	cr_assert_eq(connected, 0);
	cr_assert_eq(closed, 1);
}

Test(names, that_refuse_everywhere_are_told_as_they_were_given, .init = begin,
	.timeout = 60)
{
	fails("dead.test", BLX_ECONNECT, "connect %s: Connection refused");
	end();
}

Test(names, whose_last_address_fails_at_once_are_told_later_all_the_same, .init = begin,
	.timeout = 60)
{
	fails("nowhere.test", BLX_ECONNECT, "connect %s: Network is unreachable");
	end();
}

Test(names, that_nobody_knows_are_told, .init = begin, .timeout = 60)
{
	fails("unknown.test", BLX_ECONNECT, "look up %s: unknown node or service");
	end();
}

/* At each step of the way in turn: looking up, the first address, the second, and so on.
 */
Test(names, may_be_given_up_at_any_step, .init = begin, .timeout = 60)
{
	char address[BLX__ADDRESS_TEXT_SIZE];
	unsigned steps;
	unsigned i;

	for (steps = 0; steps < 12; steps++) {
		connected = closed = written = 0;
		connect_to("last.test", address);
		for (i = 0; i < steps && stream != NULL; i++) {
			step(1000);
		}
		if (stream != NULL) {
			net->close(stream);
		}
		UNTIL(closed);
		step(0);
		cr_assert_eq(closed, 1);
		cr_assert_eq(status, BLX_ECANCELED, "%s", text);
	}
	end();
}

/* Too late to be called off: what is found for nobody is dropped. */
Test(names, may_be_given_up_while_they_are_looked_up, .init = begin, .timeout = 60)
{
	char address[BLX__ADDRESS_TEXT_SIZE];

	connect_to("slow.test", address);
	while (atomic_load(&looked_up) == 0) {
		(void)sched_yield();
	}
	net->close(stream);
	step(0);
	cr_assert_eq(closed, 0, "the stream is in use until then");
	atomic_store(&let_go, true);
	UNTIL(closed);
	cr_assert_eq(status, BLX_ECANCELED, "%s", text);
	cr_assert_eq(connected, 0);
	end();
}

Test(names, are_looked_up_where_no_signal_of_the_host_goes, .init = begin, .timeout = 60)
{
	sigset_t own;

	reaches("one.test");
	cr_assert_eq(atomic_load(&looked_up), 1);
	cr_assert(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGUSR1));
	cr_assert_eq(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
	cr_assert_not(sigismember(&own, SIGTERM), "and the caller's are as before");
	end();
}

Test(names, may_be_listened_at, .init = begin, .timeout = 60)
{
	struct blx__listener *named;
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(net->listen(env->net, "one.test:0", on_accept, NULL, &named, &error),
		0, "%s", error.message);
	cr_assert_eq(strncmp(net->listener_address(named), "127.0.0.1:", 10), 0);
	net->listener_close(named);
	cr_assert_eq(
		net->listen(env->net, "unknown.test:0", on_accept, NULL, &named, &error),
		BLX_EINVAL);
	cr_assert_eq(strncmp(error.message, "listen at unknown.test:0: ", 26), 0, "%s",
		error.message);
	end();
}
