/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and one-line writes. A blx_value is an item of the store, by another name. */
#include <blixard/store.h>

#include "api/opts.h"
#include "api/write.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/list.h"
#include "node/node.h"
#include "store/path.h"
#include "store/tree.h"

#include <string.h>

void blx_read_info_init(blx_read_info *info)
{
	*info = (blx_read_info)BLX_READ_INFO_INIT;
}

void blx_read_opts_init(blx_read_opts *opts)
{
	*opts = (blx_read_opts)BLX_READ_OPTS_INIT;
}

void blx_write_opts_init(blx_write_opts *opts)
{
	*opts = (blx_write_opts)BLX_WRITE_OPTS_INIT;
}

/* ---- values ---------------------------------------------------------------- */

static struct blx__item *item_of(const blx_value *value)
{
	return (struct blx__item *)(uintptr_t)value;
}

blx_value *blx_value_ref(blx_value *value)
{
	blx__item_ref(item_of(value));
	return value;
}

void blx_value_unref(blx_value *value)
{
	if (value != NULL) {
		blx__item_unref(item_of(value));
	}
}

const void *blx_value_data(const blx_value *value)
{
	return blx__item_value(item_of(value));
}

size_t blx_value_len(const blx_value *value)
{
	return blx__item_value_len(item_of(value));
}

uint64_t blx_value_revision(const blx_value *value)
{
	return item_of(value)->mod_revision;
}

uint64_t blx_value_create_revision(const blx_value *value)
{
	return item_of(value)->create_revision;
}

uint64_t blx_value_version(const blx_value *value)
{
	return item_of(value)->version;
}

/* ---- get -------------------------------------------------------------------- */

struct key {
	uint8_t bytes[BLX__KEY_LEN_MAX];
	size_t len;
};

static int key_parse(const char *path, struct key *ret_key, blx_error *error)
{
	bool dir;

	if (path == NULL) {
		return blx__error_set(error, BLX_EINVAL, "no path given");
	}
	return blx__path_parse(path, strlen(path), ret_key->bytes, &ret_key->len, &dir, error);
}

static int told_absent(int code, const char *path, blx_error *error)
{
	if (code == BLX_ENOVALUE) {
		return blx__error_set(error, code, "%s: no value there, only children", path);
	}
	return blx__error_set(error, code, "%s: not found", path);
}

static void info_fill(blx_read_info *ret_info, uint64_t revision, uint64_t age_ms)
{
	blx_read_info info = { .size = sizeof info, .revision = revision, .age_ms = age_ms };

	if (ret_info != NULL) {
		BLX__OUT(ret_info, &info);
	}
}

/* From the replica in this process, on the caller's thread. */
static int get_here(blx_client *client, const struct key *key, const char *path,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error)
{
	struct blx__item *item;
	uint64_t revision;
	int rv;

	if (blx__client_forked(client)) {
		return blx__client_may_wait(client, error);
	}
	rv = blx__machine_get(client->ops->machine(client), key->bytes, key->len, &item, &revision);
	if (ret_info != NULL) {
		info_fill(ret_info, revision, blx__node_leader_age_ms(client->node));
	}
	if (rv != 0) {
		return told_absent(rv, path, error);
	}
	*ret_value = (blx_value *)item;
	return 0;
}

static void get_body(struct blx__buf *buf, const struct key *key, const blx_read_opts *opts)
{
	bool consistent = (opts->flags & BLX_READ_CONSISTENT) != 0;
	struct blx__get get = { .mode = consistent ? BLX__GET_CONSISTENT
			: opts->max_age_ms != 0    ? BLX__GET_MAX_AGE
						   : BLX__GET_LOCAL,
		.min_revision = opts->min_revision,
		.max_age_ms = opts->max_age_ms,
		.key = key->bytes,
		.key_len = key->len };

	blx__get_put(buf, &get);
}

/* May the replica in this process answer as it is? */
static bool replica_will_do(blx_client *client, const blx_read_opts *opts)
{
	if (client->ops->machine(client) == NULL || opts->min_revision != 0) {
		return false;
	}
	if ((opts->flags & BLX_READ_CONSISTENT) != 0) {
		return blx__node_lease_holds(client->node);
	}
	return opts->max_age_ms == 0 ||
		blx__node_current_within(client->node, opts->max_age_ms);
}

static int opts_check(const blx_read_opts *opts, const char *path, blx_error *error)
{
	if (opts->max_age_ms != 0 && (opts->flags & BLX_READ_CONSISTENT) != 0) {
		return blx__error_set(error, BLX_EINVAL,
			"get %s: max_age_ms is for reads that may be old, not for consistent ones",
			path);
	}
	return 0;
}

/* An answer of BLX__OP_GET as a value. */
static int got_value(int code, const uint8_t *body, size_t len, blx_value **ret_value,
	blx_read_info *ret_info)
{
	struct blx__got got;
	struct blx__item *item;

	if (blx__got_get(body, len, &got) != 0) {
		return code != 0 ? code : BLX_EPROTO;
	}
	info_fill(ret_info, got.revision, got.age_ms);
	if (code != 0) {
		return code;
	}
	item = blx__item_create(NULL, 0, got.value, got.value_len);
	if (item == NULL) {
		return BLX_ENOMEM;
	}
	item->create_revision = got.create_revision;
	item->mod_revision = got.mod_revision;
	item->version = got.version;
	*ret_value = (blx_value *)item;
	return 0;
}

static int get_asked(blx_client *client, const char *path, const struct blx__ask *ask,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error)
{
	struct blx__answer answer;
	int rv = blx__client_call(client, ask, &answer, error);

	if (rv == 0 || rv == BLX_ENOENT || rv == BLX_ENOVALUE) {
		rv = got_value(rv, answer.body, answer.body_len, ret_value, ret_info);
		if (rv == BLX_ENOENT || rv == BLX_ENOVALUE) {
			(void)told_absent(rv, path, error);
		} else if (rv != 0) {
			(void)blx__error_set(error, rv, "get %s: %s", path, blx_strerror(rv));
		}
	}
	blx__answer_finish(&answer);
	return rv;
}

static int get(blx_client *client, const char *path, const blx_read_opts *user_opts,
	bool consistent, blx_value **ret_value, blx_read_info *ret_info, blx_error *error)
{
	blx_read_opts opts;
	struct key key;
	struct blx__buf body;
	struct blx__ask ask = { .op = BLX__OP_GET };
	int rv;

	if (client == NULL || ret_value == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"get: no client, or nowhere to put the value");
	}
	rv = key_parse(path, &key, error);
	if (rv != 0) {
		return rv;
	}
	BLX__OPTS(&opts, user_opts);
	opts.flags = consistent ? BLX_READ_CONSISTENT : 0;
	rv = opts_check(&opts, path, error);
	if (rv != 0) {
		return rv;
	}
	if (replica_will_do(client, &opts)) {
		return get_here(client, &key, path, ret_value, ret_info, error);
	}
	blx__buf_init(&body);
	get_body(&body, &key, &opts);
	if (!blx__buf_ok(&body)) {
		return blx__error_set(error, BLX_ENOMEM, "get %s: out of memory", path);
	}
	ask.timeout_ms = opts.timeout_ms;
	ask.body = body.data;
	ask.body_len = body.len;
	rv = get_asked(client, path, &ask, ret_value, ret_info, error);
	blx__buf_finish(&body);
	return rv;
}

int blx_get(blx_client *client, const char *path, const blx_read_opts *opts,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error)
{
	return get(client, path, opts, false, ret_value, ret_info, error);
}

int blx_get_consistent(blx_client *client, const char *path, const blx_read_opts *opts,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error)
{
	return get(client, path, opts, true, ret_value, ret_info, error);
}

struct get_pending {
	blx_read_cb cb;
	void *data;
};

static void on_got(const struct blx__response *response, void *data)
{
	struct get_pending pending = *(struct get_pending *)data;
	blx_read_info info = BLX_READ_INFO_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	int rv = response->code;

	blx__free(data);
	if (rv == 0 || rv == BLX_ENOENT || rv == BLX_ENOVALUE) {
		rv = got_value(rv, response->body, response->body_len, &value, &info);
		if (rv != 0) {
			(void)blx__error_set(&error, rv, "get: %s", blx_strerror(rv));
		}
	} else {
		(void)blx__response_error(response, &error);
	}
	pending.cb(rv, &error, value, &info, pending.data);
	blx_value_unref(value);
}

int blx_get_async(blx_client *client, const char *path, const blx_read_opts *user_opts,
	blx_read_cb cb, void *data)
{
	blx_read_opts opts;
	struct key key;
	struct blx__buf body;
	struct blx__ask ask = { .op = BLX__OP_GET };
	struct get_pending *pending;
	int rv;

	if (client == NULL || cb == NULL) {
		return BLX_EINVAL;
	}
	rv = key_parse(path, &key, NULL);
	if (rv != 0) {
		return rv;
	}
	BLX__OPTS(&opts, user_opts);
	rv = opts_check(&opts, path, NULL);
	if (rv != 0) {
		return rv;
	}
	pending = blx__malloc(sizeof *pending);
	if (pending == NULL) {
		return BLX_ENOMEM;
	}
	*pending = (struct get_pending){ .cb = cb, .data = data };
	blx__buf_init(&body);
	get_body(&body, &key, &opts);
	ask.timeout_ms = opts.timeout_ms;
	ask.body = body.data;
	ask.body_len = body.len;
	rv = blx__buf_ok(&body) ? blx__client_start(client, &ask, on_got, pending) : BLX_ENOMEM;
	blx__buf_finish(&body);
	if (rv != 0) {
		blx__free(pending);
	}
	return rv;
}

/* ---- one-line writes --------------------------------------------------------- */

int blx_put(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error)
{
	struct blx__line line = { .kind = BLX__LINE_PUT, .path = path, .value = value, .len = len };

	return blx__line_write(client, &line, opts, ret_revision, error);
}

int blx_put_if_absent(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error)
{
	struct blx__line line = { .kind = BLX__LINE_PUT_IF_ABSENT,
		.path = path,
		.value = value,
		.len = len };

	return blx__line_write(client, &line, opts, ret_revision, error);
}

int blx_cas(blx_client *client, const char *path, const void *expect, size_t expect_len,
	const void *value, size_t len, const blx_write_opts *opts, uint64_t *ret_revision,
	blx_error *error)
{
	struct blx__line line = { .kind = BLX__LINE_CAS,
		.path = path,
		.value = value,
		.len = len,
		.expect = expect,
		.expect_len = expect_len };

	return blx__line_write(client, &line, opts, ret_revision, error);
}

int blx_cas_revision(blx_client *client, const char *path, uint64_t expect_revision,
	const void *value, size_t len, const blx_write_opts *opts, uint64_t *ret_revision,
	blx_error *error)
{
	struct blx__line line = { .kind = BLX__LINE_CAS_REVISION,
		.path = path,
		.value = value,
		.len = len,
		.expect_revision = expect_revision };

	return blx__line_write(client, &line, opts, ret_revision, error);
}

int blx_delete(blx_client *client, const char *path, const blx_write_opts *opts,
	uint64_t *ret_revision, blx_error *error)
{
	struct blx__line line = { .kind = BLX__LINE_DELETE, .path = path };

	return blx__line_write(client, &line, opts, ret_revision, error);
}

int blx_put_async(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, blx_write_cb cb, void *data)
{
	struct blx__line line = { .kind = BLX__LINE_PUT, .path = path, .value = value, .len = len };

	return blx__line_start(client, &line, opts, cb, data);
}

int blx_put_if_absent_async(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, blx_write_cb cb, void *data)
{
	struct blx__line line = { .kind = BLX__LINE_PUT_IF_ABSENT,
		.path = path,
		.value = value,
		.len = len };

	return blx__line_start(client, &line, opts, cb, data);
}

int blx_cas_async(blx_client *client, const char *path, const void *expect, size_t expect_len,
	const void *value, size_t len, const blx_write_opts *opts, blx_write_cb cb, void *data)
{
	struct blx__line line = { .kind = BLX__LINE_CAS,
		.path = path,
		.value = value,
		.len = len,
		.expect = expect,
		.expect_len = expect_len };

	return blx__line_start(client, &line, opts, cb, data);
}

int blx_cas_revision_async(blx_client *client, const char *path, uint64_t expect_revision,
	const void *value, size_t len, const blx_write_opts *opts, blx_write_cb cb, void *data)
{
	struct blx__line line = { .kind = BLX__LINE_CAS_REVISION,
		.path = path,
		.value = value,
		.len = len,
		.expect_revision = expect_revision };

	return blx__line_start(client, &line, opts, cb, data);
}

int blx_delete_async(blx_client *client, const char *path, const blx_write_opts *opts,
	blx_write_cb cb, void *data)
{
	struct blx__line line = { .kind = BLX__LINE_DELETE, .path = path };

	return blx__line_start(client, &line, opts, cb, data);
}
