/* SPDX-License-Identifier: Apache-2.0 */
/* Views: declared by a value, read from the replica here or from a member elsewhere. */
#include <blixard/view.h>

#include "api/opts.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/node.h"
#include "store/path.h"
#include "watch/views.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Of a name: room for as many is made at once. */
#define NAME_GUESS 32

struct blx_view {
	struct blx__views_head head;
	struct blx__buf names; /* each with its NUL */
	struct blx__buf bytes; /* what came; values are in it */
	struct entry {
		size_t name; /* where in names */
		struct blx__views_entry entry;
	} *at; /* owned */
};

/* What is asked. */
struct ask {
	struct blx__views_spec spec;
	uint8_t name[BLX__KEY_LEN_MAX];
	uint8_t after[BLX__KEY_LEN_MAX];
	const char *text; /* the name as it was given */
	uint32_t timeout_ms;
};

void blx_view_declare_opts_init(blx_view_declare_opts *opts)
{
	*opts = (blx_view_declare_opts)BLX_VIEW_DECLARE_OPTS_INIT;
}

void blx_view_opts_init(blx_view_opts *opts)
{
	*opts = (blx_view_opts)BLX_VIEW_OPTS_INIT;
}

/* ---- declaring ------------------------------------------------------------------ */

static int path_of(const char *name, char ret_path[BLX__PATH_TEXT_SIZE], blx_error *error)
{
	if (!blx__path_child(BLX__VIEWS_DIR, name, ret_path)) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"view \"%.80s\": its name must be there, without \"/\"",
			name != NULL ? name : "");
	}
	return 0;
}

static json_t *sums_json(const blx_view_declare_opts *opts)
{
	json_t *sums = json_array();
	size_t i;

	for (i = 0; i < opts->sums_count; i++) {
		if (json_array_append_new(sums, json_string(opts->sums[i])) != 0) {
			json_decref(sums);
			return NULL;
		}
	}
	return sums;
}

/* To be freed with free(); NULL: no memory, or what is no UTF-8. */
static char *record_of(const char *pattern, const char *by, const blx_view_declare_opts *opts)
{
	json_t *root = json_pack("{s:s, s:o}", "pattern", pattern, "sum", sums_json(opts));
	char *text = NULL;

	if (root != NULL &&
		(by == NULL || json_object_set_new(root, "by", json_string(by)) == 0)) {
		text = json_dumps(root, JSON_COMPACT);
	}
	json_decref(root);
	return text;
}

int blx_view_declare(blx_client *client, const char *name, const char *pattern, const char *by,
	const blx_view_declare_opts *user_opts, blx_error *error)
{
	blx_write_opts write_opts = BLX_WRITE_OPTS_INIT;
	blx_view_declare_opts opts;
	char path[BLX__PATH_TEXT_SIZE];
	char *record;
	int rv = path_of(name, path, error);

	BLX__OPTS(&opts, user_opts);
	if (rv == 0 && (client == NULL || pattern == NULL ||
			       (opts.sums == NULL && opts.sums_count > 0))) {
		rv = blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"view %s: no client, no pattern, or no fields to add up", name);
	}
	if (rv != 0) {
		return rv;
	}
	record = record_of(pattern, by, &opts);
	if (record == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"view %s: the pattern and the fields must be UTF-8", name);
	}
	write_opts.timeout_ms = opts.timeout_ms;
	rv = blx_put(client, path, record, strlen(record), &write_opts, NULL, error);
	free(record);
	return rv;
}

int blx_view_drop(blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	int rv = path_of(name, path, error);

	opts.timeout_ms = timeout_ms;
	return rv != 0 ? rv : blx_delete(client, path, &opts, NULL, error);
}

/* ---- what was read -------------------------------------------------------------- */

static blx_view *view_create(void)
{
	blx_view *view = blx__calloc(1, sizeof *view);

	if (view != NULL) {
		blx__buf_init(&view->names);
		blx__buf_init(&view->bytes);
	}
	return view;
}

void blx_view_free(blx_view *view)
{
	if (view != NULL) {
		blx__buf_finish(&view->names);
		blx__buf_finish(&view->bytes);
		blx__free(view->at);
		blx__free(view);
	}
}

/* The name of a group as it is, a key as its path. */
static void name_put(blx_view *view, const struct blx__views_entry *entry, bool of_group)
{
	char path[BLX__PATH_TEXT_SIZE];

	if (of_group) {
		blx__buf_append(&view->names, path,
			blx__path_format(entry->name, entry->name_len, path));
	} else {
		blx__buf_append(&view->names, entry->name, entry->name_len);
	}
	blx__put_u8(&view->names, 0);
}

/* Finds the entries in the bytes, from where they begin. */
static int view_index(blx_view *view, size_t from, bool of_group)
{
	struct blx__reader reader = blx__reader_of(view->bytes.data, view->bytes.len);
	uint32_t i;

	reader.at = from;
	view->at = blx__calloc(view->head.count > 0 ? view->head.count : 1, sizeof *view->at);
	if (view->at == NULL) {
		return BLX_ENOMEM;
	}
	(void)blx__buf_reserve(&view->names, view->head.count * NAME_GUESS);
	for (i = 0; i < view->head.count; i++) {
		struct entry *at = &view->at[i];

		if (blx__views_entry_get(&reader, &view->head, of_group, &at->entry) != 0) {
			return BLX_EPROTO;
		}
		at->name = view->names.len;
		name_put(view, &at->entry, of_group);
	}
	if (!blx__buf_ok(&view->names)) {
		return BLX_ENOMEM;
	}
	return blx__reader_done(&reader) ? 0 : BLX_EPROTO;
}

uint64_t blx_view_revision(const blx_view *view)
{
	return view->head.revision;
}

uint64_t blx_view_age_ms(const blx_view *view)
{
	return view->head.age_ms;
}

int blx_view_more(const blx_view *view)
{
	return view->head.more;
}

size_t blx_view_count(const blx_view *view)
{
	return view->head.count;
}

uint64_t blx_view_total(const blx_view *view)
{
	return view->head.total;
}

int64_t blx_view_sum(const blx_view *view, size_t i)
{
	return i < view->head.sums_count ? view->head.sums[i] : 0;
}

int blx_view_at(const blx_view *view, size_t i, blx_view_entry *ret_entry)
{
	blx_view_entry entry = { .size = sizeof entry };
	const struct blx__views_entry *from;

	if (view == NULL || ret_entry == NULL || i >= view->head.count) {
		return BLX_EINVAL;
	}
	from = &view->at[i].entry;
	entry.name = (const char *)view->names.data + view->at[i].name;
	entry.count = from->totals.count;
	entry.value = from->value;
	entry.value_len = from->value_len;
	entry.revision = from->mod_revision;
	entry.create_revision = from->create_revision;
	entry.version = from->version;
	if (from->mod_revision == 0) {
		entry.sums = from->totals.sums;
		entry.sums_count = view->head.sums_count;
	}
	BLX__OUT(ret_entry, &entry);
	return 0;
}

/* ---- reading -------------------------------------------------------------------- */

static int told_failed(int code, const struct ask *ask, blx_error *error)
{
	switch (code) {
	case BLX_ENOENT:
		return blx__error_set(error, code, "view %s: there is no such view; declare it",
			ask->text);
	case BLX_EQUOTA:
		return blx__error_set(error, code,
			"view %s: there are more than %d views; drop some", ask->text,
			BLX_VIEWS_MAX);
	default:
		return blx__error_set(error, code, "view %s: %s", ask->text, blx_strerror(code));
	}
}

/* Waits until the replica has all that was acknowledged before now. */
static int barrier(blx_client *client, const struct ask *ask, blx_error *error)
{
	uint8_t body[8] = { 0 }; /* no least revision */
	struct blx__ask call = { .op = BLX__OP_BARRIER,
		.timeout_ms = ask->timeout_ms,
		.body = body,
		.body_len = sizeof body };
	struct blx__answer answer;
	int rv = blx__client_call(client, &call, &answer, error);

	blx__answer_finish(&answer);
	return rv;
}

static int read_here(blx_client *client, const struct ask *ask, blx_view *view, blx_error *error)
{
	int rv = 0;

	if (blx__client_forked(client)) {
		return blx__client_may_wait(client, error); /* it has the words for it */
	}
	if (ask->spec.consistent && !blx__node_lease_holds(client->node)) {
		rv = barrier(client, ask, error);
	}
	if (rv != 0) {
		return rv;
	}
	rv = blx__views_read(
		blx__node_views(client->node), &ask->spec, &view->head, &view->bytes);
	view->head.age_ms = blx__node_leader_age_ms(client->node);
	if (rv == 0) {
		rv = view_index(view, 0, (ask->spec.flags & BLX__VIEWS_GROUP) != 0);
	}
	return rv != 0 ? told_failed(rv, ask, error) : 0;
}

static int answer_take(const struct ask *ask, const struct blx__answer *answer, blx_view *view)
{
	struct blx__reader reader = blx__reader_of(answer->body, answer->body_len);
	int rv = blx__views_head_get(&reader, &view->head);

	if (rv != 0) {
		return rv;
	}
	blx__buf_append(&view->bytes, answer->body, answer->body_len);
	if (!blx__buf_ok(&view->bytes)) {
		return BLX_ENOMEM;
	}
	return view_index(view, reader.at, (ask->spec.flags & BLX__VIEWS_GROUP) != 0);
}

static int read_there(blx_client *client, const struct ask *ask, blx_view *view, blx_error *error)
{
	struct blx__ask call = { .op = BLX__OP_VIEW, .timeout_ms = ask->timeout_ms };
	struct blx__answer answer;
	struct blx__buf body;
	int rv = BLX_ENOMEM;

	blx__buf_init(&body);
	blx__views_spec_put(&body, &ask->spec);
	answer = (struct blx__answer){ 0 };
	if (blx__buf_ok(&body)) {
		call.body = body.data;
		call.body_len = body.len;
		rv = blx__client_call(client, &call, &answer, error);
		if (rv == 0) {
			rv = answer_take(ask, &answer, view);
			rv = rv != 0 ? told_failed(rv, ask, error) : 0;
		} else if (rv == BLX_ENOENT || rv == BLX_EQUOTA) {
			(void)told_failed(rv, ask, error);
		}
	} else {
		(void)told_failed(rv, ask, error);
	}
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

/* The view's name as it is in a key. */
static int ask_name(struct ask *ask, const char *name, blx_error *error)
{
	ask->spec.name = ask->name;
	if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"view \"%.80s\": its name must be there, without \"/\"",
			name != NULL ? name : "");
	}
	return blx__path_parse_name(name, strlen(name), ask->name, &ask->spec.name_len, error);
}

static int ask_after(struct ask *ask, const char *after, blx_error *error)
{
	bool dir;

	if (after == NULL) {
		return 0;
	}
	ask->spec.after = ask->after;
	if ((ask->spec.flags & BLX__VIEWS_GROUP) != 0) {
		return blx__path_parse(
			after, strlen(after), ask->after, &ask->spec.after_len, &dir, error);
	}
	ask->spec.after_len = strlen(after);
	if (ask->spec.after_len > sizeof ask->after) {
		return blx__error_set(
			error, BLX_EINVAL, "view %s: no group has so long a name", ask->text);
	}
	memcpy(ask->after, after, ask->spec.after_len);
	return 0;
}

static int ask_init(struct ask *ask, const char *name, const char *group,
	const blx_view_opts *opts, blx_error *error)
{
	int rv;

	*ask = (struct ask){ .text = name, .timeout_ms = opts->timeout_ms };
	if ((opts->flags & ~(uint32_t)(BLX_VIEW_CONSISTENT | BLX_VIEW_NO_VALUES)) != 0) {
		return blx__error_set(error, BLX_EINVAL,
			"view %.80s: flags that are not known: %#x", name != NULL ? name : "",
			(unsigned)opts->flags);
	}
	ask->spec.consistent = (opts->flags & BLX_VIEW_CONSISTENT) != 0;
	ask->spec.limit = opts->limit;
	if ((opts->flags & BLX_VIEW_NO_VALUES) != 0) {
		ask->spec.flags |= BLX__VIEWS_NO_VALUES;
	}
	if (group != NULL) {
		ask->spec.flags |= BLX__VIEWS_GROUP;
		ask->spec.group = (const uint8_t *)group;
		ask->spec.group_len = strlen(group);
	}
	rv = ask_name(ask, name, error);
	if (rv == 0 && ask->spec.group_len > BLX__KEY_LEN_MAX) {
		rv = blx__error_set(
			error, BLX_EINVAL, "view %s: no group has so long a name", name);
	}
	return rv != 0 ? rv : ask_after(ask, opts->after, error);
}

static int view_read(blx_client *client, const char *name, const char *group,
	const blx_view_opts *user_opts, blx_view **ret_view, blx_error *error)
{
	blx_view_opts opts;
	struct ask ask;
	blx_view *view;
	int rv;

	if (client == NULL || ret_view == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "view: no client, or nowhere to put it");
	}
	BLX__OPTS(&opts, user_opts);
	rv = ask_init(&ask, name, group, &opts, error);
	if (rv != 0) {
		return rv;
	}
	view = view_create();
	if (view == NULL) {
		return told_failed(BLX_ENOMEM, &ask, error);
	}
	rv = client->node != NULL ? read_here(client, &ask, view, error)
				  : read_there(client, &ask, view, error);
	if (rv != 0) {
		blx_view_free(view);
		return rv;
	}
	*ret_view = view;
	return 0;
}

int blx_view_groups(blx_client *client, const char *name, const blx_view_opts *opts,
	blx_view **ret_view, blx_error *error)
{
	return view_read(client, name, NULL, opts, ret_view, error);
}

int blx_view_group(blx_client *client, const char *name, const char *group,
	const blx_view_opts *opts, blx_view **ret_view, blx_error *error)
{
	return view_read(client, name, group != NULL ? group : "", opts, ret_view, error);
}
