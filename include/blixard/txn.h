/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: guards, operations, and operations for the other case, done as
 * one change at one revision, or not at all. Everything that writes is one;
 * blx_put() and its like are transactions of one line.
 *
 * A blx_txn is built by one thread, and may be committed more than once. It
 * holds at most 1024 guards and operations and 4 MiB; adding more gives
 * BLX_ETOOBIG, and a fault while building (also of memory) is kept and told by
 * the commit, so the calls need not be checked one by one.
 */
#ifndef BLIXARD_TXN_H
#define BLIXARD_TXN_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/store.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_TXN_OPS_MAX   1024
#define BLX_TXN_BYTES_MAX (4 * 1024 * 1024)

typedef struct blx_txn blx_txn;
typedef struct blx_txn_result blx_txn_result;

BLX_API int blx_txn_create(blx_txn **ret_txn);
BLX_API void blx_txn_destroy(blx_txn *txn); /* NULL is allowed */

/* Guards: all must hold for the operations to be done. Arguments are copied. */
BLX_API int blx_txn_if_absent(blx_txn *txn, const char *path);
BLX_API int blx_txn_if_exists(blx_txn *txn, const char *path);
BLX_API int blx_txn_if_value(blx_txn *txn, const char *path, const void *value, size_t len);
BLX_API int blx_txn_if_revision(blx_txn *txn, const char *path, uint64_t revision);


/* How often it was written, as blx_value_version(); 0: it is absent. */
BLX_API int blx_txn_if_version(blx_txn *txn, const char *path, uint64_t version);

/*
 * The value is a JSON object and has these fields: fields is a JSON object, each
 * field of which must be there with an equal value. A field that is an object
 * is asked the same way, its other fields do not matter; an array is compared as
 * a whole; 1 and 1.0 are two values. A value that is no JSON object, or longer
 * than BLX_TXN_FIELDS_VALUE_MAX, does not hold. fields may be of
 * BLX_TXN_FIELDS_DEPTH_MAX levels, and there may be BLX_TXN_FIELDS_MAX of these
 * guards in a transaction. BLX_EINVAL.
 */
#define BLX_TXN_FIELDS_VALUE_MAX (64 * 1024)
#define BLX_TXN_FIELDS_DEPTH_MAX 16
#define BLX_TXN_FIELDS_MAX       64
BLX_API int blx_txn_if_fields(blx_txn *txn, const char *path, const char *fields);

/*
 * How many children the path has, as blx_list_children() would list them. The
 * counts of a transaction's guards may be BLX_TXN_CHILDREN_MAX in sum. BLX_EINVAL.
 */
#define BLX_TXN_CHILDREN_MAX 10000
enum blx_compare { BLX_EQUAL = 0, BLX_FEWER = 1, BLX_MORE = 2 };
BLX_API int blx_txn_if_children(
	blx_txn *txn, const char *path, int compare, uint64_t count);

/*
 * What is added after one of these and before its blx_txn_end() counts as one
 * guard: all of them hold, at least one does, none does. A group in which there
 * is nothing holds, but for any. Groups may stand in groups, BLX_TXN_GROUPS_MAX
 * deep; one that is not ended is BLX_EINVAL. When a group does not hold,
 * error->revision is 0.
 */
#define BLX_TXN_GROUPS_MAX 8
BLX_API int blx_txn_if_all(blx_txn *txn);
BLX_API int blx_txn_if_any(blx_txn *txn);
BLX_API int blx_txn_if_none(blx_txn *txn);
BLX_API int blx_txn_end(blx_txn *txn);

/* Operations, done in order. Each later one sees what the earlier ones did. */
BLX_API int blx_txn_put(blx_txn *txn, const char *path, const void *value, size_t len);
BLX_API int blx_txn_delete(blx_txn *txn, const char *path);
BLX_API int blx_txn_delete_tree(blx_txn *txn, const char *path);
BLX_API int blx_txn_get(blx_txn *txn, const char *path);

/*
 * A put of a value that lives while conditions hold: the guards of another
 * transaction, of which nothing else counts; copied. Whenever something that they
 * ask about changes they are looked at again, and when they do not hold the
 * value is removed by the same transaction, by the one that puts it, too: add
 * the guards to that one if it must fail instead. What is removed may end what
 * others live by, and so on. A watch tells which path was the cause.
 * Later puts of the path leave the conditions as they are; this with conditions
 * of no guards drops them. At most BLX_KEEP_GUARDS_MAX guards of BLX_KEEP_BYTES_MAX
 * in all: BLX_ETOOBIG.
 */
#define BLX_KEEP_GUARDS_MAX 16
#define BLX_KEEP_BYTES_MAX  4096
BLX_API int blx_txn_put_while(blx_txn *txn, const char *path, const void *value, size_t len,
	const blx_txn *conditions);

/* What is added after this is done when a guard does not hold. */
BLX_API int blx_txn_else(blx_txn *txn);

/*
 * Commits. opts may be NULL. BLX_OK: one of the branches was done, the result
 * tells which; free it with blx_txn_result_free(). BLX_ECONFLICT: a guard did
 * not hold and there is no else-branch; nothing was done, error->revision is
 * that of what stands at the guard's path. Other failures as in store.h.
 */
BLX_API int blx_txn_commit(blx_client *client, const blx_txn *txn, const blx_write_opts *opts,
	blx_txn_result **ret_result, blx_error *error);

/* result is taken: free it; NULL unless code is BLX_OK. */
typedef void (*blx_txn_cb)(int code, const blx_error *error, blx_txn_result *result, void *data);

BLX_API int blx_txn_commit_async(blx_client *client, const blx_txn *txn,
	const blx_write_opts *opts, blx_txn_cb cb, void *data);

/* 1: the guards held. 0: the else-branch was done. */
BLX_API int blx_txn_result_succeeded(const blx_txn_result *result);
/* The revision of the store after it. */
BLX_API uint64_t blx_txn_result_revision(const blx_txn_result *result);
/* How many operations were done; their results follow in order. */
BLX_API size_t blx_txn_result_count(const blx_txn_result *result);

typedef struct blx_txn_op_result {
	size_t size;
	int existed;       /* put, delete, get: there was a value. get: 2, only children */
	uint64_t count;    /* delete_tree: values removed */
	const void *value; /* get: borrowed from the result; NULL when there is none */
	size_t value_len;
	uint64_t revision; /* get: of its last change */
	uint64_t create_revision;
	uint64_t version;
} blx_txn_op_result;

/* op's size field must be set. BLX_EINVAL when i is too large. */
BLX_API int blx_txn_result_at(const blx_txn_result *result, size_t i, blx_txn_op_result *ret_op);
BLX_API void blx_txn_result_free(blx_txn_result *result); /* NULL is allowed */

/*
 * A batch is a transaction without guards: many writes in one round of
 * consensus, all or nothing.
 */
typedef blx_txn blx_batch;

BLX_API int blx_batch_create(blx_batch **ret_batch);
BLX_API int blx_batch_put(blx_batch *batch, const char *path, const void *value, size_t len);
BLX_API int blx_batch_delete(blx_batch *batch, const char *path);
BLX_API int blx_batch_commit(blx_client *client, const blx_batch *batch,
	const blx_write_opts *opts, uint64_t *ret_revision, blx_error *error);
BLX_API void blx_batch_destroy(blx_batch *batch); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
