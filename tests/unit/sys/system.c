/* SPDX-License-Identifier: Apache-2.0 */
#include "system.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

static unsigned times_left[SYSTEM_CALLS];
static int errnums[SYSTEM_CALLS];
static size_t transfer_max = SIZE_MAX;

void system_fail(enum system_call call, unsigned times, int errnum)
{
	times_left[call] = times;
	errnums[call] = errnum;
}

void system_shorten(size_t max)
{
	transfer_max = max;
}

static bool fails(enum system_call call)
{
	if (times_left[call] == 0) {
		return false;
	}
	times_left[call]--;
	errno = errnums[call];
	return true;
}

static size_t shortened(size_t len)
{
	return len < transfer_max ? len : transfer_max;
}

/* libc has each twice, and which one a call means depends on how it is compiled. */
#define BOTH_NAMES(result, name, parameters, call, ...)                                  \
	result __real_##name##64 parameters;                                             \
	result __wrap_##name parameters;                                                 \
	result __wrap_##name##64 parameters;                                             \
	result __wrap_##name##64 parameters                                              \
	{                                                                                \
		return fails(call) ? -1 : __real_##name##64(__VA_ARGS__);                \
	}                                                                                \
	result __wrap_##name parameters                                                  \
	{                                                                                \
		return __wrap_##name##64 parameters_of_##name;                           \
	}

#define parameters_of_pwrite    (fd, data, len, offset)
#define parameters_of_pread     (fd, data, len, offset)
#define parameters_of_fallocate (fd, mode, offset, len)
#define parameters_of_ftruncate (fd, size)

BOTH_NAMES(ssize_t, pwrite, (int fd, const void *data, size_t len, int64_t offset),
	SYSTEM_WRITE, fd, data, shortened(len), offset)
BOTH_NAMES(ssize_t, pread, (int fd, void *data, size_t len, int64_t offset), SYSTEM_READ,
	fd, data, shortened(len), offset)
BOTH_NAMES(int, fallocate, (int fd, int mode, int64_t offset, int64_t len),
	SYSTEM_ALLOCATE, fd, mode, offset, len)
BOTH_NAMES(int, ftruncate, (int fd, int64_t size), SYSTEM_TRUNCATE, fd, size)

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	return fails(SYSTEM_SYNC) ? -1 : __real_fdatasync(fd);
}
