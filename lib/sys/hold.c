/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/hold.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sys/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	text = blx__file_read(path, O_NOFOLLOW, FILE_MAX);
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
	text = blx__file_read(path, O_NOFOLLOW, FILE_MAX);
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
