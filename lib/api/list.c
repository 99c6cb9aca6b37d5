/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: from the replica in this process without entering its loop, or in
 * pages from a member elsewhere, all pages of one revision.
 */
#include <blixard/store.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/list.h"
#include "node/node.h"
#include "store/path.h"

#include <string.h>

/* A member lets the rest of a list go when its reader stays away, or when it restarts: then
 * it is read anew, so often at most. */
#define TRIES_MAX 3

struct blx_list {
	struct blx__buf entries; /* as node/list.h encodes them */
	struct blx__buf names;   /* texts, each terminated */
	struct {
		struct blx__list_entry entry; /* points into entries */
		size_t name;                  /* where in names */
	} *at; /* owned */
	size_t count;
	uint64_t revision;
	uint64_t age_ms;
	bool more;
};

/* What is being listed. */
struct ask {
	const char *path; /* borrowed */
	uint32_t timeout_ms;
	struct blx__list_spec spec;
	uint8_t key[BLX__KEY_LEN_MAX];
	uint8_t after[BLX__KEY_LEN_MAX];
};

void blx_list_opts_init(blx_list_opts *opts)
{
	*opts = (blx_list_opts)BLX_LIST_OPTS_INIT;
}

/* ---- the result ------------------------------------------------------------- */

static blx_list *list_create(void)
{
	blx_list *list = blx__calloc(1, sizeof *list);

	if (list != NULL) {
		blx__buf_init(&list->entries);
		blx__buf_init(&list->names);
	}
	return list;
}

void blx_list_free(blx_list *list)
{
	if (list != NULL) {
		blx__buf_finish(&list->entries);
		blx__buf_finish(&list->names);
		blx__free(list->at);
		blx__free(list);
	}
}

/* Makes texts and an index of the bytes, which do not grow any more. */
static int list_index(blx_list *list)
{
	struct blx__reader reader = blx__reader_of(list->entries.data, list->entries.len);
	char text[BLX__PATH_TEXT_SIZE];
	size_t i;

	list->at = blx__calloc(list->count > 0 ? list->count : 1, sizeof list->at[0]);
	if (list->at == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < list->count; i++) {
		struct blx__list_entry *entry = &list->at[i].entry;
		size_t len;

		if (blx__list_entry_get(&reader, entry) != 0) {
			return BLX_EPROTO;
		}
		len = blx__path_format_name(entry->name, entry->name_len, text);
		list->at[i].name = list->names.len;
		blx__buf_append(&list->names, text, len + 1);
	}
	if (!blx__buf_ok(&list->names)) {
		return BLX_ENOMEM;
	}
	return blx__reader_done(&reader) ? 0 : BLX_EPROTO;
}

size_t blx_list_count(const blx_list *list)
{
	return list->count;
}

int blx_list_at(const blx_list *list, size_t i, blx_list_entry *ret_entry)
{
	blx_list_entry entry = { .size = sizeof entry };
	const struct blx__list_entry *from;

	if (list == NULL || ret_entry == NULL || i >= list->count) {
		return BLX_EINVAL;
	}
	from = &list->at[i].entry;
	entry.name = (const char *)list->names.data + list->at[i].name;
	entry.value = from->value;
	entry.value_len = from->value_len;
	entry.revision = from->mod_revision;
	entry.create_revision = from->create_revision;
	entry.version = from->version;
	entry.has_value = from->has_value;
	entry.has_children = from->has_children;
	BLX__OUT(ret_entry, &entry);
	return 0;
}

int blx_list_more(const blx_list *list)
{
	return list->more;
}

uint64_t blx_list_revision(const blx_list *list)
{
	return list->revision;
}

uint64_t blx_list_age_ms(const blx_list *list)
{
	return list->age_ms;
}

/* ---- from the replica here ---------------------------------------------------- */

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

static int list_here(blx_client *client, const struct ask *ask, blx_list *list, blx_error *error)
{
	struct blx__list_page page = { 0 };
	struct blx__image *image;
	int rv = 0;

	if (blx__client_forked(client)) {
		return blx__client_may_wait(client, error); /* it has the words for it */
	}
	if (ask->spec.consistent) {
		rv = barrier(client, ask, error);
	}
	if (rv != 0) {
		return rv;
	}
	image = blx__machine_pin(client->ops->machine(client));
	if (image == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "list %s: out of memory", ask->path);
	}
	rv = blx__list_fill(image, &ask->spec, &page, &list->entries);
	list->count = page.count;
	list->more = page.more;
	list->revision = blx__image_meta(image)->revision;
	list->age_ms = client->node != NULL ? blx__node_leader_age_ms(client->node) : 0;
	blx__image_unref(image);
	return rv != 0 ? blx__error_set(error, rv, "list %s: out of memory", ask->path) : 0;
}

/* ---- from a member elsewhere ---------------------------------------------------- */

/* The name of the last entry is where the next page begins. The reader is behind the head. */
static int page_take(struct ask *ask, blx_list *list, struct blx__reader *reader,
	const struct blx__list_head *head)
{
	const uint8_t *bytes = reader->data + reader->at;
	size_t len = blx__reader_left(reader);
	struct blx__list_entry entry = { 0 };
	uint32_t i;

	for (i = 0; i < head->count; i++) {
		if (blx__list_entry_get(reader, &entry) != 0) {
			return BLX_EPROTO;
		}
	}
	if (!blx__reader_done(reader)) {
		return BLX_EPROTO;
	}
	if (head->count > 0) {
		memcpy(ask->after, entry.name, entry.name_len);
		ask->spec.after = ask->after;
		ask->spec.after_len = entry.name_len;
	}
	blx__buf_append(&list->entries, bytes, len);
	list->count += head->count;
	return blx__buf_ok(&list->entries) ? 0 : BLX_ENOMEM;
}

static int page_read(struct ask *ask, blx_list *list, const struct blx__answer *answer,
	bool *ret_goes_on)
{
	struct blx__reader reader = blx__reader_of(answer->body, answer->body_len);
	struct blx__list_head head;
	int rv = blx__list_head_get(&reader, &head);

	if (rv == 0) {
		rv = page_take(ask, list, &reader, &head);
	}
	if (rv != 0) {
		return rv;
	}
	if (ask->spec.cursor == 0) {
		list->revision = head.revision;
		list->age_ms = head.age_ms;
	}
	list->more = head.more;
	*ret_goes_on = head.more && head.count > 0 && head.cursor != 0;
	ask->spec.cursor = head.cursor;
	ask->spec.consistent = false; /* the rest is of the same revision */
	if (ask->spec.limit != 0) {
		ask->spec.limit -= head.count < ask->spec.limit ? head.count : ask->spec.limit;
		*ret_goes_on = *ret_goes_on && ask->spec.limit > 0;
	}
	return 0;
}

static int page_ask(blx_client *client, struct ask *ask, blx_list *list, bool *ret_goes_on,
	blx_error *error)
{
	struct blx__ask call = { .op = BLX__OP_LIST, .timeout_ms = ask->timeout_ms };
	struct blx__answer answer;
	struct blx__buf body;
	int rv;

	blx__buf_init(&body);
	blx__list_spec_put(&body, &ask->spec);
	if (!blx__buf_ok(&body)) {
		return blx__error_set(error, BLX_ENOMEM, "list %s: out of memory", ask->path);
	}
	call.body = body.data;
	call.body_len = body.len;
	rv = blx__client_call(client, &call, &answer, error);
	if (rv == 0) {
		rv = page_read(ask, list, &answer, ret_goes_on);
		if (rv != 0) {
			(void)blx__error_set(error, rv, "list %s: %s", ask->path,
				blx_strerror(rv));
		}
	}
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

static int list_pages(blx_client *client, const struct ask *ask, blx_list *list, blx_error *error)
{
	struct ask left = *ask;
	bool goes_on = true;
	int rv = 0;

	blx__buf_reset(&list->entries);
	list->count = 0;
	while (rv == 0 && goes_on) {
		goes_on = false;
		rv = page_ask(client, &left, list, &goes_on, error);
	}
	return rv;
}

static int list_there(blx_client *client, const struct ask *ask, blx_list *list, blx_error *error)
{
	int tries = 0;
	int rv;

	do {
		rv = list_pages(client, ask, list, error);
	} while (rv == BLX_ESESSION && ++tries < TRIES_MAX);
	return rv;
}

/* ---- both ------------------------------------------------------------------------ */

static int ask_init(struct ask *ask, const char *path, const blx_list_opts *opts, bool consistent,
	blx_error *error)
{
	bool dir;
	int rv;

	*ask = (struct ask){ .path = path, .timeout_ms = opts->timeout_ms };
	if (path == NULL) {
		return blx__error_set(error, BLX_EINVAL, "list: no path given");
	}
	if ((opts->flags & ~(uint32_t)(BLX_LIST_NO_VALUES | BLX_LIST_TREE)) != 0) {
		return blx__error_set(error, BLX_EINVAL, "list %s: flags that are not known: %#x",
			path, (unsigned)opts->flags);
	}
	rv = blx__path_parse(path, strlen(path), ask->key, &ask->spec.key_len, &dir, error);
	if (rv == 0 && opts->after != NULL && opts->after[0] != '\0') {
		rv = blx__path_parse_name(opts->after, strlen(opts->after), ask->after,
			&ask->spec.after_len, error);
	}
	ask->spec.consistent = consistent;
	ask->spec.limit = opts->limit;
	if ((opts->flags & BLX_LIST_NO_VALUES) != 0) {
		ask->spec.flags |= BLX__LIST_NO_VALUES;
	}
	if ((opts->flags & BLX_LIST_TREE) != 0) {
		ask->spec.flags |= BLX__LIST_TREE;
	}
	ask->spec.key = ask->key;
	ask->spec.after = ask->after;
	return rv;
}

static int list_any(blx_client *client, const char *path, const blx_list_opts *user_opts,
	bool consistent, blx_list **ret_list, blx_error *error)
{
	blx_list_opts opts;
	struct ask ask;
	blx_list *list;
	int rv;

	if (client == NULL || ret_list == NULL) {
		return blx__error_set(error, BLX_EINVAL, "list: no client, or nowhere to put it");
	}
	BLX__OPTS(&opts, user_opts);
	rv = ask_init(&ask, path, &opts, consistent, error);
	if (rv != 0) {
		return rv;
	}
	list = list_create();
	if (list == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "list %s: out of memory", path);
	}
	rv = client->ops->machine(client) != NULL ? list_here(client, &ask, list, error)
						  : list_there(client, &ask, list, error);
	if (rv == 0) {
		rv = list_index(list);
		if (rv != 0) {
			(void)blx__error_set(error, rv, "list %s: %s", path, blx_strerror(rv));
		}
	}
	if (rv != 0) {
		blx_list_free(list);
		return rv;
	}
	*ret_list = list;
	return 0;
}

int blx_list_children(blx_client *client, const char *path, const blx_list_opts *opts,
	blx_list **ret_list, blx_error *error)
{
	return list_any(client, path, opts, false, ret_list, error);
}

int blx_list_children_consistent(blx_client *client, const char *path, const blx_list_opts *opts,
	blx_list **ret_list, blx_error *error)
{
	return list_any(client, path, opts, true, ret_list, error);
}
