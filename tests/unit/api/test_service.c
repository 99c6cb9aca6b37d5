/* SPDX-License-Identifier: Apache-2.0 */
/* Services by the client's calls: what they write, and what they say when they cannot. */
#include "one.h"
#include "support/test.h"

#include <blixard/service.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct one one;
static blx_service service;
static blx_node_info info;

static void begin(void)
{
	one_init(&one, false);
	blx_record_init(BLX_RECORD_SERVICE, &service);
	blx_record_init(BLX_RECORD_NODE, &info);
}

static void begin_remote(void)
{
	one_init(&one, true);
	blx_record_init(BLX_RECORD_SERVICE, &service);
	blx_record_init(BLX_RECORD_NODE, &info);
}

static void end(void)
{
	one_finish(&one);
}

static void get(const char *name)
{
	blx_record_clear(BLX_RECORD_SERVICE, &service);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_SERVICE, name, 1, ONE_LONG_MS,
			     &service, NULL, &one.error),
		0, "%s", one.error.message);
}

static void put(const char *name)
{
	cr_assert_eq(blx_record_put(one.client, BLX_RECORD_SERVICE, name, &service, ONE_LONG_MS,
			     NULL, &one.error),
		0, "%s", one.error.message);
}

static void node(const char *name)
{
	info.cpu = 1000;
	info.memory = 1000;
	cr_assert_eq(blx_record_put(one.client, BLX_RECORD_NODE, name, &info, ONE_LONG_MS, NULL,
			     &one.error),
		0);
}

static void define(const char *name)
{
	blx_service what;

	blx_record_init(BLX_RECORD_SERVICE, &what);
	what.cpu = 500;
	cr_assert_eq(blx_service_define(one.client, name, &what, ONE_LONG_MS, &one.error), 0,
		"%s", one.error.message);
}

static void says(int code, const char *text)
{
	cr_assert_eq(one.error.code, code, "%d: %s", one.error.code, one.error.message);
	cr_assert_eq(strncmp(one.error.message, text, strlen(text)), 0, "%s", one.error.message);
}

static void refuses_another_unit(const char *name)
{
	blx_service what;

	blx_record_init(BLX_RECORD_SERVICE, &what);
	(void)strcpy(what.unit, "other.service");
	cr_assert_eq(blx_service_define(one.client, name, &what, ONE_LONG_MS, &one.error),
		BLX_ECONFLICT);
	says(BLX_ECONFLICT, "define web: another unit or manager");
	what.unit[0] = '\0';
	what.shared = 1;
	cr_assert_eq(blx_service_define(one.client, name, &what, ONE_LONG_MS, &one.error),
		BLX_ECONFLICT);
	get(name);
	cr_assert_str_eq(service.unit, "web.service");
}

static void goes_its_way(void)
{
	define("web");
	get("web");
	cr_assert_str_eq(service.unit, "web.service");
	cr_assert_eq(service.wanted, BLX_SERVICE_STOPPED);
	cr_assert_eq(service.cpu, 500);

	cr_assert_eq(blx_service_start(one.client, "web", NULL, &one.error), 0);
	get("web");
	cr_assert_eq(service.wanted, BLX_SERVICE_RUNNING);
	service.epoch = 7;
	(void)strcpy(service.owner, "n1");
	put("web");
	define("web"); /* what it does at the moment stays */
	get("web");
	cr_assert_eq(service.epoch, 7);
	cr_assert_str_eq(service.owner, "n1");
	refuses_another_unit("web");
	cr_assert_eq(blx_service_restart(one.client, "web", NULL, &one.error), 0);
	get("web");
	cr_assert_eq(service.restart, 1);
	cr_assert_eq(blx_service_remove(one.client, "web", ONE_LONG_MS, &one.error),
		BLX_ECONFLICT);
	cr_assert_eq(blx_service_stop(one.client, "web", NULL, &one.error), 0);
	get("web");
	cr_assert_eq(service.wanted, BLX_SERVICE_STOPPED);
	service.owner[0] = '\0';
	put("web");
	cr_assert_eq(blx_service_remove(one.client, "web", ONE_LONG_MS, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(blx_service_remove(one.client, "web", ONE_LONG_MS, &one.error), BLX_ENOENT);
}

Test(service, it_is_defined_wanted_and_forgotten, .init = begin, .fini = end)
{
	goes_its_way();
}

Test(service, and_by_the_socket, .init = begin_remote, .fini = end)
{
	goes_its_way();
}

Test(service, what_is_not_there_is_not_found, .init = begin, .fini = end)
{
	int is = 7;
	char *text = NULL;

	cr_assert_neq(blx_service_start(one.client, "web", NULL, &one.error), 0);
	says(BLX_ENOENT, "Service not found");
	cr_assert_neq(blx_service_stop(one.client, "web", NULL, &one.error), 0);
	says(BLX_ENOENT, "Service not found");
	cr_assert_neq(blx_service_is_on(one.client, "web", "n1", ONE_LONG_MS, &is, &one.error), 0);
	says(BLX_ENOENT, "Service not found");
	cr_assert_eq(is, 7);
	cr_assert_neq(
		blx_service_can_run(one.client, "web", "n1", ONE_LONG_MS, &text, &one.error), 0);
	says(BLX_ENOENT, "Service not found");
	cr_assert_neq(blx_service_migrate(one.client, "web", "n2", NULL, NULL, &one.error), 0);
	says(BLX_ENOENT, "Service not found");
	cr_assert_neq(blx_migration_abort(one.client, "m", ONE_LONG_MS, &one.error), 0);
	says(BLX_ENOENT, "migration m: there is none");
	cr_assert_neq(blx_node_drain(one.client, "n9", 0, ONE_LONG_MS, &one.error), 0);
	says(BLX_ENOENT, "there is no node n9");
}

Test(service, bad_arguments_are_told, .init = begin, .fini = end)
{
	cr_assert_eq(blx_service_define(one.client, "a/b", &service, 0, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_service_define(one.client, "", &service, 0, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_service_define(one.client, NULL, &service, 0, &one.error), BLX_EINVAL);
	service.command_count = 1;
	(void)strcpy(service.command[0], "sleep");
	cr_assert_eq(blx_service_define(one.client, "web", &service, 0, &one.error), BLX_EINVAL);
	service.command_count = 0;
	(void)strcpy(service.unit, "web");
	cr_assert_eq(blx_service_define(one.client, "web", &service, 0, &one.error), BLX_EINVAL);
	cr_assert_eq(blx_service_start(NULL, "web", NULL, &one.error), BLX_EINVAL);
}

Test(service, one_without_a_place_says_why, .init = begin, .fini = end)
{
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;

	define("web");
	opts.wait = 1;
	opts.timeout_ms = ONE_LONG_MS;
	cr_assert_neq(blx_service_start(one.client, "web", &opts, &one.error), 0);
	cr_assert_eq(one.error.code, BLX_ENOPLACE);
	cr_assert_not_null(strstr(one.error.message, "No suitable nodes available"));
}

Test(service, a_wait_is_told_what_came_of_it, .init = begin, .fini = end)
{
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;

	define("web");
	get("web");
	service.wanted = BLX_SERVICE_RUNNING;
	service.seen = service.state = BLX_SERVICE_FAILED;
	service.epoch = 1;
	(void)strcpy(service.owner, "n1");
	(void)strcpy(service.node, "n1");
	(void)strcpy(service.seen_node, "n1");
	(void)strcpy(service.detail, "start web.service: it failed: exit-code");
	put("web");
	opts.wait = 1;
	opts.timeout_ms = ONE_LONG_MS;
	cr_assert_eq(blx_service_start(one.client, "web", &opts, &one.error), BLX_EFAILED);
	cr_assert_not_null(strstr(one.error.message, "exit-code"));
}

static void runs_on(const char *name)
{
	define("web");
	get("web");
	service.wanted = service.state = service.seen = BLX_SERVICE_RUNNING;
	service.epoch = 1;
	(void)snprintf(service.owner, sizeof service.owner, "%s", name);
	(void)snprintf(service.node, sizeof service.node, "%s", name);
	(void)snprintf(service.seen_node, sizeof service.seen_node, "%s", name);
	put("web");
}

Test(service, a_migration_is_begun_once_it_can_be, .init = begin, .fini = end)
{
	char id[BLX_MIGRATION_ID_SIZE] = "";
	blx_migration migration;
	int is = 0;

	runs_on("a");
	cr_assert_eq(blx_service_is_on(one.client, "web", "a", ONE_LONG_MS, &is, &one.error), 0);
	cr_assert_eq(is, 1);
	cr_assert_eq(blx_service_is_on(one.client, "web", "b", ONE_LONG_MS, &is, &one.error), 0);
	cr_assert_eq(is, 0);
	cr_assert_neq(blx_service_migrate(one.client, "web", "a", NULL, id, &one.error), 0);
	says(BLX_EINVAL, "Failed to initiate migration: web is on a");
	cr_assert_neq(blx_service_migrate(one.client, "web", "b", NULL, id, &one.error), 0);
	says(BLX_ENOENT, "Failed to initiate migration: there is no node b");
	node("b");
	cr_assert_eq(blx_service_migrate(one.client, "web", "b", NULL, id, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_MIGRATION, id, 1, ONE_LONG_MS,
			     &migration, NULL, &one.error),
		0, "%s", one.error.message);
	cr_assert_eq(migration.state, BLX_MIGRATION_PREPARING);
	cr_assert_str_eq(migration.from, "a");
	blx_record_clear(BLX_RECORD_MIGRATION, &migration);
	cr_assert_eq(blx_migration_abort(one.client, id, ONE_LONG_MS, &one.error), 0);
}

Test(service, how_a_migration_ended_is_told, .init = begin, .fini = end)
{
	static const struct {
		const char *error;
		int code;
	} ends[] = {
		{"", 0},
		{"Service state changed during migration", BLX_ECONFLICT},
		{"Migration failed: Target node cannot accept service: b is Draining",
			BLX_EMIGRATION},
		{"Migration failed: Failed to stop on source: it did not stop in time",
			BLX_EMIGRATION},
		{"Migration failed: Failed to start on target: it is lost", BLX_EMIGRATION},
	};
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;
	blx_migration migration;
	size_t i;

	opts.timeout_ms = ONE_LONG_MS;
	for (i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		blx_record_init(BLX_RECORD_MIGRATION, &migration);
		(void)strcpy(migration.service, "web");
		(void)strcpy(migration.error, ends[i].error);
		cr_assert_eq(blx_record_put(one.client, BLX_RECORD_MIGRATED, "m", &migration,
				     ONE_LONG_MS, NULL, &one.error),
			0);
		blx_error_init(&one.error);
		cr_assert_eq(
			blx_migration_wait(one.client, "m", &opts, &one.error), ends[i].code);
		cr_assert_str_eq(one.error.message, ends[i].error);
	}
}

Test(service, ids_sort_by_time_and_are_made_once, .init = begin, .fini = end)
{
	static char ids[2000][BLX_MIGRATION_ID_SIZE];
	size_t i;

	for (i = 0; i < 2000; i++) {
		blx_migration_id(ids[i]);
		cr_assert_eq(strlen(ids[i]), 32);
		cr_assert(i == 0 || strncmp(ids[i - 1], ids[i], 12) <= 0);
		cr_assert(i == 0 || strcmp(ids[i - 1], ids[i]) != 0);
	}
}

Test(service, one_that_runs_is_adopted_with_its_placement, .init = begin, .fini = end)
{
	blx_placement placement;

	cr_assert_eq(
		blx_service_adopt(one.client, "web", &service, "a", ONE_LONG_MS, &one.error),
		BLX_ENOENT);
	says(BLX_ENOENT, "adopt web: there is no node a");
	node("a");
	cr_assert_eq(
		blx_service_adopt(one.client, "web", &service, "a", ONE_LONG_MS, &one.error), 0,
		"%s", one.error.message);
	get("web");
	cr_assert_str_eq(service.owner, "a");
	cr_assert_eq(service.epoch, 1);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_PLACEMENT, "web", 1, ONE_LONG_MS,
			     &placement, NULL, &one.error),
		0);
	cr_assert_str_eq(placement.node, "a");
	blx_record_clear(BLX_RECORD_PLACEMENT, &placement);
	cr_assert_eq(
		blx_service_adopt(one.client, "web", &service, "a", ONE_LONG_MS, &one.error),
		BLX_EEXIST);
}

Test(service, one_is_taken_from_a_node_that_failed, .init = begin, .fini = end)
{
	node("a");
	node("b");
	define("web");
	get("web");
	service.wanted = service.state = BLX_SERVICE_RUNNING;
	service.epoch = 3;
	(void)strcpy(service.owner, "a");
	(void)strcpy(service.seen_node, "a");
	put("web");
	cr_assert_eq(blx_service_reassign(one.client, "web", "b", NULL, &one.error), BLX_ECONFLICT);
	says(BLX_ECONFLICT, "reassign web: it is on a, not on b");
	cr_assert_eq(blx_service_reassign(one.client, "none", "a", NULL, &one.error), BLX_ENOENT);
	cr_assert_eq(blx_service_reassign(one.client, "web", "a", NULL, &one.error), 0, "%s",
		one.error.message);
	get("web");
	cr_assert_str_eq(service.owner, "");
	cr_assert_str_eq(service.prefer, "b");
	cr_assert_eq(service.seen, BLX_SERVICE_UNKNOWN);
	cr_assert_eq(blx_service_reassign(one.client, "web", "a", NULL, &one.error), BLX_ECONFLICT);
}

Test(service, what_operators_say_of_nodes_is_written, .init = begin, .fini = end)
{
	node("a");
	cr_assert_eq(blx_node_drain(one.client, "a", 60000, ONE_LONG_MS, &one.error), 0);
	cr_assert_eq(blx_node_failover(one.client, "a", ONE_LONG_MS, &one.error), 0);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_NODE, "a", 1, ONE_LONG_MS, &info, NULL,
			     &one.error),
		0);
	cr_assert_eq(info.draining, 1);
	cr_assert_eq(info.evicted, 1);
	cr_assert_eq(info.status, BLX_NODE_DRAINING);
	cr_assert_gt(info.drain_deadline, 0);
	blx_record_clear(BLX_RECORD_NODE, &info);
	cr_assert_eq(blx_node_undrain(one.client, "a", ONE_LONG_MS, &one.error), 0);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_NODE, "a", 1, ONE_LONG_MS, &info, NULL,
			     &one.error),
		0);
	cr_assert_eq(info.draining, 0);
	cr_assert_eq(info.evicted, 0);
	cr_assert_eq(info.drain_deadline, 0);
	blx_record_clear(BLX_RECORD_NODE, &info);
}

Test(service, each_reason_against_a_node_is_told, .init = begin, .fini = end)
{
	char *text = NULL;

	define("web");
	info.status = BLX_NODE_DRAINING;
	info.draining = 1;
	node("a");
	cr_assert_eq(
		blx_service_can_run(one.client, "web", "a", ONE_LONG_MS, &text, &one.error),
		BLX_ENOPLACE);
	cr_assert_not_null(strstr(text, "Draining"));
	cr_assert_not_null(strstr(text, "no member that runs services"));
	blx_text_free(text);
}
