/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libblixard: a program that links it becomes a member of a small cluster that
 * agrees, by Raft, on a tree of paths and values. This header brings all the
 * others, and what concerns the library as a whole.
 */
#ifndef BLIXARD_BLIXARD_H
#define BLIXARD_BLIXARD_H

#include <blixard/cache.h>
#include <blixard/call.h>
#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/lease.h>
#include <blixard/node.h>
#include <blixard/placement.h>
#include <blixard/record.h>
#include <blixard/service.h>
#include <blixard/sql.h>
#include <blixard/store.h>
#include <blixard/txn.h>
#include <blixard/unit.h>
#include <blixard/view.h>
#include <blixard/watch.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_VERSION_MAJOR  0
#define BLX_VERSION_MINOR  1
#define BLX_VERSION_PATCH  0
#define BLX_VERSION_STRING "0.1.0"

/* The version of the library that is loaded, such as "0.1.0". Any thread. */
BLX_API const char *blx_version(void);

enum blx_log_level {
	BLX_LOG_ERROR = 0,
	BLX_LOG_WARN = 1,
	BLX_LOG_INFO = 2,
	BLX_LOG_DEBUG = 3
};

/* Called from the library's threads; message is borrowed until return. */
typedef void (*blx_log_cb)(int level, const char *component, const char *message, void *data);

/* The library prints nothing: this is where it says what it does. One for the
 * process; set it before the first member or client is made; NULL for none. */
BLX_API void blx_log_set(blx_log_cb cb, int level_max, void *data);

typedef struct blx_allocator {
	size_t size;
	void *(*malloc_fn)(size_t size, void *data);
	void *(*realloc_fn)(void *ptr, size_t size, void *data);
	void (*free_fn)(void *ptr, void *data);
	void *data;
} blx_allocator;

/* Replaces the allocator, libraft's too. Only before anything else is called. */
BLX_API int blx_set_allocator(const blx_allocator *allocator);

#ifdef __cplusplus
}
#endif

#endif
