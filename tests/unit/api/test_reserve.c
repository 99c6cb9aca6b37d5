/* SPDX-License-Identifier: Apache-2.0 */
/* Records and reservations by the public calls. */
#include "one.h"
#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void add_node(const char *name, int64_t cpu, int64_t memory)
{
	static blx_node_info info;

	blx_record_init(BLX_RECORD_NODE, &info);
	info.cpu = cpu;
	info.memory = memory;
	cr_assert_eq(blx_record_put(one.client, BLX_RECORD_NODE, name, &info, ONE_LONG_MS, NULL,
			     &one.error),
		0, "%s", one.error.message);
}

static uint64_t lease(uint32_t ttl_ms)
{
	uint64_t id = 0;

	cr_assert_eq(blx_lease_grant(one.client, ttl_ms, "test", 0, &id, &one.error), 0, "%s",
		one.error.message);
	return id;
}

static int reserve(const char *name, int64_t cpu, int64_t memory, uint64_t id)
{
	blx_place_request request = BLX_PLACE_REQUEST_INIT;
	char node[BLX_NAME_MAX];

	request.name = name;
	request.cpu = cpu;
	request.memory = memory;
	return blx_reserve(one.client, &request, id, ONE_LONG_MS, node, &one.error);
}

static void use_records(void)
{
	static blx_service service;
	static blx_service there;
	uint64_t revision = 0;

	blx_record_init(BLX_RECORD_SERVICE, &service);
	service.state = BLX_SERVICE_RUNNING;
	service.timestamp = 1000000;
	(void)strcpy(service.node, "a");
	cr_assert_eq(blx_record_put(one.client, BLX_RECORD_SERVICE, "web", &service, 0, &revision,
			     &one.error),
		0);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_SERVICE, "web", 1, 0, &there, NULL,
			     &one.error),
		0);
	cr_assert_eq(memcmp(&there, &service, sizeof there), 0);
	/* It has changed in a field that does not matter. */
	there.timestamp = 77;
	service.node[0] = 'b';
	cr_assert_eq(blx_record_cas(one.client, BLX_RECORD_SERVICE, "web", &there, "state,node",
			     &service, 0, &revision, &one.error),
		0, "%s", one.error.message);
	cr_assert_eq(blx_record_cas(one.client, BLX_RECORD_SERVICE, "web", &there, "state,node",
			     &service, 0, &revision, &one.error),
		BLX_ECONFLICT);
	cr_assert_eq(blx_record_cas(one.client, BLX_RECORD_SERVICE, "web", &there, "state,colour",
			     &service, 0, &revision, &one.error),
		BLX_EINVAL);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_SERVICE, "none", 0, 0, &there, NULL,
			     &one.error),
		BLX_ENOENT);
	service.cpu = -5;
	cr_assert_eq(blx_record_put(
			     one.client, BLX_RECORD_SERVICE, "web", &service, 0, NULL, &one.error),
		BLX_EINVAL);
	cr_assert_eq(blx_put(one.client, "/:services/web", "x", 1, NULL, NULL, &one.error),
		BLX_EINVAL);
	cr_assert_not_null(strstr(one.error.message, "must be a JSON object"));
	(void)one_put(&one, "/:placement/web", "a");
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_PLACEMENT, "web", 1, 0, &there, NULL,
			     &one.error),
		0);
	cr_assert_str_eq(((blx_placement *)&there)->node, "a");
}

Test(reserve, records_are_put_got_and_compared, .init = begin, .fini = end)
{
	use_records();
}

Test(reserve, records_are_put_got_and_compared_elsewhere, .init = begin_remote, .fini = end)
{
	use_records();
}

static void use_reservations(void)
{
	static blx_reservation record;
	uint64_t id = lease(60000);
	uint64_t other = lease(60000);

	cr_assert_eq(reserve("v", 1, 1, id), BLX_ENOPLACE);
	cr_assert_not_null(strstr(one.error.message, "No suitable nodes available"));
	add_node("a", 1000, 1024);
	add_node("b", 2000, 1024);
	cr_assert_eq(reserve("v", 1500, 512, id), 0, "%s", one.error.message);
	cr_assert_eq(reserve("v", 1, 1, id), BLX_ERESERVED);
	cr_assert_not_null(strstr(one.error.message, "Resource reservation failed"));
	cr_assert_eq(reserve("w", 1500, 512, id), BLX_ENOPLACE);
	cr_assert_eq(reserve("w", 1000, 512, id), 0);
	cr_assert_eq(blx_reservation_bind(one.client, "v", other, 0, &one.error), BLX_ECONFLICT);
	cr_assert_eq(blx_reservation_bind(one.client, "v", id, 0, &one.error), 0, "%s",
		one.error.message);
	cr_assert_eq(blx_reservation_bind(one.client, "v", id, 0, &one.error), BLX_ECONFLICT);
	cr_assert_eq(blx_lease_revoke(one.client, id, 0, &one.error), 0);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_RESERVATION, "v", 1, 0, &record, NULL,
			     &one.error),
		0, "bound, it stays");
	cr_assert_str_eq(record.node, "b");
	cr_assert_eq(record.state, BLX_RESERVATION_BOUND);
	cr_assert_eq(blx_record_get(one.client, BLX_RECORD_RESERVATION, "w", 1, 0, &record, NULL,
			     &one.error),
		BLX_ENOENT, "pending, it goes");
	cr_assert_eq(reserve("w", 1000, 512, id), BLX_ENOENT, "of a lease that has ended");
	cr_assert_eq(reserve("w", 1000, 512, other), 0);
	cr_assert_eq(blx_reservation_release(one.client, "v", 0, &one.error), 0);
	cr_assert_eq(blx_reservation_release(one.client, "v", 0, &one.error), BLX_ENOENT);
	cr_assert_eq(reserve("v", 2000, 1024, other), 0);
}

Test(reserve, pending_bound_released, .init = begin, .fini = end)
{
	use_reservations();
}

Test(reserve, pending_bound_released_elsewhere, .init = begin_remote, .fini = end)
{
	use_reservations();
}

/* ---- many at once --------------------------------------------------------------- */

#define STARTERS 8
#define STARTS   125 /* a thousand in all */

static uint64_t common_lease;
static atomic_uint reserved;
static atomic_uint refused;

static void *start_many(void *data)
{
	unsigned number = (unsigned)(uintptr_t)data;
	unsigned i;

	for (i = 0; i < STARTS; i++) {
		blx_place_request request = BLX_PLACE_REQUEST_INIT;
		blx_error error = BLX_ERROR_INIT;
		char node[BLX_NAME_MAX];
		char name[32];
		int rv;

		(void)snprintf(name, sizeof name, "v%u-%u", number, i);
		request.name = name;
		request.cpu = 100 + (number * 7 + i) % 3 * 50;
		request.memory = 10;
		rv = blx_reserve(one.client, &request, common_lease, ONE_LONG_MS, node, &error);
		cr_assert(rv == 0 || rv == BLX_ENOPLACE || rv == BLX_EBUSY, "%s", error.message);
		(void)atomic_fetch_add(rv == 0 ? &reserved : &refused, 1);
		if (rv == 0 && i % 3 == 0) {
			cr_assert_eq(blx_reservation_release(one.client, name, 0, &error), 0);
		}
	}
	return NULL;
}

static void check_sums(void)
{
	blx_sql *sql;

	cr_assert_eq(blx_sql_query(one.client,
			     "SELECT n, used, (SELECT json_extract(value,'$.cpu') FROM kv WHERE "
			     "path = '/:nodes/' || n) FROM (SELECT json_extract(value,"
			"'$.node') AS n, "
			     "sum(json_extract(value,'$.cpu')) AS used FROM kv "
			     "WHERE path GLOB '/:reservations/*' GROUP BY 1)",
			     NULL, &sql, &one.error),
		0, "%s", one.error.message);
	cr_assert_eq(blx_sql_rows(sql), 3);
	while (blx_sql_next(sql) == 1) {
		cr_assert_leq(blx_sql_integer(sql, 1), blx_sql_integer(sql, 2), "on %s",
			(const char *)blx_sql_bytes(sql, 0, NULL));
	}
	blx_sql_free(sql);
}

Test(reserve, what_is_reserved_never_exceeds_what_there_is, .init = begin_remote, .fini = end)
{
	pthread_t threads[STARTERS];
	blx_place_node node = {.size = sizeof node};
	blx_place_model *model;
	unsigned i;
	size_t uses = 0;

	add_node("a", 2000, 1000);
	add_node("b", 3000, 1000);
	add_node("c", 1000, 1000);
	common_lease = lease(3600000);
	for (i = 0; i < STARTERS; i++) {
		cr_assert_eq(pthread_create(&threads[i], NULL, start_many,
			(void *)(uintptr_t)i), 0);
	}
	for (i = 0; i < STARTERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	cr_assert_eq(blx_place_model_read(one.client, 1, 0, &model, &one.error), 0);
	for (i = 0; blx_place_model_node_at(model, i, &node) == 0; i++) {
		cr_assert_lt(node.cpu_free, 200, "%s is not full", node.name);
		uses += node.uses;
	}
	cr_assert_eq(i, 3);
	check_sums();
	cr_assert_geq(atomic_load(&reserved), uses);
	cr_assert_gt(atomic_load(&refused), 0);
	blx_place_model_destroy(model);
}
