/* SPDX-License-Identifier: Apache-2.0 */
/* The leader's deciders over a store: what each look makes of it is applied, look by look. */
#include "plan/migrate.h"
#include "plan/service.h"
#include "record/fields.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

static struct {
	struct blx__tree *tree;
	uint64_t revision;
	int64_t now;
	int64_t kept_ago[3]; /* of a, b, c */
	struct blx__scene scene;
	char from[BLX_NAME_MAX]; /* of the last move that takes something */
	size_t moves;            /* of the last look */
} world;

static int64_t kept_ago(const char *node, void *data)
{
	(void)data;
	return world.kept_ago[node[0] - 'a'];
}

static size_t key_of(int kind, const char *name, uint8_t *key)
{
	const char *dir = blx__record_of(kind)->dir;

	return (size_t)snprintf((char *)key, 128, "%s%c%s", dir, 0, name);
}

static void put(int kind, const char *name, const char *json)
{
	uint8_t key[128];
	size_t len = key_of(kind, name, key);
	struct blx__item *item = blx__item_create(key, len, json, strlen(json));

	item->create_revision = item->mod_revision = ++world.revision;
	item->version = 1;
	cr_assert_eq(blx__tree_put(&world.tree, item), 0);
}

/* "" where there is none. */
static const char *value_of(int kind, const char *name)
{
	static char text[4096];
	uint8_t key[128];
	size_t len = key_of(kind, name, key);
	const struct blx__item *item = blx__tree_get(world.tree, key, len);

	text[0] = '\0';
	if (item != NULL) {
		(void)snprintf(text, sizeof text, "%.*s", (int)blx__item_value_len(item),
			(const char *)blx__item_value(item));
	}
	return text;
}

static bool has(int kind, const char *name, const char *part)
{
	return strstr(value_of(kind, name), part) != NULL;
}

static void begin(void)
{
	unsigned i;

	memset(&world, 0, sizeof world);
	world.now = 1000 * S;
	cr_assert_eq(blx__tree_create(&world.tree), 0);
	blx__scene_init(&world.scene);
	for (i = 0; i < 3; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		put(BLX_RECORD_NODE, name,
			"{\"status\":\"Active\",\"cpu\":4000,\"memory\":4000,\"lease\":1000}");
	}
}

static void end(void)
{
	blx__scene_finish(&world.scene);
	blx__tree_unref(world.tree);
}

static void apply(const struct blx__move *move)
{
	struct blx__txn_outcome outcome;
	struct blx__buf body;
	struct blx__buf result;

	blx__buf_init(&body);
	blx__buf_init(&result);
	blx__txn_encode(&move->txn, &body);
	cr_assert_eq(blx__txn_apply(&world.tree, body.data, body.len, ++world.revision, &outcome,
			     &result),
		0);
	cr_assert_eq(outcome.code, 0);
	if (move->from[0] != '\0') {
		memcpy(world.from, move->from, sizeof world.from);
	}
	blx__buf_finish(&body);
	blx__buf_finish(&result);
}

static void look(void)
{
	struct blx__moves *moves = calloc(1, sizeof *moves);
	size_t i;

	world.now += 100 * MS;
	world.from[0] = '\0';
	cr_assert_eq(blx__scene_look(&world.scene, world.tree, world.revision, world.now,
			     kept_ago, NULL),
		0);
	blx__plan_migrations(&world.scene, moves);
	blx__plan_services(&world.scene, moves);
	blx__plan_drain(&world.scene, moves);
	blx__plan_rebalance(&world.scene, moves);
	world.moves = moves->count;
	for (i = 0; i < moves->count; i++) {
		apply(&moves->list[i]);
	}
	blx__moves_finish(moves);
	free(moves);
}

static void looks(unsigned count)
{
	while (count-- > 0) {
		look();
	}
}

/* As its host writes it. */
static void seen(const char *name, int state)
{
	blx_service *service = calloc(1, sizeof *service);
	uint64_t revision;
	char *text;

	world.scene.tree = world.tree;
	cr_assert_eq(blx__scene_read(&world.scene, BLX_RECORD_SERVICE, name, service, &revision),
		0);
	service->seen = state;
	if (service->state != BLX_SERVICE_MIGRATING) {
		service->state = state;
	}
	text = blx__record_encode(blx__record_of(BLX_RECORD_SERVICE), service, NULL);
	put(BLX_RECORD_SERVICE, name, text);
	free(text);
	free(service);
}

#define RUNS_ON_A                                                                        \
	"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Running\",\"epoch\":4,"        \
	"\"owner\":\"a\",\"stop_agreed\":500,\"seen_node\":\"a\",\"seen\":\"Running\"}"

Test(moves, a_service_that_is_wanted_gets_a_node)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Stopped\",\"node\":\"\",\"wanted\":\"Running\",\"cpu\":1000}");

	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\""));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"epoch\":1"));
	cr_assert(has(BLX_RECORD_PLACEMENT, "web", "\"node\":\"a\""));
	look();
	cr_assert_eq(world.moves, 0);
	end();
}

Test(moves, what_has_no_place_says_why_once)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Stopped\",\"node\":\"\",\"wanted\":\"Running\",\"cpu\":9000}");

	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "No suitable nodes available"));
	look();
	cr_assert_eq(world.moves, 0);
	end();
}

Test(moves, what_is_not_wanted_is_taken_and_forgotten_when_it_has_stopped)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Stopped\",\"epoch\":4,"
		"\"owner\":\"a\",\"seen_node\":\"a\",\"seen\":\"Stopped\"}");

	look();
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"owner\""));
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"seen\":")); /* of before: it does not count */
	looks(3);
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"node\":\"a\""));
	seen("web", BLX_SERVICE_STOPPED);
	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"node\":\"\""));
	end();
}

Test(moves, a_lost_node_keeps_it_until_it_cannot_run_any_more)
{
	int64_t fence = (1000 + 2 * 500) * MS / 4 * 5 + S;

	begin();
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_NODE, "a",
		"{\"status\":\"Failed\",\"health\":\"Failed\",\"lease\":1000}");

	world.kept_ago[0] = fence - 1;
	look();
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\""));
	world.kept_ago[0] = fence;
	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"b\""));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"epoch\":5"));
	cr_assert_str_eq(world.from, "a"); /* whose lease is not kept meanwhile */
	end();
}

Test(moves, a_shared_one_need_not_be_waited_for)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Running\",\"shared\":true,"
		"\"epoch\":4,\"owner\":\"a\",\"seen_node\":\"a\",\"seen\":\"Running\"}");
	put(BLX_RECORD_NODE, "a",
		"{\"status\":\"Failed\",\"health\":\"Failed\",\"lease\":1000}");

	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"b\""));
	end();
}

#define MIGRATION                                                                        \
	"{\"service\":\"web\",\"from\":\"a\",\"to\":\"b\",\"state\":\"Preparing\","           \
	"\"state_at\":\"1970-01-01T00:16:40.000Z\",\"timeout\":5000"

Test(moves, a_migration_goes_through_its_phases)
{
	begin();
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_MIGRATION, "m", MIGRATION "}");

	looks(2);
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Preparing")); /* the target has to say yes */
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"yes\"}");
	look();
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Stopping"));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"state\":\"Migrating\",\"node\":\"a\""));
	cr_assert(has(BLX_RECORD_RESERVATION, "web", "\"node\":\"b\""));
	looks(3);
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Stopping")); /* it runs still */
	seen("web", BLX_SERVICE_STOPPED);
	look();
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Starting"));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"epoch\":5"));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"b\""));
	seen("web", BLX_SERVICE_RUNNING);
	look();
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Finalizing"));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"state\":\"Running\",\"node\":\"b\""));
	cr_assert(has(BLX_RECORD_PLACEMENT, "web", "\"node\":\"b\""));
	look();

	cr_assert_str_eq(value_of(BLX_RECORD_MIGRATION, "m"), "");
	cr_assert_str_eq(value_of(BLX_RECORD_RESERVATION, "web"), "");
	cr_assert(has(BLX_RECORD_MIGRATED, "m", "ended_at"));
	cr_assert(!has(BLX_RECORD_MIGRATED, "m", "error"));
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "migration"));
	end();
}

static void until_starting(void)
{
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"yes\"}");
	look();
	seen("web", BLX_SERVICE_STOPPED);
	look();
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Starting"));
}

Test(moves, a_start_that_fails_brings_it_back)
{
	begin();
	until_starting();

	seen("web", BLX_SERVICE_FAILED);
	look();
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "RollingBack"));
	cr_assert(has(BLX_RECORD_MIGRATION, "m",
		"Migration failed: Failed to start on target: "));
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"owner\""));
	looks(3); /* not before the target says that it does not run there */
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"owner\""));
	seen("web", BLX_SERVICE_STOPPED);
	look();
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\""));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"epoch\":6"));
	seen("web", BLX_SERVICE_RUNNING);
	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"state\":\"Running\",\"node\":\"a\""));
	cr_assert(has(BLX_RECORD_MIGRATED, "m", "Failed to start on target"));
	cr_assert_str_eq(value_of(BLX_RECORD_RESERVATION, "web"), "");
	end();
}

Test(moves, a_source_that_does_not_stop_keeps_it)
{
	begin();
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"yes\"}");
	look();

	world.now += 5 * S;
	looks(2);

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\""));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"epoch\":4")); /* nobody else ever had it */
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Failed to stop on source"));
	end();
}

Test(moves, a_target_that_says_no_ends_it)
{
	begin();
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"web.service is masked there\"}");

	look();

	cr_assert(has(BLX_RECORD_MIGRATED, "m",
		"Migration failed: Target node cannot accept service: web.service is masked"));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\""));
	end();
}

Test(moves, the_second_of_two_migrations_of_one_service_ends)
{
	begin();
	put(BLX_RECORD_SERVICE, "web", RUNS_ON_A);
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"yes\"}");
	look();
	put(BLX_RECORD_MIGRATION, "n", MIGRATION ",\"answer\":\"yes\"}");

	look();

	cr_assert(has(BLX_RECORD_MIGRATED, "n", "Service state changed during migration"));
	cr_assert(has(BLX_RECORD_MIGRATION, "m", "Stopping"));
	end();
}

Test(moves, one_of_a_service_that_is_gone_ends)
{
	begin();
	put(BLX_RECORD_MIGRATION, "m", MIGRATION ",\"answer\":\"yes\"}");

	look();

	cr_assert(has(BLX_RECORD_MIGRATED, "m", "Service not found"));
	end();
}

Test(moves, so_many_that_have_ended_are_kept)
{
	char id[16];
	unsigned i;

	begin();
	for (i = 0; i < BLX__MIGRATED_MAX; i++) {
		(void)snprintf(id, sizeof id, "m%03u", i);
		put(BLX_RECORD_MIGRATED, id, MIGRATION "}");
	}
	put(BLX_RECORD_MIGRATION, "z", MIGRATION "}");

	look();

	cr_assert_str_eq(value_of(BLX_RECORD_MIGRATED, "m000"), "");
	cr_assert_str_neq(value_of(BLX_RECORD_MIGRATED, "m001"), "");
	cr_assert_str_neq(value_of(BLX_RECORD_MIGRATED, "z"), "");
	end();
}

Test(moves, a_drained_node_sends_the_highest_priority_first)
{
	begin();
	put(BLX_RECORD_SERVICE, "low", RUNS_ON_A);
	put(BLX_RECORD_SERVICE, "mid", RUNS_ON_A);
	put(BLX_RECORD_SERVICE, "top",
		"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Running\",\"priority\":9,"
		"\"epoch\":4,\"owner\":\"a\",\"seen_node\":\"a\",\"seen\":\"Running\"}");
	put(BLX_RECORD_NODE, "a",
		"{\"status\":\"Draining\",\"draining\":true,\"lease\":1000,\"cpu\":4000}");

	look();

	cr_assert_eq(world.moves, 2); /* drain.parallel */
	cr_assert_eq(world.scene.migrations_count, 0);
	look();
	cr_assert_eq(world.scene.migrations_count, 2);
	cr_assert_eq(world.moves, 0);
	cr_assert_str_eq(world.scene.migrations[0].record.service, "top");
	cr_assert_str_eq(world.scene.migrations[1].record.service, "low");
	end();
}

Test(moves, at_the_deadline_what_is_left_is_taken)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Running\",\"cpu\":4000,"
		"\"epoch\":4,\"owner\":\"a\",\"seen_node\":\"a\",\"seen\":\"Running\"}");
	put(BLX_RECORD_NODE, "a",
		"{\"status\":\"Draining\",\"draining\":true,\"lease\":1000,\"cpu\":4000,"
		"\"memory\":1,\"drain_deadline\":\"1970-01-01T00:16:41.000Z\"}");
	put(BLX_RECORD_NODE, "b", "{\"status\":\"Active\",\"lease\":1000,\"cpu\":1}");
	put(BLX_RECORD_NODE, "c", "{\"status\":\"Active\",\"lease\":1000,\"cpu\":1}");

	look();
	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"a\"")); /* it has nowhere to go */
	world.now += S;
	look();

	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"owner\""));
	end();
}

Test(moves, one_that_waits_for_a_place_is_on_no_node)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Stopped\",\"node\":\"a\",\"wanted\":\"Running\",\"epoch\":4,"
		"\"cpu\":9000,\"seen_node\":\"a\",\"seen\":\"Stopped\"}");
	put(BLX_RECORD_PLACEMENT, "web", "{\"node\":\"a\",\"epoch\":4}");

	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"state\":\"Stopped\",\"node\":\"\""));
	cr_assert(has(BLX_RECORD_SERVICE, "web", "No suitable nodes available"));
	cr_assert_str_eq(value_of(BLX_RECORD_PLACEMENT, "web"), "");
	look();
	cr_assert_eq(world.moves, 0);
	end();
}

Test(moves, one_that_fails_too_often_goes_elsewhere)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Failed\",\"node\":\"a\",\"wanted\":\"Running\",\"failures_max\":3,"
		"\"failures\":3,\"epoch\":4,\"owner\":\"a\",\"seen_node\":\"a\","
		"\"seen\":\"Failed\"}");

	look();
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"owner\""));
	seen("web", BLX_SERVICE_FAILED);
	look();

	cr_assert(has(BLX_RECORD_SERVICE, "web", "\"owner\":\"b\""));
	cr_assert(!has(BLX_RECORD_SERVICE, "web", "\"failures\""));
	end();
}

Test(moves, what_is_out_of_place_is_moved)
{
	begin();
	put(BLX_RECORD_SERVICE, "web",
		"{\"state\":\"Running\",\"node\":\"a\",\"wanted\":\"Running\",\"epoch\":4,"
		"\"constraints\":[{\"kind\":\"not-node\",\"values\":[\"a\"]}],"
		"\"owner\":\"a\",\"seen_node\":\"a\",\"seen\":\"Running\"}");

	looks(2);

	cr_assert_eq(world.scene.migrations_count, 1);
	cr_assert_str_eq(world.scene.migrations[0].record.reason, "rebalance");
	cr_assert_str_eq(world.scene.migrations[0].record.to, "b");
	end();
}
