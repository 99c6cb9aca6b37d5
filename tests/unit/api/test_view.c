/* SPDX-License-Identifier: Apache-2.0 */
/* Views by the public calls: in this process, and elsewhere. */
#include "one.h"
#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct one one;

static void begin(void)
{
	one_init(&one, false);
}

static void begin_remote(void)
{
	one_init(&one, true);
}

static void end(void)
{
	one_finish(&one);
}

static const char *text_of(blx_view *view)
{
	static char text[4096];
	blx_view_entry entry = {.size = sizeof entry};
	size_t i;

	text[0] = '\0';
	for (i = 0; blx_view_at(view, i, &entry) == 0; i++) {
		size_t len = strlen(text);

		if (entry.sums != NULL) {
			(void)snprintf(text + len, sizeof text - len, "%s*%" PRIu64 "+%" PRId64 " ",
				entry.name, entry.count, entry.sums_count > 0 ? entry.sums[0] : 0);
		} else {
			(void)snprintf(text + len, sizeof text - len, "%s=%.*s@%" PRIu64 " ",
				entry.name, (int)entry.value_len,
				entry.value != NULL ? (const char *)entry.value : "",
				entry.revision);
		}
	}
	cr_assert_eq(i, blx_view_count(view));
	(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%" PRIu64 "/%" PRId64 "%s",
		blx_view_total(view), blx_view_sum(view, 0), blx_view_more(view) ? "+" : "");
	blx_view_free(view);
	return text;
}

static blx_view_opts now_opts(void)
{
	blx_view_opts opts = BLX_VIEW_OPTS_INIT;

	opts.flags = BLX_VIEW_CONSISTENT;
	opts.timeout_ms = ONE_LONG_MS;
	return opts;
}

static void use_views(void)
{
	static const char *const sums[] = {"mem"};
	blx_view_declare_opts declare = BLX_VIEW_DECLARE_OPTS_INIT;
	blx_view_opts opts = now_opts();
	blx_view *view;

	declare.sums = sums;
	declare.sums_count = 1;
	(void)one_put(&one, "/s/a", "{\"node\":\"n1\",\"mem\":5}");
	cr_assert_eq(blx_view_declare(one.client, "v", "/s/*", "node", &declare, &one.error), 0,
		"%s", one.error.message);
	(void)one_put(&one, "/s/b", "{\"node\":\"n2\",\"mem\":7}");
	(void)one_put(&one, "/s/c", "{\"node\":\"n1\",\"mem\":20}");
	cr_assert_eq(blx_view_groups(one.client, "v", &opts, &view, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(blx_view_revision(view), 4);
	cr_assert_str_eq(text_of(view), "n1*2+25 n2*1+7 2/0");
	cr_assert_eq(blx_view_group(one.client, "v", "n1", &opts, &view, &one.error), 0);
	cr_assert_str_eq(text_of(view),
		"/s/a={\"node\":\"n1\",\"mem\":5}@1 /s/c={\"node\":\"n1\",\"mem\":20}@4 2/25");
	opts.flags |= BLX_VIEW_NO_VALUES;
	opts.limit = 1;
	cr_assert_eq(blx_view_group(one.client, "v", "n1", &opts, &view, &one.error), 0);
	cr_assert_str_eq(text_of(view), "/s/a=@1 2/25+");
	opts.after = "/s/a";
	cr_assert_eq(blx_view_group(one.client, "v", "n1", &opts, &view, &one.error), 0);
	cr_assert_str_eq(text_of(view), "/s/c=@4 2/25");
	opts = now_opts();
	opts.after = "n1";
	cr_assert_eq(blx_view_groups(one.client, "v", &opts, &view, &one.error), 0);
	cr_assert_str_eq(text_of(view), "n2*1+7 2/0");
	opts.after = NULL;
	cr_assert_eq(blx_view_group(one.client, "v", "n9", &opts, &view, &one.error), 0);
	cr_assert_str_eq(text_of(view), "0/0");
	cr_assert_eq(blx_view_drop(one.client, "v", 0, &one.error), 0);
	cr_assert_eq(blx_view_drop(one.client, "v", 0, &one.error), BLX_ENOENT);
	cr_assert_eq(blx_view_groups(one.client, "v", &opts, &view, &one.error), BLX_ENOENT);
	cr_assert_not_null(strstr(one.error.message, "view v"));
}

Test(view, by_the_member_here, .init = begin, .fini = end)
{
	use_views();
}

Test(view, by_a_member_elsewhere, .init = begin_remote, .fini = end)
{
	use_views();
}

Test(view, what_is_wrong_is_told, .init = begin, .fini = end)
{
	blx_view_declare_opts declare = BLX_VIEW_DECLARE_OPTS_INIT;
	blx_view_opts opts = BLX_VIEW_OPTS_INIT;
	blx_view *view;

	declare.sums_count = 1;
	cr_assert_eq(
		blx_view_declare(one.client, "v", "/a", NULL, &declare, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_view_declare(one.client, "v", "a", NULL, NULL, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_view_declare(one.client, "v", NULL, NULL, NULL, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_view_declare(one.client, "a/b", "/a", NULL, NULL, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_view_declare(one.client, "v", "/a", "", NULL, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_view_groups(one.client, NULL, NULL, &view, &one.error), BLX_EINVAL);
	opts.flags = 64;
	cr_assert_eq(blx_view_groups(one.client, "v", &opts, &view, &one.error), BLX_EINVAL);
	blx_view_free(NULL);
}
