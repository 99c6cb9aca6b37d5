/* SPDX-License-Identifier: Apache-2.0 */
#include "runner.h"

#include "memory.h"
#include "mutate.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A run that takes longer is stuck. */
#define RUN_S    120

#define JOBS_MAX 64

struct job {
	pid_t pid; /* 0: free */
	int answer;
	int error;
	struct sim_plan plan;
};

static void job_run(const struct sim_plan *plan, int answer, int error)
{
	struct sim_outcome outcome;

	(void)dup2(error, STDERR_FILENO);
	(void)alarm(RUN_S);
	sim_run(plan, NULL, &outcome);
	if (write(answer, &outcome, sizeof outcome) != (ssize_t)sizeof outcome) {
		_exit(3);
	}
	/* By way of exit(), so that a leak checker has its say. */
	exit(0);
}

static bool job_begin(struct job *job, const struct sim_plan *plan)
{
	int answer[2];
	int error[2];

	if (pipe(answer) != 0 || pipe(error) != 0) {
		return false;
	}
	(void)fflush(NULL);
	job->plan = *plan;
	job->pid = fork();
	if (job->pid == 0) {
		(void)close(answer[0]);
		(void)close(error[0]);
		job_run(plan, answer[1], error[1]);
	}
	(void)close(answer[1]);
	(void)close(error[1]);
	job->answer = answer[0];
	job->error = error[0];
	return job->pid > 0;
}

/* The first lines of what it said when it died. */
static size_t read_all(int fd, void *data, size_t size)
{
	size_t len = 0;
	ssize_t n;
	char rest[512];

	while (len < size && (n = read(fd, (char *)data + len, size - len)) != 0) {
		if (n < 0 && errno != EINTR) {
			break;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	while ((n = read(fd, rest, sizeof rest)) > 0 || (n < 0 && errno == EINTR)) {
	}
	return len;
}

static void died(struct sim_outcome *outcome, uint64_t seed, int status, const char *said)
{
	*outcome = (struct sim_outcome){.seed = seed, .failed = true};
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		(void)snprintf(outcome->failure, sizeof outcome->failure,
			"stuck: not over after %d s of real time", RUN_S);
	} else {
		(void)snprintf(outcome->failure, sizeof outcome->failure,
			"crash: %s %d: %.900s", WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
			said);
	}
}

static void job_end(struct job *job, struct sim_outcome *ret_outcome)
{
	char said[1024];
	size_t got = read_all(job->answer, ret_outcome, sizeof *ret_outcome);
	size_t len = read_all(job->error, said, sizeof said - 1);
	int status = 0;

	said[len] = '\0';
	(void)close(job->answer);
	(void)close(job->error);
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
	}
	job->pid = 0;
	if (got != sizeof *ret_outcome || status != 0) {
		died(ret_outcome, job->plan.seed, status, said);
	}
}

void sim_runner_one(const struct sim_plan *plan, struct sim_outcome *ret_outcome)
{
	struct job job = {0};

	if (!job_begin(&job, plan)) {
		perror("simulator: fork");
		exit(3);
	}
	job_end(&job, ret_outcome);
}

/* ---- many ---- */

static struct job *job_wait(struct job *jobs, unsigned count)
{
	struct pollfd polls[JOBS_MAX];
	unsigned i;

	for (;;) {
		for (i = 0; i < count; i++) {
			polls[i] = (struct pollfd){
				.fd = jobs[i].pid != 0 ? jobs[i].answer : -1,
				.events = POLLIN};
		}
		if (poll(polls, count, -1) < 0) {
			continue;
		}
		for (i = 0; i < count; i++) {
			if (polls[i].revents != 0) {
				return &jobs[i];
			}
		}
	}
}

void sim_runner_many(const struct sim_batch *batch)
{
	struct job jobs[JOBS_MAX] = {0};
	unsigned count = batch->jobs < JOBS_MAX ? batch->jobs : JOBS_MAX;
	unsigned running = 0;
	uint64_t seed = batch->first;
	bool more = true;
	unsigned i;

	while (running > 0 || (more && seed <= batch->last)) {
		struct sim_outcome outcome;
		struct job *job;

		for (i = 0; i < count && more && seed <= batch->last; i++) {
			struct sim_plan plan;

			if (jobs[i].pid != 0) {
				continue;
			}
			sim_plan_make(&plan, seed++);
			batch->adjust(&plan, batch->data);
			if (!job_begin(&jobs[i], &plan)) {
				perror("simulator: fork");
				exit(3);
			}
			running++;
		}
		job = job_wait(jobs, count);
		job_end(job, &outcome);
		running--;
		more = batch->cb(&job->plan, &outcome, batch->data) && more;
	}
}

/* ---- smaller ---- */

/* What is before the colon names the checker. */
static bool same_failure(const struct sim_outcome *a, const struct sim_outcome *b)
{
	size_t len = strcspn(a->failure, ":0123456789");

	return b->failed && strncmp(a->failure, b->failure, len) == 0;
}

static bool try_plan(struct sim_plan *plan, struct sim_outcome *outcome,
	const struct sim_plan *candidate)
{
	struct sim_outcome found;

	sim_runner_one(candidate, &found);
	if (!same_failure(outcome, &found)) {
		return false;
	}
	*plan = *candidate;
	*outcome = found;
	return true;
}

static bool fewer_faults(struct sim_plan *plan, struct sim_outcome *outcome)
{
	bool any = false;
	unsigned i;

	for (i = 0; i < SIM_FAULTS; i++) {
		struct sim_plan candidate = *plan;

		candidate.faults &= ~(1u << i);
		if (candidate.faults != plan->faults) {
			any = try_plan(plan, outcome, &candidate) || any;
		}
	}
	return any;
}

static bool less_load(struct sim_plan *plan, struct sim_outcome *outcome)
{
	struct sim_plan candidate = *plan;
	bool any = false;

	candidate.clients = plan->clients / 2;
	any = candidate.clients > 0 && try_plan(plan, outcome, &candidate);
	candidate = *plan;
	candidate.keys = plan->keys / 2;
	any = (candidate.keys > 0 && try_plan(plan, outcome, &candidate)) || any;
	candidate = *plan;
	candidate.value_max = 16;
	return (plan->value_max > 16 && try_plan(plan, outcome, &candidate)) || any;
}

static bool less_time(struct sim_plan *plan, struct sim_outcome *outcome)
{
	struct sim_plan candidate = *plan;

	candidate.chaos_ns = plan->chaos_ns * 3 / 4;
	return candidate.chaos_ns > SIM_S / 2 && try_plan(plan, outcome, &candidate);
}

void sim_shrink(struct sim_plan *plan, struct sim_outcome *outcome)
{
	while (fewer_faults(plan, outcome) || less_load(plan, outcome) ||
		less_time(plan, outcome)) {
	}
}

void sim_plan_command(const struct sim_plan *plan, char *ret_text, size_t size)
{
	char faults[256];

	sim_faults_format(plan->faults, faults, sizeof faults);
	(void)snprintf(ret_text, size,
		"blixard-sim --seed %llu --faults %s --members %u --clients %u --keys %u "
		"--value-max %u --chaos-ms %llu%s%s%s%s --trace",
		(unsigned long long)plan->seed, faults, plan->members, plan->clients,
		plan->keys, plan->value_max,
		(unsigned long long)(plan->chaos_ns / SIM_MS),
		plan->leases ? " --leases" : "",
		plan->operators > 0 ? " --services" : "",
		sim_mutations.text != NULL ? " --mutate " : "",
		sim_mutations.text != NULL ? sim_mutations.text : "");
}
