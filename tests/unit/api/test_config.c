/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's settings, by the handle in this process and by its socket. */
#include "one.h"
#include "support/test.h"

#include <blixard/record.h>
#include <string.h>

static struct one one;
static blx_config config;

static void begin(void)
{
	one_init(&one, false);
	config = (blx_config)BLX_CONFIG_INIT;
}

static void begin_remote(void)
{
	one_init(&one, true);
	config = (blx_config)BLX_CONFIG_INIT;
}

static void end(void)
{
	one_finish(&one);
}

static int set(const char *name, const char *value)
{
	return blx_config_set(one.client, name, value, ONE_LONG_MS, NULL, &one.error);
}

static void get(void)
{
	cr_assert_eq(blx_config_get(one.client, 1, ONE_LONG_MS, &config, &one.error), 0, "%s",
		one.error.message);
}

static void are_set_and_unset(void)
{
	get();
	cr_assert_eq(config.health_degraded_after_ms, 5000);
	cr_assert_eq(config.health_failed_after_ms, 30000);
	cr_assert_eq(config.quota_bytes, 0);
	cr_assert_eq(config.quota_keys, 0);

	cr_assert_eq(set("health.degraded_after", "1500ms"), 0);
	cr_assert_eq(set("health.failed_after", "2m"), 0);
	cr_assert_eq(set("quota.bytes", "1048576"), 0);
	cr_assert_eq(set("quota.keys", "77"), 0);
	get();
	cr_assert_eq(config.health_degraded_after_ms, 1500);
	cr_assert_eq(config.health_failed_after_ms, 120000);
	cr_assert_eq(config.quota_bytes, 1048576);
	cr_assert_eq(config.quota_keys, 77);

	cr_assert_eq(set("quota.keys", NULL), 0);
	get();
	cr_assert_eq(config.quota_keys, 0);
	cr_assert_eq(config.quota_bytes, 1048576);
	cr_assert_eq(set("quota.keys", NULL), BLX_ENOENT);
}

Test(config, settings_are_set_and_unset, .init = begin, .fini = end)
{
	are_set_and_unset();
}

Test(config, settings_are_set_and_unset_by_the_socket, .init = begin_remote, .fini = end)
{
	are_set_and_unset();
}

Test(config, what_cannot_be_is_refused, .init = begin, .fini = end)
{
	cr_assert_eq(set("health.failed_after", "soon"), BLX_EINVAL);
	cr_assert_not_null(strstr(one.error.message, "health.failed_after: must be a duration"),
		"%s", one.error.message);
	cr_assert_eq(set("quota.keys", "many"), BLX_EINVAL);
	cr_assert_eq(set("quota.kings", "1"), BLX_EINVAL);
	cr_assert_eq(set(NULL, "1"), BLX_EINVAL);
	get();
	cr_assert_eq(config.health_failed_after_ms, 30000);
	config.size = 8;
	cr_assert_eq(
		blx_config_get(one.client, 1, ONE_LONG_MS, &config, &one.error), BLX_EINVAL);
}
