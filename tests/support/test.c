/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#ifdef BLX_TEST_STANDIN

#include <stdarg.h>

static struct blx_test *first;
static jmp_buf out;

enum { PASSED = 1, FAILED, SKIPPED };

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
	longjmp(out, FAILED);
}

void blx_test_skip(void)
{
	longjmp(out, SKIPPED);
}

static int run_one(const struct blx_test *test)
{
	int outcome = setjmp(out);

	if (outcome == 0) {
		if (test->opts.init != NULL) {
			test->opts.init();
		}
		test->fn();
		if (test->opts.fini != NULL) {
			test->opts.fini();
		}
		outcome = PASSED;
	}
	return outcome;
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
		failed += outcome == FAILED;
		if (outcome == FAILED) {
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
