/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

void sim_history_init(struct sim_history *history)
{
	*history = (struct sim_history){0};
}

void sim_history_finish(struct sim_history *history)
{
	free(history->ops);
	sim_history_init(history);
}

void sim_history_add(struct sim_history *history, const struct sim_op *op)
{
	if (history->count == history->cap) {
		history->cap = history->cap > 0 ? history->cap * 2 : 64;
		history->ops =
			sim_resize(history->ops, history->cap * sizeof history->ops[0]);
	}
	history->ops[history->count++] = *op;
}

static int format_what(const struct sim_op *op, char *text, size_t size)
{
	switch (op->kind) {
	case SIM_PUT:
		return snprintf(text, size, "put %u", op->value);
	case SIM_CAS:
		return snprintf(text, size, "cas %u for %u", op->value, op->expected);
	case SIM_DELETE:
		return snprintf(text, size, "delete%s",
			op->result != SIM_OK ? ""
			: op->existed        ? " (was there)"
					     : " (was not)");
	case SIM_GET:
		return snprintf(text, size, "get %u", op->value);
	}
	return 0;
}

void sim_op_format(const struct sim_op *op, char *ret_text, size_t size)
{
	static const char *const results[] = {"ok", "conflict", "unknown"};
	int len = format_what(op, ret_text, size);

	(void)snprintf(ret_text + len, size - (size_t)len,
		": %s, client %u, %.6f to %.6f", results[op->result], op->client,
		(double)op->call_ns / 1e9, (double)op->return_ns / 1e9);
}
