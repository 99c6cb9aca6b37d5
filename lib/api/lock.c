/* SPDX-License-Identifier: Apache-2.0 */
/* Locks and elections: a value that is bound to a lease, and that only one can put. */
#include "api/lease.h"
#include "api/opts.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "store/path.h"

#include <blixard/lease.h>
#include <blixard/watch.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)
#define NEVER     UINT64_MAX

/* Looks whether its own lease is still there at least so often. */
#define WAIT_MS 10000

#define SHOWN_MAX 100

/* To find out who has it costs this, when it is too late anyway. */
#define TELL_MS 200

struct blx_lock {
	blx_lease *lease; /* owned */
	uint64_t fence;
	char path[BLX_PATH_LEN_MAX + 1];
};

/* Getting it. All borrowed. */
struct attempt {
	blx_client *client;
	const char *what; /* "lock", "elect" */
	const char *name;
	const char *path;
	const void *value;
	size_t len;
	blx_lease *lease;
	uint64_t until_ns;
};

/* At most max; 1 at least, as 0 means the default. */
static uint32_t attempt_left_ms(const struct attempt *attempt, uint32_t max)
{
	uint64_t now = blx__client_now_ns();
	uint64_t left = now < attempt->until_ns ? (attempt->until_ns - now) / NS_PER_MS : 0;

	return left >= max ? max : left > 0 ? (uint32_t)left : 1;
}

static bool is_late(const struct attempt *attempt)
{
	return attempt->until_ns != NEVER && blx__client_now_ns() >= attempt->until_ns;
}

/* Puts the value if there is none. BLX_ECONFLICT: there is, of error->revision; 0: the lease
 * is gone. */
static int put(const struct attempt *attempt, uint64_t *ret_fence, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_txn_result *result;
	blx_txn *txn;
	int rv = blx_txn_create(&txn);

	if (rv != 0) {
		return blx__error_set_write(error, rv, BLX_NOT_APPLIED, "%s %s: out of memory",
			attempt->what, attempt->name);
	}
	(void)blx_txn_if_absent(txn, attempt->path);
	(void)blx_txn_put_leased(txn, attempt->path, attempt->value, attempt->len,
		blx_lease_id(attempt->lease));
	opts.timeout_ms = attempt_left_ms(attempt, BLX_TIMEOUT_DEFAULT_MS);
	rv = blx_txn_commit(attempt->client, txn, &opts, &result, error);
	if (rv == 0) {
		*ret_fence = blx_txn_result_revision(result);
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

/* Waits until the value of that revision is gone, or for long enough to look again. */
static int wait_gone(const struct attempt *attempt, uint64_t revision, blx_error *error)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;
	blx_event event = BLX_EVENT_INIT;
	blx_watch *watch;
	int rv;

	opts.from_revision = revision + 1;
	opts.flags = BLX_WATCH_NO_VALUES;
	rv = blx_watch_open(attempt->client, attempt->path, &opts, &watch, error);
	if (rv != 0) {
		return rv;
	}
	rv = blx_watch_next(watch, attempt_left_ms(attempt, WAIT_MS), &event, error);
	blx_watch_close(watch);
	return rv == BLX_ETIMEOUT || rv == BLX_ECOMPACTED ? 0 : rv;
}

/* Of a value, in a message. */
static int shown(const blx_value *value)
{
	return blx_value_len(value) < SHOWN_MAX ? (int)blx_value_len(value) : SHOWN_MAX;
}

static int told_late(const struct attempt *attempt, int outcome, blx_error *error)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_value *value = NULL;
	int rv;

	opts.timeout_ms = TELL_MS;
	rv = blx_get(attempt->client, attempt->path, &opts, &value, NULL, NULL);
	if (rv == 0) {
		(void)blx__error_set_write(error, BLX_ETIMEOUT, outcome,
			"%s %s: it is held by \"%.*s\", since revision %llu", attempt->what,
			attempt->name, shown(value), (const char *)blx_value_data(value),
			(unsigned long long)blx_value_create_revision(value));
		blx_value_unref(value);
	} else {
		(void)blx__error_set_write(error, BLX_ETIMEOUT, outcome,
			"%s %s: timed out", attempt->what, attempt->name);
	}
	return BLX_ETIMEOUT;
}

static int get_it(const struct attempt *attempt, uint64_t *ret_fence, blx_error *error)
{
	for (;;) {
		blx_error why = BLX_ERROR_INIT;
		int rv = put(attempt, ret_fence, &why);

		if (rv == BLX_ECONFLICT && why.revision == 0) {
			return blx__error_set_write(error, BLX_ENOENT, BLX_NOT_APPLIED,
				"%s %s: the lease of the one who waits has ended", attempt->what,
				attempt->name);
		}
		if (rv == BLX_ETIMEOUT) {
			return told_late(attempt, why.outcome, error);
		}
		if (rv != BLX_ECONFLICT) {
			blx__error_copy(error, &why);
			return rv;
		}
		if (is_late(attempt)) {
			return told_late(attempt, BLX_NOT_APPLIED, error);
		}
		rv = wait_gone(attempt, why.revision, error);
		if (rv != 0) {
			return rv;
		}
	}
}

static int name_check(const char *what, const char *name, blx_error *error)
{
	if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL ||
		strlen(name) > BLX_PATH_LEN_MAX / 2) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s \"%.80s\": its name must be there, without \"/\", of at most %d bytes",
			what, name != NULL ? name : "", BLX_PATH_LEN_MAX / 2);
	}
	return 0;
}

static int acquire(struct attempt *attempt, const blx_lease_opts *opts, blx_lock *lock,
	blx_error *error)
{
	uint32_t timeout_ms = opts->timeout_ms != 0 ? opts->timeout_ms : BLX_TIMEOUT_DEFAULT_MS;
	bool forever = timeout_ms == BLX_LEASE_WAIT_FOREVER;
	int rv;

	attempt->until_ns = forever ? NEVER : blx__client_now_ns() + timeout_ms * NS_PER_MS;
	rv = blx__lease_hold(attempt->client, opts, forever ? BLX_TIMEOUT_DEFAULT_MS : timeout_ms,
		&attempt->lease, error);
	if (rv != 0) {
		return rv;
	}
	rv = get_it(attempt, &lock->fence, error);
	if (rv != 0) {
		blx_lease_release(attempt->lease); /* also of what may have been got */
		return rv;
	}
	lock->lease = attempt->lease;
	return 0;
}

static int lock_make(struct attempt *attempt, const char *dir, const blx_lease_opts *user_opts,
	blx_lock **ret_lock, blx_error *error)
{
	blx_lease_opts opts;
	blx_lock *lock;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (attempt->client == NULL || ret_lock == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"%s: no client, or nowhere to put it", attempt->what);
	}
	rv = name_check(attempt->what, attempt->name, error);
	if (rv != 0) {
		return rv;
	}
	lock = blx__calloc(1, sizeof *lock);
	if (lock == NULL) {
		return blx__error_set_write(error, BLX_ENOMEM, BLX_NOT_APPLIED,
			"%s %s: out of memory", attempt->what, attempt->name);
	}
	(void)snprintf(lock->path, sizeof lock->path, "%s/%s", dir, attempt->name);
	attempt->path = lock->path;
	if (attempt->value == NULL && attempt->len == 0 && opts.holder != NULL) {
		attempt->value = opts.holder;
		attempt->len = strlen(opts.holder);
	}
	rv = acquire(attempt, &opts, lock, error);
	if (rv != 0) {
		blx__free(lock);
		return rv;
	}
	*ret_lock = lock;
	return 0;
}

int blx_lock_acquire(blx_client *client, const char *name, const blx_lease_opts *opts,
	blx_lock **ret_lock, blx_error *error)
{
	struct attempt attempt = {.client = client, .what = "lock", .name = name};

	return lock_make(&attempt, "/:locks", opts, ret_lock, error);
}

int blx_elect(blx_client *client, const char *name, const void *value, size_t len,
	const blx_lease_opts *opts, blx_lock **ret_lock, blx_error *error)
{
	struct attempt attempt = {.client = client,
		.what = "elect",
		.name = name,
		.value = value != NULL ? value : "",
		.len = len};

	return lock_make(&attempt, "/:elections", opts, ret_lock, error);
}

int blx_elected(blx_client *client, const char *name, const blx_read_opts *opts,
	blx_value **ret_value, blx_error *error)
{
	char path[BLX_PATH_LEN_MAX + 1];
	int rv = name_check("elected", name, error);

	if (rv != 0) {
		return rv;
	}
	(void)snprintf(path, sizeof path, "/:elections/%s", name);
	return blx_get_consistent(client, path, opts, ret_value, NULL, error);
}

uint64_t blx_lock_fence(const blx_lock *lock)
{
	return lock->fence;
}

const char *blx_lock_path(const blx_lock *lock)
{
	return lock->path;
}

uint32_t blx_lock_left_ms(blx_lock *lock)
{
	return blx_lease_left_ms(lock->lease);
}

int blx_txn_if_held(blx_txn *txn, const blx_lock *lock)
{
	return lock != NULL ? blx_txn_if_revision(txn, lock->path, lock->fence) : BLX_EINVAL;
}

void blx_lock_release(blx_lock *lock)
{
	if (lock != NULL) {
		blx_lease_release(lock->lease);
		blx__free(lock);
	}
}
