/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the system that transfer and reserve, made to do what a disk in
 * trouble makes them do. The linker puts these in the place of libc's (--wrap).
 */
#ifndef BLX_TESTS_SYS_SYSTEM_H
#define BLX_TESTS_SYS_SYSTEM_H

#include <stddef.h>

enum system_call {
	SYSTEM_WRITE,
	SYSTEM_READ,
	SYSTEM_SYNC,
	SYSTEM_ALLOCATE,
	SYSTEM_TRUNCATE,
	SYSTEM_CALLS
};

/* The next times calls fail with errnum; of the others none does. */
void system_fail(enum system_call call, unsigned times, int errnum);

/* A call transfers at most max bytes; SIZE_MAX: as many as the system does. */
void system_shorten(size_t max);

#endif
