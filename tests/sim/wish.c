/* SPDX-License-Identifier: Apache-2.0 */
#include "wish.h"

#include "base/assert.h"
#include "base/codec.h"
#include "machine/command.h"
#include "memory.h"
#include "node/list.h"
#include "store/path.h"
#include "store/txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY "/sim"

bool sim_wish_is_write(const struct sim_wish *wish)
{
	return wish->kind <= SIM_WISH_TXN;
}

bool sim_wish_is_consistent(const struct sim_wish *wish)
{
	return wish->kind == SIM_WISH_GET || wish->kind == SIM_WISH_LIST;
}

/* ---- keys and values ---- */

static size_t key_make(const char *path, uint8_t key[BLX__KEY_LEN_MAX])
{
	size_t len;
	int rv = blx__path_parse(path, strlen(path), key, &len, NULL, NULL);

	INVARIANT(rv == 0);
	return len;
}

static size_t key_of(unsigned number, uint8_t key[BLX__KEY_LEN_MAX])
{
	char path[64];

	/* Some are deeper than others. */
	(void)snprintf(path, sizeof path,
		number % 3 == 0 ? DIRECTORY "/k%u" : DIRECTORY "/d/k%u", number);
	return key_make(path, key);
}

int sim_key_parse(const uint8_t *name, size_t len)
{
	char digits[8];

	while (len > 0 && *name != 'k') {
		name++;
		len--;
	}
	if (len < 2 || len > sizeof digits) {
		return -1;
	}
	memcpy(digits, name + 1, len - 1);
	digits[len - 1] = '\0';
	return atoi(digits);
}

static uint8_t value_byte(uint32_t value, size_t at)
{
	return (uint8_t)((value * 2654435761u + at * 40503u) >> 8);
}

/* Follows from the value; most are small. */
static size_t value_size(uint32_t value, unsigned size_max)
{
	uint64_t part = ((value * 2654435761u) >> 8) % 1024;

	return 8 + (size_t)((size_max - 8) * part * part * part >> 30);
}

static uint8_t *value_make(uint32_t value, size_t size)
{
	uint8_t *bytes = sim_alloc(size);
	size_t i;

	for (i = 4; i < size; i++) {
		bytes[i] = value_byte(value, i);
	}
	blx__store_u32(bytes, value);
	return bytes;
}

uint32_t sim_value_parse(const uint8_t *bytes, size_t len)
{
	uint32_t value = len >= 4 ? blx__load_u32(bytes) : 0;
	size_t i;

	for (i = 4; i < len; i++) {
		if (bytes[i] != value_byte(value, i)) {
			return 0;
		}
	}
	return value;
}

/* ---- writes ---- */

static void add(struct blx__txn *txn, enum blx__txn_kind kind, unsigned key,
	uint32_t value, const struct sim_wish *wish)
{
	uint8_t bytes[BLX__KEY_LEN_MAX];
	size_t size = value_size(value, wish->size_max);
	uint8_t *content = value != 0 ? value_make(value, size) : NULL;
	struct blx__txn_line line = {.kind = (uint8_t)kind,
		.key = bytes,
		.key_len = key_of(key, bytes),
		.value = content,
		.value_len = content != NULL ? size : 0,
		.revision = kind == BLX__TXN_IF_REVISION ? wish->expected_revision : 0};
	int rv = blx__txn_add(txn, &line);

	INVARIANT(rv == 0);
	free(content);
}

static void add_guard(struct blx__txn *txn, const struct sim_wish *wish)
{
	if (wish->expected == 0) {
		add(txn, BLX__TXN_IF_ABSENT, wish->key, 0, wish);
	} else if (wish->kind == SIM_WISH_CAS_REVISION) {
		add(txn, BLX__TXN_IF_REVISION, wish->key, 0, wish);
	} else {
		add(txn, BLX__TXN_IF_VALUE, wish->key, wish->expected, wish);
	}
}

static void fill(struct blx__txn *txn, const struct sim_wish *wish)
{
	switch (wish->kind) {
	case SIM_WISH_PUT:
		add(txn, BLX__TXN_PUT, wish->key, wish->value, wish);
		break;
	case SIM_WISH_DELETE:
		add(txn, BLX__TXN_DELETE, wish->key, 0, wish);
		break;
	case SIM_WISH_TXN:
		add_guard(txn, wish);
		add(txn, BLX__TXN_PUT, wish->key, wish->value, wish);
		add(txn, BLX__TXN_PUT, wish->other, wish->other_value, wish);
		break;
	default:
		add_guard(txn, wish);
		add(txn, BLX__TXN_PUT, wish->key, wish->value, wish);
		break;
	}
}

static void encode_write(const struct sim_wish *wish, const struct sim_session *session,
	struct blx__buf *buf)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = session->id,
		.session_born_ms = (uint64_t)session->born_ms,
		.seq = session->seq,
		.acked = session->acked};
	struct blx__txn txn;
	struct blx__buf body;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	fill(&txn, wish);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	blx__command_encode(&command, buf);
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
}

/* ---- reads ---- */

static void encode_get(const struct sim_wish *wish, struct blx__buf *buf)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len = key_of(wish->key, key);

	struct blx__get get = {.mode = wish->kind == SIM_WISH_GET        ? BLX__GET_CONSISTENT
				       : wish->kind == SIM_WISH_GET_AGED ? BLX__GET_MAX_AGE
									 : BLX__GET_LOCAL,
		.max_age_ms = wish->max_age_ms,
		.key = key,
		.key_len = len};

	blx__get_put(buf, &get);
}

static void encode_list(const struct sim_wish *wish, struct blx__buf *buf)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__list_spec spec = {.consistent = wish->kind == SIM_WISH_LIST,
		.flags = BLX__LIST_TREE,
		.key = key,
		.key_len = key_make(DIRECTORY, key)};

	blx__list_spec_put(buf, &spec);
}

uint8_t sim_wish_encode(const struct sim_wish *wish, const struct sim_session *session,
	struct blx__buf *buf)
{
	if (sim_wish_is_write(wish)) {
		encode_write(wish, session, buf);
		return BLX__OP_WRITE;
	}
	if (wish->kind == SIM_WISH_LIST || wish->kind == SIM_WISH_LIST_LOCAL) {
		encode_list(wish, buf);
		return BLX__OP_LIST;
	}
	encode_get(wish, buf);
	return BLX__OP_GET;
}
