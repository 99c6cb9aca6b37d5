/* SPDX-License-Identifier: Apache-2.0 */
/* What leases rest on: arithmetic, and the memory of promises over a restart. */
#include "support/test.h"

#include "dirs.h"
#include "node/read_lease.h"
#include "sys/files.h"

Test(read_lease, it_ends_before_any_promise_does_with_clocks_within_their_bound)
{
	uint32_t ms;

	for (ms = 1; ms <= 60000; ms += 7) {
		/* The leader's clock is as slow, and the voter's as fast, as allowed. */
		double lease = (double)blx__read_lease_ns(ms) /
			       (1 - BLX__CLOCK_DRIFT_PERCENT / 100.0);
		double promise = ms * 1e6 / (1 + BLX__CLOCK_DRIFT_PERCENT / 100.0);

		cr_assert_lt(lease, promise, "%u ms", ms);
	}
}

static bool open_quiet(struct dirs *dirs, bool in_use)
{
	bool quiet = !in_use;

	cr_assert_eq(blx__read_lease_open(&blx__files_posix, dirs->root, in_use, &quiet, NULL), 0);
	return quiet;
}

Test(read_lease, a_member_that_may_have_promised_begins_quietly)
{
	struct dirs dirs;

	dirs_init(&dirs);
	cr_assert_not(open_quiet(&dirs, false), "it never promised");
	cr_assert_not(open_quiet(&dirs, true), "nor had it before");
	cr_assert(open_quiet(&dirs, true));
	cr_assert(open_quiet(&dirs, false), "the run before had leases");
	cr_assert_not(open_quiet(&dirs, false));
	dirs_finish(&dirs);
}

Test(read_lease, a_directory_that_cannot_be_read_is_a_failure)
{
	blx_error error = BLX_ERROR_INIT;
	bool quiet;

	cr_assert_lt(blx__read_lease_open(
			     &blx__files_posix, "/nowhere/at/all", true, &quiet, &error),
		0);
	cr_assert_not_null(strstr(error.message, "/nowhere/at/all"));
}
