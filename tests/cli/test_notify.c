/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include "support/test.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void clean(void)
{
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

/* What systemd is to the member: a datagram socket, named in the environment. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	cr_assert(fd >= 0);
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	cr_assert_eq(
		bind(fd, (struct sockaddr *)&address, len), 0, "%s", strerror(errno));
	cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect(int fd, const char *want)
{
	char got[1024];
	ssize_t n = recv(fd, got, sizeof got - 1, 0);

	cr_assert_eq(n, (ssize_t)strlen(want));
	got[n] = '\0';
	cr_assert_str_eq(got, want);
}

Test(notify, nobody_asked_for_it_is_no_fault, .init = clean, .fini = clean)
{
	cr_assert_eq(notify("READY=1"), 0);
	cr_assert_eq(setenv("NOTIFY_SOCKET", "", 1), 0);
	cr_assert_eq(notify("READY=1"), 0);
}

Test(notify, a_message_arrives_at_a_path_as_one_datagram, .init = clean, .fini = clean)
{
	char dir[] = "/tmp/blx-notify-XXXXXX";
	char name[64];
	int fd;

	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(name, sizeof name, "%s/s", dir);
	fd = listen_at(name);

	cr_assert_eq(notify("STOPPING=1\nSTATUS=term %d", 7), 1);
	expect(fd, "STOPPING=1\nSTATUS=term 7");

	(void)close(fd);
	cr_assert_eq(notify("READY=1"), -ECONNREFUSED);
	(void)unlink(name);
	cr_assert_eq(notify("READY=1"), -ENOENT);
	(void)rmdir(dir);
}

Test(notify, a_message_arrives_at_an_abstract_name, .init = clean, .fini = clean)
{
	char name[64];
	int fd;

	(void)snprintf(name, sizeof name, "@blx-notify-%ld", (long)getpid());
	fd = listen_at(name);

	cr_assert_eq(notify("READY=1"), 1);
	expect(fd, "READY=1");
	(void)close(fd);
}

Test(notify, an_address_that_is_no_unix_socket_is_refused, .init = clean, .fini = clean)
{
	char longest[200];

	memset(longest, 'x', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';

	cr_assert_eq(setenv("NOTIFY_SOCKET", "vsock:2:1234", 1), 0);
	cr_assert_eq(notify("READY=1"), -EAFNOSUPPORT);
	cr_assert_eq(setenv("NOTIFY_SOCKET", "@", 1), 0);
	cr_assert_eq(notify("READY=1"), -EAFNOSUPPORT);
	cr_assert_eq(setenv("NOTIFY_SOCKET", longest, 1), 0);
	cr_assert_eq(notify("READY=1"), -E2BIG);
}

Test(notify, the_watchdog_is_meant_for_one_process, .init = clean, .fini = clean)
{
	char pid[24];

	cr_assert_eq(notify_watchdog_us(), 0);
	cr_assert_eq(setenv("WATCHDOG_USEC", "30000000", 1), 0);
	cr_assert_eq(notify_watchdog_us(), 30000000);

	(void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
	cr_assert_eq(setenv("WATCHDOG_PID", pid, 1), 0);
	cr_assert_eq(notify_watchdog_us(), 30000000);
	cr_assert_eq(setenv("WATCHDOG_PID", "1", 1), 0);
	cr_assert_eq(notify_watchdog_us(), 0);

	cr_assert_eq(unsetenv("WATCHDOG_PID"), 0);
	cr_assert_eq(setenv("WATCHDOG_USEC", "soon", 1), 0);
	cr_assert_eq(notify_watchdog_us(), 0);
}
