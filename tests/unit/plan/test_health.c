/* SPDX-License-Identifier: Apache-2.0 */
#include "act/reconcile.h"
#include "base/mem.h"
#include "plan/health.h"
#include "record/fields.h"
#include "store/path.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

static int at(int64_t age_ns)
{
	struct blx__health_limits limits = {5 * S, 30 * S};

	return blx__health_of(&limits, age_ns);
}

Test(health, the_thresholds_are_exact)
{
	cr_assert_eq(at(0), BLX_HEALTH_HEALTHY);
	cr_assert_eq(at(4999 * MS), BLX_HEALTH_HEALTHY);
	cr_assert_eq(at(5000 * MS - 1), BLX_HEALTH_HEALTHY);
	cr_assert_eq(at(5000 * MS), BLX_HEALTH_DEGRADED);
	cr_assert_eq(at(29999 * MS), BLX_HEALTH_DEGRADED);
	cr_assert_eq(at(30000 * MS - 1), BLX_HEALTH_DEGRADED);
	cr_assert_eq(at(30000 * MS), BLX_HEALTH_FAILED);
	cr_assert_eq(at(INT64_MAX), BLX_HEALTH_FAILED);
}

static bool change(int64_t age_ns, blx_node_info *info)
{
	struct blx__health_limits limits = {5 * S, 30 * S};

	return blx__health_change(&limits, age_ns, 1000 * S, info);
}

Test(health, draining_outlives_what_health_does_to_the_status)
{
	static blx_node_info info;

	cr_assert_not(change(0, &info));
	cr_assert(change(5 * S, &info));
	cr_assert_eq(info.health, BLX_HEALTH_DEGRADED);
	cr_assert_eq(info.status, BLX_NODE_ACTIVE);
	cr_assert_eq(info.last_heartbeat, 995);
	cr_assert_eq(info.timestamp, 1000 * S);
	cr_assert_not(change(6 * S, &info), "only what changes is told");
	info.draining = 1;
	cr_assert(change(6 * S, &info));
	cr_assert_eq(info.status, BLX_NODE_DRAINING);
	cr_assert(change(30 * S, &info));
	cr_assert_eq(info.status, BLX_NODE_FAILED);
	cr_assert(change(0, &info));
	cr_assert_eq(info.health, BLX_HEALTH_HEALTHY);
	cr_assert_eq(info.status, BLX_NODE_DRAINING);
}

/* ---- the leader's loop, with a world of its own ------------------------------------------ */

struct world {
	struct blx__reconcile reconcile;
	struct blx__tree *tree;
	uint64_t revision;
	uint64_t mono_ns;
	int64_t wall_ns;
	uint64_t heard_ns; /* of "n" */
	unsigned pending;  /* submitted and not ended */
	unsigned submits;
	bool lose; /* what is submitted fails */
};

static struct world world;

static uint64_t mono_ns(void *data)
{
	(void)data;
	return world.mono_ns;
}

static int64_t wall_ns(void *data)
{
	(void)data;
	return world.wall_ns;
}

static struct blx__image *pin(void *data)
{
	struct blx__image_meta meta = {.revision = world.revision, .index = 1, .term = 1};
	struct blx__image_builder *builder;
	struct blx__image *image;
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(&cursor, world.tree, NULL, 0);

	(void)data;
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	for (; item != NULL; item = blx__cursor_next(&cursor)) {
		struct blx__image_item copy = {.key = blx__item_key(item),
			.key_len = item->key_len,
			.value = blx__item_value(item),
			.value_len = item->value_len,
			.create_revision = item->create_revision,
			.mod_revision = item->mod_revision,
			.version = item->version};

		cr_assert_eq(blx__image_builder_add_item(builder, &copy), 0);
	}
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	return image;
}

static bool heard_ns(const char *name, uint64_t *ret_ns, void *data)
{
	(void)data;
	*ret_ns = world.heard_ns;
	return strcmp(name, "n") == 0;
}

static uint64_t kept_ns(const char *name, void *data)
{
	(void)name;
	(void)data;
	return 0;
}

static bool submit(const struct blx__txn *txn, const char *from, void *data)
{
	struct blx__txn_outcome outcome;
	struct blx__buf result;
	struct blx__buf body;

	(void)from;
	(void)data;
	blx__buf_init(&body);
	blx__buf_init(&result);
	blx__txn_encode(txn, &body);
	if (!world.lose) {
		cr_assert_eq(blx__txn_apply(&world.tree, body.data, body.len, ++world.revision,
				     &outcome, &result),
			0);
		cr_assert_eq(outcome.code, 0);
	}
	blx__buf_finish(&result);
	blx__buf_finish(&body);
	world.pending++;
	world.submits++;
	return true;
}

static const struct blx__reconcile_ops ops = {.mono_ns = mono_ns,
	.wall_ns = wall_ns,
	.pin = pin,
	.heard_ns = heard_ns,
	.kept_ns = kept_ns,
	.submit = submit};

static void put(const char *key, size_t key_len, const char *value)
{
	struct blx__item *item = blx__item_create(key, key_len, value, strlen(value));

	item->create_revision = item->mod_revision = ++world.revision;
	item->version = 1;
	cr_assert_eq(blx__tree_put(&world.tree, item), 0);
}

static void begin(void)
{
	world = (struct world){.mono_ns = 1000 * S, .wall_ns = 5000 * S, .heard_ns = 1000 * S};
	cr_assert_eq(blx__tree_create(&world.tree), 0);
	put(":nodes\0n", 8, "{\"status\":\"Active\",\"cpu\":4}");
	put(":nodes\0other", 12, "{\"status\":\"Active\",\"cpu\":4}");
	blx__reconcile_init(&world.reconcile, &ops, NULL);
}

static void end(void)
{
	blx__reconcile_finish(&world.reconcile);
	blx__tree_unref(world.tree);
}

/* So much later, with ticks all the time. */
static void pass(int64_t ns, uint64_t term)
{
	uint64_t until = world.mono_ns + (uint64_t)ns;

	while (world.mono_ns < until) {
		uint64_t step = until - world.mono_ns < (uint64_t)(100 * MS) ? until - world.mono_ns
									     : (uint64_t)(100 * MS);

		world.mono_ns += step;
		world.wall_ns += (int64_t)step;
		blx__reconcile_tick(&world.reconcile, term);
		for (; world.pending > 0; world.pending--) {
			blx__reconcile_ended(&world.reconcile, world.lose ? BLX_ENOTLEADER : 0);
		}
	}
}

static int health_of(const char *key, size_t key_len)
{
	const struct blx__item *item =
		blx__tree_get(world.tree, (const uint8_t *)key, key_len);
	static blx_node_info info;
	int health;

	cr_assert_eq(blx__record_decode(blx__record_of(BLX_RECORD_NODE), blx__item_value(item),
			     item->value_len, &info, NULL),
		0);
	health = info.health;
	blx__free(info.extra);
	return health;
}

Test(reconcile, a_change_is_one_entry_and_nothing_else_is, .init = begin, .fini = end)
{
	blx__reconcile_tick(&world.reconcile, 1);
	while (world.mono_ns < 1060 * (uint64_t)S) {
		world.heard_ns = world.mono_ns;
		pass(100 * MS, 1);
	}
	cr_assert_eq(world.submits, 0, "a minute of idleness");
	pass(4 * S, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_HEALTHY);
	pass(2 * S, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_DEGRADED);
	pass(26 * S, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_FAILED);
	pass(100 * S, 1);
	cr_assert_eq(world.submits, 2);
	world.heard_ns = world.mono_ns;
	pass(1 * S + 100 * MS, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_HEALTHY);
	cr_assert_eq(world.submits, 3);
	cr_assert_eq(health_of(":nodes\0other", 12), BLX_HEALTH_HEALTHY, "it is no member");
}

Test(reconcile, a_new_leader_gives_everyone_the_whole_time, .init = begin, .fini = end)
{
	uint64_t term;

	world.heard_ns = 0;
	for (term = 1; term < 20; term++) {
		pass(4500 * MS, term);
	}
	cr_assert_eq(world.submits, 0, "many elections, and nobody is failed by them");
	pass(50 * S, 0);
	cr_assert_eq(world.submits, 0, "nor by who does not lead");
}

Test(reconcile, a_jump_of_the_wall_clock_changes_nothing, .init = begin, .fini = end)
{
	blx__reconcile_tick(&world.reconcile, 1);
	world.heard_ns = world.mono_ns;
	world.wall_ns += 3600 * S;
	pass(3 * S, 1);
	world.wall_ns -= 7200 * S;
	pass(1 * S, 1);
	cr_assert_eq(world.submits, 0);
}

Test(reconcile, settings_hold_from_the_next_look_on, .init = begin, .fini = end)
{
	blx__reconcile_tick(&world.reconcile, 1);
	pass(1 * S, 1);
	cr_assert_eq(world.submits, 0);
	put(":config\0health.degraded_after", 29, "2s");
	pass(1100 * MS, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_DEGRADED);
	put(":config\0health.degraded_after", 29, "many");
	pass(1 * S, 1);
	cr_assert_eq(world.submits, 2, "what is no duration counts as not set");
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_HEALTHY);
}

Test(reconcile, what_was_lost_is_decided_again, .init = begin, .fini = end)
{
	blx__reconcile_tick(&world.reconcile, 1);
	world.lose = true;
	pass(8 * S, 1);
	cr_assert_geq(world.submits, 2);
	world.lose = false;
	pass(1100 * MS, 1);
	cr_assert_eq(health_of(":nodes\0n", 8), BLX_HEALTH_DEGRADED);
}
