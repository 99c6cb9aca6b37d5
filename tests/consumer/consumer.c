/* SPDX-License-Identifier: Apache-2.0 */
/* A program outside the tree: a cluster of one in the directory given, a value written and
 * read, all of it through what is installed. */
#include <blixard/blixard.h>

#include <stdio.h>
#include <string.h>

static int fail(const char *what, const blx_error *error)
{
	fprintf(stderr, "%s: %s (%s)\n", what, error->message, blx_err_name(error->code));
	return 1;
}

static int found(const char *dir, const char *address, blx_error *error)
{
	blx_member member;
	blx_init_opts opts = BLX_INIT_OPTS_INIT;

	member.name = "a";
	member.address = address;
	opts.data_dir = dir;
	opts.name = "a";
	opts.members = &member;
	opts.members_count = 1;
	return blx_cluster_init(&opts, error);
}

static int use(blx_client *client, blx_error *error)
{
	blx_value *value = NULL;
	int rv = blx_put(client, "/hello", "world", 5, NULL, NULL, error);

	if (rv == 0) {
		rv = blx_get_consistent(client, "/hello", NULL, &value, NULL, error);
	}
	if (rv == 0 && (blx_value_len(value) != 5 ||
			       memcmp(blx_value_data(value), "world", 5) != 0)) {
		rv = BLX_ECORRUPT;
	}
	blx_value_unref(value);
	return rv;
}

int main(int argc, char **argv)
{
	blx_error error = BLX_ERROR_INIT;
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_node *node = NULL;
	int rv;

	if (argc != 3 || strcmp(blx_version(), BLX_VERSION_STRING) != 0) {
		fprintf(stderr, "usage: consumer DIR HOST:PORT; of one version\n");
		return 2;
	}
	if (found(argv[1], argv[2], &error) != 0) {
		return fail("found", &error);
	}
	opts.data_dir = argv[1];
	opts.election_timeout_ms = 100;
	if (blx_node_create(&opts, &node, &error) != 0) {
		return fail("create", &error);
	}
	rv = blx_node_start(node, &error);
	if (rv == 0) {
		rv = use(blx_node_client(node), &error);
	}
	blx_node_destroy(node);
	return rv == 0 ? 0 : fail("use", &error);
}
