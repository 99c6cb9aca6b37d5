/* SPDX-License-Identifier: Apache-2.0 */
#include "feed.h"

#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 4096

void feed_init(struct feed *feed, size_t bytes_max)
{
	static const uint8_t cluster_id[16] = "feed";
	struct blx__machine_observer observer;

	*feed = (struct feed){0};
	cr_assert_eq(blx__machine_create(cluster_id, &feed->machine), 0);
	cr_assert_eq(blx__history_create(bytes_max, &feed->history), 0);
	observer = blx__history_observer(feed->history);
	blx__machine_observe(feed->machine, &observer);
	blx__txn_init(&feed->txn);
}

void feed_finish(struct feed *feed)
{
	blx__txn_finish(&feed->txn);
	blx__machine_destroy(feed->machine);
	blx__history_destroy(feed->history);
}

void feed_line(struct feed *feed, uint8_t kind, const char *path, const char *value)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__txn_line line = {.kind = kind,
		.key = key,
		.value = (const uint8_t *)value,
		.value_len = value != NULL ? strlen(value) : 0};

	cr_assert_eq(
		blx__path_parse(path, strlen(path), key, &line.key_len, NULL, NULL), 0);
	cr_assert_eq(blx__txn_add(&feed->txn, &line), 0);
}

static void on_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	(void)header;
	(void)position;
	*(int *)data = reply->code;
}

int feed_commit(struct feed *feed)
{
	struct blx__entry_header header = {.origin = 1, .time_ms = 1};
	struct blx__buf bytes;
	struct blx__buf entry;
	int code = 1;

	blx__buf_init(&bytes);
	blx__buf_init(&entry);
	blx__command_of_txn(&feed->txn, &bytes);
	blx__entry_begin(&entry, &header);
	blx__entry_add(&entry, bytes.data, bytes.len);
	blx__entry_end(&entry);
	cr_assert(blx__buf_ok(&entry));
	cr_assert_eq(blx__machine_apply(feed->machine, ++feed->index, 1, entry.data,
			     entry.len, on_reply, &code),
		0);
	blx__buf_finish(&bytes);
	blx__buf_finish(&entry);
	blx__txn_finish(&feed->txn);
	blx__txn_init(&feed->txn);
	return code;
}

void feed_put(struct feed *feed, const char *path, const char *value)
{
	feed_line(feed, BLX__TXN_PUT, path, value);
	cr_assert_eq(feed_commit(feed), 0);
}

void feed_delete_tree(struct feed *feed, const char *path)
{
	feed_line(feed, BLX__TXN_DELETE_TREE, path, NULL);
	cr_assert_eq(feed_commit(feed), 0);
}

static size_t text_item(char *text, size_t at, char sign, const struct blx__item *item)
{
	if (item == NULL) {
		return at;
	}
	return at + (size_t)snprintf(text + at, TEXT_SIZE - at, "%c%.*s", sign,
			    (int)item->value_len, (const char *)blx__item_value(item));
}

const char *feed_text(const struct feed *feed, uint64_t revision)
{
	static char text[TEXT_SIZE];
	char path[BLX__PATH_TEXT_SIZE];
	const struct blx__change *changes;
	size_t at = 0;
	size_t count;
	size_t i;

	changes = blx__history_at(feed->history, revision, &count);
	text[0] = '\0';
	for (i = 0; i < count; i++) {
		const struct blx__item *item = changes[i].new_item != NULL
						       ? changes[i].new_item
						       : changes[i].old_item;

		(void)blx__path_format(blx__item_key(item), item->key_len, path);
		at += (size_t)snprintf(
			text + at, TEXT_SIZE - at, "%s%s", i > 0 ? " " : "", path);
		at = text_item(text, at, '=', changes[i].new_item);
		at = text_item(text, at, '<', changes[i].old_item);
		cr_assert_lt(at, TEXT_SIZE - 1);
	}
	return text;
}
