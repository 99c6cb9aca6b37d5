/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases. To make one is to put its value, to end it is to delete that; only to
 * keep it is a call of its own, which is not logged. A held one is kept by a thread,
 * for any loop of the host's may stand still.
 */
#include <blixard/lease.h>

#include "api/lease.h"
#include "api/opts.h"
#include "api/write.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)

/* A lease is asked to be kept so often in its time to live. */
#define KEEPS_PER_TTL 3

/* A call may not take longer than what is left, nor less than this. */
#define KEEP_TIMEOUT_MIN_MS 20

/* After a failure. */
#define RETRY_MS 50

#define PATH_SIZE sizeof "/:leases/0123456789abcdef"

/* ---- by id ---------------------------------------------------------------------- */

static void path_of(uint64_t id, char ret_path[PATH_SIZE])
{
	(void)snprintf(ret_path, PATH_SIZE, "/:leases/%016" PRIx64, id);
}

static int check_grant(uint32_t ttl_ms, const char *holder, blx_error *error)
{
	if (ttl_ms < BLX_LEASE_TTL_MIN_MS || ttl_ms > BLX_LEASE_TTL_MAX_MS) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"lease: a time to live of %u ms: must be from %d to %d",
			(unsigned)ttl_ms, BLX_LEASE_TTL_MIN_MS, BLX_LEASE_TTL_MAX_MS);
	}
	if (holder != NULL && strlen(holder) > BLX_LEASE_HOLDER_LEN_MAX) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"lease: the holder's name has more than %d bytes",
			BLX_LEASE_HOLDER_LEN_MAX);
	}
	return 0;
}

/* To be freed with free(). NULL: no memory, or the holder is no UTF-8. */
static char *record_of(uint32_t ttl_ms, const char *holder)
{
	json_t *root = json_pack("{s:I, s:s}", "ttl_ms", (json_int_t)ttl_ms, "holder",
		holder != NULL ? holder : "");
	char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

	json_decref(root);
	return text;
}

static int put_new(blx_client *client, const char *record, uint32_t timeout_ms,
	uint64_t *ret_id, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[PATH_SIZE];
	uint64_t id = 0;
	int rv;

	opts.timeout_ms = timeout_ms;
	do {
		if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id || id == 0) {
			return blx__error_set_write(error, BLX_EIO, BLX_NOT_APPLIED,
				"lease: the system gives no random number");
		}
		path_of(id, path);
		rv = blx_put_if_absent(
			client, path, record, strlen(record), &opts, NULL, error);
	} while (rv == BLX_EEXIST);
	*ret_id = id;
	return rv;
}

int blx_lease_grant(blx_client *client, uint32_t ttl_ms, const char *holder,
	uint32_t timeout_ms, uint64_t *ret_id, blx_error *error)
{
	char *record;
	int rv;

	ttl_ms = ttl_ms != 0 ? ttl_ms : BLX_LEASE_TTL_DEFAULT_MS;
	if (client == NULL || ret_id == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"lease: no client, or nowhere to put its id");
	}
	rv = check_grant(ttl_ms, holder, error);
	if (rv != 0) {
		return rv;
	}
	record = record_of(ttl_ms, holder);
	if (record == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"lease: the holder's name must be UTF-8");
	}
	rv = put_new(client, record, timeout_ms, ret_id, error);
	free(record);
	return rv;
}

int blx_lease_keep(
	blx_client *client, uint64_t id, uint32_t timeout_ms, blx_error *error)
{
	uint8_t body[8];
	struct blx__ask ask = {.op = BLX__OP_LEASE_KEEP,
		.timeout_ms = timeout_ms,
		.body = body,
		.body_len = sizeof body};
	struct blx__answer answer;
	int rv;

	if (client == NULL) {
		return blx__error_set(error, BLX_EINVAL, "lease: no client given");
	}
	blx__store_u64(body, id);
	rv = blx__client_call(client, &ask, &answer, error);
	blx__answer_finish(&answer);
	return rv;
}

int blx_lease_revoke(
	blx_client *client, uint64_t id, uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[PATH_SIZE];

	opts.timeout_ms = timeout_ms;
	path_of(id, path);
	return blx_delete(client, path, &opts, NULL, error);
}

int blx_txn_put_leased(
	blx_txn *txn, const char *path, const void *value, size_t len, uint64_t lease_id)
{
	char lease[PATH_SIZE];
	blx_txn *conditions;
	int rv;

	if (txn == NULL) {
		return BLX_EINVAL;
	}
	rv = blx_txn_create(&conditions);
	if (rv != 0) {
		return rv;
	}
	path_of(lease_id, lease);
	(void)blx_txn_if_exists(conditions, lease);
	rv = blx_txn_if_exists(txn, lease);
	if (rv == 0) {
		rv = blx_txn_put_while(txn, path, value, len, conditions);
	}
	blx_txn_destroy(conditions);
	return rv;
}

/* ---- held ----------------------------------------------------------------------- */

struct blx_lease {
	blx_client *client; /* borrowed */
	uint64_t id;
	uint32_t ttl_ms;
	void (*on_lost)(void *data);
	void *data;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool releasing;     /* under lock */
	bool lost;          /* under lock */
	uint64_t until_ns;  /* under lock: it may be relied on */
};

void blx_lease_opts_init(blx_lease_opts *opts)
{
	*opts = (blx_lease_opts)BLX_LEASE_OPTS_INIT;
}

static uint32_t left_ms(const blx_lease *lease)
{
	uint64_t now = blx__client_now_ns();

	return lease->lost || now >= lease->until_ns
		       ? 0
		       : (uint32_t)((lease->until_ns - now) / NS_PER_MS);
}

/* Under the lock, which it lets go of. True: the lease is to be released. */
static bool sleep_for(blx_lease *lease, uint32_t ms)
{
	uint64_t until_ns = blx__client_now_ns() + ms * NS_PER_MS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
		.tv_nsec = (long)(until_ns % 1000000000u)};

	while (!lease->releasing && blx__client_now_ns() < until_ns) {
		(void)pthread_cond_timedwait(&lease->changed, &lease->lock, &until);
	}
	return lease->releasing;
}

/* Under the lock, which it lets go of. What is left of its time is what a call may take. */
static int keep_once(blx_lease *lease)
{
	uint64_t sent_ns = blx__client_now_ns();
	uint32_t timeout_ms = left_ms(lease);
	blx_error error = BLX_ERROR_INIT;
	int rv;

	(void)pthread_mutex_unlock(&lease->lock);
	if (timeout_ms > lease->ttl_ms / 2) {
		timeout_ms = lease->ttl_ms / 2;
	}
	rv = blx_lease_keep(lease->client, lease->id,
		timeout_ms > KEEP_TIMEOUT_MIN_MS ? timeout_ms : KEEP_TIMEOUT_MIN_MS, &error);
	(void)pthread_mutex_lock(&lease->lock);
	if (rv == 0) {
		lease->until_ns = sent_ns + lease->ttl_ms * NS_PER_MS;
	}
	return rv;
}

static void *lease_run(void *data)
{
	blx_lease *lease = data;
	uint32_t wait_ms = lease->ttl_ms / KEEPS_PER_TTL;

	(void)pthread_mutex_lock(&lease->lock);
	while (!lease->lost && !sleep_for(lease, wait_ms)) {
		int rv = keep_once(lease);

		lease->lost = rv == BLX_ENOENT || left_ms(lease) == 0;
		wait_ms = rv == 0 ? lease->ttl_ms / KEEPS_PER_TTL : RETRY_MS;
		if (rv != 0 && left_ms(lease) < wait_ms) {
			wait_ms = left_ms(lease) / 2 + 1;
		}
	}
	if (lease->lost && !lease->releasing && lease->on_lost != NULL) {
		(void)pthread_mutex_unlock(&lease->lock);
		lease->on_lost(lease->data);
		return NULL;
	}
	(void)pthread_mutex_unlock(&lease->lock);
	return NULL;
}

/* It takes no signal of the host's. */
static int thread_start(blx_lease *lease)
{
	sigset_t all;
	sigset_t before;
	int rv;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rv = pthread_create(&lease->thread, NULL, lease_run, lease);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rv;
}

static void lease_free(blx_lease *lease)
{
	(void)pthread_mutex_destroy(&lease->lock);
	(void)pthread_cond_destroy(&lease->changed);
	blx__free(lease);
}

static blx_lease *lease_create(blx_client *client, const blx_lease_opts *opts)
{
	blx_lease *lease = blx__calloc(1, sizeof *lease);
	pthread_condattr_t attr;

	if (lease == NULL) {
		return NULL;
	}
	lease->client = client;
	lease->ttl_ms = opts->ttl_ms != 0 ? opts->ttl_ms : BLX_LEASE_TTL_DEFAULT_MS;
	lease->on_lost = opts->on_lost;
	lease->data = opts->data;
	(void)pthread_mutex_init(&lease->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&lease->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return lease;
}

int blx__lease_hold(blx_client *client, const blx_lease_opts *opts, uint32_t timeout_ms,
	blx_lease **ret_lease, blx_error *error)
{
	blx_lease *lease = lease_create(client, opts);
	uint64_t began_ns = blx__client_now_ns();
	int rv;

	if (lease == NULL) {
		return blx__error_set_write(
			error, BLX_ENOMEM, BLX_NOT_APPLIED, "lease: out of memory");
	}
	rv = blx_lease_grant(
		client, lease->ttl_ms, opts->holder, timeout_ms, &lease->id, error);
	lease->until_ns = began_ns + lease->ttl_ms * NS_PER_MS;
	if (rv == 0 && thread_start(lease) != 0) {
		(void)blx_lease_revoke(client, lease->id, timeout_ms, NULL);
		rv = blx__error_set_write(error, BLX_ENOMEM, BLX_NOT_APPLIED,
			"lease: no thread is to be had that would keep it");
	}
	if (rv != 0) {
		lease_free(lease);
		return rv;
	}
	*ret_lease = lease;
	return 0;
}

int blx_lease_hold(blx_client *client, const blx_lease_opts *user_opts,
	blx_lease **ret_lease, blx_error *error)
{
	blx_lease_opts opts;

	BLX__OPTS(&opts, user_opts);
	if (client == NULL || ret_lease == NULL ||
		opts.timeout_ms == BLX_LEASE_WAIT_FOREVER) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"lease: no client, nowhere to put it, or no end to the wait for it");
	}
	return blx__lease_hold(client, &opts, opts.timeout_ms, ret_lease, error);
}

uint64_t blx_lease_id(const blx_lease *lease)
{
	return lease->id;
}

uint32_t blx_lease_left_ms(blx_lease *lease)
{
	uint32_t left;

	(void)pthread_mutex_lock(&lease->lock);
	left = left_ms(lease);
	(void)pthread_mutex_unlock(&lease->lock);
	return left;
}

void blx_lease_release(blx_lease *lease)
{
	uint32_t left;

	if (lease == NULL || blx__client_forked(lease->client)) {
		return; /* a child has not the thread, and must leave the lease alone */
	}
	(void)pthread_mutex_lock(&lease->lock);
	lease->releasing = true;
	left = left_ms(lease);
	(void)pthread_cond_broadcast(&lease->changed);
	(void)pthread_mutex_unlock(&lease->lock);
	(void)pthread_join(lease->thread, NULL);
	if (left > 0) { /* longer than it lasts there is nothing to end */
		(void)blx_lease_revoke(lease->client, lease->id,
			left < BLX_TIMEOUT_DEFAULT_MS ? left : BLX_TIMEOUT_DEFAULT_MS, NULL);
	}
	lease_free(lease);
}
