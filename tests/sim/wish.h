/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client wants done, as the bytes of a request, and what the answer says.
 */
#ifndef SIM_WISH_H
#define SIM_WISH_H

#include "base/buf.h"
#include "history.h"
#include "node/protocol.h"

#include <stdbool.h>
#include <stdint.h>

enum sim_wish_kind {
	SIM_WISH_PUT,
	SIM_WISH_PUT_IF_ABSENT,
	SIM_WISH_CAS_VALUE,
	SIM_WISH_CAS_REVISION,
	SIM_WISH_DELETE,
	SIM_WISH_TXN, /* CAS of one key, put of another */
	SIM_WISH_GET_LOCAL,
	SIM_WISH_GET,
	SIM_WISH_GET_AGED, /* local, if it is not too old */
	SIM_WISH_LIST_LOCAL,
	SIM_WISH_LIST,
	SIM_WISH_KINDS
};

struct sim_wish {
	enum sim_wish_kind kind;
	unsigned key;
	unsigned other; /* TXN: the key that is put */
	uint32_t value;
	uint32_t other_value;
	uint32_t expected;
	uint64_t expected_revision; /* CAS_REVISION */
	uint32_t max_age_ms;        /* GET_AGED */
	unsigned size_max;          /* of values */
	uint64_t call_ns;
};

bool sim_wish_is_write(const struct sim_wish *wish);
bool sim_wish_is_consistent(const struct sim_wish *wish);

struct sim_session {
	uint64_t id;
	int64_t born_ms;
	uint64_t seq;
	uint64_t acked;
};

/* The request's op and body. */
uint8_t sim_wish_encode(const struct sim_wish *wish, const struct sim_session *session,
	struct blx__buf *buf);

/* A value as it is stored: its number, and bytes that follow from it. 0: not one of ours.
 */
uint32_t sim_value_parse(const uint8_t *bytes, size_t len);

/* A key of ours by its place in a list, -1: not one. */
int sim_key_parse(const uint8_t *name, size_t len);

#endif
