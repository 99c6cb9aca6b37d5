/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the members are measured against: the disk's own synchronous write, and
 * bare libraft on raft_uv in three processes on loopback, with an empty state
 * machine, driven from inside the leader's loop with up to 128 operations in
 * an entry. Unsafe as it is (see lib/node/guard.h), but as fast as libraft goes.
 *
 *	baseline DIR MILLISECONDS
 *
 * prints one line of JSON for each figure.
 */
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <raft.h>
#include <raft/uv.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES        3
#define PACK         128
#define VALUE_SIZE   256
#define WARM_MS      500
#define LATENCY_MAX  (8u << 20)
#define DISK_WRITES  1500
#define DISK_FILE    (8u << 20)
#define SEGMENT_SIZE (64u << 20)

static void die(const char *what, int status)
{
	fprintf(stderr, "baseline: %s: %s\n", what, raft_strerror(status));
	exit(3);
}

/* ---- the disk ------------------------------------------------------------- */

static int disk_file(const char *dir, char *path, size_t size)
{
	static char zeros[1 << 20];
	unsigned i;
	int fd;

	(void)snprintf(path, size, "%s/disk", dir);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -1;
	}
	for (i = 0; i < DISK_FILE / sizeof zeros; i++) {
		if (pwrite(fd, zeros, sizeof zeros, (off_t)(i * sizeof zeros)) < 0) {
			return -1;
		}
	}
	(void)fsync(fd);
	(void)close(fd);
	return open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
}

static int disk_measure(const char *dir)
{
	static uint32_t us[DISK_WRITES];
	char path[512];
	void *block;
	uint64_t begin;
	unsigned i;
	int fd = disk_file(dir, path, sizeof path);

	if (fd < 0 || posix_memalign(&block, 4096, 4096) != 0) {
		fprintf(stderr, "baseline: write in %s: %s\n", dir, strerror(errno));
		return 1;
	}
	memset(block, 0xab, 4096);
	begin = bench_ns();
	for (i = 0; i < DISK_WRITES; i++) {
		uint64_t t = bench_ns();

		if (pwrite(fd, block, 4096, (off_t)(i % (DISK_FILE / 4096)) * 4096) !=
			4096) {
			return 1;
		}
		us[i] = (uint32_t)((bench_ns() - t) / 1000);
	}
	printf("{\"what\":\"disk 4 KiB synchronous write\",\"per_s\":%.0f,\"p50_us\":%u,"
	       "\"p99_us\":%u}\n",
		DISK_WRITES / ((double)(bench_ns() - begin) / 1e9),
		bench_permille(us, DISK_WRITES, 500),
		bench_permille(us, DISK_WRITES, 990));
	fflush(stdout);
	(void)close(fd);
	(void)unlink(path);
	free(block);
	return 0;
}

/* ---- bare libraft ----------------------------------------------------------- */

static const unsigned writers_of[] = {1, 64, 512};
#define PHASES (sizeof writers_of / sizeof writers_of[0])

struct batch {
	struct raft_apply apply;
	uint64_t begun;
	unsigned ops;
};

static struct {
	uv_loop_t loop;
	struct raft_uv_transport transport;
	struct raft_io io;
	struct raft_fsm fsm;
	struct raft raft;
	uv_prepare_t prepare;
	uv_timer_t timer;
	unsigned phase_ms;
	int phase; /* -1: none yet */
	unsigned credits;
	unsigned inflight;
	bool draining;
	uint64_t measure_from;
	uint64_t measure_to;
	uint64_t leader_since;
	uint64_t cpu;
	uint64_t ops;
	uint32_t *us;
	size_t us_count;
} node;

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	(void)fsm;
	(void)buf;
	*result = NULL;
	return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *count)
{
	(void)fsm;
	*bufs = raft_malloc(sizeof **bufs);
	*count = 1;
	(*bufs)[0].len = 16;
	(*bufs)[0].base = raft_calloc(1, 16);
	return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	(void)fsm;
	raft_free(buf->base);
	return 0;
}

static void on_applied(struct raft_apply *apply, int status, void *result)
{
	struct batch *batch = apply->data;
	uint64_t now = bench_ns();
	unsigned i;

	(void)result;
	if (status != 0) {
		die("apply", status);
	}
	if (now >= node.measure_from && now < node.measure_to) {
		for (i = 0; i < batch->ops && node.us_count < LATENCY_MAX; i++) {
			node.us[node.us_count++] =
				(uint32_t)((now - batch->begun) / 1000);
		}
		node.ops += batch->ops;
	}
	node.credits += batch->ops;
	node.inflight -= batch->ops;
	free(batch);
}

static void submit(void)
{
	while (node.credits > 0) {
		struct batch *batch = calloc(1, sizeof *batch);
		struct raft_buffer buf;
		int rv;

		batch->ops = node.credits < PACK ? node.credits : PACK;
		batch->begun = bench_ns();
		batch->apply.data = batch;
		buf.len = (size_t)VALUE_SIZE * batch->ops;
		buf.base = raft_malloc(buf.len);
		memset(buf.base, 'x', buf.len);
		node.credits -= batch->ops;
		node.inflight += batch->ops;
		rv = raft_apply(&node.raft, &batch->apply, &buf, 1, on_applied);
		if (rv != 0) {
			die("apply", rv);
		}
	}
}

static void phase_begin(void)
{
	node.phase++;
	if (node.phase == (int)PHASES) {
		exit(0);
	}
	node.credits = writers_of[node.phase];
	node.inflight = 0;
	node.draining = false;
	node.ops = 0;
	node.us_count = 0;
	node.measure_from = bench_ns() + WARM_MS * UINT64_C(1000000);
	node.measure_to = node.measure_from + node.phase_ms * UINT64_C(1000000);
	node.cpu = bench_cpu_ns();
}

static void phase_report(void)
{
	double all = (double)node.ops * (node.phase_ms + WARM_MS) / node.phase_ms + 1;

	printf("{\"what\":\"bare libraft "
	       "put\",\"writers\":%u,\"per_s\":%.0f,\"p50_us\":%u,"
	       "\"p99_us\":%u,\"max_us\":%u,\"leader_cpu_ms_per_10k\":%.1f}\n",
		writers_of[node.phase], (double)node.ops * 1000 / node.phase_ms,
		bench_permille(node.us, node.us_count, 500),
		bench_permille(node.us, node.us_count, 990),
		bench_permille(node.us, node.us_count, 1000),
		(double)(bench_cpu_ns() - node.cpu) / all / 100);
	fflush(stdout);
}

static void on_prepare(uv_prepare_t *prepare)
{
	(void)prepare;
	if (node.phase < 0) {
		return;
	}
	if (!node.draining && bench_ns() >= node.measure_to) {
		node.draining = true;
		phase_report();
	}
	if (!node.draining) {
		submit();
	} else if (node.inflight == 0) {
		phase_begin();
	}
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
	if (getppid() == 1) {
		exit(0);
	}
	if (raft_state(&node.raft) != RAFT_LEADER) {
		node.leader_since = 0;
	} else if (node.leader_since == 0) {
		node.leader_since = bench_ns();
	} else if (node.phase < 0 &&
		   bench_ns() - node.leader_since > UINT64_C(1000000000)) {
		phase_begin();
	}
}

static void bootstrap(const char *const addresses[])
{
	struct raft_configuration conf;
	unsigned i;
	int rv;

	raft_configuration_init(&conf);
	for (i = 0; i < NODES; i++) {
		(void)raft_configuration_add(&conf, i + 1, addresses[i], RAFT_VOTER);
	}
	rv = raft_bootstrap(&node.raft, &conf);
	if (rv != 0) {
		die("bootstrap", rv);
	}
	raft_configuration_close(&conf);
}

static void raft_begin(unsigned id, const char *dir, const char *const addresses[])
{
	int rv;

	(void)uv_loop_init(&node.loop);
	rv = raft_uv_tcp_init(&node.transport, &node.loop);
	if (rv == 0) {
		rv = raft_uv_init(&node.io, &node.loop, dir, &node.transport);
	}
	if (rv != 0) {
		die(node.io.errmsg, rv);
	}
	raft_uv_set_segment_size(&node.io, SEGMENT_SIZE);
	node.fsm = (struct raft_fsm){.version = 1,
		.apply = fsm_apply,
		.snapshot = fsm_snapshot,
		.restore = fsm_restore};
	rv = raft_init(&node.raft, &node.io, &node.fsm, id, addresses[id - 1]);
	if (rv != 0) {
		die(node.raft.errmsg, rv);
	}
	raft_set_election_timeout(&node.raft, 3000);
	raft_set_heartbeat_timeout(&node.raft, 100);
	raft_set_snapshot_threshold(&node.raft, 65536);
	raft_set_snapshot_trailing(&node.raft, 8192);
	raft_set_pre_vote(&node.raft, true);
	bootstrap(addresses);
	rv = raft_start(&node.raft);
	if (rv != 0) {
		die(node.raft.errmsg, rv);
	}
}

static void node_main(
	unsigned id, const char *dir, const char *const addresses[], unsigned phase_ms)
{
	(void)signal(SIGPIPE, SIG_IGN);
	node.phase = -1;
	node.phase_ms = phase_ms;
	node.us = malloc(LATENCY_MAX * sizeof *node.us);
	raft_begin(id, dir, addresses);
	(void)uv_prepare_init(&node.loop, &node.prepare);
	(void)uv_prepare_start(&node.prepare, on_prepare);
	(void)uv_timer_init(&node.loop, &node.timer);
	(void)uv_timer_start(&node.timer, on_timer, 20, 20);
	(void)uv_run(&node.loop, UV_RUN_DEFAULT);
	exit(0);
}

/* Three processes; the one that leads measures and ends, and the others are ended. */
static int raft_measure(const char *base, unsigned phase_ms)
{
	char dirs[NODES][512];
	char texts[NODES][32];
	const char *addresses[NODES];
	pid_t pids[NODES];
	unsigned port = 20000 + (unsigned)getpid() % 20000;
	unsigned i;
	int status = 0;
	pid_t first;

	for (i = 0; i < NODES; i++) {
		(void)snprintf(dirs[i], sizeof dirs[i], "%s/raft%u", base, i + 1);
		(void)snprintf(texts[i], sizeof texts[i], "127.0.0.1:%u", port + i);
		addresses[i] = texts[i];
		if (mkdir(dirs[i], 0700) != 0) {
			fprintf(stderr, "baseline: make %s: %s\n", dirs[i],
				strerror(errno));
			return 1;
		}
	}
	fflush(stdout);
	for (i = 0; i < NODES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			node_main(i + 1, dirs[i], addresses, phase_ms);
		}
	}
	first = wait(&status);
	for (i = 0; i < NODES; i++) {
		if (pids[i] != first) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], NULL, 0);
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int rv;

	if (argc != 3) {
		fprintf(stderr, "usage: baseline DIR MILLISECONDS\n");
		return 2;
	}
	rv = disk_measure(argv[1]);
	if (rv == 0) {
		rv = raft_measure(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
	}
	return rv != 0 ? rv : disk_measure(argv[1]);
}
