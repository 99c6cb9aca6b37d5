/* SPDX-License-Identifier: Apache-2.0 */
/* What operators say of nodes. */
#include "api/change.h"
#include "api/service.h"
#include "base/error.h"

#include <string.h>

struct order {
	const char *node;
	int64_t deadline; /* 0: none */
};

static int absent(blx_error *error, const char *node)
{
	return blx__error_set(error, BLX_ENOENT, "there is no node %.64s", node);
}

static int change_drain(void *record, int exists, void *data, blx_error *error)
{
	const struct order *order = data;
	blx_node_info *info = record;

	if (!exists) {
		return absent(error, order->node);
	}
	info->draining = 1;
	info->drain_deadline = order->deadline;
	info->status = info->status == BLX_NODE_ACTIVE ? BLX_NODE_DRAINING : info->status;
	return 0;
}

static int change_undrain(void *record, int exists, void *data, blx_error *error)
{
	const struct order *order = data;
	blx_node_info *info = record;

	if (!exists) {
		return absent(error, order->node);
	}
	info->draining = 0;
	info->evicted = 0;
	info->drain_deadline = 0;
	info->status = info->status == BLX_NODE_DRAINING ? BLX_NODE_ACTIVE : info->status;
	return 0;
}

static int change_failover(void *record, int exists, void *data, blx_error *error)
{
	const struct order *order = data;
	blx_node_info *info = record;

	if (!exists) {
		return absent(error, order->node);
	}
	if (info->evicted) {
		return 1;
	}
	info->evicted = 1;
	return 0;
}

int blx_node_drain(blx_client *client, const char *node, uint32_t deadline_ms,
	uint32_t timeout_ms, blx_error *error)
{
	struct order order = {.node = node};

	if (deadline_ms != 0) {
		order.deadline =
			blx__wall_ns() + (int64_t)deadline_ms * 1000000;
	}
	return blx__record_change(client, BLX_RECORD_NODE, node, blx__until_ns(timeout_ms),
		change_drain, &order, error);
}

int blx_node_undrain(
	blx_client *client, const char *node, uint32_t timeout_ms, blx_error *error)
{
	struct order order = {.node = node};

	return blx__record_change(client, BLX_RECORD_NODE, node, blx__until_ns(timeout_ms),
		change_undrain, &order, error);
}

int blx_node_failover(
	blx_client *client, const char *node, uint32_t timeout_ms, blx_error *error)
{
	struct order order = {.node = node};
	int rv = blx__record_change(client, BLX_RECORD_NODE, node, blx__until_ns(timeout_ms),
		change_failover, &order, error);

	if (rv != 0 && rv != BLX_ENOENT) {
		(void)blx__error_prefix(error, "Cannot access placement data: ");
	}
	return rv;
}
