/* SPDX-License-Identifier: Apache-2.0 */
#include "record/fields.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

void blx__time_format(int64_t ns, char ret_text[BLX__TIME_SIZE])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;

	ret_text[0] = '\0';
	if (ns > 0 && gmtime_r(&seconds, &tm) != NULL) {
		size_t len = strftime(ret_text, BLX__TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);

		(void)snprintf(ret_text + len, BLX__TIME_SIZE - len, ".%03dZ",
			(int)(ns % NS_PER_S / 1000000));
	}
}

/* ".678" as ns. False: it goes on with something else. */
static bool fraction_parse(const char **text, int64_t *ns)
{
	int64_t unit = NS_PER_S / 10;

	if (**text != '.') {
		return true;
	}
	for (++*text; **text >= '0' && **text <= '9'; ++*text) {
		*ns += (**text - '0') * unit;
		unit /= 10;
	}
	return unit != NS_PER_S / 10;
}

bool blx__time_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = {0};
	int64_t ns = 0;
	const char *rest;

	if (text[0] == '\0') {
		*ret_ns = 0;
		return true;
	}
	rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL || tm.tm_year < 70 || tm.tm_year > 300 ||
		!fraction_parse(&rest, &ns) || strcmp(rest, "Z") != 0) {
		return false;
	}
	*ret_ns = (int64_t)timegm(&tm) * NS_PER_S + ns;
	return true;
}
