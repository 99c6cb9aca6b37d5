/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache: entries by path, from the least to the most recently used, and a watch
 * that is asked what has changed before each look. An entry counts from when its
 * read began; the read is a consistent one, so what it gave was true after that.
 */
#include <blixard/cache.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"
#include "client/client.h"
#include "store/path.h"
#include "store/pattern.h"

#include <blixard/watch.h>
#include <pthread.h>
#include <string.h>

#define NS_PER_MS      UINT64_C(1000000)
#define TTL_DEFAULT_MS 5000
/* The watch is not opened again more often. */
#define RETRY_MS       1000

#define BYTES_DEFAULT  ((size_t)16 * 1024 * 1024)

struct entry {
	struct blx__table_link link;
	struct blx__list use;
	blx_value *value; /* owned reference; NULL: nothing is there */
	int code;         /* then BLX_ENOENT or BLX_ENOVALUE */
	uint64_t until_ns;
	uint64_t revision; /* of the store when it was read */
	size_t bytes;
	char path[]; /* as the store writes it */
};

struct blx_cache {
	pthread_mutex_t lock; /* for what follows but the constants */
	blx_client *client;   /* borrowed */
	char *text;           /* owned; of the pattern */
	struct blx__pattern pattern;
	uint64_t ttl_ns;
	size_t bytes_max;
	uint32_t timeout_ms;
	blx_watch *watch; /* owned; NULL: it has ended and is to be opened again */
	uint64_t seen;    /* the latest revision of which the watch told a change */
	struct blx__table table;
	struct blx__list used; /* the least recently used one first */
	size_t absent;         /* entries of which nothing is there */
	uint64_t retry_ns;     /* do not open the watch before */
	size_t bytes;
	uint64_t hits;
	uint64_t misses;
	uint64_t invalidated;
};

void blx_cache_opts_init(blx_cache_opts *opts)
{
	*opts = (blx_cache_opts)BLX_CACHE_OPTS_INIT;
}

static struct entry *entry_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct entry, link);
}

static uint64_t hash_of(const char *path)
{
	return blx__table_hash(path, strlen(path));
}

/* ---- entries, under the lock ---------------------------------------------------- */

static struct entry *entry_find(const struct blx_cache *cache, const char *path)
{
	struct blx__table_link *link = blx__table_find(&cache->table, hash_of(path));

	while (link != NULL && strcmp(entry_of(link)->path, path) != 0) {
		link = blx__table_find_next(link);
	}
	return link != NULL ? entry_of(link) : NULL;
}

static void entry_drop(struct blx_cache *cache, struct entry *entry)
{
	cache->bytes -= entry->bytes;
	cache->absent -= entry->value == NULL;
	blx__table_remove(&cache->table, &entry->link);
	blx__list_remove(&entry->use);
	blx_value_unref(entry->value);
	blx__free(entry);
}

static void drop_all(struct blx_cache *cache)
{
	while (!blx__list_empty(&cache->used)) {
		entry_drop(cache, blx__container_of(cache->used.next, struct entry, use));
	}
}

/* What was read; a lack of memory only means that it is read again. */
static void entry_keep(struct blx_cache *cache, const struct entry *read, const char *path)
{
	size_t size = strlen(path) + 1;
	size_t bytes = sizeof(struct entry) + size +
		(read->value != NULL ? blx_value_len(read->value) : 0);
	struct entry *entry = entry_find(cache, path);

	if (entry != NULL) {
		entry_drop(cache, entry);
	}
	if (bytes > cache->bytes_max) {
		return;
	}
	entry = blx__malloc(sizeof *entry + size);
	if (entry == NULL) {
		return;
	}
	*entry = *read;
	memcpy(entry->path, path, size);
	entry->bytes = bytes;
	if (blx__table_add(&cache->table, &entry->link, hash_of(path)) != 0) {
		blx__free(entry);
		return;
	}
	if (entry->value != NULL) {
		(void)blx_value_ref(entry->value);
	}
	blx__list_init(&entry->use);
	blx__list_push_back(&cache->used, &entry->use);
	cache->bytes += bytes;
	cache->absent += entry->value == NULL;
	while (cache->bytes > cache->bytes_max) {
		entry_drop(cache, blx__container_of(cache->used.next, struct entry, use));
	}
}

/* ---- what the watch tells, under the lock --------------------------------------- */

static void take_event(struct blx_cache *cache, const blx_event *event)
{
	struct entry *entry;

	if (event->revision > cache->seen) {
		cache->seen = event->revision;
	}
	if (event->path == NULL) {
		return;
	}
	entry = entry_find(cache, event->path);
	if (entry != NULL && entry->revision < event->revision) {
		entry_drop(cache, entry);
		cache->invalidated++;
	}
}

/* A directory whose first value comes is another answer than there was: BLX_ENOENT and
 * BLX_ENOVALUE of what is above are only kept for as long as nothing at all changes. */
static void drop_absent(struct blx_cache *cache)
{
	struct blx__list *link;
	struct blx__list *tmp;

	blx__list_foreach_safe(link, tmp, &cache->used) {
		struct entry *entry = blx__container_of(link, struct entry, use);

		if (entry->value == NULL && entry->revision < cache->seen) {
			entry_drop(cache, entry);
			cache->invalidated++;
		}
	}
}

static int watch_open(struct blx_cache *cache, blx_error *error)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;

	opts.flags = BLX_WATCH_NO_VALUES;
	opts.timeout_ms = cache->timeout_ms;
	return blx_watch_open(cache->client, cache->text, &opts, &cache->watch, error);
}

/* Takes in what has come. Where the watch has lost its place, all is let go of. */
static void follow(struct blx_cache *cache)
{
	blx_event event = BLX_EVENT_INIT;
	uint64_t seen = cache->seen;
	int rv = 0;

	while (cache->watch != NULL && (rv = blx_watch_next(cache->watch, 0, &event, NULL)) == 0) {
		take_event(cache, &event);
	}
	if (cache->seen != seen && cache->absent > 0) {
		drop_absent(cache);
	}
	if (cache->watch != NULL && rv != BLX_ETIMEOUT) {
		blx_watch_close(cache->watch);
		cache->watch = NULL;
		drop_all(cache);
	}
}

/* ---- reading -------------------------------------------------------------------- */

struct want {
	char path[BLX__PATH_TEXT_SIZE]; /* as the store writes it */
	bool kept; /* it is of those that the cache is for */
};

static int want_of(
	const struct blx_cache *cache, const char *path, struct want *want, blx_error *error)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t key_len;
	bool dir;
	int rv;

	if (path == NULL) {
		return blx__error_set(error, BLX_EINVAL, "cache: no path given");
	}
	rv = blx__path_parse(path, strlen(path), key, &key_len, &dir, error);
	if (rv == 0) {
		(void)blx__path_format(key, key_len, want->path);
		want->kept = blx__pattern_matches(&cache->pattern, key, key_len);
	}
	return rv;
}

static int told_absent(int code, const char *path, blx_error *error)
{
	return blx__error_set(error, code,
		code == BLX_ENOVALUE ? "%s: no value there, only children" : "%s: not found", path);
}

/* True: it is there, and what it comes to is in *ret_code. */
static bool look(struct blx_cache *cache, const struct want *want, blx_value **ret_value,
	int *ret_code)
{
	struct entry *entry = entry_find(cache, want->path);

	if (entry != NULL && blx__client_now_ns() >= entry->until_ns) {
		entry_drop(cache, entry);
		entry = NULL;
	}
	if (entry == NULL) {
		cache->misses++;
		return false;
	}
	cache->hits++;
	blx__list_remove(&entry->use);
	blx__list_push_back(&cache->used, &entry->use);
	*ret_code = entry->code;
	if (entry->value != NULL) {
		*ret_value = blx_value_ref(entry->value);
	}
	return true;
}

/* A change that was told meanwhile may be of this very value: then it is not kept. */
static void keep_read(struct blx_cache *cache, const struct want *want,
	const struct entry *read, bool was_watched)
{
	(void)pthread_mutex_lock(&cache->lock);
	if (was_watched && cache->watch != NULL && cache->seen <= read->revision) {
		entry_keep(cache, read, want->path);
	}
	(void)pthread_mutex_unlock(&cache->lock);
}

static int read_through(struct blx_cache *cache, const struct want *want, bool watched,
	blx_value **ret_value, blx_error *error)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_read_info info = BLX_READ_INFO_INIT;
	struct entry read = { .until_ns = blx__client_now_ns() + cache->ttl_ns };
	int rv;

	opts.timeout_ms = cache->timeout_ms;
	rv = blx_get_consistent(cache->client, want->path, &opts, &read.value, &info, error);
	if (rv != 0 && rv != BLX_ENOENT && rv != BLX_ENOVALUE) {
		return rv;
	}
	read.code = rv;
	read.revision = info.revision;
	if (want->kept) {
		keep_read(cache, want, &read, watched);
	}
	*ret_value = read.value;
	return rv;
}

int blx_cache_get(blx_cache *cache, const char *path, blx_value **ret_value, blx_error *error)
{
	struct want want;
	bool watched;
	bool found;
	int code = 0;
	int rv;

	if (cache == NULL || ret_value == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "cache: no cache, or nowhere to put the value");
	}
	if (blx__client_forked(cache->client)) {
		return blx__client_may_wait(cache->client, error); /* it has the words for it */
	}
	rv = want_of(cache, path, &want, error);
	if (rv != 0) {
		return rv;
	}
	*ret_value = NULL;
	(void)pthread_mutex_lock(&cache->lock);
	follow(cache);
	if (cache->watch == NULL && blx__client_now_ns() >= cache->retry_ns) {
		/* Without it nothing is kept, and all is read. */
		(void)watch_open(cache, NULL);
		cache->retry_ns = blx__client_now_ns() + RETRY_MS * NS_PER_MS;
	}
	watched = cache->watch != NULL;
	found = look(cache, &want, ret_value, &code);
	(void)pthread_mutex_unlock(&cache->lock);
	if (!found) {
		return read_through(cache, &want, watched, ret_value, error);
	}
	return code == 0 ? 0 : told_absent(code, want.path, error);
}

void blx_cache_stats_get(blx_cache *cache, blx_cache_stats *ret_stats)
{
	blx_cache_stats stats = { .size = sizeof stats };

	(void)pthread_mutex_lock(&cache->lock);
	stats.hits = cache->hits;
	stats.misses = cache->misses;
	stats.invalidated = cache->invalidated;
	stats.entries = cache->table.count;
	stats.bytes = cache->bytes;
	(void)pthread_mutex_unlock(&cache->lock);
	BLX__OUT(ret_stats, &stats);
}

/* ---- the whole ------------------------------------------------------------------ */

void blx_cache_close(blx_cache *cache)
{
	if (cache == NULL) {
		return;
	}
	blx_watch_close(cache->watch);
	drop_all(cache);
	blx__table_finish(&cache->table);
	(void)pthread_mutex_destroy(&cache->lock);
	blx__free(cache->text);
	blx__free(cache);
}

static blx_cache *cache_create(blx_client *client, const char *pattern, const blx_cache_opts *opts)
{
	blx_cache *cache = blx__calloc(1, sizeof *cache);

	if (cache == NULL) {
		return NULL;
	}
	blx__list_init(&cache->used);
	(void)pthread_mutex_init(&cache->lock, NULL);
	cache->client = client;
	cache->ttl_ns = (opts->ttl_ms != 0 ? opts->ttl_ms : TTL_DEFAULT_MS) * NS_PER_MS;
	cache->bytes_max = opts->bytes_max != 0 ? opts->bytes_max : BYTES_DEFAULT;
	cache->timeout_ms = opts->timeout_ms;
	cache->text = blx__strdup(pattern);
	if (cache->text == NULL) {
		blx_cache_close(cache);
		return NULL;
	}
	return cache;
}

int blx_cache_open(blx_client *client, const char *pattern, const blx_cache_opts *user_opts,
	blx_cache **ret_cache, blx_error *error)
{
	blx_cache_opts opts;
	blx_cache *cache;
	int rv;

	if (client == NULL || pattern == NULL || ret_cache == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"cache: no client, no pattern, or nowhere to put it");
	}
	BLX__OPTS(&opts, user_opts);
	cache = cache_create(client, pattern, &opts);
	if (cache == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "cache %.100s: out of memory", pattern);
	}
	rv = blx__pattern_parse(pattern, strlen(pattern), &cache->pattern, error);
	if (rv == 0) {
		rv = watch_open(cache, error);
	}
	if (rv != 0) {
		blx_cache_close(cache);
		return rv;
	}
	*ret_cache = cache;
	return 0;
}
