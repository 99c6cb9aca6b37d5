/* SPDX-License-Identifier: Apache-2.0 */
/* Leases by id and held, locks, elections: by the handle in this process and by its socket. */
#include "one.h"
#include "support/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct one one;
static sem_t lost;

static void begin(void)
{
	one_init(&one, false);
	(void)sem_init(&lost, 0, 0);
}

static void begin_remote(void)
{
	one_init(&one, true);
	(void)sem_init(&lost, 0, 0);
}

static void end(void)
{
	one_finish(&one);
	(void)sem_destroy(&lost);
}

static void on_lost(void *data)
{
	(void)sem_post(data);
}

static blx_lease_opts opts_of(uint32_t ttl_ms)
{
	blx_lease_opts opts = BLX_LEASE_OPTS_INIT;

	opts.ttl_ms = ttl_ms;
	opts.timeout_ms = ONE_LONG_MS;
	opts.holder = "test";
	opts.on_lost = on_lost;
	opts.data = &lost;
	return opts;
}

static int put_leased(const char *path, uint64_t lease)
{
	blx_txn_result *result;
	blx_txn *txn;
	int rv;

	cr_assert_eq(blx_txn_create(&txn), 0);
	(void)blx_txn_put_leased(txn, path, "v", 1, lease);
	rv = blx_txn_commit(one.client, txn, NULL, &result, &one.error);
	if (rv == 0) {
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

static int get(const char *path)
{
	blx_value *value;
	int rv = blx_get_consistent(one.client, path, NULL, &value, NULL, &one.error);

	if (rv == 0) {
		blx_value_unref(value);
	}
	return rv;
}

/* Looks now and then: that it goes is the member's doing, by the real clock. */
static void wait_gone(const char *path)
{
	unsigned i;

	for (i = 0; i < 3000 && get(path) == 0; i++) {
		(void)usleep(5000);
	}
	cr_assert_eq(get(path), BLX_ENOENT);
}

static void by_id(void)
{
	uint64_t id = 0;

	cr_assert_eq(blx_lease_grant(one.client, 300, "me", 0, &id, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(put_leased("/mine", id), 0);
	cr_assert_eq(blx_lease_keep(one.client, id, 0, &one.error), 0);
	wait_gone("/mine");
	cr_assert_eq(blx_lease_keep(one.client, id, 0, &one.error), BLX_ENOENT);
	cr_assert_eq(put_leased("/mine", id), BLX_ECONFLICT);
	cr_assert_eq(blx_lease_revoke(one.client, id, 0, &one.error), BLX_ENOENT);
	cr_assert_eq(blx_lease_keep(one.client, id + 1, 0, &one.error), BLX_ENOENT);
}

Test(held, a_lease_by_its_id, .init = begin, .fini = end)
{
	by_id();
}

Test(held, a_lease_by_its_id_elsewhere, .init = begin_remote, .fini = end)
{
	by_id();
}

Test(held, what_is_no_lease_is_refused, .init = begin, .fini = end)
{
	blx_lease_opts opts = opts_of(1);
	blx_lease *lease;
	char holder[200];
	uint64_t id;

	memset(holder, 'h', sizeof holder - 1);
	holder[sizeof holder - 1] = '\0';
	cr_assert_eq(blx_lease_grant(one.client, 99, NULL, 0, &id, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_lease_grant(one.client, 86400001, NULL, 0, &id, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_lease_grant(one.client, 0, holder, 0, &id, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_lease_grant(one.client, 0, "\xff", 0, &id, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_lease_grant(NULL, 0, NULL, 0, &id, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_lease_hold(one.client, &opts, &lease, &one.error), BLX_EINVAL);
	opts.ttl_ms = 0;
	opts.timeout_ms = BLX_LEASE_WAIT_FOREVER;
	cr_assert_eq(blx_lease_hold(one.client, &opts, &lease, &one.error), BLX_EINVAL);
	blx_lease_release(NULL);
	blx_lock_release(NULL);
}

Test(held, one_that_is_held_lasts_until_it_is_released, .init = begin_remote, .fini = end)
{
	blx_lease_opts opts = opts_of(300);
	blx_lease *lease;

	cr_assert_eq(blx_lease_hold(one.client, &opts, &lease, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(put_leased("/mine", blx_lease_id(lease)), 0);
	(void)usleep(1200000); /* four times as long as it lasts when nobody keeps it */
	cr_assert_gt(blx_lease_left_ms(lease), 0);
	cr_assert_leq(blx_lease_left_ms(lease), 300);
	cr_assert_eq(get("/mine"), 0);
	blx_lease_release(lease);
	cr_assert_eq(get("/mine"), BLX_ENOENT);
	cr_assert_neq(sem_trywait(&lost), 0, "who released it knows");
}

Test(held, its_holder_is_told_when_it_is_lost, .init = begin_remote, .fini = end)
{
	blx_lease_opts opts = opts_of(300);
	blx_lease *lease;

	cr_assert_eq(blx_lease_hold(one.client, &opts, &lease, &one.error), 0);
	cr_assert_eq(blx_lease_revoke(one.client, blx_lease_id(lease), 0, &one.error), 0);
	cr_assert_eq(sem_wait(&lost), 0);
	cr_assert_eq(blx_lease_left_ms(lease), 0);
	blx_lease_release(lease);

	cr_assert_eq(blx_lease_hold(one.client, &opts, &lease, &one.error), 0);
	one_stop(&one);
	cr_assert_eq(sem_wait(&lost), 0, "nobody keeps it any more");
	blx_lease_release(lease);
	one_start(&one);
}

static int guarded(const blx_lock *lock, const char *value)
{
	blx_txn_result *result;
	blx_txn *txn;
	int rv;

	cr_assert_eq(blx_txn_create(&txn), 0);
	(void)blx_txn_if_held(txn, lock);
	(void)blx_txn_put(txn, "/guarded", value, strlen(value));
	rv = blx_txn_commit(one.client, txn, NULL, &result, &one.error);
	if (rv == 0) {
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

static void lock_twice(void)
{
	blx_lease_opts opts = opts_of(400);
	blx_lock *first;
	blx_lock *second;

	cr_assert_eq(blx_lock_acquire(one.client, "l", &opts, &first, &one.error), 0, "%s",
		one.error.message);
	cr_assert_str_eq(blx_lock_path(first), "/:locks/l");
	cr_assert_gt(blx_lock_left_ms(first), 0);
	cr_assert_eq(guarded(first, "1"), 0);
	opts.timeout_ms = 100;
	cr_assert_eq(
		blx_lock_acquire(one.client, "l", &opts, &second, &one.error), BLX_ETIMEOUT);
	cr_assert_not_null(strstr(one.error.message, "held by \"test\""));
	cr_assert_eq(blx_delete(one.client, "/:locks/l", NULL, NULL, &one.error), 0);
	opts.timeout_ms = ONE_LONG_MS;
	cr_assert_eq(blx_lock_acquire(one.client, "l", &opts, &second, &one.error), 0);
	cr_assert_gt(blx_lock_fence(second), blx_lock_fence(first));
	cr_assert_eq(guarded(first, "late"), BLX_ECONFLICT);
	cr_assert_eq(guarded(second, "2"), 0);
	blx_lock_release(first);
	cr_assert_eq(guarded(second, "3"), 0, "the lease of another took nothing along");
	blx_lock_release(second);
	cr_assert_eq(get("/:locks/l"), BLX_ENOENT);
}

Test(held, a_lock_has_one_holder, .init = begin, .fini = end)
{
	lock_twice();
}

Test(held, a_lock_has_one_holder_elsewhere, .init = begin_remote, .fini = end)
{
	lock_twice();
}

/* ---- many at once --------------------------------------------------------------- */

#define THREADS 6
#define ROUNDS  15

static int inside;
static unsigned crowded;
static uint64_t last_fence;

static void *hold_and_let_go(void *data)
{
	blx_lease_opts opts = opts_of(2000);
	unsigned i;

	(void)data;
	for (i = 0; i < ROUNDS; i++) {
		blx_error error = BLX_ERROR_INIT;
		blx_lock *lock;

		cr_assert_eq(
			blx_lock_acquire(one.client, "many", &opts, &lock, &error), 0, "%s",
			error.message);
		/* Plain variables: it is the lock that keeps others out. */
		crowded += ++inside != 1 || blx_lock_fence(lock) <= last_fence;
		last_fence = blx_lock_fence(lock);
		(void)usleep(100); /* so that others have a chance to be here at the same time */
		inside--;
		blx_lock_release(lock);
	}
	return NULL;
}

Test(held, among_many_there_is_one_at_a_time_and_fences_grow, .init = begin_remote, .fini = end)
{
	pthread_t threads[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		cr_assert_eq(pthread_create(&threads[i], NULL, hold_and_let_go, NULL), 0);
	}
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	cr_assert_eq(crowded, 0);
	cr_assert_eq(sem_trywait(&lost), -1);
}

Test(held, the_elected_one_can_be_asked_for, .init = begin_remote, .fini = end)
{
	blx_lease_opts opts = opts_of(400);
	blx_value *value;
	blx_lock *office;

	cr_assert_eq(blx_elected(one.client, "boss", NULL, &value, &one.error), BLX_ENOENT);
	cr_assert_eq(blx_elect(one.client, "boss", "a", 1, &opts, &office, &one.error), 0);
	cr_assert_eq(blx_elected(one.client, "boss", NULL, &value, &one.error), 0);
	cr_assert_eq(memcmp(blx_value_data(value), "a", 1), 0);
	cr_assert_eq(blx_value_create_revision(value), blx_lock_fence(office));
	blx_value_unref(value);
	blx_lock_release(office);
	cr_assert_eq(blx_elected(one.client, "boss", NULL, &value, &one.error), BLX_ENOENT);
	cr_assert_eq(blx_elect(one.client, "a/b", "a", 1, &opts, &office, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_elect(one.client, "", "a", 1, &opts, &office, &one.error), BLX_EINVAL);
}
