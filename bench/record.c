/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records what clients ask of running members and what they are told, for a
 * checker of linearizability to read.
 *
 *	blixard-bench --record FILE --socket PATH [--socket PATH ...]
 *
 * Clients ask a mix of consistent reads and writes of a few keys, each through
 * one member at a time and through another now and then. The keys are of this
 * run alone and absent at its start. FILE gets one JSON object a line, in the
 * order in which the operations ended:
 *
 *	{"client":int, "op":"get|put|cas|put_if_absent|delete", "key":text,
 *	 "value":text|null, "expect":text|null, "call":ns, "return":ns,
 *	 "status":"ok|fail|info", "result":text|null}
 *
 * value is what a write sets, and no two writes of a run set the same; expect is
 * what a cas compares with. The times are of one monotonic clock.
 *
 * ok: done. result is what a get has read, null if nothing was there.
 * fail: certainly without effect, now and later. A get that failed is one.
 * info: a write that may have taken effect, or may yet. Its client is not heard
 * of again: what it would ask next is asked under a new number.
 *
 * Unless ok, result is the name of the code. A fail with one of these was
 * answered by the store and says as much as a read: BLX_ECONFLICT (of a cas:
 * the value was another or none), BLX_EEXIST (of a put_if_absent: there was
 * one), BLX_ENOENT (of a delete: there was none).
 */
#include "clock.h"

#include <blixard/blixard.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX        16
#define CLIENTS_MAX        1024
#define KEYS_MAX           1024
#define SECONDS_MAX        86400

#define VALUE_SIZE         32 /* "CLIENT-COUNTER" */
#define PATH_SIZE          96

#define OP_TIMEOUT_MS      1000
#define CONNECT_TIMEOUT_MS 200
#define PAUSE_US           5000 /* after a member that did not answer */
#define MOVE_EVERY         64   /* operations through one member, on average */

enum op_kind { OP_GET, OP_PUT, OP_CAS, OP_PUT_IF_ABSENT, OP_DELETE };
enum op_status { OP_OK, OP_FAIL, OP_INFO };

static const char *const op_text[] = {"get", "put", "cas", "put_if_absent", "delete"};
static const char *const status_text[] = {"ok", "fail", "info"};

/* How often of 100: reads are what shows a fault, deletes are what lets put_if_absent
 * succeed. */
static const unsigned op_share[] = {30, 20, 27, 13, 10};

/* One operation, as it will be written. */
struct op {
	uint64_t client;
	enum op_kind kind;
	unsigned key;
	char value[VALUE_SIZE];
	char expect[VALUE_SIZE];
	uint64_t call_ns;
	enum op_status status;
	int code;
	bool was_there;       /* of a get: */
	char got[VALUE_SIZE]; /* what it has read */
};

/* The history and what the clients have in common; lock guards what has no atomic of its
 * own. */
struct recorder {
	const char *path;
	const char *sockets[SOCKETS_MAX];
	unsigned sockets_count;
	uint64_t clients_count;
	uint64_t seconds;
	uint64_t keys_count;
	uint64_t seed;
	char prefix[64]; /* of the keys; of this run alone */
	atomic_bool stop;
	atomic_uint_fast64_t next_client;
	pthread_mutex_t lock;
	FILE *file;
	int fault; /* errno of the first write to the file that failed */
	uint64_t counts[3];
	char seen[KEYS_MAX]
		 [VALUE_SIZE]; /* the value last heard of, for cas; "" for none */
};

/* A thread that asks. */
struct asker {
	struct recorder *recorder;
	pthread_t thread;
	uint64_t random;
	uint64_t client;
	uint64_t counter;
	unsigned socket;
	blx_client *handle; /* owned; NULL: to be opened */
};

static struct recorder recorder;

/* ---- chance ------------------------------------------------------------------------ */

/* splitmix64, Steele, Lea and Flood 2014. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned random_below(uint64_t *state, unsigned limit)
{
	return (unsigned)(random_next(state) % limit);
}

static enum op_kind random_kind(uint64_t *state)
{
	unsigned left = random_below(state, 100);
	unsigned kind = OP_GET;

	while (left >= op_share[kind]) {
		left -= op_share[kind++];
	}
	return (enum op_kind)kind;
}

/* ---- the history ------------------------------------------------------------------- */

static void op_path(const struct op *op, char ret_path[PATH_SIZE])
{
	(void)snprintf(ret_path, PATH_SIZE, "%s/%u", recorder.prefix, op->key);
}

static json_t *text_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static json_t *op_json(const struct op *op, uint64_t return_ns)
{
	bool sets =
		op->kind == OP_PUT || op->kind == OP_CAS || op->kind == OP_PUT_IF_ABSENT;
	const char *result = op->was_there ? op->got : NULL;
	char path[PATH_SIZE];

	op_path(op, path);
	if (op->status != OP_OK) {
		result = blx_err_name(op->code);
	}
	return json_pack("{s:I, s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:o}", "client",
		(json_int_t)op->client, "op", op_text[op->kind], "key", path, "value",
		text_or_null(sets ? op->value : NULL), "expect",
		text_or_null(op->kind == OP_CAS ? op->expect : NULL), "call",
		(json_int_t)op->call_ns, "return", (json_int_t)return_ns, "status",
		status_text[op->status], "result", text_or_null(result));
}

/* A history with a line missing would prove nothing: the run ends. */
static void give_up(struct recorder *rec, int fault)
{
	if (rec->fault == 0) {
		rec->fault = fault;
	}
	atomic_store(&rec->stop, true);
}

static void write_line(struct recorder *rec, const struct op *op, uint64_t return_ns)
{
	json_t *line = op_json(op, return_ns);

	errno = ENOMEM; /* what jansson does not say */
	if (line == NULL || json_dumpf(line, rec->file, JSON_COMPACT) != 0 ||
		putc('\n', rec->file) == EOF) {
		give_up(rec, errno);
	}
	json_decref(line);
}

/* What is known of the key after op, so that the next cas has a chance. */
static void note_seen(struct recorder *rec, const struct op *op)
{
	const char *value = op->value;

	if (op->status != OP_OK) {
		return;
	}
	if (op->kind == OP_GET) {
		value = op->was_there ? op->got : "";
	} else if (op->kind == OP_DELETE) {
		value = "";
	}
	(void)snprintf(rec->seen[op->key], VALUE_SIZE, "%s", value);
}

/*
 * The operation has ended. The time is taken under the lock, so that the lines
 * are in its order; that can only lengthen the operation, and a longer one
 * forbids less.
 */
static void record(struct recorder *rec, const struct op *op)
{
	(void)pthread_mutex_lock(&rec->lock);
	write_line(rec, op, bench_ns());
	note_seen(rec, op);
	rec->counts[op->status]++;
	(void)pthread_mutex_unlock(&rec->lock);
}

/* ---- one operation ----------------------------------------------------------------- */

/* Chooses what is asked next. A cas of a key of which no value is known becomes a get. */
static void choose(struct asker *asker, struct op *ret_op)
{
	struct recorder *rec = asker->recorder;
	struct op op = {.client = asker->client};

	op.kind = random_kind(&asker->random);
	op.key = random_below(&asker->random, (unsigned)rec->keys_count);
	(void)snprintf(op.value, sizeof op.value, "%" PRIu64 "-%" PRIu64, asker->client,
		++asker->counter);
	if (op.kind == OP_CAS) {
		(void)pthread_mutex_lock(&rec->lock);
		memcpy(op.expect, rec->seen[op.key], sizeof op.expect);
		(void)pthread_mutex_unlock(&rec->lock);
		if (op.expect[0] == '\0') {
			op.kind = OP_GET;
		}
	}
	*ret_op = op;
}

/* What no client wrote must not look like what one wrote, and must be text. */
static void copy_got(const blx_value *value, char ret_got[VALUE_SIZE])
{
	const char *data = blx_value_data(value);
	size_t len = blx_value_len(value);
	size_t i;

	for (i = 0; i < len && i < VALUE_SIZE - 1; i++) {
		ret_got[i] = (data[i] >= '0' && data[i] <= '9') || data[i] == '-'
				     ? data[i]
				     : '?';
	}
	ret_got[i] = '\0';
}

static int ask_get(blx_client *handle, const char *path, struct op *op, blx_error *error)
{
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_value *value = NULL;
	int rv;

	opts.timeout_ms = OP_TIMEOUT_MS;
	rv = blx_get_consistent(handle, path, &opts, &value, NULL, error);
	if (rv == BLX_ENOENT || rv == BLX_ENOVALUE) {
		return 0;
	}
	if (rv != 0) {
		return rv;
	}
	op->was_there = true;
	copy_got(value, op->got);
	blx_value_unref(value);
	return 0;
}

static int ask(blx_client *handle, struct op *op, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	size_t len = strlen(op->value);
	char path[PATH_SIZE];

	op_path(op, path);
	opts.timeout_ms = OP_TIMEOUT_MS;
	switch (op->kind) {
	case OP_PUT:
		return blx_put(handle, path, op->value, len, &opts, NULL, error);
	case OP_CAS:
		return blx_cas(handle, path, op->expect, strlen(op->expect), op->value,
			len, &opts, NULL, error);
	case OP_PUT_IF_ABSENT:
		return blx_put_if_absent(
			handle, path, op->value, len, &opts, NULL, error);
	case OP_DELETE:
		return blx_delete(handle, path, &opts, NULL, error);
	case OP_GET:
	default:
		return ask_get(handle, path, op, error);
	}
}

static enum op_status status_of(const struct op *op, const blx_error *error)
{
	if (op->code == 0) {
		return OP_OK;
	}
	return op->kind == OP_GET || error->outcome == BLX_NOT_APPLIED ? OP_FAIL
								       : OP_INFO;
}

static bool is_verdict(int code)
{
	return code == BLX_ECONFLICT || code == BLX_EEXIST || code == BLX_ENOENT;
}

/* Asks, records, and tells whether the member has answered. */
static bool ask_one(struct asker *asker)
{
	blx_error error = BLX_ERROR_INIT;
	struct op op;

	choose(asker, &op);
	op.call_ns = bench_ns();
	op.code = ask(asker->handle, &op, &error);
	op.status = status_of(&op, &error);
	record(asker->recorder, &op);
	if (op.status == OP_INFO) {
		asker->client = atomic_fetch_add(&asker->recorder->next_client, 1);
		asker->counter = 0;
	}
	return op.code == 0 || is_verdict(op.code);
}

/* ---- the clients ------------------------------------------------------------------- */

static void open_next(struct asker *asker)
{
	struct recorder *rec = asker->recorder;
	blx_client_opts opts = BLX_CLIENT_OPTS_INIT;
	char address[512];

	asker->socket = (asker->socket + 1) % rec->sockets_count;
	opts.connect_timeout_ms = CONNECT_TIMEOUT_MS;
	(void)snprintf(address, sizeof address, "unix:%s", rec->sockets[asker->socket]);
	if (blx_client_open(address, &opts, &asker->handle, NULL) != 0) {
		asker->handle = NULL;
		(void)usleep(PAUSE_US);
	}
}

static void *asker_main(void *data)
{
	struct asker *asker = data;
	struct recorder *rec = asker->recorder;

	while (!atomic_load(&rec->stop)) {
		bool answered;

		if (asker->handle == NULL) {
			open_next(asker);
			continue;
		}
		answered = ask_one(asker);
		if (!answered || random_below(&asker->random, MOVE_EVERY) == 0) {
			blx_client_close(asker->handle);
			asker->handle = NULL;
		}
		if (!answered) {
			(void)usleep(PAUSE_US);
		}
	}
	blx_client_close(asker->handle);
	return NULL;
}

static void wait_for_end(struct recorder *rec)
{
	uint64_t end_ns = bench_ns() + rec->seconds * 1000000000u;

	while (!atomic_load(&rec->stop) && bench_ns() < end_ns) {
		(void)usleep(10000);
	}
	atomic_store(&rec->stop, true);
}

static int run_clients(struct recorder *rec)
{
	struct asker *askers = calloc(rec->clients_count, sizeof *askers);
	unsigned started;
	int rv = 0;

	if (askers == NULL) {
		fprintf(stderr, "blixard-bench: out of memory for %" PRIu64 " clients\n",
			rec->clients_count);
		return -1;
	}
	for (started = 0; rv == 0 && started < rec->clients_count; started++) {
		struct asker *asker = &askers[started];

		*asker = (struct asker){.recorder = rec, .socket = started};
		asker->random = rec->seed + started;
		asker->random = random_next(&asker->random);
		asker->client = atomic_fetch_add(&rec->next_client, 1);
		rv = pthread_create(&asker->thread, NULL, asker_main, asker);
		if (rv != 0) {
			fprintf(stderr, "blixard-bench: start client %u: %s\n", started,
				strerror(rv));
			atomic_store(&rec->stop, true);
			break;
		}
	}
	wait_for_end(rec);
	while (started > 0) {
		(void)pthread_join(askers[--started].thread, NULL);
	}
	free(askers);
	return rv == 0 ? 0 : -1;
}

/* ---- the run ----------------------------------------------------------------------- */

/* Takes the keys away again, through whichever member answers; they are of no use to
 * anybody. */
static void remove_keys(const struct recorder *rec)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	int rv = BLX_ECONNECT;
	unsigned i;

	opts.timeout_ms = OP_TIMEOUT_MS;
	opts.flags = BLX_DELETE_TREE;
	for (i = 0; rv != 0 && rv != BLX_ENOENT && i < rec->sockets_count; i++) {
		char address[512];
		blx_client *handle;

		(void)snprintf(address, sizeof address, "unix:%s", rec->sockets[i]);
		rv = blx_client_open(address, NULL, &handle, NULL);
		if (rv == 0) {
			rv = blx_delete(handle, rec->prefix, &opts, NULL, NULL);
			blx_client_close(handle);
		}
	}
	if (rv != 0 && rv != BLX_ENOENT) {
		fprintf(stderr,
			"blixard-bench: delete %s: %s; its keys are left behind\n",
			rec->prefix, blx_strerror(rv));
	}
}

static int close_history(struct recorder *rec)
{
	errno = 0;
	if (fclose(rec->file) != 0) {
		give_up(rec, errno);
	}
	if (rec->fault != 0) {
		fprintf(stderr, "blixard-bench: write %s: %s; the history is not whole\n",
			rec->path, strerror(rec->fault));
		return -1;
	}
	return 0;
}

static int run(struct recorder *rec)
{
	int rv;

	rec->file = fopen(rec->path, "we");
	if (rec->file == NULL) {
		fprintf(stderr, "blixard-bench: create %s: %s\n", rec->path,
			strerror(errno));
		return 1;
	}
	rv = run_clients(rec);
	if (close_history(rec) != 0) {
		rv = -1;
	}
	if (rec->counts[OP_OK] + rec->counts[OP_INFO] > 0) {
		remove_keys(rec);
	}
	fprintf(stderr,
		"blixard-bench: %s: %" PRIu64 " ok, %" PRIu64 " fail, %" PRIu64
		" info; %" PRIu64 " clients, %" PRIu64 " keys below %s, seed %" PRIu64
		"\n",
		rec->path, rec->counts[OP_OK], rec->counts[OP_FAIL], rec->counts[OP_INFO],
		rec->clients_count, rec->keys_count, rec->prefix, rec->seed);
	if (rv == 0 && rec->counts[OP_OK] == 0) {
		fprintf(stderr,
			"blixard-bench: no member has answered: do they run, and is "
			"there a quorum?\n");
		rv = -1;
	}
	return rv == 0 ? 0 : 1;
}

static void on_signal(int number)
{
	(void)number;
	atomic_store(&recorder.stop, true);
}

/* ---- the command line -------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
		"usage: blixard-bench --record FILE --socket PATH [--socket PATH ...]\n"
		"  --clients N   that ask at once, default 8, at most %d\n"
		"  --seconds S   for so long, default 10\n"
		"  --keys K      of so many keys, default 5, at most %d\n"
		"  --seed N      of the choices; default: of the time\n",
		CLIENTS_MAX, KEYS_MAX);
	return 2;
}

/* An option that is a number, and where it goes. */
struct number {
	const char *name;
	uint64_t min;
	uint64_t max;
	uint64_t *value;
};

static int take_number(const struct number *number, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
		value < number->min || value > number->max) {
		fprintf(stderr,
			"blixard-bench: --%s %s: a number from %" PRIu64 " to %" PRIu64
			" is needed\n",
			number->name, text, number->min, number->max);
		return -1;
	}
	*number->value = value;
	return 0;
}

static int add_socket(struct recorder *rec, const char *path)
{
	if (rec->sockets_count == SOCKETS_MAX) {
		fprintf(stderr, "blixard-bench: --socket %s: more than %d\n", path,
			SOCKETS_MAX);
		return -1;
	}
	rec->sockets[rec->sockets_count++] = path;
	return 0;
}

static int parse(struct recorder *rec, int argc, char **argv)
{
	static const struct option options[] = {
		{"clients", required_argument, NULL, 0},
		{"seconds", required_argument, NULL, 1},
		{"keys", required_argument, NULL, 2},
		{"seed", required_argument, NULL, 3},
		{"record", required_argument, NULL, 'r'},
		{"socket", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	const struct number numbers[] = {
		{"clients", 1, CLIENTS_MAX, &rec->clients_count},
		{"seconds", 1, SECONDS_MAX, &rec->seconds},
		{"keys", 1, KEYS_MAX, &rec->keys_count},
		{"seed", 0, UINT64_MAX, &rec->seed},
	};
	int rv = 0;
	int c;

	while (rv == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r') {
			rec->path = optarg;
		} else if (c == 's') {
			rv = add_socket(rec, optarg);
		} else {
			rv = c == '?' ? -1 : take_number(&numbers[c], optarg);
		}
	}
	if (rv == 0 && (rec->path == NULL || rec->sockets_count == 0 || optind != argc)) {
		fprintf(stderr,
			"blixard-bench: --record, --socket and nothing but options "
			"are needed\n");
		rv = -1;
	}
	return rv;
}

int main(int argc, char **argv)
{
	struct recorder *rec = &recorder;
	struct sigaction action = {.sa_handler = on_signal};
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	rec->clients_count = 8;
	rec->seconds = 10;
	rec->keys_count = 5;
	rec->seed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	(void)snprintf(rec->prefix, sizeof rec->prefix, "/blixard-bench/%lld.%09ld-%ld",
		(long long)now.tv_sec, now.tv_nsec, (long)getpid());
	(void)pthread_mutex_init(&rec->lock, NULL);
	if (parse(rec, argc, argv) != 0) {
		return usage();
	}
	/* An end before its time leaves a whole history, too. */
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	return run(rec);
}
