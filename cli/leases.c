/* SPDX-License-Identifier: Apache-2.0 */
/* lease grant, keep, revoke, ls. */
#include "leases.h"

#include "ctx.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY "/:leases"
#define ID_DIGITS 16

bool lease_parse_id(const char *text, uint64_t *ret_id)
{
	char *end;

	if (strlen(text) != ID_DIGITS ||
		strspn(text, "0123456789abcdefABCDEF") != ID_DIGITS) {
		return false;
	}
	*ret_id = strtoull(text, &end, 16);
	return *ret_id != 0;
}

int lease_options(const struct ctx *ctx, struct lease_options *ret_options)
{
	const char *ttl = opt_text(&ctx->args, "ttl");
	const char *holder = opt_text(&ctx->args, "holder");
	char host[HOST_NAME_MAX + 1] = "";

	*ret_options = (struct lease_options){0};
	if (ttl != NULL && (!opt_parse_duration(ttl, &ret_options->ttl_ms) ||
				   ret_options->ttl_ms < BLX_LEASE_TTL_MIN_MS)) {
		return fail_usage(ctx, "--ttl \"%.40s\": must be from 100ms to 24h", ttl);
	}
	if (holder == NULL) {
		(void)gethostname(host, sizeof host - 1);
		(void)snprintf(ret_options->holder, sizeof ret_options->holder, "%.64s:%ld", host,
			(long)getpid());
	} else if ((size_t)snprintf(ret_options->holder, sizeof ret_options->holder, "%s",
			   holder) >= sizeof ret_options->holder) {
		return fail_usage(ctx, "--holder: at most %d bytes", BLX_LEASE_HOLDER_LEN_MAX);
	}
	return 0;
}

/* ---- one of them ---------------------------------------------------------------- */

static int print_id(const struct ctx *ctx, uint64_t id)
{
	char text[ID_DIGITS + 1];

	(void)snprintf(text, sizeof text, "%016" PRIx64, id);
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:s}", "lease", text));
	}
	printf("%s\n", text);
	return EXIT_OK;
}

int lease_grant(struct ctx *ctx)
{
	struct lease_options options;
	blx_error error = BLX_ERROR_INIT;
	uint64_t id;
	int rv = lease_options(ctx, &options);

	if (rv == 0) {
		rv = ctx_connect(ctx);
	}
	if (rv != 0) {
		return rv;
	}
	if (blx_lease_grant(ctx->client, options.ttl_ms, options.holder, ctx_left_ms(ctx),
		    &id, &error) != 0) {
		return fail(ctx, &error);
	}
	return print_id(ctx, id);
}

static int with_id(struct ctx *ctx,
	int (*call)(blx_client *client, uint64_t id, uint32_t timeout_ms, blx_error *error))
{
	blx_error error = BLX_ERROR_INIT;
	uint64_t id;
	int rv;

	if (!lease_parse_id(ctx->args.words[0], &id)) {
		return fail_usage(ctx, "\"%.40s\": the id of a lease has 16 hexadecimal digits",
			ctx->args.words[0]);
	}
	rv = ctx_connect(ctx);
	if (rv != 0) {
		return rv;
	}
	if (call(ctx->client, id, ctx_left_ms(ctx), &error) != 0) {
		return fail(ctx, &error);
	}
	return EXIT_OK;
}

int lease_keep(struct ctx *ctx)
{
	return with_id(ctx, blx_lease_keep);
}

int lease_revoke(struct ctx *ctx)
{
	return with_id(ctx, blx_lease_revoke);
}

/* ---- all of them ---------------------------------------------------------------- */

static json_t *record_of(const blx_list_entry *entry)
{
	json_t *root = json_loadb(entry->value, entry->value_len, 0, NULL);

	return json_is_object(root) ? root : json_object();
}

static json_t *leases_json(const blx_list *list)
{
	json_t *root = json_array();
	size_t i;

	for (i = 0; root != NULL && i < blx_list_count(list); i++) {
		blx_list_entry entry = {.size = sizeof entry};
		json_t *one;

		(void)blx_list_at(list, i, &entry);
		one = record_of(&entry);
		if (one == NULL ||
			json_object_set_new(one, "lease", out_json_text(entry.name)) != 0 ||
			json_array_append_new(root, one) != 0) {
			json_decref(root);
			return NULL;
		}
	}
	return root;
}

static void row(struct out_table *table, const blx_list_entry *entry)
{
	json_t *record = record_of(entry);
	const char *holder = json_string_value(json_object_get(record, "holder"));
	uint64_t ttl_ms =
		(uint64_t)json_integer_value(json_object_get(record, "ttl_ms"));

	out_table_add(table, entry->name);
	out_table_add_number(table, ttl_ms);
	out_table_add_number(table, entry->revision);
	out_table_add_bytes(
		table, holder != NULL ? holder : "", holder != NULL ? strlen(holder) : 0);
	json_decref(record);
}

static int print_leases(const struct ctx *ctx, const blx_list *list)
{
	struct out_table table;
	size_t i;

	if (ctx->json) {
		return out_json(ctx, leases_json(list));
	}
	out_table_init(&table, 4);
	out_table_add(&table, "LEASE");
	out_table_add(&table, "TTL-MS");
	out_table_add(&table, "REVISION");
	out_table_add(&table, "HOLDER");
	for (i = 0; i < blx_list_count(list); i++) {
		blx_list_entry entry = {.size = sizeof entry};

		(void)blx_list_at(list, i, &entry);
		row(&table, &entry);
	}
	return out_table_finish(ctx, &table);
}

int lease_ls(struct ctx *ctx)
{
	blx_list *list = NULL;
	int rv = ctx_list(ctx, DIRECTORY, &list);

	if (rv == 0) {
		rv = print_leases(ctx, list);
		blx_list_free(list);
	}
	return rv;
}
