/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/text_file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(blx_error *error, const char *what, const char *path)
{
	int errnum = errno;

	return blx__error_set(
		error, blx__code_of_errno(errnum), "%s %s: %s", what, path, strerror(errnum));
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

int blx__file_replace(const char *path, const char *text, size_t len, blx_error *error)
{
	char tmp[4096];
	bool ok;
	int fd;

	if ((size_t)snprintf(tmp, sizeof tmp, "%s.new", path) >= sizeof tmp) {
		return blx__error_set(error, BLX_EINVAL, "write %.200s: too long", path);
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		return fail(error, "write", tmp);
	}
	ok = write_all(fd, text, len);
	ok = close(fd) == 0 && ok;
	if (!ok || rename(tmp, path) != 0) {
		int rv = fail(error, "write", path);

		(void)unlink(tmp);
		return rv;
	}
	return 0;
}

int blx__dir_make(const char *path, blx_error *error)
{
	char part[4096];
	char *at;

	if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part) {
		return blx__error_set(error, BLX_EINVAL, "make %.200s: too long", path);
	}
	for (at = part + 1; *at != '\0'; at++) {
		if (*at == '/') {
			*at = '\0';
			(void)mkdir(part, 0755);
			*at = '/';
		}
	}
	return mkdir(part, 0755) == 0 || errno == EEXIST ? 0 : fail(error, "make", path);
}

/* NULL: it cannot be read. To be freed; with a NUL behind it. */

static char *read_all(int fd, size_t len)
{
	char *text = blx__malloc(len + 1);
	size_t at = 0;

	while (text != NULL && at < len) {
		ssize_t n = read(fd, text + at, len - at);

		if (n <= 0 || memchr(text + at, '\0', (size_t)n) != NULL) {
			blx__free(text);
			return NULL;
		}
		at += (size_t)n;
	}
	if (text != NULL) {
		text[len] = '\0';
	}
	return text;
}

char *blx__file_read(const char *path, int flags, size_t max)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
	struct stat stat;
	char *text = NULL;

	if (fd >= 0 && fstat(fd, &stat) == 0 && (size_t)stat.st_size < max) {
		text = read_all(fd, (size_t)stat.st_size);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	return text;
}
