/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/views.h"

#include "base/rng.h"
#include "feed.h"
#include "support/test.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 8192

static struct feed feed;
static struct blx__views *views;

static void begin(void)
{
	struct blx__machine_observer observer;

	feed_init(&feed, 100000);
	cr_assert_eq(blx__views_create(&views), 0);
	observer = blx__views_observer(views);
	blx__machine_observe(feed.machine, &observer);
}

static void end(void)
{
	blx__machine_observe(feed.machine, NULL);
	blx__views_destroy(views);
	feed_finish(&feed);
}

static void put(const char *path, const char *value)
{
	feed_line(&feed, BLX__TXN_PUT, path, value);
	cr_assert_eq(feed_commit(&feed), 0);
}

static void rm(const char *path)
{
	feed_line(&feed, BLX__TXN_DELETE, path, NULL);
	cr_assert_eq(feed_commit(&feed), 0);
}

/* "name*count" of each group, or "path=value" of each value, with what comes to. */
static int read_as(
	const char *name, const char *group, uint32_t limit, const char *after, char *text)
{
	struct blx__views_spec spec = {.limit = limit,
		.name = (const uint8_t *)name,
		.name_len = strlen(name),
		.group = (const uint8_t *)group,
		.group_len = group != NULL ? strlen(group) : 0,
		.after = (const uint8_t *)after,
		.after_len = after != NULL ? strlen(after) : 0};
	struct blx__views_entry entry;
	struct blx__views_head head;
	struct blx__reader reader;
	struct blx__buf buf;
	uint32_t i;
	int rv;

	spec.flags = group != NULL ? BLX__VIEWS_GROUP : 0;
	blx__buf_init(&buf);
	rv = blx__views_read(views, &spec, &head, &buf);
	text[0] = '\0';
	reader = blx__reader_of(buf.data, buf.len);
	for (i = 0; rv == 0 && i < head.count; i++) {
		size_t len = strlen(text);

		cr_assert_eq(
			blx__views_entry_get(&reader, &head, group != NULL, &entry), 0);
		(void)snprintf(text + len, TEXT_SIZE - len, "%s%.*s", len > 0 ? " " : "",
			(int)entry.name_len, (const char *)entry.name);
		len = strlen(text);
		if (group != NULL) {
			(void)snprintf(text + len, TEXT_SIZE - len, "=%.*s",
				(int)entry.value_len, (const char *)entry.value);
		} else {
			(void)snprintf(text + len, TEXT_SIZE - len, "*%" PRIu64,
				entry.totals.count);
			if (head.sums_count > 0) {
				(void)snprintf(text + strlen(text), TEXT_SIZE - strlen(text),
					"+%" PRId64, entry.totals.sums[0]);
			}
		}
	}
	if (rv == 0) {
		(void)snprintf(text + strlen(text), TEXT_SIZE - strlen(text), " [%" PRIu64 "%s]",
			head.total, head.more ? " more" : "");
		cr_assert_eq(head.revision, blx__machine_revision(feed.machine));
		cr_assert(blx__reader_done(&reader));
	}
	blx__buf_finish(&buf);
	return rv;
}

static const char *groups(const char *name)
{
	static char text[TEXT_SIZE];

	cr_assert_eq(read_as(name, NULL, 0, NULL, text), 0);
	return text;
}

static const char *group(const char *name, const char *which)
{
	static char text[TEXT_SIZE];

	cr_assert_eq(read_as(name, which, 0, NULL, text), 0);
	return text;
}

Test(views, values_are_grouped_counted_and_added_up, .init = begin, .fini = end)
{
	put("/vm/a", "{\"node\": \"n1\", \"mem\": 100}");
	put("/:views/v", "{\"pattern\": \"/vm/*\", \"by\": \"node\", \"sum\": [\"mem\"]}");
	cr_assert_str_eq(groups("v"), "n1*1+100 [1]");
	put("/vm/b", "{\"node\": \"n2\", \"mem\": 30}");
	put("/vm/c", "{\"node\": \"n1\", \"mem\": -7}");
	put("/other/c", "{\"node\": \"n1\", \"mem\": 7}");
	cr_assert_str_eq(groups("v"), "n1*2+93 n2*1+30 [2]");
	put("/vm/b", "{\"node\": \"n1\"}");
	cr_assert_str_eq(groups("v"), "n1*3+93 [1]");
	rm("/vm/a");
	rm("/vm/c");
	put("/vm/b", "{\"node\": \"n3\", \"mem\": 1.5}");
	cr_assert_str_eq(groups("v"), "n3*1+0 [1]", "no integer is not added up");
	cr_assert_str_eq(group("v", "n1"), " [0]");
}

Test(views, a_group_gives_its_values_by_path, .init = begin, .fini = end)
{
	char text[TEXT_SIZE];

	put("/:views/v", "{\"pattern\": \"/s/**\", \"by\": \"on.node\"}");
	put("/s/b", "{\"on\":{\"node\":7}}");
	put("/s/a", "{\"on\":{\"node\":7}}");
	put("/s/c", "{\"on\":{\"node\":true}}");
	put("/s/d", "{\"on\":{\"node\":null}}");
	put("/s/e", "{\"on\":7}");
	put("/s/f", "nothing");
	cr_assert_str_eq(groups("v"), "7*2 true*1 [2]");
	cr_assert_eq(read_as("v", "7", 1, NULL, text), 0);
	cr_assert_not_null(strstr(text, "[2 more]"));
	cr_assert_eq(read_as("v", NULL, 0, "7", text), 0);
	cr_assert_str_eq(text, "true*1 [2]");
	cr_assert_eq(read_as("w", NULL, 0, NULL, text), BLX_ENOENT);
}

Test(views, without_a_field_all_are_in_one_group, .init = begin, .fini = end)
{
	put("/a", "no object");
	put("/b", "{\"n\": 5}");
	put("/:views/v", "{\"pattern\": \"/*\", \"sum\": [\"n\"]}");
	cr_assert_str_eq(groups("v"), "*2+5 [1]");
	put("/:views/v", "{\"pattern\": \"/*\"}");
	cr_assert_str_eq(group("v", ""), "a=no object b={\"n\": 5} [2]");
	rm("/:views/v");
	cr_assert_eq(blx__views_count(views), 0);
}

Test(views, a_sum_is_exact_and_cut_where_it_is_told, .init = begin, .fini = end)
{
	put("/:views/v", "{\"pattern\": \"/*\", \"sum\": [\"n\"]}");
	put("/a", "{\"n\": 9223372036854775807}");
	put("/b", "{\"n\": 9223372036854775807}");
	cr_assert_str_eq(groups("v"), "*2+9223372036854775807 [1]");
	put("/c", "{\"n\": -9223372036854775808}");
	rm("/a");
	cr_assert_str_eq(groups("v"), "*2+-1 [1]");
}

Test(views, of_too_many_the_last_are_not_kept, .init = begin, .fini = end)
{
	char text[TEXT_SIZE];
	char path[64];
	int i;

	for (i = 0; i <= BLX_VIEWS_MAX; i++) {
		(void)snprintf(path, sizeof path, "/:views/%03d", i);
		put(path, "{\"pattern\": \"/*\"}");
	}
	cr_assert_eq(read_as("063", NULL, 0, NULL, text), 0);
	cr_assert_eq(read_as("064", NULL, 0, NULL, text), BLX_EQUOTA);
	put("/:views/005", "{\"pattern\": \"/**\"}");
	cr_assert_eq(read_as("005", NULL, 0, NULL, text), 0, "it was one of those that are kept");
	cr_assert_eq(read_as("064", NULL, 0, NULL, text), BLX_EQUOTA);
	rm("/:views/007");
	cr_assert_eq(read_as("007", NULL, 0, NULL, text), BLX_ENOENT);
	cr_assert_eq(read_as("064", NULL, 0, NULL, text), 0, "there is room now");
}

static int check(const char *record)
{
	struct blx__txn txn;
	struct blx__buf body;
	struct blx__txn_line line = {.kind = BLX__TXN_PUT,
		.key = (const uint8_t *)":views\0v",
		.key_len = 8,
		.value = (const uint8_t *)record,
		.value_len = strlen(record)};
	blx_error error = BLX_ERROR_INIT;
	int rv;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &body);
	rv = blx__txn_check_puts(body.data, body.len, blx__view_put_check, &error);
	cr_assert((rv != 0) == (error.message[0] != '\0'));
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
	return rv;
}

Test(views, what_is_no_declaration_is_refused_before_it_is_logged)
{
	cr_assert_eq(check("{\"pattern\": \"/a/*\"}"), 0);
	cr_assert_eq(check("{\"pattern\": \"/a/*\", \"by\": \"a.b\", \"sum\": []}"), 0);
	cr_assert_eq(check("{\"pattern\": \"a/*\"}"), BLX_EINVAL);
	cr_assert_eq(check("{}"), BLX_EINVAL);
	cr_assert_eq(check("[]"), BLX_EINVAL);
	cr_assert_eq(check("x"), BLX_EINVAL);
	cr_assert_eq(check("{\"pattern\": \"/a\", \"by\": \"\"}"), BLX_EINVAL);
	cr_assert_eq(check("{\"pattern\": \"/a\", \"by\": 5}"), BLX_EINVAL);
	cr_assert_eq(check("{\"pattern\": \"/a\", \"sum\": \"n\"}"), BLX_EINVAL);
	cr_assert_eq(check("{\"pattern\": \"/a\", \"sum\": "
			   "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}"),
		BLX_EINVAL);
}

/* ---- against a look at everything ----------------------------------------------- */

static const char *const paths[] = {"/s/a", "/s/b", "/s/c/d", "/s/c/e", "/t/a", "/s"};
static const char *const values[] = {"{\"k\": \"x\", \"n\": 1}", "{\"k\": \"y\", \"n\": 20}",
	"{\"k\": 3}", "{\"n\": 300}", "text", "{\"k\": \"x\", \"n\": -4000}", "{\"k\": [1]}", ""};
static const char *const records[] = {"{\"pattern\": \"/s/*\", \"by\": \"k\", \"sum\": [\"n\"]}",
	"{\"pattern\": \"/s/**\", \"by\": \"k\"}", "{\"pattern\": \"/**\", \"sum\": [\"n\"]}",
	"{\"pattern\": \"/*/a\"}"};

#define PICK(rng, list) (list)[blx__rng_below(rng, sizeof(list) / sizeof((list)[0]))]

/* What the groups of "/s/ **" by "k" are, found another way. */
static void expected(const struct blx__tree *tree, char *text)
{
	json_t *counts = json_object();
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, tree, NULL, 0);
	char *sorted;
	const char *key;
	json_t *count;
	json_t *copy;

	for (; item != NULL; item = blx__cursor_next(&cursor)) {
		json_t *root = json_loadb(
			(const char *)blx__item_value(item), item->value_len, 0, NULL);
		json_t *k = json_object_get(root, "k");
		char name[16] = "3";

		if (json_is_string(k)) {
			(void)snprintf(name, sizeof name, "%s", json_string_value(k));
		}
		if (blx__item_key(item)[0] == 's' && (json_is_string(k) || json_is_integer(k))) {
			json_object_set_new(counts, name,
				json_integer(json_integer_value(json_object_get(counts, name)) +
					     1));
		}
		json_decref(root);
	}
	sorted = json_dumps(counts, JSON_SORT_KEYS);
	copy = json_loads(sorted, 0, NULL);
	text[0] = '\0';
	json_object_foreach (copy, key, count) {
		(void)snprintf(text + strlen(text), TEXT_SIZE - strlen(text), "%s*%d ", key,
			(int)json_integer_value(count));
	}
	(void)snprintf(text + strlen(text), TEXT_SIZE - strlen(text), "[%zu]",
		json_object_size(copy));
	free(sorted);
	json_decref(copy);
	json_decref(counts);
}

static void random_line(struct blx__rng *rng)
{
	char view[32];

	switch (blx__rng_below(rng, 12)) {
	case 0:
		feed_line(&feed, BLX__TXN_DELETE_TREE, PICK(rng, paths), NULL);
		break;
	case 1:
		feed_line(&feed, BLX__TXN_DELETE, PICK(rng, paths), NULL);
		break;
	case 2:
		(void)snprintf(view, sizeof view, "/:views/%u", (unsigned)blx__rng_below(rng, 3));
		if (blx__rng_below(rng, 4) == 0) {
			feed_line(&feed, BLX__TXN_DELETE, view, NULL);
		} else {
			feed_line(&feed, BLX__TXN_PUT, view, PICK(rng, records));
		}
		break;
	default:
		feed_line(&feed, BLX__TXN_PUT, PICK(rng, paths), PICK(rng, values));
		break;
	}
}

Test(views, they_are_what_is_there_after_every_transaction, .init = begin, .fini = end)
{
	const char *seed = getenv("BLX_SEED");
	struct blx__rng rng;
	char text[TEXT_SIZE];
	unsigned i;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	put("/:views/all", "{\"pattern\": \"/s/**\", \"by\": \"k\"}");
	for (i = 0; i < 20000; i++) {
		struct blx__image *image;
		uint64_t lines = 1 + blx__rng_below(&rng, 4);

		while (lines-- > 0) {
			random_line(&rng);
		}
		cr_assert_eq(feed_commit(&feed), 0);
		image = blx__machine_pin(feed.machine);
		cr_assert(blx__views_are_right(views, blx__image_tree(image)), "%u", i);
		expected(blx__image_tree(image), text);
		cr_assert_str_eq(groups("all")[0] == ' ' ? groups("all") + 1 : groups("all"),
			text, "%u", i);
		if (i % 100 == 0) {
			cr_assert_eq(blx__machine_restore(feed.machine, image), 0);
			cr_assert(blx__views_are_right(views, blx__image_tree(image)));
		}
		blx__image_unref(image);
	}
}
