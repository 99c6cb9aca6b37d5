/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#ifdef BLX_TEST_STANDIN

#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

static struct blx_test *first;

enum { PASSED = 0, FAILED = 1, SKIPPED = 77 };

void blx_test_register(struct blx_test *test)
{
	struct blx_test **at = &first;

	while (*at != NULL) {
		at = &(*at)->next;
	}
	*at = test;
}

void blx_test_fail(const char *file, int line, const char *what, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: failed: %s ", file, line, what);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	fflush(NULL);
	_exit(FAILED);
}

void blx_test_skip(void)
{
	fflush(NULL);
	_exit(SKIPPED);
}

/* In a process of its own, as Criterion does it: what a test leaves behind is gone with it. */
static int run_one(const struct blx_test *test)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (test->opts.init != NULL) {
			test->opts.init();
		}
		test->fn();
		if (test->opts.fini != NULL) {
			test->opts.fini();
		}
		exit(PASSED); /* the sanitizer has its say */
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		return FAILED;
	}
	if (!WIFEXITED(status)) {
		fprintf(stderr, "%s::%s ended by signal %d\n", test->suite, test->name,
			WTERMSIG(status));
		return FAILED;
	}
	return WEXITSTATUS(status);
}

int main(void)
{
	unsigned passed = 0;
	unsigned failed = 0;
	struct blx_test *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (test = first; test != NULL; test = test->next) {
		int outcome;

		if (test->opts.disabled) {
			continue;
		}
		outcome = run_one(test);
		passed += outcome == PASSED;
		failed += outcome != PASSED && outcome != SKIPPED;
		if (outcome != PASSED && outcome != SKIPPED) {
			printf("FAILED %s::%s\n", test->suite, test->name);
		}
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}

#else

/* Criterion brings its own main(). */
typedef int blx_test_nothing;

#endif
