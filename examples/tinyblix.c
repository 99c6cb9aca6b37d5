/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole orchestrator: each machine runs one of these, with a list of what is to run
 * somewhere among them. Whatever is on the list is started where there is room, what is
 * not any more is stopped and forgotten, and what happens is told in a line each. What
 * dies with its machine comes back on another.
 *
 *	tinyblix DIR NAME LIST NAME=HOST:PORT NAME=HOST:PORT NAME=HOST:PORT
 *
 * DIR is of this machine's member, NAME which of the three it is. A line of LIST is the
 * name of a service, and a unit of systemd or a program with an absolute path and its
 * arguments; # begins a comment. All three may have the same list, or only one has any.
 * The guard and the gate are the blixard command: /usr/bin/blixard, or $BLIXARD.
 */
#include <blixard/blixard.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMBERS_MAX  7
#define SERVICES_MAX 256
#define LINE_SIZE    1024

/* Between two looks at the list, and for one call. */
#define LOOK_MS 2000
#define CALL_MS 5000

/* What this orchestrator has defined carries this group: others' services are left alone. */
#define GROUP "tinyblix"

static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

static int fail(const char *what, const char *name, const blx_error *error)
{
	fprintf(stderr, "tinyblix: %s %s: %s: %s\n", what, name, blx_strerror(error->code),
		error->message);
	return -1;
}

/* ---- the member ------------------------------------------------------------------ */

struct machine {
	const char *dir;
	const char *name;
	blx_member members[MEMBERS_MAX];
	size_t members_count;
	const char *address; /* of this one */
	blx_node *node;
};

/* "NAME=HOST:PORT" */
static int add_member(struct machine *machine, char *text)
{
	char *equals = strchr(text, '=');
	blx_member *member = &machine->members[machine->members_count];

	if (equals == NULL || machine->members_count == MEMBERS_MAX) {
		fprintf(stderr, "tinyblix: %s: must be NAME=HOST:PORT, %d at most\n", text,
			MEMBERS_MAX);
		return -1;
	}
	*equals = '\0';
	member->name = text;
	member->address = equals + 1;
	machine->members_count++;
	return 0;
}

static int found(const struct machine *machine)
{
	blx_init_opts init = BLX_INIT_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	init.data_dir = machine->dir;
	init.name = machine->name;
	init.members = machine->members;
	init.members_count = machine->members_count;
	rv = blx_cluster_init(&init, &error);
	return rv == 0 || rv == BLX_EINUSE ? 0 : fail("found", machine->dir, &error);
}

static int start(struct machine *machine)
{
	blx_node_opts opts = BLX_NODE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	const char *guard = getenv("BLIXARD");
	const char *run_dir = getenv("TINYBLIX_RUN_DIR");

	opts.data_dir = machine->dir;
	opts.flags = BLX_NODE_SERVICES | BLX_NODE_INSECURE_TRANSPORT;
	opts.guard_command = guard != NULL ? guard : "/usr/bin/blixard";
	opts.run_dir = run_dir;
	if (blx_node_create(&opts, &machine->node, &error) != 0) {
		return fail("open", machine->dir, &error);
	}
	if (blx_node_start(machine->node, &error) != 0) {
		return fail("start", machine->name, &error);
	}
	return 0;
}

/* ---- the list -------------------------------------------------------------------- */

struct wanted {
	char name[BLX_NAME_MAX];
	blx_service service;
};

/* Words of a line, which is cut up. */
static size_t split(char *line, char **words, size_t max)
{
	size_t count = 0;
	char *word = strtok(line, " \t\n");

	while (word != NULL && word[0] != '#' && count < max) {
		words[count++] = word;
		word = strtok(NULL, " \t\n");
	}
	return count;
}

/* False: the line says nothing. */
static int parse(char *line, struct wanted *wanted)
{
	char *words[BLX_WORDS_MAX + 1];
	size_t count = split(line, words, BLX_WORDS_MAX + 1);
	size_t i;

	memset(wanted, 0, sizeof *wanted);
	if (count == 0) {
		return 0;
	}
	(void)snprintf(wanted->name, sizeof wanted->name, "%s", words[0]);
	(void)snprintf(wanted->service.group, sizeof wanted->service.group, GROUP);
	if (count == 2 && words[1][0] != '/') {
		(void)snprintf(
			wanted->service.unit, sizeof wanted->service.unit, "%s", words[1]);
		return 1;
	}
	for (i = 1; i < count; i++) {
		(void)snprintf(wanted->service.command[i - 1],
			sizeof wanted->service.command[0], "%s", words[i]);
		wanted->service.command_count++;
	}
	return 1;
}

/* -1: it cannot be read, which is no reason to stop anything. */
static int read_list(const char *path, struct wanted *list)
{
	char line[LINE_SIZE];
	FILE *file = fopen(path, "r");
	int count = 0;

	if (file == NULL) {
		fprintf(stderr, "tinyblix: %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (count < SERVICES_MAX && fgets(line, sizeof line, file) != NULL) {
		count += parse(line, &list[count]);
	}
	(void)fclose(file);
	return count;
}

/* ---- what is, and what is wanted ------------------------------------------------- */

/* Is it as the list says, as far as that says anything? */
static int is_same(const blx_service *is, const blx_service *wanted)
{
	return (wanted->unit[0] == '\0' || strcmp(is->unit, wanted->unit) == 0) &&
	       is->command_count == wanted->command_count &&
	       memcmp(is->command, wanted->command, sizeof is->command) == 0;
}

static int ensure(blx_client *client, const struct wanted *wanted)
{
	static blx_service is;
	blx_error error = BLX_ERROR_INIT;
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;
	int rv = blx_record_get(client, BLX_RECORD_SERVICE, wanted->name, 0, CALL_MS, &is, NULL,
		&error);
	int same = rv == 0 && is_same(&is, &wanted->service);
	int runs = rv == 0 && is.wanted == BLX_SERVICE_RUNNING;

	blx_record_clear(BLX_RECORD_SERVICE, &is);
	if (rv != 0 && rv != BLX_ENOENT) {
		return fail("look at", wanted->name, &error);
	}
	opts.timeout_ms = CALL_MS;
	rv = same ? 0
		  : blx_service_define(
			    client, wanted->name, &wanted->service, CALL_MS, &error);
	if (rv == BLX_ECONFLICT) { /* another unit: when the one that runs has stopped */
		rv = runs ? blx_service_stop(client, wanted->name, &opts, &error) : 0;
		return rv == 0 ? 0 : fail("stop", wanted->name, &error);
	}
	if (rv != 0) {
		return fail("define", wanted->name, &error);
	}
	if (!runs && blx_service_start(client, wanted->name, &opts, &error) != 0) {
		return fail("start", wanted->name, &error);
	}
	return 0;
}

/* One of ours that is on no list: it is stopped, and forgotten the next time. */
static int retire(blx_client *client, const char *name, const blx_service *service)
{
	blx_service_opts opts = BLX_SERVICE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	int rv;

	opts.timeout_ms = CALL_MS;
	if (service->wanted == BLX_SERVICE_RUNNING) {
		rv = blx_service_stop(client, name, &opts, &error);
	} else {
		rv = blx_service_remove(client, name, CALL_MS, &error);
		rv = rv == BLX_ECONFLICT ? 0 : rv; /* it stops still */
	}
	return rv == 0 ? 0 : fail("retire", name, &error);
}

static int is_listed(const struct wanted *list, int count, const char *name)
{
	int i;

	for (i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0) {
			return 1;
		}
	}
	return 0;
}

static void retire_others(blx_client *client, const struct wanted *list, int count)
{
	static blx_service service;
	blx_list_entry entry = {.size = sizeof entry};
	blx_error error = BLX_ERROR_INIT;
	blx_list *services = NULL;
	size_t i;
	int rv = blx_list_children(client, "/:services", NULL, &services, &error);

	if (rv != 0 && rv != BLX_ENOENT) {
		(void)fail("list", "/:services", &error);
		return;
	}
	for (i = 0; services != NULL && blx_list_at(services, i, &entry) == 0; i++) {
		blx_record_init(BLX_RECORD_SERVICE, &service);
		if (entry.has_value && !is_listed(list, count, entry.name) &&
			blx_record_decode(BLX_RECORD_SERVICE, entry.value, entry.value_len,
				&service, NULL) == 0 &&
			strcmp(service.group, GROUP) == 0) {
			(void)retire(client, entry.name, &service);
		}
		blx_record_clear(BLX_RECORD_SERVICE, &service);
	}
	blx_list_free(services);
}

/* Only the leader's list counts: three that differ would not fight. */
static void reconcile(const struct machine *machine, const char *path, struct wanted *list)
{
	blx_client *client = blx_node_client(machine->node);
	blx_node_state state = {.size = sizeof state};
	int count;
	int i;

	if (blx_node_state_get(machine->node, &state) != 0 || !state.is_leader) {
		return;
	}
	count = read_list(path, list);
	for (i = 0; i < count; i++) {
		(void)ensure(client, &list[i]);
	}
	if (count >= 0) {
		retire_others(client, list, count);
	}
}

/* ---- what happens ---------------------------------------------------------------- */

static void tell(const blx_event *event)
{
	static blx_service service;
	const char *name = event->path != NULL ? strrchr(event->path, '/') + 1 : NULL;

	if (name == NULL) {
		return;
	}
	blx_record_init(BLX_RECORD_SERVICE, &service);
	if (event->kind == BLX_EVENT_DELETE) {
		printf("%s: forgotten\n", name);
	} else if (blx_record_decode(BLX_RECORD_SERVICE, event->value, event->value_len,
			   &service, NULL) == 0) {
		printf("%s: %s%s%s%s%s\n", name,
			blx_record_text(BLX_RECORD_SERVICE, "state", service.state),
			service.node[0] != '\0' ? " on " : "", service.node,
			service.detail[0] != '\0' ? ": " : "", service.detail);
	}
	blx_record_clear(BLX_RECORD_SERVICE, &service);
	(void)fflush(stdout);
}

static int run(const struct machine *machine, const char *path)
{
	struct wanted *list = calloc(SERVICES_MAX, sizeof *list);
	blx_watch *watch = NULL;
	blx_error error = BLX_ERROR_INIT;
	blx_event event;
	int rv = BLX_ETIMEOUT;

	if (list == NULL || blx_watch_open(blx_node_client(machine->node), "/:services/*", NULL,
				    &watch, &error) != 0) {
		free(list);
		return fail("watch", "/:services", &error);
	}
	blx_event_init(&event);
	while (!stopping && rv == BLX_ETIMEOUT) {
		reconcile(machine, path, list);
		while (!stopping && (rv = blx_watch_next(watch, LOOK_MS, &event, &error)) == 0) {
			tell(&event);
		}
	}
	if (!stopping) {
		rv = fail("watch", "/:services", &error); /* whoever runs us begins anew */
	}
	blx_watch_close(watch);
	free(list);
	return stopping ? 0 : rv;
}

/* ---- main ------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	struct machine machine = {.node = NULL};
	struct sigaction action = {.sa_handler = on_signal};
	blx_error error = BLX_ERROR_INIT;
	int rv = 0;
	int i;

	if (argc < 5) {
		fprintf(stderr, "usage: tinyblix DIR NAME LIST NAME=HOST:PORT ...\n");
		return 2;
	}
	machine.dir = argv[1];
	machine.name = argv[2];
	for (i = 4; rv == 0 && i < argc; i++) {
		rv = add_member(&machine, argv[i]);
	}
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	if (rv == 0) {
		rv = found(&machine);
	}
	if (rv == 0) {
		rv = start(&machine);
	}
	if (rv == 0) {
		rv = run(&machine, argv[3]);
	}
	if (machine.node != NULL && blx_node_stop(machine.node, 2000, &error) != 0) {
		rv = fail("stop", machine.name, &error);
	}
	blx_node_destroy(machine.node);
	return rv == 0 ? 0 : 1;
}
