/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's settings, as members see them. */
#include "base/error.h"
#include "record/settings.h"
#include "store/path.h"

#include <blixard/record.h>
#include <blixard/store.h>
#include <stdio.h>
#include <string.h>

#define DIRECTORY "/:config"

/* What the list of /:config says. */
static void take(const blx_list *list, uint64_t values[BLX__SETTINGS])
{
	blx_list_entry entry = {.size = sizeof entry};
	size_t i;
	int k;

	for (k = 0; k < BLX__SETTINGS; k++) {
		values[k] = blx__setting_default((enum blx__setting)k);
	}
	for (i = 0; list != NULL && blx_list_at(list, i, &entry) == 0; i++) {
		for (k = 0; entry.has_value && k < BLX__SETTINGS; k++) {
			if (strcmp(entry.name, blx__setting_name(k)) == 0) {
				(void)blx__setting_parse((enum blx__setting)k, entry.value,
					entry.value_len, &values[k]);
			}
		}
	}
}

int blx_config_get(blx_client *client, int consistent, uint32_t timeout_ms,
	blx_config *ret_config, blx_error *error)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;
	uint64_t values[BLX__SETTINGS];
	blx_list *list = NULL;
	int rv;

	if (ret_config == NULL || ret_config->size < sizeof *ret_config) {
		return blx__error_set(error, BLX_EINVAL,
			"config: nowhere to put it, or its size is not set");
	}
	opts.timeout_ms = timeout_ms;
	rv = (consistent ? blx_list_children_consistent : blx_list_children)(
		client, DIRECTORY, &opts, &list, error);
	if (rv != 0 && rv != BLX_ENOENT) {
		return rv;
	}
	take(rv == 0 ? list : NULL, values);
	blx_list_free(list);
	*ret_config = (blx_config){.size = ret_config->size,
		.health_degraded_after_ms = values[BLX__SETTING_DEGRADED_AFTER] / 1000000,
		.health_failed_after_ms = values[BLX__SETTING_FAILED_AFTER] / 1000000,
		.quota_bytes = values[BLX__SETTING_QUOTA_BYTES],
		.quota_keys = values[BLX__SETTING_QUOTA_KEYS],
		.host_lease_ms = values[BLX__SETTING_HOST_LEASE] / 1000000,
		.fence_margin_ms = values[BLX__SETTING_FENCE_MARGIN] / 1000000,
		.drain_parallel = values[BLX__SETTING_DRAIN_PARALLEL]};
	return 0;
}

int blx_config_set(blx_client *client, const char *name, const char *value,
	uint32_t timeout_ms, uint64_t *ret_revision, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char path[BLX__PATH_TEXT_SIZE];
	int known = 0;

	while (known < BLX__SETTINGS && name != NULL &&
		strcmp(name, blx__setting_name(known)) != 0) {
		known++;
	}
	if (name == NULL || known == BLX__SETTINGS) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"config: no member acts on a setting \"%.80s\"",
			name != NULL ? name : "(null)");
	}
	(void)snprintf(path, sizeof path, DIRECTORY "/%s", name);
	opts.timeout_ms = timeout_ms;
	return value != NULL ? blx_put(client, path, value, strlen(value), &opts, ret_revision,
				       error)
			     : blx_delete(client, path, &opts, ret_revision, error);
}
