/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling a blx_error. A NULL error is allowed everywhere. A message says what
 * was being done, to which path or peer, and what to do about it.
 */
#ifndef BLX_BASE_ERROR_H
#define BLX_BASE_ERROR_H

#include <blixard/error.h>

/* Sets code and message and returns code. code is negative. */
__attribute__((format(printf, 3, 4))) int blx__error_set(blx_error *error, int code,
	const char *format, ...);

/* As above for a write, with its outcome. */
__attribute__((format(printf, 4, 5))) int blx__error_set_write(blx_error *error, int code,
	int outcome, const char *format, ...);

/* Copies from one to the other; code, outcome, revision, message. */
void blx__error_copy(blx_error *to, const blx_error *from);

/* The code that stands for an errno of open, write, fsync and their like. */
int blx__code_of_errno(int errnum);

#endif
