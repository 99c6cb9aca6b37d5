/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static struct {
	blx__log_cb cb;
	int level_max;
	void *data;
} sink;

void blx__log_set(blx__log_cb cb, int level_max, void *data)
{
	sink.cb = cb;
	sink.level_max = level_max;
	sink.data = data;
}

bool blx__log_wanted(int level)
{
	return sink.cb != NULL && level <= sink.level_max;
}

void blx__log_write(int level, const char *component, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!blx__log_wanted(level)) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sink.cb(level, component, text, sink.data);
}
