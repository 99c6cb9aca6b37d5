/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include "opt.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_SIZE 512

static int address_of(
	const char *name, struct sockaddr_un *ret_address, socklen_t *ret_len)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || name[1] == '\0') {
		return -EAFNOSUPPORT;
	}
	if (len >= sizeof address.sun_path) {
		return -E2BIG;
	}
	memcpy(address.sun_path, name, len);
	if (name[0] == '@') {
		address.sun_path[0] =
			'\0'; /* the kernel's spelling of an abstract name */
	}
	*ret_address = address;
	/* An abstract name is as long as it is told to be; a path ends with its NUL. */
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
			       (name[0] == '/'));
	return 0;
}

static int send_to(
	const struct sockaddr_un *address, socklen_t address_len, const char *message)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;
	int saved;

	if (fd < 0) {
		return -errno;
	}
	do {
		n = sendto(fd, message, strlen(message), MSG_NOSIGNAL,
			(const struct sockaddr *)address, address_len);
	} while (n < 0 && errno == EINTR);
	saved = errno;
	(void)close(fd);
	return n < 0 ? -saved : 1;
}

int notify(const char *format, ...)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	char message[MESSAGE_SIZE];
	socklen_t address_len;
	va_list args;
	int rv;

	if (name == NULL || name[0] == '\0') {
		return 0;
	}
	rv = address_of(name, &address, &address_len);
	if (rv != 0) {
		return rv;
	}
	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	return send_to(&address, address_len, message);
}

uint64_t notify_watchdog_us(void)
{
	const char *period = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t number;

	if (pid != NULL && (!opt_parse_number(pid, 1, INT32_MAX, &number) ||
				   number != (uint64_t)getpid())) {
		return 0; /* meant for another process */
	}
	if (period == NULL || !opt_parse_number(period, 1, UINT64_MAX, &number)) {
		return 0;
	}
	return number;
}
