/* SPDX-License-Identifier: Apache-2.0 */
/* events: what changes in the records of nodes, services and so on, field by field. */
#include "ctx.h"
#include "out.h"
#include "records.h"
#include "watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The system's own namespace: a directory for each kind of record. */
#define PATTERN "/:*/*"

static const char *const kinds[BLX_RECORD_KINDS] = {
	[BLX_RECORD_SERVICE] = "service",
	[BLX_RECORD_NODE] = "node",
	[BLX_RECORD_PLACEMENT] = "placement",
	[BLX_RECORD_RESERVATION] = "reservation",
	[BLX_RECORD_VM] = "vm",
	[BLX_RECORD_MIGRATION] = "migration",
	[BLX_RECORD_MIGRATED] = "migrated",
};

/* These are changed along with others, and say nothing of their own. */
static bool is_aside(const char *field)
{
	return strcmp(field, "timestamp") == 0 || strcmp(field, "last_heartbeat") == 0;
}

/* ---- what differs --------------------------------------------------------------- */

/* {"FIELD": {"from": ..., "to": ...}, ...}; null where a field is not there. */
static json_t *diff(const json_t *before, const json_t *after)
{
	json_t *changes = json_object();
	const char *field;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)after, field, value) {
		json_t *was = json_object_get(before, field);

		if (!is_aside(field) && !json_equal(was, value)) {
			(void)json_object_set_new(changes, field,
				json_pack("{s:O?, s:O}", "from", was, "to", value));
		}
	}
	json_object_foreach ((json_t *)(uintptr_t)before, field, value) {
		if (!is_aside(field) && json_object_get(after, field) == NULL) {
			(void)json_object_set_new(changes, field,
				json_pack("{s:O, s:n}", "from", value, "to"));
		}
	}
	return changes;
}

static void print_value(const json_t *value)
{
	char *text = json_is_string(value) ? NULL
					   : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	const char *shown = text != NULL ? text : json_string_value(value);

	if (shown == NULL || json_is_null(value)) {
		shown = "none";
	}
	out_printable(stdout, shown, strlen(shown));
	free(text);
}

static void print_changes(const json_t *changes, bool is_new)
{
	const char *separator = ":";
	const char *field;
	json_t *change;

	json_object_foreach ((json_t *)(uintptr_t)changes, field, change) {
		printf("%s ", separator);
		out_printable(stdout, field, strlen(field));
		printf(" ");
		if (!is_new) {
			print_value(json_object_get(change, "from"));
			printf(" -> ");
		}
		print_value(json_object_get(change, "to"));
		separator = ",";
	}
}

/* ---- one event ------------------------------------------------------------------ */

static const char *what_of(const blx_event *event)
{
	if (event->kind == BLX_EVENT_DELETE) {
		return "removed";
	}
	return event->prev_value == NULL ? "added" : "changed";
}

static int print_json(const struct ctx *ctx, const blx_event *event, int kind,
	const char *name, json_t *changes)
{
	json_t *root = json_pack("{s:I, s:s, s:o, s:s, s:O}", "revision",
		(json_int_t)event->revision, "record", kinds[kind], "name",
		out_json_text(name), "event", what_of(event), "changes", changes);

	if (root != NULL && event->cause != NULL) {
		(void)json_object_set_new(root, "cause", out_json_text(event->cause));
	}
	return out_json(ctx, root);
}

static void print_line(
	const blx_event *event, int kind, const char *name, const json_t *changes)
{
	printf("%" PRIu64 " %s ", event->revision, kinds[kind]);
	out_printable(stdout, name, strlen(name));
	printf(" %s", what_of(event));
	if (event->kind == BLX_EVENT_PUT) {
		print_changes(changes, event->prev_value == NULL);
	}
	if (event->cause != NULL) {
		printf(" because of ");
		out_printable(stdout, event->cause, strlen(event->cause));
	}
	printf("\n");
}

/* *ret_shown: it is of a record, and something of it differs. */
static int show(const struct ctx *ctx, const blx_event *event, bool *ret_shown)
{
	const char *name = NULL;
	int kind = event->path != NULL ? blx_record_kind_of(event->path, &name) : -1;
	json_t *before;
	json_t *after;
	json_t *changes;
	int rv = EXIT_OK;

	*ret_shown = false;
	if (kind < 0) {
		return EXIT_OK;
	}
	before = record_json(kind, event->prev_value, event->prev_value_len);
	after = record_json(kind, event->value, event->value_len);
	changes = diff(before, after);
	*ret_shown = json_object_size(changes) > 0 || before == NULL || after == NULL;
	if (*ret_shown && ctx->json) {
		rv = print_json(ctx, event, kind, name, changes);
	} else if (*ret_shown) {
		print_line(event, kind, name, changes);
	}
	json_decref(before);
	json_decref(after);
	json_decref(changes);
	return rv;
}

/* ---- all of them ---------------------------------------------------------------- */

/* What is no longer kept is a fault here: there is no line for it. */
static int next(const struct ctx *ctx, blx_watch *watch, blx_event *event)
{
	int rv = watch_next(ctx, watch, event);

	if (rv == EXIT_OK && event->kind == BLX_EVENT_COMPACTED) {
		return fail_with(ctx, BLX_ECOMPACTED,
			"what changed up to revision %" PRIu64 " is no longer kept; look with "
			"node ls and so on, and go on with --from %" PRIu64,
			event->revision, event->revision + 1);
	}
	return rv;
}

static int show_all(const struct ctx *ctx, blx_watch *watch, uint64_t count)
{
	blx_event event = BLX_EVENT_INIT;
	uint64_t seen = 0;
	bool shown = false;
	int rv = EXIT_OK;

	while (rv == EXIT_OK && (count == 0 || seen < count)) {
		rv = next(ctx, watch, &event);
		if (rv == EXIT_OK) {
			rv = show(ctx, &event, &shown);
			seen += shown;
		}
	}
	return rv;
}

int events(struct ctx *ctx)
{
	blx_watch_opts opts = BLX_WATCH_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	char fault[OPT_FAULT_SIZE];
	uint64_t count = 0;
	blx_watch *watch;
	int rv;

	if (opt_number(&ctx->args, "from", 1, UINT64_MAX, &opts.from_revision, fault) != 0 ||
		opt_number(&ctx->args, "count", 1, UINT64_MAX, &count, fault) != 0) {
		return fail_usage(ctx, "%s", fault);
	}
	rv = ctx_connect(ctx);
	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = ctx_left_ms(ctx);
	opts.flags = BLX_WATCH_PREV_VALUE;
	if (blx_watch_open(ctx->client, PATTERN, &opts, &watch, &error) != 0) {
		return fail(ctx, &error);
	}
	rv = show_all(ctx, watch, count);
	blx_watch_close(watch);
	return rv;
}
