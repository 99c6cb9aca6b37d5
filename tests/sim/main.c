/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blixard-sim: whole clusters by seed.
 *
 *	blixard-sim --seed 7 --trace           one run, told line by line
 *	blixard-sim --seeds 1..2000 -j 2       many; those that fail are made smaller
 *	blixard-sim --seeds-file regressions   those that failed once
 *	blixard-sim --story FILE               a scripted run, held against what it should
 *tell
 */
#include "operators.h"
#include "memory.h"
#include "mutate.h"
#include "runner.h"
#include "story.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What was asked for. 0: as the seed says. */
struct wanted {
	uint64_t first;
	uint64_t last;
	unsigned jobs;
	unsigned members;
	unsigned clients;
	unsigned keys;
	unsigned value_max;
	uint64_t steps;
	uint64_t chaos_ns;
	bool faults_given;
	unsigned faults;
	bool trace;
	bool twice;
	bool leases;
	bool services;
	bool expect_failure;
	bool no_shrink;
	unsigned failures_max;
	const char *seeds_file;
	const char *story;
	bool update;

	/* what came of it */
	struct sim_outcome total;
	uint64_t runs;
	uint64_t failures;
	uint64_t differences;
};

static double real_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void adjust(struct sim_plan *plan, void *data)
{
	const struct wanted *wanted = data;

	plan->members = wanted->members != 0 ? wanted->members : plan->members;
	plan->clients = wanted->clients != 0 ? wanted->clients : plan->clients;
	plan->keys = wanted->keys != 0 ? wanted->keys : plan->keys;
	plan->value_max = wanted->value_max != 0 ? wanted->value_max : plan->value_max;
	plan->steps_max = wanted->steps != 0 ? wanted->steps : plan->steps_max;
	plan->chaos_ns = wanted->chaos_ns != 0 ? wanted->chaos_ns : plan->chaos_ns;
	plan->leases = wanted->leases;
	if (wanted->services) {
		plan->services = true;
		plan->operators = SIM_OPERATORS_MAX;
		plan->clients = 2;
	}
	plan->faults = wanted->faults_given ? wanted->faults : plan->faults;
}

static void total_add(struct wanted *wanted, const struct sim_outcome *outcome)
{
	struct sim_outcome *total = &wanted->total;
	unsigned i;

	wanted->runs++;
	total->steps += outcome->steps;
	total->virtual_ns += outcome->virtual_ns;
	total->oks += outcome->oks;
	total->conflicts += outcome->conflicts;
	total->unknowns += outcome->unknowns;
	total->retries += outcome->retries;
	total->too_hard += outcome->too_hard;
	total->terms += outcome->terms;
	total->applied += outcome->applied;
	total->messages += outcome->messages;
	total->disk_writes += outcome->disk_writes;
	total->sectors_lost += outcome->sectors_lost;
	total->names_lost += outcome->names_lost;
	total->snapshots += outcome->snapshots;
	total->installs += outcome->installs;
	total->changes += outcome->changes;
	total->events += outcome->events;
	total->compacted += outcome->compacted;
	total->leases_kept += outcome->leases_kept;
	total->leases_ended += outcome->leases_ended;
	total->reserved += outcome->reserved;
	total->reserved_lost += outcome->reserved_lost;
	total->operated += outcome->operated;
	total->started += outcome->started;
	total->guarded += outcome->guarded;
	total->gated += outcome->gated;
	total->hung += outcome->hung;
	for (i = 0; i < SIM_FAULTS; i++) {
		total->faults[i] += outcome->faults[i];
	}
}

static void tell_failure(const struct wanted *wanted, const struct sim_plan *plan,
	const struct sim_outcome *outcome)
{
	struct sim_plan small = *plan;
	struct sim_outcome found = *outcome;
	char text[512];

	printf("seed %llu FAILED: %s\n", (unsigned long long)plan->seed,
		outcome->failure);
	(void)fflush(stdout);
	if (wanted->no_shrink) {
		return;
	}
	sim_shrink(&small, &found);
	sim_plan_command(&small, text, sizeof text);
	printf("  least: %s\n  repeat: %s\n", found.failure, text);
	(void)fflush(stdout);
}

static bool on_outcome(
	const struct sim_plan *plan, const struct sim_outcome *outcome, void *data)
{
	struct wanted *wanted = data;

	total_add(wanted, outcome);
	if (wanted->twice) {
		struct sim_outcome again;

		sim_runner_one(plan, &again);
		if (again.hash != outcome->hash) {
			wanted->differences++;
			printf("seed %llu is not the same twice: %016llx, %016llx\n",
				(unsigned long long)plan->seed,
				(unsigned long long)outcome->hash,
				(unsigned long long)again.hash);
		}
	}
	if (!outcome->failed) {
		return true;
	}
	wanted->failures++;
	if (!wanted->expect_failure) {
		tell_failure(wanted, plan, outcome);
	} else if (wanted->failures == 1) {
		printf("seed %llu: %s\n", (unsigned long long)plan->seed,
			outcome->failure);
	}
	return !wanted->expect_failure && wanted->failures < wanted->failures_max;
}

static void print_total(const struct wanted *wanted, double took)
{
	const struct sim_outcome *total = &wanted->total;
	unsigned i;

	printf("%llu runs, %llu failed; %.0f virtual s in %.1f real s (%.0f to 1), "
	       "%.0f steps/s, %.0f seeds/min\n",
		(unsigned long long)wanted->runs, (unsigned long long)wanted->failures,
		(double)total->virtual_ns / 1e9, took,
		(double)total->virtual_ns / 1e9 / took, (double)total->steps / took,
		(double)wanted->runs * 60 / took);
	printf("%llu operations, %llu conflicts, %llu unknown, %llu retries, %llu too "
	       "hard to "
	       "judge; %llu entries applied, %llu terms, %llu messages, %llu disk "
	       "writes, "
	       "%llu sectors and %llu names lost, %llu snapshots, %llu installed, %llu "
	       "changes "
	       "of members\n",
		(unsigned long long)total->oks, (unsigned long long)total->conflicts,
		(unsigned long long)total->unknowns, (unsigned long long)total->retries,
		(unsigned long long)total->too_hard, (unsigned long long)total->applied,
		(unsigned long long)total->terms, (unsigned long long)total->messages,
		(unsigned long long)total->disk_writes,
		(unsigned long long)total->sectors_lost,
		(unsigned long long)total->names_lost,
		(unsigned long long)total->snapshots, (unsigned long long)total->installs,
		(unsigned long long)total->changes);
	printf("%llu changes told to watchers, who began again %llu times; %llu leases kept, %llu "
	       "ended; %llu writes of starters, who were late %llu times\n",
		(unsigned long long)total->events, (unsigned long long)total->compacted,
		(unsigned long long)total->leases_kept,
		(unsigned long long)total->leases_ended, (unsigned long long)total->reserved,
		(unsigned long long)total->reserved_lost);
	printf("%llu writes of operators; units started %llu times, stopped by the guard "
	       "%llu, denied by the gate %llu; %llu starts hung\n",
		(unsigned long long)total->operated, (unsigned long long)total->started,
		(unsigned long long)total->guarded, (unsigned long long)total->gated,
		(unsigned long long)total->hung);
	printf("faults:");
	for (i = 0; i < SIM_FAULTS; i++) {
		printf(" %s %llu", sim_fault_name(i),
			(unsigned long long)total->faults[i]);
	}
	printf("\n");
}

/* ---- the ways to run ---- */

static int run_traced(struct wanted *wanted)
{
	struct sim_outcome outcome;
	struct sim_plan plan;
	double began = real_s();

	sim_plan_make(&plan, wanted->first);
	adjust(&plan, wanted);
	sim_run(&plan, stdout, &outcome);
	total_add(wanted, &outcome);
	wanted->failures = outcome.failed;
	printf("hash %016llx%s%s\n", (unsigned long long)outcome.hash,
		outcome.failed ? "\nFAILED: " : "", outcome.failure);
	print_total(wanted, real_s() - began);
	return outcome.failed ? 1 : 0;
}

static void run_batch(struct wanted *wanted, uint64_t first, uint64_t last)
{
	struct sim_batch batch = {.first = first,
		.last = last,
		.jobs = wanted->jobs,
		.adjust = adjust,
		.cb = on_outcome,
		.data = wanted};

	sim_runner_many(&batch);
}

/* One seed a line; what is behind it is a comment. */
static bool run_file(struct wanted *wanted)
{
	FILE *file = fopen(wanted->seeds_file, "r");
	static uint64_t seeds[4096];
	size_t count = 0;
	size_t i;
	char line[512];

	if (file == NULL) {
		perror(wanted->seeds_file);
		return false;
	}
	while (fgets(line, sizeof line, file) != NULL) {
		char *end;
		uint64_t seed = strtoull(line, &end, 10);

		if (end != line && count < sizeof seeds / sizeof seeds[0]) {
			seeds[count++] = seed;
		}
	}
	/* Before any child: one that ends would set the file back. */
	(void)fclose(file);
	for (i = 0; i < count; i++) {
		run_batch(wanted, seeds[i], seeds[i]);
	}
	return true;
}

static int run_many(struct wanted *wanted)
{
	double began = real_s();

	if (wanted->seeds_file != NULL) {
		if (!run_file(wanted)) {
			return 2;
		}
	} else {
		run_batch(wanted, wanted->first, wanted->last);
	}
	print_total(wanted, real_s() - began);
	if (wanted->expect_failure) {
		if (wanted->failures == 0) {
			printf("the planted fault %s was not found\n",
				sim_mutations.text);
		}
		return wanted->failures > 0 ? 0 : 1;
	}
	return wanted->failures + wanted->differences > 0 ? 1 : 0;
}

/* ---- options ---- */

static const char usage[] =
	"usage: blixard-sim --seed N | --seeds A..B | --seeds-file FILE | --story FILE\n"
	"  --trace          tell the story of the run of one seed\n"
	"  -j N             so many at a time\n"
	"  --members K --clients N --keys N --value-max BYTES\n"
	"  --faults LIST    all, none, or names with commas: partition one-way isolate "
	"slow\n"
	"                   reset kill power stop pause stall disk full clock members\n"
	"                   transfer wipe ghost\n"
	"  --chaos-ms N     how long there are faults\n"
	"  --steps M        events with faults at most\n"
	"  --twice          run each seed twice and compare\n"
	"  --leases         leaders answer consistent reads by their leases\n"
	"  --services       operators have services run, and few clients disturb them\n"
	"  --mutate NAME    plant a fault, and succeed when a checker finds it: "
	"stale-read\n"
	"                   early-ack lying-disk apply-twice forget-vote skip-entry\n"
	"                   long-lease old-age (with --leases) skip-event fast-lease stale-view\n"
	"                   no-guard short-fence stale-report keep-always (with --services)\n"
	"                   cure:0 to cure:20\n"
	"  --no-shrink      report failures as they are\n"
	"  --failures N     stop after so many (1000)\n"
	"  --update         write what a story tells into its file\n";

enum option_id {
	OPT_SEED = 256,
	OPT_SEEDS,
	OPT_SEEDS_FILE,
	OPT_STORY,
	OPT_TRACE,
	OPT_MEMBERS,
	OPT_CLIENTS,
	OPT_KEYS,
	OPT_VALUE_MAX,
	OPT_FAULTS,
	OPT_CHAOS,
	OPT_STEPS,
	OPT_TWICE,
	OPT_LEASES,
	OPT_SERVICES,
	OPT_MUTATE,
	OPT_NO_SHRINK,
	OPT_FAILURES,
	OPT_UPDATE
};

static const struct option options[] = {{"seed", required_argument, NULL, OPT_SEED},
	{"seeds", required_argument, NULL, OPT_SEEDS},
	{"seeds-file", required_argument, NULL, OPT_SEEDS_FILE},
	{"story", required_argument, NULL, OPT_STORY},
	{"trace", no_argument, NULL, OPT_TRACE},
	{"members", required_argument, NULL, OPT_MEMBERS},
	{"clients", required_argument, NULL, OPT_CLIENTS},
	{"keys", required_argument, NULL, OPT_KEYS},
	{"value-max", required_argument, NULL, OPT_VALUE_MAX},
	{"faults", required_argument, NULL, OPT_FAULTS},
	{"chaos-ms", required_argument, NULL, OPT_CHAOS},
	{"steps", required_argument, NULL, OPT_STEPS},
	{"twice", no_argument, NULL, OPT_TWICE},
	{"leases", no_argument, NULL, OPT_LEASES},
	{"services", no_argument, NULL, OPT_SERVICES},
	{"mutate", required_argument, NULL, OPT_MUTATE},
	{"no-shrink", no_argument, NULL, OPT_NO_SHRINK},
	{"failures", required_argument, NULL, OPT_FAILURES},
	{"update", no_argument, NULL, OPT_UPDATE}, {NULL, 0, NULL, 0}};

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end != '\0' || value < low || value > high) {
		return false;
	}
	*ret = value;
	return true;
}

static bool parse_small(const char *text, unsigned high, unsigned *ret)
{
	uint64_t value;

	if (!parse_number(text, 1, high, &value)) {
		return false;
	}
	*ret = (unsigned)value;
	return true;
}

static bool parse_range(const char *text, struct wanted *wanted)
{
	char *end;

	wanted->first = strtoull(text, &end, 10);
	return end != text && strncmp(end, "..", 2) == 0 &&
	       parse_number(end + 2, wanted->first, UINT64_MAX - 1, &wanted->last);
}

static bool parse_size(int id, const char *arg, struct wanted *wanted)
{
	uint64_t ms = 0;

	switch (id) {
	case 'j':
		return parse_small(arg, 64, &wanted->jobs);
	case OPT_MEMBERS:
		return parse_small(arg, 7, &wanted->members);
	case OPT_CLIENTS:
		return parse_small(arg, 32, &wanted->clients);
	case OPT_KEYS:
		return parse_small(arg, 32, &wanted->keys);
	case OPT_VALUE_MAX:
		return parse_small(arg, 1024 * 1024, &wanted->value_max) &&
		       wanted->value_max >= 16;
	case OPT_FAILURES:
		return parse_small(arg, 1000000, &wanted->failures_max);
	case OPT_STEPS:
		return parse_number(arg, 1, UINT64_MAX, &wanted->steps);
	case OPT_CHAOS:
		if (!parse_number(arg, 1, 1000000, &ms)) {
			return false;
		}
		wanted->chaos_ns = ms * SIM_MS;
		return true;
	default:
		return false;
	}
}

static bool parse_one(int id, const char *arg, struct wanted *wanted)
{
	switch (id) {
	case OPT_SEED:
		if (!parse_number(arg, 0, UINT64_MAX - 1, &wanted->first)) {
			return false;
		}
		wanted->last = wanted->first;
		return true;
	case OPT_SEEDS:
		return parse_range(arg, wanted);
	case OPT_SEEDS_FILE:
		wanted->seeds_file = arg;
		return true;
	case OPT_STORY:
		wanted->story = arg;
		return true;
	case OPT_TRACE:
		wanted->trace = true;
		return true;
	case OPT_TWICE:
		wanted->twice = true;
		return true;
	case OPT_LEASES:
		wanted->leases = true;
		return true;
	case OPT_SERVICES:
		wanted->services = true;
		return true;
	case OPT_NO_SHRINK:
		wanted->no_shrink = true;
		return true;
	case OPT_UPDATE:
		wanted->update = true;
		return true;
	case OPT_FAULTS:
		wanted->faults_given = true;
		return sim_faults_parse(arg, &wanted->faults);
	case OPT_MUTATE:
		wanted->expect_failure = true;
		return sim_mutations_parse(arg);
	default:
		return parse_size(id, arg, wanted);
	}
}

int main(int argc, char **argv)
{
	struct wanted wanted = {.jobs = 1, .first = 1, .last = 0, .failures_max = 1000};
	int id;

	while ((id = getopt_long(argc, argv, "j:", options, NULL)) != -1) {
		if (id == '?' || !parse_one(id, optarg, &wanted)) {
			(void)fprintf(stderr, "%s", usage);
			return 2;
		}
	}
	if (wanted.last < wanted.first && wanted.seeds_file == NULL &&
		wanted.story == NULL) {
		(void)fprintf(stderr, "%s", usage);
		return 2;
	}
	sim_memory_install();
	if (wanted.story != NULL) {
		return sim_story_run(wanted.story, wanted.update);
	}
	return wanted.trace ? run_traced(&wanted) : run_many(&wanted);
}
