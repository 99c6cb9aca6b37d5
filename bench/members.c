/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three members in three processes on loopback with their data on disk, driven
 * through the public API as a daemon would: inside the process of the leader,
 * of a follower, and through the unix socket.
 *
 *	members DIR MILLISECONDS [KEYS]
 *
 * prints one line of JSON for each figure. KEYS is how many keys the store is
 * filled with for what depends on its size (default 10^6).
 */
#include "clock.h"

#include <blixard/blixard.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODES       3
#define VALUE_SIZE  256
#define WARM_MS     500
#define LATENCY_MAX (4u << 20)
#define BATCH_KEYS  1000

enum phase_kind {
	PHASE_NONE = 0,
	PHASE_PUT,
	PHASE_GET_CONSISTENT,
	PHASE_GET_LOCAL,
	PHASE_LIST,
	PHASE_FILL,
	PHASE_SNAPSHOT,
	PHASE_TRANSFER,
	PHASE_END
};

/* Who performs a phase. */
enum phase_place { AT_LEADER, AT_FOLLOWER, AT_SOCKET };

static const char *const place_text[] = {"leader", "follower", "socket of the leader"};

/* Shared by the processes: what is to be done, and what each came to. */
struct shared {
	_Atomic unsigned phase; /* grows; what it is is below */
	enum phase_kind kind;
	enum phase_place place;
	unsigned writers;
	unsigned ms;
	unsigned keys;
	_Atomic unsigned done[NODES]; /* the phase that was last done there */
	_Atomic bool is_leader[NODES];
	struct result {
		bool performed;
		uint64_t ops;
		uint64_t failed;
		double seconds;
		uint32_t p50_us;
		uint32_t p99_us;
		uint32_t max_us;
		uint64_t cpu_ns;
		uint64_t syncs;
		uint64_t busy_ns;
	} results[NODES];
};

static struct shared *shared;

/* ---- closed loops ------------------------------------------------------------ */

struct load {
	blx_client *client;
	enum phase_kind kind;
	uint64_t until_ns;
	uint64_t from_ns;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned running;
	uint32_t *us;
	size_t us_count;
	uint64_t ops;
	uint64_t failed;
	char value[VALUE_SIZE];
};

struct writer {
	struct load *load;
	char path[64];
	uint64_t begun;
	unsigned number;
	uint64_t count;
};

static void writer_next(struct writer *writer);

static void writer_done(struct writer *writer, int code)
{
	struct load *load = writer->load;
	uint64_t now = bench_ns();

	(void)pthread_mutex_lock(&load->lock);
	if (code != 0) {
		load->failed++;
	} else if (now >= load->from_ns && now < load->until_ns) {
		load->ops++;
		if (load->us_count < LATENCY_MAX) {
			load->us[load->us_count++] =
				(uint32_t)((now - writer->begun) / 1000);
		}
	}
	if (now >= load->until_ns) {
		load->running--;
		(void)pthread_cond_signal(&load->idle);
		(void)pthread_mutex_unlock(&load->lock);
		return;
	}
	(void)pthread_mutex_unlock(&load->lock);
	writer_next(writer);
}

static void on_written(int code, const blx_error *error, uint64_t revision, void *data)
{
	(void)error;
	(void)revision;
	writer_done(data, code);
}

static void on_read(int code, const blx_error *error, blx_value *value,
	const blx_read_info *info, void *data)
{
	(void)error;
	(void)value;
	(void)info;
	writer_done(data, code);
}

static void writer_next(struct writer *writer)
{
	struct load *load = writer->load;
	int rv;

	writer->begun = bench_ns();
	if (load->kind == PHASE_PUT) {
		(void)snprintf(writer->path, sizeof writer->path, "/bench/%u/%u",
			writer->number, (unsigned)(writer->count++ % 16));
		rv = blx_put_async(load->client, writer->path, load->value, VALUE_SIZE,
			NULL, on_written, writer);
	} else {
		blx_read_opts opts = BLX_READ_OPTS_INIT;

		opts.flags = BLX_READ_CONSISTENT;
		rv = blx_get_async(load->client, "/bench/0/0", &opts, on_read, writer);
	}
	if (rv != 0) {
		fprintf(stderr, "members: a call was refused: %s\n", blx_strerror(rv));
		_exit(3);
	}
}

static void load_run(blx_client *client, struct result *result)
{
	struct load load = {.client = client, .kind = shared->kind};
	struct writer *writers = calloc(shared->writers, sizeof *writers);
	unsigned i;

	load.us = malloc(LATENCY_MAX * sizeof *load.us);
	load.from_ns = bench_ns() + WARM_MS * UINT64_C(1000000);
	load.until_ns = load.from_ns + shared->ms * UINT64_C(1000000);
	load.running = shared->writers;
	memset(load.value, 'x', sizeof load.value);
	(void)pthread_mutex_init(&load.lock, NULL);
	(void)pthread_cond_init(&load.idle, NULL);
	for (i = 0; i < shared->writers; i++) {
		writers[i] = (struct writer){.load = &load, .number = i};
		writer_next(&writers[i]);
	}
	(void)pthread_mutex_lock(&load.lock);
	while (load.running > 0) {
		(void)pthread_cond_wait(&load.idle, &load.lock);
	}
	(void)pthread_mutex_unlock(&load.lock);
	result->ops = load.ops;
	result->failed = load.failed;
	result->seconds = shared->ms / 1000.0;
	result->p50_us = bench_permille(load.us, load.us_count, 500);
	result->p99_us = bench_permille(load.us, load.us_count, 990);
	result->max_us = bench_permille(load.us, load.us_count, 1000);
	free(load.us);
	free(writers);
}

/* ---- single-threaded phases --------------------------------------------------- */

static void get_local_run(blx_client *client, struct result *result)
{
	uint64_t begin = bench_ns();
	char path[64];
	unsigned i;

	for (i = 0; i < 1000000; i++) {
		blx_value *value;

		(void)snprintf(path, sizeof path, "/fill/%u/%u",
			i * 7919u % (shared->keys / 1000 + 1), i * 104729u % 1000);
		if (blx_get(client, path, NULL, &value, NULL, NULL) == 0) {
			blx_value_unref(value);
			result->ops++;
		} else {
			result->failed++;
		}
	}
	result->seconds = (double)(bench_ns() - begin) / 1e9;
	/* What making the path costs is not the library's. */
	begin = bench_ns();
	for (i = 0; i < 1000000; i++) {
		(void)snprintf(path, sizeof path, "/fill/%u/%u",
			i * 7919u % (shared->keys / 1000 + 1), i * 104729u % 1000);
		__asm__ volatile("" : : "r"(path) : "memory");
	}
	result->seconds -= (double)(bench_ns() - begin) / 1e9;
	result->ops += result->failed;
	result->failed = 0;
}

static void list_run(blx_client *client, struct result *result)
{
	uint64_t begin = bench_ns();
	unsigned i;

	for (i = 0; i < 200; i++) {
		blx_list *list;

		if (blx_list_children(client, "/bench/0", NULL, &list, NULL) != 0) {
			result->failed++;
			continue;
		}
		result->ops += blx_list_count(list);
		blx_list_free(list);
	}
	result->seconds = (double)(bench_ns() - begin) / 1e9;
}

static int fill_batch(blx_client *client, unsigned first, const char *value)
{
	blx_batch *batch;
	char path[64];
	unsigned i;
	int rv;

	rv = blx_batch_create(&batch);
	if (rv != 0) {
		return rv;
	}
	for (i = 0; i < BATCH_KEYS; i++) {
		(void)snprintf(path, sizeof path, "/fill/%u/%u", first / BATCH_KEYS, i);
		(void)blx_batch_put(batch, path, value, VALUE_SIZE);
	}
	rv = blx_batch_commit(client, batch, NULL, NULL, NULL);
	blx_batch_destroy(batch);
	return rv;
}

static void fill_run(blx_client *client, struct result *result)
{
	char value[VALUE_SIZE];
	uint64_t begin = bench_ns();
	unsigned i;

	memset(value, 'f', sizeof value);
	for (i = 0; i < shared->keys; i += BATCH_KEYS) {
		if (fill_batch(client, i, value) != 0) {
			result->failed += BATCH_KEYS;
		} else {
			result->ops += BATCH_KEYS;
		}
	}
	result->seconds = (double)(bench_ns() - begin) / 1e9;
}

static void snapshot_run(blx_client *client, struct result *result, const char *dir)
{
	blx_error error = BLX_ERROR_INIT;
	uint64_t begin = bench_ns();
	char path[512];

	(void)snprintf(path, sizeof path, "%s/saved.db", dir);
	if (blx_snapshot_save(client, path, 120000, &error) != 0) {
		fprintf(stderr, "members: %s\n", error.message);
		result->failed = 1;
	} else {
		result->ops = 1;
	}
	result->seconds = (double)(bench_ns() - begin) / 1e9;
	(void)unlink(path);
}

static void transfer_run(blx_client *client, struct result *result)
{
	uint64_t begin = bench_ns();

	result->ops = blx_leader_transfer(client, NULL, 10000, NULL) == 0;
	result->failed = !result->ops;
	result->seconds = (double)(bench_ns() - begin) / 1e9;
}

/* ---- a member's process --------------------------------------------------------- */

static uint64_t syncs_now(blx_client *client)
{
	char *text;
	uint64_t syncs = 0;
	json_t *root;

	if (blx_status(client, 1000, &text, NULL) != 0) {
		return 0;
	}
	root = json_loads(text, 0, NULL);
	syncs = (uint64_t)json_integer_value(
		json_object_get(json_object_get(root, "counters"), "log_syncs"));
	json_decref(root);
	blx_text_free(text);
	return syncs;
}

static blx_client *client_of(blx_node *node, const char *dir, blx_client **ret_opened)
{
	char address[512];

	*ret_opened = NULL;
	if (shared->place != AT_SOCKET) {
		return blx_node_client(node);
	}
	(void)snprintf(address, sizeof address, "unix:%s/socket", dir);
	if (blx_client_open(address, NULL, ret_opened, NULL) != 0) {
		return NULL;
	}
	return *ret_opened;
}

static void perform(blx_node *node, const char *dir, struct result *result)
{
	blx_client *opened;
	blx_client *client = client_of(node, dir, &opened);

	if (client == NULL) {
		result->failed = 1;
		return;
	}
	switch (shared->kind) {
	case PHASE_PUT:
	case PHASE_GET_CONSISTENT:
		load_run(client, result);
		break;
	case PHASE_GET_LOCAL:
		get_local_run(client, result);
		break;
	case PHASE_LIST:
		list_run(client, result);
		break;
	case PHASE_FILL:
		fill_run(client, result);
		break;
	case PHASE_SNAPSHOT:
		snapshot_run(client, result, dir);
		break;
	case PHASE_TRANSFER:
		transfer_run(client, result);
		break;
	default:
		break;
	}
	blx_client_close(opened);
}

static void phase_run(blx_node *node, const char *dir, unsigned number)
{
	struct result *result = &shared->results[number];
	bool leads = atomic_load(&shared->is_leader[number]);
	unsigned first_follower = atomic_load(&shared->is_leader[0]) ? 1 : 0;
	bool mine = shared->place == AT_FOLLOWER ? number == first_follower : leads;
	uint64_t cpu = bench_cpu_ns();
	uint64_t syncs = syncs_now(blx_node_client(node));
	unsigned phase = atomic_load(&shared->phase);

	*result = (struct result){.performed = mine};
	(void)blx_node_loop_busy_max_ns(node);
	if (mine) {
		perform(node, dir, result);
		atomic_store(&shared->done[number], phase);
	}
	/* The others wait for the one that performs, so that their share is counted. */
	while (!mine && atomic_load(&shared->done[(number + 1) % NODES]) != phase &&
		atomic_load(&shared->done[(number + 2) % NODES]) != phase) {
		(void)usleep(1000);
	}
	result->cpu_ns = bench_cpu_ns() - cpu;
	result->syncs = syncs_now(blx_node_client(node)) - syncs;
	result->busy_ns = blx_node_loop_busy_max_ns(node);
	atomic_store(&shared->done[number], phase);
}

static void must(int rv, const char *what, const blx_error *error)
{
	if (rv != 0) {
		fprintf(stderr, "members: %s: %s\n", what, error->message);
		_exit(3);
	}
}

static void node_main(unsigned number, const char *dir)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_node_state state = {.size = sizeof state};
	char socket[512];
	unsigned phase = 0;
	blx_node *node;

	(void)snprintf(socket, sizeof socket, "%s/socket", dir);
	opts.data_dir = dir;
	opts.socket_path = socket;
	opts.election_timeout_ms = 3000;
	opts.heartbeat_ms = 100;
	must(blx_node_create(&opts, &node, &error), "create", &error);
	must(blx_node_start(node, &error), "start", &error);
	while (getppid() != 1) {
		(void)blx_node_state_get(node, &state);
		atomic_store(&shared->is_leader[number],
			state.is_leader && state.is_caught_up);
		if (atomic_load(&shared->phase) != phase) {
			phase = atomic_load(&shared->phase);
			if (shared->kind == PHASE_END) {
				break;
			}
			phase_run(node, dir, number);
		}
		(void)usleep(1000);
	}
	blx_node_destroy(node);
	_exit(0);
}

/* ---- the one that says what is next ------------------------------------------------ */

static int leader_wait(void)
{
	uint64_t give_up = bench_ns() + UINT64_C(30000000000);

	while (bench_ns() < give_up) {
		unsigned leaders = 0;
		unsigned i;

		for (i = 0; i < NODES; i++) {
			leaders += atomic_load(&shared->is_leader[i]);
		}
		if (leaders == 1) {
			return 0;
		}
		(void)usleep(10000);
	}
	fprintf(stderr, "members: no leader within 30 s\n");
	return -1;
}

static void report(const char *what)
{
	const struct result *own = NULL;
	uint64_t cpu = 0;
	uint64_t busy = 0;
	uint64_t syncs = 0;
	double ops;
	unsigned i;

	for (i = 0; i < NODES; i++) {
		cpu += shared->results[i].cpu_ns;
		if (shared->results[i].busy_ns > busy) {
			busy = shared->results[i].busy_ns;
		}
		if (shared->results[i].performed) {
			own = &shared->results[i];
		}
		if (shared->results[i].syncs > syncs) {
			syncs = shared->results[i].syncs;
		}
	}
	if (own == NULL) {
		fprintf(stderr, "members: %s: nobody performed it\n", what);
		return;
	}
	ops = shared->kind == PHASE_PUT || shared->kind == PHASE_GET_CONSISTENT
		      ? (double)own->ops * (shared->ms + WARM_MS) / shared->ms
		      : (double)own->ops;
	printf("{\"what\":\"%s\",\"at\":\"%s\",\"writers\":%u,\"ops\":%llu,\"failed\":%"
	       "llu,"
	       "\"per_s\":%.0f,\"ns_per_op\":%.0f,\"p50_us\":%u,\"p99_us\":%u,\"max_us\":"
	       "%u,"
	       "\"cpu_ms_per_10k_all\":%.1f,\"cpu_ms_per_10k_own\":%.1f,\"syncs_per_op\":"
	       "%.3f,"
	       "\"loop_held_max_ms\":%.2f,\"seconds\":%.2f}\n",
		what, place_text[shared->place], shared->writers,
		(unsigned long long)own->ops, (unsigned long long)own->failed,
		(double)own->ops / own->seconds,
		own->seconds * 1e9 / ((double)own->ops + 0.001), own->p50_us, own->p99_us,
		own->max_us, (double)cpu / (ops + 1) / 100,
		(double)own->cpu_ns / (ops + 1) / 100, (double)syncs / (ops + 1),
		(double)busy / 1e6, own->seconds);
	fflush(stdout);
}

static int phase(
	const char *what, enum phase_kind kind, enum phase_place place, unsigned writers)
{
	unsigned number = atomic_load(&shared->phase) + 1;
	const char *only = getenv("BENCH_ONLY"); /* "put:64,get local:1": these only */
	char name[64];
	unsigned i;

	(void)snprintf(name, sizeof name, "%s:%u", what, writers);
	if (only != NULL && kind != PHASE_END && strstr(only, name) == NULL) {
		return 0;
	}

	if (kind != PHASE_END && leader_wait() != 0) {
		return 1;
	}
	shared->kind = kind;
	shared->place = place;
	shared->writers = writers;
	atomic_store(&shared->phase, number);
	if (kind == PHASE_END) {
		return 0;
	}
	for (i = 0; i < NODES; i++) {
		while (atomic_load(&shared->done[i]) != number) {
			(void)usleep(1000);
			if (waitpid(-1, NULL, WNOHANG) > 0) {
				fprintf(stderr, "members: a member ended during %s\n",
					what);
				return 1;
			}
		}
	}
	report(what);
	return 0;
}

static int phases(void)
{
	static const unsigned writers[] = {1, 64, 512};
	int rv = 0;
	unsigned i;

	for (i = 0; rv == 0 && i < 3; i++) {
		rv = phase("put", PHASE_PUT, AT_LEADER, writers[i]);
	}
	for (i = 0; rv == 0 && i < 3; i++) {
		rv = phase("put", PHASE_PUT, AT_FOLLOWER, writers[i]);
	}
	for (i = 0; rv == 0 && i < 3; i++) {
		rv = phase("put", PHASE_PUT, AT_SOCKET, writers[i]);
	}
	for (i = 0; rv == 0 && i < 2; i++) {
		rv = phase("get_consistent", PHASE_GET_CONSISTENT, AT_LEADER, writers[i]);
		if (rv == 0) {
			rv = phase("get_consistent", PHASE_GET_CONSISTENT, AT_FOLLOWER,
				writers[i]);
		}
	}
	if (rv == 0) {
		rv = phase("list 16 children, per child", PHASE_LIST, AT_LEADER, 1);
	}
	if (rv == 0) {
		rv = phase("fill, 1000 keys a transaction", PHASE_FILL, AT_LEADER, 1);
	}
	if (rv == 0) {
		rv = phase("get local", PHASE_GET_LOCAL, AT_LEADER, 1);
	}
	if (rv == 0) {
		rv = phase("put with the store full", PHASE_PUT, AT_LEADER, 64);
	}
	if (rv == 0) {
		rv = phase("snapshot saved", PHASE_SNAPSHOT, AT_SOCKET, 1);
	}
	if (rv == 0) {
		rv = phase("leadership transferred", PHASE_TRANSFER, AT_LEADER, 1);
	}
	return rv;
}

int main(int argc, char **argv)
{
	static const char *const names[NODES] = {"a", "b", "c"};
	blx_member members[NODES];
	char addresses[NODES][32];
	char dirs[NODES][512];
	pid_t pids[NODES];
	unsigned port = 20000 + (unsigned)getpid() % 20000;
	unsigned i;
	int rv;

	if (argc < 3) {
		fprintf(stderr, "usage: members DIR MILLISECONDS [KEYS]\n");
		return 2;
	}
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		return 1;
	}
	shared->ms = (unsigned)strtoul(argv[2], NULL, 10);
	shared->keys = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1000000;
	for (i = 0; i < NODES; i++) {
		(void)snprintf(
			addresses[i], sizeof addresses[i], "127.0.0.1:%u", port + i);
		(void)snprintf(
			dirs[i], sizeof dirs[i], "%s/member-%s", argv[1], names[i]);
		members[i] = (blx_member){.name = names[i], .address = addresses[i]};
	}
	for (i = 0; i < NODES; i++) {
		blx_init_opts opts = BLX_INIT_OPTS_INIT;
		blx_error error = BLX_ERROR_INIT;

		opts.data_dir = dirs[i];
		opts.name = names[i];
		opts.members = members;
		opts.members_count = NODES;
		must(blx_cluster_init(&opts, &error), "init", &error);
	}
	for (i = 0; i < NODES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			node_main(i, dirs[i]);
		}
	}
	rv = phases();
	(void)phase("end", PHASE_END, AT_LEADER, 0);
	for (i = 0; i < NODES; i++) {
		if (rv != 0) {
			(void)kill(pids[i], SIGKILL);
		}
		(void)waitpid(pids[i], NULL, 0);
	}
	return rv;
}
