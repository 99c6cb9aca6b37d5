/* SPDX-License-Identifier: Apache-2.0 */
/* The records of the system's own namespace, for people. */
#ifndef BLX_CLI_RECORDS_H
#define BLX_CLI_RECORDS_H

#include <blixard/service.h>
#include <jansson.h>
#include <stddef.h>

struct ctx;

/* A value as JSON; a placement may be a name and nothing else. NULL: there is none, or it is no
 * JSON. */
json_t *record_json(int kind, const void *value, size_t len);

/* For a call that may wait: the time that is left, --wait, and who says how far it is. */
blx_service_opts svc_opts_of(struct ctx *ctx);

/* All of a kind, and one by the first argument. */
int record_ls(struct ctx *ctx, int kind);
int record_show(struct ctx *ctx, int kind);

#endif
