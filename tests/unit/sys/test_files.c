/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/files.h"

#include "scratch.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 128

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
	scratch_remove(dir);
}

static struct blx__file *opened(const char *name, unsigned flags)
{
	struct blx__file *file = NULL;

	cr_assert_eq(files->ops->open(files, name, flags, &file, &error), 0, "%s",
		error.message);
	return file;
}

static struct blx__file *made(void)
{
	return opened(path, BLX__OPEN_WRITE | BLX__OPEN_CREATE);
}

/* The message begins with what was tried, names the path and ends with a reason. */
static void told(const char *what, const char *of)
{
	char head[PATH_SIZE + 32];

	(void)snprintf(head, sizeof head, "%s %s: ", what, of);
	cr_assert_eq(strncmp(error.message, head, strlen(head)), 0, "%s", error.message);
	cr_assert_gt(strlen(error.message), strlen(head));
}

static mode_t mode_of(const char *name)
{
	struct stat info;

	cr_assert_eq(lstat(name, &info), 0);
	return info.st_mode & 07777;
}

Test(files, what_was_written_is_read_at_its_place, .init = begin, .fini = end)
{
	struct blx__file *file = made();
	char buf[32] = {0};
	uint64_t size;
	size_t len;

	cr_assert_eq(files->ops->write(file, "world", 5, 6, &error), 0);
	cr_assert_eq(files->ops->write(file, "hello", 5, 0, &error), 0);
	cr_assert_eq(files->ops->sync(file, &error), 0);
	cr_assert_eq(files->ops->size(file, &size, &error), 0);
	cr_assert_eq(size, 11);

	cr_assert_eq(files->ops->read(file, buf, sizeof buf, 0, &len, &error), 0);
	cr_assert_eq(len, 11, "less only at the end");
	cr_assert_arr_eq(buf, "hello\0world", 11);
	cr_assert_eq(files->ops->read(file, buf, 3, 8, &len, &error), 0);
	cr_assert_eq(len, 3);
	cr_assert_arr_eq(buf, "rld", 3);
	cr_assert_eq(files->ops->read(file, buf, 3, 11, &len, &error), 0);
	cr_assert_eq(len, 0);
	files->ops->close(file);
}

Test(files, are_for_their_owner_alone, .init = begin, .fini = end)
{
	char sub[PATH_SIZE];
	mode_t before = umask(0);

	(void)snprintf(sub, sizeof sub, "%s/sub", dir);
	files->ops->close(made());
	cr_assert_eq(files->ops->make_dir(files, sub, &error), 0);
	(void)umask(before);
	cr_assert_eq(mode_of(path), 0600);
	cr_assert_eq(mode_of(sub), 0700);
}

Test(files, that_are_open_are_not_for_programs_that_are_started, .init = begin,
	.fini = end)
{
	int next = dup(0);
	struct blx__file *file;

	(void)close(next);
	file = made();
	cr_assert(fcntl(next, F_GETFD) & FD_CLOEXEC);
	files->ops->close(file);
	cr_assert_eq(fcntl(next, F_GETFD), -1);
}

Test(files, an_exclusive_one_must_not_be_there_yet, .init = begin, .fini = end)
{
	unsigned flags = BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_EXCLUSIVE;
	struct blx__file *file;

	files->ops->close(opened(path, flags | BLX__OPEN_DIRECT));
	cr_assert_eq(files->ops->open(files, path, flags, &file, &error), BLX_EEXIST);
	told("open", path);
}

Test(files, what_is_not_there_is_told_with_its_path, .init = begin, .fini = end)
{
	struct blx__file *file;
	uint64_t bytes;

	cr_assert_eq(files->ops->open(files, path, BLX__OPEN_WRITE, &file, &error),
		BLX_ENOENT);
	told("open", path);
	cr_assert_eq(files->ops->remove(files, path, &error), BLX_ENOENT);
	told("remove", path);
	cr_assert_eq(files->ops->rename(files, path, "/tmp/x", &error), BLX_ENOENT);
	told("rename", path);
	cr_assert_eq(files->ops->sync_dir(files, path, &error), BLX_ENOENT);
	told("open", path);
	cr_assert_eq(files->ops->list(files, path, NULL, NULL, &error), BLX_ENOENT);
	told("list", path);
	cr_assert_eq(files->ops->free_space(files, path, &bytes, &error), BLX_ENOENT);
	told("look at the free space of", path);
	(void)snprintf(path, sizeof path, "%s/no/sub", dir);
	cr_assert_eq(files->ops->make_dir(files, path, &error), BLX_ENOENT);
	told("make directory", path);
	cr_assert_eq(files->ops->open(files, path, BLX__OPEN_READ, &file, NULL),
		BLX_ENOENT, "nobody need listen");
}

Test(files, a_link_in_the_way_is_not_followed, .init = begin, .fini = end)
{
	char target[PATH_SIZE];
	struct blx__file *file;
	struct stat info;

	(void)snprintf(target, sizeof target, "%s/target", dir);
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_neq(files->ops->open(files, path, BLX__OPEN_WRITE | BLX__OPEN_CREATE,
			      &file, &error),
		0);
	told("open", path);
	cr_assert_neq(stat(target, &info), 0);
}

Test(files, a_fifo_in_the_way_does_not_block, .init = begin, .fini = end)
{
	struct blx__file *file;
	char byte;
	size_t len;

	cr_assert_eq(mkfifo(path, 0600), 0);
	file = opened(path, BLX__OPEN_READ);
	cr_assert_neq(files->ops->read(file, &byte, 1, 0, &len, &error), 0);
	told("read", path);
	files->ops->close(file);
}

Test(files, one_for_reading_is_not_written, .init = begin, .fini = end)
{
	struct blx__file *file;

	files->ops->close(made());
	file = opened(path, BLX__OPEN_READ);
	cr_assert_neq(files->ops->write(file, "x", 1, 0, &error), 0);
	told("write", path);
	cr_assert_neq(files->ops->truncate(file, 10, &error), 0);
	told("truncate", path);
	cr_assert_neq(files->ops->allocate(file, 10, &error), 0);
	told("allocate", path);
	files->ops->close(file);
}

Test(files, allocating_reserves_the_blocks_and_keeps_what_is_there, .init = begin,
	.fini = end)
{
	struct blx__file *file = made();
	struct stat info;
	char buf[6] = {0};
	size_t len;

	cr_assert_eq(files->ops->write(file, "abc", 3, 0, &error), 0);
	cr_assert_eq(files->ops->allocate(file, 1 << 20, &error), 0);
	cr_assert_eq(stat(path, &info), 0);
	cr_assert_eq(info.st_size, 1 << 20);
	cr_assert_geq((long long)info.st_blocks * 512, 1 << 20);
	cr_assert_eq(files->ops->read(file, buf, 6, 0, &len, &error), 0);
	cr_assert_arr_eq(buf, "abc\0\0\0", 6);

	cr_assert_eq(files->ops->truncate(file, 2, &error), 0);
	cr_assert_eq(files->ops->read(file, buf, 6, 0, &len, &error), 0);
	cr_assert_eq(len, 2);
	files->ops->close(file);
}

Test(files, no_room_is_told_as_such, .init = begin, .fini = end)
{
	struct blx__file *file;

	if (access("/dev/full", W_OK) != 0) {
		cr_skip_test("there is no /dev/full");
	}
	file = opened("/dev/full", BLX__OPEN_WRITE);
	cr_assert_eq(files->ops->write(file, "x", 1, 0, &error), BLX_ENOSPC);
	told("write", "/dev/full");
	files->ops->close(file);
}

Test(files, past_the_page_cache_aligned_blocks_come_back, .init = begin, .fini = end)
{
	struct blx__file *file = opened(path,
		BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_DIRECT | BLX__OPEN_DSYNC);
	size_t len = 0;
	char *block = NULL;

	cr_assert_eq(posix_memalign((void **)&block, 4096, 8192), 0);
	memset(block, 'b', 8192);
	cr_assert_eq(files->ops->write(file, block, 8192, 4096, &error), 0, "%s",
		error.message);
	memset(block, 0, 8192);
	cr_assert_eq(files->ops->read(file, block, 8192, 8192, &len, &error), 0);
	cr_assert_eq(len, 4096, "to the end");
	cr_assert(block[0] == 'b' && block[4095] == 'b' && block[4096] == 0);
	free(block);
	files->ops->close(file);
}

Test(files, a_lock_keeps_out_a_second_one_of_the_same_process, .init = begin, .fini = end)
{
	struct blx__file *first = made();
	struct blx__file *second = made();

	cr_assert_eq(files->ops->lock(first, &error), 0);
	cr_assert_eq(files->ops->lock(first, &error), 0, "it is ours");
	cr_assert_eq(files->ops->lock(second, &error), BLX_EINUSE);
	told("lock", path);
	files->ops->close(made()); /* another descriptor: does not drop it */
	cr_assert_eq(files->ops->lock(second, &error), BLX_EINUSE);
	files->ops->close(first);
	cr_assert_eq(files->ops->lock(second, &error), 0);
	files->ops->close(second);
}

Test(files, renaming_replaces_and_making_a_directory_twice_is_fine, .init = begin,
	.fini = end)
{
	char other[PATH_SIZE];
	struct blx__file *file = made();
	char byte = 0;
	size_t len;

	(void)snprintf(other, sizeof other, "%s/other", dir);
	cr_assert_eq(files->ops->write(file, "1", 1, 0, &error), 0);
	files->ops->close(file);
	files->ops->close(opened(other, BLX__OPEN_WRITE | BLX__OPEN_CREATE));
	cr_assert_eq(files->ops->rename(files, path, other, &error), 0);
	cr_assert_eq(files->ops->sync_dir(files, dir, &error), 0);
	file = opened(other, BLX__OPEN_READ);
	cr_assert_eq(files->ops->read(file, &byte, 1, 0, &len, &error), 0);
	cr_assert_eq(byte, '1');
	files->ops->close(file);

	cr_assert_eq(files->ops->make_dir(files, dir, &error), 0);
	cr_assert_neq(files->ops->make_dir(files, other, &error), 0, "it is a file");
	told("make directory", other);
	cr_assert_eq(files->ops->remove(files, other, &error), 0);
	cr_assert_neq(access(other, F_OK), 0);
}

static void add_name(const char *name, void *data)
{
	strcat(data, name);
	strcat(data, "|");
}

Test(files, a_list_is_in_the_order_of_bytes, .init = begin, .fini = end)
{
	static const char *const names[] = {
		"b", "B", "a\303\244", "a", ".hidden", "10", "9"};
	char seen[64] = "";
	char name[PATH_SIZE];
	size_t i;

	cr_assert_eq(files->ops->list(files, dir, add_name, seen, &error), 0);
	cr_assert_str_eq(seen, "");
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(name, sizeof name, "%s/%s", dir, names[i]);
		files->ops->close(opened(name, BLX__OPEN_WRITE | BLX__OPEN_CREATE));
	}
	cr_assert_eq(files->ops->list(files, dir, add_name, seen, &error), 0);
	cr_assert_str_eq(seen, ".hidden|10|9|B|a|a\303\244|b|");
}

Test(files, a_long_list_is_whole, .init = begin, .fini = end)
{
	char seen[2048] = "";
	char want[2048] = "";
	char name[PATH_SIZE];
	int i;

	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof name, "%s/%02d", dir, i);
		add_name(name + strlen(dir) + 1, want);
		files->ops->close(opened(name, BLX__OPEN_WRITE | BLX__OPEN_CREATE));
	}
	cr_assert_eq(files->ops->list(files, dir, add_name, seen, &error), 0);
	cr_assert_str_eq(seen, want);
}

Test(files, free_space_is_some, .init = begin, .fini = end)
{
	uint64_t bytes = 0;

	cr_assert_eq(files->ops->free_space(files, dir, &bytes, &error), 0);
	cr_assert_gt(bytes, 0);
}
