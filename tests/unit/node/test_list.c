/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of lists against an oracle that looks at every key, and the images held for askers. */
#include "support/test.h"

#include "base/rng.h"
#include "node/impl.h"
#include "store/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 400

/* ---- a store ----------------------------------------------------------------- */

struct keys {
	struct {
		uint8_t bytes[40];
		size_t len;
	} at[KEYS_MAX];
	size_t count;
};

static int key_order(const void *a, const void *b)
{
	const typeof(((struct keys *)0)->at[0]) *x = a;
	const typeof(((struct keys *)0)->at[0]) *y = b;

	return blx__key_compare(x->bytes, x->len, y->bytes, y->len);
}

static void keys_add(struct keys *keys, const char *path)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t len;
	bool dir;

	cr_assert_eq(blx__path_parse(path, strlen(path), key, &len, &dir, NULL), 0, "%s", path);
	cr_assert(len <= sizeof keys->at[0].bytes && keys->count < KEYS_MAX);
	memcpy(keys->at[keys->count].bytes, key, len);
	keys->at[keys->count++].len = len;
}

static void keys_sort(struct keys *keys)
{
	size_t kept = 0;
	size_t i;

	qsort(keys->at, keys->count, sizeof keys->at[0], key_order);
	for (i = 0; i < keys->count; i++) {
		if (kept == 0 || key_order(&keys->at[kept - 1], &keys->at[i]) != 0) {
			keys->at[kept++] = keys->at[i];
		}
	}
	keys->count = kept;
}

static struct blx__image *image_of(const struct keys *keys, size_t value_len)
{
	struct blx__image_meta meta = { .cluster_id = "0123456789abcde",
		.index = 9,
		.term = 1,
		.revision = KEYS_MAX };
	struct blx__image_builder *builder;
	struct blx__image *image;
	uint8_t *value = calloc(1, value_len + 1);
	size_t i;

	cr_assert_not_null(value);
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	for (i = 0; i < keys->count; i++) {
		struct blx__image_item item = { .key = keys->at[i].bytes,
			.key_len = keys->at[i].len,
			.value = value,
			.value_len = value_len,
			.create_revision = i + 1,
			.mod_revision = i + 1,
			.version = 1 };

		cr_assert_eq(blx__image_builder_add_item(builder, &item), 0);
	}
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	free(value);
	return image;
}

/* ---- the oracle ---------------------------------------------------------------- */

struct row {
	uint8_t name[40];
	size_t len;
	bool has_value;
	bool has_children;
	uint64_t revision;
};

struct rows {
	struct row at[KEYS_MAX];
	size_t count;
	bool more;
};

static size_t component_len(const uint8_t *name, size_t len)
{
	size_t i;

	for (i = 0; i < len && name[i] != BLX__KEY_SEPARATOR; i++) {
	}
	return i;
}

/* Every key that is below the directory, in order, as an entry of its own or as part of the
 * last one. */
static void oracle_all(const struct keys *keys, const struct blx__list_spec *spec,
	struct rows *rows)
{
	size_t prefix = spec->key_len > 0 ? spec->key_len + 1 : 0;
	bool tree = (spec->flags & BLX__LIST_TREE) != 0;
	size_t i;

	rows->count = 0;
	for (i = 0; i < keys->count; i++) {
		const uint8_t *rest = keys->at[i].bytes + prefix;
		size_t len = keys->at[i].len - prefix;
		size_t name = 0;
		struct row *last = rows->count > 0 ? &rows->at[rows->count - 1] : NULL;

		if (keys->at[i].len <= prefix ||
			(prefix > 0 && (memcmp(keys->at[i].bytes, spec->key, spec->key_len) != 0 ||
					       keys->at[i].bytes[prefix - 1] != 0))) {
			continue;
		}
		name = tree ? len : component_len(rest, len);
		if (last == NULL || last->len != name || memcmp(last->name, rest, name) != 0) {
			last = &rows->at[rows->count++];
			*last = (struct row){ .len = name };
			memcpy(last->name, rest, name);
		}
		if (name == len) {
			last->has_value = true;
			last->revision = i + 1;
		} else {
			last->has_children = true;
		}
	}
}

static void oracle(const struct keys *keys, const struct blx__list_spec *spec, struct rows *rows)
{
	size_t first = 0;

	oracle_all(keys, spec, rows);
	while (first < rows->count && spec->after_len > 0 &&
		blx__key_compare(rows->at[first].name, rows->at[first].len, spec->after,
			spec->after_len) <= 0) {
		first++;
	}
	rows->count -= first;
	memmove(rows->at, rows->at + first, rows->count * sizeof rows->at[0]);
	rows->more = spec->limit != 0 && rows->count > spec->limit;
	if (rows->more) {
		rows->count = spec->limit;
	}
}

static void assert_same(const struct rows *rows, const struct blx__buf *buf,
	const struct blx__list_page *page, const struct blx__list_spec *spec)
{
	struct blx__reader reader = blx__reader_of(buf->data, buf->len);
	size_t i;

	cr_assert_eq(page->count, rows->count, "%u, not %zu", page->count, rows->count);
	cr_assert_eq(page->more, rows->more);
	for (i = 0; i < rows->count; i++) {
		struct blx__list_entry entry;

		cr_assert_eq(blx__list_entry_get(&reader, &entry), 0);
		cr_assert_eq(entry.name_len, rows->at[i].len);
		cr_assert_arr_eq(entry.name, rows->at[i].name, entry.name_len);
		cr_assert_eq(entry.has_value, rows->at[i].has_value);
		cr_assert_eq(entry.has_children, rows->at[i].has_children);
		cr_assert_eq(entry.mod_revision, rows->at[i].revision);
		cr_assert_eq(entry.value != NULL,
			rows->at[i].has_value && (spec->flags & BLX__LIST_NO_VALUES) == 0);
	}
	cr_assert(blx__reader_done(&reader));
}

/* ---- filling -------------------------------------------------------------------- */

static uint64_t seed_of(void)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20240607;

	fprintf(stderr, "BLX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static void random_path(struct blx__rng *rng, char path[64])
{
	/* Bytes around the separator in the order of keys, and names that begin alike. */
	static const char *const names[] = { "a", "b", "a%00", "a%01", "a!", "ab", "a%00b", "%01",
		"%00", "c" };
	unsigned depth = 1 + (unsigned)(blx__rng_u64(rng) % 4);

	path[0] = '\0';
	while (depth-- > 0) {
		strcat(path, "/");
		strcat(path, names[blx__rng_u64(rng) % (sizeof names / sizeof names[0])]);
	}
}

static void random_key(struct blx__rng *rng, uint8_t *key, size_t *len)
{
	char path[64];
	bool dir;

	random_path(rng, path);
	cr_assert_eq(blx__path_parse(path, strlen(path), key, len, &dir, NULL), 0);
}

static void compare_once(struct blx__rng *rng, const struct keys *keys,
	const struct blx__image *image)
{
	static struct rows rows;
	uint8_t dir[BLX__KEY_LEN_MAX];
	uint8_t after[BLX__KEY_LEN_MAX];
	struct blx__list_spec spec = { .key = dir, .after = after };
	struct blx__list_page page = { 0 };
	struct blx__buf buf;

	spec.flags = (uint8_t)(blx__rng_u64(rng) % 4);
	spec.limit = blx__rng_u64(rng) % 2 == 0 ? 0 : (uint32_t)(blx__rng_u64(rng) % 6);
	if (blx__rng_u64(rng) % 4 != 0) {
		random_key(rng, dir, &spec.key_len);
	}
	if (blx__rng_u64(rng) % 2 != 0) {
		random_key(rng, after, &spec.after_len);
		if ((spec.flags & BLX__LIST_TREE) == 0) {
			spec.after_len = component_len(after, spec.after_len);
		}
	}
	blx__buf_init(&buf);
	oracle(keys, &spec, &rows);
	cr_assert_eq(blx__list_fill(image, &spec, &page, &buf), 0);
	assert_same(&rows, &buf, &page, &spec);
	blx__buf_finish(&buf);
}

Test(list, any_list_of_any_store_is_what_looking_at_every_key_gives)
{
	static struct keys keys;
	struct blx__rng rng;
	unsigned round;
	unsigned i;

	blx__rng_init(&rng, seed_of());
	for (round = 0; round < 60; round++) {
		unsigned count = (unsigned)(blx__rng_u64(&rng) % KEYS_MAX);
		struct blx__image *image;

		keys.count = 0;
		for (i = 0; i < count; i++) {
			char path[64];

			random_path(&rng, path);
			keys_add(&keys, path);
		}
		keys_sort(&keys);
		image = image_of(&keys, 3);
		for (i = 0; i < 300; i++) {
			compare_once(&rng, &keys, image);
		}
		blx__image_unref(image);
	}
}

Test(list, a_directory_is_one_child_however_much_is_below_it)
{
	static struct keys keys;
	struct blx__list_spec spec = { 0 };
	struct blx__list_page page = { 0 };
	struct blx__list_entry entry;
	struct blx__reader reader;
	struct blx__image *image;
	struct blx__buf buf;
	unsigned i;

	keys.count = 0;
	for (i = 0; i < 300; i++) {
		char path[32];

		(void)snprintf(path, sizeof path, "/dir/%u", i);
		keys_add(&keys, path);
	}
	keys_add(&keys, "/e");
	keys_sort(&keys);
	image = image_of(&keys, 1);
	blx__buf_init(&buf);
	cr_assert_eq(blx__list_fill(image, &spec, &page, &buf), 0);

	cr_assert_eq(page.count, 2);
	reader = blx__reader_of(buf.data, buf.len);
	cr_assert_eq(blx__list_entry_get(&reader, &entry), 0);
	cr_assert_arr_eq(entry.name, "dir", 3);
	cr_assert_not(entry.has_value);
	cr_assert(entry.has_children);
	blx__buf_finish(&buf);
	blx__image_unref(image);
}

/* ---- bytes ------------------------------------------------------------------------ */

Test(list, a_spec_survives_its_bytes_and_any_shorter_ones_are_refused)
{
	struct blx__list_spec spec = { .consistent = true,
		.flags = 3,
		.limit = 77,
		.cursor = 12345,
		.key = (const uint8_t *)"a\0b",
		.key_len = 3,
		.after = (const uint8_t *)"c",
		.after_len = 1 };
	struct blx__list_spec read;
	struct blx__buf buf;
	size_t len;

	blx__buf_init(&buf);
	blx__list_spec_put(&buf, &spec);
	cr_assert_eq(blx__list_spec_get(buf.data, buf.len, &read), 0);
	cr_assert_eq(read.consistent, true);
	cr_assert_eq(read.flags, 3);
	cr_assert_eq(read.limit, 77);
	cr_assert_eq(read.cursor, 12345);
	cr_assert_eq(read.key_len, 3);
	cr_assert_arr_eq(read.after, "c", 1);
	for (len = 0; len < buf.len; len++) {
		cr_assert_eq(blx__list_spec_get(buf.data, len, &read), BLX_EPROTO);
	}
	blx__buf_finish(&buf);
}

Test(list, keys_that_no_path_gives_are_refused)
{
	struct blx__list_spec spec = { .key = (const uint8_t *)"a\0\0b", .key_len = 4 };
	struct blx__list_spec read;
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__list_spec_put(&buf, &spec);
	cr_assert_eq(blx__list_spec_get(buf.data, buf.len, &read), BLX_EPROTO);
	blx__buf_finish(&buf);
}

Test(list, entries_cut_short_are_refused)
{
	static struct keys keys;
	struct blx__list_spec spec = { 0 };
	struct blx__list_page page = { 0 };
	struct blx__list_entry entry;
	struct blx__image *image;
	struct blx__buf buf;
	size_t len;

	keys.count = 0;
	keys_add(&keys, "/a");
	image = image_of(&keys, 5);
	blx__buf_init(&buf);
	cr_assert_eq(blx__list_fill(image, &spec, &page, &buf), 0);
	for (len = 0; len < buf.len; len++) {
		struct blx__reader reader = blx__reader_of(buf.data, len);

		cr_assert_eq(blx__list_entry_get(&reader, &entry), BLX_EPROTO);
	}
	blx__buf_finish(&buf);
	blx__image_unref(image);
}

/* ---- pages held for askers --------------------------------------------------------- */

/* What list.c needs of a member. */
struct member {
	struct blx__node node;
	struct blx__env env;
	uint64_t now_ns;
	uint64_t random;
};

struct asked {
	int code;
	struct blx__list_head head;
	uint8_t last[BLX__KEY_LEN_MAX];
	size_t last_len;
};

void blx__request_finish(struct blx__request *request, const struct blx__response *response)
{
	request->done(request, response);
}

void blx__request_fail(struct blx__request *request, int code, const char *format, ...)
{
	struct blx__response response = { .code = code };

	(void)format;
	request->done(request, &response);
}

uint64_t blx__node_leader_age_ms(struct blx__node *node)
{
	(void)node;
	return 3;
}

static uint64_t member_mono(struct blx__env *env)
{
	return ((struct member *)env->impl)->now_ns;
}

static uint64_t member_random(struct blx__env *env)
{
	return ++((struct member *)env->impl)->random;
}

static const struct blx__env_ops member_ops = { .mono_ns = member_mono,
	.random_u64 = member_random };
static struct member member;

static void begin(void)
{
	static struct keys keys;
	struct blx__image *image;
	unsigned i;

	memset(&member, 0, sizeof member);
	member.now_ns = 1000000000000;
	member.env = (struct blx__env){ .ops = &member_ops, .impl = &member };
	member.node.env = &member.env;
	blx__lists_init(&member.node.lists, &member.node);
	cr_assert_eq(blx__machine_create((const uint8_t *)"0123456789abcde", &member.node.machine),
		0);
	keys.count = 0;
	for (i = 0; i < 20; i++) {
		char path[16];

		(void)snprintf(path, sizeof path, "/%02u", i);
		keys_add(&keys, path);
	}
	keys_sort(&keys);
	/* Ten to a page. */
	image = image_of(&keys, BLX__LIST_PAGE_BYTES / 10 + 100);
	cr_assert_eq(blx__machine_restore(member.node.machine, image), 0);
	blx__image_unref(image);
}

static void end(void)
{
	blx__lists_finish(&member.node.lists);
	blx__machine_destroy(member.node.machine);
}

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct asked *asked = request->data;
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__list_entry entry = { 0 };
	uint32_t i;

	asked->code = response->code;
	if (response->code != 0) {
		return;
	}
	cr_assert_eq(blx__list_head_get(&reader, &asked->head), 0);
	for (i = 0; i < asked->head.count; i++) {
		cr_assert_eq(blx__list_entry_get(&reader, &entry), 0);
	}
	cr_assert(blx__reader_done(&reader));
	asked->last_len = entry.name_len;
	if (entry.name_len > 0) {
		memcpy(asked->last, entry.name, entry.name_len);
	}
}

static struct asked ask(const struct blx__list_spec *spec)
{
	struct asked asked = { 0 };
	struct blx__request request = { .op = BLX__OP_LIST, .done = on_done, .data = &asked };
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__list_spec_put(&buf, spec);
	request.body = buf.data;
	request.body_len = buf.len;
	blx__lists_answer(&member.node.lists, &request);
	blx__buf_finish(&buf);
	return asked;
}

static struct asked ask_next(const struct asked *before)
{
	struct blx__list_spec spec = { .cursor = before->head.cursor,
		.after = before->last,
		.after_len = before->last_len };

	return ask(&spec);
}

Test(pages, a_long_list_is_given_in_pages_of_one_revision, .init = begin, .fini = end)
{
	struct blx__list_spec spec = { 0 };
	struct asked first = ask(&spec);
	struct keys none = { .count = 0 };
	struct blx__image *empty = image_of(&none, 0);
	struct asked second;

	cr_assert_eq(first.code, 0);
	cr_assert_eq(first.head.count, 10);
	cr_assert(first.head.more);
	cr_assert_neq(first.head.cursor, 0);
	cr_assert_eq(first.head.age_ms, 3);
	/* All is deleted meanwhile. */
	cr_assert_eq(blx__machine_restore(member.node.machine, empty), 0);
	blx__image_unref(empty);
	second = ask_next(&first);
	cr_assert_eq(second.code, 0);
	cr_assert_eq(second.head.count, 10);
	cr_assert_not(second.head.more);
	cr_assert_eq(second.head.cursor, 0);
	cr_assert_eq(second.head.revision, first.head.revision);
	cr_assert_eq(ask_next(&first).code, BLX_ESESSION, "the last page has been read");
}

Test(pages, a_limit_leaves_no_image_behind, .init = begin, .fini = end)
{
	struct blx__list_spec spec = { .limit = 3 };
	struct asked asked = ask(&spec);

	cr_assert_eq(asked.head.count, 3);
	cr_assert(asked.head.more);
	cr_assert_eq(asked.head.cursor, 0);
}

Test(pages, an_asker_who_stays_away_loses_the_rest, .init = begin, .fini = end)
{
	struct blx__list_spec spec = { 0 };
	struct asked asked = ask(&spec);

	member.now_ns += BLX__LIST_CURSOR_MS * UINT64_C(1000000);
	blx__lists_tick(&member.node.lists);
	cr_assert_eq(ask_next(&asked).code, 0, "just in time");

	asked = ask(&spec);
	member.now_ns += BLX__LIST_CURSOR_MS * UINT64_C(1000000) + 1;
	blx__lists_tick(&member.node.lists);
	cr_assert_eq(ask_next(&asked).code, BLX_ESESSION);
}

Test(pages, more_askers_than_places_are_told_to_wait, .init = begin, .fini = end)
{
	struct blx__list_spec spec = { 0 };
	struct asked first = ask(&spec);
	unsigned i;

	for (i = 1; i < BLX__LIST_CURSORS_MAX; i++) {
		member.now_ns++;
		cr_assert_eq(ask(&spec).code, 0);
	}
	cr_assert_eq(ask(&spec).code, BLX_EBUSY);
	member.now_ns += UINT64_C(2000000000);
	cr_assert_eq(ask(&spec).code, 0, "in place of who has been away longest");
	cr_assert_eq(ask_next(&first).code, BLX_ESESSION);
}

Test(pages, a_malformed_request_is_refused, .init = begin, .fini = end)
{
	struct asked asked = { 0 };
	struct blx__request request = { .op = BLX__OP_LIST, .done = on_done, .data = &asked };

	request.body = (const uint8_t *)"x";
	request.body_len = 1;
	blx__lists_answer(&member.node.lists, &request);
	cr_assert_eq(asked.code, BLX_EPROTO);
}
