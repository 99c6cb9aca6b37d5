/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include "support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void scratch_init(struct scratch *scratch)
{
	*scratch = (struct scratch){.dir = "/tmp/blx-snapshot-XXXXXX"};
	cr_assert_not_null(mkdtemp(scratch->dir));
}

static size_t each_name(struct scratch *scratch, bool remove_it)
{
	DIR *dir = opendir(scratch->dir);
	struct dirent *entry;
	size_t count = 0;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		count++;
		if (remove_it) {
			(void)unlink(scratch_path(scratch, entry->d_name));
		}
	}
	(void)closedir(dir);
	return count;
}

void scratch_finish(struct scratch *scratch)
{
	(void)each_name(scratch, true);
	(void)rmdir(scratch->dir);
}

const char *scratch_path(struct scratch *scratch, const char *name)
{
	(void)snprintf(scratch->path, sizeof scratch->path, "%s/%s", scratch->dir, name);
	return scratch->path;
}

bool scratch_has(struct scratch *scratch, const char *name)
{
	return access(scratch_path(scratch, name), F_OK) == 0;
}

void scratch_write(
	struct scratch *scratch, const char *name, const void *data, size_t len)
{
	FILE *file = fopen(scratch_path(scratch, name), "wb");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, len, file), len);
	cr_assert_eq(fclose(file), 0);
}

uint8_t *scratch_read(struct scratch *scratch, const char *name, size_t *ret_len)
{
	FILE *file = fopen(scratch_path(scratch, name), "rb");
	struct stat st;
	uint8_t *data;

	cr_assert_not_null(file);
	cr_assert_eq(fstat(fileno(file), &st), 0);
	data = malloc((size_t)st.st_size + 1);
	cr_assert_not_null(data);
	cr_assert_eq(fread(data, 1, (size_t)st.st_size, file), (size_t)st.st_size);
	(void)fclose(file);
	*ret_len = (size_t)st.st_size;
	return data;
}

size_t scratch_count(struct scratch *scratch)
{
	return each_name(scratch, false);
}

unsigned scratch_scale(void)
{
	const char *text = getenv("BLX_TEST_SCALE");
	unsigned long scale = text != NULL ? strtoul(text, NULL, 10) : 1;

	return scale >= 1 && scale <= 10000 ? (unsigned)scale : 1;
}
