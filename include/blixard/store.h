/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: a tree of paths with values, the same on every member.
 *
 * A path is text such as "/app/web/port": components separated by '/', each
 * of any bytes, with '/', '%', '*', NUL, control bytes and a leading '.'
 * written %XX. A first component that begins with ':' is of the system's own
 * namespace. A path may be 1 KiB long and 32 components deep, a value 1 MiB.
 * Parents need not be made: a path exists as a directory exactly as long as
 * something is below it.
 *
 * The revision of the store is a number that grows with every transaction that
 * changes something and never goes back. A value tells the revision of its last
 * change and of its creation, and how often it was written since.
 *
 * Writes return when a majority of the voters has the change on disk and it is
 * applied. A write that fails says in blx_error.outcome whether it is certainly
 * BLX_NOT_APPLIED or UNKNOWN; retries inside the library are applied once.
 * Without a majority: BLX_ENOQUORUM, at the deadline at the latest and at once
 * where the member knows that it has no leader.
 *
 * The store may be given a quota, by values of decimal text at /:config/quota.bytes
 * (of keys and values) and /:config/quota.keys. A write that would make it hold
 * more, and more than that, is refused with BLX_EQUOTA; reads, deletes, and
 * writes that do not make it grow go on, as do those of anything below /:config.
 *
 * All functions are safe from any thread; see client.h for callbacks.
 */
#ifndef BLIXARD_STORE_H
#define BLIXARD_STORE_H

#include <blixard/client.h>
#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_PATH_LEN_MAX   1024
#define BLX_PATH_DEPTH_MAX 32
#define BLX_VALUE_LEN_MAX  (1024 * 1024)

/* A value that was read. Immutable, reference-counted, usable from any thread. */
typedef struct blx_value blx_value;

BLX_API blx_value *blx_value_ref(blx_value *value);
/* NULL is allowed. */
BLX_API void blx_value_unref(blx_value *value);
/* The bytes; valid as long as the reference is held. Not terminated. */
BLX_API const void *blx_value_data(const blx_value *value);
BLX_API size_t blx_value_len(const blx_value *value);
/* The revision of the transaction that wrote it last. */
BLX_API uint64_t blx_value_revision(const blx_value *value);
/* The revision of the transaction that created the path. */
BLX_API uint64_t blx_value_create_revision(const blx_value *value);
/* 1 for a value just created, one more for each write since. */
BLX_API uint64_t blx_value_version(const blx_value *value);

/* How current an answer is. */
typedef struct blx_read_info {
	size_t size;
	uint64_t revision; /* of the store, when it was read */
	uint64_t age_ms;   /* since this member last heard from a leader; 0 on the leader;
			    * UINT64_MAX: never since it started */
} blx_read_info;

#define BLX_READ_INFO_INIT                                                               \
	{                                                                                \
		sizeof(blx_read_info), 0, 0                                              \
	}
BLX_API void blx_read_info_init(blx_read_info *info);

typedef struct blx_read_opts {
	size_t size;
	uint32_t timeout_ms;   /* default BLX_TIMEOUT_DEFAULT_MS */
	uint32_t flags;        /* enum blx_read_flags */
	uint64_t min_revision; /* wait until the replica has this revision; BLX_ETIMEOUT */
	uint32_t max_age_ms;   /* blx_get(): not older than this, see there; 0: however old.
				* BLX_EINVAL with a consistent read */
} blx_read_opts;

enum blx_read_flags {
	BLX_READ_CONSISTENT = 1 /* for the asynchronous form: as blx_get_consistent() */
};

#define BLX_READ_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_read_opts), 0, 0, 0, 0                                        \
	}
BLX_API void blx_read_opts_init(blx_read_opts *opts);

/*
 * Reads from the replica of the member asked: no packet to another member, no
 * consensus, possibly old; ret_info (may be NULL) tells how old, also when
 * there is nothing. Works on a member that has no quorum. In process it takes
 * a short lock and neither enters the loop nor copies the value.
 *
 * With opts->max_age_ms: the answer reflects every write that was acknowledged
 * to anybody max_age_ms before this call began. The replica answers by itself
 * where it knows as much, for it was confirmed with the leader within that time,
 * by this host's monotonic clock; otherwise as blx_get_consistent(), which
 * confirms it for the reads that follow.
 *
 * BLX_OK and *ret_value, to be released with blx_value_unref(); BLX_ENOENT
 * nothing there; BLX_ENOVALUE only children are there.
 */
BLX_API int blx_get(blx_client *client, const char *path, const blx_read_opts *opts,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error);

/*
 * Reads what is true now: the answer reflects every write that was acknowledged
 * to anybody before this call began (read index, Raft thesis 6.4). Any member
 * takes it. BLX_ENOQUORUM when that cannot be had in time; never an old value.
 * With BLX_NODE_LEASE_READS a leader answers by itself for as long as its lease
 * holds; see there for what that rests on.
 */
BLX_API int blx_get_consistent(blx_client *client, const char *path, const blx_read_opts *opts,
	blx_value **ret_value, blx_read_info *ret_info, blx_error *error);

/* value is borrowed until return, NULL unless code is BLX_OK; error is never NULL. */
typedef void (*blx_read_cb)(int code, const blx_error *error, blx_value *value,
	const blx_read_info *info, void *data);

/* The asynchronous form of both. Returns 0, or negative and then cb never fires. */
BLX_API int blx_get_async(blx_client *client, const char *path, const blx_read_opts *opts,
	blx_read_cb cb, void *data);

/* The children of a directory, at one revision. */
typedef struct blx_list blx_list;

typedef struct blx_list_opts {
	size_t size;
	uint32_t timeout_ms; /* default BLX_TIMEOUT_DEFAULT_MS */
	uint32_t flags;      /* enum blx_list_flags */
	uint32_t limit;      /* at most so many children; 0: all */
	const char *after;   /* begin behind the child of this name; NULL: at the first */
} blx_list_opts;

enum blx_list_flags {
	BLX_LIST_NO_VALUES = 1, /* names and revisions only */
	BLX_LIST_TREE = 2       /* everything below, not only the children; names are
				 * paths relative to the directory */
};

#define BLX_LIST_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_list_opts), 0, 0, 0, NULL                                     \
	}
BLX_API void blx_list_opts_init(blx_list_opts *opts);

typedef struct blx_list_entry {
	size_t size;
	const char *name;  /* escaped as in a path, without the directory's */
	const void *value; /* NULL: only a parent of others, or values were not asked for */
	size_t value_len;
	uint64_t revision; /* 0: only a parent of others */
	uint64_t create_revision;
	uint64_t version;
	int has_value;    /* there is a value at this path itself */
	int has_children; /* not told with BLX_LIST_TREE */
} blx_list_entry;

/*
 * The children of a directory in order of their names. path may end in '/'.
 * A directory that does not exist gives an empty list. Pages: set limit, and
 * after to the last name seen; each page is of one revision, told by
 * blx_list_revision(). Free with blx_list_free().
 */
BLX_API int blx_list_children(blx_client *client, const char *path, const blx_list_opts *opts,
	blx_list **ret_list, blx_error *error);
BLX_API int blx_list_children_consistent(blx_client *client, const char *path,
	const blx_list_opts *opts, blx_list **ret_list, blx_error *error);

BLX_API size_t blx_list_count(const blx_list *list);
/* entry's size field must be set; what it points to is borrowed from the list. */
BLX_API int blx_list_at(const blx_list *list, size_t i, blx_list_entry *ret_entry);
BLX_API int blx_list_more(const blx_list *list); /* 1: limit cut it short */
BLX_API uint64_t blx_list_revision(const blx_list *list);
BLX_API uint64_t blx_list_age_ms(const blx_list *list);
BLX_API void blx_list_free(blx_list *list); /* NULL is allowed */

typedef struct blx_write_opts {
	size_t size;
	uint32_t timeout_ms; /* default BLX_TIMEOUT_DEFAULT_MS */
	uint32_t flags;      /* enum blx_write_flags */
} blx_write_opts;

enum blx_write_flags {
	BLX_DELETE_TREE = 1 /* blx_delete(): all that is below the path, too */
};

#define BLX_WRITE_OPTS_INIT                                                              \
	{                                                                                \
		sizeof(blx_write_opts), 0, 0                                             \
	}
BLX_API void blx_write_opts_init(blx_write_opts *opts);

/* Sets the value, whatever was there. ret_revision may be NULL here and below. */
BLX_API int blx_put(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error);

/* Sets the value if there is none. BLX_EEXIST, with error->revision the one there. */
BLX_API int blx_put_if_absent(blx_client *client, const char *path, const void *value,
	size_t len, const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error);

/*
 * Sets the value if what is there equals expect. BLX_ECONFLICT otherwise, also
 * when nothing is there; error->revision is then that of what is there, or 0.
 * The same value written anew satisfies it: compare revisions where that matters.
 */
BLX_API int blx_cas(blx_client *client, const char *path, const void *expect, size_t expect_len,
	const void *value, size_t len, const blx_write_opts *opts, uint64_t *ret_revision,
	blx_error *error);

/* Sets the value if it was last changed at expect_revision (0: if there is none). */
BLX_API int blx_cas_revision(blx_client *client, const char *path, uint64_t expect_revision,
	const void *value, size_t len, const blx_write_opts *opts, uint64_t *ret_revision,
	blx_error *error);

/*
 * Removes the value at the path; what is below stays, unless BLX_DELETE_TREE.
 * BLX_ENOENT when there was nothing to remove.
 */
BLX_API int blx_delete(blx_client *client, const char *path, const blx_write_opts *opts,
	uint64_t *ret_revision, blx_error *error);

/* code and error as the blocking form would have given them; error is never NULL. */
typedef void (*blx_write_cb)(int code, const blx_error *error, uint64_t revision, void *data);

/*
 * Asynchronous forms. Arguments are copied. Return 0, or negative and then cb
 * never fires: BLX_EINVAL, BLX_ETOOBIG, BLX_ENOMEM, BLX_EBUSY (too many under
 * way: wait for one to end).
 */
BLX_API int blx_put_async(blx_client *client, const char *path, const void *value, size_t len,
	const blx_write_opts *opts, blx_write_cb cb, void *data);
BLX_API int blx_put_if_absent_async(blx_client *client, const char *path, const void *value,
	size_t len, const blx_write_opts *opts, blx_write_cb cb, void *data);
BLX_API int blx_cas_async(blx_client *client, const char *path, const void *expect,
	size_t expect_len, const void *value, size_t len, const blx_write_opts *opts,
	blx_write_cb cb, void *data);
BLX_API int blx_cas_revision_async(blx_client *client, const char *path,
	uint64_t expect_revision, const void *value, size_t len, const blx_write_opts *opts,
	blx_write_cb cb, void *data);
BLX_API int blx_delete_async(blx_client *client, const char *path, const blx_write_opts *opts,
	blx_write_cb cb, void *data);

#ifdef __cplusplus
}
#endif

#endif
