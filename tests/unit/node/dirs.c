/* SPDX-License-Identifier: Apache-2.0 */
#include "dirs.h"

#include "support/test.h"

#include "sys/files.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t env_random(struct blx__env *env)
{
	return ++((struct dirs *)env->impl)->random;
}

static uint64_t env_mono(struct blx__env *env)
{
	return ++((struct dirs *)env->impl)->random;
}

static const struct blx__env_ops env_ops = { .mono_ns = env_mono, .random_u64 = env_random };

void dirs_init(struct dirs *dirs)
{
	const char *tmp = getenv("TMPDIR");

	memset(dirs, 0, sizeof *dirs);
	(void)snprintf(dirs->root, sizeof dirs->root, "%s/blx-XXXXXX", tmp != NULL ? tmp : "/tmp");
	cr_assert_not_null(mkdtemp(dirs->root));
	dirs->env = (struct blx__env){ .ops = &env_ops, .files = &blx__files_posix, .impl = dirs };
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	(void)info;
	(void)type;
	(void)at;
	return remove(path);
}

void dirs_finish(struct dirs *dirs)
{
	cr_assert_eq(nftw(dirs->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

const char *dirs_path(struct dirs *dirs, const char *name)
{
	(void)snprintf(dirs->path, sizeof dirs->path, "%s/%s", dirs->root, name);
	return dirs->path;
}
