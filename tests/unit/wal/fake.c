/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wal/fake.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

struct fake_node {
	struct fake_node *next;
	uint8_t *live;    /* owned */
	uint8_t *durable; /* owned */
	bool *dirty;      /* owned; of each sector */
	size_t size;
	size_t durable_size;
	size_t cap;
};

struct fake_file {
	struct blx__file file;
	struct fake *fake;
	struct fake_node *node;
	unsigned flags;
};

static struct fake *fake_of(const struct blx__files *files)
{
	return files->impl;
}

static struct fake_file *file_of(struct blx__file *file)
{
	return (struct fake_file *)file;
}

/* ---- faults -------------------------------------------------------------- */

/* 0: goes through. 1: is the one at which the power fails. Negative: fails. */
static int fault(struct fake *fake, blx_error *error, const char *what, const char *path)
{
	if (fake->crashed) {
		return blx__error_set(error, BLX_EIO, "%s %s: power lost", what, path);
	}
	fake->ops++;
	if (fake->ops == fake->fail_at) {
		return blx__error_set(
			error, fake->fail_code, "%s %s: injected", what, path);
	}
	if (fake->ops == fake->crash_at) {
		fake->crashed = true;
		return 1;
	}
	return 0;
}

static int lost(blx_error *error, const char *path)
{
	return blx__error_set(error, BLX_EIO, "%s: power lost", path);
}

/* ---- names --------------------------------------------------------------- */

static struct fake_name *name_find(struct fake_dir *dir, const char *name)
{
	size_t i;

	for (i = 0; i < dir->count; i++) {
		if (strcmp(dir->names[i].name, name) == 0) {
			return &dir->names[i];
		}
	}
	return NULL;
}

static void name_add(struct fake_dir *dir, const char *name, struct fake_node *node)
{
	size_t at = 0;

	dir->names = realloc(dir->names, (dir->count + 1) * sizeof *dir->names);
	while (at < dir->count && strcmp(dir->names[at].name, name) < 0) {
		at++;
	}
	memmove(dir->names + at + 1, dir->names + at,
		(dir->count - at) * sizeof *dir->names);
	dir->names[at] = (struct fake_name){strdup(name), node};
	dir->count++;
}

static void name_drop(struct fake_dir *dir, struct fake_name *name)
{
	size_t at = (size_t)(name - dir->names);

	free(name->name);
	dir->count--;
	memmove(name, name + 1, (dir->count - at) * sizeof *dir->names);
}

static void dir_finish(struct fake_dir *dir)
{
	while (dir->count > 0) {
		name_drop(dir, &dir->names[dir->count - 1]);
	}
	free(dir->names);
	*dir = (struct fake_dir){0};
}

static struct fake_dir dir_copy(const struct fake_dir *dir)
{
	struct fake_dir copy = {0};
	size_t i;

	for (i = 0; i < dir->count; i++) {
		name_add(&copy, dir->names[i].name, dir->names[i].node);
	}
	return copy;
}

static void history_push(struct fake *fake)
{
	fake->history =
		realloc(fake->history, (fake->history_count + 1) * sizeof *fake->history);
	fake->history[fake->history_count++] = dir_copy(&fake->live);
}

static void history_clear(struct fake *fake)
{
	while (fake->history_count > 0) {
		dir_finish(&fake->history[--fake->history_count]);
	}
}

/* ---- files --------------------------------------------------------------- */

static void node_resize(struct fake_node *node, size_t size)
{
	if (size > node->cap) {
		size_t cap = (size + 65535) / 65536 * 65536;

		node->live = realloc(node->live, cap);
		node->durable = realloc(node->durable, cap);
		node->dirty = realloc(node->dirty, cap / SECTOR * sizeof *node->dirty);
		memset(node->live + node->cap, 0, cap - node->cap);
		memset(node->durable + node->cap, 0, cap - node->cap);
		memset(node->dirty + node->cap / SECTOR, 0, (cap - node->cap) / SECTOR);
		node->cap = cap;
	}
	if (size < node->size) {
		memset(node->live + size, 0, node->size - size);
	}
	node->size = size;
}

/* Makes the sectors of a range durable, and the size. */
static void node_sync(struct fake_node *node, size_t from, size_t to)
{
	size_t i;

	for (i = from / SECTOR; i < (to + SECTOR - 1) / SECTOR; i++) {
		if (node->dirty[i]) {
			memcpy(node->durable + i * SECTOR, node->live + i * SECTOR,
				SECTOR);
			node->dirty[i] = false;
		}
	}
	node->durable_size = node->size;
}

uint64_t fake_used(const struct fake *fake)
{
	uint64_t used = 0;
	size_t i;

	for (i = 0; i < fake->live.count; i++) {
		used += fake->live.names[i].node->size;
	}
	return used;
}

static bool has_room(const struct fake *fake, const struct fake_node *node, uint64_t size)
{
	return fake->capacity == 0 || size <= node->size ||
	       fake_used(fake) + size - node->size <= fake->capacity;
}

static int fake_open(const struct blx__files *files, const char *path, unsigned flags,
	struct blx__file **ret_file, blx_error *error)
{
	struct fake *fake = fake_of(files);
	struct fake_name *name = name_find(&fake->live, path);
	struct fake_file *file;

	if (fake->crashed) {
		return lost(error, path);
	}
	if (name == NULL && (flags & BLX__OPEN_CREATE) == 0) {
		return blx__error_set(error, BLX_ENOENT, "open %s: not there", path);
	}
	if (name == NULL) {
		struct fake_node *node = calloc(1, sizeof *node);
		int rv = fault(fake, error, "create", path);

		node->next = fake->nodes;
		fake->nodes = node;
		if (rv < 0) {
			return rv;
		}
		name_add(&fake->live, path, node);
		history_push(fake);
		name = name_find(&fake->live, path);
		if (rv > 0) {
			return lost(error, path);
		}
	}
	file = calloc(1, sizeof *file);
	*file = (struct fake_file){.file = {.files = files, .path = strdup(path)},
		.fake = fake,
		.node = name->node,
		.flags = flags};
	*ret_file = &file->file;
	return 0;
}

static void fake_close(struct blx__file *file)
{
	free(file->path);
	free(file);
}

static int fake_write(struct blx__file *base, const void *data, size_t len,
	uint64_t offset, blx_error *error)
{
	struct fake_file *file = file_of(base);
	struct fake_node *node = file->node;
	int rv;
	size_t i;

	if ((file->flags & BLX__OPEN_DIRECT) != 0 &&
		(len % 4096 != 0 || offset % 4096 != 0 || (uintptr_t)data % 4096 != 0)) {
		abort(); /* the host would refuse it */
	}
	rv = fault(file->fake, error, "write", base->path);
	if (rv < 0) {
		return rv;
	}
	if (!has_room(file->fake, node, offset + len)) {
		return blx__error_set(error, BLX_ENOSPC, "write %s: full", base->path);
	}
	if (offset + len > node->size) {
		node_resize(node, (size_t)(offset + len));
	}
	memcpy(node->live + offset, data, len);
	for (i = (size_t)offset / SECTOR; i < (offset + len + SECTOR - 1) / SECTOR; i++) {
		node->dirty[i] = true;
	}
	if (rv > 0) {
		return lost(error, base->path);
	}
	if ((file->flags & BLX__OPEN_DSYNC) != 0) {
		file->fake->writes++;
		node_sync(node, (size_t)offset, (size_t)offset + len);
	}
	return 0;
}

static int fake_read(struct blx__file *base, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	struct fake_node *node = file_of(base)->node;

	if (file_of(base)->fake->crashed) {
		return lost(error, base->path);
	}
	if (offset > node->size) {
		offset = node->size;
	}
	if (len > node->size - offset) {
		len = node->size - (size_t)offset;
	}
	if (len > 0) {
		memcpy(data, node->live + offset, len);
	}
	*ret_len = len;
	return 0;
}

static int fake_sync(struct blx__file *base, blx_error *error)
{
	int rv = fault(file_of(base)->fake, error, "sync", base->path);

	if (rv == 0) {
		node_sync(file_of(base)->node, 0, file_of(base)->node->size);
	}
	return rv > 0 ? lost(error, base->path) : rv;
}

static int resize(struct blx__file *base, uint64_t size, blx_error *error)
{
	struct fake_file *file = file_of(base);
	int rv = fault(file->fake, error, "resize", base->path);

	if (rv < 0) {
		return rv;
	}
	if (!has_room(file->fake, file->node, size)) {
		return blx__error_set(error, BLX_ENOSPC, "resize %s: full", base->path);
	}
	node_resize(file->node, (size_t)size);
	return rv > 0 ? lost(error, base->path) : 0;
}

static int fake_allocate(struct blx__file *base, uint64_t size, blx_error *error)
{
	return size > file_of(base)->node->size ? resize(base, size, error) : 0;
}

static int fake_size(struct blx__file *base, uint64_t *ret_size, blx_error *error)
{
	(void)error;
	*ret_size = file_of(base)->node->size;
	return 0;
}

static int fake_rename(const struct blx__files *files, const char *from, const char *to,
	blx_error *error)
{
	struct fake *fake = fake_of(files);
	int rv = fault(fake, error, "rename", from);
	struct fake_name *name = name_find(&fake->live, from);
	struct fake_node *node;

	if (rv < 0) {
		return rv;
	}
	if (name == NULL) {
		return blx__error_set(error, BLX_ENOENT, "rename %s: not there", from);
	}
	node = name->node;
	name_drop(&fake->live, name);
	if (name_find(&fake->live, to) != NULL) {
		name_drop(&fake->live, name_find(&fake->live, to));
	}
	name_add(&fake->live, to, node);
	history_push(fake);
	return rv > 0 ? lost(error, from) : 0;
}

static int fake_remove_op(
	const struct blx__files *files, const char *path, blx_error *error)
{
	struct fake *fake = fake_of(files);
	int rv = fault(fake, error, "remove", path);

	if (rv < 0) {
		return rv;
	}
	if (!fake_remove(fake, path)) {
		return blx__error_set(error, BLX_ENOENT, "remove %s: not there", path);
	}
	return rv > 0 ? lost(error, path) : 0;
}

static int fake_make_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	(void)files;
	(void)path;
	(void)error;
	return 0;
}

static int fake_sync_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	struct fake *fake = fake_of(files);
	int rv = fault(fake, error, "sync", path);

	if (rv == 0) {
		history_clear(fake);
		history_push(fake);
	}
	return rv > 0 ? lost(error, path) : rv;
}

static int fake_list(const struct blx__files *files, const char *path,
	void (*cb)(const char *name, void *data), void *data, blx_error *error)
{
	struct fake *fake = fake_of(files);
	size_t len = strlen(path);
	size_t i;

	if (fake->crashed) {
		return lost(error, path);
	}
	for (i = 0; i < fake->live.count; i++) {
		const char *name = fake->live.names[i].name;

		if (strncmp(name, path, len) == 0 && name[len] == '/') {
			cb(name + len + 1, data);
		}
	}
	return 0;
}

static int fake_free_space(const struct blx__files *files, const char *path,
	uint64_t *ret_bytes, blx_error *error)
{
	struct fake *fake = fake_of(files);

	(void)path;
	(void)error;
	*ret_bytes = fake->capacity == 0 ? UINT64_MAX : fake->capacity - fake_used(fake);
	return 0;
}

static int fake_lock(struct blx__file *file, blx_error *error)
{
	(void)file;
	(void)error;
	return 0;
}

static const struct blx__files_ops files_ops = {.open = fake_open,
	.close = fake_close,
	.write = fake_write,
	.read = fake_read,
	.sync = fake_sync,
	.allocate = fake_allocate,
	.truncate = resize,
	.size = fake_size,
	.rename = fake_rename,
	.remove = fake_remove_op,
	.make_dir = fake_make_dir,
	.sync_dir = fake_sync_dir,
	.list = fake_list,
	.free_space = fake_free_space,
	.lock = fake_lock};

/* ---- the power fails ----------------------------------------------------- */

/* What of a node's dirty sectors is there: none, all, the first few, or any. */
static void node_crash(struct fake_node *node, struct blx__rng *rng)
{
	uint64_t how = blx__rng_below(rng, 4);
	uint64_t dirty = 0;
	uint64_t keep;
	size_t i;

	for (i = 0; i < node->cap / SECTOR; i++) {
		dirty += node->dirty[i];
	}
	keep = how == 0 ? 0 : how == 1 ? dirty : blx__rng_below(rng, dirty + 1);
	for (i = 0; i < node->cap / SECTOR; i++) {
		if (!node->dirty[i]) {
			continue;
		}
		if (how == 3 ? blx__rng_below(rng, 2) == 0 : keep > 0) {
			memcpy(node->durable + i * SECTOR, node->live + i * SECTOR,
				SECTOR);
			keep -= keep > 0;
		}
		node->dirty[i] = false;
	}
	if (node->cap > 0) {
		memcpy(node->live, node->durable, node->cap);
	}
	node->size = blx__rng_below(rng, 2) == 0 ? node->size : node->durable_size;
	node->durable_size = node->size;
}

void fake_crash(struct fake *fake, struct blx__rng *rng)
{
	struct fake_dir *left = &fake->history[blx__rng_below(rng, fake->history_count)];
	struct fake_dir copy = dir_copy(left);
	struct fake_node *node;

	for (node = fake->nodes; node != NULL; node = node->next) {
		node_crash(node, rng);
	}
	dir_finish(&fake->live);
	fake->live = copy;
	history_clear(fake);
	history_push(fake);
	fake->crashed = false;
	fake->crash_at = 0;
}

uint8_t *fake_bytes(struct fake *fake, const char *path, size_t *ret_len)
{
	struct fake_name *name = name_find(&fake->live, path);

	if (name == NULL) {
		return NULL;
	}
	*ret_len = name->node->size;
	return name->node->live;
}

bool fake_remove(struct fake *fake, const char *path)
{
	struct fake_name *name = name_find(&fake->live, path);

	if (name == NULL) {
		return false;
	}
	name_drop(&fake->live, name);
	history_push(fake);
	return true;
}

/* ---- the env ------------------------------------------------------------- */

static struct fake *fake_of_env(struct blx__env *env)
{
	return env->impl;
}

static uint64_t env_mono_ns(struct blx__env *env)
{
	return fake_of_env(env)->now_ns;
}

static int64_t env_wall_ms(struct blx__env *env)
{
	return (int64_t)(fake_of_env(env)->now_ns / 1000000);
}

static uint64_t env_random_u64(struct blx__env *env)
{
	return blx__rng_u64(&fake_of_env(env)->rng);
}

static int env_timer_start(
	struct blx__env *env, struct blx__timer *timer, uint64_t delay_ns)
{
	struct fake *fake = fake_of_env(env);

	blx__heap_remove(&fake->timers, &timer->item);
	return blx__heap_insert(&fake->timers, &timer->item, fake->now_ns + delay_ns)
		       ? 0
		       : BLX_ENOMEM;
}

static void env_timer_stop(struct blx__env *env, struct blx__timer *timer)
{
	blx__heap_remove(&fake_of_env(env)->timers, &timer->item);
}

static void env_post(struct blx__env *env, struct blx__post *post)
{
	if (!post->queued) {
		post->queued = true;
		blx__list_push_back(&fake_of_env(env)->posts, &post->link);
	}
}

static void env_submit(
	struct blx__env *env, enum blx__queue queue, struct blx__work *work)
{
	blx__list_push_back(&fake_of_env(env)->works[queue], &work->link);
}

static const struct blx__env_ops env_ops = {.mono_ns = env_mono_ns,
	.wall_ms = env_wall_ms,
	.random_u64 = env_random_u64,
	.timer_start = env_timer_start,
	.timer_stop = env_timer_stop,
	.post = env_post,
	.submit = env_submit};

bool fake_step(struct fake *fake)
{
	struct blx__list *link = blx__list_pop_front(&fake->posts);
	struct blx__work *work;

	if (link != NULL) {
		struct blx__post *post = blx__container_of(link, struct blx__post, link);

		post->queued = false;
		post->cb(post);
		return true;
	}
	link = blx__list_pop_front(&fake->works[BLX__QUEUE_DISK]);
	if (link == NULL) {
		return false;
	}
	work = blx__container_of(link, struct blx__work, link);
	work->run(work);
	work->done(work);
	return true;
}

void fake_run(struct fake *fake)
{
	while (fake_step(fake)) {
	}
}

void fake_advance_ms(struct fake *fake, uint64_t ms)
{
	struct blx__heap_item *item;

	fake->now_ns += ms * 1000000;
	while ((item = blx__heap_min(&fake->timers)) != NULL &&
		item->key <= fake->now_ns) {
		struct blx__timer *timer =
			blx__container_of(item, struct blx__timer, item);

		blx__heap_remove(&fake->timers, item);
		timer->cb(timer);
	}
}

void fake_init(struct fake *fake, uint64_t seed)
{
	*fake = (struct fake){.env = {.ops = &env_ops}, .files = {.ops = &files_ops}};
	fake->env.impl = fake;
	fake->env.files = &fake->files;
	fake->files.impl = fake;
	blx__list_init(&fake->works[BLX__QUEUE_DISK]);
	blx__list_init(&fake->works[BLX__QUEUE_WORK]);
	blx__list_init(&fake->posts);
	blx__heap_init(&fake->timers);
	blx__rng_init(&fake->rng, seed);
	history_push(fake);
}

void fake_finish(struct fake *fake)
{
	while (fake->nodes != NULL) {
		struct fake_node *node = fake->nodes;

		fake->nodes = node->next;
		free(node->live);
		free(node->durable);
		free(node->dirty);
		free(node);
	}
	dir_finish(&fake->live);
	history_clear(fake);
	free(fake->history);
	blx__heap_finish(&fake->timers);
}
