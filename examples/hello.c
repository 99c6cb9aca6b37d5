/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One member that is a cluster by itself: founds it, writes, reads, stops.
 *
 *	hello DIR
 *
 * DIR must be empty or absent; run it twice with the same DIR and the second
 * run finds what the first one wrote.
 */
#include <blixard/blixard.h>

#include <stdio.h>

#define ADDRESS "127.0.0.1:7400"

static int fail(const char *what, const blx_error *error)
{
	fprintf(stderr, "hello: %s: %s: %s\n", what, blx_strerror(error->code),
		error->message);
	return 1;
}

/* Founds the cluster of this one member, unless that was done before. */
static int found(const char *dir, blx_error *error)
{
	static const blx_member members[] = {{"n1", ADDRESS}};
	blx_init_opts opts = BLX_INIT_OPTS_INIT;
	int rv;

	opts.data_dir = dir;
	opts.name = "n1";
	opts.members = members;
	opts.members_count = 1;
	rv = blx_cluster_init(&opts, error);
	return rv == BLX_EINUSE ? 0 : rv;
}

static int greet(blx_client *client)
{
	static const char text[] = "hello, world";
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	uint64_t revision = 0;

	if (blx_put(client, "/greeting", text, sizeof text - 1, NULL, &revision,
		    &error) != 0) {
		return fail("put /greeting", &error);
	}
	if (blx_get_consistent(client, "/greeting", NULL, &value, NULL, &error) != 0) {
		return fail("get /greeting", &error);
	}
	printf("%.*s\n", (int)blx_value_len(value), (const char *)blx_value_data(value));
	printf("written at revision %llu, for the %llu. time\n",
		(unsigned long long)revision,
		(unsigned long long)blx_value_version(value));
	blx_value_unref(value);
	return 0;
}

static int run(blx_node *node)
{
	blx_error error = BLX_ERROR_INIT;
	int rv;

	if (blx_node_start(node, &error) != 0) {
		return fail("start", &error);
	}
	rv = greet(blx_node_client(node));
	if (blx_node_stop(node, 1000, &error) != 0) {
		return fail("stop", &error);
	}
	return rv;
}

int main(int argc, char **argv)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_node *node = NULL;
	int rv;

	if (argc != 2) {
		fprintf(stderr, "usage: hello DIR\n");
		return 2;
	}
	if (found(argv[1], &error) != 0) {
		return fail("found the cluster", &error);
	}
	opts.data_dir = argv[1];
	if (blx_node_create(&opts, &node, &error) != 0) {
		return fail("open the member", &error);
	}
	rv = run(node);
	blx_node_destroy(node);
	return rv;
}
