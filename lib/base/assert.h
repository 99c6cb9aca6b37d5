/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions. They stay on in release builds. They state what this code
 * promises itself; input from users, peers or disk is never asserted on.
 */
#ifndef BLX_BASE_ASSERT_H
#define BLX_BASE_ASSERT_H

/* Says where and what, and aborts: the program is wrong, going on would be worse. */
__attribute__((noreturn, cold)) void blx__assert_fail(const char *kind, const char *text,
	const char *file, int line);

#define BLX__CHECK(kind, x)                                                              \
	do {                                                                             \
		if (__builtin_expect(!(x), 0)) {                                         \
			blx__assert_fail(kind, #x, __FILE__, __LINE__);                  \
		}                                                                        \
	} while (0)

#define PRE(x)        BLX__CHECK("precondition", x)
#define POST(x)       BLX__CHECK("postcondition", x)
#define INVARIANT(x)  BLX__CHECK("invariant", x)
#define IMPOSSIBLE(x) blx__assert_fail("impossible", x, __FILE__, __LINE__)

#define BLX__UNUSED(x) ((void)(x))

/* The struct of the given type whose member is at ptr. */
#define blx__container_of(ptr, type, member)                                             \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
