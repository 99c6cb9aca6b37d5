/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "scratch.h"
#include "support/test.h"
#include "sys/text_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char dir[SCRATCH_SIZE];
static char path[SCRATCH_SIZE + 32];

static void begin(void)
{
	scratch_make(dir);
	(void)snprintf(path, sizeof path, "%s/a/b/file", dir);
}

static void end(void)
{
	scratch_remove(dir);
}

static void make(const char *text, size_t len)
{
	char parent[SCRATCH_SIZE + 32];

	(void)snprintf(parent, sizeof parent, "%s/a/b", dir);
	cr_assert_eq(blx__dir_make(parent, NULL), 0);
	cr_assert_eq(blx__file_replace(path, text, len, NULL), 0);
}

Test(text_file, is_read_as_it_was_written, .init = begin, .fini = end)
{
	BLX__CLEANUP_FREE char *first = NULL;
	BLX__CLEANUP_FREE char *second = NULL;

	make("one\n", 4);
	first = blx__file_read(path, O_NOFOLLOW, 5);
	cr_assert_str_eq(first, "one\n");
	make("", 0);
	second = blx__file_read(path, 0, 5);
	cr_assert_str_eq(second, "");
}

Test(text_file, one_that_is_too_long_or_no_text_is_none, .init = begin, .fini = end)
{
	make("one\n", 4);
	cr_assert_null(blx__file_read(path, 0, 4));
	make("o\0e\n", 4);
	cr_assert_null(blx__file_read(path, 0, 100));
}

Test(text_file, one_that_is_not_there_is_none, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_null(blx__file_read(path, 0, 100));
	cr_assert_null(blx__file_read(dir, 0, 1 << 20)); /* a directory */
	cr_assert_eq(blx__file_replace(path, "x", 1, &error), BLX_ENOENT);
	cr_assert_not_null(strstr(error.message, path));
}

Test(text_file, a_link_is_followed_only_if_it_may_be, .init = begin, .fini = end)
{
	BLX__CLEANUP_FREE char *text = NULL;
	char link[SCRATCH_SIZE + 32];

	make("one\n", 4);
	(void)snprintf(link, sizeof link, "%s/link", dir);
	cr_assert_eq(symlink(path, link), 0);
	cr_assert_null(blx__file_read(link, O_NOFOLLOW, 100));
	text = blx__file_read(link, 0, 100);
	cr_assert_str_eq(text, "one\n");
}
