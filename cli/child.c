/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_BY_SIGNAL 128

extern char **environ;

static size_t count_of(const char *const *list)
{
	size_t count = 0;

	while (list[count] != NULL) {
		count++;
	}
	return count;
}

static bool is_set_by(const char *const *vars, const char *name)
{
	for (; *vars != NULL; vars++) {
		size_t len = (size_t)(strchr(*vars, '=') - *vars) + 1;

		if (strncmp(*vars, name, len) == 0) {
			return true;
		}
	}
	return false;
}

/* The spec's variables and then ours, but for those of the same names. */
static char **environment(const struct child_spec *spec)
{
	const char *const *ours = (const char *const *)environ;
	size_t room = count_of(spec->vars) + count_of(ours) + 1;
	char **made = calloc(room, sizeof *made);
	size_t count = 0;
	size_t i;

	if (made == NULL) {
		return NULL;
	}
	for (i = 0; spec->vars[i] != NULL; i++) {
		made[count++] = (char *)spec->vars[i];
	}
	for (i = 0; ours[i] != NULL; i++) {
		if (!is_set_by(spec->vars, ours[i])) {
			made[count++] = (char *)ours[i];
		}
	}
	return made;
}

/* A file in memory: unlike a pipe it holds nobody up who does not read it. */
static int input_open(const struct child_spec *spec)
{
	int fd = memfd_create("blixard-value", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < spec->input_len) {
		ssize_t n = write(
			fd, (const char *)spec->input + done, spec->input_len - done);

		if (n < 0 && errno != EINTR) {
			int saved = errno;

			(void)close(fd);
			errno = saved;
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0) {
		(void)lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

/* What we ignore or block is not to be ignored or blocked by it. */
static int spawn(const struct child_spec *spec, int input, char **env, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	sigset_t blocked;
	int rv = 0;

	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)sigemptyset(&blocked);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigdefault(&attr, &defaults);
	(void)posix_spawnattr_setsigmask(&attr, &blocked);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (input >= 0) {
		rv = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	}
	if (rv == 0) {
		rv = posix_spawnp(ret_pid, spec->argv[0], &actions, &attr,
			(char *const *)spec->argv, env);
	}
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -rv;
}

int child_wait(pid_t pid, int *ret_status)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	*ret_status = WIFSIGNALED(status) ? EXIT_BY_SIGNAL + WTERMSIG(status)
					  : WEXITSTATUS(status);
	return 0;
}

int child_start(const struct child_spec *spec, pid_t *ret_pid)
{
	char **env = environment(spec);
	int input;
	int rv;

	if (env == NULL) {
		return -ENOMEM;
	}
	input = spec->own_input ? -1 : input_open(spec);
	rv = input < 0 && !spec->own_input ? -errno : spawn(spec, input, env, ret_pid);
	if (input >= 0) {
		(void)close(input);
	}
	free(env);
	return rv;
}

int child_run(const struct child_spec *spec, int *ret_status)
{
	pid_t pid;
	int rv = child_start(spec, &pid);

	return rv != 0 ? rv : child_wait(pid, ret_status);
}
