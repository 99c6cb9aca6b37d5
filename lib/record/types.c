/* SPDX-License-Identifier: Apache-2.0 */
/* The tables: one a record. A new field gets a line here and a place in the struct. */
#include "base/assert.h"
#include "record/fields.h"
#include "store/path.h"

#include <blixard/record.h>
#include <string.h>

/* A day, in ms: more is a mistake. */
#define STOP_TIMEOUT_MAX INT64_C(86400000)
#define LEASE_MAX        INT64_C(86400000)
#define AMOUNT_MAX (INT64_C(1) << 40) /* sums of millions of these stay in 64 bits */

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define TEXT(of_, field)                                                                \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_TEXT, .at = offsetof(of_, field),        \
		.size = sizeof(((of_ *)0)->field)                                           \
	}
#define TEXT_ALWAYS(of_, field)                                                         \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_TEXT, .at = offsetof(of_, field),        \
		.size = sizeof(((of_ *)0)->field), .always = true                           \
	}
#define ENUM(of_, field, list, shown)                                                   \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_ENUM, .at = offsetof(of_, field),        \
		.names = (list), .always = (shown)                                           \
	}
#define BOOL(of_, field)                                                                \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_BOOL, .at = offsetof(of_, field)         \
	}
#define INTEGER(of_, field, low, high)                                                  \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_INTEGER, .at = offsetof(of_, field),     \
		.min = (low), .max = (high)                                                  \
	}
#define TIME(of_, field)                                                                \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_TIME, .at = offsetof(of_, field)         \
	}
#define TEXTS(of_, field)                                                               \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_TEXTS, .at = offsetof(of_, field),       \
		.size = sizeof(((of_ *)0)->field[0]),                                       \
		.count_at = offsetof(of_, field##_count), .max = COUNT(((of_ *)0)->field)  \
	}
#define MAP(of_, field)                                                                 \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_MAP, .at = offsetof(of_, field),         \
		.size = sizeof(blx_label), .count_at = offsetof(of_, field##_count),        \
		.max = COUNT(((of_ *)0)->field)                                             \
	}
#define OBJECTS(of_, field, record_)                                                     \
	{                                                                                \
		.name = #field, .type = BLX__FIELD_OBJECTS, .at = offsetof(of_, field),     \
		.size = sizeof(((of_ *)0)->field[0]),                                       \
		.count_at = offsetof(of_, field##_count),                                   \
		.max = COUNT(((of_ *)0)->field), .of = (record_)                             \
	}
#define RECORD(what_, directory, of_, table)                                             \
	{                                                                                \
		.what = (what_), .dir = (directory), .size = sizeof(of_),                    \
		.extra_at = offsetof(of_, extra), .fields = (table), .count = COUNT(table)  \
	}

/* ---- parts ---------------------------------------------------------------------- */

static const char *const constraint_kinds[] = {"", "node", "not-node", "capability",
	"label-in", "label-not-in", "apart-from", "together-with", "max-per-node", "spread",
	"tolerate", NULL};

static const struct blx__field constraint_fields[] = {
	ENUM(blx_constraint, kind, constraint_kinds, true),
	TEXT(blx_constraint, key),
	TEXTS(blx_constraint, values),
	INTEGER(blx_constraint, limit, 0, AMOUNT_MAX),
};

static const struct blx__record constraint_record = {.what = "a constraint",
	.size = sizeof(blx_constraint),
	.fields = constraint_fields,
	.count = COUNT(constraint_fields)};

static const struct blx__field network_fields[] = {
	TEXT(blx_network, address),
	INTEGER(blx_network, vlan, 0, 4094),
	TEXT(blx_network, mac),
	TEXT(blx_network, tap),
};

static const struct blx__record network_record = {.what = "a network",
	.size = sizeof(blx_network),
	.fields = network_fields,
	.count = COUNT(network_fields)};

/* ---- records -------------------------------------------------------------------- */

static const char *const service_states[] = {"Unknown", "Running", "Stopped", "Failed",
	"Migrating", "Starting", "Stopping", NULL};
static const char *const node_statuses[] = {"Active", "Draining", "Failed", NULL};
static const char *const health_statuses[] = {"Healthy", "Degraded", "Failed", NULL};
static const char *const reservation_states[] = {"Pending", "Bound", NULL};
static const char *const vm_states[] = {
	"Stopped", "Starting", "Running", "Stopping", "Creating", "Failed", NULL};
static const char *const migration_states[] = {
	"Preparing", "Stopping", "Starting", "Finalizing", "RollingBack", NULL};

static const struct blx__field service_fields[] = {
	ENUM(blx_service, state, service_states, true),
	TEXT_ALWAYS(blx_service, node),
	TIME(blx_service, timestamp),
	ENUM(blx_service, wanted, service_states, false),
	TEXT(blx_service, unit),
	BOOL(blx_service, shared),
	INTEGER(blx_service, cpu, 0, AMOUNT_MAX),
	INTEGER(blx_service, memory, 0, AMOUNT_MAX),
	INTEGER(blx_service, priority, -1000000, 1000000),
	TEXT(blx_service, group),
	INTEGER(blx_service, epoch, 0, INT64_MAX),
	OBJECTS(blx_service, constraints, &constraint_record),
	TEXT(blx_service, manager),
	TEXTS(blx_service, command),
	INTEGER(blx_service, stop_timeout, 0, STOP_TIMEOUT_MAX),
	INTEGER(blx_service, failures_max, 0, 1000000),
	TEXT(blx_service, prefer),
	INTEGER(blx_service, restart, 0, INT64_MAX),
	TEXT(blx_service, owner),
	TEXT(blx_service, migration),
	INTEGER(blx_service, stop_agreed, 0, STOP_TIMEOUT_MAX),
	TEXT(blx_service, seen_node),
	ENUM(blx_service, seen, service_states, false),
	TIME(blx_service, seen_at),
	INTEGER(blx_service, restarted, 0, INT64_MAX),
	INTEGER(blx_service, failures, 0, INT64_MAX),
	TIME(blx_service, failed_at),
	TEXT(blx_service, detail),
};

static const struct blx__field node_fields[] = {
	ENUM(blx_node_info, status, node_statuses, true),
	TEXTS(blx_node_info, capabilities),
	INTEGER(blx_node_info, last_heartbeat, 0, INT64_MAX),
	ENUM(blx_node_info, health, health_statuses, false),
	BOOL(blx_node_info, draining),
	TIME(blx_node_info, timestamp),
	INTEGER(blx_node_info, cpu, 0, AMOUNT_MAX),
	INTEGER(blx_node_info, memory, 0, AMOUNT_MAX),
	TEXT(blx_node_info, zone),
	TEXT(blx_node_info, address),
	MAP(blx_node_info, labels),
	TEXTS(blx_node_info, taints),
	TEXTS(blx_node_info, fixed),
	INTEGER(blx_node_info, lease, 0, LEASE_MAX),
	BOOL(blx_node_info, evicted),
	TIME(blx_node_info, drain_deadline),
};

static const struct blx__field placement_fields[] = {
	TEXT_ALWAYS(blx_placement, node),
	TIME(blx_placement, timestamp),
	INTEGER(blx_placement, epoch, 0, INT64_MAX),
	TEXT(blx_placement, migration),
};

static const struct blx__field reservation_fields[] = {
	TEXT_ALWAYS(blx_reservation, node),
	INTEGER(blx_reservation, cpu, 0, AMOUNT_MAX),
	INTEGER(blx_reservation, memory, 0, AMOUNT_MAX),
	ENUM(blx_reservation, state, reservation_states, true),
	TEXT(blx_reservation, holder),
	TEXT(blx_reservation, group),
	TIME(blx_reservation, timestamp),
};

static const struct blx__field vm_fields[] = {
	ENUM(blx_vm, state, vm_states, true),
	TEXT(blx_vm, host_node),
	TEXT(blx_vm, config_hash),
	INTEGER(blx_vm, cpu, 0, AMOUNT_MAX),
	INTEGER(blx_vm, memory, 0, AMOUNT_MAX),
	TIME(blx_vm, timestamp),
	TEXT(blx_vm, group),
	OBJECTS(blx_vm, networks, &network_record),
	OBJECTS(blx_vm, constraints, &constraint_record),
};

static const struct blx__field migration_fields[] = {
	TEXT_ALWAYS(blx_migration, service),
	TEXT_ALWAYS(blx_migration, from),
	TEXT_ALWAYS(blx_migration, to),
	ENUM(blx_migration, state, migration_states, true),
	TIME(blx_migration, started_at),
	TIME(blx_migration, state_at),
	INTEGER(blx_migration, timeout, 0, STOP_TIMEOUT_MAX),
	TEXT(blx_migration, reason),
	BOOL(blx_migration, abort),
	TEXT(blx_migration, answer),
	TEXT(blx_migration, error),
	TIME(blx_migration, ended_at),
};

static const struct blx__record records[BLX_RECORD_KINDS] = {
	[BLX_RECORD_SERVICE] = RECORD("a service", ":services", blx_service, service_fields),
	[BLX_RECORD_NODE] = RECORD("a node", ":nodes", blx_node_info, node_fields),
	[BLX_RECORD_PLACEMENT] =
		RECORD("a placement", ":placement", blx_placement, placement_fields),
	[BLX_RECORD_RESERVATION] =
		RECORD("a reservation", ":reservations", blx_reservation, reservation_fields),
	[BLX_RECORD_VM] = RECORD("a vm", ":vms", blx_vm, vm_fields),
	[BLX_RECORD_MIGRATION] =
		RECORD("a migration", ":migrations", blx_migration, migration_fields),
	[BLX_RECORD_MIGRATED] =
		RECORD("a migration", ":migrated", blx_migration, migration_fields),
};

const struct blx__record *blx__record_of(int kind)
{
	return kind >= 0 && kind < BLX_RECORD_KINDS ? &records[kind] : NULL;
}

int blx__record_kind_of_key(
	const uint8_t *key, size_t key_len, const uint8_t **ret_name, size_t *ret_len)
{
	int kind;

	for (kind = 0; kind < BLX_RECORD_KINDS; kind++) {
		size_t dir = strlen(records[kind].dir);

		if (key_len > dir + 1 && memcmp(key, records[kind].dir, dir) == 0 &&
			key[dir] == BLX__KEY_SEPARATOR &&
			memchr(key + dir + 1, BLX__KEY_SEPARATOR, key_len - dir - 1) == NULL) {
			*ret_name = key + dir + 1;
			*ret_len = key_len - dir - 1;
			return kind;
		}
	}
	return -1;
}
