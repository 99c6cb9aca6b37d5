/* SPDX-License-Identifier: Apache-2.0 */
#include "one.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below those that the system gives to connections: one of these may not be taken between now
 * and when the member listens there. */
#define PORT_MIN 20000
#define PORTS    12000

static bool is_free(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;

	(void)close(fd);
	return free;
}

static unsigned free_port(void)
{
	unsigned chance = 0;
	unsigned port;

	do {
		cr_assert_eq(getrandom(&chance, sizeof chance, 0), (ssize_t)sizeof chance);
		port = PORT_MIN + chance % PORTS;
	} while (!is_free(port));
	return port;
}

void one_start(struct one *one)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;

	opts.data_dir = one->data_dir;
	opts.socket_path = one->socket_path;
	opts.election_timeout_ms = 50;
	cr_assert_eq(
		blx_node_create(&opts, &one->node, &one->error), 0, "%s", one->error.message);
	cr_assert_eq(blx_node_start(one->node, &one->error), 0, "%s", one->error.message);
}

void one_stop(struct one *one)
{
	if (one->node != NULL) {
		(void)blx_node_stop(one->node, 0, NULL);
		blx_node_destroy(one->node);
		one->node = NULL;
	}
}

void one_init(struct one *one, bool remote)
{
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_member member = {"a", NULL};
	char address[192];

	*one = (struct one){0};
	blx_error_init(&one->error);
	dirs_init(&one->dirs);
	(void)snprintf(one->data_dir, sizeof one->data_dir, "%s", dirs_path(&one->dirs, "a"));
	(void)snprintf(one->socket_path, sizeof one->socket_path, "%s",
		dirs_path(&one->dirs, "a.sock"));
	(void)snprintf(address, sizeof address, "127.0.0.1:%u", free_port());
	member.address = address;
	init.data_dir = one->data_dir;
	init.name = "a";
	init.members = &member;
	init.members_count = 1;
	cr_assert_eq(blx_cluster_init(&init, &one->error), 0, "%s", one->error.message);
	one_start(one);
	one->client = blx_node_client(one->node);
	if (remote) {
		(void)snprintf(address, sizeof address, "unix:%s", one->socket_path);
		cr_assert_eq(blx_client_open(address, NULL, &one->remote, &one->error), 0, "%s",
			one->error.message);
		one->client = one->remote;
	}
}

void one_finish(struct one *one)
{
	blx_client_close(one->remote);
	one_stop(one);
	dirs_finish(&one->dirs);
}

uint64_t one_put(struct one *one, const char *path, const char *value)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	uint64_t revision = 0;

	opts.timeout_ms = ONE_LONG_MS;
	cr_assert_eq(blx_put(one->client, path, value, strlen(value), &opts, &revision,
			     &one->error),
		0, "%s", one->error.message);
	return revision;
}
