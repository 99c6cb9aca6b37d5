/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void blx__assert_fail(const char *kind, const char *text, const char *file, int line)
{
	char out[512];
	int len = snprintf(out, sizeof out, "libblixard: %s failed: %s (%s:%d)\n", kind, text,
		file, line);

	if (len > 0) {
		size_t n = (size_t)len < sizeof out ? (size_t)len : sizeof out - 1;
		/* The one place that writes to stderr: abort() follows. */
		ssize_t written = write(STDERR_FILENO, out, n);

		(void)written;
	}
	abort();
}
