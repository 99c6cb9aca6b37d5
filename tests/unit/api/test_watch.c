/* SPDX-License-Identifier: Apache-2.0 */
/* Watches of a cluster of one member, by the handle in this process and by its socket. */
#include "support/test.h"

#include <arpa/inet.h>
#include <blixard/blixard.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../node/dirs.h"

/* What no test waits for unless it fails. */
#define LONG_MS   60000

#define TEXT_SIZE 1024

static struct dirs dirs;
static char data_dir[160];
static char socket_path[160];
static blx_node *node;
static blx_client *client; /* that is asked */
static blx_client *remote; /* owned; NULL in process */
static blx_watch *watch;
static blx_event event;
static blx_error error;

static unsigned free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

static void node_begin(void)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;

	opts.data_dir = data_dir;
	opts.socket_path = socket_path;
	opts.election_timeout_ms = 50;
	cr_assert_eq(blx_node_create(&opts, &node, &error), 0, "%s", error.message);
	cr_assert_eq(blx_node_start(node, &error), 0, "%s", error.message);
}

static void begin(void)
{
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_member member = {"a", NULL};
	char address[32];

	blx_error_init(&error);
	event = (blx_event)BLX_EVENT_INIT;
	dirs_init(&dirs);
	(void)snprintf(data_dir, sizeof data_dir, "%s", dirs_path(&dirs, "a"));
	(void)snprintf(socket_path, sizeof socket_path, "%s", dirs_path(&dirs, "a.sock"));
	(void)snprintf(address, sizeof address, "127.0.0.1:%u", free_port());
	member.address = address;
	init.data_dir = data_dir;
	init.name = "a";
	init.members = &member;
	init.members_count = 1;
	cr_assert_eq(blx_cluster_init(&init, &error), 0, "%s", error.message);
	node_begin();
	client = blx_node_client(node);
	remote = NULL;
	watch = NULL;
}

static void begin_remote(void)
{
	char address[192];

	begin();
	(void)snprintf(address, sizeof address, "unix:%s", socket_path);
	cr_assert_eq(
		blx_client_open(address, NULL, &remote, &error), 0, "%s", error.message);
	client = remote;
}

static void end(void)
{
	blx_watch_close(watch);
	blx_client_close(remote);
	if (node != NULL) {
		(void)blx_node_stop(node, 0, NULL);
		blx_node_destroy(node);
	}
	dirs_finish(&dirs);
}

static uint64_t put(const char *path, const char *value)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	uint64_t revision = 0;

	opts.timeout_ms = LONG_MS;
	cr_assert_eq(
		blx_put(client, path, value, strlen(value), &opts, &revision, &error), 0,
		"%s", error.message);
	return revision;
}

static void open_watch(const char *pattern, uint64_t from, uint32_t flags)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;

	opts.from_revision = from;
	opts.flags = flags;
	cr_assert_eq(blx_watch_open(client, pattern, &opts, &watch, &error), 0, "%s",
		error.message);
}

static void next(void)
{
	cr_assert_eq(
		blx_watch_next(watch, LONG_MS, &event, &error), 0, "%s", error.message);
}

/* The next event as "3 put /a 1<0", with "+" at its end if there are more of its kind. */
static const char *next_text(void)
{
	static const char *const kinds[] = {"", "put", "delete", "progress", "compacted"};
	static char text[TEXT_SIZE];
	int len;

	next();
	len = snprintf(text, sizeof text, "%u %s %s %.*s", (unsigned)event.revision,
		kinds[event.kind], event.path != NULL ? event.path : "",
		(int)event.value_len,
		event.value != NULL ? (const char *)event.value : "");
	if (event.prev_value != NULL) {
		len += snprintf(text + len, sizeof text - (size_t)len, "<%.*s",
			(int)event.prev_value_len, (const char *)event.prev_value);
	}
	(void)snprintf(
		text + len, sizeof text - (size_t)len, "%s", event.more ? "+" : "");
	return text;
}

/* ---- the same here and there ---------------------------------------------------- */

static void changes_in_order(void)
{
	blx_write_opts tree = BLX_WRITE_OPTS_INIT;

	tree.flags = BLX_DELETE_TREE;
	(void)put("/before", "0");
	open_watch("/**", 0, BLX_WATCH_PREV_VALUE);
	cr_assert_eq(blx_watch_next(watch, 0, &event, &error), BLX_ETIMEOUT);
	(void)put("/a/x", "1");
	(void)put("/a/x", "2");
	(void)put("/a/y%2F", "3");
	cr_assert_eq(
		blx_delete(client, "/a", &tree, NULL, &error), 0, "%s", error.message);

	cr_assert_str_eq(next_text(), "2 put /a/x 1");
	cr_assert_eq(event.version, 1);
	cr_assert_eq(event.prev_revision, 0);
	cr_assert_str_eq(next_text(), "3 put /a/x 2<1");
	cr_assert_eq(event.create_revision, 2);
	cr_assert_eq(event.version, 2);
	cr_assert_eq(event.prev_revision, 2);
	cr_assert_str_eq(next_text(), "4 put /a/y%2F 3");
	cr_assert_str_eq(next_text(), "5 delete /a/x <2+");
	cr_assert_str_eq(next_text(), "5 delete /a/y%2F <3");
	cr_assert_eq(blx_watch_next(watch, 10, &event, &error), BLX_ETIMEOUT);
}

Test(watch, changes_in_order_with_the_value_before, .init = begin, .fini = end)
{
	changes_in_order();
}

Test(watch, changes_in_order_from_elsewhere, .init = begin_remote, .fini = end)
{
	changes_in_order();
}

static void from_a_revision(void)
{
	(void)put("/a/1", "1");
	(void)put("/b/1", "2");
	(void)put("/a/2", "3");
	open_watch("/a/*", 1, BLX_WATCH_NO_VALUES);
	cr_assert_str_eq(next_text(), "1 put /a/1 ");
	blx_watch_close(watch);

	open_watch("/a/*", 2, 0);
	cr_assert_str_eq(next_text(), "3 put /a/2 3");
	blx_watch_close(watch);

	open_watch("/a/*", 5, 0);
	(void)put("/a/3", "4");
	(void)put("/a/4", "5");
	cr_assert_str_eq(next_text(), "5 put /a/4 5");
}

Test(watch, from_a_revision_before_or_after_now, .init = begin, .fini = end)
{
	from_a_revision();
}

Test(watch, from_a_revision_elsewhere, .init = begin_remote, .fini = end)
{
	from_a_revision();
}

static void progress(void)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;

	(void)put("/b", "1");
	opts.progress_ms = 100;
	cr_assert_eq(blx_watch_open(client, "/a", &opts, &watch, &error), 0);
	(void)put("/b", "2");
	do {
		cr_assert_str_eq(strstr(next_text(), " progress"), " progress  ");
	} while (event.revision < 2);
	cr_assert_null(event.path);
	(void)put("/a", "3");
	do {
		(void)next_text();
	} while (event.kind == BLX_EVENT_PROGRESS);
	cr_assert_eq(event.kind, BLX_EVENT_PUT);
	cr_assert_eq(event.revision, 3);
}

Test(watch, tells_how_far_it_is, .init = begin, .fini = end)
{
	progress();
}

Test(watch, tells_how_far_it_is_elsewhere, .init = begin_remote, .fini = end)
{
	progress();
}

/* More than the history keeps, in values of half a MiB. */
#define LARGE_COUNT 40
#define LARGE_LEN   (512 * 1024)

static void put_large(char *value, unsigned i)
{
	char path[32];

	memset(value, 'a' + (int)(i % 26), LARGE_LEN);
	(void)snprintf(path, sizeof path, "/large/%u", i);
	cr_assert_eq(blx_put(client, path, value, LARGE_LEN, NULL, NULL, &error), 0, "%s",
		error.message);
}

static void slow_reader(void)
{
	char *value = malloc(LARGE_LEN);
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;
	blx_list *list = NULL;
	blx_watch *fast;
	uint64_t told = 0;
	unsigned i;

	(void)put("/first", "1");
	cr_assert_eq(blx_watch_open(client, "/large/*", &opts, &fast, &error), 0);
	opts.buffer_bytes = 1;
	cr_assert_eq(blx_watch_open(client, "/large/*", &opts, &watch, &error), 0);
	for (i = 0; i < LARGE_COUNT; i++) {
		put_large(value, i);
		cr_assert_eq(blx_watch_next(fast, LONG_MS, &event, &error), 0);
		cr_assert_eq(event.revision, i + 2, "held up by nobody");
		cr_assert_arr_eq(event.value, value, LARGE_LEN);
	}
	for (next(); event.kind == BLX_EVENT_PUT; next()) {
		cr_assert_eq(event.revision, told == 0 ? 2 : told + 1, "without a gap");
		told = event.revision;
	}
	cr_assert_eq(event.kind, BLX_EVENT_COMPACTED);
	cr_assert_eq(event.revision, LARGE_COUNT + 1);
	cr_assert_lt(told, LARGE_COUNT + 1);
	cr_assert_eq(blx_watch_next(watch, 0, &event, &error), BLX_ECOMPACTED);
	cr_assert_eq(blx_watch_next(watch, LONG_MS, &event, &error), BLX_ECOMPACTED);
	blx_watch_close(watch);

	cr_assert_eq(
		blx_list_children_consistent(client, "/large", NULL, &list, &error), 0);
	cr_assert_geq(blx_list_revision(list), event.revision);
	opts.from_revision = blx_list_revision(list) + 1;
	cr_assert_eq(blx_watch_open(client, "/large/*", &opts, &watch, &error), 0);
	put_large(value, 7);
	next();
	cr_assert_eq(event.revision, LARGE_COUNT + 2);
	blx_list_free(list);
	blx_watch_close(fast);
	free(value);
}

Test(watch, a_slow_reader_is_told_and_holds_nobody_up, .init = begin, .fini = end)
{
	slow_reader();
}

Test(watch, a_slow_reader_elsewhere_is_told, .init = begin_remote, .fini = end)
{
	slow_reader();
}

static void on_put(int code, const blx_error *why, uint64_t revision, void *data)
{
	(void)code;
	(void)why;
	(void)revision;
	(void)data;
}

/* A reader of small batches against writers that do not wait: all comes, once, in order.
 */
static void burst(void)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;
	uint64_t expected;

	opts.buffer_bytes = 512;
	cr_assert_eq(blx_watch_open(client, "/n/*", &opts, &watch, &error), 0);
	for (expected = 1; expected <= 2000; expected++) {
		char path[32];
		uint64_t revision = (expected - 1) % 500;

		if (revision == 0) {
			unsigned i;

			for (i = 0; i < 500; i++) {
				(void)snprintf(path, sizeof path, "/n/%u", i);
				(void)blx_put_async(
					client, path, "v", 1, NULL, on_put, NULL);
			}
		}
		next();
		cr_assert_eq(event.revision, expected);
	}
}

Test(watch, a_descriptor_tells_when_to_look, .init = begin, .fini = end)
{
	struct pollfd pollfd = {.events = POLLIN};

	open_watch("/a", 0, 0);
	pollfd.fd = blx_watch_fd(watch);
	cr_assert_geq(pollfd.fd, 0);
	cr_assert_eq(blx_watch_next(watch, 0, &event, NULL), BLX_ETIMEOUT);
	cr_assert_eq(poll(&pollfd, 1, 0), 0);
	(void)put("/b", "1");
	(void)put("/a", "1");
	(void)put("/a", "2");
	(void)put("/a", "3");

	cr_assert_eq(poll(&pollfd, 1, LONG_MS), 1);
	cr_assert_eq(blx_watch_next(watch, 0, &event, NULL), 0);
	cr_assert_eq(event.revision, 2);
	cr_assert_str_eq(next_text(), "3 put /a 2");
	cr_assert_str_eq(next_text(), "4 put /a 3");
	cr_assert_eq(blx_watch_next(watch, 0, &event, NULL), BLX_ETIMEOUT);
	cr_assert_eq(poll(&pollfd, 1, 0), 0);
	cr_assert_eq(blx_watch_fd(watch), pollfd.fd);
}

Test(watch, ends_with_its_member_in_this_process, .init = begin, .fini = end)
{
	open_watch("/a", 0, 0);
	cr_assert_eq(blx_node_stop(node, 0, &error), 0);
	cr_assert_eq(blx_watch_next(watch, LONG_MS, &event, &error), BLX_ECANCELED);
	cr_assert_eq(blx_watch_next(watch, LONG_MS, &event, &error), BLX_ECANCELED);
	blx_watch_close(watch);
	watch = NULL;
}

/* What was written while it was away comes too, from the log that the member reads again.
 */
Test(watch, goes_on_after_a_restart_of_the_member, .init = begin_remote, .fini = end)
{
	unsigned round;

	open_watch("/a", 0, 0);
	for (round = 0; round < 3; round++) {
		char text[32];
		uint64_t revision = put("/a", "1");

		(void)snprintf(text, sizeof text, "%u put /a 1", (unsigned)revision);
		cr_assert_str_eq(next_text(), text);
		revision = put("/a", "2");
		cr_assert_eq(blx_node_stop(node, 0, &error), 0);
		blx_node_destroy(node);
		node_begin();
		(void)put("/b", "3");
		(void)snprintf(text, sizeof text, "%u put /a 2", (unsigned)revision);
		cr_assert_str_eq(next_text(), text);
	}
	cr_assert_eq(blx_watch_next(watch, 10, &event, &error), BLX_ETIMEOUT);
}

Test(watch, says_why_nothing_comes, .init = begin_remote, .fini = end)
{
	open_watch("/a", 0, 0);
	cr_assert_eq(blx_node_stop(node, 0, &error), 0);
	blx_node_destroy(node);
	node = NULL;
	cr_assert_eq(blx_watch_next(watch, 300, &event, &error), BLX_ETIMEOUT);
}

Test(watch, goes_with_its_requests_whenever_it_is_closed, .init = begin_remote,
	.fini = end)
{
	unsigned i;

	for (i = 0; i < 200; i++) {
		open_watch("/a", 1 + i % 3, 0);
		if (i % 2 == 0) {
			(void)blx_put_async(client, "/a", "1", 1, NULL, on_put, NULL);
		}
		if (i % 3 == 0) {
			(void)blx_watch_next(watch, 1, &event, &error);
		}
		blx_watch_close(watch);
	}
	watch = NULL;
}

Test(watch, refuses_what_is_none, .init = begin, .fini = end)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;

	cr_assert_eq(blx_watch_open(NULL, "/a", NULL, &watch, &error), BLX_EINVAL);
	cr_assert_eq(blx_watch_open(client, NULL, NULL, &watch, &error), BLX_EINVAL);
	cr_assert_eq(blx_watch_open(client, "/a", NULL, NULL, &error), BLX_EINVAL);
	cr_assert_eq(blx_watch_open(client, "a", NULL, &watch, &error), BLX_EINVAL);
	opts.flags = 4;
	cr_assert_eq(blx_watch_open(client, "/a", &opts, &watch, &error), BLX_EINVAL);
	opts.flags = 0;
	opts.progress_ms = 99;
	cr_assert_eq(blx_watch_open(client, "/a", &opts, &watch, &error), BLX_EINVAL);
	cr_assert_eq(blx_watch_next(NULL, 0, &event, &error), BLX_EINVAL);
	cr_assert_eq(blx_watch_fd(NULL), BLX_EINVAL);
	open_watch("/a", 0, 0);
	cr_assert_eq(blx_watch_next(watch, 0, NULL, &error), BLX_EINVAL);
}

Test(watch, a_burst_comes_whole, .init = begin, .fini = end)
{
	burst();
}

Test(watch, a_burst_comes_whole_elsewhere, .init = begin_remote, .fini = end)
{
	burst();
}
