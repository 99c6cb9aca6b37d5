/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands beside puts and gets, with one member in this process and its
 * socket: a view of many services, SQL over many keys against the same rows in a
 * plain SQLite table, and one writer with many watchers.
 *
 *	store DIR [KEYS]
 *
 * prints one line of JSON for each figure. KEYS: for SQL (default 10^6).
 */
#include "clock.h"

#include <blixard/blixard.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERVICES       100000
#define NODES          10000
#define READS          200000
#define WATCHERS       100
#define CHANGES        5000
#define BATCH          1000
#define SQL_TIMEOUT_MS 600000

static blx_node *node;
static blx_client *client;
static char socket_address[512];

static void die(const char *what, const blx_error *error)
{
	fprintf(stderr, "bench: %s: %s\n", what, error->message);
	exit(1);
}

static void begin(const char *dir)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_member member = {"a", "127.0.0.1:17191"};
	blx_error error = BLX_ERROR_INIT;
	static char data_dir[400];
	static char socket_path[400];

	(void)snprintf(data_dir, sizeof data_dir, "%s/a", dir);
	(void)snprintf(socket_path, sizeof socket_path, "%s/a.sock", dir);
	(void)snprintf(socket_address, sizeof socket_address, "unix:%s", socket_path);
	init.data_dir = data_dir;
	init.name = "a";
	init.members = &member;
	init.members_count = 1;
	opts.data_dir = data_dir;
	opts.socket_path = socket_path;
	opts.election_timeout_ms = 200;
	if (blx_cluster_init(&init, &error) != 0 || blx_node_create(&opts, &node, &error) != 0 ||
		blx_node_start(node, &error) != 0) {
		die("start", &error);
	}
	client = blx_node_client(node);
}

/* ---- filling ------------------------------------------------------------------------- */

typedef void (*make_pair)(unsigned i, char path[64], char value[160]);

static void fill(unsigned count, make_pair make)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	char path[64];
	char value[160];
	unsigned i = 0;

	opts.timeout_ms = 60000;
	while (i < count) {
		blx_batch *batch;
		unsigned k;

		if (blx_batch_create(&batch) != 0) {
			exit(1);
		}
		for (k = 0; k < BATCH && i < count; k++, i++) {
			make(i, path, value);
			(void)blx_batch_put(batch, path, value, strlen(value));
		}
		if (blx_batch_commit(client, batch, &opts, NULL, &error) != 0) {
			die("fill", &error);
		}
		blx_batch_destroy(batch);
	}
}

/* ---- a view ------------------------------------------------------------------------------ */

static void make_service(unsigned i, char path[64], char value[160])
{
	(void)snprintf(path, 64, "/:services/s%06u", i);
	(void)snprintf(value, 160, "{\"node\":\"n%u\",\"mem\":%u,\"state\":\"running\"}", i % NODES,
		i % 977);
}

static void bench_view(void)
{
	static const char *const sums[] = {"mem"};
	blx_view_declare_opts opts = BLX_VIEW_DECLARE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	uint32_t *ns = malloc(READS * sizeof *ns);
	uint64_t began;
	double declared_ms;
	unsigned i;

	opts.sums = sums;
	opts.sums_count = 1;
	opts.timeout_ms = 60000;
	fill(SERVICES, make_service);
	began = bench_ns();
	if (blx_view_declare(client, "by_node", "/:services/*", "node", &opts, &error) != 0) {
		die("declare", &error);
	}
	declared_ms = (double)(bench_ns() - began) / 1e6;
	for (i = 0; i < READS; i++) {
		char group[16];
		blx_view *view;

		(void)snprintf(group, sizeof group, "n%u", (i * 7919u) % NODES);
		began = bench_ns();
		if (blx_view_group(client, "by_node", group, NULL, &view, &error) != 0) {
			die("view", &error);
		}
		ns[i] = (uint32_t)(bench_ns() - began);
		if (blx_view_total(view) != SERVICES / NODES) {
			exit(1);
		}
		blx_view_free(view);
	}
	printf("{\"what\":\"view\",\"services\":%d,\"in_group\":%d,\"declare_ms\":%.0f,"
	       "\"p50_ns\":%u,\"p99_ns\":%u}\n",
		SERVICES, SERVICES / NODES, declared_ms, bench_permille(ns, READS, 500),
		bench_permille(ns, READS, 990));
	free(ns);
}

/* ---- SQL ------------------------------------------------------------------------------------ */

static void make_row(unsigned i, char path[64], char value[160])
{
	(void)snprintf(path, 64, "/app/%03u/%06u", i % 100, i);
	(void)snprintf(value, 160,
		"{\"node\":\"n%u\",\"mem\":%u,\"state\":\"running\",\"pad\":\"%032u\"}", i % 50,
		i % 977, i);
}

static void rows_in(sqlite3 *db, unsigned count)
{
	sqlite3_stmt *stmt;
	char path[64];
	char value[160];
	unsigned i;

	(void)sqlite3_exec(db,
		"CREATE TABLE kv(path TEXT PRIMARY KEY, value, create_revision INTEGER, "
		"mod_revision INTEGER, version INTEGER) WITHOUT ROWID; BEGIN",
		NULL, NULL, NULL);
	(void)sqlite3_prepare_v2(db, "INSERT INTO kv VALUES(?, ?, 1, 1, 1)", -1, &stmt, NULL);
	for (i = 0; i < count; i++) {
		make_row(i, path, value);
		(void)sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
		(void)sqlite3_step(stmt);
		(void)sqlite3_reset(stmt);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
}

static double ms_plain(sqlite3 *db, const char *sql)
{
	uint64_t began = bench_ns();
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		fprintf(stderr, "bench: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
	while (sqlite3_step(stmt) == SQLITE_ROW) {
	}
	(void)sqlite3_finalize(stmt);
	return (double)(bench_ns() - began) / 1e6;
}

static double ms_own(const char *sql)
{
	blx_sql_opts opts = BLX_SQL_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	uint64_t began = bench_ns();
	blx_sql *result;

	opts.timeout_ms = SQL_TIMEOUT_MS;
	if (blx_sql_query(client, sql, &opts, &result, &error) != 0) {
		die("sql", &error);
	}
	blx_sql_free(result);
	return (double)(bench_ns() - began) / 1e6;
}

static void bench_sql(unsigned keys)
{
	static const struct {
		const char *what;
		const char *sql;
	} queries[] = {
		{"count", "SELECT count(*) FROM kv WHERE path GLOB '/app/*'"},
		{"group by a field",
			"SELECT json_extract(value,'$.node') AS node, count(*) FROM kv "
			"WHERE path GLOB '/app/*' GROUP BY node"},
		{"a hundredth by prefix",
			"SELECT count(*), sum(length(value)) FROM kv WHERE path GLOB '/app/042/*'"},
		{"one", "SELECT value FROM kv WHERE path = '/app/042/000042'"},
		{"the greatest ten",
			"SELECT path FROM kv WHERE path GLOB '/app/*' "
			"ORDER BY json_extract(value,'$.mem') DESC, path LIMIT 10"},
	};
	sqlite3 *db;
	size_t i;

	fill(keys, make_row);
	(void)sqlite3_open(":memory:", &db);
	rows_in(db, keys);
	for (i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		double own = 0;
		double plain = 0;
		int round;

		/* In turns, for the machine's speed changes; the best of each. */
		for (round = 0; round < 3; round++) {
			double a = ms_own(queries[i].sql);
			double b = ms_plain(db, queries[i].sql);

			own = round == 0 || a < own ? a : own;
			plain = round == 0 || b < plain ? b : plain;
		}
		printf("{\"what\":\"sql\",\"query\":\"%s\",\"keys\":%u,\"ms\":%.3f,"
		       "\"plain_table_ms\":%.3f,\"ratio\":%.2f}\n",
			queries[i].what, keys, own, plain, own / plain);
	}
	(void)sqlite3_close(db);
}

/* ---- watchers ------------------------------------------------------------------------------- */

static atomic_uint told[WATCHERS];
static _Atomic uint64_t written_ns[CHANGES];
static uint32_t *late_us; /* of the first watcher */

static void *watch_all(void *data)
{
	unsigned number = (unsigned)(uintptr_t)data;
	blx_event event = BLX_EVENT_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_client *own;
	blx_watch *watch;
	unsigned i;

	if (blx_client_open(socket_address, NULL, &own, &error) != 0 ||
		blx_watch_open(own, "/watched/*", NULL, &watch, &error) != 0) {
		die("watch", &error);
	}
	atomic_store(&told[number], 1);
	for (i = 0; i < CHANGES; i++) {
		if (blx_watch_next(watch, BLX_WATCH_FOREVER, &event, &error) != 0) {
			die("watch", &error);
		}
		if (number == 0) {
			late_us[i] = (uint32_t)((bench_ns() - atomic_load(&written_ns[i])) / 1000);
		}
	}
	atomic_store(&told[number], 2);
	blx_watch_close(watch);
	blx_client_close(own);
	return NULL;
}

static void wait_all(unsigned count, unsigned state)
{
	const struct timespec step = {0, 1000000};
	unsigned i;

	for (i = 0; i < count; i++) {
		while (atomic_load(&told[i]) < state) {
			(void)nanosleep(&step, NULL);
		}
	}
}

static double write_changes(void)
{
	blx_error error = BLX_ERROR_INIT;
	uint64_t began = bench_ns();
	char path[64];
	unsigned i;

	for (i = 0; i < CHANGES; i++) {
		(void)snprintf(path, sizeof path, "/watched/%u", i % 100);
		atomic_store(&written_ns[i], bench_ns());
		if (blx_put(client, path, "value", 5, NULL, NULL, &error) != 0) {
			die("put", &error);
		}
	}
	return CHANGES / ((double)(bench_ns() - began) / 1e9);
}

static void bench_watch(void)
{
	pthread_t threads[WATCHERS];
	double alone = write_changes();
	uint64_t began;
	double with;
	unsigned i;

	late_us = malloc(CHANGES * sizeof *late_us);
	for (i = 0; i < WATCHERS; i++) {
		(void)pthread_create(&threads[i], NULL, watch_all, (void *)(uintptr_t)i);
	}
	wait_all(WATCHERS, 1);
	began = bench_ns();
	with = write_changes();
	wait_all(WATCHERS, 2);
	printf("{\"what\":\"watch\",\"watchers\":%d,\"changes\":%d,\"puts_per_s_alone\":%.0f,"
	       "\"puts_per_s\":%.0f,\"events_per_s\":%.0f,\"from_put_to_told_p50_us\":%u,"
	       "\"p99_us\":%u}\n",
		WATCHERS, CHANGES, alone, with,
		(double)WATCHERS * CHANGES / ((double)(bench_ns() - began) / 1e9),
		bench_permille(late_us, CHANGES, 500), bench_permille(late_us, CHANGES, 990));
	for (i = 0; i < WATCHERS; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	free(late_us);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s DIR [KEYS]\n", argv[0]);
		return 2;
	}
	begin(argv[1]);
	bench_view();
	bench_watch();
	bench_sql(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000);
	(void)blx_node_stop(node, 0, NULL);
	blx_node_destroy(node);
	return 0;
}
