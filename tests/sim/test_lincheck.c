/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "lincheck.h"
#include "support/test.h"
#include "world.h"

#include <stdlib.h>

#define STEPS_MAX 10000000

static void add(struct sim_history *history, struct sim_op op)
{
	if (op.result == SIM_UNKNOWN) {
		op.return_ns = UINT64_MAX;
	}
	sim_history_add(history, &op);
}

static enum sim_verdict judge(struct sim_history *history)
{
	size_t stuck;
	enum sim_verdict verdict = sim_lincheck(history, STEPS_MAX, &stuck);

	sim_history_finish(history);
	return verdict;
}

Test(lincheck, nothing_is_linearizable)
{
	struct sim_history history;

	sim_history_init(&history);
	cr_assert_eq(judge(&history), SIM_LINEARIZABLE);
}

Test(lincheck, a_read_sees_the_write_before_it)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){
			      .kind = SIM_PUT, .value = 1, .call_ns = 1, .return_ns = 2});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 1, .call_ns = 3, .return_ns = 4});
	cr_assert_eq(judge(&history), SIM_LINEARIZABLE);
}

Test(lincheck, a_stale_read_is_found)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){
			      .kind = SIM_PUT, .value = 1, .call_ns = 1, .return_ns = 2});
	add(&history, (struct sim_op){
			      .kind = SIM_PUT, .value = 2, .call_ns = 3, .return_ns = 4});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 1, .call_ns = 5, .return_ns = 6});
	cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
}

Test(lincheck, a_read_beside_a_write_may_see_either)
{
	uint32_t value;

	for (value = 1; value <= 2; value++) {
		struct sim_history history;

		sim_history_init(&history);
		add(&history, (struct sim_op){.kind = SIM_PUT,
				      .value = 1,
				      .call_ns = 1,
				      .return_ns = 2});
		add(&history, (struct sim_op){.kind = SIM_PUT,
				      .value = 2,
				      .call_ns = 3,
				      .return_ns = 9});
		add(&history, (struct sim_op){.kind = SIM_GET,
				      .value = value,
				      .call_ns = 4,
				      .return_ns = 5});
		cr_assert_eq(judge(&history), SIM_LINEARIZABLE);
	}
}

Test(lincheck, two_reads_beside_a_write_do_not_go_back)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){
			      .kind = SIM_PUT, .value = 1, .call_ns = 1, .return_ns = 9});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 1, .call_ns = 2, .return_ns = 3});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 0, .call_ns = 4, .return_ns = 5});
	cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
}

Test(lincheck, an_unknown_write_may_be_done_late_or_never)
{
	uint32_t value;

	for (value = 1; value <= 2; value++) {
		struct sim_history history;

		sim_history_init(&history);
		add(&history, (struct sim_op){.kind = SIM_PUT,
				      .result = SIM_UNKNOWN,
				      .value = 2,
				      .call_ns = 1});
		add(&history, (struct sim_op){.kind = SIM_PUT,
				      .value = 1,
				      .call_ns = 5,
				      .return_ns = 6});
		add(&history, (struct sim_op){.kind = SIM_GET,
				      .value = value,
				      .call_ns = 7,
				      .return_ns = 8});
		cr_assert_eq(judge(&history), SIM_LINEARIZABLE);
	}
}

Test(lincheck, a_write_is_not_done_twice)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){.kind = SIM_PUT,
			      .result = SIM_UNKNOWN,
			      .value = 1,
			      .call_ns = 1});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 1, .call_ns = 2, .return_ns = 3});
	add(&history, (struct sim_op){
			      .kind = SIM_PUT, .value = 2, .call_ns = 4, .return_ns = 5});
	add(&history, (struct sim_op){
			      .kind = SIM_GET, .value = 1, .call_ns = 6, .return_ns = 7});
	cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
}

Test(lincheck, of_two_that_put_if_absent_one_wins)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){
			      .kind = SIM_CAS, .value = 1, .call_ns = 1, .return_ns = 5});
	add(&history, (struct sim_op){
			      .kind = SIM_CAS, .value = 2, .call_ns = 2, .return_ns = 6});
	cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
}

Test(lincheck, a_conflict_needs_something_to_stand_there)
{
	struct sim_history history;

	sim_history_init(&history);
	add(&history, (struct sim_op){.kind = SIM_CAS,
			      .result = SIM_CONFLICT,
			      .value = 1,
			      .call_ns = 1,
			      .return_ns = 2});
	cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
}

/* ---- by chance ---- */

/* One operation that really happened at a moment between its call and its return. */
static struct sim_op happened(struct blx__rng *rng, uint32_t number, uint32_t *value)
{
	uint64_t moment = 1000 + number * 10;
	struct sim_op op = {
		.kind = (enum sim_kind)blx__rng_below(rng, 4), .client = number};

	op.call_ns = moment - blx__rng_below(rng, 50);
	op.return_ns = moment + 1 + blx__rng_below(rng, 50);
	switch (op.kind) {
	case SIM_PUT:
		op.value = number + 1;
		op.result = sim_chance(rng, 100) ? SIM_UNKNOWN : SIM_OK;
		if (op.result == SIM_OK || sim_chance(rng, 500)) {
			*value = op.value;
		}
		break;
	case SIM_CAS:
		op.value = number + 1;
		op.expected = sim_chance(rng, 500) ? *value : number + 1000;
		op.result = op.expected == *value ? SIM_OK : SIM_CONFLICT;
		*value = op.result == SIM_OK ? op.value : *value;
		break;
	case SIM_DELETE:
		op.existed = *value != 0;
		*value = 0;
		break;
	case SIM_GET:
		op.value = *value;
		break;
	}
	return op;
}

Test(lincheck, what_really_happened_is_linearizable)
{
	const char *given = getenv("BLX_SEED");
	uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
	uint64_t last = given != NULL ? seed : 300;

	for (; seed <= last; seed++) {
		struct sim_history history;
		struct blx__rng rng;
		uint32_t value = 0;
		uint32_t i;

		sim_history_init(&history);
		blx__rng_init(&rng, seed);
		for (i = 0; i < 200; i++) {
			add(&history, happened(&rng, i, &value));
		}
		cr_assert_eq(judge(&history), SIM_LINEARIZABLE, "BLX_SEED=%llu",
			(unsigned long long)seed);
	}
}

Test(lincheck, a_value_that_nobody_wrote_is_found_anywhere)
{
	uint32_t at;

	for (at = 0; at < 200; at += 7) {
		struct sim_history history;
		struct blx__rng rng;
		uint32_t value = 0;
		uint32_t i;

		sim_history_init(&history);
		blx__rng_init(&rng, at + 1);
		for (i = 0; i < 200; i++) {
			add(&history, happened(&rng, i, &value));
			if (i == at) {
				add(&history, (struct sim_op){.kind = SIM_GET,
						      .value = 5000,
						      .call_ns = 1000 + i * 10,
						      .return_ns = 1001 + i * 10});
			}
		}
		cr_assert_eq(judge(&history), SIM_NOT_LINEARIZABLE);
	}
}
