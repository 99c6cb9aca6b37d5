/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service for tests: while it runs it holds a lock on a file that all hosts share, and
 * adds a line to it every 20 ms. Whether two ran at once, ever, can be read there.
 *
 *	beat FILE [slow-start MS] [slow-stop MS] [fail-on NODE]
 *
 * A line: the monotonic clock in ms, the host, the pid and when it began (pids come again
 * after a reboot), the epoch, what it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopping;
static int64_t began_ms;

static void on_term(int signal)
{
	(void)signal;
	stopping = 1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between two beats: it is the beat that shows who ran when. SIGTERM ends it early. */
static void pause_ms(long ms)
{
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&pause, &pause) != 0 && errno == EINTR && !stopping) {
	}
}

static void write_line(int fd, const char *host, const char *what)
{
	const char *epoch = getenv("BLIXARD_EPOCH");
	char line[256];
	int len = snprintf(line, sizeof line, "%" PRId64 " %s %d.%" PRId64 " %s %s\n",
		now_ms(), host, (int)getpid(), began_ms, epoch != NULL ? epoch : "-", what);

	if (write(fd, line, (size_t)len) != len) {
		_exit(9);
	}
}

static const char *option(int argc, char **argv, const char *name)
{
	int i;

	for (i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], name) == 0) {
			return argv[i + 1];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	char host[64] = "?";
	const char *text;
	int fd;

	if (argc < 2) {
		return 64;
	}
	began_ms = now_ms();
	(void)signal(SIGTERM, on_term);
	(void)gethostname(host, sizeof host - 1);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		return 1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		write_line(fd, host, "overlap"); /* and it goes on, to be seen */
	}
	write_line(fd, host, "start");
	text = option(argc, argv, "fail-on");
	if (text != NULL && strcmp(text, host) == 0) {
		write_line(fd, host, "fail");
		return 3;
	}
	text = option(argc, argv, "slow-start");
	pause_ms(text != NULL ? atol(text) : 0);
	(void)sd_notify(0, "READY=1\nSTATUS=beating");
	while (!stopping) {
		write_line(fd, host, "beat");
		pause_ms(20);
	}
	text = option(argc, argv, "slow-stop");
	for (; text != NULL && stopping < 1000 && atol(text) > stopping * 20; stopping++) {
		write_line(fd, host, "stopping");
		pause_ms(20);
	}
	write_line(fd, host, "stop");
	return 0;
}
