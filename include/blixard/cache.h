/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache of values on the side of the client, for one that talks to a member in
 * another process (in the member's own a read costs less than a look into a
 * cache): what was read is given again for its time to live, and let go of before,
 * as soon as a watch tells that it was changed.
 *
 * What blx_cache_get() gives was true at some moment within its time to live before
 * the call: never is anything older given, also when the watch is late, or cannot
 * reach the member. That nothing is there is kept, too.
 */
#ifndef BLIXARD_CACHE_H
#define BLIXARD_CACHE_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/store.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blx_cache blx_cache;

typedef struct blx_cache_opts {
	size_t size;
	uint32_t ttl_ms;     /* default 5000 */
	size_t bytes_max;    /* of paths and values that are kept; default 16 MiB */
	uint32_t timeout_ms; /* of a read; default BLX_TIMEOUT_DEFAULT_MS */
} blx_cache_opts;

#define BLX_CACHE_OPTS_INIT                                                              \
	{                                                                                \
		sizeof(blx_cache_opts), 0, 0, 0                                          \
	}
BLX_API void blx_cache_opts_init(blx_cache_opts *opts);

/*
 * Opens a cache for what matches the pattern, as in watch.h; other paths are read
 * through it and not kept. pattern and opts (may be NULL) are borrowed until return,
 * the client until blx_cache_close(). The codes of blx_watch_open().
 */
BLX_API int blx_cache_open(blx_client *client, const char *pattern, const blx_cache_opts *opts,
	blx_cache **ret_cache, blx_error *error);
BLX_API void blx_cache_close(blx_cache *cache); /* NULL is allowed */

/*
 * As blx_get_consistent(), from the cache where that will do. *ret_value is the
 * caller's reference. Any thread.
 */
BLX_API int blx_cache_get(
	blx_cache *cache, const char *path, blx_value **ret_value, blx_error *error);

typedef struct blx_cache_stats {
	size_t size;
	uint64_t hits;
	uint64_t misses;
	uint64_t invalidated; /* let go of because of a change */
	uint64_t entries;     /* that are kept now, with their bytes */
	uint64_t bytes;
} blx_cache_stats;

/* ret_stats' size field must be set. */
BLX_API void blx_cache_stats_get(blx_cache *cache, blx_cache_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif
