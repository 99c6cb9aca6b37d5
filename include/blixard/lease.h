/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases, and what is built of them: locks and elections.
 *
 * A lease is there for as long as its holder says so: it asks for it to be kept,
 * and when it has not for the lease's time to live, the cluster ends it. Values
 * that were bound to it go with it, in one transaction. It can be seen at
 * /:leases/<id in 16 hexadecimal digits>.
 *
 * Time is counted by the leader alone, by its monotonic clock, and only while it
 * is in contact with a majority; time in which its process stood still does not
 * count. A new leader gives every lease its full time anew. So a lease never ends
 * early: from the moment a holder sent what was answered with BLX_OK it has the
 * time to live, by its own clock, as long as no clock runs more than
 * BLX_LEASE_DRIFT_PERCENT faster than the other. It ends late after an election.
 */
#ifndef BLIXARD_LEASE_H
#define BLIXARD_LEASE_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/store.h>
#include <blixard/txn.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_LEASE_TTL_DEFAULT_MS  10000
#define BLX_LEASE_TTL_MIN_MS      100
#define BLX_LEASE_TTL_MAX_MS      86400000
#define BLX_LEASE_DRIFT_PERCENT   12
#define BLX_LEASE_RECORD_MAX      1024 /* bytes of its value */
#define BLX_LEASE_HOLDER_LEN_MAX  128

/* ---- by id ------------------------------------------------------------------------- */

/*
 * Makes a lease. holder says whose it is, to people; UTF-8; may be NULL. ttl_ms 0:
 * the default. It has its whole time when this returns. timeout_ms 0:
 * BLX_TIMEOUT_DEFAULT_MS, as in all of these. BLX_EINVAL, and as blx_put().
 */
BLX_API int blx_lease_grant(blx_client *client, uint32_t ttl_ms, const char *holder,
	uint32_t timeout_ms, uint64_t *ret_id, blx_error *error);

/* Keeps it for its time to live from when this was called. BLX_ENOENT: it has ended.
 * Any other failure tells nothing. */
BLX_API int blx_lease_keep(
	blx_client *client, uint64_t id, uint32_t timeout_ms, blx_error *error);

/* Ends it, and what is bound to it. BLX_ENOENT: it has ended already. */
BLX_API int blx_lease_revoke(
	blx_client *client, uint64_t id, uint32_t timeout_ms, blx_error *error);

/*
 * A put of a value that goes with the lease: a guard that it exists, and
 * blx_txn_put_while() for as long as it does. Not after blx_txn_else().
 */
BLX_API int blx_txn_put_leased(
	blx_txn *txn, const char *path, const void *value, size_t len, uint64_t lease_id);

/* ---- held ---------------------------------------------------------------------------- */

/*
 * A lease that a thread of the library's keeps. Any thread may call these, but
 * blx_lease_release() once. The client must outlive it.
 */
typedef struct blx_lease blx_lease;

typedef struct blx_lease_opts {
	size_t size;
	uint32_t ttl_ms;
	uint32_t timeout_ms; /* of making it, and for a lock of getting it;
			      * BLX_LEASE_WAIT_FOREVER for a lock only */
	const char *holder;  /* as in blx_lease_grant() */
	/* Called once when it can no longer be relied on: it has ended, or could not be kept
	 * in its time. On the library's own thread; must not release it. */
	void (*on_lost)(void *data);
	void *data;
} blx_lease_opts;

#define BLX_LEASE_WAIT_FOREVER UINT32_MAX

#define BLX_LEASE_OPTS_INIT                                                              \
	{                                                                                \
		sizeof(blx_lease_opts), 0, 0, NULL, NULL, NULL                           \
	}
BLX_API void blx_lease_opts_init(blx_lease_opts *opts);

/* Makes it, and begins to keep it. opts may be NULL. */
BLX_API int blx_lease_hold(blx_client *client, const blx_lease_opts *opts,
	blx_lease **ret_lease, blx_error *error);

BLX_API uint64_t blx_lease_id(const blx_lease *lease);

/* How long it may be relied on, by this process' clock, if it is not kept; 0: it is lost. */
BLX_API uint32_t blx_lease_left_ms(blx_lease *lease);

/* Ends it and frees the handle. NULL is allowed. If the cluster cannot be reached it ends
 * with its time. */
BLX_API void blx_lease_release(blx_lease *lease);

/* ---- locks and elections ---------------------------------------------------------------- */

/*
 * A lock is a value at /:locks/<name> that is bound to its holder's lease; an
 * election one at /:elections/<name> with what the elected one says of itself.
 * Whoever waits is told when it is gone, and the first to put its own has it: in no
 * order among those who wait.
 *
 * A holder may be paused for longer than its lease and not know that another one
 * has the lock: so what it does under the lock must carry its fencing token, the
 * revision at which it got the lock, which is greater than those of all holders
 * before. For a transaction that is the guard of blx_txn_if_held().
 */
typedef struct blx_lock blx_lock;

/* Waits for the lock, and holds it until blx_lock_release(). name: no "/". opts may be
 * NULL. BLX_ETIMEOUT: another one has it; the message says who. */
BLX_API int blx_lock_acquire(blx_client *client, const char *name,
	const blx_lease_opts *opts, blx_lock **ret_lock, blx_error *error);

/* The same of an election. value is for blx_elected(). */
BLX_API int blx_elect(blx_client *client, const char *name, const void *value, size_t len,
	const blx_lease_opts *opts, blx_lock **ret_lock, blx_error *error);

/* The value of the elected one, as blx_get_consistent(): BLX_ENOENT, there is none. Its
 * create revision is the fencing token. */
BLX_API int blx_elected(blx_client *client, const char *name, const blx_read_opts *opts,
	blx_value **ret_value, blx_error *error);

BLX_API uint64_t blx_lock_fence(const blx_lock *lock);
/* The path of its value, borrowed from the lock. */
BLX_API const char *blx_lock_path(const blx_lock *lock);
BLX_API uint32_t blx_lock_left_ms(blx_lock *lock);

/* A guard that the lock is still held as it was got. */
BLX_API int blx_txn_if_held(blx_txn *txn, const blx_lock *lock);

/* Lets go of it and frees the handle. NULL is allowed. */
BLX_API void blx_lock_release(blx_lock *lock);

#ifdef __cplusplus
}
#endif

#endif
