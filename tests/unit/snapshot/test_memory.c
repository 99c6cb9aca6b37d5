/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out, ours and SQLite's, at each allocation in turn. */
#include "support/test.h"

#include "images.h"
#include "saved.h"
#include "scratch.h"
#include "base/mem.h"

#include <unistd.h>
#include <sqlite3.h>
#include <stdlib.h>

/* The allocation after so many fails, once; negative: none does. */
static long left = -1;

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

static void *our_malloc(size_t size, void *data)
{
	return fails() ? NULL : malloc(size);
}

static void *our_realloc(void *ptr, size_t size, void *data)
{
	return fails() ? NULL : realloc(ptr, size);
}

static void our_free(void *ptr, void *data)
{
	free(ptr);
}

static const struct blx__allocator ours = {our_malloc, our_realloc, our_free, NULL};

static sqlite3_mem_methods sqlites;

static void *sqlites_malloc(int size)
{
	return fails() ? NULL : sqlites.xMalloc(size);
}

static void *sqlites_realloc(void *ptr, int size)
{
	return fails() ? NULL : sqlites.xRealloc(ptr, size);
}

static void fail_ours(void)
{
	blx__allocator_set(&ours);
}

static void fail_sqlites(void)
{
	sqlite3_mem_methods methods;

	(void)sqlite3_shutdown();
	cr_assert_eq(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlites), SQLITE_OK);
	methods = sqlites;
	methods.xMalloc = sqlites_malloc;
	methods.xRealloc = sqlites_realloc;
	cr_assert_eq(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
	cr_assert_eq(sqlite3_initialize(), SQLITE_OK);
}

static void restore(void)
{
	left = -1;
	(void)sqlite3_shutdown();
	if (sqlites.xMalloc != NULL) {
		(void)sqlite3_config(SQLITE_CONFIG_MALLOC, &sqlites);
	}
	blx__allocator_set(NULL);
}

/* Either it worked without, or it says so and leaves nothing new. */
static void write_at_each(struct saved *s)
{
	long k;
	long rest = -1;

	for (k = 0; rest < 0; k++) {
		int rv;

		(void)unlink(s->path);
		left = k;
		rv = saved_write(s, &saved_ctl, NULL, NULL);
		rest = left;
		left = -1;
		cr_assert(rv == BLX_OK || rv == BLX_ENOMEM, "allocation %ld: %d", k, rv);
		cr_assert_not(scratch_has(&s->scratch, "image.db.tmp"));
		cr_assert(rv != BLX_OK || saved_load_and_compare(s) == BLX_OK);
	}
}

static void load_at_each(struct saved *s)
{
	long k;
	long rest = -1;

	for (k = 0; rest < 0; k++) {
		struct blx__snapshot_info info;
		struct blx__image *image;
		int rv;

		left = k;
		rv = blx__snapshot_load(s->path, &saved_ctl, &image, &info, NULL);
		rest = left;
		left = -1;
		cr_assert(rv == BLX_OK || rv == BLX_ENOMEM, "allocation %ld: %d", k, rv);
		if (rv == BLX_OK) {
			cr_assert(images_equal(image, s->image));
			blx__image_unref(image);
			blx__snapshot_info_finish(&info);
		}
	}
}

static void inspect_at_each(struct saved *s)
{
	long k;
	long rest = -1;

	for (k = 0; rest < 0; k++) {
		struct blx__snapshot_info info;
		int rv;

		left = k;
		rv = blx__snapshot_inspect(&blx__files_posix, s->path, &info, NULL);
		rest = left;
		left = -1;
		cr_assert(rv == BLX_OK || rv == BLX_ENOMEM, "allocation %ld: %d", k, rv);
		if (rv == BLX_OK) {
			blx__snapshot_info_finish(&info);
		}
	}
}

static void at_each_allocation(void)
{
	struct saved s;

	saved_init(&s, images_small());
	write_at_each(&s);
	load_at_each(&s);
	inspect_at_each(&s);
	saved_finish(&s);
	restore();
}

Test(memory, ours_may_run_out_anywhere)
{
	fail_ours();
	at_each_allocation();
}

Test(memory, that_of_sqlite_may_run_out_anywhere)
{
	fail_sqlites();
	at_each_allocation();
}
