/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/scene.h"

#include "base/assert.h"
#include "base/mem.h"
#include "plan/health.h"
#include "record/fields.h"
#include "record/settings.h"
#include "store/path.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

void blx__scene_init(struct blx__scene *scene)
{
	*scene = (struct blx__scene){.tree = NULL};
}

void blx__scene_finish(struct blx__scene *scene)
{
	blx_place_model_destroy(scene->model);
	blx__free(scene->services);
	blx__free(scene->nodes);
	blx__free(scene->migrations);
	blx__free(scene->migrated);
	blx__scene_init(scene);
}

/* ---- reading a directory -------------------------------------------------------- */

/* Takes in what is at one name; old is what was there at the look before, or NULL.
 * False: it is passed over. */
typedef bool take_fn(const struct blx__item *item, const void *old, void *ret);

struct dir {
	const char *path;
	size_t size; /* of one, which begins with its name */
	take_fn *take;
};

static bool grow(void **list, size_t *room, size_t count, size_t size)
{
	size_t more = *room == 0 ? 16 : *room * 2;
	void *grown;

	if (count < *room) {
		return true;
	}
	grown = blx__realloc(*list, more * size);
	if (grown == NULL) {
		return false;
	}
	*list = grown;
	*room = more;
	return true;
}

/* The name of what has its value right below the directory, and fits. */
static bool name_of(
	const struct blx__item *item, size_t dir_len, char ret_name[BLX_NAME_MAX])
{
	const uint8_t *own = blx__item_key(item) + dir_len + 1;
	size_t own_len = item->key_len - dir_len - 1;
	char text[BLX__PATH_TEXT_SIZE];

	if (item->key_len <= dir_len + 1 ||
		memchr(own, BLX__KEY_SEPARATOR, own_len) != NULL ||
		blx__path_format_name(own, own_len, text) >= BLX_NAME_MAX) {
		return false;
	}
	memset(ret_name, 0, BLX_NAME_MAX);
	memcpy(ret_name, text, strlen(text));
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static const void *find(const void *list, size_t count, size_t size, const char *name)
{
	char key[BLX_NAME_MAX] = {0};

	if (count == 0 || strlen(name) >= sizeof key) {
		return NULL;
	}
	memcpy(key, name, strlen(name));
	return bsearch(key, list, count, size, by_name);
}

/* All of a directory, by name; old is the list of the look before. */
static int take_dir(struct blx__scene *scene, const struct dir *dir, const void *old,
	size_t old_count, void **ret_list, size_t *ret_count)
{
	size_t len = strlen(dir->path);
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(
		&cursor, scene->tree, (const uint8_t *)dir->path, len);
	char *list = NULL;
	size_t room = 0;
	size_t count = 0;

	for (; blx__item_begins(item, dir->path, len); item = blx__cursor_next(&cursor)) {
		char *at;

		if (!grow((void **)&list, &room, count, dir->size)) {
			blx__free(list);
			return BLX_ENOMEM;
		}
		at = list + count * dir->size;
		memset(at, 0, dir->size);
		if (name_of(item, len, at) &&
			dir->take(item, find(old, old_count, dir->size, at), at)) {
			count++;
		}
	}
	if (count > 1) {
		qsort(list, count, dir->size, by_name);
	}
	*ret_list = list;
	*ret_count = count;
	return 0;
}

/* ---- what is taken of each ------------------------------------------------------ */

static void copy_name(char to[BLX_NAME_MAX], const char *from)
{
	memcpy(to, from, BLX_NAME_MAX);
}

static bool decode(int kind, const struct blx__item *item, void *record)
{
	return blx__record_decode(blx__record_of(kind), blx__item_value(item), item->value_len,
		       record, NULL) == 0;
}

static void service_of(const blx_service *from, struct blx__scene_service *to)
{
	to->state = from->state;
	to->wanted = from->wanted;
	to->seen = from->seen;
	to->shared = from->shared != 0;
	to->priority = from->priority;
	to->stop_agreed = from->stop_agreed;
	to->failures = from->failures;
	to->failures_max = from->failures_max;
	copy_name(to->node, from->node);
	copy_name(to->owner, from->owner);
	copy_name(to->seen_node, from->seen_node);
	copy_name(to->migration, from->migration);
}

static bool take_service(const struct blx__item *item, const void *old, void *ret)
{
	const struct blx__scene_service *before = old;
	struct blx__scene_service *service = ret;
	BLX__CLEANUP_FREE blx_service *record = NULL;

	if (before != NULL && before->revision == item->mod_revision) {
		*service = *before;
		return true;
	}
	record = blx__malloc(sizeof *record);
	if (record == NULL || !decode(BLX_RECORD_SERVICE, item, record)) {
		return false;
	}
	service->revision = item->mod_revision;
	service_of(record, service);
	blx__free(record->extra);
	return true;
}

static bool take_node(const struct blx__item *item, const void *old, void *ret)
{
	struct blx__scene_node *node = ret;
	BLX__CLEANUP_FREE blx_node_info *record = blx__malloc(sizeof *record);

	if (record == NULL || !decode(BLX_RECORD_NODE, item, record)) {
		return false;
	}
	node->health = record->health;
	node->draining = record->draining != 0;
	node->evicted = record->evicted != 0;
	node->lease_ms = record->lease;
	node->drain_deadline = record->drain_deadline;
	blx__free(record->extra);
	return true;
}

static bool take_migration(const struct blx__item *item, const void *old, void *ret)
{
	struct blx__scene_migration *migration = ret;

	if (!decode(BLX_RECORD_MIGRATION, item, &migration->record)) {
		return false;
	}
	blx__free(migration->record.extra);
	migration->record.extra = NULL;
	migration->revision = item->mod_revision;
	return true;
}

static bool take_migrated(const struct blx__item *item, const void *old, void *ret)
{
	const struct blx__scene_migrated *before = old;
	struct blx__scene_migrated *migrated = ret;
	blx_migration record;

	if (before != NULL && before->revision == item->mod_revision) {
		*migrated = *before;
		return true;
	}
	migrated->revision = item->mod_revision;
	if (decode(BLX_RECORD_MIGRATED, item, &record)) {
		copy_name(migrated->service, record.service);
		migrated->ended_at = record.ended_at;
		migrated->failed = record.error[0] != '\0';
		blx__free(record.extra);
	}
	return true;
}

/* ---- a look --------------------------------------------------------------------- */

static void forget(struct blx__scene *scene)
{
	blx_place_model_destroy(scene->model);
	blx__free(scene->nodes);
	blx__free(scene->migrations);
	scene->model = NULL;
	scene->nodes = NULL;
	scene->nodes_count = 0;
	scene->migrations = NULL;
	scene->migrations_count = 0;
}

/* In place of what is there, from which what did not change is taken. */
static int retake(
	struct blx__scene *scene, const struct dir *dir, void **list, size_t *count)
{
	void *fresh = NULL;
	size_t fresh_count = 0;
	int rv = take_dir(scene, dir, *list, *count, &fresh, &fresh_count);

	blx__free(*list);
	*list = fresh;
	*count = fresh_count;
	return rv;
}

static int take_kept(struct blx__scene *scene)
{
	static const struct dir services = {
		":services", sizeof(struct blx__scene_service), take_service};
	static const struct dir migrated = {
		":migrated", sizeof(struct blx__scene_migrated), take_migrated};
	void *list = scene->services;
	int rv = retake(scene, &services, &list, &scene->services_count);

	scene->services = list;
	list = scene->migrated;
	if (rv == 0) {
		rv = retake(scene, &migrated, &list, &scene->migrated_count);
		scene->migrated = list;
	}
	return rv;
}

static int take_others(struct blx__scene *scene)
{
	static const struct dir nodes = {":nodes", sizeof(struct blx__scene_node), take_node};
	static const struct dir migrations = {
		":migrations", sizeof(struct blx__scene_migration), take_migration};
	void *list = NULL;
	int rv = take_dir(scene, &nodes, NULL, 0, &list, &scene->nodes_count);

	scene->nodes = list;
	if (rv == 0) {
		list = NULL;
		rv = take_dir(scene, &migrations, NULL, 0, &list, &scene->migrations_count);
		scene->migrations = list;
	}
	return rv;
}

int blx__scene_look(struct blx__scene *scene, const struct blx__tree *tree,
	uint64_t revision, int64_t time_ns, blx__kept_ago kept_ago, void *data)
{
	int rv;

	forget(scene);
	scene->tree = tree;
	scene->kept_ago = kept_ago;
	scene->data = data;
	scene->revision = revision;
	scene->time_ns = time_ns;
	scene->margin_ns = (int64_t)blx__setting_of(tree, BLX__SETTING_FENCE_MARGIN);
	scene->failed_ns = blx__health_limits_of(tree).failed_ns;
	scene->drain_parallel = (size_t)blx__setting_of(tree, BLX__SETTING_DRAIN_PARALLEL);
	rv = take_kept(scene);
	if (rv == 0) {
		rv = take_others(scene);
	}
	if (rv != 0) {
		forget(scene);
	}
	return rv;
}

/* ---- looking things up ---------------------------------------------------------- */

const struct blx__scene_service *blx__scene_service_of(
	const struct blx__scene *scene, const char *name)
{
	return find(scene->services, scene->services_count, sizeof *scene->services, name);
}

struct blx__scene_node *blx__scene_node_of(struct blx__scene *scene, const char *name)
{
	return (struct blx__scene_node *)(uintptr_t)find(
		scene->nodes, scene->nodes_count, sizeof *scene->nodes, name);
}

int blx__scene_read(const struct blx__scene *scene, int kind, const char *name,
	void *ret_record, uint64_t *ret_revision)
{
	const struct blx__record *of = blx__record_of(kind);
	const struct blx__item *item;
	struct blx__key key;

	memset(ret_record, 0, of->size);
	*ret_revision = 0;
	if (blx__key_child(of->what, of->dir, name, &key, NULL) != 0) {
		return BLX_EINVAL;
	}
	item = blx__tree_get(scene->tree, key.bytes, key.len);
	if (item == NULL) {
		return 0;
	}
	*ret_revision = item->mod_revision;
	return blx__record_decode(
		of, blx__item_value(item), item->value_len, ret_record, NULL);
}

blx_place_model *blx__scene_model(struct blx__scene *scene)
{
	if (scene->model == NULL) {
		(void)blx__model_of(scene->tree, scene->revision, &scene->model);
	}
	return scene->model;
}

/* ---- when it may be given away -------------------------------------------------- */

bool blx__scene_is_fenced(struct blx__scene *scene, const struct blx__scene_service *service,
	const char *name)
{
	const struct blx__scene_node *node = blx__scene_node_of(scene, name);
	/* None is confirmed of a node without a record; the one before may run yet. */
	int64_t lease_ms =
		node != NULL && node->lease_ms > 0 ? node->lease_ms : BLX__LEASE_MAX_MS;

	return service->shared ||
	       scene->kept_ago(name, scene->data) >=
		       blx__fence_ns(lease_ms, service->stop_agreed, scene->margin_ns);
}

bool blx__scene_is_clear(
	struct blx__scene *scene, const struct blx__scene_service *service)
{
	if (service->owner[0] != '\0') {
		return false;
	}
	return service->seen_node[0] == '\0' || service->seen == BLX_SERVICE_STOPPED ||
	       service->seen == BLX_SERVICE_FAILED ||
	       blx__scene_is_fenced(scene, service, service->seen_node);
}

bool blx__scene_is_lost(struct blx__scene *scene, const char *name)
{
	const struct blx__scene_node *node = blx__scene_node_of(scene, name);

	return node == NULL || node->evicted || node->health == BLX_HEALTH_FAILED ||
	       scene->kept_ago(name, scene->data) >= scene->failed_ns;
}

bool blx__scene_is_host(struct blx__scene *scene, const char *name)
{
	const struct blx__scene_node *node = blx__scene_node_of(scene, name);

	return node != NULL && node->lease_ms > 0;
}
