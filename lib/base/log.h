/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library prints nothing: what it has to say goes to the sink that the
 * host set, or nowhere. A sink is called from the loop thread and from worker
 * threads.
 */
#ifndef BLX_BASE_LOG_H
#define BLX_BASE_LOG_H

#include <stdbool.h>

enum blx__log_level { BLX__LOG_ERROR, BLX__LOG_WARN, BLX__LOG_INFO, BLX__LOG_DEBUG };

typedef void (*blx__log_cb)(int level, const char *component, const char *message, void *data);

/* One sink for the process; NULL for none. Set it before the first member starts. */
void blx__log_set(blx__log_cb cb, int level_max, void *data);

bool blx__log_wanted(int level);

__attribute__((format(printf, 3, 4))) void blx__log_write(int level, const char *component,
	const char *format, ...);

#define blx__log(level, component, ...)                                                  \
	do {                                                                             \
		if (blx__log_wanted(level)) {                                            \
			blx__log_write(level, component, __VA_ARGS__);                   \
		}                                                                        \
	} while (0)

#endif
