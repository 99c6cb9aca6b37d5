/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/address.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static struct blx__address parsed(const char *text)
{
	blx_error error = BLX_ERROR_INIT;
	struct blx__address address;

	cr_assert_eq(blx__address_parse(text, &address, &error), 0, "%s", error.message);
	return address;
}

Test(address, ipv4_and_ipv6_literals_need_no_looking_up)
{
	struct blx__address v4 = parsed("127.0.0.1:9001");
	struct blx__address v6 = parsed("[::1]:65535");
	struct sockaddr_in *in = (struct sockaddr_in *)&v4.storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&v6.storage;

	cr_assert_eq(v4.len, sizeof *in);
	cr_assert_eq(in->sin_family, AF_INET);
	cr_assert_eq(ntohs(in->sin_port), 9001);
	cr_assert_eq(ntohl(in->sin_addr.s_addr), INADDR_LOOPBACK);
	cr_assert_not(v4.is_unix);
	cr_assert_eq(v6.len, sizeof *in6);
	cr_assert_eq(in6->sin6_family, AF_INET6);
	cr_assert_eq(ntohs(in6->sin6_port), 65535);
	cr_assert_arr_eq(&in6->sin6_addr, &in6addr_loopback, sizeof in6addr_loopback);
}

Test(address, a_name_is_kept_to_be_looked_up)
{
	struct blx__address address = parsed("db-1.example.org:007");

	cr_assert_eq(address.len, 0);
	cr_assert_str_eq(address.host, "db-1.example.org");
	cr_assert_str_eq(address.port, "7");
	cr_assert_str_eq(parsed("[fe80::1%eth0]:1").host, "fe80::1%eth0");
}

Test(address, a_unix_path_may_have_anything_in_it)
{
	struct blx__address address = parsed("unix:/run/a:b [c]");

	cr_assert(address.is_unix);
	cr_assert_str_eq(
		((struct sockaddr_un *)&address.storage)->sun_path, "/run/a:b [c]");
}

Test(address, a_unix_path_has_room_for_its_nul)
{
	struct blx__address address;
	blx_error error = BLX_ERROR_INIT;
	char text[5 + 109] = "unix:";

	memset(text + 5, 'x', 107);
	cr_assert_eq(blx__address_parse(text, &address, &error), 0);
	cr_assert_eq(strlen(((struct sockaddr_un *)&address.storage)->sun_path), 107);
	text[5 + 107] = 'x';
	cr_assert_eq(blx__address_parse(text, &address, &error), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "1 to 107 bytes"), "%s", error.message);
}

Test(address, malformed_ones_are_named_and_nothing_is_written)
{
	static const char *const wrong[] = {"", ":", "a", "a:", ":1", "a:b", "a:65536",
		"a:-1", "a: 1", "a:1 ", "a:99999999999999999999", "unix:", "::1:80",
		"::1", "[::1]", "[]:1", "[a]:1", "[127.0.0.1]:1", "[::1:1", "::1]:1",
		"a[::1]:1"};
	struct blx__address address;
	struct blx__address before;
	size_t i;

	memset(&address, 0x5a, sizeof address);
	before = address;
	for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		blx_error error = BLX_ERROR_INIT;

		cr_assert_eq(blx__address_parse(wrong[i], &address, &error), BLX_EINVAL,
			"\"%s\"", wrong[i]);
		cr_assert_eq(strncmp(error.message, wrong[i], strlen(wrong[i])), 0);
		cr_assert_arr_eq(&address, &before, sizeof address);
	}
}

Test(address, a_host_that_is_too_long_is_refused)
{
	struct blx__address address;
	char text[300];

	memset(text, 'h', sizeof text);
	memcpy(text + 255, ":1", 3);
	cr_assert_eq(blx__address_parse(text, &address, NULL), 0);
	memset(text, 'h', sizeof text);
	memcpy(text + 256, ":1", 3);
	cr_assert_eq(blx__address_parse(text, &address, NULL), BLX_EINVAL);
}

/* Bound to the address, told, and parsed again. */
static void comes_back(const char *text, const char *prefix)
{
	struct blx__address address = parsed(text);
	char told[BLX__ADDRESS_TEXT_SIZE];
	int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address.storage, address.len) != 0) {
		(void)close(fd);
		cr_skip_test("%s is not to be had here", text);
	}
	blx__address_of_socket(fd, told);
	cr_assert_eq(strncmp(told, prefix, strlen(prefix)), 0, "%s", told);
	cr_assert_eq(parsed(told).len, address.len);
	(void)close(fd);
}

Test(address, of_a_socket_can_be_parsed_again)
{
	char told[BLX__ADDRESS_TEXT_SIZE];

	comes_back("127.0.0.1:0", "127.0.0.1:");
	blx__address_of_socket(-1, told);
	cr_assert_str_eq(told, "");
}

Test(address, of_an_ipv6_socket_can_be_parsed_again)
{
	comes_back("[::1]:0", "[::1]:");
}
