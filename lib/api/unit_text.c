/* SPDX-License-Identifier: Apache-2.0 */
/* The states of units as systemctl has them. */
#include <blixard/unit.h>
#include <stddef.h>

const char *blx_unit_load_text(int load)
{
	static const char *const texts[] = {
		"unknown", "loaded", "not-found", "masked", "bad-setting"};

	return load >= 0 && load <= BLX_UNIT_BAD ? texts[load] : NULL;
}

const char *blx_unit_active_text(int active)
{
	static const char *const texts[] = {"lost", "inactive", "activating", "active",
		"reloading", "deactivating", "failed", "maintenance"};

	return active >= 0 && active <= BLX_UNIT_MAINTENANCE ? texts[active] : NULL;
}
