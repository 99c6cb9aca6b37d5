/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's files do when the system, the disk or the memory does not do its part.
 */
#include "sys/files.h"

#include "base/mem.h"
#include "scratch.h"
#include "support/test.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 128
#define BLOCK     4096

static const struct blx__files *const files = &blx__files_posix;
static char dir[SCRATCH_SIZE];
static char path[PATH_SIZE];
static blx_error error;

static void begin(void)
{
	scratch_make(dir);
	(void)snprintf(path, sizeof path, "%s/file", dir);
	error = (blx_error)BLX_ERROR_INIT;
}

static void end(void)
{
	system_shorten(SIZE_MAX);
	scratch_remove(dir);
}

static struct blx__file *made(unsigned flags)
{
	struct blx__file *file = NULL;

	cr_assert_eq(files->ops->open(files, path,
			     BLX__OPEN_WRITE | BLX__OPEN_CREATE | flags, &file, &error),
		0, "%s", error.message);
	return file;
}

/* "what PATH: why" and nothing else. */
static void told(const char *what, const char *why)
{
	char want[PATH_SIZE + 64];

	(void)snprintf(want, sizeof want, "%s %s: %s", what, path, why);
	cr_assert_str_eq(error.message, want);
}

static void holds(struct blx__file *file, const char *want, size_t want_len)
{
	char buf[64];
	size_t len = 0;

	cr_assert_eq(files->ops->read(file, buf, sizeof buf, 0, &len, &error), 0);
	cr_assert_eq(len, want_len);
	cr_assert_arr_eq(buf, want, want_len);
}

/* ---- calls that do less than they might ----------------------------------------------
 */

Test(files_faults, short_transfers_are_gone_on_with, .init = begin, .fini = end)
{
	struct blx__file *file = made(0);

	system_shorten(3);
	cr_assert_eq(files->ops->write(file, "0123456789", 10, 0, &error), 0);
	holds(file, "0123456789", 10);
	files->ops->close(file);
}

Test(files_faults, interrupted_calls_are_made_again, .init = begin, .fini = end)
{
	struct blx__file *file = made(0);
	int call;

	for (call = 0; call < SYSTEM_CALLS; call++) {
		system_fail(call, 2, EINTR);
	}
	system_shorten(2);
	cr_assert_eq(
		files->ops->write(file, "abcd", 4, 0, &error), 0, "%s", error.message);
	cr_assert_eq(files->ops->sync(file, &error), 0, "%s", error.message);
	cr_assert_eq(files->ops->truncate(file, 3, &error), 0, "%s", error.message);
	cr_assert_eq(files->ops->allocate(file, 4, &error), 0, "%s", error.message);
	holds(file, "abc\0", 4);
	files->ops->close(file);
}

Test(files_faults, a_write_of_nothing_is_no_way_to_wait_for_ever, .init = begin,
	.fini = end)
{
	struct blx__file *file = made(0);

	system_shorten(0);
	cr_assert_eq(files->ops->write(file, "x", 1, 0, &error), BLX_EIO);
	told("write", "Input/output error");
	files->ops->close(file);
}

/* ---- calls that fail ------------------------------------------------------------------
 */

static int call_it(enum system_call call, struct blx__file *file)
{
	char byte = 'x';
	size_t len = 77;
	int rv = 0;

	switch (call) {
	case SYSTEM_WRITE:
		return files->ops->write(file, &byte, 1, 0, &error);
	case SYSTEM_READ:
		rv = files->ops->read(file, &byte, 1, 0, &len, &error);
		cr_assert_eq(len, 77, "written on success only");
		return rv;
	case SYSTEM_SYNC:
		return files->ops->sync(file, &error);
	case SYSTEM_ALLOCATE:
		return files->ops->allocate(file, BLOCK, &error);
	default:
		return files->ops->truncate(file, 0, &error);
	}
}

Test(files_faults, each_failure_has_its_code_and_the_words_of_the_system, .init = begin,
	.fini = end)
{
	static const char *const whats[SYSTEM_CALLS] = {
		"write", "read", "sync", "allocate", "truncate"};
	static const struct {
		int errnum;
		int code;
		const char *why;
	} failures[] = {
		{EIO, BLX_EIO, "Input/output error"},
		{ENOSPC, BLX_ENOSPC, "No space left on device"},
		{EDQUOT, BLX_ENOSPC, "Disk quota exceeded"},
		{ENOMEM, BLX_ENOMEM, "Cannot allocate memory"},
		{EROFS, BLX_EPERM, "Read-only file system"},
		{EPERM, BLX_EPERM, "Operation not permitted"},
	};
	struct blx__file *file = made(0);
	size_t i;
	int call;

	for (call = 0; call < SYSTEM_CALLS; call++) {
		for (i = 0; i < sizeof failures / sizeof failures[0]; i++) {
			system_fail(call, 1, failures[i].errnum);
			cr_assert_eq(call_it(call, file), failures[i].code, "%s",
				error.message);
			cr_assert_eq(error.code, failures[i].code);
			told(whats[call], failures[i].why);
		}
	}
	files->ops->close(file);
}

Test(files_faults, a_write_that_fails_on_its_way_is_not_called_whole, .init = begin,
	.fini = end)
{
	struct blx__file *file = made(0);

	system_fail(SYSTEM_ALLOCATE, 1, EOPNOTSUPP);
	system_fail(SYSTEM_WRITE, 1, ENOSPC);
	cr_assert_eq(files->ops->allocate(file, BLOCK, &error), BLX_ENOSPC);
	told("write", "No space left on device");
	files->ops->close(file);
}

/* ---- reserving where the system cannot
 * -------------------------------------------------
 */

static void reserves_by_writing(unsigned flags, int errnum)
{
	struct blx__file *file = made(flags);
	char *block = NULL;
	struct stat info;
	size_t len;
	uint64_t size =
		3 * 1024 * 1024 + BLOCK; /* more than one write, and not a whole */

	cr_assert_eq(posix_memalign((void **)&block, BLOCK, BLOCK), 0);
	memset(block, 'k', BLOCK);
	cr_assert_eq(files->ops->write(file, block, BLOCK, 0, &error), 0);
	system_fail(SYSTEM_ALLOCATE, 1, errnum);
	cr_assert_eq(files->ops->allocate(file, size, &error), 0, "%s", error.message);
	cr_assert_eq(files->ops->sync(file, &error), 0);
	cr_assert_eq(stat(path, &info), 0);
	cr_assert_eq((uint64_t)info.st_size, size);
	cr_assert_geq((uint64_t)info.st_blocks * 512, size, "no hole is left");
	cr_assert_eq(files->ops->read(file, block, BLOCK, 0, &len, &error), 0);
	cr_assert(block[0] == 'k' && block[BLOCK - 1] == 'k', "what was there stays");
	cr_assert_eq(files->ops->read(file, block, BLOCK, size - BLOCK, &len, &error), 0);
	cr_assert(len == BLOCK && block[0] == 0 && block[BLOCK - 1] == 0);
	free(block);
	files->ops->close(file);
}

Test(files_faults, where_nothing_can_be_reserved_zeros_are_written, .init = begin,
	.fini = end)
{
	reserves_by_writing(0, EOPNOTSUPP);
}

Test(files_faults, where_a_sandbox_knows_no_reserving_zeros_are_written, .init = begin,
	.fini = end)
{
	reserves_by_writing(0, ENOSYS);
}

Test(files_faults, zeros_may_be_written_past_the_page_cache, .init = begin, .fini = end)
{
	reserves_by_writing(BLX__OPEN_DIRECT, EOPNOTSUPP);
}

Test(files_faults, reserving_less_than_there_is_changes_nothing, .init = begin,
	.fini = end)
{
	struct blx__file *file = made(0);

	cr_assert_eq(files->ops->write(file, "abc", 3, 0, &error), 0);
	system_fail(SYSTEM_ALLOCATE, 1, EOPNOTSUPP);
	cr_assert_eq(files->ops->allocate(file, 2, &error), 0);
	cr_assert_eq(files->ops->allocate(file, 2, &error), 0);
	holds(file, "abc", 3);
	files->ops->close(file);
}

/* ---- no memory
 * --------------------------------------------------------------------------
 */

static unsigned allocations_left;
static long allocated;

static void *limited_realloc(void *ptr, size_t size, void *data)
{
	void *result;

	(void)data;
	if (allocations_left == 0) {
		return NULL;
	}
	allocations_left--;
	result = realloc(ptr, size);
	allocated += ptr == NULL && result != NULL;
	return result;
}

static void *limited_malloc(size_t size, void *data)
{
	return limited_realloc(NULL, size, data);
}

static void limited_free(void *ptr, void *data)
{
	(void)data;
	allocated -= ptr != NULL;
	free(ptr);
}

static const struct blx__allocator limited = {
	.malloc = limited_malloc, .realloc = limited_realloc, .free = limited_free};

static void count_name(const char *name, void *data)
{
	(void)name;
	++*(unsigned *)data;
}

/* Opens, reserves by writing, lists; how far it came is told by the outcome. */
static int use_memory(unsigned *names)
{
	struct blx__file *file;
	int rv = files->ops->open(
		files, path, BLX__OPEN_WRITE | BLX__OPEN_CREATE, &file, &error);

	if (rv != 0) {
		return rv;
	}
	system_fail(SYSTEM_ALLOCATE, 1, EOPNOTSUPP);
	rv = files->ops->allocate(file, BLOCK, &error);
	files->ops->close(file);
	return rv != 0 ? rv : files->ops->list(files, dir, count_name, names, &error);
}

Test(files_faults, without_memory_each_call_says_so_and_keeps_none, .init = begin,
	.fini = end)
{
	unsigned names = 0;
	unsigned count;
	int rv = BLX_ENOMEM;

	blx__allocator_set(&limited);
	for (count = 0; rv != 0; count++) {
		error.message[0] = '\0';
		allocations_left = count;
		rv = use_memory(&names);
		cr_assert_eq(allocated, 0, "with %u", count);
		if (rv != 0) {
			cr_assert_eq(rv, BLX_ENOMEM);
			cr_assert_not_null(strstr(error.message, ": out of memory"));
			cr_assert_not_null(strstr(error.message, dir));
			cr_assert_eq(names, 0, "a list is whole or none");
		}
	}
	blx__allocator_set(NULL);
	cr_assert_gt(count, 4);
	cr_assert_eq(names, 1);
}

/* ---- file systems of the test's own
 * -----------------------------------------------------
 */

/* In a namespace of this process, so that nobody else sees it and it goes with us. */
static void mount_or_skip(unsigned long flags, const char *options)
{
	if (unshare(CLONE_NEWNS) != 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("none", dir, "tmpfs", flags, options) != 0) {
		int errnum = errno;

		scratch_remove(dir);
		cr_skip_test("a file system cannot be mounted: %s", strerror(errnum));
	}
}

static void unmount(void)
{
	(void)umount2(dir, MNT_DETACH);
	end();
}

Test(files_faults, a_full_disk_is_told_by_write_and_by_allocate, .init = begin,
	.fini = unmount)
{
	static char large[256 * 1024];
	struct blx__file *file;
	uint64_t before = 0;
	uint64_t after = 0;

	mount_or_skip(0, "size=64k");
	cr_assert_eq(files->ops->free_space(files, dir, &before, &error), 0);
	cr_assert_eq(before, 64 * 1024);
	file = made(0);
	cr_assert_eq(files->ops->allocate(file, sizeof large, &error), BLX_ENOSPC);
	told("allocate", "No space left on device");
	cr_assert_eq(files->ops->write(file, large, sizeof large, 0, &error), BLX_ENOSPC);
	told("write", "No space left on device");
	cr_assert_eq(files->ops->free_space(files, dir, &after, &error), 0);
	cr_assert_eq(after, 0);

	cr_assert_eq(files->ops->truncate(file, 0, &error), 0, "and room is made");
	cr_assert_eq(files->ops->write(file, large, 1, 0, &error), 0);
	files->ops->close(file);
}

Test(files_faults, what_may_not_be_written_is_told_as_not_allowed, .init = begin,
	.fini = unmount)
{
	struct blx__file *file;

	mount_or_skip(MS_RDONLY, "size=64k");
	cr_assert_eq(files->ops->open(files, path, BLX__OPEN_WRITE | BLX__OPEN_CREATE,
			     &file, &error),
		BLX_EPERM);
	told("open", "Read-only file system");
	cr_assert_eq(files->ops->make_dir(files, path, &error), BLX_EPERM);
	told("make directory", "Read-only file system");
}
