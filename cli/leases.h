/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs that deal with leases share. */
#ifndef BLX_CLI_LEASES_H
#define BLX_CLI_LEASES_H

#include <blixard/lease.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct ctx;

struct lease_options {
	uint32_t ttl_ms; /* 0: not given */
	char holder[BLX_LEASE_HOLDER_LEN_MAX + 1];
};

/* Of --ttl and --holder. 0, or the exit code. */
int lease_options(const struct ctx *ctx, struct lease_options *ret_options);

/* 16 hexadecimal digits, not all 0. */
bool lease_parse_id(const char *text, uint64_t *ret_id);

#endif
