/* SPDX-License-Identifier: Apache-2.0 */
/* What a member tells of itself, and what is printed of it. */
#ifndef BLX_CLI_STATUS_H
#define BLX_CLI_STATUS_H

#include <jansson.h>

struct ctx;

/* Asks the member; its answer is to be released. 0, or the exit code. */
int status_get(const struct ctx *ctx, json_t **ret_status);
/* JSON text of the library; to be released. 0, or the exit code. */
int status_parse(const struct ctx *ctx, const char *text, json_t **ret_json);

/* A text field; "" when it is null or absent. Borrowed from the status. */
const char *status_text(const json_t *status, const char *key);

/* The fields that are no objects or arrays, one a line. */
int status_print_fields(const struct ctx *ctx, const json_t *status);
int status_print_members(const struct ctx *ctx, const json_t *status);

#endif
