/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t live_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void live_sleep_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&time, NULL);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
	(void)info;
	(void)kind;
	(void)at;
	return remove(path);
}

static void show_log(const struct live_member *member)
{
	char command[320];

	(void)snprintf(command, sizeof command, "tail -n 15 %s >&2", member->log);
	fprintf(stderr, "-- %s:\n", member->name);
	if (system(command) != 0) {
		fprintf(stderr, "(no log)\n");
	}
}

void live_fail(struct live *live, const char *format, ...)
{
	va_list args;
	unsigned i;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	for (i = 0; i < live->count; i++) {
		show_log(&live->members[i]);
	}
	if (getenv("BLX_KEEP") != NULL) {
		for (i = 0; i < live->count; i++) {
			if (live->members[i].pid != 0) {
				live_kill(live, i);
			}
		}
		fprintf(stderr, "kept: %s\n", live->dir);
	} else {
		live_finish(live);
	}
	exit(1);
}

/* A port that nothing listens at now; it stays free unless somebody is very quick. */
static unsigned free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		perror("a free port");
		exit(1);
	}
	(void)close(fd);
	return ntohs(address.sin_port);
}

static void found_one(struct live *live, const blx_member *members, unsigned i)
{
	blx_init_opts opts = BLX_INIT_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;

	opts.data_dir = live->members[i].dir;
	opts.name = live->members[i].name;
	opts.members = members;
	opts.members_count = live->count;
	if (blx_cluster_init(&opts, &error) != 0) {
		live_fail(live, "%s", error.message);
	}
}

static void path_make(char *ret_path, size_t size, const char *dir, const char *name,
	const char *suffix)
{
	(void)snprintf(ret_path, size, "%s/%s%s", dir, name, suffix);
}

void live_found(struct live *live, unsigned count, const char *hosts)
{
	const char *base = getenv("BLX_LIVE_DIR") != NULL ? getenv("BLX_LIVE_DIR") : "/var/tmp";
	blx_member members[LIVE_MEMBERS_MAX];
	char dir[sizeof live->dir];
	unsigned i;

	(void)snprintf(dir, sizeof dir, "%.100s/blixard-live.XXXXXX", base);
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		exit(1);
	}
	memcpy(live->dir, dir, sizeof dir);
	live->count = count;
	for (i = 0; i < count; i++) {
		struct live_member *member = &live->members[i];

		(void)snprintf(member->name, sizeof member->name, "n%u", i + 1);
		if (hosts != NULL) {
			char host[32];

			(void)snprintf(host, sizeof host, "%s%u", hosts, i + 1);
			(void)snprintf(member->address, sizeof member->address, "%s:7400", host);
		} else {
			(void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
				free_port());
		}
		path_make(member->dir, sizeof member->dir, dir, member->name, "");
		path_make(member->socket, sizeof member->socket, dir, member->name, ".sock");
		path_make(member->log, sizeof member->log, dir, member->name, ".log");
		members[i] = (blx_member){ .name = member->name, .address = member->address };
	}
	for (i = 0; i < count; i++) {
		found_one(live, members, i);
	}
}

static const char *command_path(void)
{
	const char *path = getenv("BLIXARD");

	return path != NULL ? path : "blixard";
}

/* In the child: becomes the member. */
__attribute__((noreturn)) static void become(const struct live *live,
	const struct live_member *member)
{
	const char *args[32];
	char timeout[16];
	unsigned n = 0;
	unsigned i;
	int log = open(member->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives the test */
	(void)dup2(log, 1);
	(void)dup2(log, 2);
	(void)snprintf(timeout, sizeof timeout, "%u", live->election_timeout_ms);
	if (member->netns[0] != '\0') {
		args[n++] = "ip";
		args[n++] = "netns";
		args[n++] = "exec";
		args[n++] = member->netns;
	}
	args[n++] = command_path();
	args[n++] = "node";
	args[n++] = "run";
	args[n++] = "--data-dir";
	args[n++] = member->dir;
	args[n++] = "--socket";
	args[n++] = member->socket;
	if (live->election_timeout_ms != 0) {
		args[n++] = "--election-timeout-ms";
		args[n++] = timeout;
	}
	if (live->insecure) {
		args[n++] = "--insecure-transport";
	}
	for (i = 0; live->extra[i] != NULL; i++) {
		args[n++] = live->extra[i];
	}
	args[n] = NULL;
	(void)execvp(args[0], (char *const *)args);
	perror(args[0]);
	_exit(127);
}

void live_start(struct live *live, unsigned i)
{
	struct live_member *member = &live->members[i];

	member->pid = fork();
	if (member->pid == 0) {
		become(live, member);
	}
	if (member->pid < 0) {
		member->pid = 0;
		live_fail(live, "fork: %s", strerror(errno));
	}
}

void live_kill(struct live *live, unsigned i)
{
	struct live_member *member = &live->members[i];

	if (member->pid != 0) {
		(void)kill(member->pid, SIGKILL);
		(void)waitpid(member->pid, NULL, 0);
		member->pid = 0;
	}
}

void live_stop(struct live *live, unsigned i)
{
	struct live_member *member = &live->members[i];
	int status = 0;

	if (member->pid == 0) {
		return;
	}
	(void)kill(member->pid, SIGTERM);
	(void)waitpid(member->pid, &status, 0);
	member->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		live_fail(live, "%s did not end well: status %d", member->name, status);
	}
}

void live_finish(struct live *live)
{
	unsigned i;

	for (i = 0; i < live->count; i++) {
		live_kill(live, i);
	}
	(void)nftw(live->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

blx_client *live_open(struct live *live, unsigned i, unsigned timeout_ms)
{
	uint64_t give_up = live_now_ms() + timeout_ms;
	char address[300];
	blx_client *client;

	(void)snprintf(address, sizeof address, "unix:%s", live->members[i].socket);
	do {
		if (blx_client_open(address, NULL, &client, NULL) == 0) {
			return client;
		}
		live_sleep_ms(10);
	} while (live_now_ms() < give_up);
	return NULL;
}

static void copy_text(json_t *root, const char *name, char *ret_text, size_t size)
{
	const char *text = json_string_value(json_object_get(root, name));

	(void)snprintf(ret_text, size, "%s", text != NULL ? text : "");
}

bool live_status(blx_client *client, struct live_status *ret_status)
{
	char state[32];
	char *text;
	json_t *root;

	if (blx_status(client, 1000, &text, NULL) != 0) {
		return false;
	}
	root = json_loads(text, 0, NULL);
	blx_text_free(text);
	if (root == NULL) {
		return false;
	}
	memset(ret_status, 0, sizeof *ret_status);
	copy_text(root, "state", state, sizeof state);
	copy_text(root, "leader", ret_status->leader, sizeof ret_status->leader);
	copy_text(root, "hash", ret_status->hash, sizeof ret_status->hash);
	ret_status->leads = strcmp(state, "leader") == 0;
	ret_status->caught_up = json_is_true(json_object_get(root, "caught_up"));
	ret_status->revision = (uint64_t)json_integer_value(json_object_get(root, "revision"));
	ret_status->term = (uint64_t)json_integer_value(json_object_get(root, "term"));
	json_decref(root);
	return true;
}

static bool status_of(struct live *live, unsigned i, struct live_status *ret_status)
{
	blx_client *client = live->members[i].pid != 0 ? live_open(live, i, 0) : NULL;
	bool ok = client != NULL && live_status(client, ret_status);

	blx_client_close(client);
	return ok;
}

int live_leader(struct live *live, unsigned timeout_ms)
{
	uint64_t give_up = live_now_ms() + timeout_ms;

	do {
		struct live_status status[LIVE_MEMBERS_MAX];
		unsigned followers[LIVE_MEMBERS_MAX] = { 0 };
		unsigned i;
		unsigned k;

		memset(status, 0, sizeof status);
		for (i = 0; i < live->count; i++) {
			(void)status_of(live, i, &status[i]);
		}
		for (i = 0; i < live->count; i++) {
			for (k = 0; k < live->count; k++) {
				followers[i] +=
					strcmp(status[k].leader, live->members[i].name) == 0;
			}
			if (status[i].leads && status[i].caught_up &&
				followers[i] > live->count / 2) {
				return (int)i;
			}
		}
		live_sleep_ms(20);
	} while (live_now_ms() < give_up);
	return -1;
}

bool live_equal(struct live *live, unsigned timeout_ms)
{
	uint64_t give_up = live_now_ms() + timeout_ms;

	do {
		struct live_status first = { .revision = 0 };
		bool equal = true;
		bool any = false;
		unsigned i;

		for (i = 0; i < live->count && equal; i++) {
			struct live_status status;

			if (live->members[i].pid == 0) {
				continue;
			}
			equal = status_of(live, i, &status) &&
				(!any || (status.revision == first.revision &&
						 strcmp(status.hash, first.hash) == 0));
			first = status;
			any = true;
		}
		if (equal && any) {
			return true;
		}
		live_sleep_ms(50);
	} while (live_now_ms() < give_up);
	return false;
}
