/* SPDX-License-Identifier: Apache-2.0 */
#include "one.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct one one;
static blx_cache *cache;

static void open_cache(uint32_t ttl_ms, size_t bytes_max)
{
	blx_cache_opts opts = BLX_CACHE_OPTS_INIT;

	opts.ttl_ms = ttl_ms;
	opts.bytes_max = bytes_max;
	opts.timeout_ms = 2000;
	cr_assert_eq(blx_cache_open(one.client, "/app/**", &opts, &cache, &one.error), 0, "%s",
		one.error.message);
}

static void begin(void)
{
	one_init(&one, false);
	cache = NULL;
}

static void begin_remote(void)
{
	one_init(&one, true);
	cache = NULL;
}

static void end(void)
{
	blx_cache_close(cache);
	one_finish(&one);
}

static const char *get(const char *path)
{
	static char text[256];
	blx_value *value;
	int rv = blx_cache_get(cache, path, &value, &one.error);

	if (rv != 0) {
		return blx_err_name(rv);
	}
	(void)snprintf(text, sizeof text, "%.*s", (int)blx_value_len(value),
		(const char *)blx_value_data(value));
	blx_value_unref(value);
	return text;
}

static blx_cache_stats stats(void)
{
	blx_cache_stats now = {.size = sizeof now};

	blx_cache_stats_get(cache, &now);
	return now;
}

/* Until the cache gives this, or for too long: it looks now and then, as the cache tells nobody
 * when its watch has come as far. */
static void expect(const char *path, const char *value)
{
	unsigned i;

	for (i = 0; i < 5000 && strcmp(get(path), value) != 0; i++) {
		(void)usleep(1000);
	}
	cr_assert_str_eq(get(path), value);
}

static void read_twice(void)
{
	open_cache(60000, 0);
	(void)one_put(&one, "/app/a", "1");
	cr_assert_str_eq(get("/app/a"), "1");
	cr_assert_str_eq(get("/app/a"), "1");
	cr_assert_str_eq(get("/app/%61"), "1", "the same path, written another way");
	cr_assert_eq(stats().hits, 2);
	cr_assert_eq(stats().misses, 1);
	cr_assert_str_eq(get("/app/b"), "BLX_ENOENT");
	cr_assert_str_eq(get("/app/b"), "BLX_ENOENT");
	cr_assert_str_eq(get("/app"), "BLX_ENOVALUE");
	cr_assert_eq(stats().hits, 3);
	(void)one_put(&one, "/else", "1");
	cr_assert_str_eq(get("/else"), "1");
	cr_assert_str_eq(get("/else"), "1");
	cr_assert_eq(stats().hits, 3, "it is not of the pattern");
}

Test(cache, what_was_read_is_given_again, .init = begin, .fini = end)
{
	read_twice();
}

Test(cache, what_was_read_is_given_again_elsewhere, .init = begin_remote, .fini = end)
{
	read_twice();
}

Test(cache, a_change_is_seen_long_before_its_time_is_over, .init = begin_remote, .fini = end)
{
	open_cache(60000, 0);
	(void)one_put(&one, "/app/a", "1");
	expect("/app/a", "1");
	(void)one_put(&one, "/app/a", "2");
	expect("/app/a", "2");
	cr_assert_eq(blx_delete(one.client, "/app/a", NULL, NULL, &one.error), 0);
	expect("/app/a", "BLX_ENOENT");
	(void)one_put(&one, "/app/a", "3");
	expect("/app/a", "3");
	cr_assert_geq(stats().invalidated, 3);
}

/* Nothing is told to the watch while the member is away, and yet. */
Test(cache, nothing_is_given_beyond_its_time, .init = begin_remote, .fini = end)
{
	struct timespec began;
	struct timespec now;
	unsigned hits = 0;
	double ms = 0;

	open_cache(400, 0);
	(void)one_put(&one, "/app/a", "1");
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	expect("/app/a", "1");
	one_stop(&one);
	while (strcmp(get("/app/a"), "1") == 0) {
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		ms = (double)(now.tv_sec - began.tv_sec) * 1e3 +
		     (double)(now.tv_nsec - began.tv_nsec) / 1e6;
		hits++;
		cr_assert_lt(ms, 5000);
	}
	cr_assert_gt(hits, 0, "it lives on without the member");
	cr_assert_lt(ms, 2000);
	one_start(&one);
	expect("/app/a", "1");
	(void)one_put(&one, "/app/a", "2");
	expect("/app/a", "2");
}

Test(cache, what_was_not_used_for_longest_makes_room, .init = begin_remote, .fini = end)
{
	char path[32];
	unsigned i;

	open_cache(60000, 4000);
	for (i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof path, "/app/%02u", i);
		(void)one_put(&one, path, "value");
	}
	for (i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof path, "/app/%02u", i);
		expect(path, "value");
		(void)get("/app/00");
	}
	cr_assert_leq(stats().bytes, 4000);
	cr_assert_lt(stats().entries, 50);
	i = (unsigned)stats().misses;
	(void)get("/app/00");
	cr_assert_eq(stats().misses, i, "it is used all the time");
	(void)get("/app/01");
	cr_assert_eq(stats().misses, i + 1);
}

/* ---- readers and a writer at once ----------------------------------------------- */

static atomic_uint written; /* the last value of which the write was acknowledged */
static atomic_bool stop;

#define TTL_MS 50

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t acked_ms[100000];

/* What was acknowledged longer ago than the time to live, must be seen. */
static void *read_on(void *data)
{
	unsigned *wrong = data;

	while (!atomic_load(&stop)) {
		uint64_t began = now_ms();
		unsigned last = atomic_load(&written);
		blx_value *value;
		unsigned seen;

		if (blx_cache_get(cache, "/app/n", &value, NULL) != 0) {
			continue;
		}
		seen = (unsigned)strtoul(blx_value_data(value), NULL, 10);
		while (last > 0 && acked_ms[last] + TTL_MS > began) {
			last--;
		}
		*wrong += seen < last;
		blx_value_unref(value);
	}
	return NULL;
}

Test(cache, no_reader_sees_what_is_older_than_its_time, .init = begin_remote, .fini = end)
{
	unsigned wrong[4] = {0};
	pthread_t readers[4];
	uint64_t until = now_ms() + 2000;
	char text[16];
	unsigned i;

	open_cache(TTL_MS, 0);
	(void)one_put(&one, "/app/n", "0");
	for (i = 0; i < 4; i++) {
		cr_assert_eq(pthread_create(&readers[i], NULL, read_on, &wrong[i]), 0);
	}
	for (i = 1; i < 100000 && now_ms() < until; i++) {
		(void)snprintf(text, sizeof text, "%08u", i);
		(void)one_put(&one, "/app/n", text);
		acked_ms[i] = now_ms();
		atomic_store(&written, i);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 4; i++) {
		(void)pthread_join(readers[i], NULL);
		cr_assert_eq(wrong[i], 0);
	}
	cr_assert_gt(atomic_load(&written), 100);
	cr_assert_gt(stats().hits, 1000);
}
