/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "fake.h"

#include <blixard/blixard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static blx_client *client;
static blx_txn *txn;
static blx_txn_result *result;
static blx_error error;

static void begin(void)
{
	fake_init(&fake, true);
	client = &fake.client;
	blx_error_init(&error);
	cr_assert_eq(blx_txn_create(&txn), 0);
	result = NULL;
}

static void end(void)
{
	blx_txn_result_free(result);
	blx_txn_destroy(txn);
	fake_finish(&fake);
}

static int commit(void)
{
	blx_txn_result_free(result);
	result = NULL;
	return blx_txn_commit(client, txn, NULL, &result, &error);
}

static blx_txn_op_result at(size_t i)
{
	blx_txn_op_result op = { .size = sizeof op };

	cr_assert_eq(blx_txn_result_at(result, i, &op), 0);
	return op;
}

Test(txn, operations_see_what_the_earlier_ones_did, .init = begin, .fini = end)
{
	fake_put(&fake, "/a", "old");

	(void)blx_txn_put(txn, "/b", "1", 1);
	(void)blx_txn_get(txn, "/b");
	(void)blx_txn_get(txn, "/a");
	(void)blx_txn_delete(txn, "/a");
	(void)blx_txn_get(txn, "/a");
	(void)blx_txn_put(txn, "/d/x", "1", 1);
	(void)blx_txn_get(txn, "/d");
	(void)blx_txn_delete_tree(txn, "/d");
	cr_assert_eq(commit(), 0, "%s", error.message);

	cr_assert_eq(blx_txn_result_succeeded(result), 1);
	cr_assert_eq(blx_txn_result_revision(result), 2);
	cr_assert_eq(blx_txn_result_count(result), 8);
	cr_assert_eq(at(0).existed, 0);
	cr_assert_eq(at(1).existed, 1);
	cr_assert_arr_eq(at(1).value, "1", 1);
	cr_assert_eq(at(1).revision, 2);
	cr_assert_eq(at(2).revision, 1);
	cr_assert_eq(at(2).value_len, 3);
	cr_assert_eq(at(3).existed, 1);
	cr_assert_eq(at(4).existed, 0);
	cr_assert_null(at(4).value);
	cr_assert_eq(at(6).existed, 2, "only something below");
	cr_assert_eq(at(7).count, 1);
	cr_assert_eq(blx_txn_result_at(result, 8, &(blx_txn_op_result){ sizeof at(0) }),
		BLX_EINVAL);
}

Test(txn, a_guard_that_fails_changes_nothing_and_tells_what_stands_there, .init = begin,
	.fini = end)
{
	fake_put(&fake, "/a", "1");
	fake_put(&fake, "/x", "1");

	(void)blx_txn_if_exists(txn, "/x");
	(void)blx_txn_if_value(txn, "/a", "2", 1);
	(void)blx_txn_put(txn, "/b", "1", 1);

	cr_assert_eq(commit(), BLX_ECONFLICT);
	cr_assert_eq(error.revision, 1);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_null(result);
	cr_assert_eq(blx_get(client, "/b", NULL, &(blx_value *){ NULL }, NULL, NULL), BLX_ENOENT);
}

static int commit_if(void (*guard)(blx_txn *))
{
	blx_txn_destroy(txn);
	cr_assert_eq(blx_txn_create(&txn), 0);
	guard(txn);
	return commit();
}

static void running(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_fields(one, "/s/a", "{\"state\":\"Running\"}"), 0);
}

static void stopped(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_fields(one, "/s/a", "{\"state\":\"Stopped\"}"), 0);
}

static void malformed(blx_txn *one)
{
	(void)blx_txn_if_fields(one, "/s/a", "{");
}

static void second_version(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_version(one, "/s/a", 2), 0);
}

static void one_child(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_children(one, "/s", BLX_EQUAL, 1), 0);
	cr_assert_eq(blx_txn_if_children(one, "/", BLX_FEWER, 2), 0);
	cr_assert_eq(blx_txn_if_children(one, "/s/", BLX_MORE, 0), 0);
}

static void either(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_any(one), 0);
	cr_assert_eq(blx_txn_if_absent(one, "/s/a"), 0);
	cr_assert_eq(blx_txn_if_none(one), 0);
	cr_assert_eq(blx_txn_if_exists(one, "/b"), 0);
	cr_assert_eq(blx_txn_if_all(one), 0);
	cr_assert_eq(blx_txn_if_exists(one, "/s/a"), 0);
	cr_assert_eq(blx_txn_if_exists(one, "/b"), 0);
	cr_assert_eq(blx_txn_end(one), 0);
	cr_assert_eq(blx_txn_end(one), 0);
	cr_assert_eq(blx_txn_end(one), 0);
}

static void open_group(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_any(one), 0);
}

static void compared_in_no_way(blx_txn *one)
{
	cr_assert_eq(blx_txn_if_children(one, "/s", 3, 1), BLX_EINVAL);
}

Test(txn, guards_on_fields_versions_and_children, .init = begin, .fini = end)
{
	fake_put(&fake, "/s/a", "{\"state\":\"Running\",\"at\":17}");

	cr_assert_eq(commit_if(running), 0, "%s", error.message);
	cr_assert_eq(commit_if(stopped), BLX_ECONFLICT);
	cr_assert_eq(commit_if(malformed), BLX_EINVAL);
	cr_assert_eq(commit_if(second_version), BLX_ECONFLICT);
	cr_assert_eq(commit_if(one_child), 0, "%s", error.message);
	cr_assert_eq(commit_if(either), 0, "%s", error.message);
	cr_assert_eq(commit_if(open_group), BLX_EINVAL);
	cr_assert_eq(blx_txn_end(NULL), BLX_EINVAL);
	cr_assert_eq(commit_if(compared_in_no_way), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "/s"));
	cr_assert_eq(blx_txn_if_children(NULL, "/s", 3, 1), BLX_EINVAL);
}

Test(txn, the_else_branch_is_done_when_a_guard_fails, .init = begin, .fini = end)
{
	(void)blx_txn_if_revision(txn, "/a", 5);
	(void)blx_txn_put(txn, "/b", "1", 1);
	(void)blx_txn_else(txn);
	(void)blx_txn_get(txn, "/a");
	(void)blx_txn_put(txn, "/c", "1", 1);

	cr_assert_eq(commit(), 0, "%s", error.message);
	cr_assert_eq(blx_txn_result_succeeded(result), 0);
	cr_assert_eq(blx_txn_result_count(result), 2);
	cr_assert_eq(blx_get(client, "/b", NULL, &(blx_value *){ NULL }, NULL, NULL), BLX_ENOENT);
}

Test(txn, it_may_be_committed_again, .init = begin, .fini = end)
{
	(void)blx_txn_if_absent(txn, "/a");
	(void)blx_txn_put(txn, "/a", "1", 1);

	cr_assert_eq(commit(), 0);
	cr_assert_eq(commit(), BLX_ECONFLICT);
	cr_assert_eq(blx_delete(client, "/a", NULL, NULL, NULL), 0);
	cr_assert_eq(commit(), 0);
}

Test(txn, the_first_fault_is_kept_for_the_commit, .init = begin, .fini = end)
{
	cr_assert_eq(blx_txn_put(txn, "/ok", "1", 1), 0);
	cr_assert_eq(blx_txn_put(txn, "bad", "1", 1), BLX_EINVAL);
	cr_assert_eq(blx_txn_delete(txn, NULL), BLX_EINVAL);

	cr_assert_eq(commit(), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "bad"), "%s", error.message);
	cr_assert_eq(error.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(fake.requests, 0);
}

Test(txn, each_kind_of_fault_is_told, .init = begin, .fini = end)
{
	char *big = calloc(1, BLX_VALUE_LEN_MAX + 1);

	cr_assert_not_null(big);
	cr_assert_eq(blx_txn_put(txn, "/a", big, BLX_VALUE_LEN_MAX + 1), BLX_ETOOBIG);
	cr_assert_eq(blx_txn_put(txn, "/a", NULL, 1), BLX_EINVAL);
	cr_assert_eq(blx_txn_put(txn, "/", "", 0), BLX_EINVAL);
	cr_assert_eq(blx_txn_put(txn, "/a/", "", 0), BLX_EINVAL);
	cr_assert_eq(blx_txn_put(NULL, "/a", "", 0), BLX_EINVAL);
	cr_assert_eq(blx_txn_else(NULL), BLX_EINVAL);
	cr_assert_eq(blx_txn_create(NULL), BLX_EINVAL);
	cr_assert_eq(blx_txn_else(txn), 0);
	cr_assert_eq(blx_txn_else(txn), BLX_EINVAL);
	cr_assert_eq(blx_txn_if_absent(txn, "/a"), BLX_EINVAL);
	cr_assert_eq(blx_txn_commit(client, txn, NULL, NULL, &error), BLX_EINVAL);
	cr_assert_eq(blx_txn_commit(NULL, txn, NULL, &result, &error), BLX_EINVAL);
	free(big);
}

Test(txn, more_than_a_transaction_holds_is_refused_with_the_limit, .init = begin, .fini = end)
{
	unsigned i;

	for (i = 0; i < BLX_TXN_OPS_MAX; i++) {
		char path[16];

		(void)snprintf(path, sizeof path, "/%u", i);
		cr_assert_eq(blx_txn_put(txn, path, "1", 1), 0);
	}
	cr_assert_eq(commit(), 0, "%s", error.message);
	cr_assert_eq(blx_txn_result_count(result), BLX_TXN_OPS_MAX);
	cr_assert_eq(blx_txn_put(txn, "/more", "1", 1), BLX_ETOOBIG);
	cr_assert_eq(commit(), BLX_ETOOBIG);
	cr_assert_not_null(strstr(error.message, "1024"), "%s", error.message);
}

static void on_result(int code, const blx_error *why, blx_txn_result *taken, void *data)
{
	*(int *)data = code;
	cr_assert_eq(why->code, code);
	result = taken;
}

Test(txn, the_asynchronous_form_gives_the_result_away, .init = begin, .fini = end)
{
	int code = 1;

	(void)blx_txn_put(txn, "/a", "1", 1);
	fake.hold = true;
	cr_assert_eq(blx_txn_commit_async(client, txn, NULL, on_result, &code), 0);
	cr_assert_eq(code, 1);
	fake_release(&fake);
	cr_assert_eq(code, 0);
	cr_assert_eq(blx_txn_result_count(result), 1);
	cr_assert_eq(blx_txn_commit_async(client, txn, NULL, NULL, NULL), BLX_EINVAL);
}

Test(txn, a_result_that_was_not_kept_is_not_made_up, .init = begin, .fini = end)
{
	(void)blx_txn_put(txn, "/a", "1", 1);
	(void)blx_txn_else(txn);
	(void)blx_txn_put(txn, "/b", "1", 1);
	fake.bare = true;

	cr_assert_eq(commit(), BLX_EPROTO, "which branch it was cannot be told");
	cr_assert_eq(error.outcome, BLX_UNKNOWN);
	blx_txn_destroy(txn);
	cr_assert_eq(blx_txn_create(&txn), 0);
	(void)blx_txn_put(txn, "/a", "1", 1);
	cr_assert_eq(commit(), 0, "without an else it is clear");
	cr_assert_eq(blx_txn_result_succeeded(result), 1);
	cr_assert_eq(blx_txn_result_count(result), 0);
}

Test(batch, many_writes_are_one_revision, .init = begin, .fini = end)
{
	blx_batch *batch;
	uint64_t revision = 0;

	fake_put(&fake, "/old", "1");
	cr_assert_eq(blx_batch_create(&batch), 0);
	cr_assert_eq(blx_batch_put(batch, "/a", "1", 1), 0);
	cr_assert_eq(blx_batch_put(batch, "/b", "1", 1), 0);
	cr_assert_eq(blx_batch_delete(batch, "/old"), 0);
	cr_assert_eq(blx_batch_commit(client, batch, NULL, &revision, &error), 0);

	cr_assert_eq(revision, 2);
	cr_assert_eq(blx_get(client, "/old", NULL, &(blx_value *){ NULL }, NULL, NULL), BLX_ENOENT);
	blx_batch_destroy(batch);
}
