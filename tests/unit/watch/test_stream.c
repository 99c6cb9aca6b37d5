/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/stream.h"

#include "feed.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 8192

static struct feed feed;
static struct blx__watch_at at;
static struct blx__buf events;
static uint32_t count;
static char text[TEXT_SIZE];

static void begin(void)
{
	feed_init(&feed, BLX__HISTORY_BYTES);
	at = (struct blx__watch_at){.revision = 1};
	blx__buf_init(&events);
}

static void end(void)
{
	blx__buf_finish(&events);
	feed_finish(&feed);
}

static int fill(const char *pattern_text, uint8_t flags)
{
	struct blx__pattern pattern;

	cr_assert_eq(
		blx__pattern_parse(pattern_text, strlen(pattern_text), &pattern, NULL),
		0);
	blx__buf_reset(&events);
	return blx__watch_fill(feed.history, &pattern, flags, &at, &events, &count);
}

static void event_text(const struct blx__watch_event *event)
{
	char path[BLX__PATH_TEXT_SIZE];
	size_t len = strlen(text);

	(void)blx__path_format(event->key, event->key_len, path);
	len += (size_t)snprintf(text + len, TEXT_SIZE - len, "%s%u:%s%s",
		len > 0 ? " " : "", (unsigned)event->revision, path,
		event->is_delete ? "-" : "");
	if (event->value != NULL) {
		len += (size_t)snprintf(text + len, TEXT_SIZE - len, "=%.*s",
			(int)event->value_len, (const char *)event->value);
	}
	if (event->prev != NULL) {
		len += (size_t)snprintf(text + len, TEXT_SIZE - len, "<%.*s",
			(int)event->prev_len, (const char *)event->prev);
	}
	(void)snprintf(text + len, TEXT_SIZE - len, "%s", event->more ? "+" : "");
}

/* "1:/a=1 2:/a-<1+": revision, path, "-" for a removal, value, the one before, "+" for
 * more of the same transaction. */
static const char *watch(const char *pattern, uint8_t flags)
{
	struct blx__watch_event event;
	struct blx__reader reader;
	uint32_t i;

	cr_assert_eq(fill(pattern, flags), 0);
	reader = blx__reader_of(events.data, events.len);
	text[0] = '\0';
	for (i = 0; i < count; i++) {
		cr_assert_eq(blx__watch_event_get(&reader, &event), 0);
		event_text(&event);
	}
	cr_assert(blx__reader_done(&reader));
	return text;
}

Test(stream, what_matches_and_nothing_else, .init = begin, .fini = end)
{
	feed_put(&feed, "/a/1/x", "1");
	feed_put(&feed, "/b", "2");
	feed_put(&feed, "/a/2/x", "3");
	feed_put(&feed, "/a/2/y", "4");
	feed_delete_tree(&feed, "/a");

	cr_assert_str_eq(
		watch("/a/*/x", 0), "1:/a/1/x=1 3:/a/2/x=3 5:/a/1/x-+ 5:/a/2/x-");
	cr_assert_eq(at.revision, 6);
	cr_assert_eq(at.skip, 0);
	cr_assert_str_eq(watch("/a/*/x", 0), "");
}

Test(stream, with_the_value_before_or_without_values, .init = begin, .fini = end)
{
	feed_put(&feed, "/a", "1");
	feed_put(&feed, "/a", "2");
	feed_delete_tree(&feed, "/a");
	feed_put(&feed, "/a", "");

	cr_assert_str_eq(watch("/**", BLX__WATCH_PREV), "1:/a=1 2:/a=2<1 3:/a-<2 4:/a=");
	at.revision = 1;
	cr_assert_str_eq(watch("/a", BLX__WATCH_NO_VALUES), "1:/a 2:/a 3:/a- 4:/a");
}

Test(stream, revisions_and_versions_are_of_the_value, .init = begin, .fini = end)
{
	struct blx__watch_event event;
	struct blx__reader reader;

	feed_put(&feed, "/b", "1");
	feed_put(&feed, "/a", "1");
	feed_put(&feed, "/a", "2");
	feed_delete_tree(&feed, "/a");
	at.revision = 3;
	cr_assert_eq(fill("/a", 0), 0);
	reader = blx__reader_of(events.data, events.len);

	cr_assert_eq(count, 2);
	cr_assert_eq(blx__watch_event_get(&reader, &event), 0);
	cr_assert_eq(event.create_revision, 2);
	cr_assert_eq(event.version, 2);
	cr_assert_eq(event.prev_revision, 2);
	cr_assert_eq(blx__watch_event_get(&reader, &event), 0);
	cr_assert(event.is_delete);
	cr_assert_eq(event.revision, 4);
	cr_assert_eq(event.create_revision, 2);
	cr_assert_eq(event.version, 2);
	cr_assert_eq(event.prev_revision, 3);
}

Test(stream, from_now_on_is_behind_the_latest, .init = begin, .fini = end)
{
	feed_put(&feed, "/a", "1");
	at = (struct blx__watch_at){0};
	cr_assert_str_eq(watch("/a", 0), "");
	cr_assert_eq(at.revision, 2);
	feed_put(&feed, "/a", "2");
	cr_assert_str_eq(watch("/a", 0), "2:/a=2");
}

Test(stream, what_is_yet_to_come_delivers_nothing_older, .init = begin, .fini = end)
{
	feed_put(&feed, "/a", "1");
	at.revision = 3;
	cr_assert_str_eq(watch("/a", 0), "");
	cr_assert_eq(at.revision, 3);
	feed_put(&feed, "/a", "2");
	cr_assert_str_eq(watch("/a", 0), "");
	feed_put(&feed, "/a", "3");
	cr_assert_str_eq(watch("/a", 0), "3:/a=3");
}

Test(stream, what_is_forgotten_is_said_to_be, .fini = end)
{
	begin();
	end();
	feed_init(&feed, 600);
	blx__buf_init(&events);
	feed_put(&feed, "/a", "1");
	feed_put(&feed, "/b", "2");
	cr_assert_str_eq(watch("/a", 0), "1:/a=1");
	while (blx__history_floor(feed.history) < 3) {
		feed_put(&feed, "/c", "3");
	}

	cr_assert_eq(fill("/a", 0), BLX_ECOMPACTED);
	at.revision = blx__history_floor(feed.history);
	cr_assert_eq(fill("/a", 0), BLX_ECOMPACTED);
	at.revision = blx__history_floor(feed.history) + 1;
	cr_assert_eq(fill("/a", 0), 0);
}

/* One transaction of so many puts below /t, of values of so many bytes. */
static void put_many(unsigned many, size_t value_len)
{
	char *value = calloc(1, value_len + 1);
	char path[32];
	unsigned i;

	memset(value, 'v', value_len);
	for (i = 0; i < many; i++) {
		(void)snprintf(path, sizeof path, "/t/%04u", i);
		feed_line(&feed, BLX__TXN_PUT, path, value);
	}
	cr_assert_eq(feed_commit(&feed), 0);
	free(value);
}

/* Takes all events of a pattern in batches; gives the number of batches. */
static unsigned take_all(const char *pattern, unsigned *ret_events)
{
	struct blx__watch_event event;
	unsigned batches = 0;
	unsigned taken = 0;
	uint32_t i;

	do {
		struct blx__reader reader;

		cr_assert_eq(fill(pattern, 0), 0);
		reader = blx__reader_of(events.data, events.len);
		for (i = 0; i < count; i++) {
			char path[BLX__PATH_TEXT_SIZE];
			char expected[32];

			cr_assert_eq(blx__watch_event_get(&reader, &event), 0);
			(void)blx__path_format(event.key, event.key_len, path);
			(void)snprintf(
				expected, sizeof expected, "/t/%04u", taken % 1000);
			cr_assert_str_eq(path, expected);
			cr_assert_eq(event.more, taken % 1000 != 999);
			taken++;
		}
		cr_assert(blx__reader_done(&reader));
		batches++;
	} while (at.revision <= blx__history_last(feed.history));
	*ret_events = taken;
	return batches;
}

Test(stream, a_large_transaction_comes_in_parts_and_whole, .init = begin, .fini = end)
{
	unsigned taken;

	put_many(1000, 3000);
	put_many(1000, 3000);
	cr_assert_geq(take_all("/t/*", &taken), 20);
	cr_assert_eq(taken, 2000);
}

Test(stream, a_batch_has_an_event_however_large, .init = begin, .fini = end)
{
	put_many(2, 700000);
	cr_assert_eq(fill("/t/*", 0), 0);
	cr_assert_eq(count, 1);
	cr_assert_eq(at.revision, 1);
	cr_assert_eq(at.skip, 1);
	cr_assert_eq(fill("/t/*", 0), 0);
	cr_assert_eq(count, 1);
	cr_assert_eq(at.revision, 2);
}

Test(stream, a_long_history_is_looked_through_in_steps, .init = begin, .fini = end)
{
	unsigned taken;
	unsigned i;

	for (i = 0; i < 40; i++) {
		put_many(1000, 1);
	}
	cr_assert_geq(take_all("/none", &taken), 3);
	cr_assert_eq(taken, 0);
	cr_assert_eq(at.revision, 41);
}

/* ---- bytes ----------------------------------------------------------------------- */

Test(stream, what_is_asked_comes_through_and_not_in_part)
{
	struct blx__watch_spec spec = {.flags = BLX__WATCH_PREV,
		.from = {.revision = UINT64_MAX, .skip = 7},
		.wait_ms = 1234,
		.text = "/a/*",
		.text_len = 4};
	struct blx__watch_spec got;
	struct blx__buf buf;
	size_t len;

	blx__buf_init(&buf);
	blx__watch_spec_put(&buf, &spec);
	cr_assert_eq(blx__watch_spec_get(buf.data, buf.len, &got), 0);
	cr_assert_eq(got.flags, spec.flags);
	cr_assert_eq(blx__watch_at_compare(&got.from, &spec.from), 0);
	cr_assert_eq(got.wait_ms, 1234);
	cr_assert_eq(got.text_len, 4);
	cr_assert_arr_eq(got.text, "/a/*", 4);
	for (len = 0; len < buf.len; len++) {
		cr_assert_eq(blx__watch_spec_get(buf.data, len, &got), BLX_EPROTO);
	}
	buf.data[0] = 0x80;
	cr_assert_eq(blx__watch_spec_get(buf.data, buf.len, &got), BLX_EPROTO);
	blx__buf_finish(&buf);
}

Test(stream, an_event_does_not_come_in_part, .init = begin, .fini = end)
{
	struct blx__watch_event event;
	size_t len;

	feed_put(&feed, "/a", "1");
	feed_put(&feed, "/a", "2");
	at.revision = 2;
	cr_assert_eq(fill("/a", BLX__WATCH_PREV), 0);
	for (len = 0; len < events.len; len++) {
		struct blx__reader reader = blx__reader_of(events.data, len);

		cr_assert_eq(blx__watch_event_get(&reader, &event), BLX_EPROTO);
	}
}
