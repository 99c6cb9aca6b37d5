/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/stream.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "scratch.h"
#include "support/test.h"
#include "sys/address.h"
#include "sys/uv_env.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct blx__env *env;
static const struct blx__net_ops *net;
static char dir[SCRATCH_SIZE];
static char unix_address[SCRATCH_SIZE + 16];

/* One end of a connection and what happened to it. */
struct side {
	struct blx__stream *stream;
	struct side *echo_to; /* what comes in is written there */
	bool close_on_read;
	bool close_on_connect;
	unsigned connected;
	unsigned written;
	unsigned closed;
	int status;
	char text[512];
	size_t read_len;
	uint32_t read_crc;
	char read_head[64];
	uint8_t out[512];
};

static struct side client;
static struct side server;
static struct blx__listener *listener;
static unsigned accepted;

static void begin(void)
{
	cr_assert_eq(blx__uv_env_create(&env, NULL), 0);
	net = env->net->ops;
	client = (struct side){.stream = NULL};
	server = (struct side){.stream = NULL};
	listener = NULL;
	accepted = 0;
	scratch_make(dir);
	(void)snprintf(unix_address, sizeof unix_address, "unix:%s/sock", dir);
}

static void on_connect(struct blx__stream *stream, void *data)
{
	struct side *side = data;

	side->connected++;
	if (side->close_on_connect) {
		net->close(stream);
	}
}

static void on_read(
	struct blx__stream *stream, const uint8_t *bytes, size_t len, void *data)
{
	struct side *side = data;
	size_t i;

	for (i = 0; i < len && side->read_len + i + 1 < sizeof side->read_head; i++) {
		side->read_head[side->read_len + i] = (char)bytes[i];
	}
	side->read_len += len;
	side->read_crc = blx__crc32c(side->read_crc, bytes, len);
	if (side->close_on_read) {
		net->close(stream);
		net->close(stream);
	} else if (side->echo_to != NULL && len <= sizeof side->out) {
		memcpy(side->out, bytes, len);
		net->write(side->echo_to->stream, side->out, len);
	}
}

static void on_written(struct blx__stream *stream, void *data)
{
	(void)stream;
	((struct side *)data)->written++;
}

static void on_close(struct blx__stream *stream, int status, const char *text, void *data)
{
	struct side *side = data;

	(void)stream;
	side->closed++;
	side->status = status;
	(void)snprintf(side->text, sizeof side->text, "%s", text);
	side->stream = NULL;
}

static const struct blx__stream_cbs cbs = {.on_connect = on_connect,
	.on_read = on_read,
	.on_written = on_written,
	.on_close = on_close};

static void on_accept(struct blx__listener *from, struct blx__stream *stream, void *data)
{
	(void)from;
	(void)data;
	accepted++;
	server.stream = stream;
	net->accept(stream, &cbs, &server);
}

static void listen_at(const char *address)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(net->listen(env->net, address, on_accept, NULL, &listener, &error),
		0, "%s", error.message);
}

static void connect_to(const char *address, struct side *side)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(net->connect(env->net, address, &cbs, side, &side->stream, &error),
		0, "%s", error.message);
	cr_assert_eq(side->connected + side->closed, 0, "not inside the call");
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

/* Until it is so; the test's own time limit ends one that never is. */
#define UNTIL(what)                                                                      \
	do {                                                                             \
		while (!(what)) {                                                        \
			step(1000);                                                      \
		}                                                                        \
	} while (0)

/* Whatever is ready has happened: nothing more comes of it. */
static void settle(void)
{
	int i;

	for (i = 0; i < 20; i++) {
		step(0);
	}
}

static void end(void)
{
	if (client.stream != NULL) {
		net->close(client.stream);
	}
	if (server.stream != NULL) {
		net->close(server.stream);
	}
	if (listener != NULL) {
		net->listener_close(listener);
	}
	UNTIL(client.stream == NULL && server.stream == NULL);
	settle();
	blx__uv_env_destroy(env);
	scratch_remove(dir);
}

static void write_text(struct side *side, const char *text)
{
	net->write(side->stream, (const uint8_t *)text, strlen(text));
}

static void connect_both(const char *address)
{
	listen_at(address);
	connect_to(net->listener_address(listener), &client);
	UNTIL(client.connected && accepted);
}

/* ---- bytes --------------------------------------------------------------------------
 */

static void echoes(const char *address)
{
	connect_both(address);
	server.echo_to = &server;
	write_text(&client, "hello");
	cr_assert_eq(client.written, 0, "not inside the call");
	UNTIL(client.read_len == 5 && client.written == 1 && server.written == 1);
	cr_assert_str_eq(client.read_head, "hello");
	write_text(&client, "again");
	UNTIL(client.read_len == 10);
	cr_assert_str_eq(client.read_head, "helloagain");

	net->close(client.stream);
	cr_assert_eq(client.closed, 0, "not inside the call");
	UNTIL(client.closed && server.closed);
	cr_assert_eq(client.status, BLX_ECANCELED);
	cr_assert_eq(server.status, BLX_OK, "%s", server.text);
	cr_assert_not_null(strstr(server.text, "closed by the peer"), "%s", server.text);
}

Test(stream, bytes_go_both_ways_over_tcp, .init = begin, .fini = end, .timeout = 60)
{
	echoes("127.0.0.1:0");
}

Test(stream, bytes_go_both_ways_over_a_unix_socket, .init = begin, .fini = end,
	.timeout = 60)
{
	echoes(unix_address);
	cr_assert_str_eq(net->listener_address(listener), unix_address);
}

Test(stream, bytes_go_both_ways_over_ipv6, .init = begin, .fini = end, .timeout = 60)
{
	struct blx__listener *probe;

	if (net->listen(env->net, "[::1]:0", on_accept, NULL, &probe, NULL) != 0) {
		scratch_remove(dir);
		cr_skip_test("there is no IPv6 here");
	}
	net->listener_close(probe);
	echoes("[::1]:0");
	cr_assert_eq(strncmp(net->listener_address(listener), "[::1]:", 6), 0);
}

Test(stream, a_name_is_looked_up, .init = begin, .fini = end, .timeout = 60)
{
	char address[64];

	listen_at("127.0.0.1:0");
	(void)snprintf(address, sizeof address, "localhost:%s",
		strrchr(net->listener_address(listener), ':') + 1);
	connect_to(address, &client);
	UNTIL(client.connected || client.closed);
	if (client.closed) {
		cr_assert_not_null(strstr(client.text, "localhost"), "%s", client.text);
	}
}

enum { LARGE = 8 * 1024 * 1024 };

static void large_write_waits(const char *address)
{
	uint8_t *large = blx__malloc(LARGE);
	uint32_t crc;
	size_t i;

	for (i = 0; i < LARGE; i++) {
		large[i] = (uint8_t)(i * 2654435761u >> 13);
	}
	crc = blx__crc32c(0, large, LARGE);
	connect_both(address);
	net->read_pause(server.stream, true);
	net->write(client.stream, large, LARGE);
	settle();
	cr_assert_eq(server.read_len, 0);
	cr_assert_eq(client.written, 0, "more than the system holds for a peer");

	net->read_pause(server.stream, false);
	UNTIL(server.read_len == LARGE && client.written == 1);
	cr_assert_eq(server.read_crc, crc);
	blx__free(large);
}

Test(stream, a_large_write_over_tcp_waits_for_its_reader, .init = begin, .fini = end,
	.timeout = 60)
{
	large_write_waits("127.0.0.1:0");
}

Test(stream, a_large_write_over_unix_waits_for_its_reader, .init = begin, .fini = end,
	.timeout = 60)
{
	large_write_waits(unix_address);
}

/* ---- closing ------------------------------------------------------------------------
 */

Test(stream, closed_during_a_write_gives_the_bytes_back_by_its_end_alone, .init = begin,
	.fini = end, .timeout = 60)
{
	uint8_t *large = blx__calloc(1, LARGE);

	connect_both(unix_address);
	net->read_pause(server.stream, true);
	net->write(client.stream, large, LARGE);
	settle();
	net->close(client.stream);
	net->close(client.stream);
	UNTIL(client.closed);
	blx__free(large);
	settle();
	cr_assert_eq(client.written, 0);
	cr_assert_eq(client.closed, 1);
	cr_assert_eq(client.status, BLX_ECANCELED);
}

Test(stream, closed_right_after_a_write_does_not_tell_that_it_was_written, .init = begin,
	.fini = end, .timeout = 60)
{
	connect_both(unix_address);
	write_text(&client, "bye");
	net->close(client.stream);
	UNTIL(client.closed && server.closed);
	cr_assert_eq(client.written, 0);
	cr_assert_str_eq(server.read_head, "bye");
}

Test(stream, may_be_closed_in_any_callback, .init = begin, .fini = end, .timeout = 60)
{
	server.close_on_read = true;
	connect_both("127.0.0.1:0");
	write_text(&client, "x");
	UNTIL(client.closed && server.closed);
	cr_assert_eq(server.closed, 1);
	cr_assert_eq(server.status, BLX_ECANCELED);

	client = (struct side){.close_on_connect = true};
	connect_to(net->listener_address(listener), &client);
	UNTIL(client.closed);
	cr_assert_eq(client.connected, 1);
	cr_assert_eq(client.closed, 1);
}

Test(stream, closed_before_it_is_connected_never_connects, .init = begin, .fini = end,
	.timeout = 60)
{
	static const char *const addresses[] = {"127.0.0.1:0", "localhost:1"};
	size_t i;

	listen_at("127.0.0.1:0");
	for (i = 0; i < 2; i++) {
		client = (struct side){.stream = NULL};
		connect_to(
			i == 0 ? net->listener_address(listener) : addresses[i], &client);
		net->close(client.stream);
		UNTIL(client.closed);
		cr_assert_eq(client.connected, 0);
		cr_assert_eq(client.status, BLX_ECANCELED);
	}
}

/* ---- peers of any manners
 * -------------------------------------------------------------- */

static int raw_listen(char ret_address[BLX__ADDRESS_TEXT_SIZE])
{
	struct blx__address address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(blx__address_parse("127.0.0.1:0", &address, NULL), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address.storage, address.len), 0);
	cr_assert_eq(listen(fd, 5), 0);
	blx__address_of_socket(fd, ret_address);
	return fd;
}

static int raw_listen_unix(void)
{
	struct blx__address address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(blx__address_parse(unix_address, &address, NULL), 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address.storage, address.len), 0);
	return fd;
}

/* Says why, and resets the connection. */
static void raw_refuse(int listening, const char *why)
{
	struct linger none = {.l_onoff = 1, .l_linger = 0};
	int fd = accept(listening, NULL, NULL);

	cr_assert_geq(fd, 0);
	if (why != NULL) {
		cr_assert_eq(send(fd, why, strlen(why), 0), (ssize_t)strlen(why));
	}
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	(void)close(fd);
}

Test(stream, a_reset_is_told_as_the_system_does, .init = begin, .fini = end,
	.timeout = 60)
{
	char address[BLX__ADDRESS_TEXT_SIZE];
	char want[BLX__ADDRESS_TEXT_SIZE + 64];
	int fd = raw_listen(address);

	connect_to(address, &client);
	UNTIL(client.connected);
	raw_refuse(fd, NULL);
	UNTIL(client.closed);
	(void)snprintf(
		want, sizeof want, "receive from %s: Connection reset by peer", address);
	cr_assert_str_eq(client.text, want);
	cr_assert_eq(client.status, BLX_ECONNECT);
	(void)close(fd);
}

Test(stream, what_a_peer_says_before_it_resets_is_read, .init = begin, .fini = end,
	.timeout = 60)
{
	char address[BLX__ADDRESS_TEXT_SIZE];
	int fd = raw_listen(address);

	connect_to(address, &client);
	UNTIL(client.connected);
	write_text(&client, "never read");
	raw_refuse(fd, "you are not a member");
	UNTIL(client.closed);
	cr_assert_str_eq(client.read_head, "you are not a member");
	cr_assert_not_null(strstr(client.text, "reset"), "%s", client.text);
	(void)close(fd);
}

Test(stream, what_a_peer_says_before_it_leaves_a_unix_socket_is_read, .init = begin,
	.fini = end, .timeout = 60)
{
	int fd = raw_listen_unix();

	cr_assert_eq(listen(fd, 5), 0);
	connect_to(unix_address, &client);
	UNTIL(client.connected);
	write_text(&client, "never read");
	raw_refuse(fd, "you may not");
	UNTIL(client.closed);
	cr_assert_str_eq(client.read_head, "you may not");
	(void)close(fd);
}

Test(stream, a_peer_that_leaves_while_we_write_sends_no_sigpipe, .init = begin,
	.fini = end, .timeout = 60)
{
	uint8_t *large = blx__calloc(1, LARGE);
	int fd = raw_listen_unix();
	int peer;

	(void)signal(SIGPIPE, SIG_DFL);
	cr_assert_eq(listen(fd, 5), 0);
	connect_to(unix_address, &client);
	UNTIL(client.connected);
	peer = accept(fd, NULL, NULL);
	net->read_pause(client.stream, true);
	net->write(client.stream, large, LARGE);
	settle();
	(void)close(peer);
	UNTIL(client.closed);
	cr_assert_eq(client.status, BLX_ECONNECT);
	cr_assert_eq(strncmp(client.text, "send to unix:", 13), 0, "%s", client.text);
	cr_assert_eq(client.written, 0);
	blx__free(large);
	(void)close(fd);
}

Test(stream, one_that_cannot_connect_says_why_later, .init = begin, .fini = end,
	.timeout = 60)
{
	char address[BLX__ADDRESS_TEXT_SIZE];
	char want[BLX__ADDRESS_TEXT_SIZE + 64];
	int fd = raw_listen(address);

	(void)close(fd);
	connect_to(address, &client);
	UNTIL(client.closed);
	(void)snprintf(want, sizeof want, "connect %s: Connection refused", address);
	cr_assert_str_eq(client.text, want);
	cr_assert_eq(client.status, BLX_ECONNECT);
	cr_assert_eq(client.connected, 0);

	client = (struct side){.stream = NULL};
	connect_to(unix_address, &client);
	UNTIL(client.closed);
	(void)snprintf(
		want, sizeof want, "connect %s: No such file or directory", unix_address);
	cr_assert_str_eq(client.text, want);
}

Test(stream, a_malformed_address_fails_at_once, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(
		net->connect(env->net, "nonsense", &cbs, &client, &client.stream, &error),
		BLX_EINVAL);
	cr_assert_eq(strncmp(error.message, "nonsense: ", 10), 0, "%s", error.message);
	cr_assert_null(client.stream);
	cr_assert_eq(net->listen(env->net, "unix:", on_accept, NULL, &listener, &error),
		BLX_EINVAL);
	cr_assert_null(listener);
}

/* ---- listening
 * ------------------------------------------------------------------------- */

static int listen_fails(const char *address, const char *why)
{
	blx_error error = BLX_ERROR_INIT;
	struct blx__listener *second = NULL;
	int rv = net->listen(env->net, address, on_accept, NULL, &second, &error);

	cr_assert_null(second);
	cr_assert_eq(strncmp(error.message, "listen at ", 10), 0, "%s", error.message);
	cr_assert_not_null(strstr(error.message, address), "%s", error.message);
	cr_assert_not_null(strstr(error.message, why), "%s", error.message);
	return rv;
}

Test(listener, a_taken_address_is_told, .init = begin, .fini = end, .timeout = 60)
{
	listen_at("127.0.0.1:0");
	cr_assert_eq(
		listen_fails(net->listener_address(listener), "is taken"), BLX_EINUSE);
}

Test(listener, one_that_answers_at_a_unix_path_is_left_alone, .init = begin, .fini = end,
	.timeout = 60)
{
	listen_at(unix_address);
	cr_assert_eq(listen_fails(unix_address, "another process listens"), BLX_EINUSE);
	connect_to(unix_address, &client);
	UNTIL(client.connected && accepted);
}

Test(listener, a_file_at_a_unix_path_is_left_alone, .init = begin, .fini = end)
{
	FILE *file = fopen(unix_address + 5, "w");

	cr_assert_not_null(file);
	(void)fclose(file);
	cr_assert_eq(listen_fails(unix_address, "something else"), BLX_EINUSE);
	cr_assert_eq(access(unix_address + 5, F_OK), 0);
}

Test(listener, a_socket_that_a_dead_process_left_is_replaced, .init = begin, .fini = end,
	.timeout = 60)
{
	struct stat info;

	(void)close(raw_listen_unix());
	cr_assert_eq(access(unix_address + 5, F_OK), 0);
	connect_both(unix_address);
	cr_assert_eq(stat(unix_address + 5, &info), 0);
	cr_assert_eq(info.st_mode & 07777, 0660);
	net->listener_close(listener);
	listener = NULL;
	cr_assert_neq(access(unix_address + 5, F_OK), 0, "it takes its path with it");
}

Test(listener, in_a_folder_that_is_not_there_fails, .init = begin, .fini = end)
{
	char address[SCRATCH_SIZE + 32];

	(void)snprintf(address, sizeof address, "unix:%s/no/sock", dir);
	cr_assert_eq(listen_fails(address, "No such file"), BLX_ENOENT);
}

static void on_accept_and_close(
	struct blx__listener *from, struct blx__stream *stream, void *data)
{
	on_accept(from, stream, data);
	net->listener_close(from);
	listener = NULL;
}

Test(listener, closed_in_its_callback_is_not_called_again, .init = begin, .fini = end,
	.timeout = 60)
{
	struct side second = {.stream = NULL};

	cr_assert_eq(net->listen(env->net, unix_address, on_accept_and_close, NULL,
			     &listener, NULL),
		0);
	connect_to(unix_address, &client);
	connect_to(unix_address, &second);
	UNTIL(accepted > 0 && second.closed);
	cr_assert_eq(accepted, 1);
}

Test(listener, many_at_once_are_all_taken, .init = begin, .fini = end, .timeout = 60)
{
	enum { MANY = 100 };
	static struct side many[MANY];
	unsigned over = 0;
	unsigned i;

	memset(many, 0, sizeof many);
	server.close_on_read =
		true; /* the accepted ones share one side: it only closes them */
	listen_at("127.0.0.1:0");
	for (i = 0; i < MANY; i++) {
		connect_to(net->listener_address(listener), &many[i]);
	}
	UNTIL(accepted == MANY);
	for (i = 0; i < MANY; i++) {
		UNTIL(many[i].connected);
		write_text(&many[i], "x");
	}
	for (i = 0; i < MANY; i++) {
		UNTIL(many[i].closed);
		over += many[i].closed;
	}
	UNTIL(server.closed == MANY);
	cr_assert_eq(over, MANY);
}

static struct rlimit descriptors;

/* None is to be had from now on. */
static void descriptors_end(void)
{
	struct rlimit none;
	int next = dup(0);

	cr_assert_geq(next, 0);
	(void)close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
	none = (struct rlimit){
		.rlim_cur = (rlim_t)next, .rlim_max = descriptors.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

Test(listener, without_descriptors_left_it_rests_and_goes_on_later, .init = begin,
	.fini = end, .timeout = 60)
{
	struct pollfd fd = {.fd = blx__uv_env_fd(env), .events = POLLIN};

	listen_at(unix_address);
	settle();
	connect_to(unix_address, &client);
	descriptors_end();
	UNTIL(client.connected);
	settle();
	cr_assert_eq(accepted, 0);
	cr_assert_eq(poll(&fd, 1, 0), 0, "it does not spin");

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
	UNTIL(accepted == 1);
}

Test(listener, closed_while_it_rests_is_gone, .init = begin, .fini = end, .timeout = 60)
{
	listen_at(unix_address);
	settle();
	connect_to(unix_address, &client);
	descriptors_end();
	UNTIL(client.connected);
	settle();
	net->listener_close(listener);
	listener = NULL;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
	UNTIL(client.closed);
	UNTIL(blx__uv_env_timeout_ms(env) == -1); /* beyond the rest */
	cr_assert_eq(accepted, 0);
}

static int accepted_uid;
static uint32_t accepted_user;

static void on_accept_uid(
	struct blx__listener *from, struct blx__stream *stream, void *data)
{
	accepted_uid = net->peer_uid(stream, &accepted_user);
	on_accept(from, stream, data);
}

Test(listener, the_user_at_a_unix_socket_is_known_and_at_tcp_is_not, .init = begin,
	.fini = end, .timeout = 60)
{
	uint32_t user = 12345;

	accepted_user = 12345;
	cr_assert_eq(
		net->listen(env->net, unix_address, on_accept_uid, NULL, &listener, NULL),
		0);
	connect_to(unix_address, &client);
	UNTIL(client.connected && accepted);
	cr_assert_eq(accepted_uid, 0);
	cr_assert_eq(accepted_user, getuid());
	cr_assert_eq(net->peer_uid(client.stream, &user), 0);
	cr_assert_eq(user, getuid());

	net->listener_close(listener);
	net->close(client.stream);
	UNTIL(client.closed && server.closed);
	client = (struct side){.stream = NULL};
	accepted = 0;
	user = 12345;
	connect_both("127.0.0.1:0");
	cr_assert_eq(net->peer_uid(server.stream, &user), BLX_ENOSYS);
	cr_assert_eq(user, 12345);
}
