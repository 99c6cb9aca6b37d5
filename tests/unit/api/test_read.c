/* SPDX-License-Identifier: Apache-2.0 */
/* Where reads are answered: by the replica as it is, or by the member when it was confirmed. */
#include "support/test.h"

#include "fake.h"

#include <blixard/store.h>

static struct fake fake;
static blx_client *client;

static void begin(void)
{
	fake_init(&fake, false);
	client = &fake.client;
	client->node = &fake.node;
	fake_put(&fake, "/a", "1");
	fake.requests = 0;
}

static void begin_remote(void)
{
	fake_init(&fake, true);
	client = &fake.client;
	fake_put(&fake, "/a", "1");
	fake.requests = 0;
}

static void end(void)
{
	fake_finish(&fake);
}

static void read_one(int (*get)(blx_client *, const char *, const blx_read_opts *, blx_value **,
			     blx_read_info *, blx_error *),
	uint32_t max_age_ms)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;

	opts.max_age_ms = max_age_ms;
	cr_assert_eq(get(client, "/a", &opts, &value, NULL, &error), 0, "%s", error.message);
	cr_assert_eq(blx_value_len(value), 1);
	blx_value_unref(value);
}

Test(read, a_local_one_asks_nobody, .init = begin, .fini = end)
{
	read_one(blx_get, 0);
	cr_assert_eq(fake.requests, 0);
}

Test(read, a_consistent_one_asks_the_member, .init = begin, .fini = end)
{
	read_one(blx_get_consistent, 0);
	cr_assert_eq(fake.requests, 1);
}

Test(read, a_consistent_one_asks_nobody_under_a_lease, .init = begin, .fini = end)
{
	fake.lease_holds = true;
	read_one(blx_get_consistent, 0);
	cr_assert_eq(fake.requests, 0);
}

Test(read, one_of_a_limited_age_asks_where_the_replica_may_be_older, .init = begin, .fini = end)
{
	read_one(blx_get, 100);
	cr_assert_eq(fake.requests, 1, "nothing is known");

	fake.current_within_ms = 50;
	read_one(blx_get, 49);
	cr_assert_eq(fake.requests, 2);
	read_one(blx_get, 50);
	cr_assert_eq(fake.requests, 2);
}

Test(read, one_of_a_limited_age_is_decided_by_the_member_asked, .init = begin_remote, .fini = end)
{
	read_one(blx_get, 100);
	cr_assert_eq(fake.requests, 1);
}

Test(read, a_revision_to_wait_for_is_waited_for_under_a_lease_too, .init = begin, .fini = end)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_value *value = NULL;

	fake.lease_holds = true;
	opts.min_revision = 1;
	cr_assert_eq(blx_get_consistent(client, "/a", &opts, &value, NULL, NULL), 0);
	cr_assert_eq(fake.requests, 1);
	blx_value_unref(value);
}

static void never(int code, const blx_error *error, blx_value *value, const blx_read_info *info,
	void *data)
{
	(void)code;
	(void)error;
	(void)value;
	(void)info;
	*(bool *)data = true;
}

Test(read, an_age_and_consistency_exclude_each_other, .init = begin, .fini = end)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	bool called = false;

	opts.max_age_ms = 1;
	cr_assert_eq(blx_get_consistent(client, "/a", &opts, &value, NULL, &error), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "max_age_ms"));
	opts.flags = BLX_READ_CONSISTENT;
	cr_assert_eq(blx_get_async(client, "/a", &opts, never, &called), BLX_EINVAL);
	cr_assert_not(called);
	cr_assert_eq(fake.requests, 0);
}
