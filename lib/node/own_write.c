/* SPDX-License-Identifier: Apache-2.0 */
#include "node/own_write.h"

#include "base/assert.h"
#include "base/mem.h"
#include "machine/command.h"
#include "node/impl.h"

#define TIMEOUT_MS 5000

struct own_write {
	struct blx__request request;
	struct blx__node *node;
	struct blx__own_write_opts opts;
	struct blx__buf body;
};

static void write_free(struct own_write *write)
{
	blx__buf_finish(&write->body);
	blx__free(write);
}

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct own_write *write = request->data;

	INVARIANT(write->node->own_writes > 0);
	write->node->own_writes--;
	write->opts.cb(response->code, write->opts.data, write->opts.number);
	write_free(write);
}

int blx__own_write(struct blx__node *node, const struct blx__txn *txn,
	const struct blx__own_write_opts *opts)
{
	struct own_write *write = blx__calloc(1, sizeof *write);

	if (write == NULL) {
		return BLX_ENOMEM;
	}
	blx__buf_init(&write->body);
	blx__command_of_txn(txn, &write->body);
	if (!blx__buf_ok(&write->body)) {
		write_free(write);
		return BLX_ENOMEM;
	}
	write->node = node;
	write->opts = *opts;
	write->request = (struct blx__request){.op = BLX__OP_WRITE,
		.flags = opts->here_only ? BLX__CALL_FORWARDED : 0,
		.timeout_ms = TIMEOUT_MS,
		.body = write->body.data,
		.body_len = write->body.len,
		.done = on_done,
		.data = write};
	blx__list_init(&write->request.link);
	node->own_writes++;
	blx__request_submit(node, &write->request);
	return 0;
}
