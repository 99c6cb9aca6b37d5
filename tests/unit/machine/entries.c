/* SPDX-License-Identifier: Apache-2.0 */
#include "entries.h"

#include "base/crc32c.h"
#include "support/test.h"

#include <string.h>

static const uint8_t cluster_id[16] = {1, 2, 3};

struct blx__machine *entries_machine(void)
{
	struct blx__machine *machine;

	cr_assert_eq(blx__machine_create(cluster_id, &machine), 0);
	return machine;
}

void entries_init(struct entries *entries)
{
	*entries = (struct entries){
		.machine = entries_machine(), .time_ms = ENTRIES_TIME_MS};
	blx__buf_init(&entries->entry);
}

void entries_finish(struct entries *entries)
{
	blx__machine_destroy(entries->machine);
	blx__buf_finish(&entries->entry);
}

void entries_body(struct blx__buf *body, uint8_t kind, const char *key, const void *value,
	size_t len)
{
	struct blx__txn_line line = {.kind = kind,
		.key = (const uint8_t *)key,
		.key_len = strlen(key),
		.value = value,
		.value_len = len};
	struct blx__txn txn;

	blx__txn_init(&txn);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, body);
	cr_assert(blx__buf_ok(body));
	blx__txn_finish(&txn);
}

void entries_begin(struct entries *entries)
{
	struct blx__entry_header header = {
		.origin = 7, .incarnation = 8, .token = 9, .time_ms = entries->time_ms};

	blx__buf_reset(&entries->entry);
	blx__entry_begin(&entries->entry, &header);
}

void entries_add(struct entries *entries, const struct blx__command *command)
{
	struct blx__buf bytes;

	blx__buf_init(&bytes);
	blx__command_encode(command, &bytes);
	blx__entry_add(&entries->entry, bytes.data, bytes.len);
	blx__buf_finish(&bytes);
}

static void on_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	struct entries *entries = data;

	cr_assert_eq(header->origin, 7);
	cr_assert_eq(position, entries->count);
	cr_assert_lt(entries->count, ENTRIES_REPLIES_MAX);
	entries->replies[entries->count++] = (struct entries_reply){.code = reply->code,
		.revision = reply->revision,
		.body_len = reply->body_len,
		.body_hash = blx__crc32c(0, reply->body, reply->body_len)};
}

int entries_end(struct entries *entries)
{
	blx__entry_end(&entries->entry);
	cr_assert(blx__buf_ok(&entries->entry));
	entries->count = 0;
	entries->index++;
	return blx__machine_apply(entries->machine, entries->index, 1,
		entries->entry.data, entries->entry.len, on_reply, entries);
}

static const struct entries_reply *apply_one(struct entries *entries,
	struct blx__command *command, const char *key, const char *value)
{
	struct blx__buf body;

	blx__buf_init(&body);
	entries_body(&body, BLX__TXN_PUT, key, value, strlen(value));
	command->kind = BLX__COMMAND_TXN;
	command->body = body.data;
	command->body_len = body.len;
	entries_begin(entries);
	entries_add(entries, command);
	cr_assert_eq(entries_end(entries), 0);
	cr_assert_eq(entries->count, 1);
	blx__buf_finish(&body);
	return &entries->replies[0];
}

const struct entries_reply *entries_put(
	struct entries *entries, const char *key, const char *value)
{
	struct blx__command command = {.session = 0};

	return apply_one(entries, &command, key, value);
}

const struct entries_reply *entries_write_born(struct entries *entries, uint64_t session,
	int64_t born_ms, uint64_t seq, uint64_t acked, const char *key)
{
	struct blx__command command = {.session = session,
		.session_born_ms = (uint64_t)born_ms,
		.seq = seq,
		.acked = acked};

	return apply_one(entries, &command, key, "value");
}

const struct entries_reply *entries_write(struct entries *entries, uint64_t session,
	uint64_t seq, uint64_t acked, const char *key)
{
	return entries_write_born(entries, session, ENTRIES_TIME_MS, seq, acked, key);
}

uint64_t entries_hash(struct entries *entries)
{
	struct blx__machine_stats stats;

	blx__machine_stats_get(entries->machine, &stats);
	return stats.hash;
}

static int copy_item(const struct blx__item *item, void *data)
{
	struct blx__image_item copy = {.key = blx__item_key(item),
		.key_len = item->key_len,
		.value = blx__item_value(item),
		.value_len = item->value_len,
		.keep = blx__item_keep(item),
		.keep_len = item->keep_len,
		.create_revision = item->create_revision,
		.mod_revision = item->mod_revision,
		.version = item->version};

	return blx__image_builder_add_item(data, &copy);
}

static int copy_session(uint64_t id, const void *state, size_t len, void *data)
{
	return blx__image_builder_add_session(data, id, state, len);
}

struct blx__image *entries_copy_image(struct blx__image *image)
{
	struct blx__image_builder *builder;
	struct blx__image *copy;

	cr_assert_eq(blx__image_builder_create(blx__image_meta(image), &builder), 0);
	cr_assert_eq(blx__image_each_session(image, copy_session, builder), 0);
	cr_assert_eq(blx__image_each_item(image, copy_item, builder), 0);
	cr_assert_eq(blx__image_builder_finish(builder, &copy), 0);
	blx__image_builder_destroy(builder);
	return copy;
}
