/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/files.h"

#include "base/assert.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* One write() of more than this would not be whole on Linux in any case. */
#define TRANSFER_MAX ((size_t)1 << 30)

#define ZEROS_SIZE   ((size_t)1 << 20)

/* What a buffer must be aligned to where the page cache is passed by. */
#define DIRECT_ALIGN ((size_t)4096)

struct posix_file {
	struct blx__file file;
	int fd;
};

static int fd_of(const struct blx__file *file)
{
	return ((const struct posix_file *)file)->fd;
}

static int fail(blx_error *error, const char *what, const char *path, int errnum)
{
	char text[128];

	return blx__error_set(error, blx__code_of_errno(errnum), "%s %s: %s", what, path,
		strerror_r(errnum, text, sizeof text));
}

/* ---- one file ------------------------------------------------------------------ */

static int open_flags(unsigned flags)
{
	int result = O_CLOEXEC | O_NOFOLLOW |
		     O_NONBLOCK; /* a fifo in the way must not block */

	result |= (flags & BLX__OPEN_WRITE) != 0 ? O_RDWR : O_RDONLY;
	result |= (flags & BLX__OPEN_CREATE) != 0 ? O_CREAT : 0;
	result |= (flags & BLX__OPEN_EXCLUSIVE) != 0 ? O_EXCL : 0;
	result |= (flags & BLX__OPEN_DSYNC) != 0 ? O_DSYNC : 0;
	return result;
}

static int open_fd(const char *path, unsigned flags)
{
	int fd;

	do {
		fd = open(path, open_flags(flags), 0600);
	} while (fd < 0 && errno == EINTR);
	if (fd >= 0 && (flags & BLX__OPEN_DIRECT) != 0) {
		/* Some file systems have no way past the page cache. Asked for in open()
		 * they refuse when the file is made already, and then an exclusive one is
		 * there. */
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT);
	}
	return fd;
}

static int posix_open(const struct blx__files *files, const char *path, unsigned flags,
	struct blx__file **ret_file, blx_error *error)
{
	struct posix_file *file = blx__calloc(1, sizeof *file);

	if (file != NULL) {
		file->file.path = blx__strdup(path);
	}
	if (file == NULL || file->file.path == NULL) {
		blx__free(file);
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", path);
	}
	file->file.files = files;
	file->fd = open_fd(path, flags);
	if (file->fd < 0) {
		int errnum = errno;

		blx__free(file->file.path);
		blx__free(file);
		return fail(error, "open", path, errnum);
	}
	*ret_file = &file->file;
	return 0;
}

static void posix_close(struct blx__file *file)
{
	/* What had to be durable was synced; there is nothing to be told here. */
	(void)close(fd_of(file));
	blx__free(file->path);
	blx__free(file);
}

static int posix_write(struct blx__file *file, const void *data, size_t len,
	uint64_t offset, blx_error *error)
{
	const uint8_t *bytes = data;

	while (len > 0) {
		ssize_t n = pwrite(fd_of(file), bytes,
			len < TRANSFER_MAX ? len : TRANSFER_MAX, (off_t)offset);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return fail(error, "write", file->path, n < 0 ? errno : EIO);
		}
		bytes += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int posix_read(struct blx__file *file, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	size_t done = 0;

	while (done < len) {
		size_t left = len - done;
		ssize_t n = pread(fd_of(file), (uint8_t *)data + done,
			left < TRANSFER_MAX ? left : TRANSFER_MAX,
			(off_t)(offset + done));

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return fail(error, "read", file->path, errno);
		}
		if (n == 0) {
			break;
		}
		done += (size_t)n;
	}
	*ret_len = done;
	return 0;
}

static int posix_sync(struct blx__file *file, blx_error *error)
{
	int rv;

	do {
		rv = fdatasync(fd_of(file));
	} while (rv != 0 && errno == EINTR);
	return rv == 0 ? 0 : fail(error, "sync", file->path, errno);
}

static int write_zeros(
	struct blx__file *file, uint64_t from, uint64_t to, blx_error *error)
{
	BLX__CLEANUP_FREE uint8_t *memory = blx__calloc(1, ZEROS_SIZE + DIRECT_ALIGN);
	const uint8_t *zeros;
	int rv = 0;

	if (memory == NULL) {
		return blx__error_set(
			error, BLX_ENOMEM, "allocate %s: out of memory", file->path);
	}
	zeros = memory + DIRECT_ALIGN - (uintptr_t)memory % DIRECT_ALIGN;
	while (rv == 0 && from < to) {
		size_t len = to - from < ZEROS_SIZE ? (size_t)(to - from) : ZEROS_SIZE;

		rv = posix_write(file, zeros, len, from, error);
		from += len;
	}
	return rv;
}

static int posix_allocate(struct blx__file *file, uint64_t size, blx_error *error)
{
	struct stat info;

	while (fallocate(fd_of(file), 0, 0, (off_t)size) != 0) {
		if (errno == EINTR) {
			continue;
		}
		if (errno != EOPNOTSUPP && errno != ENOSYS) {
			return fail(error, "allocate", file->path, errno);
		}
		if (fstat(fd_of(file), &info) != 0) {
			return fail(error, "allocate", file->path, errno);
		}
		return write_zeros(file, (uint64_t)info.st_size, size, error);
	}
	return 0;
}

static int posix_truncate(struct blx__file *file, uint64_t size, blx_error *error)
{
	int rv;

	do {
		rv = ftruncate(fd_of(file), (off_t)size);
	} while (rv != 0 && errno == EINTR);
	return rv == 0 ? 0 : fail(error, "truncate", file->path, errno);
}

static int posix_size(struct blx__file *file, uint64_t *ret_size, blx_error *error)
{
	struct stat info;

	if (fstat(fd_of(file), &info) != 0) {
		return fail(error, "look at", file->path, errno);
	}
	*ret_size = (uint64_t)info.st_size;
	return 0;
}

static int posix_lock(struct blx__file *file, blx_error *error)
{
	/* Of the open file, not of the process: a second member in this one is kept out,
	 * too, and closing another descriptor of the file does not drop it. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (fcntl(fd_of(file), F_OFD_SETLK, &lock) == 0) {
		return 0;
	}
	if (errno == EAGAIN || errno == EACCES) {
		return blx__error_set(
			error, BLX_EINUSE, "lock %s: another process has it", file->path);
	}
	return fail(error, "lock", file->path, errno);
}

/* ---- names --------------------------------------------------------------------- */

static int posix_rename(const struct blx__files *files, const char *from, const char *to,
	blx_error *error)
{
	(void)files;
	return rename(from, to) == 0 ? 0 : fail(error, "rename", from, errno);
}

static int posix_remove(
	const struct blx__files *files, const char *path, blx_error *error)
{
	(void)files;
	return unlink(path) == 0 ? 0 : fail(error, "remove", path, errno);
}

static int posix_make_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	struct stat info;

	(void)files;
	if (mkdir(path, 0700) == 0) {
		return 0;
	}
	if (errno == EEXIST && stat(path, &info) == 0) {
		return S_ISDIR(info.st_mode)
			       ? 0
			       : fail(error, "make directory", path, ENOTDIR);
	}
	return fail(error, "make directory", path, errno);
}

static int posix_sync_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rv = 0;

	(void)files;
	if (fd < 0) {
		return fail(error, "open", path, errno);
	}
	if (fsync(fd) != 0) {
		rv = fail(error, "sync", path, errno);
	}
	(void)close(fd);
	return rv;
}

/* ---- listing --------------------------------------------------------------------- */

struct names {
	char **list; /* owned, each owned */
	size_t count;
	size_t cap;
};

static void names_finish(struct names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++) {
		blx__free(names->list[i]);
	}
	blx__free(names->list);
}

static int names_add(struct names *names, const char *name)
{
	if (names->count == names->cap) {
		size_t cap = names->cap > 0 ? names->cap * 2 : 32;
		char **list = blx__realloc(names->list, cap * sizeof *list);

		if (list == NULL) {
			return BLX_ENOMEM;
		}
		names->list = list;
		names->cap = cap;
	}
	names->list[names->count] = blx__strdup(name);
	if (names->list[names->count] == NULL) {
		return BLX_ENOMEM;
	}
	names->count++;
	return 0;
}

static int names_read(struct names *names, const char *path, blx_error *error)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int rv = 0;

	if (dir == NULL) {
		return fail(error, "list", path, errno);
	}
	errno = 0;
	while (rv == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			rv = names_add(names, entry->d_name);
		}
		errno = 0;
	}
	if (rv != 0) {
		(void)blx__error_set(error, rv, "list %s: out of memory", path);
	} else if (errno != 0) {
		rv = fail(error, "list", path, errno);
	}
	(void)closedir(dir);
	return rv;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int posix_list(const struct blx__files *files, const char *path,
	void (*cb)(const char *name, void *data), void *data, blx_error *error)
{
	struct names names = {NULL, 0, 0};
	int rv = names_read(&names, path, error);
	size_t i;

	(void)files;
	if (rv == 0 && names.count > 0) {
		qsort(names.list, names.count, sizeof *names.list, compare_names);
	}
	for (i = 0; rv == 0 && i < names.count; i++) {
		cb(names.list[i], data);
	}
	names_finish(&names);
	return rv;
}

static int posix_free_space(const struct blx__files *files, const char *path,
	uint64_t *ret_bytes, blx_error *error)
{
	struct statvfs info;

	(void)files;
	if (statvfs(path, &info) != 0) {
		return fail(error, "look at the free space of", path, errno);
	}
	*ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
	return 0;
}

static const struct blx__files_ops posix_ops = {
	.open = posix_open,
	.close = posix_close,
	.write = posix_write,
	.read = posix_read,
	.sync = posix_sync,
	.allocate = posix_allocate,
	.truncate = posix_truncate,
	.size = posix_size,
	.rename = posix_rename,
	.remove = posix_remove,
	.make_dir = posix_make_dir,
	.sync_dir = posix_sync_dir,
	.list = posix_list,
	.free_space = posix_free_space,
	.lock = posix_lock,
};

const struct blx__files blx__files_posix = {.ops = &posix_ops};
