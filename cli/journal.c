/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <blixard/blixard.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1024

/* Set once, before there is a second thread. */
static bool to_journal;
static int level_limit;

/* JOURNAL_STREAM names the device and inode of the stream; standard error may be another.
 */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device;
	unsigned long long inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

static int prefix(char *line, size_t size, int level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	static const int priorities[] = {3, 4, 6, 7};
	size_t i =
		level < 0 ? 0 : (level > BLX_LOG_DEBUG ? BLX_LOG_DEBUG : (size_t)level);
	struct timespec now;
	struct tm tm;

	if (to_journal) {
		return snprintf(line, size, "<%d>", priorities[i]);
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	return snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, now.tv_nsec / 1000000, names[i]);
}

/* One line, whatever the message holds: a peer's text must not forge another. */
static void write_line(int level, const char *component, const char *message)
{
	char line[LINE_SIZE];
	int len = prefix(line, sizeof line - 1, level);
	size_t i;

	len += snprintf(
		line + len, sizeof line - 1 - (size_t)len, "%s: %s", component, message);
	if ((size_t)len > sizeof line - 2) {
		len = (int)sizeof line - 2;
	}
	for (i = 0; i < (size_t)len; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
			line[i] = ' ';
		}
	}
	line[len++] = '\n';
	/* Where the log cannot be written there is nobody left to tell. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0) {
		return;
	}
}

static void on_log(int level, const char *component, const char *message, void *data)
{
	(void)data;
	write_line(level, component, message);
}

void journal_start(int level_max)
{
	to_journal = is_journal();
	level_limit = level_max;
	blx_log_set(on_log, level_max, NULL);
}

void journal(int level, const char *format, ...)
{
	char message[LINE_SIZE];
	va_list args;

	if (level > level_limit) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	write_line(level, "blixard", message);
}
