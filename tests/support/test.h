/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests are written for Criterion. Criterion's arena cannot be mapped under
 * the thread sanitizer, so that build uses the small stand-in below: the same
 * macros, each test in a process of its own, one after the other.
 */
#ifndef BLX_TESTS_TEST_H
#define BLX_TESTS_TEST_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BLX_TEST_STANDIN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define BLX_TEST_STANDIN 1
#endif

#ifndef BLX_TEST_STANDIN

#include <criterion/criterion.h>

#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct blx_test_opts {
	void (*init)(void);
	void (*fini)(void);
	double timeout;
	bool disabled;
};

struct blx_test {
	const char *suite;
	const char *name;
	void (*fn)(void);
	struct blx_test_opts opts;
	struct blx_test *next;
};

void blx_test_register(struct blx_test *test);
__attribute__((noreturn, format(printf, 4, 5))) void blx_test_fail(const char *file, int line,
	const char *what, const char *format, ...);
__attribute__((noreturn)) void blx_test_skip(void);

#define Test(s, n, ...)                                                                  \
	static void s##_##n##_fn(void);                                                  \
	static struct blx_test s##_##n##_test = { #s, #n, s##_##n##_fn, { __VA_ARGS__ }, \
		NULL };                                                                  \
	__attribute__((constructor)) static void s##_##n##_register(void)                \
	{                                                                                \
		blx_test_register(&s##_##n##_test);                                      \
	}                                                                                \
	static void s##_##n##_fn(void)

#define cr_assert_(ok, text, ...)                                                        \
	do {                                                                             \
		if (!(ok)) {                                                             \
			blx_test_fail(__FILE__, __LINE__, text, "" __VA_ARGS__);         \
		}                                                                        \
	} while (0)
#define cr_assert(x, ...)           cr_assert_((x), #x, __VA_ARGS__)
#define cr_assert_not(x, ...)       cr_assert_(!(x), "not " #x, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)     cr_assert_((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)    cr_assert_((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)     cr_assert_((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)    cr_assert_((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)     cr_assert_((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)    cr_assert_((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...)      cr_assert_((a) == NULL, #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...)  cr_assert_((a) != NULL, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) cr_assert_(strcmp((a), (b)) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                     \
	cr_assert_(strcmp((a), (b)) != 0, #a " is not " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...)                                                   \
	cr_assert_(memcmp((a), (b), (n)) == 0, #a " equals " #b, __VA_ARGS__)
#define cr_assert_fail(...) cr_assert_(0, "fail", __VA_ARGS__)
#define cr_log_info(...)    ((void)(printf(__VA_ARGS__), putchar('\n')))
#define cr_skip_test(...)                                                                \
	do {                                                                             \
		printf("skipped: " __VA_ARGS__);                                         \
		putchar('\n');                                                           \
		blx_test_skip();                                                         \
	} while (0)

#endif

#endif
