/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"
#include "support/test.h"
#include "sys/hold.h"
#include "sys/text_file.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static char dir[SCRATCH_SIZE];

static void hold(uint64_t for_ns, const char *manager, const char *unit)
{
	struct blx__hold_unit units[] = {
		{.manager = "", .unit = "first.service", .epoch = 1},
		{.manager = manager, .unit = unit, .epoch = 7}};
	struct blx__hold hold = {
		.until_ns = blx__hold_now_ns() + for_ns, .units = units, .count = 2};

	cr_assert_eq(blx__hold_write(dir, &hold, NULL), 0);
}

static void begin(void)
{
	scratch_make(dir);
}

static void end(void)
{
	scratch_remove(dir);
}

static void write_text(const char *text)
{
	char path[512];

	(void)snprintf(path, sizeof path, "%s/hold", dir);
	cr_assert_eq(blx__file_replace(path, text, strlen(text), NULL), 0);
}

Test(hold, what_is_held_may_run_and_nothing_else, .init = begin, .fini = end)
{
	uint64_t epoch = 0;

	hold(3600000 * MS, "user", "web.service");
	cr_assert(blx__hold_has(dir, "user", "web.service", &epoch));
	cr_assert_eq(epoch, 7);
	cr_assert(blx__hold_has(dir, "", "first.service", &epoch));
	cr_assert_eq(epoch, 1);
	cr_assert_not(blx__hold_has(dir, "", "web.service", &epoch));
	cr_assert_not(blx__hold_has(dir, "user", "web.servic", &epoch));
	cr_assert_not(blx__hold_has(dir, "user", "b.service", &epoch));
}

Test(hold, nothing_may_when_the_time_is_over, .init = begin, .fini = end)
{
	uint64_t epoch;

	hold(0, "", "web.service");
	cr_assert_not(blx__hold_has(dir, "", "web.service", &epoch));
}

Test(hold, without_a_file_or_with_an_odd_one_nothing_may, .init = begin, .fini = end)
{
	static const char *const odd[] = {"", "until", "until \n", "until x\n1 - web.service\n",
		"until -1\n1 - web.service\n", "until 99999999999999999999999\n1 - web.service\n",
		"until 18446744073709551615 \n1 - web.service\n",
		"until 18446744073709551615\n1 - web.service", "1 - web.service\n",
		"until 18446744073709551615\nx - web.service\n",
		"until 18446744073709551615\n1  - web.service\n"};
	uint64_t epoch;
	size_t i;

	cr_assert_not(blx__hold_has(dir, "", "web.service", &epoch));
	cr_assert_eq(blx__hold_until(dir), 0);
	for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		write_text(odd[i]);
		cr_assert_not(blx__hold_has(dir, "", "web.service", &epoch), "%s", odd[i]);
	}
	write_text("until 18446744073709551615\n1 - web.service\n");
	cr_assert(blx__hold_has(dir, "", "web.service", &epoch));
}

Test(hold, the_guard_does_not_begin_with_nothing_held, .init = begin, .fini = end)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__guard_wait(dir, -1, &error), BLX_EPERM);
	hold(0, "", "web.service");
	cr_assert_eq(blx__guard_wait(dir, -1, &error), BLX_EPERM);
}

Test(hold, the_guard_ends_when_the_time_is_over, .init = begin, .fini = end)
{
	uint64_t began = blx__hold_now_ns();
	uint64_t took;

	hold(150 * MS, "", "web.service");
	cr_assert_eq(blx__guard_wait(dir, -1, NULL), 0);
	took = blx__hold_now_ns() - began;
	cr_assert_geq(took, 150 * MS);
}

static void *renew(void *data)
{
	(void)data;
	hold(400 * MS, "", "web.service");
	return NULL;
}

Test(hold, the_guard_stays_while_the_time_is_renewed, .init = begin, .fini = end)
{
	uint64_t began = blx__hold_now_ns();
	pthread_t thread;

	hold(200 * MS, "", "web.service");
	cr_assert_eq(pthread_create(&thread, NULL, renew, NULL), 0);
	cr_assert_eq(blx__guard_wait(dir, -1, NULL), 0);
	(void)pthread_join(thread, NULL);
	cr_assert_geq(blx__hold_now_ns() - began, 400 * MS);
}

Test(hold, the_guard_ends_when_it_is_told_to, .init = begin, .fini = end)
{
	int ends[2];

	hold(3600000 * MS, "", "web.service");
	cr_assert_eq(pipe(ends), 0);
	(void)close(ends[1]);
	cr_assert_eq(blx__guard_wait(dir, ends[0], NULL), 0);
	(void)close(ends[0]);
}
