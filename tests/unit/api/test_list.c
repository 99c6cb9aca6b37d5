/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "fake.h"

#include <blixard/blixard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static blx_client *client;
static blx_error error;
static blx_list *list;

static void begin(void)
{
	fake_init(&fake, false);
	client = &fake.client;
	blx_error_init(&error);
	list = NULL;
}

static void begin_remote(void)
{
	begin();
	fake_finish(&fake);
	fake_init(&fake, true);
	client = &fake.client;
}

static void end(void)
{
	blx_list_free(list);
	fake_finish(&fake);
}

static int get_list(const char *path, const blx_list_opts *opts)
{
	blx_list_free(list);
	list = NULL;
	return blx_list_children(client, path, opts, &list, &error);
}

static blx_list_entry at(size_t i)
{
	blx_list_entry entry = { .size = sizeof entry };

	cr_assert_eq(blx_list_at(list, i, &entry), 0);
	return entry;
}

static void children(void)
{
	fake_put(&fake, "/d/b", "bb");
	fake_put(&fake, "/d/b/x/y", "1");
	fake_put(&fake, "/d/a%2Fz", "aa");
	fake_put(&fake, "/d/c/x", "1");
	fake_put(&fake, "/e", "1");

	cr_assert_eq(get_list("/d/", NULL), 0, "%s", error.message);
	cr_assert_eq(blx_list_count(list), 3);
	cr_assert_eq(blx_list_more(list), 0);
	cr_assert_eq(blx_list_revision(list), 5);
	cr_assert_eq(blx_list_age_ms(list), 7);
	cr_assert_str_eq(at(0).name, "a%2Fz");
	cr_assert_arr_eq(at(0).value, "aa", 2);
	cr_assert_eq(at(0).revision, 3);
	cr_assert_eq(at(0).has_children, 0);
	cr_assert_str_eq(at(1).name, "b");
	cr_assert_eq(at(1).has_value, 1);
	cr_assert_eq(at(1).has_children, 1);
	cr_assert_str_eq(at(2).name, "c");
	cr_assert_eq(at(2).has_value, 0);
	cr_assert_eq(at(2).has_children, 1);
	cr_assert_null(at(2).value);
	cr_assert_eq(at(2).revision, 0);
}

Test(list, children_with_values_and_directories, .init = begin, .fini = end)
{
	children();
	cr_assert_eq(fake.lists, 0, "without entering the loop");
}

Test(list, children_from_elsewhere_are_the_same, .init = begin_remote, .fini = end)
{
	children();
	cr_assert_eq(fake.lists, 1);
}

static void tree(void)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;

	fake_put(&fake, "/d/b/x", "1");
	fake_put(&fake, "/d/a", "1");
	fake_put(&fake, "/f", "1");
	opts.flags = BLX_LIST_TREE | BLX_LIST_NO_VALUES;

	cr_assert_eq(get_list("/d", &opts), 0);
	cr_assert_eq(blx_list_count(list), 2);
	cr_assert_str_eq(at(0).name, "a");
	cr_assert_str_eq(at(1).name, "b/x");
	cr_assert_null(at(1).value);
	cr_assert_eq(at(1).has_value, 1);
	cr_assert_eq(get_list("/", &opts), 0);
	cr_assert_eq(blx_list_count(list), 3);
	cr_assert_str_eq(at(2).name, "f");
}

Test(list, a_tree_gives_relative_paths, .init = begin, .fini = end)
{
	tree();
}

Test(list, a_tree_from_elsewhere_gives_the_same, .init = begin_remote, .fini = end)
{
	tree();
}

static void pages_by_limit(void)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;
	char after[8] = "";
	unsigned seen = 0;
	unsigned i;

	for (i = 0; i < 25; i++) {
		char path[16];

		(void)snprintf(path, sizeof path, "/d/%02u/x", i);
		fake_put(&fake, path, "1");
	}
	opts.limit = 10;
	opts.after = after;
	do {
		cr_assert_eq(get_list("/d", &opts), 0);
		for (i = 0; i < blx_list_count(list); i++) {
			char name[8];

			(void)snprintf(name, sizeof name, "%02u", seen++);
			cr_assert_str_eq(at(i).name, name);
			(void)snprintf(after, sizeof after, "%s", name);
		}
	} while (blx_list_more(list));
	cr_assert_eq(seen, 25);
}

Test(list, pages_follow_each_other_by_name, .init = begin, .fini = end)
{
	pages_by_limit();
}

Test(list, pages_from_elsewhere_follow_each_other, .init = begin_remote, .fini = end)
{
	pages_by_limit();
}

/* More than one page on the wire. */
static void fill_large(void)
{
	char *value = calloc(1, BLX__LIST_PAGE_BYTES / 4);
	unsigned i;

	cr_assert_not_null(value);
	for (i = 0; i < 20; i++) {
		char path[16];

		(void)snprintf(path, sizeof path, "/d/%02u", i);
		cr_assert_eq(blx_put(client, path, value, BLX__LIST_PAGE_BYTES / 4, NULL, NULL,
				     &error),
			0);
	}
	free(value);
}

Test(list, a_list_longer_than_a_page_arrives_whole, .init = begin_remote, .fini = end)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;

	fill_large();
	cr_assert_eq(get_list("/d", NULL), 0, "%s", error.message);
	cr_assert_eq(blx_list_count(list), 20);
	cr_assert_gt(fake.lists, 3);
	cr_assert_str_eq(at(19).name, "19");

	opts.limit = 7;
	cr_assert_eq(get_list("/d", &opts), 0);
	cr_assert_eq(blx_list_count(list), 7);
	cr_assert_eq(blx_list_more(list), 1);
}

static bool forget_cursors;

/* The member lets go of what it held, once, when the second page is asked for. */
static void forgetful_submit(blx_client *handle, struct blx__request *request)
{
	if (request->op == BLX__OP_LIST && fake.lists == 1 && forget_cursors) {
		forget_cursors = false;
		blx__lists_finish(&fake.node.lists);
	}
	fake_client_ops()->submit(handle, request);
}

Test(list, a_list_whose_rest_was_let_go_is_read_anew, .init = begin_remote, .fini = end)
{
	struct blx__client_ops ops = *fake_client_ops();

	fill_large();
	ops.submit = forgetful_submit;
	forget_cursors = true;
	client->ops = &ops;

	cr_assert_eq(get_list("/d", NULL), 0, "%s", error.message);
	cr_assert_not(forget_cursors);
	cr_assert_eq(blx_list_count(list), 20);
	cr_assert_str_eq(at(0).name, "00");
}

Test(list, a_consistent_list_waits_for_the_replica_to_be_current, .init = begin, .fini = end)
{
	fake_put(&fake, "/a", "1");
	fake.requests = 0;
	cr_assert_eq(blx_list_children_consistent(client, "/", NULL, &list, &error), 0);
	cr_assert_eq(fake.requests, 1);
	blx_list_free(list);
	list = NULL;

	fake.refusal = (struct blx__response){ .code = BLX_ENOQUORUM };
	cr_assert_eq(blx_list_children_consistent(client, "/", NULL, &list, &error), BLX_ENOQUORUM);
	cr_assert_null(list);
}

Test(list, what_does_not_exist_is_an_empty_list, .init = begin, .fini = end)
{
	cr_assert_eq(get_list("/nothing", NULL), 0);
	cr_assert_eq(blx_list_count(list), 0);
	cr_assert_eq(blx_list_at(list, 0, &(blx_list_entry){ sizeof(blx_list_entry) }), BLX_EINVAL);
}

Test(list, arguments_are_checked, .init = begin, .fini = end)
{
	blx_list_opts opts = BLX_LIST_OPTS_INIT;

	cr_assert_eq(get_list(NULL, NULL), BLX_EINVAL);
	cr_assert_eq(get_list("d", NULL), BLX_EINVAL);
	cr_assert_eq(blx_list_children(client, "/", NULL, NULL, &error), BLX_EINVAL);
	cr_assert_eq(blx_list_children(NULL, "/", NULL, &list, &error), BLX_EINVAL);
	opts.flags = 64;
	cr_assert_eq(get_list("/", &opts), BLX_EINVAL);
	opts.flags = 0;
	opts.after = "%zz";
	cr_assert_eq(get_list("/", &opts), BLX_EINVAL);
	blx_list_free(NULL);
}
