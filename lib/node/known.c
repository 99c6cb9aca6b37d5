/* SPDX-License-Identifier: Apache-2.0 */
#include "node/known.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "snapshot/dir.h"
#include "sys/files.h"

#include <stddef.h>
#include <string.h>

/* "BLXK", u32 count, count times (u64 id, u64 instance), u32 CRC-32C of all before. */
#define MAGIC     UINT32_C(0x4b584c42)
#define FILE_SIZE_MAX (12 + BLX__KNOWN_MAX * 16)

struct pair {
	uint64_t id;
	uint64_t instance;
};

struct blx__known {
	struct blx__env *env;
	char *dir;  /* owned */
	char *path; /* owned */
	char *tmp;  /* owned */
	struct pair *pairs; /* owned */
	size_t count;
	unsigned works;
};

/* One writing of all that is known, with one more. */
struct addition {
	struct blx__work work;
	struct blx__known *known;
	struct blx__buf bytes;
	uint64_t id;
	int status;
	blx__known_cb cb;
	void *data;
};

/* ---- the file ------------------------------------------------------------------- */

static void encode(const struct blx__known *known, struct blx__buf *buf)
{
	size_t i;

	blx__put_u32(buf, MAGIC);
	blx__put_u32(buf, (uint32_t)known->count);
	for (i = 0; i < known->count; i++) {
		blx__put_u64(buf, known->pairs[i].id);
		blx__put_u64(buf, known->pairs[i].instance);
	}
	if (blx__buf_ok(buf)) {
		blx__put_u32(buf, blx__crc32c(0, buf->data, buf->len));
	}
}

static int pair_push(struct blx__known *known, uint64_t id, uint64_t instance)
{
	struct pair *pairs;

	if (known->count == BLX__KNOWN_MAX) {
		return BLX_ETOOBIG;
	}
	pairs = blx__realloc(known->pairs, (known->count + 1) * sizeof *pairs);
	if (pairs == NULL) {
		return BLX_ENOMEM;
	}
	known->pairs = pairs;
	pairs[known->count++] = (struct pair){ .id = id, .instance = instance };
	return 0;
}

static void pair_forget(struct blx__known *known, uint64_t id)
{
	size_t i;

	for (i = 0; i < known->count; i++) {
		if (known->pairs[i].id == id) {
			known->pairs[i] = known->pairs[--known->count];
			return;
		}
	}
}

static int decode(struct blx__known *known, const uint8_t *bytes, size_t len)
{
	struct blx__reader reader = blx__reader_of(bytes, len);
	uint32_t magic = blx__get_u32(&reader);
	uint32_t count = blx__get_u32(&reader);
	uint32_t i;
	int rv = 0;

	if (!blx__reader_ok(&reader) || magic != MAGIC || count > BLX__KNOWN_MAX ||
		len != 12 + (size_t)count * 16 ||
		blx__load_u32(bytes + len - 4) != blx__crc32c(0, bytes, len - 4)) {
		return BLX_ECORRUPT;
	}
	for (i = 0; rv == 0 && i < count; i++) {
		uint64_t id = blx__get_u64(&reader);

		rv = pair_push(known, id, blx__get_u64(&reader));
	}
	return rv;
}

static int read_file(struct blx__known *known, blx_error *error)
{
	const struct blx__files *files = known->env->files;
	BLX__CLEANUP_FREE uint8_t *bytes = blx__malloc(FILE_SIZE_MAX + 1);
	struct blx__file *file;
	size_t len = 0;
	int rv;

	if (bytes == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", known->path);
	}
	rv = files->ops->open(files, known->path, BLX__OPEN_READ, &file, error);
	if (rv == BLX_ENOENT) {
		return 0;
	}
	if (rv != 0) {
		return rv;
	}
	rv = files->ops->read(file, bytes, FILE_SIZE_MAX + 1, 0, &len, error);
	files->ops->close(file);
	if (rv == 0) {
		rv = decode(known, bytes, len);
		if (rv != 0) {
			(void)blx__error_set(error, rv,
				"open %s: %s; remove the file only if no other member has lost its "
				"disk since",
				known->path, blx_strerror(rv));
		}
	}
	return rv;
}

static int write_file(const struct addition *addition)
{
	const struct blx__known *known = addition->known;
	const struct blx__files *files = known->env->files;
	unsigned flags = BLX__OPEN_WRITE | BLX__OPEN_CREATE;
	struct blx__file *file;
	int rv = files->ops->open(files, known->tmp, flags, &file, NULL);

	if (rv != 0) {
		return rv;
	}
	rv = files->ops->truncate(file, 0, NULL);
	if (rv == 0) {
		rv = files->ops->write(file, addition->bytes.data, addition->bytes.len, 0, NULL);
	}
	if (rv == 0) {
		rv = files->ops->sync(file, NULL);
	}
	files->ops->close(file);
	if (rv == 0) {
		rv = files->ops->rename(files, known->tmp, known->path, NULL);
	}
	return rv == 0 ? files->ops->sync_dir(files, known->dir, NULL) : rv;
}

/* ---- the whole ------------------------------------------------------------------- */

int blx__known_load(struct blx__env *env, const char *dir, struct blx__known **ret_known,
	blx_error *error)
{
	struct blx__known *known = blx__calloc(1, sizeof *known);
	int rv = 0;

	if (known != NULL) {
		known->env = env;
		known->dir = blx__strdup(dir);
		known->path = blx__snapshot_join(dir, "known");
		known->tmp = blx__snapshot_join(dir, "known.tmp");
	}
	if (known == NULL || known->dir == NULL || known->path == NULL || known->tmp == NULL) {
		rv = blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", dir);
	}
	if (rv == 0) {
		rv = read_file(known, error);
	}
	if (rv != 0) {
		blx__known_destroy(known);
		return rv;
	}
	*ret_known = known;
	return 0;
}

void blx__known_destroy(struct blx__known *known)
{
	if (known == NULL) {
		return;
	}
	PRE(known->works == 0);
	blx__free(known->dir);
	blx__free(known->path);
	blx__free(known->tmp);
	blx__free(known->pairs);
	blx__free(known);
}

uint64_t blx__known_instance(const struct blx__known *known, uint64_t id)
{
	size_t i;

	for (i = 0; i < known->count; i++) {
		if (known->pairs[i].id == id) {
			return known->pairs[i].instance;
		}
	}
	return 0;
}

static void addition_run(struct blx__work *work)
{
	struct addition *addition = work->data;

	addition->status = write_file(addition);
}

static void on_added(struct blx__work *work)
{
	struct addition *addition = work->data;

	addition->known->works--;
	if (addition->status != 0) {
		pair_forget(addition->known, addition->id); /* as if never seen */
	}
	addition->cb(addition->id, addition->status, addition->data);
	blx__buf_finish(&addition->bytes);
	blx__free(addition);
}

int blx__known_add(struct blx__known *known, uint64_t id, uint64_t instance, blx__known_cb cb,
	void *data)
{
	struct addition *addition = blx__calloc(1, sizeof *addition);
	int rv;

	PRE(blx__known_instance(known, id) == 0 && instance != 0);

	if (addition == NULL) {
		return BLX_ENOMEM;
	}
	rv = pair_push(known, id, instance);
	blx__buf_init(&addition->bytes);
	if (rv == 0) {
		encode(known, &addition->bytes);
		rv = blx__buf_ok(&addition->bytes) ? 0 : BLX_ENOMEM;
	}
	if (rv != 0) {
		blx__buf_finish(&addition->bytes);
		blx__free(addition);
		return rv;
	}
	addition->known = known;
	addition->id = id;
	addition->cb = cb;
	addition->data = data;
	addition->work =
		(struct blx__work){ .run = addition_run, .done = on_added, .data = addition };
	blx__list_init(&addition->work.link);
	known->works++;
	/* With the log's writes: none that rests on this member's word comes before it. */
	blx__env_submit(known->env, BLX__QUEUE_DISK, &addition->work);
	return 0;
}

bool blx__known_idle(const struct blx__known *known)
{
	return known->works == 0;
}
