/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conf.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/mem.h"

#include <blixard/error.h>
#include <string.h>

#define FORMAT 1

static int code_of_raft(int status)
{
	return status == 0 ? 0 : status == RAFT_NOMEM ? BLX_ENOMEM : BLX_ECORRUPT;
}

/* The text up to its NUL, borrowed; NULL when there is none in what is left. */
static const char *get_address(struct blx__reader *reader)
{
	const uint8_t *text = reader->data + reader->at;
	size_t left = blx__reader_left(reader);
	size_t max = BLX__CONF_ADDRESS_LEN_MAX + 1;
	const uint8_t *end;

	if (!blx__reader_ok(reader) || left == 0) {
		return NULL;
	}
	end = memchr(text, '\0', left < max ? left : max);
	if (end == NULL) {
		return NULL;
	}
	return (const char *)blx__get_raw(reader, (size_t)(end - text) + 1);
}

static int decode_server(struct blx__reader *reader, struct raft_configuration *conf)
{
	raft_id id = blx__get_u64(reader);
	const char *address = get_address(reader);
	int role = blx__get_u8(reader);

	if (!blx__reader_ok(reader) || address == NULL || id == 0) {
		return BLX_ECORRUPT;
	}
	return code_of_raft(raft_configuration_add(conf, id, address, role));
}

int blx__conf_decode(const void *data, size_t len, struct raft_configuration *ret_conf)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct raft_configuration conf;
	uint8_t format = blx__get_u8(&reader);
	uint64_t n = blx__get_u64(&reader);
	uint64_t i;
	int rv = 0;

	if (!blx__reader_ok(&reader) || format != FORMAT || n == 0) {
		return BLX_ECORRUPT;
	}
	if (n > BLX__CONF_SERVERS_MAX) {
		return BLX_ETOOBIG;
	}
	raft_configuration_init(&conf);
	for (i = 0; i < n && rv == 0; i++) {
		rv = decode_server(&reader, &conf);
	}
	/* What is left is padding; libraft does not clear it, so its content says nothing. */
	if (rv == 0 && blx__reader_left(&reader) >= 8) {
		rv = BLX_ECORRUPT;
	}
	if (rv != 0) {
		raft_configuration_close(&conf);
		return rv;
	}
	*ret_conf = conf;
	return 0;
}

int blx__conf_copy(const struct raft_configuration *conf, struct raft_configuration *ret_conf)
{
	struct raft_configuration copy;
	unsigned i;

	raft_configuration_init(&copy);
	for (i = 0; i < conf->n; i++) {
		const struct raft_server *server = &conf->servers[i];
		int rv = raft_configuration_add(&copy, server->id, server->address, server->role);

		if (rv != 0) {
			raft_configuration_close(&copy);
			return code_of_raft(rv);
		}
	}
	*ret_conf = copy;
	return 0;
}

bool blx__conf_equal(const struct raft_configuration *a, const struct raft_configuration *b)
{
	unsigned i;

	if (a->n != b->n) {
		return false;
	}
	for (i = 0; i < a->n; i++) {
		if (a->servers[i].id != b->servers[i].id ||
			a->servers[i].role != b->servers[i].role ||
			strcmp(a->servers[i].address, b->servers[i].address) != 0) {
			return false;
		}
	}
	return true;
}

unsigned blx__conf_voters(const struct raft_configuration *conf)
{
	unsigned voters = 0;
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		voters += conf->servers[i].role == RAFT_VOTER;
	}
	return voters;
}

const struct raft_server *blx__conf_find(const struct raft_configuration *conf, raft_id id)
{
	unsigned i;

	for (i = 0; i < conf->n; i++) {
		if (conf->servers[i].id == id) {
			return &conf->servers[i];
		}
	}
	return NULL;
}

bool blx__conf_sole_voter(const struct raft_configuration *conf, raft_id id)
{
	const struct raft_server *server = blx__conf_find(conf, id);

	return server != NULL && server->role == RAFT_VOTER && blx__conf_voters(conf) == 1;
}

void blx__conf_history_init(struct blx__conf_history *history)
{
	*history = (struct blx__conf_history){ 0 };
}

static void version_finish(struct blx__conf_version *version)
{
	raft_configuration_close(&version->conf);
}

void blx__conf_history_finish(struct blx__conf_history *history)
{
	blx__conf_history_truncate(history, 0);
	blx__free(history->versions);
	blx__conf_history_init(history);
}

void blx__conf_history_truncate(struct blx__conf_history *history, raft_index index)
{
	while (history->count > 0 && history->versions[history->count - 1].index >= index) {
		version_finish(&history->versions[--history->count]);
	}
}

static int history_reserve(struct blx__conf_history *history)
{
	size_t cap = history->cap == 0 ? 4 : 2 * history->cap;
	struct blx__conf_version *versions;

	if (history->count < history->cap) {
		return 0;
	}
	versions = blx__realloc(history->versions, cap * sizeof *versions);
	if (versions == NULL) {
		return BLX_ENOMEM;
	}
	history->versions = versions;
	history->cap = cap;
	return 0;
}

/* Takes conf. */
static void history_add(struct blx__conf_history *history, raft_index index,
	struct raft_configuration *conf)
{
	blx__conf_history_truncate(history, index);
	INVARIANT(history->count < history->cap);
	history->versions[history->count++] =
		(struct blx__conf_version){ .index = index, .conf = *conf };
}

int blx__conf_history_push(struct blx__conf_history *history, raft_index index,
	const struct raft_configuration *conf)
{
	struct raft_configuration copy;
	int rv = history_reserve(history);

	PRE(index > 0);

	if (rv == 0) {
		rv = blx__conf_copy(conf, &copy);
	}
	if (rv == 0) {
		history_add(history, index, &copy);
	}
	return rv;
}

int blx__conf_history_push_encoded(struct blx__conf_history *history, raft_index index,
	const struct raft_buffer *buf)
{
	struct raft_configuration conf;
	int rv = history_reserve(history);

	PRE(index > 0);

	if (rv == 0) {
		rv = blx__conf_decode(buf->base, buf->len, &conf);
	}
	if (rv == 0) {
		history_add(history, index, &conf);
	}
	return rv;
}

void blx__conf_history_commit(struct blx__conf_history *history, raft_index index)
{
	size_t old = 0;
	size_t i;

	while (old + 1 < history->count && history->versions[old + 1].index <= index) {
		old++;
	}
	if (old == 0) {
		return;
	}
	for (i = 0; i < old; i++) {
		version_finish(&history->versions[i]);
	}
	history->count -= old;
	memmove(history->versions, history->versions + old,
		history->count * sizeof *history->versions);
}

const struct blx__conf_version *blx__conf_history_at(const struct blx__conf_history *history,
	raft_index index)
{
	size_t i;

	for (i = history->count; i > 0; i--) {
		if (history->versions[i - 1].index <= index) {
			return &history->versions[i - 1];
		}
	}
	return NULL;
}

const struct blx__conf_version *blx__conf_history_last(const struct blx__conf_history *history)
{
	return history->count > 0 ? &history->versions[history->count - 1] : NULL;
}
