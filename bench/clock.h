/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmark programs share: the clock, processor time, and sorted latencies. */
#ifndef BLX_BENCH_CLOCK_H
#define BLX_BENCH_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t bench_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Processor time of this process, in ns. */
static inline uint64_t bench_cpu_ns(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

static inline int bench_compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The value below which part of 1000 lie; values is sorted by it. */
static inline uint32_t bench_permille(uint32_t *values, size_t count, unsigned part)
{
	if (count == 0) {
		return 0;
	}
	qsort(values, count, sizeof *values, bench_compare_u32);
	return values[(count - 1) * part / 1000];
}

#endif
