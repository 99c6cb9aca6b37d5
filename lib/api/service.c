/* SPDX-License-Identifier: Apache-2.0 */
#include <blixard/service.h>

#include "api/change.h"
#include "api/opts.h"
#include "api/service.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "plan/place.h"
#include "plan/scene.h"
#include "store/path.h"

#include <blixard/placement.h>
#include <blixard/txn.h>
#include <blixard/unit.h>
#include <stdio.h>
#include <string.h>

void blx_service_opts_init(blx_service_opts *opts)
{
	if (opts != NULL) {
		*opts = (blx_service_opts)BLX_SERVICE_OPTS_INIT;
	}
}

int blx__service_absent(blx_error *error, const char *name)
{
	return blx__error_set(error, BLX_ENOENT, "Service not found: %.64s", name);
}

/* ---- saying what it is ---------------------------------------------------------- */

struct definition {
	const char *name;
	const blx_service *from;
};

static void take_definition(const struct definition *definition, blx_service *to)
{
	const blx_service *from = definition->from;

	memcpy(to->unit, from->unit, sizeof to->unit);
	if (to->unit[0] == '\0') {
		(void)snprintf(to->unit, sizeof to->unit, "%s.service", definition->name);
	}
	memcpy(to->manager, from->manager, sizeof to->manager);
	memcpy(to->command, from->command, sizeof to->command);
	to->command_count = from->command_count;
	memcpy(to->group, from->group, sizeof to->group);
	memcpy(to->constraints, from->constraints, sizeof to->constraints);
	to->constraints_count = from->constraints_count;
	to->shared = from->shared;
	to->cpu = from->cpu;
	to->memory = from->memory;
	to->priority = from->priority;
	to->stop_timeout = from->stop_timeout;
	to->failures_max = from->failures_max;
}

static bool is_at_rest(const blx_service *service)
{
	return service->owner[0] == '\0' && service->migration[0] == '\0' &&
	       (service->seen_node[0] == '\0' || service->seen == BLX_SERVICE_STOPPED ||
		       service->seen == BLX_SERVICE_FAILED ||
		       service->state == BLX_SERVICE_STOPPED);
}

/* What its node would look for a copy by. */
static bool is_same_unit(const blx_service *a, const blx_service *b)
{
	return strcmp(a->unit, b->unit) == 0 && strcmp(a->manager, b->manager) == 0 &&
	       a->shared == b->shared;
}

static int change_define(void *record, int exists, void *data, blx_error *error)
{
	const struct definition *definition = data;
	blx_service *service = record;
	BLX__CLEANUP_FREE blx_service *before = blx__malloc(sizeof *before);

	if (before == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "define %s: out of memory",
			definition->name);
	}
	*before = *service;
	take_definition(definition, service);
	if (exists && !is_same_unit(before, service) && !is_at_rest(before)) {
		/* The copy that may run would be forgotten, and another one started. */
		return blx__error_set(error, BLX_ECONFLICT,
			"define %s: another unit or manager, or whether it is shared, is for one "
			"that has stopped: stop it first",
			definition->name);
	}
	if (!exists) {
		service->state = BLX_SERVICE_STOPPED;
		service->wanted = BLX_SERVICE_STOPPED;
		service->timestamp = blx__wall_ns();
	}
	return 0;
}

static int check_definition(const char *name, const blx_service *service, blx_error *error)
{
	if (name == NULL || service == NULL || name[0] == '\0' || strchr(name, '/') != NULL ||
		strlen(name) >= BLX_NAME_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"service \"%.80s\": its name must be of 1 to %d bytes without \"/\"",
			name != NULL ? name : "", BLX_NAME_MAX - 1);
	}
	if (service->command_count > 0 && service->command[0][0] != '/') {
		return blx__error_set(error, BLX_EINVAL,
			"service %s: \"%.80s\": the program must be an absolute path", name,
			service->command[0]);
	}
	if (service->unit[0] != '\0' && strchr(service->unit, '.') == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"service %s: \"%.80s\": is no name of a unit, such as web.service", name,
			service->unit);
	}
	return 0;
}

int blx_service_define(blx_client *client, const char *name, const blx_service *service,
	uint32_t timeout_ms, blx_error *error)
{
	struct definition definition = {.name = name, .from = service};
	int rv = check_definition(name, service, error);

	return rv != 0 ? rv
		       : blx__record_change(client, BLX_RECORD_SERVICE, name,
				 blx__until_ns(timeout_ms), change_define, &definition, error);
}

/* The service and its placement at once, or neither. */
static int commit_adopted(blx_client *client, const char *name, const char *node,
	const blx_service *service, uint32_t timeout_ms, blx_error *error)
{
	blx_placement placement = {.epoch = service->epoch, .timestamp = service->timestamp};
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char service_path[BLX__PATH_TEXT_SIZE];
	char placement_path[BLX__PATH_TEXT_SIZE];
	char node_path[BLX__PATH_TEXT_SIZE];
	char *service_text = NULL;
	char *placement_text = NULL;
	blx_txn_result *result;
	blx_txn *txn;
	int rv = blx_txn_create(&txn);

	if (rv != 0) {
		return blx__error_set(error, rv, "adopt %s: out of memory", name);
	}
	(void)snprintf(placement.node, sizeof placement.node, "%s", node);
	(void)snprintf(service_path, sizeof service_path, "/:services/%s", name);
	(void)snprintf(placement_path, sizeof placement_path, "/:placement/%s", name);
	(void)snprintf(node_path, sizeof node_path, "/:nodes/%s", node);
	rv = blx_record_encode(BLX_RECORD_SERVICE, service, &service_text, error);
	if (rv == 0) {
		rv = blx_record_encode(
			BLX_RECORD_PLACEMENT, &placement, &placement_text, error);
	}
	if (rv == 0) {
		(void)blx_txn_if_absent(txn, service_path);
		(void)blx_txn_if_exists(txn, node_path);
		(void)blx_txn_put(txn, service_path, service_text, strlen(service_text));
		(void)blx_txn_put(
			txn, placement_path, placement_text, strlen(placement_text));
		opts.timeout_ms = timeout_ms;
		rv = blx_txn_commit(client, txn, &opts, &result, error);
	}
	if (rv == 0) {
		blx_txn_result_free(result);
	}
	blx_text_free(service_text);
	blx_text_free(placement_text);
	blx_txn_destroy(txn);
	return rv;
}

/* One of the two that it relies on is not so: which. */
static int say_why_not(blx_client *client, const char *name, const char *node,
	uint32_t timeout_ms, blx_error *error)
{
	BLX__CLEANUP_FREE blx_node_info *info = blx__calloc(1, sizeof *info);
	int rv = info == NULL ? BLX_ENOMEM
			      : blx_record_get(client, BLX_RECORD_NODE, node, 1, timeout_ms,
					info, NULL, NULL);

	if (rv == BLX_ENOENT) {
		return blx__error_set(error, rv, "adopt %s: there is no node %s", name, node);
	}
	if (rv == 0) {
		blx_record_clear(BLX_RECORD_NODE, info);
	}
	return blx__error_set(
		error, BLX_EEXIST, "adopt %s: there is a service of that name already", name);
}

int blx_service_adopt(blx_client *client, const char *name, const blx_service *service,
	const char *node, uint32_t timeout_ms, blx_error *error)
{
	struct definition definition = {.name = name, .from = service};
	BLX__CLEANUP_FREE blx_service *record = blx__calloc(1, sizeof *record);
	int rv = check_definition(name, service, error);

	if (rv != 0) {
		return rv;
	}
	if (client == NULL || node == NULL || node[0] == '\0' || strlen(node) >= BLX_NAME_MAX) {
		return blx__error_set(error, BLX_EINVAL, "adopt %s: no client, or no node", name);
	}
	if (record == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "adopt %s: out of memory", name);
	}
	take_definition(&definition, record);
	record->wanted = BLX_SERVICE_RUNNING;
	record->epoch = 1;
	record->stop_agreed =
		record->stop_timeout > 0 ? record->stop_timeout : BLX__STOP_TIMEOUT_MS;
	record->timestamp = blx__wall_ns();
	(void)snprintf(record->node, sizeof record->node, "%s", node);
	(void)snprintf(record->owner, sizeof record->owner, "%s", node);
	(void)snprintf(record->seen_node, sizeof record->seen_node, "%s", node);
	rv = commit_adopted(client, name, node, record, timeout_ms, error);
	return rv == BLX_ECONFLICT ? say_why_not(client, name, node, timeout_ms, error) : rv;
}

/* ---- removing ------------------------------------------------------------------- */

static int remove_at(blx_client *client, const char *name, uint64_t revision,
	uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	blx_txn_result *result;
	blx_txn *txn;
	int rv = blx_txn_create(&txn);

	if (rv != 0) {
		return blx__error_set(error, rv, "remove %s: out of memory", name);
	}
	(void)snprintf(path, sizeof path, "/:services/%s", name);
	(void)blx_txn_if_revision(txn, path, revision);
	(void)blx_txn_delete(txn, path);
	(void)snprintf(path, sizeof path, "/:placement/%s", name);
	(void)blx_txn_delete(txn, path);
	opts.timeout_ms = timeout_ms;
	rv = blx_txn_commit(client, txn, &opts, &result, error);
	if (rv == 0) {
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

int blx_service_remove(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error)
{
	BLX__CLEANUP_FREE blx_service *service = blx__calloc(1, sizeof *service);
	uint64_t until_ns = blx__until_ns(timeout_ms);
	uint64_t revision;
	int rv;

	if (client == NULL || name == NULL || service == NULL) {
		return blx__error_set(error, service == NULL ? BLX_ENOMEM : BLX_EINVAL,
			"remove a service: no client, no name, or no memory");
	}
	rv = blx_record_get(
		client, BLX_RECORD_SERVICE, name, 1, timeout_ms, service, &revision, error);
	if (rv != 0) {
		return rv == BLX_ENOENT ? blx__service_absent(error, name) : rv;
	}
	rv = is_at_rest(service) ? 0 : BLX_ECONFLICT;
	blx_record_clear(BLX_RECORD_SERVICE, service);
	if (rv == 0) {
		return remove_at(client, name, revision, blx__left_ms(until_ns), error);
	}
	return blx__error_set(error, BLX_ECONFLICT,
		"remove %s: it runs, or is not known to have stopped; stop it first", name);
}

/* ---- wanting -------------------------------------------------------------------- */

struct wish {
	const char *name;
	const char *node; /* NULL: any */
	int64_t restart;  /* what it became */
};

static int change_start(void *record, int exists, void *data, blx_error *error)
{
	blx_service *service = record;
	struct wish *wish = data;

	if (!exists) {
		return blx__service_absent(error, wish->name);
	}
	if (wish->node != NULL && service->owner[0] != '\0' &&
		strcmp(service->owner, wish->node) != 0) {
		return blx__error_set(error, BLX_ECONFLICT,
			"start %s on %s: it is on %s; migrate it", wish->name, wish->node,
			service->owner);
	}
	if (service->wanted == BLX_SERVICE_RUNNING && wish->node == NULL) {
		return 1;
	}
	service->wanted = BLX_SERVICE_RUNNING;
	if (wish->node != NULL && service->owner[0] == '\0') {
		(void)snprintf(service->prefer, sizeof service->prefer, "%s", wish->node);
	}
	return 0;
}

static int change_stop(void *record, int exists, void *data, blx_error *error)
{
	blx_service *service = record;
	struct wish *wish = data;

	if (!exists) {
		return blx__service_absent(error, wish->name);
	}
	if (service->wanted == BLX_SERVICE_STOPPED) {
		return 1;
	}
	service->wanted = BLX_SERVICE_STOPPED;
	return 0;
}

static int change_restart(void *record, int exists, void *data, blx_error *error)
{
	blx_service *service = record;
	struct wish *wish = data;

	if (!exists) {
		return blx__service_absent(error, wish->name);
	}
	if (service->wanted != BLX_SERVICE_RUNNING) {
		return blx__error_set(error, BLX_ECONFLICT,
			"restart %s: it is stopped; start it", wish->name);
	}
	wish->restart = ++service->restart;
	return 0;
}

static int want(blx_client *client, const char *name, const blx_service_opts *user_opts,
	blx__change_fn *change, enum blx__service_end end, blx_error *error)
{
	struct blx__service_wait wait = {.name = name, .end = end};
	struct wish wish = {.name = name};
	blx_service_opts opts;
	blx_error why = BLX_ERROR_INIT;
	int rv;

	BLX__OPTS(&opts, user_opts);
	wish.node = opts.node;
	if (opts.node != NULL && strlen(opts.node) >= BLX_NAME_MAX) {
		return blx__error_set(error, BLX_EINVAL, "%.64s: no such node", opts.node);
	}
	wait.until_ns = blx__until_ns(opts.timeout_ms);
	wait.opts = &opts;
	rv = blx__record_change(
		client, BLX_RECORD_SERVICE, name, wait.until_ns, change, &wish, &why);
	if (rv != 0) {
		if (rv != BLX_ENOENT && rv != BLX_EINVAL && rv != BLX_ECONFLICT) {
			(void)blx__error_prefix(&why, "Consensus failed: ");
		}
		blx__error_copy(error, &why);
		return rv;
	}
	wait.restart = wish.restart;
	return opts.wait ? blx__service_wait(client, &wait, error) : 0;
}

int blx_service_start(blx_client *client, const char *name, const blx_service_opts *opts,
	blx_error *error)
{
	return want(client, name, opts, change_start, BLX__SERVICE_RUNS, error);
}

int blx_service_stop(blx_client *client, const char *name, const blx_service_opts *opts,
	blx_error *error)
{
	return want(client, name, opts, change_stop, BLX__SERVICE_RESTS, error);
}

int blx_service_restart(blx_client *client, const char *name, const blx_service_opts *opts,
	blx_error *error)
{
	return want(client, name, opts, change_restart, BLX__SERVICE_RUNS, error);
}

/* ---- questions ------------------------------------------------------------------ */

int blx_service_is_on(blx_client *client, const char *name, const char *node,
	uint32_t timeout_ms, int *ret_is, blx_error *error)
{
	BLX__CLEANUP_FREE blx_service *service = blx__calloc(1, sizeof *service);
	int rv;

	if (client == NULL || name == NULL || node == NULL || ret_is == NULL ||
		service == NULL) {
		return blx__error_set(error, service == NULL ? BLX_ENOMEM : BLX_EINVAL,
			"who has a service: no client, name, node, memory, or nowhere to say");
	}
	rv = blx_record_get(
		client, BLX_RECORD_SERVICE, name, 1, timeout_ms, service, NULL, error);
	if (rv != 0) {
		return rv == BLX_ENOENT ? blx__service_absent(error, name) : rv;
	}
	*ret_is = strcmp(service->node, node) == 0;
	blx_record_clear(BLX_RECORD_SERVICE, service);
	return 0;
}

static void add_line(struct blx__buf *text, const char *line)
{
	blx__buf_append(text, line, strlen(line));
	blx__buf_append(text, "\n", 1);
}

/* What the records have against it. */
static int judge(const blx_place_model *model, const char *name, const blx_service *service,
	const char *node, struct blx__buf *text, blx_error *error)
{
	blx_place_request request = blx__place_request_of(name, service);
	blx_place_verdict verdict = {.size = sizeof verdict};
	char reason[BLX_PLACE_REASON_SIZE];
	blx_place_plan *plan = NULL;
	bool there = false;
	size_t i;
	size_t k;
	int rv;

	rv = blx_place(model, &request, &plan, error);
	for (i = 0; plan != NULL && blx_place_plan_at(plan, i, &verdict) == 0; i++) {
		if (strcmp(verdict.node, node) != 0) {
			continue;
		}
		there = true;
		for (k = 0; k < verdict.reasons; k++) {
			if (blx_place_plan_reason(plan, i, k, reason) == 0) {
				add_line(text, reason);
			}
		}
	}
	blx_place_plan_free(plan);
	if (rv != 0 && rv != BLX_ENOPLACE) {
		return rv;
	}
	return there ? 0 : blx__error_set(error, BLX_ENOENT, "there is no node %s", node);
}

/* It will know in a moment: of the unit, or of the service at all, which we have just read. */
static bool is_to_come(int code)
{
	return code == BLX_EBUSY || code == BLX_ENOENT;
}

/* What its own member says of the unit. */
static int ask_member(blx_client *client, const char *name, const char *node,
	uint64_t until_ns, struct blx__buf *text, blx_error *error)
{
	struct blx__ask ask = {.op = BLX__OP_CAN_RUN};
	struct timespec pause = {.tv_nsec = 50000000};
	struct blx__answer answer;
	struct blx__buf body;
	int rv = BLX_EBUSY;

	blx__buf_init(&body);
	blx__put_text(&body, node);
	blx__put_text(&body, name);
	ask.body = body.data;
	ask.body_len = body.len;
	while (is_to_come(rv)) {
		ask.timeout_ms = blx__left_ms(until_ns);
		rv = blx__client_call(client, &ask, &answer, error);
		if (rv == 0 && (answer.body_len != 3 || memcmp(answer.body, "yes", 3) != 0)) {
			blx__buf_append(text, answer.body, answer.body_len);
			blx__buf_append(text, "\n", 1);
		}
		blx__answer_finish(&answer);
		if (is_to_come(rv) && blx__client_now_ns() >= until_ns) {
			break;
		}
		if (is_to_come(rv)) {
			(void)nanosleep(&pause, NULL);
		}
	}
	blx__buf_finish(&body);
	if (rv == BLX_ENOTMEMBER || rv == BLX_ENOSYS) {
		add_line(text, "no member that runs services");
		rv = 0;
	}
	return rv;
}

int blx_service_can_run(blx_client *client, const char *name, const char *node,
	uint32_t timeout_ms, char **ret_text, blx_error *error)
{
	BLX__CLEANUP_FREE blx_service *service = blx__calloc(1, sizeof *service);
	uint64_t until_ns = blx__until_ns(timeout_ms);
	blx_place_model *model = NULL;
	struct blx__buf text;
	int rv;

	if (client == NULL || name == NULL || node == NULL || ret_text == NULL ||
		service == NULL) {
		return blx__error_set(error, service == NULL ? BLX_ENOMEM : BLX_EINVAL,
			"can a service run: no client, name, node, memory, or nowhere to say");
	}
	*ret_text = NULL;
	blx__buf_init(&text);
	rv = blx_record_get(
		client, BLX_RECORD_SERVICE, name, 1, timeout_ms, service, NULL, error);
	if (rv == BLX_ENOENT) {
		return blx__service_absent(error, name);
	}
	if (rv == 0) {
		rv = blx_place_model_read(client, 1, blx__left_ms(until_ns), &model, error);
	}
	if (rv == 0) {
		rv = judge(model, name, service, node, &text, error);
	}
	if (rv == 0) {
		rv = ask_member(client, name, node, until_ns, &text, error);
	}
	if (rv == 0 && text.len > 0) {
		*ret_text = blx__strndup((const char *)text.data, text.len);
		rv = blx__error_set(error, BLX_ENOPLACE,
			"Target node cannot accept service: %s on %s", name, node);
	}
	blx_place_model_destroy(model);
	blx_record_clear(BLX_RECORD_SERVICE, service);
	blx__buf_finish(&text);
	return rv;
}
