/* SPDX-License-Identifier: Apache-2.0 */
/* What placement has to do with the store: reading a model, and reservations. The choice
 * itself is plan/place.c. */
#include <blixard/placement.h>

#include "api/change.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "plan/model.h"
#include "plan/reserve.h"
#include "store/path.h"

#include <blixard/sql.h>
#include <blixard/txn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* So often a reservation is tried with what is there now. */
#define TRIES_MAX 64

/* Of one revision; what nodes need comes first. */
static const char records_sql[] =
	"SELECT path, value, mod_revision FROM kv WHERE path GLOB '/:nodes/*' UNION ALL "
	"SELECT path, value, mod_revision FROM kv WHERE path GLOB '/:capacity/*' UNION ALL "
	"SELECT path, value, mod_revision FROM kv WHERE path GLOB '/:reservations/*' UNION ALL "
	"SELECT path, value, mod_revision FROM kv WHERE path GLOB '/:services/*' UNION ALL "
	"SELECT path, value, mod_revision FROM kv WHERE path GLOB '/:vms/*'";

/* ---- the model ------------------------------------------------------------------ */

static int take_row(blx_place_model *model, const blx_sql *sql)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t key_len;
	size_t path_len;
	size_t value_len;
	const char *path = blx_sql_bytes(sql, 0, &path_len);
	const void *value = blx_sql_bytes(sql, 1, &value_len);
	bool dir;

	if (path == NULL || value == NULL ||
		blx__path_parse(path, path_len, key, &key_len, &dir, NULL) != 0) {
		return 0;
	}
	return blx__model_take(
		model, key, key_len, value, value_len, (uint64_t)blx_sql_integer(sql, 2));
}

static int take_rows(blx_sql *sql, blx_place_model **ret_model, blx_error *error)
{
	blx_place_model *model;
	int rv = blx_place_model_create(&model);

	while (rv == 0 && blx_sql_next(sql) == 1) {
		rv = take_row(model, sql);
	}
	if (rv != 0) {
		blx_place_model_destroy(model);
		return blx__error_set(error, rv, "place: %s", blx_strerror(rv));
	}
	model->revision = blx_sql_revision(sql);
	*ret_model = model;
	return 0;
}

int blx_place_model_read(blx_client *client, int consistent, uint32_t timeout_ms,
	blx_place_model **ret_model, blx_error *error)
{
	blx_sql_opts opts = BLX_SQL_OPTS_INIT;
	blx_sql *sql;
	int rv;

	if (client == NULL || ret_model == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "place: no client, or nowhere to put the model");
	}
	opts.flags = consistent ? (uint32_t)BLX_SQL_CONSISTENT : 0u;
	opts.timeout_ms = timeout_ms;
	rv = blx_sql_query(client, records_sql, &opts, &sql, error);
	if (rv != 0) {
		return rv;
	}
	rv = take_rows(sql, ret_model, error);
	blx_sql_free(sql);
	return rv;
}

/* ---- reserving ------------------------------------------------------------------ */

static int commit(blx_client *client, struct blx__txn *txn, uint32_t timeout_ms,
	blx_error *error)
{
	struct blx__ask ask = {.op = BLX__OP_WRITE, .timeout_ms = timeout_ms};
	struct blx__answer answer;
	struct blx__buf body;
	int rv;

	blx__buf_init(&body);
	blx__txn_encode(txn, &body);
	if (!blx__buf_ok(&body)) {
		blx__buf_finish(&body);
		return blx__error_set_write(
			error, BLX_ENOMEM, BLX_NOT_APPLIED, "reserve: out of memory");
	}
	ask.body = body.data;
	ask.body_len = body.len;
	rv = blx__client_write(client, &ask, &answer, error);
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

/* BLX_ECONFLICT: try again with what is there now. */
static int reserve_once(blx_client *client, const blx_place_request *request,
	uint64_t lease_id, uint32_t timeout_ms, char ret_node[BLX_NAME_MAX], blx_error *error)
{
	blx_place_model *model;
	blx_place_plan *plan;
	struct blx__txn txn;
	int rv = blx_place_model_read(client, 1, timeout_ms, &model, error);

	if (rv != 0) {
		return rv;
	}
	rv = blx_place(model, request, &plan, error);
	if (rv == 0) {
		(void)snprintf(ret_node, BLX_NAME_MAX, "%s", blx_place_plan_node(plan));
		rv = blx__reserve_txn(
			model, ret_node, request, lease_id, blx__wall_ns(), &txn, error);
		if (rv == 0) {
			rv = commit(client, &txn, timeout_ms, error);
		}
		blx__txn_finish(&txn);
	}
	blx_place_plan_free(plan);
	blx_place_model_destroy(model);
	return rv;
}

/* A guard did not hold: is it one that will not hold the next time either? */
static int told_conflict(
	blx_client *client, const char *name, uint64_t lease_id, uint32_t timeout_ms,
	blx_error *error)
{
	blx_reservation there;
	char lease[40];
	blx_value *value;
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	int rv = blx_record_get(client, BLX_RECORD_RESERVATION, name, 1, timeout_ms, &there, NULL,
		NULL);

	if (rv == 0) {
		(void)blx__error_set_write(error, BLX_ERESERVED, BLX_NOT_APPLIED,
			"Resource reservation failed: %s has one, on %s, \"%s\"", name, there.node,
			blx_record_text(BLX_RECORD_RESERVATION, "state", there.state));
		blx_record_clear(BLX_RECORD_RESERVATION, &there);
		return BLX_ERESERVED;
	}
	opts.timeout_ms = timeout_ms;
	(void)snprintf(lease, sizeof lease, "/:leases/%016" PRIx64, lease_id);
	rv = blx_get_consistent(client, lease, &opts, &value, NULL, NULL);
	if (rv == BLX_ENOENT) {
		return blx__error_set_write(error, rv, BLX_NOT_APPLIED,
			"reserve %s: lease %016" PRIx64 " has ended", name, lease_id);
	}
	if (rv == 0) {
		blx_value_unref(value);
	}
	return BLX_ECONFLICT;
}

int blx_reserve(blx_client *client, const blx_place_request *request, uint64_t lease_id,
	uint32_t timeout_ms, char ret_node[BLX_NAME_MAX], blx_error *error)
{
	uint64_t until_ns = blx__until_ns(timeout_ms);
	int rv = BLX_ECONFLICT;
	int tries;

	if (client == NULL || request == NULL || ret_node == NULL || request->name == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"reserve: no client, no request with a name, or nowhere to put the node");
	}
	for (tries = 0; rv == BLX_ECONFLICT && tries < TRIES_MAX; tries++) {
		rv = reserve_once(
			client, request, lease_id, blx__left_ms(until_ns), ret_node, error);
		if (rv == BLX_ECONFLICT) {
			rv = told_conflict(
				client, request->name, lease_id, blx__left_ms(until_ns), error);
		}
		if (rv == BLX_ECONFLICT && blx__client_now_ns() >= until_ns) {
			return blx__error_set_write(error, BLX_ETIMEOUT, BLX_NOT_APPLIED,
				"reserve %s: others were faster each time", request->name);
		}
	}
	return rv != BLX_ECONFLICT
		       ? rv
		       : blx__error_set_write(error, BLX_EBUSY, BLX_NOT_APPLIED,
				 "reserve %s: others were faster, %d times; try again",
				 request->name, tries);
}

/* ---- binding, releasing --------------------------------------------------------- */

static int path_of(const char *name, char ret_path[BLX__PATH_TEXT_SIZE], blx_error *error)
{
	if (!blx__path_child(":reservations", name, ret_path)) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"reservation \"%.80s\": its name must be there, without \"/\"",
			name != NULL ? name : "");
	}
	return 0;
}

/* What was Pending under that lease, and of that revision, is Bound, with no conditions. */
static int bind_txn(blx_client *client, const char *path, const char *text, uint64_t revision,
	uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_txn *none;
	blx_txn *txn;
	blx_txn_result *result;
	int rv = blx_txn_create(&txn);

	if (rv != 0) {
		return rv;
	}
	rv = blx_txn_create(&none);
	if (rv == 0) {
		(void)blx_txn_if_revision(txn, path, revision);
		(void)blx_txn_put_while(txn, path, text, strlen(text), none);
		opts.timeout_ms = timeout_ms;
		rv = blx_txn_commit(client, txn, &opts, &result, error);
		blx_txn_destroy(none);
	}
	if (rv == 0) {
		blx_txn_result_free(result);
	}
	blx_txn_destroy(txn);
	return rv;
}

int blx_reservation_bind(blx_client *client, const char *name, uint64_t lease_id,
	uint32_t timeout_ms, blx_error *error)
{
	char path[BLX__PATH_TEXT_SIZE];
	char holder[BLX_NAME_MAX];
	blx_reservation record;
	uint64_t revision;
	char *text;
	int rv = path_of(name, path, error);

	if (rv == 0) {
		rv = blx_record_get(client, BLX_RECORD_RESERVATION, name, 1, timeout_ms, &record,
			&revision, error);
	}
	if (rv != 0) {
		return rv;
	}
	(void)snprintf(holder, sizeof holder, "%016" PRIx64, lease_id);
	if (record.state != BLX_RESERVATION_PENDING || strcmp(record.holder, holder) != 0) {
		blx_record_clear(BLX_RECORD_RESERVATION, &record);
		return blx__error_set_write(error, BLX_ECONFLICT, BLX_NOT_APPLIED,
			"bind %s: the reservation is not Pending under lease %s", path, holder);
	}
	record.state = BLX_RESERVATION_BOUND;
	record.holder[0] = '\0';
	rv = blx_record_encode(BLX_RECORD_RESERVATION, &record, &text, error);
	blx_record_clear(BLX_RECORD_RESERVATION, &record);
	if (rv == 0) {
		rv = bind_txn(client, path, text, revision, timeout_ms, error);
		blx_text_free(text);
	}
	return rv;
}

int blx_reservation_release(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	int rv = path_of(name, path, error);

	opts.timeout_ms = timeout_ms;
	return rv != 0 ? rv : blx_delete(client, path, &opts, NULL, error);
}
