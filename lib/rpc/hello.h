/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first frame of each side: who it is, of which cluster, and whether the
 * other is let in. Pure.
 */
#ifndef BLX_RPC_HELLO_H
#define BLX_RPC_HELLO_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Another major version is refused; a higher minor one may say more than we read. */
#define BLX__HELLO_MAJOR     1
#define BLX__HELLO_MINOR     0

#define BLX__HELLO_NAME_SIZE 64

enum blx__hello_role {
	BLX__ROLE_MEMBER = 1,
	BLX__ROLE_CLIENT = 2, /* uses the store */
	BLX__ROLE_JOINER = 3  /* wants to become a member; asks for that and no more */
};

struct blx__hello {
	uint16_t major;
	uint16_t minor;
	uint8_t role;           /* enum blx__hello_role */
	uint8_t cluster_id[16]; /* zero: a client or joiner, which takes any */
	uint64_t id;            /* of a member */
	uint64_t instance;      /* of its data directory */
	uint64_t incarnation;   /* of its run */
	int64_t time_ms;        /* the cluster's, as it knows it */
	char name[BLX__HELLO_NAME_SIZE];
};

/* The answer: a hello of our own, or why not. */
struct blx__welcome {
	int code; /* 0: welcome */
	char text[BLX_ERROR_MESSAGE_SIZE];
	struct blx__hello hello;
};

void blx__hello_put(struct blx__buf *buf, const struct blx__hello *hello);

/* BLX_EPROTO malformed; BLX_EVERSION another major version. */
int blx__hello_get(const void *data, size_t len, struct blx__hello *ret_hello);

void blx__welcome_put(struct blx__buf *buf, const struct blx__welcome *welcome);
int blx__welcome_get(const void *data, size_t len, struct blx__welcome *ret_welcome);

#endif
