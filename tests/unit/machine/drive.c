/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "store/txn.h"
#include "support/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void drive_init(struct drive *drive)
{
	static const uint8_t cluster_id[16] = "a test's cluster";

	*drive = (struct drive){.index = 0};
	if (blx__machine_create(cluster_id, &drive->machine) != 0) {
		drive->machine = NULL;
	}
}

void drive_finish(struct drive *drive)
{
	blx__machine_destroy(drive->machine);
}

static void add_line(struct blx__txn *txn, uint8_t kind, const struct drive_write *write)
{
	struct blx__txn_line line = {.kind = kind,
		.key = (const uint8_t *)write->key,
		.key_len = strlen(write->key)};

	if (kind == BLX__TXN_PUT) {
		line.value = (const uint8_t *)write->value;
		line.value_len = strlen(write->value);
	}
	cr_assert_eq(blx__txn_add(txn, &line), 0);
}

void drive_command(const struct drive_write *write, struct blx__buf *buf)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN,
		.session = write->session,
		.session_born_ms = write->born_ms,
		.seq = write->seq,
		.acked = write->acked};
	struct blx__txn txn;
	struct blx__buf body;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	if (write->if_absent) {
		add_line(&txn, BLX__TXN_IF_ABSENT, write);
	}
	add_line(&txn,
		write->get             ? BLX__TXN_GET
		: write->value != NULL ? BLX__TXN_PUT
				       : BLX__TXN_DELETE,
		write);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	blx__command_encode(&command, buf);
	blx__txn_finish(&txn);
	blx__buf_finish(&body);
}

void drive_entry(int64_t time_ms, const struct drive_write *writes, size_t count,
	struct blx__buf *buf)
{
	struct blx__entry_header header = {
		.origin = 1, .incarnation = 2, .token = 3, .time_ms = time_ms};
	struct blx__buf command;
	size_t i;

	blx__buf_init(&command);
	blx__buf_reset(buf);
	blx__entry_begin(buf, &header);
	for (i = 0; i < count; i++) {
		blx__buf_reset(&command);
		drive_command(&writes[i], &command);
		blx__entry_add(buf, command.data, command.len);
	}
	blx__entry_end(buf);
	blx__buf_finish(&command);
	cr_assert(blx__buf_ok(buf));
}

static void on_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	struct drive *drive = data;

	(void)header;
	if (position != drive->replies_count || position >= DRIVE_REPLIES_MAX) {
		drive->replies_count = DRIVE_REPLIES_MAX + 1; /* seen by who compares */
		return;
	}
	drive->replies[drive->replies_count++] = (struct drive_reply){.code = reply->code,
		.revision = reply->revision,
		.body_len = reply->body_len,
		.body_crc = blx__crc32c(0, reply->body, reply->body_len)};
}

int drive_bytes(struct drive *drive, const void *data, size_t len)
{
	int rv;

	drive->replies_count = 0;
	rv = blx__machine_apply(
		drive->machine, drive->index + 1, 1, data, len, on_reply, drive);
	if (rv == 0) {
		drive->index++;
	}
	return rv;
}

struct drive_reply drive_one(
	struct drive *drive, int64_t time_ms, const struct drive_write *write)
{
	struct blx__buf buf;

	blx__buf_init(&buf);
	drive_entry(time_ms, write, 1, &buf);
	cr_assert_eq(drive_bytes(drive, buf.data, buf.len), 0);
	cr_assert_eq(drive->replies_count, 1);
	blx__buf_finish(&buf);
	return drive->replies[0];
}

void drive_put(struct drive *drive, const char *key, const char *value)
{
	struct drive_write write = {.key = key, .value = value};

	cr_assert_eq(drive_one(drive, 0, &write).code, 0);
}

/* ---- by chance -------------------------------------------------------------------- */

static struct drive_write random_write(
	struct blx__rng *rng, int64_t time_ms, char key[16], char value[64])
{
	struct drive_write write = {.key = key, .value = value};
	uint64_t kind = blx__rng_below(rng, 10);
	int len = (int)blx__rng_below(rng, 40);

	(void)snprintf(key, 16, "k%u", (unsigned)blx__rng_below(rng, 60));
	(void)snprintf(value, 64, "%*u", len + 1, (unsigned)blx__rng_below(rng, 1000));
	if (kind == 0) {
		write.value = NULL;
	}
	write.get = kind == 1;
	write.if_absent = kind == 2;
	if (blx__rng_below(rng, 5) > 0) {
		/* Some of them are of a time long gone, some of one to come. */
		static const int64_t ages[] = {0, 1000, BLX__SESSION_TTL_MS / 2,
			BLX__SESSION_TTL_MS, 2 * BLX__SESSION_TTL_MS, -1000};
		int64_t born = time_ms - ages[blx__rng_below(rng, 6)];

		write.session = 1 + blx__rng_below(rng, 300);
		write.born_ms = born > 0 ? (uint64_t)born : 0;
		write.seq =
			1 + blx__rng_below(rng, blx__rng_below(rng, 50) == 0 ? 3000 : 12);
		write.acked = blx__rng_below(rng, 3) == 0
				      ? blx__rng_below(rng, write.seq + 1)
				      : 0;
	}
	return write;
}

void drive_random_entry(struct blx__rng *rng, int64_t *time_ms, struct blx__buf *buf)
{
	enum { MAX = 8 };
	struct drive_write writes[MAX];
	char keys[MAX][16];
	char values[MAX][64];
	size_t count = blx__rng_below(rng, MAX + 1);
	size_t i;

	if (blx__rng_below(rng, 200) == 0) {
		*time_ms += BLX__SESSION_TTL_MS * 3 / 4;
	}
	*time_ms += (int64_t)blx__rng_below(rng, 5000);
	for (i = 0; i < count; i++) {
		writes[i] = random_write(rng, *time_ms, keys[i], values[i]);
	}
	drive_entry(*time_ms, writes, count, buf);
}

/* ---- comparing -------------------------------------------------------------------- */

bool drive_same(const struct drive *a, const struct drive *b)
{
	struct blx__machine_stats x;
	struct blx__machine_stats y;
	unsigned i;

	blx__machine_stats_get(a->machine, &x);
	blx__machine_stats_get(b->machine, &y);
	if (a->replies_count > DRIVE_REPLIES_MAX ||
		a->replies_count != b->replies_count) {
		return false;
	}
	for (i = 0; i < a->replies_count; i++) {
		const struct drive_reply *p = &a->replies[i];
		const struct drive_reply *q = &b->replies[i];

		if (p->code != q->code || p->revision != q->revision ||
			p->body_len != q->body_len || p->body_crc != q->body_crc) {
			return false;
		}
	}
	return x.index == y.index && x.revision == y.revision && x.keys == y.keys &&
	       x.bytes == y.bytes && x.sessions == y.sessions && x.hash == y.hash &&
	       blx__machine_time_ms(a->machine) == blx__machine_time_ms(b->machine);
}

uint64_t drive_hash(const struct drive *drive)
{
	struct blx__machine_stats stats;

	blx__machine_stats_get(drive->machine, &stats);
	return stats.hash;
}

static int rebuild_item(const struct blx__item *item, void *data)
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

static int rebuild_session(uint64_t id, const void *state, size_t len, void *data)
{
	return blx__image_builder_add_session(data, id, state, len);
}

int drive_rebuild(const struct blx__image *image, struct blx__image **ret_image)
{
	struct blx__image_builder *builder;
	int rv = blx__image_builder_create(blx__image_meta(image), &builder);

	if (rv != 0) {
		return rv;
	}
	rv = blx__image_each_item(image, rebuild_item, builder);
	if (rv == 0) {
		rv = blx__image_each_session(image, rebuild_session, builder);
	}
	if (rv == 0) {
		rv = blx__image_builder_finish(builder, ret_image);
	}
	blx__image_builder_destroy(builder);
	return rv;
}

static int content_item(const struct blx__item *item, void *data)
{
	blx__put_bytes(data, item->bytes, (size_t)item->key_len + item->value_len);
	blx__put_u64(data, item->create_revision);
	blx__put_u64(data, item->mod_revision);
	blx__put_u64(data, item->version);
	return 0;
}

static int content_session(uint64_t id, const void *state, size_t len, void *data)
{
	blx__put_u64(data, id);
	blx__put_bytes(data, state, len);
	return 0;
}

void drive_content(const struct blx__image *image, struct blx__buf *buf)
{
	blx__buf_reset(buf);
	cr_assert_eq(blx__image_each_item(image, content_item, buf), 0);
	cr_assert_eq(blx__image_each_session(image, content_session, buf), 0);
	cr_assert(blx__buf_ok(buf));
}

uint64_t drive_seed(void)
{
	const char *text = getenv("BLX_SEED");
	struct timespec now;
	uint64_t seed;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	seed = text != NULL ? strtoull(text, NULL, 10)
			    : (uint64_t)now.tv_nsec * 31 + (uint64_t)now.tv_sec;
	(void)fprintf(stderr, "BLX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* ---- memory ------------------------------------------------------------------------ */

static atomic_ulong countdown;
static atomic_bool is_counting;
static atomic_long left;

static bool may_allocate(void)
{
	return !atomic_load(&is_counting) ||
	       (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) > 1);
}

static void *memory_malloc(size_t size, void *data)
{
	void *ptr;

	(void)data;
	ptr = may_allocate() ? malloc(size) : NULL;
	atomic_fetch_add(&left, ptr != NULL);
	return ptr;
}

static void *memory_realloc(void *ptr, size_t size, void *data)
{
	void *moved;

	(void)data;
	moved = may_allocate() ? realloc(ptr, size) : NULL;
	atomic_fetch_add(&left, ptr == NULL && moved != NULL);
	return moved;
}

static void memory_free(void *ptr, void *data)
{
	(void)data;
	atomic_fetch_sub(&left, 1);
	free(ptr);
}

void drive_memory_begin(unsigned long k)
{
	static const struct blx__allocator allocator = {
		memory_malloc, memory_realloc, memory_free, NULL};

	atomic_store(&left, 0);
	atomic_store(&countdown, k);
	atomic_store(&is_counting, k > 0);
	blx__allocator_set(&allocator);
}

long drive_memory_end(void)
{
	blx__allocator_set(NULL);
	return atomic_load(&left);
}
