/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "fake.h"

#include <blixard/blixard.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static blx_client *client;
static blx_error error;

static void begin(void)
{
	fake_init(&fake, false);
	client = &fake.client;
	blx_error_init(&error);
}

static void begin_remote(void)
{
	fake_init(&fake, true);
	client = &fake.client;
	blx_error_init(&error);
}

static void end(void)
{
	fake_finish(&fake);
}

static void assert_value(const char *path, const char *expected)
{
	blx_value *value = NULL;

	cr_assert_eq(blx_get(client, path, NULL, &value, NULL, &error), 0, "%s", error.message);
	cr_assert_eq(blx_value_len(value), strlen(expected));
	cr_assert_arr_eq(blx_value_data(value), expected, strlen(expected));
	blx_value_unref(value);
}

static void write_and_read(void)
{
	uint64_t revision = 0;
	blx_read_info info = BLX_READ_INFO_INIT;
	blx_value *value = NULL;

	cr_assert_eq(blx_put(client, "/a/b", "one", 3, NULL, &revision, &error), 0);
	cr_assert_eq(revision, 1);
	cr_assert_eq(blx_put(client, "/a/b", "two", 3, NULL, &revision, &error), 0);
	cr_assert_eq(revision, 2);

	cr_assert_eq(blx_get(client, "/a/b", NULL, &value, &info, &error), 0);
	cr_assert_arr_eq(blx_value_data(value), "two", 3);
	cr_assert_eq(blx_value_revision(value), 2);
	cr_assert_eq(blx_value_create_revision(value), 1);
	cr_assert_eq(blx_value_version(value), 2);
	cr_assert_eq(info.revision, 2);
	cr_assert_eq(info.age_ms, 7);
	blx_value_unref(value);
	cr_assert_eq(blx_get(client, "/a", NULL, &value, NULL, &error), BLX_ENOVALUE);
	cr_assert_eq(blx_get(client, "/b", NULL, &value, NULL, &error), BLX_ENOENT);
}

Test(write, put_is_read_back_with_its_revisions, .init = begin, .fini = end)
{
	write_and_read();
}

Test(write, put_is_read_back_from_elsewhere_the_same, .init = begin_remote, .fini = end)
{
	write_and_read();
}

Test(write, put_if_absent_tells_the_revision_that_is_there, .init = begin, .fini = end)
{
	uint64_t revision = 99;

	fake_put(&fake, "/x", "1");
	fake_put(&fake, "/a", "1");

	cr_assert_eq(blx_put_if_absent(client, "/a", "2", 1, NULL, &revision, &error), BLX_EEXIST);
	cr_assert_eq(error.code, BLX_EEXIST);
	cr_assert_eq(error.revision, 2);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_not_null(strstr(error.message, "/a"));
	cr_assert_eq(revision, 99, "an output is written on success only");
	assert_value("/a", "1");

	cr_assert_eq(blx_put_if_absent(client, "/b", "2", 1, NULL, &revision, &error), 0);
	cr_assert_eq(revision, 3);
}

Test(write, cas_compares_the_value, .init = begin, .fini = end)
{
	uint64_t revision;

	cr_assert_eq(blx_cas(client, "/a", "1", 1, "2", 1, NULL, NULL, &error), BLX_ECONFLICT);
	cr_assert_eq(error.revision, 0);
	fake_put(&fake, "/a", "1");

	cr_assert_eq(blx_cas(client, "/a", "x", 1, "2", 1, NULL, NULL, &error), BLX_ECONFLICT);
	cr_assert_eq(error.revision, 1);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(blx_cas(client, "/a", "1", 1, "2", 1, NULL, &revision, &error), 0);
	cr_assert_eq(revision, 2);
	assert_value("/a", "2");
}

Test(write, cas_of_an_empty_value_is_not_of_none, .init = begin, .fini = end)
{
	cr_assert_eq(blx_cas(client, "/a", NULL, 0, "2", 1, NULL, NULL, &error), BLX_ECONFLICT);
	cr_assert_eq(blx_put(client, "/a", NULL, 0, NULL, NULL, &error), 0);
	cr_assert_eq(blx_cas(client, "/a", NULL, 0, "2", 1, NULL, NULL, &error), 0);
}

Test(write, cas_revision_zero_means_that_there_is_none, .init = begin, .fini = end)
{
	uint64_t revision = 0;

	cr_assert_eq(blx_cas_revision(client, "/a", 0, "1", 1, NULL, &revision, &error), 0);
	cr_assert_eq(blx_cas_revision(client, "/a", 0, "2", 1, NULL, NULL, &error), BLX_ECONFLICT);
	cr_assert_eq(error.revision, revision);
	cr_assert_eq(blx_cas_revision(client, "/a", revision, "2", 1, NULL, NULL, &error), 0);
	assert_value("/a", "2");
}

Test(write, delete_tells_when_there_was_nothing, .init = begin, .fini = end)
{
	blx_write_opts tree = BLX_WRITE_OPTS_INIT;

	tree.flags = BLX_DELETE_TREE;
	fake_put(&fake, "/a", "1");
	fake_put(&fake, "/a/b", "1");
	fake_put(&fake, "/a/c/d", "1");

	cr_assert_eq(blx_delete(client, "/a/c", NULL, NULL, &error), BLX_ENOENT, "only a parent");
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(blx_delete(client, "/a", NULL, NULL, &error), 0);
	cr_assert_eq(blx_delete(client, "/a", NULL, NULL, &error), BLX_ENOENT);
	assert_value("/a/b", "1");
	cr_assert_eq(blx_delete(client, "/a/", &tree, NULL, &error), 0, "what is below");
	cr_assert_eq(blx_delete(client, "/a", &tree, NULL, &error), BLX_ENOENT);
}

static void assert_refused(int rv, int code, const char *part)
{
	cr_assert_eq(rv, code, "%d %s", rv, error.message);
	cr_assert_eq(error.code, code);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_not_null(strstr(error.message, part), "%s", error.message);
	cr_assert_eq(fake.requests, 0, "it was not even sent");
}

Test(write, arguments_are_refused_before_anything_is_sent, .init = begin, .fini = end)
{
	char *big = calloc(1, BLX_VALUE_LEN_MAX + 1);
	char longest[BLX_PATH_LEN_MAX + 2];

	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	cr_assert_not_null(big);

	assert_refused(blx_put(client, NULL, "1", 1, NULL, NULL, &error), BLX_EINVAL, "no path");
	assert_refused(blx_put(client, "a", "1", 1, NULL, NULL, &error), BLX_EINVAL, "a");
	assert_refused(blx_put(client, "/", "1", 1, NULL, NULL, &error), BLX_EINVAL, "root");
	assert_refused(blx_put(client, "/a/", "1", 1, NULL, NULL, &error), BLX_EINVAL, "/a/");
	assert_refused(blx_put(client, longest, "1", 1, NULL, NULL, &error), BLX_ETOOBIG, "");
	assert_refused(blx_put(client, "/a", NULL, 1, NULL, NULL, &error), BLX_EINVAL, "/a");
	assert_refused(blx_put(client, "/a", big, BLX_VALUE_LEN_MAX + 1, NULL, NULL, &error),
		BLX_ETOOBIG, "1048576");
	assert_refused(blx_cas(client, "/a", big, BLX_VALUE_LEN_MAX + 1, "", 0, NULL, NULL, &error),
		BLX_ETOOBIG, "/a");
	assert_refused(blx_delete(client, "/", NULL, NULL, &error), BLX_EINVAL, "root");
	assert_refused(blx_put(NULL, "/a", "1", 1, NULL, NULL, &error), BLX_EINVAL, "client");
	cr_assert_eq(blx_put(client, "/a", big, BLX_VALUE_LEN_MAX, NULL, NULL, &error), 0);
	free(big);
}

Test(write, errors_may_be_told_to_nobody, .init = begin, .fini = end)
{
	cr_assert_eq(blx_put(client, "a", "1", 1, NULL, NULL, NULL), BLX_EINVAL);
	cr_assert_eq(blx_delete(client, "/a", NULL, NULL, NULL), BLX_ENOENT);
	cr_assert_eq(blx_cas(client, "/a", "1", 1, "2", 1, NULL, NULL, NULL), BLX_ECONFLICT);
}

Test(write, a_failure_names_the_path_and_keeps_its_outcome, .init = begin, .fini = end)
{
	fake.refusal = (struct blx__response){ .code = BLX_ETIMEOUT,
		.outcome = BLX_UNKNOWN,
		.message = "timed out",
		.message_len = 9 };

	cr_assert_eq(blx_put(client, "/a", "1", 1, NULL, NULL, &error), BLX_ETIMEOUT);
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
	cr_assert_str_eq(error.message, "put /a: timed out");
}

Test(write, a_session_that_is_not_known_is_opened_anew_once, .init = begin, .fini = end)
{
	fake.refusal = (struct blx__response){ .code = BLX_ESESSION, .outcome = BLX_NOT_APPLIED };

	cr_assert_eq(blx_put(client, "/a", "1", 1, NULL, NULL, &error), 0, "%s", error.message);
	cr_assert_eq(fake.requests, 2);
	assert_value("/a", "1");
}

Test(write, blocking_calls_are_refused_on_the_loop_thread, .init = begin, .fini = end)
{
	fake_put(&fake, "/a", "1");
	fake.on_loop = true;

	cr_assert_eq(blx_put(client, "/a", "2", 1, NULL, NULL, &error), BLX_EINVAL);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	assert_value("/a", "1"); /* a local read is allowed everywhere */
}

struct told {
	unsigned count;
	int code;
	uint64_t revision;
	blx_error error;
};

static void on_written(int code, const blx_error *why, uint64_t revision, void *data)
{
	struct told *told = data;

	told->count++;
	told->code = code;
	told->revision = revision;
	told->error = *why;
}

Test(write, asynchronous_writes_copy_their_arguments, .init = begin, .fini = end)
{
	struct told told = { 0 };
	struct told exists = { 0 };
	char path[] = "/a";
	char value[] = "1";

	fake.hold = true;
	cr_assert_eq(blx_put_async(client, path, value, 1, NULL, on_written, &told), 0);
	cr_assert_eq(blx_put_if_absent_async(client, path, value, 1, NULL, on_written, &exists), 0);
	path[1] = 'z';
	value[0] = '9';
	cr_assert_eq(told.count, 0, "never inside of the call");
	fake_release(&fake);

	cr_assert_eq(told.count, 1);
	cr_assert_eq(told.code, 0);
	cr_assert_eq(told.revision, 1);
	cr_assert_eq(exists.code, BLX_EEXIST);
	cr_assert_eq(exists.error.revision, 1);
	cr_assert_not_null(strstr(exists.error.message, "/a"));
	assert_value("/a", "1");
}

Test(write, each_asynchronous_form_does_what_the_blocking_one_does, .init = begin, .fini = end)
{
	struct told told = { 0 };

	fake_put(&fake, "/a", "1");
	cr_assert_eq(blx_cas_async(client, "/a", "1", 1, "2", 1, NULL, on_written, &told), 0);
	cr_assert_eq(told.code, 0);
	cr_assert_eq(blx_cas_revision_async(client, "/a", 1, "3", 1, NULL, on_written, &told), 0);
	cr_assert_eq(told.code, BLX_ECONFLICT);
	cr_assert_eq(told.error.revision, 2);
	cr_assert_eq(blx_delete_async(client, "/a", NULL, on_written, &told), 0);
	cr_assert_eq(told.code, 0);
	cr_assert_eq(blx_delete_async(client, "/a", NULL, on_written, &told), 0);
	cr_assert_eq(told.code, BLX_ENOENT);
	cr_assert_eq(told.revision, 0);
	cr_assert_eq(told.count, 4);
}

Test(write, an_asynchronous_call_that_fails_at_once_never_calls_back, .init = begin, .fini = end)
{
	struct told told = { 0 };
	unsigned i;

	cr_assert_eq(blx_put_async(client, "a", "1", 1, NULL, on_written, &told), BLX_EINVAL);
	cr_assert_eq(blx_put_async(client, "/a", "1", 1, NULL, NULL, &told), BLX_EINVAL);
	fake.hold = true;
	for (i = 0; i < BLX__SESSION_CALLS_MAX; i++) {
		cr_assert_eq(blx_put_async(client, "/a", "1", 1, NULL, on_written, &told), 0);
	}
	cr_assert_eq(blx_put_async(client, "/a", "1", 1, NULL, on_written, &told), BLX_EBUSY);
	cr_assert_eq(told.count, 0);
	fake_release(&fake);
	cr_assert_eq(told.count, BLX__SESSION_CALLS_MAX);
}

Test(write, options_of_an_older_caller_are_read_as_far_as_they_go, .init = begin, .fini = end)
{
	struct {
		size_t size;
		uint32_t timeout_ms;
		uint32_t flags_of_nobody;
	} old = { offsetof(blx_write_opts, flags), 100, BLX_DELETE_TREE };

	fake_put(&fake, "/a/b", "1");
	cr_assert_eq(blx_delete(client, "/a", (blx_write_opts *)(void *)&old, NULL, &error),
		BLX_ENOENT, "what lies behind the size is not looked at");
}
