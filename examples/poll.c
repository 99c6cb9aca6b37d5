/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member in the host's own loop, here poll(2): no thread is made. The same
 * three lines fit an sd-event, GLib or libuv loop. Counts how often it was
 * started, by compare and swap.
 *
 *	poll DIR
 *
 * DIR must be empty or absent at the first run.
 */
#include <blixard/blixard.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS      "127.0.0.1:7420"
#define COUNTER_PATH "/starts"

struct host {
	blx_node *node;
	char text[32]; /* the count, as written */
	int done;
	int failed;
};

static void finish(struct host *host, int code, const blx_error *error)
{
	if (code != 0) {
		fprintf(stderr, "poll: %s: %s\n", blx_strerror(code), error->message);
		host->failed = 1;
	} else {
		printf("started %s times\n", host->text);
	}
	host->done = 1;
}

static void on_written(int code, const blx_error *error, uint64_t revision, void *data)
{
	(void)revision;
	finish(data, code, error);
}

/* Callbacks run inside blx_node_process(), and may ask for more. */
static void on_read(int code, const blx_error *error, blx_value *value,
	const blx_read_info *info, void *data)
{
	struct host *host = data;
	uint64_t revision = 0;
	char old[32] = "";

	(void)info;
	if (code != 0 && code != BLX_ENOENT) {
		finish(host, code, error);
		return;
	}
	if (value != NULL && blx_value_len(value) < sizeof old) {
		memcpy(old, blx_value_data(value), blx_value_len(value));
		revision = blx_value_revision(value);
	}
	snprintf(host->text, sizeof host->text, "%lu", strtoul(old, NULL, 10) + 1);
	code = blx_cas_revision_async(blx_node_client(host->node), COUNTER_PATH, revision,
		host->text, strlen(host->text), NULL, on_written, host);
	if (code != 0) {
		finish(host, code, error);
	}
}

/* The host's loop. A real one watches more than this one descriptor. */
static void loop(struct host *host)
{
	while (!host->done) {
		struct pollfd fd = {.fd = blx_node_fd(host->node), .events = POLLIN};

		(void)poll(&fd, 1, blx_node_timeout_ms(host->node));
		if (blx_node_process(host->node) != 0) {
			fprintf(stderr, "poll: the member has stopped\n");
			host->failed = host->done = 1;
		}
	}
}

static int run(struct host *host)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (blx_node_start(host->node, &error) != 0) {
		fprintf(stderr, "poll: start: %s\n", error.message);
		return 1;
	}
	opts.flags = BLX_READ_CONSISTENT;
	opts.timeout_ms = 20000;
	rv = blx_get_async(
		blx_node_client(host->node), COUNTER_PATH, &opts, on_read, host);
	if (rv != 0) {
		fprintf(stderr, "poll: get: %s\n", blx_strerror(rv));
		return 1;
	}
	loop(host);
	(void)blx_node_stop(host->node, 1000, &error);
	return host->failed;
}

int main(int argc, char **argv)
{
	static const blx_member members[] = {{"n1", ADDRESS}};
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	struct host host = {0};
	int rv;

	if (argc != 2) {
		fprintf(stderr, "usage: poll DIR\n");
		return 2;
	}
	init.data_dir = opts.data_dir = argv[1];
	init.name = "n1";
	init.members = members;
	init.members_count = 1;
	opts.flags = BLX_NODE_HOST_LOOP;
	rv = blx_cluster_init(&init, &error);
	if (rv == 0 || rv == BLX_EINUSE) {
		rv = blx_node_create(&opts, &host.node, &error);
	}
	if (rv != 0) {
		fprintf(stderr, "poll: %s: %s\n", blx_strerror(rv), error.message);
		return 1;
	}
	rv = run(&host);
	blx_node_destroy(host.node);
	return rv;
}
