/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/hold.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define HOLD "hold"

/* As long as a file of BLX__AGENT_UNITS_MAX lines may be. */
#define FILE_MAX (4 * 1024 * 1024)

/* The guard looks for a longer time so often. */
#define LOOK_MS 100

uint64_t blx__hold_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- files ---------------------------------------------------------------------- */

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
static char *file_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat stat;
	char *text = NULL;
	size_t len = 0;

	if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size < FILE_MAX) {
		text = blx__malloc((size_t)stat.st_size + 1);
	}
	while (text != NULL && len < (size_t)stat.st_size) {
		ssize_t n = read(fd, text + len, (size_t)stat.st_size - len);

		if (n <= 0) {
			blx__free(text);
			text = NULL;
			break;
		}
		len += (size_t)n;
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	if (text != NULL) {
		text[len] = '\0';
	}
	return text;
}

/* ---- the file ------------------------------------------------------------------- */

static bool path_of(const char *run_dir, char *ret_path, size_t size)
{
	return (size_t)snprintf(ret_path, size, "%s/" HOLD, run_dir) < size;
}

int blx__hold_write(const char *run_dir, const struct blx__hold *hold, blx_error *error)
{
	char line[BLX_UNIT_NAME_MAX + 64];
	char path[4096];
	struct blx__buf text;
	size_t i;
	int rv;

	if (!path_of(run_dir, path, sizeof path)) {
		return blx__error_set(error, BLX_EINVAL, "%.200s: too long", run_dir);
	}
	blx__buf_init(&text);
	(void)snprintf(line, sizeof line, "until %" PRIu64 "\n", hold->until_ns);
	blx__buf_append(&text, line, strlen(line));
	for (i = 0; i < hold->count; i++) {
		const struct blx__hold_unit *unit = &hold->units[i];

		(void)snprintf(line, sizeof line, "%" PRIu64 " %s %s\n", unit->epoch,
			unit->manager[0] != '\0' ? unit->manager : "-", unit->unit);
		blx__buf_append(&text, line, strlen(line));
	}
	rv = blx__buf_ok(&text)
		     ? blx__file_replace(path, (const char *)text.data, text.len, error)
		     : blx__error_set(error, BLX_ENOMEM, "write %s: out of memory", path);
	blx__buf_finish(&text);
	return rv;
}

/* "until N" and nothing else in the first line; *ret_rest begins the second. */
static bool parse_until(const char *text, uint64_t *ret_until, const char **ret_rest)
{
	char *end;

	if (strncmp(text, "until ", 6) != 0 || text[6] < '0' || text[6] > '9') {
		return false;
	}
	errno = 0;
	*ret_until = strtoull(text + 6, &end, 10);
	*ret_rest = end + 1;
	return errno == 0 && *end == '\n';
}

uint64_t blx__hold_until(const char *run_dir)
{
	BLX__CLEANUP_FREE char *text = NULL;
	char path[4096];
	uint64_t until;
	const char *rest;

	if (!path_of(run_dir, path, sizeof path)) {
		return 0;
	}
	text = file_read(path);
	return text != NULL && parse_until(text, &until, &rest) ? until : 0;
}

static bool line_is(const char *line, size_t len, const char *manager, const char *unit,
	uint64_t *ret_epoch)
{
	char rest[BLX_UNIT_NAME_MAX + BLX__MANAGER_SIZE + 8];
	char *end;

	errno = 0;
	*ret_epoch = strtoull(line, &end, 10);
	(void)snprintf(rest, sizeof rest, " %s %s", manager[0] != '\0' ? manager : "-", unit);
	return errno == 0 && end > line && (size_t)(end - line) + strlen(rest) == len &&
	       memcmp(end, rest, strlen(rest)) == 0;
}

bool blx__hold_has(
	const char *run_dir, const char *manager, const char *unit, uint64_t *ret_epoch)
{
	BLX__CLEANUP_FREE char *text = NULL;
	const char *line;
	char path[4096];
	uint64_t until;

	if (!path_of(run_dir, path, sizeof path)) {
		return false;
	}
	text = file_read(path);
	if (text == NULL || !parse_until(text, &until, &line) ||
		until <= blx__hold_now_ns()) {
		return false;
	}
	for (; *line != '\0'; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		if (line[len] != '\n') {
			return false;
		}
		if (line_is(line, len, manager, unit, ret_epoch)) {
			return true;
		}
	}
	return false;
}

/* ---- the guard ------------------------------------------------------------------ */

/* Silence beyond the lease is death, too. */
static void feed(uint64_t until, uint64_t now)
{
	(void)sd_notifyf(0, "READY=1\nWATCHDOG_USEC=%" PRIu64 "\nWATCHDOG=1",
		(until - now) / 1000 + 1);
}

int blx__guard_wait(const char *run_dir, int stop_fd, blx_error *error)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	uint64_t fed = 0;

	for (;;) {
		uint64_t until = blx__hold_until(run_dir);
		uint64_t now = blx__hold_now_ns();
		uint64_t left_ms;

		if (until <= now) {
			return fed != 0 ? 0
					: blx__error_set(error, BLX_EPERM,
						  "guard: nothing is held in %s", run_dir);
		}
		if (until != fed) {
			feed(until, now);
			fed = until;
		}
		left_ms = (until - now) / 1000000 + 1;
		if (poll(&stop, 1, (int)(left_ms < LOOK_MS ? left_ms : LOOK_MS)) > 0) {
			return 0;
		}
	}
}
