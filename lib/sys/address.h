/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as texts: "unix:PATH", or "HOST:PORT" with an IPv6 literal in brackets. */
#ifndef BLX_SYS_ADDRESS_H
#define BLX_SYS_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define BLX__ADDRESS_TEXT_SIZE 320

struct blx__address {
	struct sockaddr_storage storage;
	socklen_t len; /* 0: the host is a name that is to be looked up */
	bool is_unix;
	char host[256]; /* of such a name */
	char port[8];
};

/* BLX_EINVAL. */
int blx__address_parse(
	const char *text, struct blx__address *ret_address, blx_error *error);

/* A socket's own address. */
void blx__address_of_socket(int fd, char ret_text[BLX__ADDRESS_TEXT_SIZE]);

#endif
