/* SPDX-License-Identifier: Apache-2.0 */
/* The records of the system's own namespace, for people. */
#ifndef BLX_CLI_RECORDS_H
#define BLX_CLI_RECORDS_H

struct ctx;

/* All of a kind, and one by the first argument. */
int record_ls(struct ctx *ctx, int kind);
int record_show(struct ctx *ctx, int kind);

#endif
