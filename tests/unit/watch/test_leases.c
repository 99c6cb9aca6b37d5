/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/leases.h"

#include "base/rng.h"
#include "feed.h"
#include "machine/lease_record.h"
#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS       UINT64_C(1000000)
#define TTL_MS   800
#define WHOLE_MS (TTL_MS + TTL_MS / BLX__LEASE_DRIFT_PART)

static struct feed feed;
static struct blx__leases leases;

static void begin(void)
{
	feed_init(&feed, 100000);
	memset(&leases, 0, sizeof leases);
}

static void end(void)
{
	blx__leases_finish(&leases);
	feed_finish(&feed);
}

static const char *path_of(uint64_t id)
{
	static char path[64];

	(void)snprintf(path, sizeof path, "/:leases/%016" PRIx64, id);
	return path;
}

static uint64_t grant(uint64_t id, unsigned ttl_ms)
{
	char value[64];

	(void)snprintf(value, sizeof value, "{\"ttl_ms\": %u}", ttl_ms);
	feed_line(&feed, BLX__TXN_PUT, path_of(id), value);
	cr_assert_eq(feed_commit(&feed), 0);
	return blx__history_last(feed.history);
}

static void revoke(uint64_t id)
{
	feed_line(&feed, BLX__TXN_DELETE, path_of(id), NULL);
	cr_assert_eq(feed_commit(&feed), 0);
}

static void restart(void)
{
	struct blx__image *image = blx__machine_pin(feed.machine);

	cr_assert_eq(blx__leases_begin(&leases, blx__image_tree(image),
			     blx__image_meta(image)->revision),
		0);
	blx__image_unref(image);
}

static size_t due(struct blx__lease_due *ret)
{
	struct blx__lease_due list[8];
	size_t count = blx__leases_due(&leases, list, 8);

	*ret = count > 0 ? list[0] : (struct blx__lease_due){0};
	return count;
}

Test(leases, one_is_told_once_and_only_when_it_was_over_before, .init = begin, .fini = end)
{
	struct blx__lease_due one;
	uint64_t revision;

	restart();
	revision = grant(7, TTL_MS);
	cr_assert_eq(blx__leases_follow(&leases, feed.history), 0);
	blx__leases_pass(&leases, WHOLE_MS * MS - 1);
	cr_assert_eq(due(&one), 0);
	cr_assert_eq(due(&one), 0);
	blx__leases_pass(&leases, 1);
	cr_assert_eq(due(&one), 0, "whoever keeps it may be about to be heard");
	cr_assert_eq(due(&one), 1);
	cr_assert_eq(one.id, 7);
	cr_assert_eq(one.revision, revision);
	cr_assert_eq(due(&one), 0);
	cr_assert_not(blx__leases_keep(&leases, 7), "it is being ended");
	blx__leases_again(&leases, 7);
	cr_assert_eq(due(&one), 1);
	revoke(7);
	cr_assert_eq(blx__leases_follow(&leases, feed.history), 0);
	cr_assert_not(blx__leases_has(&leases, 7));
	blx__leases_again(&leases, 7);
	cr_assert_eq(due(&one), 0);
}

Test(leases, one_that_is_kept_has_its_whole_time_again, .init = begin, .fini = end)
{
	struct blx__lease_due one;
	unsigned i;

	(void)grant(1, TTL_MS);
	restart();
	for (i = 0; i < 10; i++) {
		blx__leases_pass(&leases, WHOLE_MS * MS);
		cr_assert_eq(due(&one), 0);
		cr_assert(blx__leases_keep(&leases, 1), "also at the last moment");
		cr_assert_eq(due(&one), 0);
	}
	cr_assert_not(blx__leases_keep(&leases, 2));
}

Test(leases, one_that_is_written_anew_is_another_one, .init = begin, .fini = end)
{
	struct blx__lease_due one;
	uint64_t revision;

	(void)grant(1, TTL_MS);
	restart();
	blx__leases_pass(&leases, WHOLE_MS * MS);
	cr_assert_eq(due(&one), 0);
	cr_assert_eq(due(&one), 1);
	revision = grant(1, 2 * TTL_MS);
	cr_assert_eq(blx__leases_follow(&leases, feed.history), 0);
	cr_assert_eq(due(&one), 0);
	blx__leases_pass(&leases, 2 * WHOLE_MS * MS);
	(void)due(&one);
	cr_assert_eq(due(&one), 1);
	cr_assert_eq(one.revision, revision);
}

Test(leases, a_new_leader_gives_all_of_them_their_whole_time, .init = begin, .fini = end)
{
	struct blx__lease_due one;

	(void)grant(1, TTL_MS);
	(void)grant(2, TTL_MS);
	restart();
	blx__leases_pass(&leases, (WHOLE_MS - 1) * MS);
	restart();
	blx__leases_pass(&leases, (WHOLE_MS - 1) * MS);
	cr_assert_eq(due(&one), 0);
	cr_assert_eq(due(&one), 0);
	blx__leases_pass(&leases, MS);
	cr_assert_eq(due(&one), 0);
	cr_assert_eq(due(&one), 2);
}

Test(leases, what_is_no_longer_in_the_history_is_told, .init = begin, .fini = end)
{
	char value[30000];
	unsigned i;

	restart();
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (i = 0; i < 8; i++) {
		feed_line(&feed, BLX__TXN_PUT, "/large", value);
		cr_assert_eq(feed_commit(&feed), 0);
	}
	cr_assert_eq(blx__leases_follow(&leases, feed.history), BLX_ECOMPACTED);
}

Test(leases, only_names_of_leases_count, .init = begin, .fini = end)
{
	uint64_t id;

	restart();
	feed_line(&feed, BLX__TXN_PUT, "/:leases", "{\"ttl_ms\": 800}");
	feed_line(&feed, BLX__TXN_PUT, "/:leases/x", "{\"ttl_ms\": 800}");
	feed_line(&feed, BLX__TXN_PUT, "/:leases-x/0000000000000001", "{\"ttl_ms\": 800}");
	feed_line(&feed, BLX__TXN_PUT, "/:leases/0000000000000002/x", "{\"ttl_ms\": 800}");
	feed_line(&feed, BLX__TXN_PUT, "/:leases/0000000000000003", "800");
	cr_assert_eq(feed_commit(&feed), 0);
	cr_assert_eq(blx__leases_follow(&leases, feed.history), 0);
	cr_assert_eq(leases.table.count, 0);
	restart();
	cr_assert_eq(leases.table.count, 0);
	cr_assert_not(blx__lease_key_is((const uint8_t *)":leases", 7, &id));
}

/* ---- against a model ------------------------------------------------------------ */

#define IDS 12

struct model {
	uint64_t until[IDS]; /* 0: there is none */
	uint64_t period[IDS];
	bool told[IDS];
	uint64_t now;
};

static void model_check(struct model *model)
{
	struct blx__lease_due list[IDS];
	size_t count = blx__leases_due(&leases, list, IDS);
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t id = list[i].id - 1;

		cr_assert(model->until[id] != 0 && model->now >= model->until[id] &&
			  !model->told[id]);
		model->told[id] = true;
	}
}

static void model_step(struct model *model, struct blx__rng *rng)
{
	uint64_t id = blx__rng_below(rng, IDS);
	unsigned ttl_ms;

	switch (blx__rng_below(rng, 6)) {
	case 0:
		ttl_ms = 100 + (unsigned)blx__rng_below(rng, 1000);
		(void)grant(id + 1, ttl_ms);
		model->period[id] = (ttl_ms + ttl_ms / BLX__LEASE_DRIFT_PART) * MS;
		model->until[id] = model->now + model->period[id];
		model->told[id] = false;
		break;
	case 1:
		revoke(id + 1);
		model->until[id] = 0;
		break;
	case 2:
		if (blx__leases_keep(&leases, id + 1)) {
			cr_assert(model->until[id] != 0 && !model->told[id]);
			model->until[id] = model->now + model->period[id];
		} else {
			cr_assert(model->until[id] == 0 || model->told[id]);
		}
		break;
	default:
		blx__leases_pass(&leases, 100 * MS);
		model->now += 100 * MS;
		break;
	}
	cr_assert_eq(blx__leases_follow(&leases, feed.history), 0);
	model_check(model);
}

Test(leases, none_is_told_early_or_twice_and_none_is_forgotten, .init = begin, .fini = end)
{
	const char *seed = getenv("BLX_SEED");
	struct model model = {0};
	struct blx__rng rng;
	unsigned i;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	restart();
	for (i = 0; i < 50000; i++) {
		model_step(&model, &rng);
	}
	blx__leases_pass(&leases, 5000 * MS);
	model.now += 5000 * MS;
	model_check(&model);
	model_check(&model);
	for (i = 0; i < IDS; i++) {
		cr_assert(model.until[i] == 0 || model.told[i], "%u", i);
	}
}
