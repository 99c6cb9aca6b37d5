/* SPDX-License-Identifier: Apache-2.0 */
#include "raft_sim_cure.h"

#include "support/test.h"

#include "base/assert.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_BASE 40 /* what a sanitizer or the C library would not exit with */

static enum raft_sim_outcome run(raft_sim_scenario scenario, uint32_t without)
{
	struct raft_sim *sim = raft_sim_create(0, without);
	enum raft_sim_outcome outcome = scenario(sim);

	if (raft_sim_violated(sim)) {
		outcome = RAFT_SIM_VIOLATED;
	}
	if (outcome != RAFT_SIM_OK && getenv("BLX_VERBOSE") != NULL) {
		fprintf(stderr, "without %#x: outcome %d %s\n", (unsigned)without,
			outcome, sim->violation);
	}
	raft_sim_destroy(sim);
	return outcome;
}

/* The crashes are expected: their reports would only frighten. */
static void be_quiet(void)
{
	int null = open("/dev/null", O_WRONLY);

	if (getenv("BLX_VERBOSE") == NULL && null >= 0) {
		(void)dup2(null, STDERR_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
}

enum raft_sim_outcome raft_sim_try(raft_sim_scenario scenario, uint32_t without)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		be_quiet();
		alarm(60); /* corrupt memory may also be an endless loop */
		_exit(EXIT_BASE + (int)run(scenario, without));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) >= EXIT_BASE &&
		WEXITSTATUS(status) <= EXIT_BASE + RAFT_SIM_CRASHED) {
		return (enum raft_sim_outcome)(WEXITSTATUS(status) - EXIT_BASE);
	}
	return RAFT_SIM_CRASHED;
}

void raft_sim_check_cure(raft_sim_scenario scenario, uint32_t cure, uint32_t others,
	enum raft_sim_outcome expected)
{
	enum raft_sim_outcome outcome = run(scenario, 0);

	cr_assert_eq(outcome, RAFT_SIM_OK, "with all cures: %d", outcome);
	if (others != 0) {
		outcome = run(scenario, others);
		cr_assert_eq(outcome, RAFT_SIM_OK, "with the cure, without %#x: %d",
			(unsigned)others, outcome);
	}
	outcome = raft_sim_try(scenario, others | cure);
#ifdef BLX_TEST_STANDIN
	/* Freed memory stays readable under the thread sanitizer, so a use of it may do no harm;
	 * the other builds see it crash. */
	if (expected == RAFT_SIM_CRASHED) {
		return;
	}
#endif
	cr_assert_eq(outcome, expected, "without the cure: %d", outcome);
}

void raft_sim_elect(struct raft_sim *sim, raft_id id)
{
	raft_sim_expire(sim, id, RAFT_SIM_ELECTION_MS, RAFT_SIM_ELECTION_MS);
	INVARIANT(raft_sim_run_until_leader(sim, id, 5000));
	raft_sim_run(sim, 300);
}
