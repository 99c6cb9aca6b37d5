/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "client/session.h"

static struct blx__session session;

static void begin(void)
{
	blx__session_init(&session, 7);
}

static void end(void)
{
	blx__session_finish(&session);
}

Test(session, numbers_grow_and_acked_is_all_that_ended_in_a_row, .init = begin, .fini = end)
{
	struct blx__session_slot slots[4];
	struct blx__session_slot last;
	unsigned i;

	for (i = 0; i < 4; i++) {
		cr_assert(blx__session_begin(&session, 1, 1000, &slots[i]));
		cr_assert_eq(slots[i].seq, i + 1);
		cr_assert_eq(slots[i].acked, 1);
	}
	blx__session_end(&session, &slots[1]);
	blx__session_end(&session, &slots[0]);
	blx__session_end(&session, &slots[3]);

	cr_assert(blx__session_begin(&session, 1, 1000, &last));
	cr_assert_eq(last.seq, 5);
	cr_assert_eq(last.acked, 3, "the third is not answered");
	cr_assert_eq(last.id, slots[0].id);
}

Test(session, too_many_at_once_are_refused_until_one_ends, .init = begin, .fini = end)
{
	struct blx__session_slot first;
	struct blx__session_slot slot;
	unsigned i;

	cr_assert(blx__session_begin(&session, 1, 0, &first));
	for (i = 1; i < BLX__SESSION_CALLS_MAX; i++) {
		cr_assert(blx__session_begin(&session, 1, 0, &slot));
	}
	cr_assert_not(blx__session_begin(&session, 1, 0, &slot));

	blx__session_end(&session, &first);
	cr_assert(blx__session_begin(&session, 1, 0, &slot));
}

Test(session, an_idle_one_is_left_before_the_machine_forgets_it, .init = begin, .fini = end)
{
	uint64_t later = BLX__SESSION_IDLE_MS * UINT64_C(1000000) + 2;
	struct blx__session_slot old;
	struct blx__session_slot new;

	cr_assert(blx__session_begin(&session, 1, 5, &old));
	blx__session_end(&session, &old);
	cr_assert(blx__session_begin(&session, 1 + later, 99, &new));
	cr_assert_neq(new.id, old.id);
	cr_assert_eq(new.seq, 1);
	cr_assert_eq(new.born_ms, 99);
}

Test(session, one_in_use_is_not_left_however_long_a_write_takes, .init = begin, .fini = end)
{
	uint64_t later = BLX__SESSION_IDLE_MS * UINT64_C(2000000);
	struct blx__session_slot old;
	struct blx__session_slot next;

	cr_assert(blx__session_begin(&session, 1, 5, &old));
	cr_assert(blx__session_begin(&session, later, 99, &next));
	cr_assert_eq(next.id, old.id);
}

Test(session, a_renewed_one_is_another_and_late_ends_of_the_old_do_nothing, .init = begin,
	.fini = end)
{
	struct blx__session_slot old;
	struct blx__session_slot new;

	cr_assert(blx__session_begin(&session, 1, 5, &old));
	blx__session_renew(&session, old.id);
	cr_assert(blx__session_begin(&session, 1, 5, &new));
	cr_assert_neq(new.id, old.id);
	blx__session_end(&session, &old);
	blx__session_renew(&session, old.id);
	cr_assert(blx__session_begin(&session, 1, 5, &new));
	cr_assert_eq(new.seq, 2);
}
