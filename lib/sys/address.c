/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_unix(const char *path, struct blx__address *address, blx_error *error)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->storage;
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof un->sun_path) {
		return blx__error_set(error, BLX_EINVAL,
			"unix:%s: the path of a socket must be 1 to %zu bytes long", path,
			sizeof un->sun_path - 1);
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	address->is_unix = true;
	return 0;
}

static bool parse_port(const char *text, unsigned *ret_port)
{
	char *end;
	unsigned long port;

	if (!isdigit((unsigned char)text[0])) {
		return false;
	}
	port = strtoul(text, &end, 10);
	if (*end != '\0' || port > 65535) {
		return false;
	}
	*ret_port = (unsigned)port;
	return true;
}

static void set_literal(struct blx__address *address, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address->storage;

	if (inet_pton(AF_INET, address->host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		address->len = sizeof *in;
	} else if (inet_pton(AF_INET6, address->host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		address->len = sizeof *in6;
	}
}

/* In brackets is an IPv6 literal, and one without them is not told from its port. */
static bool strip_brackets(const char **host, size_t *len)
{
	bool has_colon;

	if (*len >= 2 && (*host)[0] == '[' && (*host)[*len - 1] == ']') {
		(*host)++;
		*len -= 2;
		return memchr(*host, ':', *len) != NULL;
	}
	has_colon = *len > 0 && memchr(*host, ':', *len) != NULL;
	return !has_colon && (*len == 0 || memchr(*host, '[', *len) == NULL);
}

int blx__address_parse(
	const char *text, struct blx__address *ret_address, blx_error *error)
{
	struct blx__address address;
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t host_len;
	unsigned port;
	int rv = 0;

	memset(&address, 0, sizeof address);
	if (strncmp(text, "unix:", 5) == 0) {
		rv = parse_unix(text + 5, &address, error);
		if (rv == 0) {
			*ret_address = address;
		}
		return rv;
	}
	host_len = colon != NULL ? (size_t)(colon - text) : 0;
	if (!strip_brackets(&host, &host_len) || host_len == 0 ||
		host_len >= sizeof address.host || !parse_port(colon + 1, &port)) {
		return blx__error_set(error, BLX_EINVAL,
			"%.150s: an address is HOST:PORT, [IPV6]:PORT or unix:PATH",
			text);
	}
	memcpy(address.host, host, host_len);
	(void)snprintf(address.port, sizeof address.port, "%u", port);
	set_literal(&address, port);
	*ret_address = address;
	return 0;
}

void blx__address_of_socket(int fd, char ret_text[BLX__ADDRESS_TEXT_SIZE])
{
	struct sockaddr_storage storage;
	socklen_t len = sizeof storage;
	char host[INET6_ADDRSTRLEN] = "?";

	memset(&storage, 0, sizeof storage);
	if (getsockname(fd, (struct sockaddr *)&storage, &len) != 0) {
		ret_text[0] = '\0';
	} else if (storage.ss_family == AF_UNIX) {
		(void)snprintf(ret_text, BLX__ADDRESS_TEXT_SIZE, "unix:%s",
			((struct sockaddr_un *)&storage)->sun_path);
	} else if (storage.ss_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)&storage;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		(void)snprintf(ret_text, BLX__ADDRESS_TEXT_SIZE, "%s:%u", host,
			(unsigned)ntohs(in->sin_port));
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		(void)snprintf(ret_text, BLX__ADDRESS_TEXT_SIZE, "[%s]:%u", host,
			(unsigned)ntohs(in6->sin6_port));
	}
}
