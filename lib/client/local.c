/* SPDX-License-Identifier: Apache-2.0 */
/* The handle of a member that lives in this process. */
#include "base/mem.h"
#include "client/client.h"
#include "node/node.h"

struct local {
	blx_client client;
	bool (*on_loop)(void *data);
	void *data;
};

static void local_submit(blx_client *client, struct blx__request *request)
{
	blx__request_submit(client->node, request);
}

static struct blx__machine *local_machine(blx_client *client)
{
	return blx__node_machine(client->node);
}

static bool local_on_loop(blx_client *client)
{
	struct local *local = (struct local *)client;

	return local->on_loop(local->data);
}

static int64_t local_time_ms(blx_client *client)
{
	return blx__node_time_ms(client->node);
}

static void local_close(blx_client *client)
{
	(void)client; /* ends with its node */
}

static const struct blx__client_ops local_ops = {
	.submit = local_submit,
	.machine = local_machine,
	.on_loop = local_on_loop,
	.time_ms = local_time_ms,
	.close = local_close,
};

int blx__client_local_create(struct blx__node *node, bool (*on_loop)(void *data), void *data,
	blx_client **ret_client)
{
	struct local *local = blx__calloc(1, sizeof *local);

	if (local == NULL) {
		return BLX_ENOMEM;
	}
	local->on_loop = on_loop;
	local->data = data;
	local->client.node = node;
	blx__client_init(&local->client, &local_ops, blx__random_u64(blx__node_env(node)));
	*ret_client = &local->client;
	return 0;
}

void blx__client_local_destroy(blx_client *client)
{
	if (client != NULL) {
		blx__client_finish(client);
		blx__free(client);
	}
}
