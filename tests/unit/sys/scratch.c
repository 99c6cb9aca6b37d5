/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include "support/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scratch_make(char ret_path[SCRATCH_SIZE])
{
	const char *base = getenv("TMPDIR");

	if (base == NULL || strlen(base) > SCRATCH_SIZE - 20) {
		base = "/tmp";
	}
	(void)snprintf(ret_path, SCRATCH_SIZE, "%s/blx-sys-XXXXXX", base);
	cr_assert_not_null(mkdtemp(ret_path));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

void scratch_remove(const char *path)
{
	(void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
