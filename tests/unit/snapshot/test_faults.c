/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that are full or fail, memory that runs out, and calls that are canceled. */
#include "support/test.h"

#include "images.h"
#include "saved.h"
#include "scratch.h"
#include "base/mem.h"

#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host's files, of which the calls_left-th call fails with code, and all after it. */
struct faulty {
	struct blx__files files;
	int calls_left;
	int code;
	int reads_left; /* canceling_read() only */
};

static bool fails(const struct blx__files *files, blx_error *error)
{
	struct faulty *faulty = files->impl;

	if (faulty->calls_left > 0) {
		faulty->calls_left--;
		return false;
	}
	(void)blx__error_set(error, faulty->code, "made to fail");
	return true;
}

static int code_of(const struct blx__files *files)
{
	return ((const struct faulty *)files->impl)->code;
}

static int faulty_open(const struct blx__files *files, const char *path, unsigned flags,
	struct blx__file **ret_file, blx_error *error)
{
	struct faulty *faulty = files->impl;
	int rv;

	if (fails(files, error)) {
		return faulty->code;
	}
	rv = blx__files_posix.ops->open(&blx__files_posix, path, flags, ret_file, error);
	if (rv == BLX_OK) {
		(*ret_file)->files = files;
	}
	return rv;
}

static void faulty_close(struct blx__file *file)
{
	file->files = &blx__files_posix;
	blx__files_posix.ops->close(file);
}

static int faulty_write(struct blx__file *file, const void *data, size_t len,
	uint64_t offset, blx_error *error)
{
	return fails(file->files, error)
		       ? code_of(file->files)
		       : blx__files_posix.ops->write(file, data, len, offset, error);
}

static int faulty_read(struct blx__file *file, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	return fails(file->files, error) ? code_of(file->files)
					 : blx__files_posix.ops->read(file, data, len,
						   offset, ret_len, error);
}

static int faulty_sync(struct blx__file *file, blx_error *error)
{
	return fails(file->files, error) ? code_of(file->files)
					 : blx__files_posix.ops->sync(file, error);
}

static int faulty_truncate(struct blx__file *file, uint64_t size, blx_error *error)
{
	return fails(file->files, error)
		       ? code_of(file->files)
		       : blx__files_posix.ops->truncate(file, size, error);
}

static int faulty_size(struct blx__file *file, uint64_t *ret_size, blx_error *error)
{
	return fails(file->files, error)
		       ? code_of(file->files)
		       : blx__files_posix.ops->size(file, ret_size, error);
}

static int faulty_rename(const struct blx__files *files, const char *from, const char *to,
	blx_error *error)
{
	return fails(files, error)
		       ? code_of(files)
		       : blx__files_posix.ops->rename(&blx__files_posix, from, to, error);
}

static int faulty_remove(
	const struct blx__files *files, const char *path, blx_error *error)
{
	/* Removing works on a disk that is full or no longer writes data. */
	return blx__files_posix.ops->remove(&blx__files_posix, path, error);
}

static int faulty_sync_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	return fails(files, error)
		       ? code_of(files)
		       : blx__files_posix.ops->sync_dir(&blx__files_posix, path, error);
}

static const struct blx__files_ops faulty_ops = {
	.open = faulty_open,
	.close = faulty_close,
	.write = faulty_write,
	.read = faulty_read,
	.sync = faulty_sync,
	.truncate = faulty_truncate,
	.size = faulty_size,
	.rename = faulty_rename,
	.remove = faulty_remove,
	.sync_dir = faulty_sync_dir,
};

static void faulty_init(struct faulty *faulty, int calls, int code)
{
	*faulty = (struct faulty){
		.files = {.ops = &faulty_ops, .impl = faulty},
		.calls_left = calls,
		.code = code,
	};
}

/* Writes to an empty directory with the k-th call failing, for each k until it succeeds.
 */
static void write_with_each_call_failing(int code)
{
	struct saved s;
	int calls;
	int rv = code;

	saved_init(&s, images_regular(2000, 100));
	for (calls = 0; rv != BLX_OK; calls++) {
		struct faulty faulty;
		struct blx__snapshot_ctl ctl = {.files = &faulty.files};
		blx_error error = BLX_ERROR_INIT;
		bool was_last;

		(void)unlink(s.path);
		faulty_init(&faulty, calls, code);
		rv = saved_write(&s, &ctl, NULL, &error);
		/* Only the sync of the directory comes after the file has its name. */
		was_last = rv == BLX_OK || scratch_has(&s.scratch, "image.db");
		cr_assert(rv == BLX_OK || rv == code, "call %d: %d %s", calls, rv,
			error.message);
		if (was_last) {
			cr_assert_eq(saved_load_and_compare(&s), 0);
		}
		cr_assert_eq(
			scratch_count(&s.scratch), was_last ? 1 : 0, "call %d", calls);
	}
	cr_assert_gt(calls, 20);
	saved_finish(&s);
}

Test(faults, a_write_on_a_disk_that_fails_leaves_nothing_and_says_so)
{
	write_with_each_call_failing(BLX_EIO);
}

Test(faults, a_write_on_a_disk_that_is_full_leaves_nothing_and_says_so)
{
	write_with_each_call_failing(BLX_ENOSPC);
}

Test(faults, a_load_from_a_disk_that_fails_is_told_from_damage)
{
	struct saved s;
	int calls;
	int rv = BLX_EIO;

	saved_init(&s, images_regular(2000, 100));
	for (calls = 0; rv != BLX_OK; calls++) {
		struct faulty faulty;
		struct blx__snapshot_ctl ctl = {.files = &faulty.files};
		struct blx__image *image;

		faulty_init(&faulty, calls, BLX_EIO);
		rv = blx__snapshot_load(s.path, &ctl, &image, NULL, NULL);
		cr_assert(rv == BLX_OK || rv == BLX_EIO, "call %d: %d", calls, rv);
		if (rv == BLX_OK) {
			blx__image_unref(image);
		}
	}
	cr_assert_gt(calls, 20);
	saved_finish(&s);
}

/* In a process of its own, in which no file may grow beyond a limit. */
static int write_within(struct saved *s, const char *path, rlim_t limit)
{
	struct rlimit rlimit = {.rlim_cur = limit, .rlim_max = limit};
	struct blx__snapshot_write_opts opts = {
		.ctl = saved_ctl,
		.path = path,
		.image = s->image,
	};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &rlimit);
		_exit(blx__snapshot_write(&opts, NULL, NULL) == BLX_OK ? 0 : 1);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

Test(faults, a_file_that_may_not_grow_leaves_nothing)
{
	struct saved s;
	char path[160];

	saved_init(&s, images_regular(3000, 1000));
	(void)snprintf(path, sizeof path, "%s", scratch_path(&s.scratch, "other.db"));

	cr_assert_eq(write_within(&s, path, 1024 * 1024), 1);

	cr_assert_eq(scratch_count(&s.scratch), 1);
	cr_assert_eq(write_within(&s, path, 64 * 1024 * 1024), 0);
	cr_assert(scratch_has(&s.scratch, "other.db"));
	saved_finish(&s);
}

Test(faults, what_an_earlier_write_left_is_replaced)
{
	struct saved s;

	saved_init(&s, images_small());
	scratch_write(&s.scratch, "image.db.tmp", "rubbish", 7);
	cr_assert_eq(saved_write(&s, &saved_ctl, NULL, NULL), 0);
	cr_assert_eq(saved_load_and_compare(&s), 0);
	cr_assert_eq(scratch_count(&s.scratch), 1);
	saved_finish(&s);
}

static atomic_bool cancel;

static void on_progress(uint64_t done, uint64_t total, void *data)
{
	atomic_store(&cancel, true);
	++*(int *)data;
}

Test(faults, a_write_that_is_canceled_leaves_what_was_there)
{
	struct saved s;
	int reports = 0;
	struct blx__snapshot_ctl ctl = {
		.files = &blx__files_posix,
		.cancel = &cancel,
		.progress = on_progress,
		.data = &reports,
	};

	saved_init(&s, images_regular(40000, 20));
	atomic_store(&cancel, false);

	cr_assert_eq(saved_write(&s, &ctl, NULL, NULL), BLX_ECANCELED);

	cr_assert_eq(reports, 1);
	cr_assert_eq(scratch_count(&s.scratch), 1);
	cr_assert_eq(saved_load_and_compare(&s), 0);
	saved_finish(&s);
}

Test(faults, a_load_that_is_canceled_gives_nothing)
{
	struct saved s;
	struct blx__image *image;
	int reports = 0;
	struct blx__snapshot_ctl ctl = {
		.files = &blx__files_posix,
		.cancel = &cancel,
		.progress = on_progress,
		.data = &reports,
	};

	saved_init(&s, images_regular(40000, 20));
	atomic_store(&cancel, false);
	cr_assert_eq(blx__snapshot_load(s.path, &ctl, &image, NULL, NULL), BLX_ECANCELED);
	cr_assert_eq(reports, 1);
	cr_assert_eq(blx__snapshot_load(s.path, &ctl, &image, NULL, NULL), BLX_ECANCELED);
	saved_finish(&s);
}

/* The cancel is set by the disk when so many calls were made: it hits every stage. */
static int canceling_read(struct blx__file *file, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	struct faulty *faulty = file->files->impl;

	if (faulty->reads_left-- == 0) {
		atomic_store(&cancel, true);
	}
	return blx__files_posix.ops->read(file, data, len, offset, ret_len, error);
}

Test(faults, a_load_can_be_canceled_at_each_read)
{
	struct blx__files_ops ops = faulty_ops;
	struct saved s;
	int calls;
	int rv = BLX_ECANCELED;

	ops.read = canceling_read;
	saved_init(&s, images_regular(1000, 1000));
	for (calls = 1; rv != BLX_OK; calls++) {
		struct faulty faulty;
		struct blx__snapshot_ctl ctl = {
			.files = &faulty.files, .cancel = &cancel};
		struct blx__image *image;

		faulty_init(&faulty, 1000000, BLX_EIO);
		faulty.files.ops = &ops;
		faulty.reads_left = calls;
		atomic_store(&cancel, false);
		rv = blx__snapshot_load(s.path, &ctl, &image, NULL, NULL);
		cr_assert(rv == BLX_OK || rv == BLX_ECANCELED, "read %d: %d", calls, rv);
		if (rv == BLX_OK) {
			blx__image_unref(image);
		}
	}
	cr_assert_gt(calls, 50);
	saved_finish(&s);
}
