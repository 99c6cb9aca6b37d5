/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/reserve.h"

#include "machine/lease_record.h"
#include "record/fields.h"
#include "store/keep.h"
#include "store/path.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct blx__txn *txn, uint8_t kind, const struct blx__key *key, uint64_t revision)
{
	struct blx__txn_line line = {
		.kind = kind, .key = key->bytes, .key_len = key->len, .revision = revision};

	if (kind == BLX__TXN_PUT) {
		line.value = (const uint8_t *)"1";
		line.value_len = 1;
	}
	return blx__txn_add(txn, &line);
}

/* To be freed with free(). */
static char *record_of(const char *node, const blx_place_request *request, uint64_t lease_id,
	int64_t time_ns, blx_error *error)
{
	blx_reservation record = {.cpu = request->cpu,
		.memory = request->memory,
		.state = BLX_RESERVATION_PENDING,
		.timestamp = time_ns};

	(void)snprintf(record.node, sizeof record.node, "%s", node);
	(void)snprintf(record.holder, sizeof record.holder, "%016" PRIx64, lease_id);
	if (request->group != NULL) {
		(void)snprintf(record.group, sizeof record.group, "%s", request->group);
	}
	return blx__record_encode(blx__record_of(BLX_RECORD_RESERVATION), &record, error);
}

static int add_leased(struct blx__txn *txn, const struct blx__key *key, const char *value,
	uint64_t lease_id)
{
	uint8_t lease[BLX__LEASE_KEY_LEN];
	struct blx__txn_line exists = {
		.kind = BLX__TXN_IF_EXISTS, .key = lease, .key_len = sizeof lease};
	struct blx__txn_line line = {.kind = BLX__TXN_PUT_WHILE,
		.key = key->bytes,
		.key_len = key->len,
		.value = (const uint8_t *)value,
		.value_len = strlen(value)};
	struct blx__txn conditions;
	struct blx__buf keep;
	int rv;

	blx__lease_key(lease_id, lease);
	blx__txn_init(&conditions);
	blx__buf_init(&keep);
	rv = blx__txn_add(&conditions, &exists);
	if (rv == 0) {
		rv = blx__txn_add(txn, &exists);
	}
	blx__keep_encode(&conditions, &keep);
	line.keep = keep.data;
	line.keep_len = keep.len;
	if (rv == 0) {
		rv = blx__buf_ok(&keep) ? blx__txn_add(txn, &line) : BLX_ENOMEM;
	}
	blx__buf_finish(&keep);
	blx__txn_finish(&conditions);
	return rv;
}

int blx__reserve_claim(
	const struct blx__plan_node *node, const char *name, struct blx__txn *txn)
{
	struct blx__key key;
	struct blx__key capacity;
	int rv = blx__key_child("reserve", ":nodes", name, &key, NULL);

	if (rv == 0) {
		rv = blx__key_child("reserve", BLX__CAPACITY_DIR, name, &capacity, NULL);
	}
	if (rv == 0) {
		rv = add(txn, BLX__TXN_IF_REVISION, &key, node->revision);
	}
	if (rv == 0) {
		rv = add(txn, BLX__TXN_IF_REVISION, &capacity, node->capacity_revision);
	}
	return rv != 0 ? rv : add(txn, BLX__TXN_PUT, &capacity, 0);
}

int blx__reserve_txn(const blx_place_model *model, const char *node_name,
	const blx_place_request *request, uint64_t lease_id, int64_t time_ns,
	struct blx__txn *txn, blx_error *error)
{
	const struct blx__plan_node *node = blx__model_node(model, node_name);
	struct blx__key reservation;
	blx_error why = BLX_ERROR_INIT;
	char *value;
	int rv;

	blx__txn_init(txn);
	if (node == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "reserve: there is no node %.80s", node_name);
	}
	rv = blx__key_child("reserve", ":reservations", request->name, &reservation, error);
	if (rv != 0) {
		return rv;
	}
	value = record_of(node_name, request, lease_id, time_ns, &why);
	if (value == NULL) {
		return blx__error_set(error, why.code, "%s", why.message);
	}
	if ((rv = add(txn, BLX__TXN_IF_ABSENT, &reservation, 0)) == 0 &&
		(rv = blx__reserve_claim(node, node_name, txn)) == 0) {
		rv = add_leased(txn, &reservation, value, lease_id);
	}
	free(value);
	return rv == 0 ? 0
		       : blx__error_set(error, rv, "reserve: %s", blx_strerror(rv));
}
