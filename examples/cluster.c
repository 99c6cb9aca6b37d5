/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three members in one process: a write through one is read through another,
 * and goes on when the leader stops.
 *
 *	cluster DIR
 *
 * DIR must exist; the members make DIR/n1, DIR/n2 and DIR/n3.
 */
#include <blixard/blixard.h>

#include <stdio.h>
#include <string.h>

#define COUNT     3
#define PATH_SIZE 1024

static const blx_member members[COUNT] = {
	{"n1", "127.0.0.1:7411"},
	{"n2", "127.0.0.1:7412"},
	{"n3", "127.0.0.1:7413"},
};

static int fail(const char *what, const char *name, const blx_error *error)
{
	fprintf(stderr, "cluster: %s %s: %s: %s\n", what, name, blx_strerror(error->code),
		error->message);
	return -1;
}

/* Founds one of the members, unless that was done before, and starts it. */
static int start_member(const char *dir, const char *name, blx_node **ret_node)
{
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	char path[PATH_SIZE];
	int rv;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path) {
		fprintf(stderr, "cluster: %s: too long\n", dir);
		return -1;
	}
	init.data_dir = path;
	init.name = name;
	init.members = members;
	init.members_count = COUNT;
	rv = blx_cluster_init(&init, &error);
	if (rv != 0 && rv != BLX_EINUSE) {
		return fail("found", name, &error);
	}
	opts.data_dir = path;
	opts.election_timeout_ms = 500;
	if (blx_node_create(&opts, ret_node, &error) != 0) {
		return fail("open", name, &error);
	}
	return blx_node_start(*ret_node, &error) == 0 ? 0 : fail("start", name, &error);
}

/* Writes through one member and reads through another. */
static int pass(blx_node *from, blx_node *to, const char *text)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;

	opts.timeout_ms = 20000; /* there may have to be an election first */
	if (blx_put(blx_node_client(from), "/message", text, strlen(text), &opts, NULL,
		    &error) != 0) {
		return fail("put", "/message", &error);
	}
	if (blx_get_consistent(
		    blx_node_client(to), "/message", NULL, &value, NULL, &error) != 0) {
		return fail("get", "/message", &error);
	}
	printf("%.*s\n", (int)blx_value_len(value), (const char *)blx_value_data(value));
	blx_value_unref(value);
	return 0;
}

static int leader_of(blx_node **nodes)
{
	int i;

	for (i = 0; i < COUNT; i++) {
		blx_node_state state = {.size = sizeof state};

		if (blx_node_state_get(nodes[i], &state) == 0 && state.is_leader) {
			return i;
		}
	}
	return 0;
}

static int tell(blx_node **nodes)
{
	blx_error error = BLX_ERROR_INIT;
	int leader;

	if (pass(nodes[0], nodes[1], "written through n1, read through n2") != 0) {
		return -1;
	}
	leader = leader_of(nodes);
	if (blx_node_stop(nodes[leader], 2000, &error) != 0) {
		return fail("stop", members[leader].name, &error);
	}
	printf("%s, which was the leader, is gone\n", members[leader].name);
	return pass(nodes[(leader + 1) % COUNT], nodes[(leader + 2) % COUNT],
		"and the other two go on");
}

int main(int argc, char **argv)
{
	blx_node *nodes[COUNT] = {NULL};
	int rv = 0;
	int i;

	if (argc != 2) {
		fprintf(stderr, "usage: cluster DIR\n");
		return 2;
	}
	for (i = 0; rv == 0 && i < COUNT; i++) {
		rv = start_member(argv[1], members[i].name, &nodes[i]);
	}
	if (rv == 0) {
		rv = tell(nodes);
	}
	for (i = 0; i < COUNT; i++) {
		blx_node_destroy(nodes[i]);
	}
	return rv == 0 ? 0 : 1;
}
