/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a new cluster, as --member and further arguments name them. */
#ifndef BLX_CLI_MEMBERS_H
#define BLX_CLI_MEMBERS_H

#include <blixard/blixard.h>

struct ctx;

struct members {
	blx_member *members; /* owned, with the text of each */
	size_t count;
};

/* 0, or the exit code after the error was printed. */
int members_read(const struct ctx *ctx, struct members *ret_members);
void members_finish(struct members *members);

#endif
