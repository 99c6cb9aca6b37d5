/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients asked and were told, key by key, with the times: what the
 * checkers judge by. Every value that is ever written is another one, named by
 * a number; 0 is no value. Clients know nothing else of the cluster.
 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_kind {
	SIM_PUT,
	SIM_CAS, /* value for expected; expected 0: if absent */
	SIM_DELETE,
	SIM_GET
};

enum sim_result {
	SIM_OK,
	SIM_CONFLICT, /* CAS: something else stood there */
	SIM_UNKNOWN   /* it may have been done, or may be yet */
};

/* One operation on one key. What certainly was not done is in no history. */
struct sim_op {
	enum sim_kind kind;
	enum sim_result result;
	unsigned client;
	uint64_t call_ns;
	uint64_t return_ns; /* after call_ns */
	uint32_t value;     /* PUT, CAS: written; GET: read */
	uint32_t expected;  /* CAS */
	bool existed;       /* DELETE */
};

struct sim_history {
	struct sim_op *ops; /* owned */
	size_t count;
	size_t cap;
};

void sim_history_init(struct sim_history *history);
void sim_history_finish(struct sim_history *history);
void sim_history_add(struct sim_history *history, const struct sim_op *op);

/* For a person. */
void sim_op_format(const struct sim_op *op, char *ret_text, size_t size);

#endif
